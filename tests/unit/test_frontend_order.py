"""`zapsim tune --order`: a static order of filters from calibration pictures, on to traces and reordered weights."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.frontend_support import small_network, smooth_images
from tests.order_support import Residual, graph_and_channels, network, predictors_of
from zapsim.cli import main
from zapsim.errors import FrontendError
from zapsim.frontend import api
from zapsim.frontend.network.bands import pieces
from zapsim.frontend.skipping import uniform_points
from zapsim.frontend.training.adapted_weights import AdaptedWeights, load_adapted, save_adapted
from zapsim.frontend.tuning.operating_points import load_points
from zapsim.frontend.tuning.ordering import RULES, learn_order, measure_shares, order_points
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(6, labels=True)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16, 96, 100])
def test_rules_are_permutations(count: int):
    for rule in RULES.values():
        assert sorted(rule(count).tolist()) == list(range(count))


def test_dealt_ranks_are_spread_evenly():
    assert RULES["deal"](8).tolist() == [0, 7, 2, 5, 1, 6, 3, 4]
    ranks = RULES["deal"](64)
    for size in (2, 4, 8, 16, 32):  # every block has the same sum: as many dense filters as sparse ones
        assert len(set(ranks.reshape(-1, size).sum(axis=1).tolist())) == 1


def test_shares_are_those_of_the_masks():
    net = small_network()
    graph, _ = graph_and_channels(net)
    predictors = predictors_of(net, graph).predictors
    (point,) = uniform_points([0.5], predictors)
    shares = measure_shares(net.model, graph, predictors, point, IMAGES)
    expected: dict[str, torch.Tensor] = {}
    from zapsim.frontend.network.forward import frozen
    from zapsim.frontend.network.intercept import Interception

    def skip(site, ofmap):
        if site.name in predictors:
            expected[site.name] = predictors[site.name].mask(ofmap, 0.5)
            return ofmap * expected[site.name]
        return None

    with frozen(net.model), Interception(graph, skip):
        net.model(IMAGES.tensor(range(6)))
    assert shares.keys() == expected.keys() == {site.name for site in graph.eligible}
    for layer, mask in expected.items():
        np.testing.assert_allclose(shares[layer], mask.double().mean(dim=(0, 2, 3)).numpy())


def test_layers_whose_outputs_are_added_are_ordered_by_all_of_them():
    net = network(Residual())
    graph, channels = graph_and_channels(net)
    random = np.random.default_rng(0)
    shares = {site.name: random.random(site.shape.K) for site in graph.eligible}
    order = learn_order(graph, channels, shares, "density")
    stem, conv2 = (pieces(channels.filters[name])[0][0] for name in ("stem", "conv2"))
    assert stem is conv2  # stem is not predicted, so conv2 alone says
    assert order.filters["stem"] == order.filters["conv2"] == order.channels["conv1"]
    assert order.filters["conv2"] == tuple(np.argsort(-shares["conv2"], kind="stable").tolist())
    # conv3 and its shortcut are one sum, of which one is predicted
    assert order.filters["conv3"] == order.filters["short"]
    assert order.channels["short"] == order.filters["conv2"]
    assert order.kept == {}


def test_tune_makes_a_point_per_order_and_traces_share_its_maps(tmp_path: Path):
    net = small_network()
    predictors = predictors_of(net, graph_and_channels(net)[0])
    tuned = api.tune(net, predictors, IMAGES, error=0.2, order=["density", "deal"], out=tmp_path / "points.json")
    plain, density, deal = tuned.points
    assert [point.name for point in tuned.points] == ["e0.2", "e0.2-density", "e0.2-deal"]
    assert plain.order is None
    assert density.predictors == deal.predictors == plain.predictors
    assert density.order is not None
    assert density.order.note == f"on {IMAGES.description}"
    document = json.loads((tmp_path / "points.json").read_text())
    assert document["version"] == 3
    assert "order" not in document["points"][0]
    assert load_points(tmp_path / "points.json", predictors) == tuned.points

    trace = api.trace(net, predictors, IMAGES, tmp_path / "trace", points=tuned.points, count=2)
    points = trace.header.operating_points
    assert [point.maps for point in points] == [None, "e0.2", "e0.2"]
    assert points[0].quality == points[1].quality == points[2].quality != {}
    alone = api.trace(net, predictors, IMAGES, tmp_path / "alone", points=density, count=2)
    assert alone.header.operating_points[0].maps is None
    for shared, own in zip(trace.layers("e0.2-density"), alone.layers(), strict=True):
        assert np.array_equal(shared.ifmap_nonzero.bits, own.ifmap_nonzero.bits)
        if own.mask is not None:
            assert shared.mask is not None
            assert np.array_equal(shared.mask.bits, own.mask.bits)
    judged = api.trace(net, predictors, IMAGES, tmp_path / "judged", points=tuned.points, count=1, eval_images=IMAGES)
    qualities = [point.quality for point in judged.header.operating_points]
    assert qualities[0] == qualities[1] == qualities[2] != points[0].quality


def test_without_an_order_points_are_written_as_before(tmp_path: Path):
    net = small_network()
    predictors = predictors_of(net, graph_and_channels(net)[0])
    api.tune(net, predictors, IMAGES, threshold=0.5, out=tmp_path / "points.json")
    document = json.loads((tmp_path / "points.json").read_text())
    assert document["version"] == 2
    assert document["points"][0].keys() == {"name", "predictors", "quality", "quality_note"}
    document["points"][0]["maps"] = "t0"
    (tmp_path / "points.json").write_text(json.dumps(document))
    with pytest.raises(FrontendError, match="only the points of a trace have the maps of others"):
        load_points(tmp_path / "points.json", predictors)


def test_adapted_weights_keep_the_order(tmp_path: Path):
    net = small_network()
    graph, _ = graph_and_channels(net)
    predictors = predictors_of(net, graph)
    points = uniform_points([0.5], predictors.predictors)
    (ordered,) = order_points(net.model, graph, predictors.predictors, points, IMAGES, ["density"])
    save_adapted(tmp_path / "a", [AdaptedWeights(ordered, "recalibrated", net.model.state_dict())], predictors, {})
    (loaded,) = load_adapted(tmp_path / "a", predictors)
    assert loaded.point == ordered
    trace = api.trace(net, predictors, IMAGES, tmp_path / "t", points=points, adapted=[tmp_path / "a"], count=1)
    assert [point.maps for point in trace.header.operating_points] == [None, None]  # other weights, other maps


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (["densty"], "unknown order of filters 'densty' .did you mean 'density'"),
        (["deal", "deal"], "the order of filters 'deal' is given twice"),
    ],
)
def test_unknown_rules_are_refused(rules: list, fault: str):
    net = small_network()
    predictors = predictors_of(net, graph_and_channels(net)[0])
    with pytest.raises(FrontendError, match=fault):
        api.tune(net, predictors, IMAGES, error=0.1, order=rules)


NET = """
from tests.order_support import Residual, network
def net():
    return network(Residual())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("order")
    (folder / "order_net.py").write_text(NET)
    for seed, name in enumerate(("images-idx3-ubyte", "others-idx3-ubyte")):
        random = np.random.default_rng(seed).integers(0, 256, (24, 4, 4)).repeat(4, axis=1).repeat(4, axis=2)
        header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in random.shape)
        (folder / name).write_bytes(header + random.astype(np.uint8).tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in (
            "train --network order_net:net --images images-idx3-ubyte --crops 16 --epochs 1 --out p.safetensors",
            "tune --network order_net:net --predictors p.safetensors --images others-idx3-ubyte --crops 12 "
            "--threshold 0.5 --order density --out points.json",
        ):
            assert main(shlex.split(command)) == 0
    return folder


REORDER = "reorder --network order_net:net --predictors p.safetensors --points points.json"


def test_reorder_from_end_to_end(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(folder)
    command = f"{REORDER} --point t0.5-density --out w.safetensors --out-predictors p2.safetensors"
    assert main(shlex.split(command)) == 0
    assert "w.safetensors, p2.safetensors: filters of" in capsys.readouterr().out
    trace = "trace --network order_net:net --images images-idx3-ubyte --count 2"
    ordered = f"{trace} --predictors p.safetensors --points points.json --point t0.5-density --out a.safetensors"
    reordered = f"{trace} --weights w.safetensors --predictors p2.safetensors --threshold 0.5 --out b.safetensors"
    assert main(shlex.split(ordered)) == 0
    assert main(shlex.split(reordered)) == 0
    pairs = zip(Trace("a.safetensors").layers(), Trace("b.safetensors").layers(), strict=True)
    for one, other in pairs:
        assert np.array_equal(one.ifmap_nonzero.bits, other.ifmap_nonzero.bits)
        assert (one.mask is None) == (other.mask is None)
        if one.mask is not None and other.mask is not None:
            assert np.array_equal(one.mask.bits, other.mask.bits)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ("--point t0.5 --out w2.safetensors", "operating point t0.5 has no order of filters"),
        ("--point t0.5-deal --out w2.safetensors", "no operating point 't0.5-deal' (did you mean 't0.5-density'?)"),
        ("--point t0.5-density --out w2.pth", "end the name in .safetensors"),
        ("--point t0.5-density --out w2.safetensors --out-predictors w2.safetensors", "two results would go there"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    fault: str,
):
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert main(shlex.split(f"{REORDER} {arguments}")) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert fault in err
    assert sorted(folder.iterdir()) == before
