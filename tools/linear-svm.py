"""Writes test/fixtures/transfer/scikit-learn.json: vectors, the coefficients of scikit-learn's LinearSVC on them, and
average precisions from scikit-learn's precision_recall_curve.

python3 -m venv venv && venv/bin/pip install scikit-learn && venv/bin/python tools/linear-svm.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import precision_recall_curve
from sklearn.svm import LinearSVC

rng = np.random.default_rng(26)
classes, count, length = 3, 60, 8
labels = np.arange(count) % classes
vectors = rng.normal(size=(count, length)) + 0.8 * rng.normal(size=(classes, length))[labels]
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

machines = []
for constant in (0.1, 1, 100):
    svm = LinearSVC(C=constant, loss="squared_hinge", dual=True, tol=1e-10, max_iter=10_000_000)
    svm.fit(vectors.astype(np.float64), labels)
    machines.append({"constant": constant, "weights": svm.coef_.tolist(), "biases": svm.intercept_.tolist()})


def interpolated(truth, scores):
    precision, recall, _ = precision_recall_curve(truth, scores)
    # Recall falls along the curve; the precision at a recall is the highest at this recall or above.
    envelope = np.maximum.accumulate(precision[:-1])
    recall = recall[:-1]
    rising, tops = recall[::-1], envelope[::-1]
    area = float(np.sum(np.diff(np.concatenate([[0], rising])) * tops))
    eleven = [max((p for r, p in zip(rising, tops) if r >= tenth / 10 - 1e-12), default=0) for tenth in range(11)]
    return area, float(np.mean(eleven))


precisions = []
for number in range(6):
    truth = rng.random(40) < 0.3
    scores = np.round(rng.normal(size=40) + truth, 1 if number % 2 else 6)
    area, eleven = interpolated(truth, scores)
    precisions.append({"truth": truth.astype(int).tolist(), "scores": scores.tolist(), "allPoint": area, "elevenPoint": eleven})

out = Path(__file__).parent.parent / "test/fixtures/transfer/scikit-learn.json"
out.parent.mkdir(parents=True, exist_ok=True)
document = {
    "writtenBy": f"tools/linear-svm.py with scikit-learn {sklearn.__version__}",
    "vectors": vectors.tolist(),
    "labels": labels.tolist(),
    "machines": machines,
    "precisions": precisions,
}
out.write_text(json.dumps(document) + "\n")
