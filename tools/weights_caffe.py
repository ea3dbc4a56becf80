"""Writes test/fixtures/weights/*.caffemodel with Caffe's own schema, and PyTorch's outputs for the same network.

Run by hand with PyTorch and protobuf installed: python tools/weights_caffe.py
"""

import json
import pathlib

import torch
from torch import nn

from weights_caffe_proto import CONVOLUTION, DROPOUT, INNER_PRODUCT, POOLING, RELU, SOFTMAX, NetParameter
from weights_networks import CAFFE, Vgg, preprocessed, randomize

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights"
SMALL = dict(width=1 / 64, crop=64, classes=5)


def blob(message, value, legacy=False):
    proto = message.blobs.add()
    if legacy:
        shape = [1] * (4 - value.dim()) + list(value.shape)
        proto.num, proto.channels, proto.height, proto.width = shape
    else:
        proto.shape.dim.extend(value.shape)
    proto.data.extend(value.detach().reshape(-1).tolist())


def named(model):
    """Modules with Caffe's names."""
    block, place, full = 1, 0, 6
    for module in [*model.features, *model.classifier]:
        if isinstance(module, nn.Conv2d):
            place += 1
            yield f"conv{block}_{place}", module
        elif isinstance(module, nn.Linear):
            yield f"fc{full}", module
            full += 1
        elif isinstance(module, nn.MaxPool2d):
            yield f"pool{block}", module
            block, place = block + 1, 0
        elif isinstance(module, nn.BatchNorm2d):
            yield f"bn{block}_{place}", module
        elif isinstance(module, nn.Dropout):
            yield f"drop{full - 1}", module
        else:
            yield (f"relu{block}_{place}" if full == 6 and block < 6 else f"relu{full - 1}"), module


def old_net(model):
    """Like the authors' files: V1LayerParameter, blobs with num, channels, height and width."""
    net = NetParameter(name="VGG_small", input=["data"], input_dim=[10, 3, 64, 64])
    for name, module in named(model):
        layer = net.layers.add(name=name)
        if isinstance(module, nn.Conv2d):
            layer.type = CONVOLUTION
            layer.convolution_param.num_output, layer.convolution_param.pad, layer.convolution_param.kernel_size = module.out_channels, 1, 3
            blob(layer, module.weight, True)
            blob(layer, module.bias, True)
        elif isinstance(module, nn.Linear):
            layer.type = INNER_PRODUCT
            layer.inner_product_param.num_output = module.out_features
            blob(layer, module.weight, True)
            blob(layer, module.bias, True)
        elif isinstance(module, nn.MaxPool2d):
            layer.type = POOLING
            layer.pooling_param.pool, layer.pooling_param.kernel_size, layer.pooling_param.stride = 0, 2, 2
        else:
            layer.type = DROPOUT if isinstance(module, nn.Dropout) else RELU
    net.layers.add(name="prob", type=SOFTMAX)
    return net


def new_net(model):
    """LayerParameter; batch normalization as BatchNorm (sums and a divisor) and Scale."""
    net = NetParameter(name="VGG_small_bn")
    for name, module in named(model):
        layer = net.layer.add(name=name)
        if isinstance(module, nn.Conv2d):
            layer.type = "Convolution"
            layer.convolution_param.num_output = module.out_channels
            layer.convolution_param.pad.append(1)
            layer.convolution_param.kernel_size.append(3)
            blob(layer, module.weight)
            blob(layer, module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            layer.type = "BatchNorm"
            layer.batch_norm_param.eps = module.eps
            divisor = 999.98236
            blob(layer, module.running_mean * divisor)
            blob(layer, module.running_var * divisor)
            blob(layer, torch.tensor([divisor]))
            scale = net.layer.add(name=name.replace("bn", "scale"), type="Scale")
            scale.scale_param.bias_term = True
            blob(scale, module.weight)
            blob(scale, module.bias)
        elif isinstance(module, nn.Linear):
            layer.type = "InnerProduct"
            layer.inner_product_param.num_output = module.out_features
            blob(layer, module.weight)
            blob(layer, module.bias)
        elif isinstance(module, nn.MaxPool2d):
            layer.type = "Pooling"
            layer.pooling_param.pool, layer.pooling_param.kernel_size, layer.pooling_param.stride = 0, 2, 2
        else:
            layer.type = "Dropout" if isinstance(module, nn.Dropout) else "ReLU"
    return net


def main():
    answers = {}
    plain = randomize(Vgg("D", **SMALL), 21)
    normalized = randomize(Vgg("B", batch_norm=True, **SMALL), 22)
    for model in (plain, normalized):
        # Pixels are not divided by their standard deviation here.
        model.features[0].weight.data /= 60
    for name, model, net in (("caffe-d-v1.caffemodel", plain, old_net(plain)), ("caffe-b-bn-v2.caffemodel", normalized, new_net(normalized))):
        (FOLDER / name).write_bytes(net.SerializeToString())
        with torch.no_grad():
            answers[name] = [float(v) for v in model(torch.from_numpy(preprocessed(64, **CAFFE)))[0]]
    (FOLDER / "answers-caffe.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
