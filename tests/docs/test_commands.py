"""Every command of README and docs/ is run in a small project, or parsed and listed with the reason why it is not run.

The project has the names that the pages use, with small things behind them: `traces/` holds the digits under the
names of large traces, the shipped spaces are cut down, and a network of three layers stands for large ones. A page's
commands run in order, in one folder, in this process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.builders import write_idx
from tests.docs.not_run import NOT_RUN
from tests.docs.pages import PAGES, ROOT, Command, block_commands, blocks, sentence_commands
from tests.optional import require
from zapsim.cli import build_parser, main

DIGITS = ROOT / "traces" / "digits_cnn.safetensors"

FILES = {
    "docs/architecture-files.md": {"my_chip.yaml": ("yaml", 0)},
    "docs/how-to/my-accelerator.md": {"my_chip.yaml": ("yaml", 0)},
    "docs/how-to/my-masks.md": {"make_masks.py": ("python", 0), "rates.csv": ("text", 0)},
    "docs/how-to/my-sweep-on-a-cluster.md": {"space.yaml": ("yaml", 0)},
}
"""Files that a page shows: name, then language of the block and which of them it is."""

ERT = {
    "ERT": {
        "tables": [
            {"name": "chip.mac", "actions": [{"name": "compute", "energy": 2.2}]},
            {
                "name": "chip.shared_glb[1..1]",
                "actions": [{"name": "read", "energy": 34}, {"name": "write", "energy": 36}],
            },
            {"name": "chip.DRAM", "actions": [{"name": "read", "energy": 512}, {"name": "write", "energy": 512}]},
        ]
    }
}

SPACE = {
    "arch": "eyeriss_45nm", "trace": "../traces/vgg8_fashion_1_2.safetensors", "images": [0],
    "parameters": {"array.rows": [8, 12]}, "objectives": ["latency", "energy", "accuracy_drop"],
}  # fmt: skip
"""Stands for the co-design of the examples, which takes minutes."""

LARGE = {"run": ["--images", "0"], "explain": ["--images", "0"], "compare": []}
"""Commands that run a large trace if none is named, and what makes a small one smaller."""

STAND_INS = {
    "net.onnx": "net.yaml", "vgg16": "net.yaml", "resnet50": "net.yaml", "vgg16_hed_chelsea_1_3": "digits_cnn",
    "conv4_2": "conv2", "zapsim.frontend.networks.hed_vgg16:vgg16": "mynets:vgg", "200": "24", "5000": "150",
}  # fmt: skip
"""Words of commands, and what stands for them here."""

LAYERS = {
    "name": "net",
    "layers": [
        {"name": name, "C": 8, "H": 8, "W": 8, "K": 8, "R": 3, "S": 3, "padding": "same"}
        for name in ("conv1_2", "conv2_1", "layer1.0.conv1")
    ],
}
"""Stands for VGG-16 and ResNet-50, and has names of layers of both."""

MYNETS = """\
import torch
from torch import nn

from zapsim.frontend.data.preprocessing import Preprocessing
from zapsim.frontend.network.network import Network


def vgg():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolutions = [(nn.Conv2d(c, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for c in (1, 8, 8)]
        layers = [layer for block in convolutions for layer in block]
        model = nn.Sequential(*layers, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(32, 4)).eval()
    return Network(model, "small VGG", "drawn", Preprocessing(16, 16, (128.0,), (64.0,), "L"))
"""
"""Stands for a reader's own network, and for VGG-16 where predictors are trained for it."""


def reason(command: Command) -> str:
    """Return why a command is not run; "" if it is."""
    starts = NOT_RUN.get(command.page, {})
    return next((why for start, why in starts.items() if command.line.startswith(start)), "")


COMMANDS = [command for page in PAGES for command in block_commands(page)]
RUN_PAGES = sorted({command.page for command in COMMANDS if not reason(command)})
IN_SENTENCES = [command for page in PAGES for command in sentence_commands(page)]


def options_of(words: Sequence[str]) -> tuple[set[str], str]:
    """Return the options of the command that `words` name, and what is wrong with its name."""
    parser: argparse.ArgumentParser = build_parser()
    for word in words:
        parts = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
        if parts is None or word.startswith("-") or word == "COMMAND":
            break
        if word not in parts.choices:
            return set(), f"no command {word}"
        parser = parts.choices[word]
    return {name for action in parser._actions for name in action.option_strings}, ""


@pytest.mark.parametrize("page", sorted({command.page for command in (*COMMANDS, *IN_SENTENCES)}))
def test_commands_are_spelt_as_the_program_has_them(page: str) -> None:
    """Names of commands and options exist; whole lines parse; scripts are there and know the options."""
    for command in (command for command in (*COMMANDS, *IN_SENTENCES) if command.page == page):
        program, *words = command.words
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        if program == "zapsim":
            known, fault = options_of(words)
            assert not fault, command.line
            assert given <= known, command.line
            if command.whole and "..." not in words and not given & {"--print-completion"}:
                build_parser().parse_args([word for word in words if word != "&"])
        elif program in ("python", "pytest") and words and words[0].endswith(".py") and "/" in words[0]:
            script = ROOT / words[0]
            added = {name for shown in FILES.values() for name in shown} | set(
                re.findall(r"# (tests/\S+)", PAGES[page])
            )
            assert script.exists() or words[0] in added, command.line
            if program == "python":
                sources = [script, *script.parent.glob("*.py"), *script.parent.glob("*/*.py")]
                text = (
                    "".join(source.read_text(encoding="utf-8") for source in sources)
                    + (ROOT / "zapsim/cli/_arguments.py").read_text()
                )
                assert [option for option in given if f'"{option}"' not in text] == [], command.line


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the small project; tests work in copies."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("traces", "examples", "photos"):
        (folder / name).mkdir()
    for name in ("vgg16_hed_chelsea_1_3", "digits_cnn"):
        (folder / "traces" / f"{name}.safetensors").symlink_to(DIGITS)
    fashion = "vgg8_fashion_1_2.safetensors"
    (folder / "traces" / fashion).symlink_to(ROOT / "traces" / fashion)
    (folder / "examples" / "codesign_fashion.yaml").write_text(yaml.safe_dump(SPACE))
    (folder / "examples" / "other.yaml").write_text(yaml.safe_dump(SPACE | {"parameters": {"array.rows": [6, 10]}}))
    (folder / "ERT.yaml").write_text(yaml.safe_dump(ERT))
    shutil.copy(ROOT / "examples" / "mynet.py", folder)
    (folder / "net.yaml").write_text(yaml.safe_dump(LAYERS))
    (folder / "rates.csv").write_text("layer,density\nlayer1.0.conv1,0.5\n")
    return folder


@pytest.fixture
def here(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a copy of the project; modules that are loaded from it are forgotten afterwards."""
    folder = tmp_path / "here"
    shutil.copytree(project, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("MPLBACKEND", "agg")
    yield folder
    for name in ("mynet", "mynets"):
        sys.modules.pop(name, None)


def small(words: Sequence[str]) -> list[str]:
    """Return the arguments of a command, on the digits or on three layers in the place of something large."""
    are_published = any(word.startswith("zap_") for word in words)  # rates of the layers of one network
    arguments = [word if are_published else STAND_INS.get(word, word) for word in words]
    if arguments[0] in LARGE and not {"--trace", "--workload"} & set(arguments) and "build/codesign" not in arguments:
        arguments += ["--trace", "digits_cnn", *LARGE[arguments[0]]]
    return arguments


def run_command(command: Command) -> None:
    """Run one command in this process; its output goes to the file that the line names."""
    program, *words = command.words
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if program == "python":
            runpy.run_path(words[0], run_name="__main__")
        else:
            assert program == "zapsim", f"{command.line}: run it here, or name the reason in not_run.py"
            assert main(small(words)) == 0, f"{command.page}: {command.line}"
    if command.target:
        Path(command.target).write_text(printed.getvalue(), encoding="utf-8")


def in_full(page: str) -> Iterator[Command]:
    """Yield the commands of a page; ``...`` stands for the options of the command before, but for
    those given again, and its output."""
    before: Sequence[str] = ()
    for command in block_commands(page):
        words = command.words
        if "..." in words:
            place, known = words.index("..."), options_of(words[1:])[0] - {"--out"}
            options = [list(group) for group in _groups(before) if group[0] in known and group[0] not in words]
            words = (*words[:place], *(word for group in options for word in group), *words[place + 1 :])
        before = words
        yield replace(command, words=words)


def _groups(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield every option with its values."""
    starts = [place for place, word in enumerate(words) if word.startswith("--")]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        yield list(words[start:end])


def prepare_training() -> None:
    """Make a network with its weights, predictors, masks, photographs and images with labels."""
    Path("mynets.py").write_text(MYNETS, encoding="utf-8")
    import mynets
    from safetensors.torch import save_file

    save_file(mynets.vgg().model.state_dict(), "vgg.safetensors")
    random = np.random.default_rng(0)
    for number, folder in enumerate(("photos", "others", "calibrate")):
        Path(folder).mkdir(exist_ok=True)
        for picture in range(6):
            Image.fromarray(random.integers(0, 256, (20, 20), np.uint8)).save(f"{folder}/{number}{picture}.png")
    Image.fromarray(random.integers(0, 256, (20, 20), np.uint8)).save("cat.png")
    write_idx("train-images-idx3-ubyte", random.integers(0, 256, (200, 16, 16), np.uint8))
    write_idx("train-labels-idx1-ubyte", random.integers(0, 4, 200).astype(np.uint8))
    np.savez("masks.npz", **{"3": random.random((1, 8, 16, 16)) < 0.5})
    train = ["train", "--network", "mynets:vgg", "--weights", "vgg.safetensors", "--images", "photos/", "--crops", "24"]
    assert main([*train, "--epochs", "1", "--out", "vgg.zap.safetensors", "--quiet"]) == 0


def prepare(page: str) -> None:
    """Make what a page takes to be there: the files that it shows, pictures, and explorations to compare."""
    if page == "docs/training-and-tracing.md":
        prepare_training()
    for name, (language, number) in FILES.get(page, {}).items():
        shown = [block.text for block in blocks(page) if block.language == language]
        Path(name).write_text(shown[number], encoding="utf-8")
    if page in ("docs/how-to/my-network.md", "docs/how-to/my-masks.md"):
        from zapsim.cli.demo import _make_pictures

        _make_pictures(Path())
    if page in ("README.md", "docs/exploring.md"):
        assert main(["explore", "examples/other.yaml", "--out", "build/other", "--workers", "1", "--quiet"]) == 0


@pytest.mark.frontend
@pytest.mark.parametrize("page", RUN_PAGES)
def test_commands_run(page: str, here: Path) -> None:
    """One after the other, to the last line."""
    require("torch", "pip install -c constraints.txt -e '.[frontend]'")
    prepare(page)
    for command in in_full(page):
        if not reason(command):
            run_command(command)


PYTHON = ["README.md", "docs/architecture-files.md", "docs/networks.md", "docs/reference/files.md",
          "docs/how-to/my-table-in-latex.md", "docs/tutorial.md", "docs/figures.md"]  # fmt: skip
"""Pages whose Python blocks run one after the other."""


@pytest.mark.frontend
@pytest.mark.parametrize("page", PYTHON)
def test_python_runs(page: str, here: Path) -> None:
    require("torch", "pip install -c constraints.txt -e '.[frontend]'")
    names: dict[str, object] = {}
    texts = [block.text for block in blocks(page) if block.language == "python"]
    assert texts
    with contextlib.redirect_stdout(io.StringIO()):
        for text in texts:
            exec(compile(text, page, "exec"), names)
    if page == "docs/networks.md":
        assert names["make_model"]().name == "ResNet-18"  # type: ignore[operator]


def test_what_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry stands for a line; the list is printed, one line per reason and page."""
    for page, starts in NOT_RUN.items():
        for start in starts:
            assert any(command.line.startswith(start) for command in block_commands(page)), (page, start)
    left = [(command, reason(command)) for command in COMMANDS if reason(command)]
    with capsys.disabled():
        print(f"\n{len(COMMANDS) - len(left)} of {len(COMMANDS)} commands in README and docs run; parsed only:")
        for page, why in dict.fromkeys((command.page, why) for command, why in left):
            print(f"  {page}: {sum((command.page, text) == (page, why) for command, text in left)}: {why}")
