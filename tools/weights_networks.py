"""The networks of the weight fixtures and checks, as PyTorch modules with torchvision's names."""

import zipfile

import numpy as np
import torch
from torch import nn

CONFIGURATIONS = {
    "A": [[64], [128], [256, 256], [512, 512], [512, 512]],
    "B": [[64, 64], [128, 128], [256, 256], [512, 512], [512, 512]],
    "D": [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]],
    "E": [[64, 64], [128, 128], [256] * 4, [512] * 4, [512] * 4],
}
HIDDEN = 4096


def synthetic_image(side):
    """[3, side, side], RGB, 0-255: the image of `vgg convert`'s check (src/api/convert-weights.ts)."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(side), np.arange(side), indexing="ij")
    return ((37 * c + 7 * y + 13 * x + (x * y) % 251) % 256).astype(np.float64)


class Vgg(nn.Module):
    """torchvision.models.VGG at any width and crop: the same modules under the same names."""

    def __init__(self, configuration, width=1.0, crop=224, classes=1000, batch_norm=False):
        super().__init__()
        layers, channels = [], 3
        for block in CONFIGURATIONS[configuration]:
            for full in block:
                out = max(1, round(full * width))
                layers.append(nn.Conv2d(channels, out, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(out))
                layers.append(nn.ReLU(inplace=True))
                channels = out
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        hidden = max(1, round(HIDDEN * width))
        self.classifier = nn.Sequential(
            nn.Linear(channels * (crop // 32) ** 2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def randomize(model, seed):
    """Weights that keep activations of order one through all layers, and running statistics that matter."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            module.bias.data = torch.rand(module.bias.shape, generator=generator) * 0.5
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = 0.5 + torch.rand(module.weight.shape, generator=generator)
            module.bias.data = torch.rand(module.bias.shape, generator=generator) * 0.5
            module.running_mean = torch.randn(module.running_mean.shape, generator=generator) * 0.5
            module.running_var = 0.5 + torch.rand(module.running_var.shape, generator=generator)
            module.num_batches_tracked.fill_(7)
    return model.eval()


def remove_debug_files(file):
    """Removes from a TorchScript program the files that name the machine's source files."""
    with zipfile.ZipFile(file) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.namelist() if not entry.endswith(".debug_pkl")]
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data)


def preprocessed(side, order="rgb", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1)):
    """The synthetic image, preprocessed by a convention, [1, 3, side, side]; mean and std are in the order r, g, b."""
    image = synthetic_image(side) * scale
    image = (image - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    if order == "bgr":
        image = image[::-1]
    return np.ascontiguousarray(image[None]).astype(np.float32)


TORCHVISION = dict(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE = dict(order="bgr", mean=(123.68, 116.779, 103.939))
