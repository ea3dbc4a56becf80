"""The networks of Table 1 in PyTorch, in double precision, laid out independently of src/net."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from golden_random import derive_key, dropout_mask, key_of_seed, normals

# Block by block: (kernel, channels at full width), or "LRN".
CONFIGURATIONS = {
    "A": [[(3, 64)], [(3, 128)], [(3, 256)] * 2, [(3, 512)] * 2, [(3, 512)] * 2],
    "A-LRN": [[(3, 64), "LRN"], [(3, 128)], [(3, 256)] * 2, [(3, 512)] * 2, [(3, 512)] * 2],
    "B": [[(3, 64)] * 2, [(3, 128)] * 2, [(3, 256)] * 2, [(3, 512)] * 2, [(3, 512)] * 2],
    "C": [
        [(3, 64)] * 2,
        [(3, 128)] * 2,
        [(3, 256), (3, 256), (1, 256)],
        [(3, 512), (3, 512), (1, 512)],
        [(3, 512), (3, 512), (1, 512)],
    ],
    "D": [[(3, 64)] * 2, [(3, 128)] * 2, [(3, 256)] * 3, [(3, 512)] * 3, [(3, 512)] * 3],
    "E": [[(3, 64)] * 2, [(3, 128)] * 2, [(3, 256)] * 4, [(3, 512)] * 4, [(3, 512)] * 4],
    "B-5x5": [[(5, 64)], [(5, 128)], [(5, 256)], [(5, 512)], [(5, 512)]],
}


class Network:
    """
    One network with its parameters, which follow from the seed: weights as `initialize` of
    src/net/initialization.ts makes them with `he`, biases 0.1 times normal draws.
    """

    def __init__(self, configuration, crop, width, classes, seed):
        self.blocks = CONFIGURATIONS[configuration]
        self.parameters = {}
        self.smallest_margin = math.inf
        self._seed = seed
        scale = lambda channels: max(1, math.floor(channels * width + 0.5))
        channels = 3
        for number, block in enumerate(self.blocks, 1):
            place = 0
            for entry in block:
                if entry == "LRN":
                    continue
                place += 1
                kernel, out = entry[0], scale(entry[1])
                self._add(f"conv{number}_{place}", (out, channels, kernel, kernel))
                channels = out
        hidden = scale(4096)
        self._add("fc6", (hidden, channels, crop // 32, crop // 32))
        self._add("fc7", (hidden, hidden, 1, 1))
        self._add("fc8", (classes, hidden, 1, 1))

    def _add(self, name, shape):
        seed = key_of_seed(self._seed)
        deviation = math.sqrt(2 / (shape[1] * shape[2] * shape[3]))
        weight = deviation * normals(derive_key(seed, "initialization", f"{name}.weight"), math.prod(shape))
        bias = 0.1 * normals(derive_key(seed, "golden", f"{name}.bias"), shape[0])
        self.parameters[f"{name}.weight"] = _leaf(weight.reshape(shape))
        self.parameters[f"{name}.bias"] = _leaf(bias)

    def forward(self, x, ceil=False, dropout=None):
        """
        Logits [N, classes, H, W]. `dropout` is a rate and a key of two words for each image, or None.
        Notes in `smallest_margin` how near the values came to a kink (ReLU at 0, ties in max pooling), as a
        fraction of the layer's largest value.
        """
        for number, block in enumerate(self.blocks, 1):
            place = 0
            for entry in block:
                if entry == "LRN":
                    # PyTorch divides alpha by the size; Krizhevsky et al. do not.
                    x = F.local_response_norm(x, 5, alpha=1e-4 * 5, beta=0.75, k=2.0)
                    continue
                place += 1
                x = self._relu(self._convolve(f"conv{number}_{place}", x, entry[0] // 2))
            x = self._pool(x, ceil)
        for ordinal, name in enumerate(["fc6", "fc7"]):
            x = self._relu(self._convolve(name, x, 0))
            if dropout:
                x = _drop(x, ordinal, *dropout)
        return self._convolve("fc8", x, 0)

    def _convolve(self, name, x, padding):
        return F.conv2d(x, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"], padding=padding)

    def _relu(self, x):
        self._note(x.abs().min(), x)
        return F.relu(x)

    def _pool(self, x, ceil):
        n, c, h, w = x.shape
        windows = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
        first, second = windows.transpose(3, 4).reshape(-1, 4).topk(2).values.unbind(1)
        # Ties between values that ReLU set to 0 pass no gradient on.
        gaps = (first - second)[first > 0]
        if len(gaps) > 0:
            self._note(gaps.min(), x)
        return F.max_pool2d(x, 2, 2, ceil_mode=ceil)

    def _note(self, distance, x):
        self.smallest_margin = min(self.smallest_margin, float(distance / x.abs().max()))


def _leaf(values):
    """Values as float32, as the backends get them."""
    return torch.tensor(np.float32(values), dtype=torch.float64, requires_grad=True)


def _drop(x, ordinal, rate, keys):
    masks = [dropout_mask(rate, key, ordinal, x[0].numel()) for key in keys]
    return x * torch.tensor(np.stack(masks)).reshape(x.shape) / (1 - rate)
