#!/usr/bin/python3
"""Evaluates images with verydeep and with PyTorch, by every protocol of section 3.2, and compares the posteriors.

    npm run build
    /usr/bin/python3 tools/check-evaluation.py IMAGES --model M.safetensors [--model M2.safetensors …] [--q 256]

Needs PyTorch, NumPy and Pillow (Debian: python3-torch python3-pil). Takes the images of a folder (--limit of them),
rescales them with Pillow so that their smaller side is Q, and writes them as PNG files: from there on both sides
see the same pixels, and neither resamples. Then, reported separately, the scales --others, to which both sides
rescale the PNG files, each with its own filter. Everything here is written from the paper, in double precision and
one crop after the other; nothing is shared with src/evaluate. Exits with 1 when a posterior without resampling
differs by 1e-4 or more, or a line of --predictions does not agree.
"""

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BOUND = 1e-4


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--q", type=int, default=256)
    parser.add_argument("--others", type=lambda text: [int(q) for q in text.split(",")], default=[])
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--protocols", default="center,dense,crops,both")
    parser.add_argument("--main", default=str(ROOT / "dist/src/cli/vgg.cjs"))
    return parser.parse_args()


class Model:
    """A model file, read without the project's code."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        facts = {key: json.loads(header["__metadata__"][f"verydeep.{key}"]) for key in ["network", "classes", "meanRgb"]}
        self.crop, self.ceil = facts["network"]["crop"], facts["network"]["pooling"] == "ceil"
        self.lrn = facts["network"]["configuration"] == "A-LRN"
        self.classes, self.mean = facts["classes"], np.float64(facts["meanRgb"])
        self.tensors = {}
        for name, entry in header.items():
            if re.fullmatch(r"(conv\d_\d|fc\d)\.(weight|bias)", name):
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                values = np.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])
                self.tensors[name] = torch.tensor(values, dtype=torch.float64)

    def scores(self, x):
        """[1, 3, H, W] → [classes]: the class score map, averaged over positions."""
        for block in range(1, 6):
            for name in sorted(n for n in self.tensors if n.startswith(f"conv{block}_") and n.endswith(".weight")):
                weight = self.tensors[name]
                bias = self.tensors[name.replace("weight", "bias")]
                x = F.relu(F.conv2d(x, weight, bias, padding=weight.shape[2] // 2))
            if self.lrn and block == 1:
                x = F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)
            x = F.max_pool2d(x, 2, 2, ceil_mode=self.ceil)
        for name in ["fc6", "fc7", "fc8"]:
            x = F.conv2d(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])
            x = F.relu(x) if name != "fc8" else x
        return x[0].mean((1, 2))

    def posteriors(self, image, protocol):
        x = torch.tensor(np.float64(image) - self.mean).permute(2, 0, 1)[None]
        if protocol == "both":
            return (self.posteriors(image, "dense") + self.posteriors(image, "crops")) / 2
        views = {"center": self.center, "dense": self.dense, "crops": self.grid}[protocol](x)
        with torch.no_grad():
            each = [torch.softmax(self.scores(view), 0) for view in views]
        return (sum(each) / len(each)).numpy()

    def dense(self, x):
        views = [x, x.flip(3)]
        if self.ceil:
            return views
        # Of what pooling by floor cannot see, half is left out at each side.
        height, width = (32 * (extent // 32) for extent in x.shape[2:])
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        return [view[:, :, top : top + height, left : left + width] for view in views]

    def center(self, x):
        top, left = ((extent - self.crop) // 2 for extent in x.shape[2:])
        return [x[:, :, top : top + self.crop, left : left + self.crop]]

    def grid(self, x):
        views = []
        for i in range(5):
            for j in range(5):
                # Halves up; Python's round would round them to even numbers.
                top, left = (int(np.floor(k * (e - self.crop) / 4 + 0.5)) for k, e in zip((i, j), x.shape[2:]))
                view = x[:, :, top : top + self.crop, left : left + self.crop]
                views += [view, view.flip(3)]
        return views


def rescaled(image, q):
    """Isotropically, so that the smaller side is q; halves up."""
    width, height = image.size
    if width <= height:
        size = (q, max(q, int(np.floor(height * q / width + 0.5))))
    else:
        size = (max(q, int(np.floor(width * q / height + 0.5))), q)
    return image if size == image.size else image.resize(size, Image.BILINEAR)


def write_images(options, folder):
    paths = sorted(p for p in options.images.rglob("*") if p.suffix.lower() in [".jpg", ".jpeg", ".png", ".webp"])
    chosen = [paths[i * len(paths) // options.limit] for i in range(min(options.limit, len(paths)))]
    for number, path in enumerate(chosen):
        rescaled(Image.open(path).convert("RGB"), options.q).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def expected(models, images, protocol, scales):
    """The mean over models of the mean over scales, classes in the first model's order."""
    result = []
    for image in images:
        total = np.zeros(len(models[0].classes))
        for model in models:
            order = [model.classes.index(name) for name in models[0].classes]
            seen = [model.posteriors(np.asarray(rescaled(image, q)), protocol) for q in scales]
            total += np.mean(seen, axis=0)[order]
        result.append(total / len(models))
    return np.stack(result)


def vgg(options, command, *arguments):
    run = ["node", options.main, command, *map(str, arguments)]
    return json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def main():
    options = parse_arguments()
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        folder.mkdir()
        paths = write_images(options, folder)
        images = [Image.open(path).convert("RGB") for path in paths]
        print(f"{len(images)} images: {', '.join('×'.join(map(str, image.size)) for image in images)}")
        for chosen in [[path] for path in options.model] + ([options.model] if len(options.model) > 1 else []):
            models = [Model(path) for path in chosen]
            for protocol in options.protocols.split(","):
                for scales in [[options.q]] + ([sorted([options.q, *options.others])] if options.others else []):
                    flags = [f for path in chosen for f in ("--model", path)] + ["--protocol", protocol]
                    flags += ["--scales", ",".join(map(str, scales)), "--json"]
                    predicted = vgg(options, "predict", *paths, *flags, "--all")["images"]
                    ours = np.array([image["posteriors"] for image in predicted])
                    theirs = expected(models, images, protocol, scales)
                    difference = np.abs(ours - theirs).max()
                    note = "" if len(scales) == 1 else " (resampled by each side's own filter)"
                    name = " + ".join(Path(path).name for path in chosen)
                    print(f"{name}, {protocol}, Q = {scales}: largest difference {difference:.1e}{note}; "
                          f"largest posterior {theirs.max():.3f}, in the mean {theirs.max(1).mean():.3f}", flush=True)
                    if len(scales) > 1:
                        continue
                    worst = max(worst, difference)
                    file = Path(temporary) / "predictions.jsonl"
                    vgg(options, "evaluate", folder, *flags, "--predictions", file)
                    lines = [json.loads(line) for line in file.read_text().splitlines()]
                    for line, posteriors in zip(lines, theirs):
                        for entry in line["top"]:
                            worst = max(worst, abs(entry["probability"] - posteriors[entry["index"]]))
                    worst = worst if len(lines) == len(images) else 1.0
    print(f"largest difference without resampling {worst:.1e}, allowed {BOUND}")
    return 0 if worst < BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
