#!/usr/bin/env python3
"""Writes test/fixtures/golden-resample.json: the results of Pillow's bilinear resize for a few images.

    pip install pillow==10.4.0 numpy && python3 tools/golden_resample.py

The images are noise from a small generator that the test has, too; the file has the SHA-256 of each result. Pillow 13
processes some images' columns first; earlier versions always begin with the rows, as the project does.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

SIZES = [  # from width, height to width, height
    (32, 32, 37, 37), (28, 28, 32, 32), (500, 375, 341, 256), (341, 256, 299, 224), (375, 500, 384, 512),
    (64, 64, 40, 40), (13, 7, 5, 3), (1, 1, 16, 16), (3, 200, 2, 133), (800, 40, 960, 48), (999, 501, 33, 17),
    (100, 100, 100, 50), (20_000, 2, 5, 1),
]  # fmt: skip


def noise(width, height):
    """bytes[i] is the upper byte of i² · 2654435761 + i · 40503 modulo 2³²: without a visible period."""
    i = np.arange(width * height * 3, dtype=np.uint64)
    return (((i * i * 2654435761 + i * 40503) >> 24) & 255).astype(np.uint8).reshape(height, width, 3)


cases = []
for width, height, to_width, to_height in SIZES:
    result = Image.fromarray(noise(width, height)).resize((to_width, to_height), Image.Resampling.BILINEAR)
    cases.append({
        "from": [width, height],
        "to": [to_width, to_height],
        "sha256": hashlib.sha256(result.tobytes()).hexdigest(),
    })  # fmt: skip
file = Path(__file__).parent.parent / "test/fixtures/golden-resample.json"
file.write_text(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1) + "\n")
