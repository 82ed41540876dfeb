"""Commands in README and docs/ that `test_commands.py` does not run, and why; it prints the list.

A key is a page, then the start of a line; "" stands for all lines of the page. All of them are parsed all the same.
"""

_NEEDS_HOURS = "takes minutes to hours, and writes a page of results"
_ELSEWHERE = "run to its last line by"
_BENCHMARK = "measures time on an idle machine"
_RTL = "needs the extra rtl, g++ and make; `.ci/run rtl` runs a part"
_DATA = (
    "needs a trained network and photographs; `tests/unit/test_frontend_cli*.py` run the same commands on small ones"
)
_CLUSTER = "needs machines with a scheduler; `tests/unit/test_explore_cluster.py` uses a cluster of processes"

NOT_RUN: dict[str, dict[str, str]] = {
    "README.md": {
        "pip install": "run by `.ci/run` word for word, in an environment of its own",
        "zapsim demo": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
        "cd zapsim-demo": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
        "zapsim train": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
        "zapsim tune": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
        "zapsim trace --network": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
        "zapsim run --arch eyeriss --trace mynet": f"{_ELSEWHERE} `tests/unit/test_demo.py`",
    },
    "docs/adding-a-dataflow.md": {"": f"{_ELSEWHERE} `tests/unit/test_docs_adding_a_dataflow.py`"},
    "docs/adding-a-method.md": {"": f"{_ELSEWHERE} `tests/unit/test_docs_adding_a_method.py`"},
    "docs/commands.md": {
        "mkdir": "makes a folder in the reader's home",
        "zapsim --print-completion": "writes to the reader's home; `tests/unit/test_cli_conventions.py` reads them",
    },
    "docs/exploring.md": {"python benchmarks": _BENCHMARK},
    "docs/how-to/my-sweep-on-a-cluster.md": {
        "dask": _CLUSTER,
        "srun": _CLUSTER,
        "sleep": _CLUSTER,
        "zapsim explore space.yaml --out designs --scheduler": _CLUSTER,
    },
    "docs/models/rtl.md": {"": _RTL},
    "docs/networks.md": {"zapsim train": _DATA},
    "docs/performance.md": {"make bench": _BENCHMARK},
    "docs/results/exploration.md": {"python": _NEEDS_HOURS},
    "docs/results/made-for-prediction.md": {"python": _NEEDS_HOURS},
    "docs/results/sensitivity.md": {"python": _NEEDS_HOURS},
    "docs/results/where-the-savings-go.md": {"python": _NEEDS_HOURS},
}
