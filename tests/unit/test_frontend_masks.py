"""Masks from elsewhere: the network runs with them, they cost no predictor, and files are read piece by piece."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.frontend_predictors import random_predictors
from tests.frontend_support import small_graph, small_network, smooth_images
from zapsim.arch.load import load_arch
from zapsim.errors import FrontendError
from zapsim.frontend.api import trace
from zapsim.frontend.masks import GivenMasks
from zapsim.frontend.training.predictor import save_predictors
from zapsim.simulation import simulate
from zapsim.tracefile.reader import Trace

pytestmark = pytest.mark.frontend

IMAGES = smooth_images(3)


@pytest.fixture(scope="module")
def by_zap(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Trace the small network with random ZAPs."""
    network = small_network()
    predictors = random_predictors(network.model, small_graph(network))
    saved = save_predictors(None, network.name, network.weights_sha256, predictors, {})
    return trace(network, saved, IMAGES, tmp_path_factory.mktemp("zap") / "t.safetensors", points=0.1)


def masks_of(by_zap: Trace) -> dict[str, np.ndarray]:
    """Return the masks of a trace as another tool would give them."""
    return {
        layer.shape.name: np.ascontiguousarray(layer.mask.unpack().transpose(0, 3, 1, 2))
        for layer in by_zap.layers()
        if layer.mask is not None
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, None], ids=["npz", "compressed", "arrays"])
def test_the_network_runs_with_the_masks(tmp_path: Path, by_zap: Trace, save):
    """The masks of a predictor, given from elsewhere, leave the same behind everywhere, also in the quality."""
    masks = masks_of(by_zap)
    if save is not None:
        save(tmp_path / "m.npz", **masks)
    ours = trace(small_network(), None, IMAGES, tmp_path / "t", masks=tmp_path / "m.npz" if save else masks)
    for expected, layer in zip(by_zap.layers(), ours.layers("masks"), strict=True):
        for kind in ("ifmap_nonzero", "ofmap_nonzero", "mask"):
            theirs, mine = getattr(expected, kind), getattr(layer, kind)
            assert (mine is None and theirs is None) or np.array_equal(mine.bits, theirs.bits)
    assert ours.operating_point().quality == by_zap.operating_point().quality
    assert ours.header.provenance["masks"]["source"] == ("m.npz" if save else "arrays")
    assert ours.header.layers[0].unpredicted == "first convolution of the network"


def test_masks_stand_beside_predictors(tmp_path: Path, by_zap: Trace):
    network = small_network()
    predictors = random_predictors(network.model, small_graph(network))
    saved = save_predictors(None, network.name, network.weights_sha256, predictors, {})
    both = trace(network, saved, IMAGES, tmp_path / "t", points=0.1, masks=masks_of(by_zap))
    assert [point.name for point in both.header.operating_points] == ["masks", "t0.1"]
    for given, predicted in zip(both.layers("masks"), both.layers("t0.1"), strict=True):
        assert (given.mask is None) == (predicted.mask is None)
        assert given.mask is None or np.array_equal(given.mask.bits, predicted.mask.bits)


@pytest.mark.parametrize("arch", ["eyeriss", "systolic_16x16", "lanes_256"])
def test_true_zeros_cost_what_the_oracle_costs_and_the_bits_of_the_mask(tmp_path: Path, arch: str):
    """The first convolution may be masked, too: only the ReLU counts."""
    plain = trace(small_network(), None, IMAGES, tmp_path / "plain")
    zeros = {
        layer.shape.name: layer.ofmap_nonzero.unpack().transpose(0, 3, 1, 2)
        for layer in plain.layers()
        if layer.ofmap_nonzero is not None
    }
    given = trace(small_network(), None, IMAGES, tmp_path / "given", masks={n: np.array(m) for n, m in zeros.items()})
    assert given.operating_point().quality["top1_agreement"] == 1
    result, oracle = (simulate(arch, given, policy) for policy in ("zap", "oracle"))
    for ours, best in zip(result.layers, oracle.layers, strict=True):
        counts, fewest = ours.comparison.policy.counts, best.comparison.policy.counts
        assert counts.macs_executed == fewest.macs_executed
        assert counts.predictor_macs == counts.predictor_compares == counts.predictor_weight_reads == 0
        words = sum(-(-layer.shape.outputs // 16) for layer in given.layers(images=[0]) if layer.shape == ours.shape)
        assert counts.mask_bits_written == 3 * ours.shape.outputs
        assert counts.dram_reads - fewest.dram_reads == 3 * words
        assert ours.predictor == "masks from elsewhere"
        array = [
            cycles.total - cycles.stalled for cycles in (ours.comparison.policy.cycles, best.comparison.policy.cycles)
        ]
        assert array[0] == array[1]
    assert "methods given (3)" in result.notes[-1]
    assert result.thresholds == ()


def test_a_gate_needs_no_pattern(tmp_path: Path, by_zap: Trace):
    given = trace(small_network(), None, IMAGES, tmp_path / "t", masks=masks_of(by_zap))
    gated = simulate("lanes_256", given, "zap-gate")
    assert gated.total.policy.counts.macs_executed < gated.total.baseline.counts.macs_executed
    perfect = simulate("lanes_256", given, "zap-perfect")
    assert perfect.total.policy.counts.predictor_macs == 0


def test_layers_that_do_not_use_their_mask_run_dense(tmp_path: Path, by_zap: Trace):
    given = trace(small_network(), None, IMAGES, tmp_path / "t", masks=masks_of(by_zap))
    arch = load_arch("lanes_256")
    unit = arch.predictor.model_copy(update={"layers": ("6",)})
    named = simulate(arch.model_copy(update={"predictor": unit}), given)
    skipped = [layer.comparison.policy.counts.macs_skipped for layer in named.layers]
    assert skipped[0] == skipped[1] == 0 < skipped[2]
    few = {name: mask & (np.arange(mask.shape[1]) % 8 == 0)[:, None, None] for name, mask in masks_of(by_zap).items()}
    sparse = trace(small_network(), None, IMAGES, tmp_path / "sparse", masks=few)
    paying = simulate("lanes_256", sparse, overrides=["predictor.layers=paying"])
    assert paying.total.policy.counts.macs_skipped > 0


def good() -> dict[str, np.ndarray]:
    return {"2": np.ones((3, 9, 16, 16), dtype=bool), "6": np.ones((3, 8, 8, 8), dtype=bool)}


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"6x": good()["6"]}, r"no layer '6x' \(did you mean '6'\?\); layers: 0, 2, 6"),
        ({"9": good()["6"]}, r"no layer '9' \(it is not simulated\)"),
        (
            {"6": np.ones((3, 8, 8, 7), dtype=bool)},
            r"layer 6: the mask must be \(3, 8, 8, 8\) \(images, K, P, Q\), got",
        ),
        ({"6": np.ones((4, 8, 8, 8), dtype=bool)}, r"must be \(3, 8, 8, 8\) \(images, K, P, Q\), got \(4, 8, 8, 8\)"),
        (
            {"6": np.ones((3, 8, 8, 8), dtype=np.uint8)},
            r"layer '6': a mask must be bool \(True = computed\), got uint8",
        ),
        ({"6": np.array([None])}, "an array of type object is not read"),
        ({"6": np.asfortranarray(good()["6"])}, "columns come first"),
        ({}, "holds no mask"),
    ],
)
def test_bad_masks_are_refused_and_nothing_is_written(tmp_path: Path, masks: dict[str, np.ndarray], message: str):
    np.savez(tmp_path / "m.npz", **masks)
    with pytest.raises(FrontendError, match=message):
        trace(small_network(), None, IMAGES, tmp_path / "t", masks=tmp_path / "m.npz")
    assert not (tmp_path / "t").exists()


def test_damaged_files_and_foreign_questions_are_refused(tmp_path: Path):
    path, network = tmp_path / "m.npz", small_network()
    with pytest.raises(FrontendError, match="no such masks file"):
        trace(network, None, IMAGES, tmp_path / "t", masks=path)
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(FrontendError, match="not an npz file of plain arrays"):
        trace(network, None, IMAGES, tmp_path / "t", masks=path)
    np.savez(path, **good())
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\x01" * 64, b"\x07" * 64, 1))
    with pytest.raises(FrontendError, match="damaged at"):
        trace(network, None, IMAGES, tmp_path / "t", masks=path)
    path.write_bytes(whole)
    with pytest.raises(FrontendError, match="masks are of the traced images"):
        trace(network, None, IMAGES, tmp_path / "t", masks=path, eval_images=IMAGES)
    with pytest.raises(FrontendError, match="need predictors"):
        trace(network, None, IMAGES, tmp_path / "t", masks=path, points=0.1)
    assert not (tmp_path / "t").exists()


def test_images_are_read_one_by_one(tmp_path: Path):
    """Nothing but one image of one layer is in memory: every read of the file asks for no more."""
    masks = {"6": np.random.default_rng(1).random((50, 8, 8, 8)) < 0.5}
    np.savez_compressed(tmp_path / "m.npz", **masks)
    sizes: list[int] = []
    read = zipfile.ZipExtFile.read

    def watched(self: zipfile.ZipExtFile, n: int = -1) -> bytes:
        sizes.append(n)
        return read(self, n)

    site = small_graph(small_network()).site("6")
    with pytest.MonkeyPatch.context() as patch, GivenMasks(tmp_path / "m.npz") as given:
        patch.setattr(zipfile.ZipExtFile, "read", watched)
        for index in (0, 1, 7, 3):
            assert np.array_equal(given.image(site, index, torch.zeros(1)).numpy()[0], masks["6"][index])
    assert 0 < max(sizes) <= 8 * 8 * 8
    assert min(sizes) >= 0
