"""What all commands have in common: completion, --quiet, NO_COLOR and exit codes."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import trace_header, write_trace
from tests.explore_support import space_of
from tests.unit.test_golden_cli import COMMANDS
from zapsim import cli
from zapsim.cli import main
from zapsim.cli._quiet import OnlyFaults, quietly
from zapsim.report.terminal import stdout_console

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return write_trace(tmp_path_factory.mktemp("conventions") / "tiny.safetensors", trace_header(images=1))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command_and_option(capsys, shell):
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", shell])
    assert stopped.value.code == 0
    script, err = capsys.readouterr()
    assert err == ""
    assert [command for command in COMMANDS if command not in script] == []
    if shell != "tcsh":  # for which shtab knows no options of commands
        assert all(option in script for option in ("--timeline", "--scheduler", "--quiet"))
    if shell == "bash" and shutil.which("bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_bash_completes_a_command(capsys, tmp_path):
    if not shutil.which("bash"):
        pytest.skip("needs bash")
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    script = tmp_path / "zapsim"
    script.write_text(capsys.readouterr().out)
    ask = f"source {script}; COMP_WORDS=(zapsim exp); COMP_CWORD=1; COMP_LINE='zapsim exp'; COMP_POINT=10; "
    ask += "_shtab_zapsim zapsim exp zapsim; printf '%s\\n' \"${COMPREPLY[@]}\""
    words = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert words == ["explain", "explore"]


def test_an_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", "fish"])
    assert stopped.value.code == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err


def test_quiet_commands_write_results_and_no_remarks(capsys, trace, tmp_path):
    out = tmp_path / "result.json"
    run = ["run", "--arch", "eyeriss", "--trace", str(trace)]
    assert main([*run, "--out", str(out)]) == 0
    assert capsys.readouterr().err == f"wrote {out}\n"
    assert main([*run, "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*run, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.out
    assert shown.err == ""


def test_a_quiet_exploration_prints_nothing(capsys, tmp_path):
    pytest.importorskip("pandas")
    import yaml

    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump(space_of(tmp_path)))
    assert main(["explore", str(space), "--out", str(tmp_path / "out"), "--workers", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_shows_faults_and_no_progress(capsys):
    assert main(["run", "--arch", "eyeris", "--quiet"]) == 2
    assert capsys.readouterr().err.startswith("zapsim: eyeris: no such architecture (did you mean 'eyeriss'?)")
    stream = io.StringIO()
    quiet = OnlyFaults(stream)
    assert not quiet.isatty()
    print("zapsim: a picture ", end="", file=quiet)
    print("cannot be decoded\nwrote x\nzapsim: y", file=quiet)
    assert stream.getvalue() == "zapsim: a picture cannot be decoded\nzapsim: y\n"
    before = sys.stderr
    with quietly(False):
        assert sys.stderr is before


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_quiet(command, capsys):
    with pytest.raises(SystemExit):
        main([*command.replace("energy", "energy import").split(), "--help"])
    assert "--quiet" in capsys.readouterr().out


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color(monkeypatch, no_color, coloured):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    for name, value in (("NO_COLOR", no_color), ("TERM", "xterm-256color"), ("COLORTERM", "truecolor")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", terminal)
    stdout_console().print("[text]", style="red")
    assert "[text]" in terminal.getvalue()
    assert bool(re.search(r"\x1b\[([0-9;]*;)?(3[0-8]|9[0-7])[;m]", terminal.getvalue())) is coloured


def test_exit_codes_are_those_of_the_page(monkeypatch, capsys):
    def interrupted(_args):
        raise KeyboardInterrupt

    assert main(["archs"]) == 0
    assert main(["run", "--arch", "nothing"]) == 2
    with pytest.raises(SystemExit) as stopped:
        main(["run"])
    assert stopped.value.code == 2
    monkeypatch.setattr(cli.archs, "execute", interrupted)
    assert main(["archs"]) == 130
    assert capsys.readouterr().err.endswith("zapsim: interrupted\n")
    assert re.findall(r"^\| (\d+)(?:, 143)? \|", PAGE, flags=re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.parametrize("name", ["NO_COLOR", "COLUMNS", "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_page_names_the_environment_variables(name):
    assert f"`{name}`" in PAGE
