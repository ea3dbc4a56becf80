"""Writes the weights of test/fixtures/weights/torch-d.pth into other containers: test/fixtures/weights/d-*.

Run by hand with PyTorch, safetensors, NumPy and SciPy installed: python tools/weights_containers.py
"""

import argparse
import collections
import datetime
import enum
import json
import pathlib

import numpy as np
import scipy.io
import torch
from safetensors.torch import save_file
from torch import nn

from weights_networks import Vgg, randomize, remove_debug_files

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights"
SMALL = dict(width=1 / 64, crop=64, classes=5)
MEAN = [123.68, 116.779, 103.939]


class Settings(collections.OrderedDict):
    """A subclass of a dictionary, with an attribute."""


class Mode(enum.Enum):
    FAST = 1


class Tracker:
    """An object that only its program knows."""

    def __init__(self):
        self.history = [np.float32(0.5), np.float64(0.25)]
        self.best = {"epoch": np.int64(3)}


class Slotted:
    __slots__ = ("value",)

    def __init__(self):
        self.value = 7


def checkpoint(state):
    settings = Settings(rate=0.1)
    settings.note = "an attribute"
    return {
        "epoch": np.int64(3),
        "loss": np.float32(0.5),
        "curve": np.arange(5, dtype=np.float64),
        "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("runs/1")),
        "date": datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc),
        "settings": settings,
        "counts": collections.Counter("vgg"),
        "groups": collections.defaultdict(list, a=[1]),
        "mode": Mode.FAST,
        "tracker": Tracker(),
        "slotted": Slotted(),
        "complex": complex(1, 2),
        "dtype": torch.float32,
        "device": torch.device("cpu"),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "float8": torch.zeros(3).to(torch.float8_e4m3fn),
        "sparse": torch.eye(3).to_sparse(),
        "generator": torch.get_rng_state(),
        "state_dict": state,
    }


def write_shards(state):
    folder = FOLDER / "d-sharded"
    folder.mkdir(exist_ok=True)
    names = sorted(state)
    shards = {f"model-{i + 1:05}-of-00002.safetensors": names[i::2] for i in range(2)}
    for shard, members in shards.items():
        save_file({name: state[name].contiguous() for name in members}, folder / shard)
        (folder / shard).chmod(0o644)
    weight_map = {name: shard for shard, members in shards.items() for name in members}
    size = sum(4 * value.numel() for value in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def layers_of(model):
    """(name, weight, bias) with the paper's names; fully connected layers as [out, in, k, k]."""
    block, place, found = 1, 1, []
    for module in model.features:
        if isinstance(module, nn.Conv2d):
            found.append((f"conv{block}_{place}", module.weight, module.bias))
            place += 1
        elif isinstance(module, nn.MaxPool2d):
            block, place = block + 1, 1
    for name, index in (("fc6", 0), ("fc7", 3), ("fc8", 6)):
        layer = model.classifier[index]
        side = 2 if name == "fc6" else 1
        found.append((name, layer.weight.reshape(layer.weight.shape[0], -1, side, side), layer.bias))
    return [(name, weight.detach().numpy(), bias.detach().numpy()) for name, weight, bias in found]


def write_numpy(model):
    layers = layers_of(model)
    arrays = {}
    for name, weight, bias in layers:
        last = weight.transpose(2, 3, 1, 0)
        arrays[f"{name}_W"] = last.reshape(-1, last.shape[3]) if name.startswith("fc") else last
        arrays[f"{name}_b"] = bias
    np.savez_compressed(FOLDER / "d-named.npz", **arrays)
    slim = {f"vgg_16/{n[:5]}/{n}/{p}": v for n, w, b in layers for p, v in (("weights", w.transpose(2, 3, 1, 0)), ("biases", b))}
    np.savez(FOLDER / "d-slim.npz", global_step=np.int64(7), **slim)
    np.savez(FOLDER / "d-numbered.npz", *arrays.values())
    folder = FOLDER / "d-arrays"
    folder.mkdir(exist_ok=True)
    for name, value in model.state_dict().items():
        # Every second one in Fortran's order.
        array = value.numpy()
        np.save(folder / f"{name}.npy", np.asfortranarray(array) if name.endswith("weight") else array)


def write_matconvnet(model):
    def layer(**fields):
        return {"name": "", "precious": False, **fields}

    def chain(parameters):
        layers = []
        for name, weight, bias in layers_of(model):
            if layers and name.startswith("conv") and name.endswith("_1") or name == "fc6":
                layers.append(layer(type="pool", name="pool", method="max", pool=[2.0, 2.0], stride=2.0, pad=[0.0, 1.0, 0.0, 1.0]))
            pad = 0.0 if name.startswith("fc") else 1.0
            layers.append(layer(type="conv", name=name, pad=pad, stride=1.0, **parameters(weight.transpose(2, 3, 1, 0), bias)))
            layers.append(layer(type="relu" if name != "fc8" else "softmax", name="after " + name))
        return np.array(layers, dtype=object).reshape(1, -1)

    def cell(*values):
        array = np.empty((1, len(values)), dtype=object)
        for index, value in enumerate(values):
            array[0, index] = value
        return array

    names = [f"n{i:08}" for i in range(5)]
    words = ["ant", "bee", "cat, feline", "dog", "eel"]
    average = np.array(MEAN, dtype=np.float32).reshape(1, 1, 3)
    meta = {
        "normalization": {"imageSize": [64.0, 64.0, 3.0], "averageImage": average},
        "classes": {"name": cell(*names), "description": cell(*words)},
    }
    new = chain(lambda w, b: {"weights": cell(w, b.reshape(1, -1))})
    scipy.io.savemat(FOLDER / "d-matconvnet.mat", {"layers": new, "meta": meta}, do_compression=True)
    old = chain(lambda w, b: {"filters": w, "biases": b.reshape(1, -1)})
    old_facts = {
        "normalization": {"averageImage": np.broadcast_to(average, (4, 4, 3)).copy()},
        "classes": meta["classes"],
    }
    scipy.io.savemat(FOLDER / "d-matconvnet-old.mat", {"layers": old, **old_facts})


def main():
    model = randomize(Vgg("D", **SMALL), 1).eval()
    state = model.state_dict()
    torch.save(checkpoint(state), FOLDER / "d-extras.pth")
    torch.save(checkpoint(state), FOLDER / "d-extras-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"model": model, "epoch": 3}, FOLDER / "d-whole.pth")
    torch.jit.script(model).save(FOLDER / "d-script.pt")
    remove_debug_files(FOLDER / "d-script.pt")
    torch.jit.freeze(torch.jit.script(model)).save(FOLDER / "d-frozen.pt")
    remove_debug_files(FOLDER / "d-frozen.pt")
    exported = torch.export.export(model, (torch.zeros(1, 3, 64, 64),))
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine that ran this
    torch.export.save(exported, FOLDER / "d-exported.pt2")
    write_shards(state)
    write_numpy(model)
    write_matconvnet(model)


if __name__ == "__main__":
    main()
