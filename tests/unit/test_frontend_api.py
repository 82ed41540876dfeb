"""The public functions on objects, without files; and files of operating points that an older version wrote."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from tests.frontend_support import small_cnn, small_network, smooth_images
from zapsim.errors import FrontendError
from zapsim.frontend import api
from zapsim.frontend.inputs import UndecodedPicturesWarning
from zapsim.frontend.network import Network
from zapsim.frontend.training.adapted_weights import AdaptedWeights, load_adapted, save_adapted
from zapsim.frontend.training.predictor import load_predictors
from zapsim.frontend.tuning.operating_points import load_points, save_points

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(32, labels=True)
LEARNING = smooth_images(32, seed=7)


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def trained(network: Network) -> api.TrainingResult:
    return api.train(network, LEARNING, epochs=1, layer_patterns={"6": "1/4"})


def test_from_training_to_a_trace_without_a_file_between(network: Network, trained: api.TrainingResult, tmp_path: Path):
    assert {layer: one.pattern for layer, one in trained.predictors.predictors.items()} == {"2": "1/2", "6": "1/4"}
    assert set(trained.losses) == set(trained.savings) == {"2", "6"}
    tuned = api.tune(network, trained.predictors, IMAGES, error=0.3, threshold=[0.25, 0.25])
    assert [point.name for point in tuned.points] == ["e0.3", "t0.25"]
    assert tuned.weights is None
    table = api.evaluate(network, trained.predictors, IMAGES, points=tuned.points, baselines=["perfect", "random"])
    assert [one.name for one in table] == ["perfect", "e0.3", "t0.25", "random e0.3", "random t0.25"]
    assert list(table.to_dataframe()["method"]) == [one.name for one in table]
    assert json.loads(table.to_json())["provenance"]["command"] == "zapsim.evaluate"
    assert "<td>perfect</td>" in table._repr_html_()
    trace = api.trace(network, trained.predictors, IMAGES, tmp_path / "t", points=[*tuned.points, 0.5], count=2)
    assert [point.name for point in trace.header.operating_points] == ["e0.3", "t0.25", "t0.5"]
    assert set(trace.operating_point("e0.3").quality) == {"top1_agreement", "top1_accuracy", "top1_accuracy_unmodified"}
    arguments = trace.header.provenance["arguments"]
    assert (arguments["images"], arguments["out"], arguments["count"]) == ("32 smooth images", "t", 2)
    assert str(tmp_path) not in trace.header.model_dump_json()


def test_files_hold_what_the_objects_say(network: Network, trained: api.TrainingResult, tmp_path: Path):
    again = api.train(network, LEARNING, epochs=1, layer_patterns={"6": "1/4"}, out=tmp_path / "p.safetensors")
    assert not (tmp_path / "p.safetensors.checkpoint").exists()
    loaded = load_predictors(tmp_path / "p.safetensors")
    assert (loaded.sha256, loaded.header) == (again.predictors.sha256, again.predictors.header)
    tuned = api.tune(network, loaded, IMAGES, saving=[0.01], weigh=True, out=str(tmp_path / "points.json"))
    assert load_points(tmp_path / "points.json", loaded) == tuned.points
    table = api.evaluate(network, tmp_path / "p.safetensors", IMAGES, points=str(tmp_path / "points.json"))
    assert [one.name for one in table] == ["perfect", "s0.01"]


def test_a_plain_module_sees_pictures_as_its_images_do():
    model = small_cnn()
    trained = api.train(model, LEARNING, epochs=1)
    assert trained.predictors.header.network == "Sequential"
    assert model.training
    assert [one.name for one in api.evaluate(model, trained.predictors, IMAGES, points=0.1)] == ["perfect", "t0.1"]


def test_broken_pictures_are_warned_of(network: Network, tmp_path: Path):
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    with pytest.warns(UndecodedPicturesWarning, match=r"1 pictures did not decode and were left out: b\.png"):
        api.train(network, tmp_path, crops=8, epochs=1)


def test_mistakes_are_refused(network: Network, trained: api.TrainingResult, tmp_path: Path):
    predictors = trained.predictors
    with pytest.raises(FrontendError, match="nothing to tune for: give error, saving, uniform or threshold"):
        api.tune(network, predictors, IMAGES)
    with pytest.raises(FrontendError, match="no operating point: give points or adapted weights"):
        api.evaluate(network, predictors, IMAGES)
    with pytest.raises(FrontendError, match="two operating points are called 't0'"):
        api.evaluate(network, predictors, IMAGES, points=[0, 0.0])
    with pytest.raises(FrontendError, match="weights are for a network that is named"):
        api.train(network, IMAGES, weights="w.safetensors")
    with pytest.raises(FrontendError, match="labels to measure the quality with need images"):
        api.trace(network, predictors, IMAGES, tmp_path / "t", points=0, eval_labels="labels")
    with pytest.raises(FrontendError, match="predictors: made for small with other weights than these"):
        api.tune(small_network(seed=2), predictors, IMAGES, error=[0.1])
    with pytest.raises(FrontendError, match="is a folder, expected the name of a file to write"):
        api.train(network, IMAGES, out=tmp_path)
    assert not list(tmp_path.iterdir())


# Files of version 1


def test_points_of_version_1_get_the_patterns_of_their_predictors(trained: api.TrainingResult, tmp_path: Path):
    predictors = trained.predictors
    points = [
        {"name": "e0.1", "thresholds": {"2": 0.25, "6": 0.5}, "macs_saved": 0.2, "error": 0.09, "bound": 0.21},
        {"name": "s0.1", "thresholds": {"6": 0.5}, "macs_saved": 0.1, "error": 0.03, "bound": 0.02},
        {"name": "t0", "thresholds": {"2": 0.0}, "macs_saved": 0.1, "error": 0.03, "bound": None},
    ]
    document = {"kind": "zapsim operating points", "version": 1, "network": "small", "provenance": {}}
    document |= {"weights_sha256": "0" * 64, "predictors_sha256": predictors.sha256, "points": points}
    path = tmp_path / "points.json"
    path.write_text(json.dumps(document))
    tuned, saved, uniform = load_points(path, predictors)
    assert {layer: (one.pattern, one.threshold) for layer, one in tuned.predictors.items()} == {
        "2": ("1/2", 0.25),
        "6": ("1/4", 0.5),
    }
    assert tuned.quality == {"macs_saved": 0.2, "summed_error": 0.09, "most_macs_saved": 0.21}
    assert saved.quality["least_summed_error"] == 0.02
    assert set(uniform.quality) == {"macs_saved", "summed_error"}
    save_points(path, [tuned, saved, uniform], predictors, {})
    assert load_points(path, predictors, ["s0.1"]) == (saved,)

    document["points"] = [points[0] | {"thresholds": {"7": 0.0}}]
    path.write_text(json.dumps(document))
    with pytest.raises(FrontendError, match=r"points\.json: point e0\.1 sets layer '7', which has no predictor"):
        load_points(path, predictors)
    path.write_text(json.dumps(document | {"predictors_sha256": "1" * 64}))
    with pytest.raises(FrontendError, match="made for other predictors of small than these"):
        load_points(path, predictors)
    path.write_text(json.dumps(document | {"points": [{"name": "e0.1"}]}))
    with pytest.raises(FrontendError, match=r"not a file of operating points: 0\.thresholds: Field required"):
        load_points(path, predictors)


def test_adapted_weights_of_version_1_are_read(trained: api.TrainingResult, network: Network, tmp_path: Path):
    predictors = trained.predictors
    point = api.tune(network, predictors, IMAGES, threshold=[0.5]).points[0].with_quality({}, "")
    weights = AdaptedWeights(point, "recalibrated", network.model.state_dict())
    path = tmp_path / "a.safetensors"
    save_adapted(path, [weights], predictors, {"seed": 1})
    assert load_adapted(path, predictors)[0].point == point

    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["zapsim_adapted"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    del header["how"]
    header |= {"version": 1, "points": {"t0.5": {"thresholds": point.thresholds, "how": "recalibrated"}}}
    save_file(tensors, path, metadata={"zapsim_adapted": json.dumps(header)})
    (loaded,) = load_adapted(path, predictors)
    assert (loaded.point, loaded.how) == (point, "recalibrated")
    assert loaded.state.keys() == network.model.state_dict().keys()
    save_file(tensors, path, metadata={"zapsim_adapted": json.dumps(header | {"version": 4})})
    with pytest.raises(FrontendError, match=r"version: .* \(this zapsim reads versions 1 to 3\)"):
        load_adapted(path, predictors)


def test_without_torch_the_frontend_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from importlib import util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "from zapsim.cli import main\n"
        "sys.exit(main(['train', '--network', 'a:b', '--images', 'c', '--out', 'd']))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == "zapsim: training and tracing need torch: pip install 'zapsim[frontend]'\n"
