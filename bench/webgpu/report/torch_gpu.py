"""The same network in PyTorch on an NVIDIA GPU: `torch_gpu.py CHANNELS CROP HIDDEN CLASSES INFER TRAIN SECONDS`, with
CHANNELS like 64x3,64x3,M (x3: kernel) and INFER and TRAIN lists of batch sizes. Prints a JSON line for each measurement."""
import json
import sys
import time

import torch
from torch import nn

if not torch.cuda.is_available():
    sys.exit("PyTorch finds no CUDA")
channels, crop, hidden, classes = sys.argv[1], *map(int, sys.argv[2:5])
infer, train = ([int(n) for n in text.split(",")] for text in sys.argv[5:7])
seconds = float(sys.argv[7])


def network():
    layers, last = [], 3
    for item in channels.split(","):
        if item == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            width, kernel = map(int, item.split("x"))
            layers += [nn.Conv2d(last, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            last = width
    head = [nn.Flatten(), nn.Linear(last * (crop // 32) ** 2, hidden), nn.ReLU(True), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, *head).cuda().to(memory_format=torch.channels_last)


def least(run):
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


torch.backends.cudnn.benchmark = True
model = network()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=5e-4)
for precision in ("fp32", "TF32", "bf16"):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
    context = torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16")
    for mode, batches in (("infer", infer), ("train", train)):
        for batch in batches:
            images = torch.randn(batch, 3, crop, crop, device="cuda").contiguous(memory_format=torch.channels_last)
            labels = torch.arange(batch, device="cuda") % classes

            def forward():
                with torch.inference_mode(), context:
                    model(images)

            def step():
                optimizer.zero_grad()
                with context:
                    loss = nn.functional.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()

            model.train(mode == "train")
            try:
                ms = 1000 * least(step if mode == "train" else forward)
            except torch.cuda.OutOfMemoryError:
                ms = None
            print(json.dumps({"precision": precision, "mode": mode, "batch": batch, "ms": ms}), flush=True)
print(json.dumps({"device": torch.cuda.get_device_name(), "version": torch.__version__}), flush=True)
