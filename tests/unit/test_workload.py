"""Layer shapes: sizes, counts, and invalid shapes."""

from dataclasses import replace

import numpy as np
import pytest

from zapsim.errors import WorkloadError
from zapsim.workload import ConvShape, Workload


def conv(**changes) -> ConvShape:
    return ConvShape(**{"name": "conv", "C": 4, "H": 8, "W": 9, "K": 6, "R": 3, "S": 3, **changes})


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (6, 7)),
        ({"padding": (1, 1, 1, 1)}, (8, 9)),
        ({"padding": (0, 1, 2, 0)}, (7, 9)),
        ({"stride": (2, 3)}, (3, 3)),
        ({"dilation": (2, 2)}, (4, 5)),
        ({"R": 8, "S": 9}, (1, 1)),
        ({"R": 1, "S": 1, "stride": (5, 5)}, (2, 2)),
    ],
)
def test_ofmap_size(changes, size):
    shape = conv(**changes)
    ofmap = shape.P, shape.Q
    assert ofmap == size


def test_counts_of_alexnet_conv2():
    # 223.9 M MACs: two groups, 5×5 filters.
    shape = ConvShape("conv2", C=96, H=27, W=27, K=256, R=5, S=5, padding=(2, 2, 2, 2), groups=2)
    assert (shape.P, shape.Q, shape.C_per_group, shape.K_per_group) == (27, 27, 48, 128)
    assert shape.macs_per_output == 1200
    assert shape.outputs == 256 * 27 * 27
    assert shape.macs == 223_948_800
    assert shape.filter_words == 256 * 48 * 25
    assert shape.ifmap_words == 96 * 27 * 27


def test_depthwise_layers_have_one_channel_per_output():
    assert conv(C=6, K=6, groups=6).macs_per_output == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, 4 * 8 * 9),
        ({"R": 1, "S": 1, "stride": (2, 2)}, 4 * 4 * 5),
        ({"R": 1, "S": 1, "stride": (2, 2), "padding": (1, 1, 1, 1)}, 4 * 4 * 4),  # rows 1, 3, 5, 7, columns 1, 3, 5, 7
        ({"stride": (5, 1)}, 4 * 6 * 9),  # rows 0 to 2 and 5 to 7
        ({"S": 2, "dilation": (1, 4)}, 4 * 8 * 9),
        ({"R": 1, "S": 2, "stride": (1, 3), "dilation": (1, 3), "N": 2}, 2 * 4 * 8 * 3),
    ],
)
def test_ifmap_values_that_some_output_reads(changes, words):
    assert conv(**changes).ifmap_words_read == words


def test_batch_multiplies_maps_but_not_filters():
    one, four = conv(), conv().batch(4)
    assert (four.N, four.macs, four.ifmap_words) == (4, 4 * one.macs, 4 * one.ifmap_words)
    assert four.filter_words == one.filter_words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"C": 0}, "layer conv: C must be at least 1, got 0"),
        ({"N": -1}, "layer conv: N must be at least 1, got -1"),
        ({"stride": (1, 0)}, "layer conv: stride must be at least 1, got 0"),
        ({"dilation": (0, 1)}, "layer conv: dilation must be at least 1, got 0"),
        ({"padding": (0, 0, -1, 0)}, "layer conv: padding must not be negative, got (0, 0, -1, 0)"),
        ({"groups": 4}, "layer conv: groups = 4 must divide C = 4 and K = 6"),
        ({"K": 2.0}, "layer conv: K must be a whole number, got 2.0"),
        ({"H": "8"}, "layer conv: H must be a whole number, got '8'"),
        ({"C": np.int32(4)}, "layer conv: C must be a whole number, got np.int32(4)"),
        ({"stride": 2}, "layer conv: stride must be 2 whole numbers, got 2"),
        ({"padding": (1, 1)}, "layer conv: padding must be 4 whole numbers, got (1, 1)"),
        ({"dilation": (1, True)}, "layer conv: dilation must be 2 whole numbers, got (1, True)"),
        ({"R": 9}, "layer conv: a 9×3 filter (dilation (1, 1)) does not fit the padded 8×9 ifmap"),
        ({"dilation": (4, 1)}, "layer conv: a 3×3 filter (dilation (4, 1)) does not fit the padded 8×9 ifmap"),
    ],
)
def test_invalid_shapes(changes, message):
    with pytest.raises(WorkloadError) as caught:
        conv(**changes)
    assert str(caught.value) == message


def test_counts_beyond_exactness_are_refused():
    with pytest.raises(WorkloadError) as caught:
        conv(C=2**30, K=2**30)
    macs = 2**60 * 9 * 42
    assert str(caught.value) == f"layer conv: {macs} MACs are over 2**53, so counts would not be exact"
    with pytest.raises(WorkloadError, match=r"9007199254740992 values of the padded ifmap are over 2\*\*53"):
        conv(C=2, H=2**26, W=2**26, K=1, R=1, S=1, stride=(2**26, 2**26), groups=1, padding=(0, 0, 0, 0))


def test_workload():
    layers = (conv(name="a"), conv(name="b"))
    assert Workload("net", layers).layers == layers
    with pytest.raises(WorkloadError, match=r"^workload net: has no layers$"):
        Workload("net", ())
    with pytest.raises(WorkloadError, match=r"^workload net: layer names must be unique, got twice: a$"):
        Workload("net", (*layers, conv(name="a")))


def test_without_its_name_a_layer_is_what_it_was():
    shape = ConvShape("conv", C=8, H=9, W=9, K=4, R=3, S=3, stride=(2, 2), groups=2)
    assert shape.nameless == replace(shape, name="")
    assert hash(shape.nameless) == hash(replace(shape, name=""))
    nameless = shape.nameless
    assert nameless.nameless is nameless
    assert shape.name == "conv"
