"""Writes test/fixtures/weights/*.onnx with PyTorch's exporters and onnx, and onnxruntime's outputs.

Run by hand with PyTorch, onnx, onnxscript and onnxruntime installed: python tools/weights_onnx.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from weights_networks import TORCHVISION, Vgg, preprocessed, randomize

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights"
SMALL = dict(width=1 / 64, crop=64, classes=5)


def answer(path):
    session = onnxruntime.InferenceSession(path)
    inputs = session.get_inputs()[0]
    image = preprocessed(64, **TORCHVISION)
    if inputs.shape[-1] == 3:
        image = image.transpose(0, 2, 3, 1)
    return [float(v) for v in session.run(None, {inputs.name: image})[0].reshape(-1)]


def channels_last(path, model):
    """Like tf2onnx's output for a Keras network: channels-last in and out, MatMul and Add, floats as float_data."""
    nodes, tensors, current = [], [], "image"

    def tensor(name, value):
        value = np.asarray(value, dtype=np.float32)
        tensors.append(helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.reshape(-1).tolist()))
        return name

    def add(op, inputs, **attributes):
        nonlocal current
        out = f"t{len(nodes)}"
        nodes.append(helper.make_node(op, [current, *inputs], [out], name=f"{op}_{len(nodes)}", **attributes))
        current = out

    add("Transpose", [], perm=[0, 3, 1, 2])
    for module in model.features:
        if isinstance(module, torch.nn.Conv2d):
            n = len(nodes)
            weights = [tensor(f"w{n}", module.weight.detach()), tensor(f"b{n}", module.bias.detach())]
            add("Conv", weights, kernel_shape=[3, 3], auto_pad="SAME_UPPER")
        elif isinstance(module, torch.nn.ReLU):
            add("Relu", [])
        else:
            add("MaxPool", [], kernel_shape=[2, 2], strides=[2, 2])
    add("Transpose", [], perm=[0, 2, 3, 1])
    tensors.append(numpy_helper.from_array(np.array([-1, model.classifier[0].in_features]), "shape"))
    add("Reshape", ["shape"])
    for i, module in enumerate(m for m in model.classifier if isinstance(m, torch.nn.Linear)):
        weight = module.weight.detach().numpy()
        if i == 0:
            side = 2
            weight = weight.reshape(weight.shape[0], -1, side, side).transpose(0, 2, 3, 1).reshape(weight.shape[0], -1)
        add("MatMul", [tensor(f"fc{i}.w", weight.T)])
        add("Add", [tensor(f"fc{i}.b", module.bias.detach())])
        if i < 2:
            add("Relu", [])
    add("Softmax", [], axis=-1)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 64, 64, 3])],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, ["n", 5])],
        tensors,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="a test")
    onnx.checker.check_model(made)
    onnx.save(made, path)


def strip_traces(path):
    """Removes the exporter's notes on where the code was on the machine."""
    made = onnx.load(path, load_external_data=False)
    for item in [made.graph, *made.graph.node, *made.graph.initializer, *made.graph.input, *made.graph.value_info, *made.graph.output]:
        del item.metadata_props[:]
        item.doc_string = ""
    path.write_bytes(made.SerializeToString())


def main():
    plain = randomize(Vgg("D", **SMALL), 11)
    normalized = randomize(Vgg("B", batch_norm=True, **SMALL), 12)
    example = torch.zeros(1, 3, 64, 64)
    answers = {}
    batch = {"image": {0: "n"}}
    kinds = dict(input_names=["image"], output_names=["logits"], dynamo=False)
    torch.onnx.export(plain, example, FOLDER / "torch-d.onnx", dynamic_axes=batch, **kinds)
    # Without optimization, so that batch normalization stays.
    torch.onnx.export(
        normalized,
        example,
        FOLDER / "torch-b-bn.onnx",
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        **kinds,
    )
    external = FOLDER / "torch-d-external.onnx"
    torch.onnx.export(plain, (example,), external, dynamo=True, external_data=True)
    strip_traces(external)
    channels_last(FOLDER / "tf2onnx-like-d.onnx", plain)
    for name in ("torch-d.onnx", "torch-b-bn.onnx", "torch-d-external.onnx"):
        answers[name] = answer(FOLDER / name)
    with torch.no_grad():
        answers["tf2onnx-like-d.onnx"] = [float(v) for v in plain(torch.from_numpy(preprocessed(64, **TORCHVISION)))[0]]
    probabilities = np.exp(answers["tf2onnx-like-d.onnx"]) / np.exp(answers["tf2onnx-like-d.onnx"]).sum()
    assert np.abs(probabilities - answer(FOLDER / "tf2onnx-like-d.onnx")).max() < 1e-5
    (FOLDER / "answers-onnx.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
