"""Compares weight files of full-size networks with the frameworks themselves. Run it by hand.

    python tools/check-weights.py read  FOLDER -- node dist/src/cli/vgg.cjs
    python tools/check-weights.py write FOLDER -- node dist/src/cli/vgg.cjs

read: the frameworks write files with random weights; `vgg convert` reads them, and its logits of the synthetic
image must equal the framework's. write: `vgg convert` writes all formats; the frameworks load them, and their
logits must equal vgg's. Needs PyTorch, torchvision, timm, safetensors, onnx, onnxruntime, protobuf and Keras with
its PyTorch backend, and /usr/bin/time. FOLDER needs about 15 GB.
"""

import gc
import json
import os
import pathlib
import re
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch
import torchvision
from torch import nn

from weights_caffe import new_net, old_net
from weights_caffe_proto import NetParameter
from weights_networks import CAFFE, TORCHVISION, preprocessed, randomize

LIMIT = 1e-4
FLAGS = {"onnx": ["--convention", "torchvision"]}


def run(command, folder, source, target, flags=()):
    """`vgg convert`: its JSON, with peak memory and seconds."""
    target = folder / target
    full = ["/usr/bin/time", "-v", *command, "convert", str(source), str(target), "--json", "--force", *flags]
    done = subprocess.run(full, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(full)}\n{done.stderr}")
    result = json.loads(done.stdout)
    result["peak"] = int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)[1]) * 1024
    result["seconds"] = re.search(r"Elapsed.*?: ([\d:.]+)$", done.stderr, re.M)[1]
    result["target"] = target
    return result


def report(name, result, expected, weights):
    found = np.array(result["parity"]["output"])
    difference = np.abs(found - np.array(expected).reshape(-1)).max()
    print(
        f"{name:34} difference {difference:.1e} of {np.abs(expected).max():.2f}  "
        f"peak {result['peak'] / 2**20:6.0f} MiB = {result['peak'] / weights:.2f} × weights  {result['seconds']}",
        flush=True,
    )
    assert difference < LIMIT, f"{name}: {difference}"


def forward(model, convention):
    with torch.no_grad():
        return model(torch.from_numpy(preprocessed(224, **convention))).numpy()


def of_order_one(model):
    """Logits of order one, for which 1e-4 is about the accuracy of float32: PyTorch's own are off by 3e-6 of the largest."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.data *= 0.03
    last.bias.data *= 0.03
    return model


def sized(model):
    return 4 * sum(p.numel() for p in model.parameters())


def timm_vgg():
    import timm

    return timm.create_model("vgg16", pretrained=False)


def keras_vgg(seed):
    import keras

    model = keras.applications.VGG16(weights=None, classifier_activation=None)
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        values = layer.get_weights()
        if values:
            fan_in = values[0][..., 0].size
            kernel = (generator.standard_normal(values[0].shape, dtype=np.float32)) * (2 / fan_in) ** 0.5
            layer.set_weights([kernel / (60 if layer.name == "block1_conv1" else 1), generator.random(values[1].shape) * 0.1])
    image = preprocessed(224, **CAFFE).transpose(0, 2, 3, 1)
    return model, np.asarray(model.predict(np.ascontiguousarray(image), verbose=0))


def check_reading(folder, command):
    from safetensors.torch import save_file

    def one(name, expected, weights, flags=()):
        report(name, run(command, folder, folder / name, "read.safetensors", flags), expected, weights)

    for kind, make in (("d", torchvision.models.vgg16), ("d-bn", torchvision.models.vgg16_bn)):
        model = of_order_one(randomize(make(weights=None), 1))
        expected, weights = forward(model, TORCHVISION), sized(model)
        torch.save(model.state_dict(), folder / f"torch-{kind}.pth")
        one(f"torch-{kind}.pth", expected, weights)
        torch.save({"state_dict": model.state_dict()}, folder / f"torch-{kind}-legacy.pt", _use_new_zipfile_serialization=False)
        one(f"torch-{kind}-legacy.pt", expected, weights)
        save_file(model.state_dict(), folder / f"torch-{kind}.safetensors")
        one(f"torch-{kind}.safetensors", expected, weights)
        options = dict(input_names=["image"], output_names=["logits"], dynamo=False, dynamic_axes={"image": {0: "n"}})
        if kind == "d-bn":
            options |= dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        torch.onnx.export(model, torch.zeros(1, 3, 224, 224), folder / f"torch-{kind}.onnx", **options)
        one(f"torch-{kind}.onnx", expected, weights, FLAGS["onnx"])
        model.features[0].weight.data /= 60
        net = old_net(model) if kind == "d" else new_net(model)
        (folder / f"caffe-{kind}.caffemodel").write_bytes(net.SerializeToString())
        del net
        one(f"caffe-{kind}.caffemodel", forward(model, CAFFE), weights)
        gc.collect()
    model = of_order_one(randomize(timm_vgg(), 2))
    save_file(model.state_dict(), folder / "timm-d.safetensors")
    one("timm-d.safetensors", forward(model, TORCHVISION), sized(model))
    model, expected = keras_vgg(3)
    weights = 4 * model.count_params()
    for name, save in (("keras-d.h5", model.save), ("keras-d.keras", model.save), ("keras-d.weights.h5", model.save_weights)):
        save(folder / name)
        one(name, expected, weights)


def check_writing(folder, command):
    native = folder / "native.safetensors"
    subprocess.run([*command, "init", "--config", "D", "--init", "glorot", "--mean", "123.675,116.28,103.53", "--out", str(native), "--force"], check=True)
    weights = native.stat().st_size

    def written(name, *flags):
        result = run(command, folder, native, name, flags)
        assert result["parity"]["difference"] == 0, result["parity"]["difference"]
        return result

    def compare(name, result, answer):
        report(name, result, np.asarray(answer), weights)

    result = written("out.pth")
    state = torch.load(result["target"], weights_only=True)
    model = torchvision.models.vgg16(weights=None).eval()
    model.load_state_dict(state)
    compare("out.pth in torchvision", result, forward(model, TORCHVISION))
    del model, state

    import onnx
    import onnxruntime

    image = preprocessed(224, mean=(123.675, 116.28, 103.53))
    result = written("out.onnx")
    onnx.checker.check_model(str(result["target"]), full_check=True)
    session = onnxruntime.InferenceSession(result["target"])
    both = session.run(None, {"image": np.concatenate([image, image[..., ::-1]])})[0]
    assert both.shape == (2, 1000)
    compare("out.onnx in onnxruntime", result, both[0])
    result = written("out-dense.onnx", "--fully-convolutional")
    onnx.checker.check_model(str(result["target"]), full_check=True)
    session = onnxruntime.InferenceSession(result["target"])
    compare("out-dense.onnx in onnxruntime", result, session.run(None, {"image": image})[0])
    larger = session.run(None, {"image": preprocessed(288, mean=(123.675, 116.28, 103.53))[:, :, :, :256]})[0]
    assert larger.shape == (1, 1000, 3, 2), larger.shape
    del session

    result = written("out.caffemodel")
    net = NetParameter()
    net.ParseFromString(result["target"].read_bytes())
    compare("out.caffemodel by Caffe's schema", result, caffe_forward(net))
    del net
    gc.collect()

    import keras

    result = written("out.h5")
    image = preprocessed(224, order="bgr", mean=(123.675, 116.28, 103.53)).transpose(0, 2, 3, 1)
    model = keras.models.load_model(result["target"], compile=False)
    compare("out.h5 in Keras, load_model", result, model.predict(image, verbose=0))
    model = keras.applications.VGG16(weights=None, classifier_activation=None)
    try:
        model.load_weights(result["target"])
    except ValueError:
        # With dropout there are more layers than in the application, so they are found by name.
        model.load_weights(result["target"], by_name=True)
    compare("out.h5 in Keras, load_weights", result, model.predict(image, verbose=0))


def caffe_forward(net):
    """The logits that Caffe would compute."""
    x = torch.from_numpy(preprocessed(224, order="bgr", mean=(123.675, 116.28, 103.53)))
    tensor = lambda blob: torch.tensor(np.array(blob.data, dtype=np.float32)).reshape(list(blob.shape.dim))
    with torch.no_grad():
        for layer in net.layer:
            if layer.type == "Convolution":
                p = layer.convolution_param
                x = nn.functional.conv2d(x, tensor(layer.blobs[0]), tensor(layer.blobs[1]), padding=p.pad[0])
            elif layer.type == "InnerProduct":
                x = nn.functional.linear(x.flatten(1), tensor(layer.blobs[0]), tensor(layer.blobs[1]))
            elif layer.type == "Pooling":
                x = nn.functional.max_pool2d(x, 2, 2, ceil_mode=layer.pooling_param.round_mode == 0)
            elif layer.type == "ReLU":
                x = torch.relu(x)
    return x.numpy()


if __name__ == "__main__":
    split = sys.argv.index("--")
    what, where = sys.argv[1:split]
    pathlib.Path(where).mkdir(parents=True, exist_ok=True)
    {"read": check_reading, "write": check_writing}[what](pathlib.Path(where), sys.argv[split + 1 :])
