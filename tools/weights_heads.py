"""Writes test/fixtures/weights/heads: networks whose classifier is not the paper's, and preprocessing inside the network,
with PyTorch, Keras and ONNX, and answers-heads.json: each framework's own logits for the synthetic image at two sizes.

Run by hand: KERAS_BACKEND=torch python tools/weights_heads.py (PyTorch, Keras, ONNX, onnxscript, onnxruntime)
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from weights_networks import TORCHVISION, Vgg, preprocessed, randomize, remove_debug_files, synthetic_image

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights/heads"
SIZES = (64, 96)
WIDTH, CLASSES, CHANNELS = 1 / 64, 5, 8


class Headed(nn.Module):
    """The convolutions of network A, and another classifier."""

    def __init__(self, pool, classifier, seed):
        super().__init__()
        self.features = Vgg("A", width=WIDTH, crop=64, classes=CLASSES).features
        self.avgpool = pool
        self.classifier = classifier
        randomize(self, seed)
        for module in classifier.modules():
            if isinstance(module, nn.BatchNorm1d):
                count = module.num_features
                generator = torch.Generator().manual_seed(seed)
                module.weight.data = 0.5 + torch.rand(count, generator=generator)
                module.bias.data = torch.rand(count, generator=generator) - 0.5
                module.running_mean.data = torch.rand(count, generator=generator)
                module.running_var.data = 0.5 + torch.rand(count, generator=generator)
        self.eval()

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class WithPreprocessing(nn.Module):
    """Takes pixels from 0 to 255."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x):
        return self.network((x / 255 - self.mean) / self.std)


def torch_answers(model):
    with torch.no_grad():
        return {side: model(torch.from_numpy(preprocessed(side, **TORCHVISION)))[0].tolist() for side in SIZES}


def write_torch(answers):
    def save(name, model, wrap=lambda state: state):
        torch.save(wrap(model.state_dict()), FOLDER / name)
        answers[name] = torch_answers(model)

    relu, linear = nn.ReLU, nn.Linear
    gap = Headed(nn.AdaptiveAvgPool2d(1), nn.Sequential(linear(8, 24), nn.BatchNorm1d(24), relu(), nn.Dropout(), linear(24, 5)), 1)
    save("lightning-gap.ckpt.pth", gap, lambda state: {"epoch": 3, "state_dict": {f"model.{k}": v for k, v in state.items()}})
    gmp = Headed(nn.AdaptiveMaxPool2d(1), nn.Sequential(nn.BatchNorm1d(8), linear(8, 16), relu(), nn.BatchNorm1d(16), nn.Dropout(), linear(16, 5)), 2)
    save("compiled-gmp.pth", gmp, lambda state: {f"_orig_mod.{k}": v for k, v in state.items()})
    save("linear.pth", Headed(nn.AdaptiveAvgPool2d(1), linear(8, 5), 3))
    adaptive = Headed(nn.AdaptiveAvgPool2d(3), nn.Sequential(linear(72, 16), relu(), nn.Dropout(), nn.Sequential(nn.Dropout(), linear(16, 5))), 4)
    save("adaptive-3.pth", adaptive, lambda state: {k.replace("features.", "features.module."): v for k, v in state.items()})
    deep = Headed(nn.AdaptiveAvgPool2d(1), nn.Sequential(linear(8, 12), relu(), linear(12, 10), relu(), linear(10, 6), relu(), linear(6, 5)), 5)
    save("deep-ema.pth", deep, lambda state: {"ema_state_dict": {f"module.{k}": v for k, v in state.items()}, "n_averaged": 4})
    return gap, adaptive


def write_programs(answers, gap):
    """Containers that also describe what the network computes."""
    torch.save(gap, FOLDER / "gap-whole.pth")
    torch.jit.script(gap).save(FOLDER / "gap-script.pt")
    torch.jit.trace(gap, torch.zeros(1, 3, 64, 64)).save(FOLDER / "gap-traced.pt")
    exported = torch.export.export(gap, (torch.zeros(1, 3, 64, 64),))
    for node in exported.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine that ran this
    torch.export.save(exported, FOLDER / "gap-exported.pt2")
    for name in ("gap-whole.pth", "gap-script.pt", "gap-traced.pt", "gap-exported.pt2"):
        answers[name] = torch_answers(gap)
    for name in ("gap-script.pt", "gap-traced.pt"):
        remove_debug_files(FOLDER / name)


class Images(CalibrationDataReader):
    def __init__(self):
        generator = np.random.default_rng(1)
        images = [preprocessed(64, **TORCHVISION)] + [generator.standard_normal((1, 3, 64, 64)).astype(np.float32) for _ in range(3)]
        self.images = iter({"image": image} for image in images)

    def get_next(self):
        return next(self.images, None)


def write_onnx(answers, gap, adaptive):
    dynamic = {"image": {0: "batch", 2: "height", 3: "width"}}

    def export(name, model, image, sides=SIZES, axes=dynamic, **settings):
        path = FOLDER / name
        torch.onnx.export(model, (image,), path, input_names=["image"], dynamic_axes=axes, **settings)
        session = onnxruntime.InferenceSession(path)
        own = isinstance(model, WithPreprocessing)
        inputs = {side: synthetic_image(side)[None].astype(np.float32) if own else preprocessed(side, **TORCHVISION) for side in sides}
        answers[name] = {side: session.run(None, {"image": value})[0][0].tolist() for side, value in inputs.items()}

    image = torch.from_numpy(preprocessed(64, **TORCHVISION))
    export("gap.onnx", gap, image, dynamo=False)
    whole = WithPreprocessing(gap).eval()
    export("gap-preprocessing.onnx", whole, torch.from_numpy(synthetic_image(64)[None].astype(np.float32)), dynamo=False)
    export("gap-dynamo.onnx", gap, image, sides=(64,), axes=None, dynamo=True, external_data=True)
    remove_stack_traces(FOLDER / "gap-dynamo.onnx")
    wide = torch.from_numpy(preprocessed(192, **TORCHVISION))
    export("adaptive-3-at-192.onnx", adaptive, wide, sides=(192,), axes=None, dynamo=False)
    for name, kind in (("gap-int8.onnx", QuantType.QInt8), ("gap-uint8.onnx", QuantType.QUInt8)):
        quantize_static(FOLDER / "gap.onnx", FOLDER / name, Images(), quant_format=QuantFormat.QDQ, per_channel=kind == QuantType.QInt8, activation_type=kind, weight_type=QuantType.QInt8)
        session = onnxruntime.InferenceSession(FOLDER / name)
        answers[name] = {side: session.run(None, {"image": preprocessed(side, **TORCHVISION)})[0][0].tolist() for side in SIZES}


def remove_stack_traces(file):
    """They have the paths of the machine that ran this."""
    exported = onnx.load(file, load_external_data=False)
    for node in exported.graph.node:
        kept = [entry for entry in node.metadata_props if "stack_trace" not in entry.key]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(exported, file)


def keras_network(first, pool, head, size):
    layers = keras.layers
    image = current = keras.Input((size, size, 3))
    for layer in first:
        current = layer(current)
    for block, count in enumerate([1, 1, 2, 2, 2], 1):
        for place in range(1, count + 1):
            current = layers.Conv2D([1, 2, 4, 8, 8][block - 1], 3, padding="same", activation="relu", name=f"block{block}_conv{place}")(current)
        current = layers.MaxPooling2D(2, name=f"block{block}_pool")(current)
    current = pool(current)
    for layer in head:
        current = layer(current)
    return keras.Model(image, current)


def randomize_keras(model, seed):
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([0.5 + generator.random(value.shape) for value in values])
        elif isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            fan_in = np.prod(values[0].shape[:-1])
            layer.set_weights([generator.standard_normal(values[0].shape) * (2 / fan_in) ** 0.5, generator.random(values[1].shape) * 0.5])


def write_keras(answers):
    layers = keras.layers

    def save(name, model, seed, sides, flip=False):
        randomize_keras(model, seed)
        model.save(FOLDER / name)
        images = {side: synthetic_image(side).transpose(1, 2, 0)[None].astype(np.float32) for side in sides}
        if flip:
            mean = np.array([123.68, 116.779, 103.939], np.float32)
            images = {side: (image - mean)[..., ::-1] for side, image in images.items()}
        answers[name] = {side: np.asarray(model(image, training=False).detach())[0].tolist() for side, image in images.items()}

    augment = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])
    head = [layers.BatchNormalization(), layers.Dense(24, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(5)]
    save("keras-gap-rescaling.keras", keras_network([augment, layers.Rescaling(1 / 127.5, offset=-1)], layers.GlobalAveragePooling2D(), head, None), 1, SIZES)
    normalize = layers.Normalization()
    generator = np.random.default_rng(9)
    normalize.adapt((generator.random((4, 8, 8, 3)) * [255, 200, 150]).astype(np.float32))
    save("keras-gmp-normalization.keras", keras_network([normalize], layers.GlobalMaxPooling2D(), [layers.Dense(5)], 96), 2, (96,))
    save("keras-gap.h5", keras_network([], layers.GlobalAveragePooling2D(), [layers.Dense(16), layers.BatchNormalization(), layers.ReLU(), layers.Dense(5)], 80), 3, (80,), flip=True)
    preprocess = keras.applications.vgg16.preprocess_input
    save("keras-gap-preprocess-input.keras", keras_network([preprocess], layers.GlobalAveragePooling2D(), [layers.Dense(5)], None), 5, SIZES)
    flat = [layers.BatchNormalization(), layers.Dense(16, activation="relu"), layers.Dense(5)]
    save("keras-flatten-150.h5", keras_network([layers.Rescaling(1 / 255)], layers.Flatten(), flat, 150), 4, (150,))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    answers = {}
    gap, adaptive = write_torch(answers)
    write_programs(answers, gap)
    write_onnx(answers, gap, adaptive)
    write_keras(answers)
    for file in FOLDER.iterdir():
        file.chmod(0o644)
    (FOLDER / "answers-heads.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
