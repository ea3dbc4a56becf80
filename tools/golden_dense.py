#!/usr/bin/env python3
"""
Writes test/fixtures/dense with PyTorch: images, and their posteriors by small networks and the protocols of section
3.2. Run it by hand to add or check a fixture; tests only read the files.

    apt install python3-torch python3-numpy python3-pil
    python3 tools/golden_dense.py               # writes the images and posteriors.jsonl
    python3 tools/golden_dense.py --check       # computes the posteriors again and compares, writes nothing

The images are PNG files whose smaller side is Q already, so that nothing is resampled in between. Everything is
computed in double precision, by loops over crops and positions that share nothing with src/evaluate.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.dont_write_bytecode = True

from golden_network import Network
from golden_random import derive_key, key_of_seed, normals

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "dense"
WIDTH, CLASSES = 1 / 28, 7
MEAN = [118.5, 109.25, 97.75]
# conv1_1 is scaled down by this factor, so that logits of pixels up to 255 are no larger than those of normal draws.
INPUT_SCALE = 1 / 64
# Odd, so that rounding in pooling matters: 107 → 53 → 26 → 13 → 6 → 3, or 54 → 27 → 14 → 7 → 4.
Q = 107
SIZES = [(107, 107), (149, 107), (107, 160), (131, 107), (149, 107), (107, 535)]
MODELS = [
    {"name": "A", "configuration": "A", "crop": 64, "seed": 11},
    {"name": "C", "configuration": "C", "crop": 96, "seed": 12},
]
PROTOCOLS = ["center", "dense", "crops", "both"]


def make_image(number, width, height):
    """Blobs of color on a coarse grid, enlarged, with a little noise: a small file without any symmetry."""
    values = normals(derive_key(key_of_seed(number), "dense images"), 3 * 5 * 7).reshape(5, 7, 3)
    coarse = Image.fromarray(np.uint8(np.clip(128 + 60 * values, 0, 255)))
    pixels = np.asarray(coarse.resize((width, height), Image.BICUBIC), dtype=np.int64)
    noise = normals(derive_key(key_of_seed(number), "dense noise"), (height // 8 + 1) * (width // 8 + 1))
    noise = np.repeat(np.repeat(noise.reshape(height // 8 + 1, -1), 8, 0), 8, 1)[:height, :width, None]
    return np.uint8(np.clip(np.round(pixels + 25 * noise), 0, 255))


class Model:
    def __init__(self, configuration, crop, seed, **_):
        self.crop = crop
        self.network = Network(configuration, crop, WIDTH, CLASSES, seed)
        with torch.no_grad():
            self.network.parameters["conv1_1.weight"] *= INPUT_SCALE

    def posteriors(self, pixels, ceil, protocol):
        x = torch.tensor(pixels.astype(np.float64) - np.float64(MEAN)).permute(2, 0, 1)[None]
        if protocol == "both":
            return (self.posteriors(pixels, ceil, "dense") + self.posteriors(pixels, ceil, "crops")) / 2
        if protocol == "dense":
            views = [x, x.flip(3)] if ceil else [self.seen(x), self.seen(x.flip(3))]
        else:
            views = self.center(x) if protocol == "center" else self.grid(x)
        with torch.no_grad():
            each = [torch.softmax(self.network.forward(view, ceil=ceil).mean((2, 3))[0], 0) for view in views]
        return sum(each) / len(each)

    def seen(self, x):
        """What five poolings that round down see of an image, the largest multiple of 32, moved to its center."""
        height, width = (32 * (extent // 32) for extent in x.shape[2:])
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        return x[:, :, top : top + height, left : left + width]

    def center(self, x):
        top, left = ((extent - self.crop) // 2 for extent in x.shape[2:])
        return [x[:, :, top : top + self.crop, left : left + self.crop]]

    def grid(self, x):
        views = []
        for i in range(5):
            for j in range(5):
                # Rounded to whole pixels, halves up; Python's round would round halves to even.
                top, left = (int(np.floor(k * (e - self.crop) / 4 + 0.5)) for k, e in zip((i, j), x.shape[2:]))
                view = x[:, :, top : top + self.crop, left : left + self.crop]
                views += [view, view.flip(3)]
        return views


def compute(images):
    cases = []
    for description in MODELS:
        model = Model(**description)
        for pooling in ["floor", "ceil"]:
            for protocol in PROTOCOLS:
                found = [model.posteriors(pixels, pooling == "ceil", protocol) for pixels in images.values()]
                cases.append(
                    {
                        "model": description["name"],
                        "pooling": pooling,
                        "protocol": protocol,
                        "posteriors": {name: p.tolist() for name, p in zip(images, found)},
                    }
                )
    facts = {"q": Q, "widthMultiplier": WIDTH, "classes": CLASSES, "meanRgb": MEAN, "inputScale": INPUT_SCALE}
    return [{"writer": f"torch {torch.__version__}", **facts, "models": MODELS}, *cases]


def largest_difference(a, b):
    return max(
        abs(p - q)
        for case, other in zip(a[1:], b[1:])
        for name in case["posteriors"]
        for p, q in zip(case["posteriors"][name], other["posteriors"][name])
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = [f"{number}-{width}x{height}.png" for number, (width, height) in enumerate(SIZES)]
    if not check:
        for number, (name, size) in enumerate(zip(names, SIZES)):
            Image.fromarray(make_image(number, *size)).save(FOLDER / name, optimize=True)
    images = {name: np.asarray(Image.open(FOLDER / name).convert("RGB")) for name in names}
    computed = compute(images)
    path = FOLDER / "posteriors.jsonl"
    if check:
        difference = largest_difference([json.loads(line) for line in path.read_text().splitlines()], computed)
        print(f"{path.name}: posteriors differ by {difference:.1e} at most")
        return 0 if difference < 1e-9 else 1
    path.write_text("".join(f"{json.dumps(line)}\n" for line in computed))
    spread = [max(p) for case in computed[1:] for p in case["posteriors"].values()]
    print(f"{path.name}: {len(spread)} posteriors; the largest of each from {min(spread):.2f} to {max(spread):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
