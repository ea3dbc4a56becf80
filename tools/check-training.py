"""Trains with verydeep and with PyTorch from the same file on the same images, and compares the weights.

    npm run build && /usr/bin/python3 tools/check-training.py [--config A] [--width 0.125] [--momentum 0.9]

A ReLU or a pooling comparison that tips over because of a rounding error changes everything after it: where the loss
overshoots (A at a rate of 0.01), PyTorch's weights differ by 0.09 from their own when its convolutions are disturbed
by 1e-7 of their largest value. So the rate is low. Check a sudden difference with other seeds: a fault shows with
all of them.

Needs PyTorch, NumPy and Pillow (Debian: python3-torch python3-pil). Neither shuffling, augmentation nor
dropout; the rate drops on the way. Exits with 1 when a tensor's relative difference is 1e-3 or more.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CLASSES, PER_CLASS, SIDE = 4, 10, 32
BOUND = 1e-3


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="A")
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--drop-at", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--kernels", default="own", choices=["own", "onednn"])
    parser.add_argument("--main", default=str(ROOT / "dist/src/cli/vgg.cjs"))
    return parser.parse_args()


def read_safetensors(path):
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], dtype="<f4")
        tensors[name] = torch.tensor(values.reshape(entry["shape"]))
    return tensors, metadata


def write_images(folder):
    """Noise with a color for each class, as PNG, so that both sides see the same pixels."""
    random = np.random.default_rng(1)
    for label in range(CLASSES):
        tint = random.integers(60, 196, 3)
        for number in range(PER_CLASS):
            pixels = np.clip(tint + random.normal(0, 40, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
            path = folder / "train" / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            path = folder / "val" / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def vgg(main, *arguments):
    subprocess.run(["node", main, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def load_images(folder, mean):
    paths = sorted((folder / "train").glob("*/*.png"), key=lambda path: (path.parent.name, path.name))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB"), np.float32) for path in paths])
    labels = torch.tensor([int(path.parent.name.removeprefix("class")) for path in paths])
    return torch.tensor(pixels - np.asarray(mean, np.float32)).permute(0, 3, 1, 2).contiguous(), labels


def forward(parameters, layers, images):
    values = images
    for layer in layers:
        kind, name = layer["kind"], layer["name"]
        if kind == "convolution":
            weight = parameters[f"{name}.weight"]
            # Those of the features keep the size of the map, those of the classifier have no padding.
            padding = 0 if name.startswith("fc") else (weight.shape[2] - 1) // 2
            values = torch.nn.functional.conv2d(values, weight, parameters[f"{name}.bias"], padding=padding)
        elif kind == "relu":
            values = torch.relu(values)
        elif kind == "maxPool":
            values = torch.nn.functional.max_pool2d(values, 2)
        elif kind == "lrn":
            # PyTorch divides alpha by the number of channels that it sums over.
            values = torch.nn.functional.local_response_norm(values, 5, alpha=5e-4, beta=0.75, k=2.0)
    return values.flatten(1)


def train_with_torch(start, layers, images, labels, options):
    # In double precision, so that a difference is ours.
    parameters = {name: value.double().requires_grad_() for name, value in start.items()}
    velocities = {name: torch.zeros_like(value) for name, value in parameters.items()}
    position, rate = 0, options.lr
    for iteration in range(options.iterations):
        if iteration == options.drop_at:
            rate = options.lr / 10
        chosen = [(position + i) % len(labels) for i in range(options.batch)]
        position += options.batch
        loss = torch.nn.functional.cross_entropy(forward(parameters, layers, images[chosen].double()), labels[chosen])
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(parameters.items(), gradients):
                decay = options.weight_decay if name.endswith(".weight") else 0
                # Caffe's form: the rate is inside the velocity.
                velocities[name] = options.momentum * velocities[name] - rate * (gradient + decay * value)
                value += velocities[name]
    return {name: value.detach() for name, value in parameters.items()}, loss.item()


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(folder / "images")
        network = ["--config", options.config, "--width", options.width, "--crop", SIDE]
        vgg(options.main, "init", *network, "--classes", CLASSES, "--seed", options.seed, "--out", folder / "start.safetensors")
        vgg(
            options.main, "train", folder / "images", *network, "--scale", SIDE, "--from", folder / "start.safetensors",
            "--batch", options.batch, "--micro-batch", options.micro_batch, "--iterations", options.iterations,
            "--lr", options.lr, "--lr-drop-at", options.drop_at, "--momentum", options.momentum,
            "--weight-decay", options.weight_decay, "--kernels", options.kernels, "--dropout", 0, "--no-shuffle", "--no-flip", "--no-color-shift",
            "--no-random-crop", "--out", folder / "run",
        )
        start, _ = read_safetensors(folder / "start.safetensors")
        ours, metadata = read_safetensors(folder / "run/last.safetensors")
        described = subprocess.run(
            ["node", options.main, "configs", "--layers", options.config, "--crop", str(SIDE), "--json"],
            check=True, capture_output=True,
        )
        layers = json.loads(described.stdout)[0]["layers"]
        images, labels = load_images(folder / "images", json.loads(metadata["verydeep.meanRgb"]))
    theirs, loss = train_with_torch(start, layers, images, labels, options)
    worst = 0.0
    for name, value in theirs.items():
        difference = ((ours[name] - value).norm() / value.norm()).item()
        moved = ((value - start[name]).norm() / value.norm()).item()
        print(f"{name:16} relative difference {difference:.2e}   (training moved it by {moved:.2e} of its norm)")
        worst = max(worst, difference)
    print(f"loss {loss:.6f} after {options.iterations} iterations; largest relative difference {worst:.2e}")
    return 0 if worst < BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
