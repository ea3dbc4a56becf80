#!/usr/bin/env python3
"""
Writes test/fixtures/golden with PyTorch: the outputs of every configuration, by an implementation that shares
nothing with ours. Run it by hand to add or check a fixture; tests only read the files.

    apt install python3-torch python3-numpy     # Debian 12's 1.13 wrote the files; any later one should do
    python3 tools/golden.py                     # writes all fixtures
    python3 tools/golden.py --check             # computes them again and compares with the files, writes nothing

Everything is computed in double precision, from float32 inputs and parameters that follow from a seed
(golden_random.py is src/core/random.ts in numpy), so a file holds results only. It is a safetensors file with

    logits [N, classes], losses [N], gradient.<parameter>        a pass of every configuration
    dense.floor, dense.ceil [1, classes, H, W]                   inference on an image larger than the crop
    losses [steps, N], <parameter>                               weights after some steps of SGD

and, as metadata, the case (configuration, crop, width, …). Seeds are searched from 0 for a case in which no
value is near a kink (ReLU at 0, ties in max pooling), where rounding would make a gradient jump, and in which no
layer is dead.
"""

import argparse
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True

from golden_network import CONFIGURATIONS, Network
from golden_random import derive_key, key_of_seed, normals, words

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "golden"
# Channels 2, 5, 9, 18 and 146 hidden units: not multiples of a vector's length, and small files.
WIDTH = 1 / 28
CLASSES = 7
# How far from a kink every value must be, as a fraction of its layer's largest: above float32's errors.
MARGIN = {"pass": 1e-5, "dense": 0, "training": 2e-6}
TRAINING = {
    "rates": [0.02] * 3 + [0.002] * 3,
    "momentum": 0.9,
    "weightDecay": 5e-3,
    "biasDecay": 0.0,
}


def cases():
    for configuration in CONFIGURATIONS:
        yield {"kind": "pass", "configuration": configuration, "crop": 32, "batch": 2, "dropout": 0.0}
    # fc6 is 2×2 here, and both dropout layers draw masks.
    yield {"kind": "pass", "configuration": "A", "crop": 64, "batch": 3, "dropout": 0.5}
    yield {"kind": "dense", "configuration": "C", "crop": 64, "batch": 1, "height": 149, "width": 107}
    yield {"kind": "training", "configuration": "A", "crop": 32, "batch": 3, "dropout": 0.5}


def file_name(case):
    return f"{case['kind']}-{case['configuration']}-{case['crop']}.safetensors"


def images(case, seed, height, width, step=0):
    shape = (case["batch"], 3, height, width)
    values = normals(derive_key(key_of_seed(seed), "golden", "images", step), int(np.prod(shape)))
    return torch.tensor(np.float32(values).reshape(shape), dtype=torch.float64)


def labels(case, step=0):
    return torch.tensor([(3 * n + 1 + step) % CLASSES for n in range(case["batch"])])


def dropout(case, seed, step=0):
    if not case["dropout"]:
        return None
    drawn = words(derive_key(key_of_seed(seed), "golden", "dropout", step), 2 * case["batch"])
    return case["dropout"], [(int(a), int(b)) for a, b in drawn.reshape(-1, 2)]


def losses_of(network, case, seed, step=0):
    x = images(case, seed, case["crop"], case["crop"], step)
    logits = network.forward(x, dropout=dropout(case, seed, step)).flatten(1)
    return logits, F.cross_entropy(logits, labels(case, step), reduction="none")


def compute_pass(network, case, seed):
    logits, losses = losses_of(network, case, seed)
    losses.mean().backward()
    gradients = {f"gradient.{name}": tensor.grad for name, tensor in network.parameters.items()}
    return {"logits": logits, "losses": losses, **gradients}


def compute_dense(network, case, seed):
    x = images(case, seed, case["height"], case["width"])
    return {"dense.floor": network.forward(x), "dense.ceil": network.forward(x, ceil=True)}


def compute_training(network, case, seed):
    """Caffe's form of SGD: the learning rate is inside the velocity."""
    velocities = {name: torch.zeros_like(tensor) for name, tensor in network.parameters.items()}
    all_losses = []
    for step, rate in enumerate(TRAINING["rates"]):
        _, losses = losses_of(network, case, seed, step)
        losses.mean().backward()
        all_losses.append(losses.detach())
        for name, tensor in network.parameters.items():
            decay = TRAINING["weightDecay" if name.endswith(".weight") else "biasDecay"]
            with torch.no_grad():
                gradient = tensor.grad + decay * tensor
                velocities[name] = TRAINING["momentum"] * velocities[name] - rate * gradient
                tensor += velocities[name]
            tensor.grad = None
    return {"losses": torch.stack(all_losses), **network.parameters}


COMPUTE = {"pass": compute_pass, "dense": compute_dense, "training": compute_training}


def alive(kind, tensors):
    """No gradient is nearly 0, and no image is classified with such confidence that its loss carries no information."""
    if kind == "dense":
        return True
    gradients = [tensor for name, tensor in tensors.items() if name.startswith("gradient.")]
    losses = tensors["losses"]
    return all(g.abs().max() > 1e-3 for g in gradients) and losses.min() > 0.01 and losses.max() < 20


def compute(case):
    for seed in range(1000):
        network = Network(case["configuration"], case["crop"], WIDTH, CLASSES, seed)
        tensors = COMPUTE[case["kind"]](network, case, seed)
        if network.smallest_margin >= MARGIN[case["kind"]] and alive(case["kind"], tensors):
            break
    else:
        raise SystemExit(f"{file_name(case)}: no seed below 1000 avoids every kink")
    described = {**case, "widthMultiplier": WIDTH, "classes": CLASSES, "seed": seed}
    described["margin"] = network.smallest_margin
    if case["kind"] == "training":
        described.update(TRAINING)
    return described, {name: np.float32(tensor.detach().numpy()) for name, tensor in tensors.items()}


def write_safetensors(path, description, tensors):
    header = {"__metadata__": {"case": json.dumps(description), "writer": f"torch {torch.__version__}"}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header.pop("__metadata__")["case"])
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(content[start:end], np.float32).reshape(entry["shape"])
    return description, tensors


def differs(path, description, tensors):
    """What is wrong with a file, or None. Another PyTorch may sum in another order: 1e-6 is allowed."""
    if not path.exists():
        return "is missing"
    stored_description, stored = read_safetensors(path)
    if {**stored_description, "margin": 0} != {**description, "margin": 0}:
        return f"describes {stored_description}, not {description}"
    if stored.keys() != tensors.keys():
        return f"holds {sorted(stored)}, not {sorted(tensors)}"
    for name, tensor in tensors.items():
        difference = np.abs(stored[name] - tensor).max() / np.abs(tensor).max()
        if not difference < 1e-6:
            return f"differs in {name} by {difference:.1e} of the largest value"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for case in cases():
        path = FOLDER / file_name(case)
        description, tensors = compute(case)
        if check:
            problem = differs(path, description, tensors)
            wrong += problem is not None
            print(f"{path.name}: {problem or 'agrees'}")
        else:
            write_safetensors(path, description, tensors)
            print(f"{path.name}: seed {description['seed']}, margin {description['margin']:.1e}, {path.stat().st_size} bytes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
