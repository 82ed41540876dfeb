"""``zapsim energy import``: tables of Accelergy in each of their forms, and what is refused."""

import pytest
import yaml

from zapsim.arch.load import load_arch
from zapsim.cli import main
from zapsim.energy.accelergy import read_table
from zapsim.errors import ConfigError


class Dumper(yaml.SafeDumper):
    """Writes no aliases, which zapsim's YAML does not have for sections."""

    def ignore_aliases(self, _data):
        return True


def action(name, energy, arguments=None):
    return {"name": name, "arguments": arguments, "energy": energy}


DELTAS = [{"address_delta": address, "data_delta": data} for address in (0, 1) for data in (0, 1)]

ERT = {
    "ERT": {
        "version": 0.4,
        "tables": [
            {
                "name": "chip.PE[0..167].mac",
                "actions": [action("compute", 2.2), action("mac_gated", 0.103), action("leak", 0)],
            },
            {
                "name": "chip.PE[0..167].ifmap_spad",
                "actions": [
                    action(kind, energy, arguments)
                    for kind in ("read", "write")
                    for arguments, energy in zip(DELTAS, (0.055, 0.193, 0.098, 0.237), strict=True)
                ],
            },
            {"name": "chip.shared_glb[1..1]", "actions": [action("read", 34), action("write", 36)]},
            {"name": "chip.weights_glb", "actions": [action("read", 4.236), action("write", 4.647)]},
            {"name": "chip.NoC", "actions": [action("transfer_random", 0.221)]},
        ],
    }
}

SUMMARY = {
    "ERT_summary": {
        "version": 0.3,
        "table_summary": [
            {"name": "chip.PE.psum_spad", "actions": [{"name": "read", "average_energy": 0.153, "max_energy": 0.251}]},
            {"name": "chip.DRAM", "actions": [{"name": "read", "energy": 512}, {"name": "write", "energy": 512}]},
        ],
    }
}

OLD_SUMMARY = {
    "ERT_summary": {
        "ERT summaries": {
            "simple.GLB": {"read": {"average energy": 1.959, "max energy": 3.918}, "idle": {"energy": 0.0}},
            "simple.PE.MAC": {"mac_random": {"energy": 1.207}},
        },
        "version": None,
    }
}


@pytest.fixture
def table(tmp_path):
    def write(document):
        path = tmp_path / "ERT.yaml"
        path.write_text(yaml.dump(document, Dumper=Dumper), encoding="utf-8")
        return path

    return write


def test_a_table(table):
    found = read_table(table(ERT), words={"glb": 4})
    assert found.components == {
        "mac": "chip.PE[0..167].mac", "ifmap_spad": "chip.PE[0..167].ifmap_spad", "glb": "chip.shared_glb[1..1]",
    }  # fmt: skip
    assert found.prices == pytest.approx({
        "macs_executed": 2.2, "macs_gated": 0.103, "ifmap_spad_reads": 0.14575, "ifmap_spad_writes": 0.14575,
        "glb_reads": 8.5, "glb_writes": 9.0,
    })  # fmt: skip
    assert found.unused == ("chip.PE[0..167].mac: leak", "chip.weights_glb", "chip.NoC")


def test_summaries(table):
    assert read_table(table(SUMMARY)).prices == {"psum_spad_reads": 0.153, "dram_reads": 512, "dram_writes": 512}
    old = read_table(table(OLD_SUMMARY))
    assert old.prices == {"glb_reads": 1.959, "macs_executed": 1.207}
    assert old.unused == ("simple.GLB: idle",)


def test_a_component_that_is_named_wins(table):
    assert read_table(table(ERT), {"glb": "weights_glb"}).prices["glb_reads"] == 4.236
    assert read_table(table(ERT), {"dram": "chip.shared_glb[1..1]"}).prices["dram_writes"] == 36


def with_energy(energy):
    return {"ERT": {"tables": [{"name": "chip.GLB", "actions": [action("read", energy)]}]}}


TWO = {"ERT": {"tables": [{"name": f"chip.{name}", "actions": [action("read", 1)]} for name in ("GLB", "shared_glb")]}}


@pytest.mark.parametrize(
    ("document", "roles", "fault"),
    [
        ({"array": {}}, {}, "ERT.yaml: not an energy reference table; expected Accelergy's ERT.yaml or"),
        ({"ERT": {"tables": [{"name": "x"}]}}, {}, "not an energy reference table"),
        ({"ERT": {"tables": [{"name": "x", "actions": [{"name": "read"}]}]}}, {}, "not an energy reference table"),
        ({"ERT": {"tables": []}}, {}, "holds no components with actions"),
        ({"ERT": {"tables": [{"name": "chip.NoC", "actions": [action("hop", 1)]}]}}, {},
         "no component that has a price here; say what they are, as in --component glb=chip.NoC; components: chip.NoC"),
        (with_energy(-1), {}, "ERT.yaml: chip.GLB: read: expected an energy from 0 to 1,000,000 pJ, got -1"),
        (with_energy(float("inf")), {}, "expected a finite number in decimal, got '.inf'"),
        (with_energy(float("nan")), {}, "expected a finite number in decimal, got '.nan'"),
        (with_energy(2e6), {}, "got 2e+06; is it in another unit?"),
        (with_energy("2 pJ"), {}, "expected an energy in pJ such as 2.2, got '2 pJ'"),
        (with_energy(True), {}, "expected an energy in pJ such as 2.2, got true"),
        (TWO, {}, "chip.GLB and chip.shared_glb could each be glb; choose with --component glb=NAME"),
        (ERT, {"glb": "weight_glb"}, "no component is called 'weight_glb' (did you mean 'weights_glb'?)"),
    ],
)  # fmt: skip
def test_faults(table, document, roles, fault):
    with pytest.raises(ConfigError) as caught:
        read_table(table(document), roles)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_writes_an_architecture(table, tmp_path, capsys):
    out = tmp_path / "eyeriss_ert.yaml"
    command = ["energy", "import", str(table(ERT)), "--base", "eyeriss", "--technology", "45 nm", "--words", "glb=4"]
    assert main([*command, "--out", str(out)]) == 0
    err = capsys.readouterr().err
    assert "not used: chip.PE[0..167].mac: leak; chip.weights_glb; chip.NoC" in err
    arch, base = load_arch(out), load_arch("eyeriss")
    assert (arch.name, arch.energy.technology, arch.prices["glb_reads"]) == ("ERT", "45 nm", 8.5)
    assert arch.prices["dram_reads"] == base.prices["dram_reads"]
    assert arch.sources["energy.actions.glb_reads"] == "Accelergy, ERT.yaml"
    assert load_arch(out, ["buffers.glb.size=50 KiB"]).prices["glb_reads"] == pytest.approx(8.5 * 0.5**0.617)
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr() == (out.read_text(encoding="utf-8"), "")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--words", "glb"], "--words: expected ROLE=VALUE such as 'glb=4', got 'glb'"),
        (["--words", "glb=0"], "--words: expected a whole number of words from 1 to 4096 for glb, got '0'"),
        (["--component", "gbl=x"], "--component: unknown role 'gbl' (did you mean 'glb'?)"),
        (["--words", "mac=1000"], "macs_gated"),
    ],
)
def test_the_command_refuses(table, tmp_path, capsys, options, fault):
    document = ERT
    if "mac=1000" in options:  # less than a gated MAC
        document = {"ERT": {"tables": [{"name": "x.mac", "actions": [action("compute", 1)]}]}}
    out = tmp_path / "out.yaml"
    command = ["energy", "import", str(table(document)), "--base", "eyeriss", "--technology", "x", "--out", str(out)]
    assert main([*command, *options]) == 2
    assert fault in capsys.readouterr().err
    assert not out.exists()
