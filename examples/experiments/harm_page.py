"""The page of ``harm.py``: what each method saves at equal harm, over seeds and one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from harm_cases import OUTPUT

from zapsim.frontend.evaluation_table import Record, markdown

METHODS = {
    "ZAP weighted": (("weighted",), "activation"),
    "ZAP harm": (("harm",), "output"),
    "neighbours": (("neighbours",), "activation"),
    "neighbours, by harm": (("neighbours",), "output"),
    "best, by harm": (("harm", "neighbours"), "output"),
}
"""What a row is called, the recipes of predictors (or the rule), and the harm that thresholds are tuned by."""
ZAPS = ("ZAP weighted", "ZAP harm")
RULES = ("neighbours", "neighbours, by harm")
BEST = "best, by harm"
SUMMARY = (
    ("network", "network", ""),
    ("limit", "loss asked for", ""),
    ("seeds", "seeds", "d"),
    ("zap", "ZAP", ".1%"),
    ("rule", "rule", ".1%"),
    ("best", "best", ".1%"),
    ("zap_less", "ZAP less rule", "+.1%"),
    ("best_less", "best less rule", "+.1%"),
    ("best_low", "least", "+.1%"),
    ("best_high", "most", "+.1%"),
    ("best_less_zap", "best less ZAP", "+.1%"),
    ("zap_loss", "ZAP lost", ".2%"),
    ("rule_loss", "rule lost", ".2%"),
    ("best_loss", "best lost", ".2%"),
)
COLUMNS = (
    ("network", "network", ""),
    ("limit", "loss asked for", ""),
    ("method", "method", ""),
    ("seed", "seed", ""),
    ("calibrate_saved", "net saved, calibrate", ".1%"),
    ("macs_saved", "net saved, test", ".1%"),
    ("loss", "loss on test", ".2%"),
    ("loss_low", "from", ".2%"),
    ("loss_high", "to", ".2%"),
    ("equal", "net at equal error", ".1%"),
    ("learning", "learnt from", ""),
    ("calibration", "chosen on", ""),
    ("n", "n", ""),
)


EARLIER = """
Networks without *net saved, calibrate* were measured by an earlier version of the script. There the budget is the
largest of nine that is within the loss on the calibration images, and *net at equal error* lies on the line between
two budgets on the test images. Methods whose budget is one less cannot be told from worse ones. What is shown of ZAP
and the rule is tuned by harm.
"""

NOT_COMPARED = """
Measured before mixtures were compared with single methods, so that *best* is the mixture there: {}.
"""


def page(records: Sequence[Record], pattern: str) -> str:
    """Return the page of results."""
    shown = [record | {"limit": limit_text(record)} for record in records]
    mixed = dict.fromkeys(f"{each['network']} seed {each['seed']}" for each in records if not each.get("compared"))
    return f"""# Equal harm: ZAP, the neighbour rule, and the better of both

`python examples/experiments/harm.py`. Pattern {pattern}. The images that predictors learn from, those on which
thresholds are chosen, and those of the test are different ones; crops of photographs are of different photographs.

- **ZAP weighted**: predictors of `--recipe weighted`, thresholds by lost activation (`tune --weigh`).
- **ZAP harm**: predictors of `--recipe harm`, thresholds by the estimated error of the output (`tune --harm output`).
- **neighbours**: the neighbour rule with a threshold for each layer, tuned by lost activation; **by harm**: tuned as
  ZAP harm is. The rule takes no MACs.
- **best**: each layer gets ZAP harm or the rule, whichever the budget is better spent on, or all layers one of them if
  that errs less at the same saving on the calibration images (`--method best`).

*Loss*: the relative error of the output (of the logits of a classifier; of the last map of VGG-16), or the top-1 lost.
The budget is where the lines through the budgets that were run on the calibration images, made to rise, reach the loss
asked for. Thresholds of the rule rise in steps, so that it may lose more or less there than the lines say. *net saved*:
MACs, less the predictors' own. *loss on test*, with its 95 % interval over n test images (or their photographs), is
that budget's. *net at equal error*: the saving on test, moved along the line of the calibration images to exactly the
error asked for.

ZAP is as good as its training, the rule needs none: 1,600 images in 5 epochs are 250 steps, 96 crops in 6 epochs are
144, which is too little to judge ZAP by. *chosen on* says how many images chose the budgets: 0.5 points of 300 are one
and a half, so that rows of top-1 with so few say nothing.
{EARLIER if any("calibrate_saved" not in record for record in records) else ""}\
{NOT_COMPARED.format(", ".join(mixed)) if mixed else ""}
## Mean of the seeds

ZAP and the rule are each tuned by the harm that saves more on the calibration images (the mean of the seeds). Savings
are *net at equal error* for errors of the output, and *net saved, test* for top-1, beside which the top-1 lost on test
stands. *least*, *most*: of the differences between best and rule of one seed.

{markdown(summaries(shown), SUMMARY)}
## Every seed

{markdown(shown, COLUMNS)}"""


def limit_text(record: Record) -> str:
    """Return what a record's budget is asked to lose."""
    return f"{record['asked']:.1%} {'of the output' if record['figure'] == OUTPUT else 'top-1'}"


def summaries(records: Sequence[Record]) -> list[Record]:
    """Return a line for every network and limit."""
    rows = []
    for network, limit in dict.fromkeys((str(record["network"]), str(record["limit"])) for record in records):
        here = [record for record in records if (record["network"], record["limit"]) == (network, limit)]
        by_method = {
            name: {record["seed"]: record for record in here if record["method"] == name}
            for name in dict.fromkeys(record["method"] for record in here)
        }
        zap, rule, best = (by_method[_preferred(by_method, names)] for names in (ZAPS, RULES, (BEST,)))
        differences = [_saved(best[seed]) - _saved(rule[seed]) for seed in best]
        rows.append(
            {
                "network": network,
                "limit": limit,
                "seeds": len(best),
                **{name: _mean(each) for name, each in (("zap", zap), ("rule", rule), ("best", best))},
                "zap_less": _mean(zap) - _mean(rule),
                "best_less": float(np.mean(differences)),
                "best_low": min(differences),
                "best_high": max(differences),
                "best_less_zap": _mean(best) - _mean(zap),
                **{
                    f"{name}_loss": float(np.mean([float(record["loss"]) for record in each.values()]))
                    for name, each in (("zap", zap), ("rule", rule), ("best", best))
                },
            }
        )
    return rows


def _preferred(by_method: dict[str, dict[int, Record]], names: Sequence[str]) -> str:
    """Return the method that saves most on the calibration images; the last if that is not known."""
    measured = [name for name in reversed(names) if name in by_method]

    def saved(name: str) -> float:
        return sum(float(row.get("calibrate_saved", 0.0)) for row in by_method[name].values())

    return max(measured, key=saved)


def _saved(record: Record) -> float:
    return float(record["equal"] if record["figure"] == OUTPUT else record["macs_saved"])


def _mean(by_seed: dict[int, Record]) -> float:
    return float(np.mean([_saved(record) for record in by_seed.values()]))
