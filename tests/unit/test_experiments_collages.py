"""examples/experiments/collages.py: the same pictures from the same seed, of photographs only."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "examples" / "experiments" / "collages.py"

pytestmark = pytest.mark.frontend


@pytest.fixture
def collages():
    spec = importlib.util.spec_from_file_location("collages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(path: Path, size: tuple[int, int], colour: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(path)


def test_cut_outs_lie_on_backgrounds_and_the_same_seed_gives_the_same_bytes(collages, tmp_path, capsys):
    picture(tmp_path / "stamps" / "cat.png", (120, 200), (255, 0, 0, 255))
    picture(tmp_path / "stamps" / "glass.png", (150, 150), (0, 255, 0, 0))
    picture(tmp_path / "stamps" / "small.png", (90, 300), (255, 255, 255, 255))
    picture(tmp_path / "stamps" / "cartoon" / "dog.png", (200, 200), (255, 255, 255, 255))
    picture(tmp_path / "backgrounds" / "sea.png", (400, 320), (0, 0, 255))
    for out in ("once", "again"):
        arguments = {"cut-outs": tmp_path / "stamps", "backgrounds": tmp_path / "backgrounds", "out": tmp_path / out}
        collages.main([word for name, value in arguments.items() for word in (f"--{name}", str(value))] + ["--count=3"])
    assert "3 collages of 2 cut-outs on 1 backgrounds" in capsys.readouterr().out
    for number in range(3):
        once, again = (tmp_path / out / f"{number:03}.png" for out in ("once", "again"))
        assert once.read_bytes() == again.read_bytes()
        colours = {tuple(colour) for colour in np.asarray(Image.open(once)).reshape(-1, 3)}
        assert colours == {(0, 0, 255), (255, 0, 0)}


def test_nothing_to_paste_is_said(collages, tmp_path):
    (tmp_path / "stamps").mkdir()
    picture(tmp_path / "backgrounds" / "sea.png", (400, 320), (0, 0, 255))
    with pytest.raises(SystemExit, match="no cut-outs in"):
        collages.main(
            ["--cut-outs", str(tmp_path / "stamps"), "--backgrounds", str(tmp_path / "backgrounds"), "--out", "x"]
        )
