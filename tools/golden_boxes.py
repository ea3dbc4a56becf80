"""Writes test/fixtures/boxes/pytorch.json: Euclidean losses of boxes with their gradients by PyTorch's autograd, through a
small network, and boxes merged greedily.

python3 -m venv venv && venv/bin/pip install torch==2.13.0 && venv/bin/python tools/golden_boxes.py
"""

import json
from pathlib import Path

import torch

torch.manual_seed(26)
torch.set_default_dtype(torch.float64)


def losses(classes, per_class):
    """A hidden layer and a last one with four outputs, or four per class; the gradients are those of the mean loss."""
    images, inputs, hidden = 5, 6, 7
    outputs = 4 * classes if per_class else 4
    x = torch.randn(images, inputs)
    layers = [torch.nn.Linear(inputs, hidden), torch.nn.Linear(hidden, outputs)]
    labels = torch.arange(images) % classes
    targets = torch.randn(images, 4)
    boxes = layers[1](torch.relu(layers[0](x))).view(images, -1, 4)
    own = boxes[torch.arange(images), labels if per_class else torch.zeros_like(labels)]
    loss = torch.nn.functional.mse_loss(own, targets, reduction="none").sum(1) / 2
    loss.mean().backward()
    return {
        "outputs": outputs,
        "input": x.flatten().tolist(),
        "labels": (labels if per_class else torch.zeros_like(labels)).tolist(),
        "targets": targets.flatten().tolist(),
        "tensors": {
            f"{name}.{kind}": {"value": value.detach().flatten().tolist(), "gradient": value.grad.flatten().tolist()}
            for name, layer in zip(("fc7", "fc8"), layers)
            for kind, value in (("weight", layer.weight), ("bias", layer.bias))
        },
        "losses": loss.tolist(),
    }


def overlap(boxes):
    """Intersection over union of all pairs; columns are left, top, right, bottom."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return shared / (area[:, None] + area[None, :] - shared)


def merge(boxes, scores):
    """Each group is a set of rows of `boxes`; the two groups whose means overlap most become one, until none overlap by half."""
    groups = [[i] for i in range(len(boxes))]
    while len(groups) > 1:
        means = torch.stack([boxes[group].mean(0) for group in groups])
        matches = overlap(means).triu(1)
        best = matches.max()
        if best < 0.5:
            break
        i, j = divmod(int(matches.argmax()), len(groups))
        groups[i] += groups.pop(j)
    merged = [(scores[group].sum().item(), boxes[group].mean(0).tolist(), len(group)) for group in groups]
    return [{"score": score, "box": box, "members": members} for score, box, members in sorted(merged, reverse=True)]


def scene(count):
    corner, size = torch.rand(count, 2) * 60, 20 + 40 * torch.rand(count, 2)
    boxes, scores = torch.cat([corner, corner + size], 1), torch.rand(count)
    return {"boxes": boxes.tolist(), "scores": scores.tolist(), "merged": merge(boxes, scores)}


out = Path(__file__).parent.parent / "test/fixtures/boxes/pytorch.json"
out.parent.mkdir(parents=True, exist_ok=True)
fixture = {
    "torch": torch.__version__,
    "losses": [losses(3, False), losses(3, True)],
    "merging": [scene(count) for count in (2, 9, 25)],
}
out.write_text(json.dumps(fixture))
