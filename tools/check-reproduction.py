"""Recomputes the errors and claims of a reproduction from its files of posteriors, independently of verydeep.

    python3 tools/check-reproduction.py reproductions/cifar10     compares; exits with 1 if something differs
    python3 tools/check-reproduction.py --fixture                 writes test/fixtures/reproduce/bootstrap.json

Needs numpy only. Intervals are drawn with other random numbers, so their ends are compared with a tolerance.
"""
import json
import sys
from pathlib import Path

import numpy as np

BLOCK = 4096
MARGIN = 0.005


def read_posteriors(path):
    """Labels [images], parts [(protocol, scale)], posteriors [images, parts, classes]."""
    data = path.read_bytes()
    end = BLOCK
    while data[end - 1] != ord("\n"):
        end += BLOCK
    header = json.loads(data[:end])
    order = "<" if header["endianness"] == "LE" else ">"
    parts = [(part["look"], part["scale"]) for part in header["parts"]]
    record = np.dtype(
        [
            ("done", order + "i4"),
            ("label", order + "i4"),
            ("values", order + "f4", (len(parts), len(header["classes"]))),
        ]
    )
    records = np.frombuffer(data, record, offset=end)
    assert len(records) == header["images"] and (records["done"] == 1).all(), f"{path} is not complete"
    return records["label"], parts, records["values"]


def mean_posteriors(folder, training, protocol, scales):
    """The mean over a net's protocols and scales, [images, classes]. `scales` None: all of the file."""
    protocols = {"dense", "crops"} if protocol == "both" else {protocol}
    for path in sorted(folder.glob(f"{training}.*.posteriors")):
        labels, parts, values = read_posteriors(path)
        wanted = [i for i, (p, s) in enumerate(parts) if p in protocols and (scales is None or s in scales)]
        found = {parts[i] for i in wanted}
        if protocols <= {p for p, _ in found} and (scales is None or set(scales) <= {s for _, s in found}):
            if scales is not None or path.name.split(".")[-2] == "auto":
                return labels, values[:, wanted].astype(np.float64).mean(axis=1).astype(np.float32)
    raise SystemExit(f"no posteriors in {folder} for {training}, {protocol}, {scales}")


def errors_of(folder, result):
    """Per image: top-1 error, top-5 error."""
    nets, protocol, scales = result["id"].rsplit(".", 2)
    given = None if scales == "auto" else result["scales"]
    members = [mean_posteriors(folder, net, protocol, given) for net in nets.split("+")]
    labels = members[0][0]
    mean = np.mean([m.astype(np.float64) for _, m in members], axis=0).astype(np.float32)
    own = mean[np.arange(len(labels)), labels]
    rank = (mean >= own[:, None]).sum(axis=1) - 1
    return rank >= 1, rank >= 5


def interval(first, second, draws=20000, seed=0):
    """The 95 % interval of the difference; `first`, `second` are boolean [seeds, images]."""
    rng = np.random.default_rng(seed)
    difference = second.astype(float) - first.astype(float)
    seeds, images = difference.shape
    # Drawing images with replacement is drawing how often each value of the mean over the seeds occurs.
    values, counts = np.unique(difference.mean(axis=0), return_counts=True)
    drawn = rng.multinomial(images, counts / images, size=draws) @ values / images
    if seeds > 1:
        of_seeds = difference.mean(axis=1)
        drawn += of_seeds.std(ddof=1) / np.sqrt(seeds) * rng.standard_t(seeds - 1, size=draws)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return difference.mean(), low, high


def verdict(kind_is_better, low, high):
    limit = 0 if kind_is_better else -MARGIN
    if kind_is_better:
        return "holds" if high < limit else "does not hold" if low > limit else "not decided"
    return "holds" if low > limit else "does not hold" if high < limit else "not decided"


def is_better_claim(text):
    return not ("does not help" in text or "no better" in text or "no worse" in text)


def check(out):
    folders = [f / "evaluations" for f in sorted(out.glob("seed-*"))] or [out / "evaluations"]
    folders = [f for f in folders if any(f.glob("*.json"))]
    errors, faults = {}, []
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            if path.name.endswith(".seconds.json"):
                continue
            result = json.loads(path.read_text())
            top1, top5 = errors_of(folder, result)
            errors.setdefault(result["id"], []).append(top1)
            if (top1.mean(), top5.mean()) != (result["top1Error"], result["top5Error"]):
                if max(abs(top1.mean() - result["top1Error"]), abs(top5.mean() - result["top5Error"])) > 1e-12:
                    faults.append(f"{path}: {top1.mean()} / {top5.mean()}, not {result['top1Error']} / {result['top5Error']}")
    for name, found in errors.items():
        means = [100 * one.mean() for one in found]
        deviation = f" ± {np.std(means, ddof=1):.2f}" if len(means) > 1 else ""
        print(f"{name}: {np.mean(means):.2f}{deviation} %")
    for claim in json.loads((out / "claims.json").read_text()):
        if not claim["result"]:
            continue
        first, second = (np.array(errors[name]) for name in claim["compared"].split(" → "))
        difference, low, high = interval(first, second)
        own = claim["result"]
        # 2,000 draws of verydeep place a 2.5 % quantile to about 10 % of half the width (more with two seeds, whose tails are long).
        tolerance = (0.15 if own["seeds"] != 2 else 0.5) * (high - low) / 2 + 1e-12
        same = abs(difference - own["difference"]) < 1e-9
        same &= abs(low - own["low"]) <= tolerance and abs(high - own["high"]) <= tolerance
        found = verdict(is_better_claim(claim["claim"]), low, high)
        line = f"{claim['claim']} ({claim['compared']}): {100 * difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] {found}"
        print(line)
        if not same or found != claim["verdict"]:
            faults.append(f"{line}; verydeep: {own}, {claim['verdict']}")
    print("\n".join(faults) or f"{len(errors)} experiments of {len(folders)} seeds agree")
    return 1 if faults else 0


def write_fixture():
    """Errors of two nets over seeds, and their intervals."""
    rng = np.random.default_rng(1)
    cases = []
    for seeds, deviation in [(1, 0.0), (2, 0.01), (3, 0.02), (3, 0.0), (5, 0.02)]:
        hard = rng.random(600)
        pair = [
            rng.random((seeds, 600)) < (rate + deviation * rng.standard_normal((seeds, 1)) + 0.4 * (hard - 0.5))
            for rate in (0.4, 0.33)
        ]
        difference, low, high = interval(*pair, draws=400000)
        rows = [["".join("01"[int(e)] for e in seed) for seed in one] for one in pair]
        cases.append({"first": rows[0], "second": rows[1], "difference": difference, "low": low, "high": high})
    path = Path(__file__).parent.parent / "test/fixtures/reproduce/bootstrap.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--fixture"]:
        write_fixture()
    elif len(sys.argv) == 2:
        sys.exit(check(Path(sys.argv[1])))
    else:
        sys.exit(__doc__)
