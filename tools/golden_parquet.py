#!/usr/bin/env python3
"""
Writes test/fixtures/parquet with Hugging Face's datasets and pyarrow: small PNG images with labels, in the layouts,
codecs and page formats that data sets come in. Run it by hand; tests only read the files.

    pip install datasets pillow                 # datasets 5.2.0 and pyarrow 26.0.1 wrote the files
    python3 tools/golden_parquet.py

hub/ is a data set as datasets' push_to_hub lays it out: two files of training images, validation images, and test
images whose labels are -1. codecs/ has the same table once for each codec. answers.json lists the label and the
SHA-256 of the image of each row.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Pillow

FOLDER = Path(__file__).parent.parent / "test/fixtures/parquet"
CLASSES = ["cat", "dog", "owl"]
FEATURES = Features({"image": Image(), "label": ClassLabel(names=CLASSES)})
CODECS = {
    "none": {"compression": "none", "use_dictionary": False},
    "snappy": {"compression": "snappy", "row_group_size": 5},
    "zstd-v2": {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 4},
    "gzip-small-pages": {"compression": "gzip", "data_page_size": 300, "write_batch_size": 2},
    "brotli-index": {"compression": "brotli", "write_page_index": True, "data_page_size": 300, "write_batch_size": 3},
    "lz4": {"compression": "lz4", "use_dictionary": ["image.bytes"], "dictionary_pagesize_limit": 700},
}

random = np.random.default_rng(1)


def png(number):
    """Noise of another brightness and size for each number."""
    pixels = random.integers(8 * number, 8 * number + 40, (9 + number % 2, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def rows(first, count, labeled=True):
    """Images in the order of their classes, as in class folders."""
    return [
        {"image": {"bytes": png(i), "path": f"{i}.png"}, "label": (i - first) * 3 // count if labeled else -1}
        for i in range(first, first + count)
    ]


def answers(records):
    return [[record["label"], hashlib.sha256(record["image"]["bytes"]).hexdigest()] for record in records]


def main():
    hub = FOLDER / "hub/data"
    codecs = FOLDER / "codecs"
    for folder in hub, codecs:
        folder.mkdir(parents=True, exist_ok=True)
    training, validation, test = rows(0, 15), rows(15, 6), rows(21, 2, labeled=False)
    files = {
        "train-00000-of-00002": training[:8],
        "train-00001-of-00002": training[8:],
        "validation-00000-of-00001": validation,
        "test-00000-of-00001": test,
    }
    for name, records in files.items():
        Dataset.from_list(records, features=FEATURES).to_parquet(hub / f"{name}.parquet")
    table = Dataset.from_list(training, features=FEATURES).data.table
    for name, options in CODECS.items():
        pq.write_table(table, codecs / f"{name}.parquet", **options)
    # Without Hugging Face's metadata: plain bytes, class names, an image and a label that are missing.
    images = [record["image"]["bytes"] for record in training]
    names = [CLASSES[record["label"]] for record in training]
    plain = pa.table({"picture": images[:-1] + [None], "class": names[:-2] + [None, "owl"], "width": [8] * 15})
    pq.write_table(plain, FOLDER / "plain.parquet")
    odd = {
        "picture": images[:4],
        "measured": [0.0, 1.0, float("nan"), 1.0],
        "one": [[0], [1], [0], [1]],
        "several": [[0], [0, 1], [1], []],
        "bytes_of_names": [b"cat", b"dog", b"cat", b"dog"],
    }
    pq.write_table(pa.table(odd), FOLDER / "odd-labels.parquet")
    numbers = {"picture.png": images[:12], "value": [i % 3 for i in range(12)]}
    pq.write_table(pa.table(numbers), FOLDER / "two-columns.parquet")
    expected = {"train": answers(training), "val": answers(validation), "test": answers(test)}
    (FOLDER / "answers.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
