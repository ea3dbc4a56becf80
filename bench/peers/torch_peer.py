"""The network of Table 1 in PyTorch, timed on request: reads `infer` or `train` lines, answers with milliseconds.

    torch_peer.py CHANNELS CROP CLASSES BATCH THREADS HIDDEN, with CHANNELS like 64x3,64x3,M (x3: kernel)
"""
import sys
import time

import torch
from torch import nn

channels, crop, classes, batch, threads, hidden = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(1)
layers, last = [], 3
for item in channels.split(","):
    if item == "M":
        layers.append(nn.MaxPool2d(2))
    else:
        width, kernel = map(int, item.split("x"))
        layers += [nn.Conv2d(last, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        last = width
side = crop // 32
head = [nn.Flatten(), nn.Linear(last * side * side, hidden), nn.ReLU(True), nn.Dropout(),
        nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(), nn.Linear(hidden, classes)]
model = nn.Sequential(*layers, *head).to(memory_format=torch.channels_last)
images = torch.randn(batch, 3, crop, crop).contiguous(memory_format=torch.channels_last)
labels = torch.arange(batch) % classes
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-4)


def infer():
    model.eval()
    with torch.inference_mode():
        model(images)


def train():
    model.train()
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()


print(f"PyTorch {torch.__version__}", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    {"infer": infer, "train": train}[line.strip()]()
    print((time.perf_counter() - start) * 1000, flush=True)
