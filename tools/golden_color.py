#!/usr/bin/env python3
"""Writes test/fixtures/color: small images with color profiles or in CMYK, and Pillow's pixels for them.

    pip install pillow==10.4.0 && python3 tools/golden_color.py

Pillow ignores profiles, as the pipelines did in which the published weights were trained and tested. The profile is
sRGB with red and blue swapped, so that converting it changes every color. A JPEG in CMYK is taken as inverted, with and
without Adobe's marker.
"""

import hashlib
import io
import json
from pathlib import Path

import PIL
from PIL import Image, ImageCms

folder = Path(__file__).parent.parent / "test/fixtures/color"
folder.mkdir(exist_ok=True)


def picture(mode, width, height):
    image = Image.new(mode, (width, height))
    places = [(x, y) for y in range(height) for x in range(width)]
    colors = [(10 * x % 256, 14 * y % 256, 6 * (x + y) % 256, x * y % 200) for x, y in places]
    image.putdata([color[0] if mode == "L" else color[: len(mode)] for color in colors])
    return image


def encoded(mode, kind, width=24, height=17, **options):
    file = io.BytesIO()
    picture(mode, width, height).save(file, kind, **options)
    return file.getvalue()


def swapped_profile():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    table, rest = profile[:512], profile[512:]
    table = table.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    return table + rest


ADOBE = b"\xff\xee\x00\x0eAdobe"
profile = swapped_profile()
cmyk = encoded("CMYK", "JPEG", quality=95)
adobe = cmyk.index(ADOBE)
files = {
    "cmyk.jpg": cmyk,
    "ycck.jpg": cmyk[: adobe + 15] + b"\x02" + cmyk[adobe + 16 :],
    "cmyk-without-adobe.jpg": cmyk[:adobe] + cmyk[adobe + 16 :],
    "profile.jpg": encoded("RGB", "JPEG", 240, 170, quality=60, icc_profile=profile),
    "profile.png": encoded("RGB", "PNG", icc_profile=profile),
    "profile.webp": encoded("RGB", "WEBP", lossless=True, icc_profile=profile),
}
golden = {"pillow": PIL.__version__, "sha256": {}}
for name, data in files.items():
    (folder / name).write_bytes(data)
    pixels = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    golden["sha256"][name] = hashlib.sha256(pixels).hexdigest()
(folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
