"""Writes test/fixtures/weights/*.pth, *.pt and *.safetensors with PyTorch, and the outputs of PyTorch's networks.

Run by hand with PyTorch and safetensors installed: python tools/weights_torch.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

from weights_networks import TORCHVISION, Vgg, preprocessed, randomize

FOLDER = pathlib.Path(__file__).parent.parent / "test/fixtures/weights"
SMALL = dict(width=1 / 64, crop=64, classes=5)


def answer(model):
    with torch.no_grad():
        return [float(v) for v in model(torch.from_numpy(preprocessed(64, **TORCHVISION)))[0]]


def timm_names(state):
    renamed = {}
    for name, value in state.items():
        for old, new in (("classifier.0", "pre_logits.fc1"), ("classifier.3", "pre_logits.fc2"), ("classifier.6", "head.fc")):
            if name.startswith(old):
                name = name.replace(old, new)
                if name.endswith("weight") and new != "head.fc":
                    side = 2 if new.endswith("fc1") else 1
                    value = value.reshape(value.shape[0], -1, side, side)
        renamed[name] = value.contiguous()
    return renamed


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    plain = randomize(Vgg("D", **SMALL), 1)
    normalized = randomize(Vgg("A", batch_norm=True, **SMALL), 2)
    answers = {}

    torch.save(plain.state_dict(), FOLDER / "torch-d.pth")
    answers["torch-d.pth"] = answer(plain)
    torch.save(
        {"epoch": 3, "best": 0.5, "arch": "vgg16", "state_dict": {f"module.{k}": v for k, v in plain.state_dict().items()}},
        FOLDER / "torch-d-legacy.pt",
        _use_new_zipfile_serialization=False,
    )
    answers["torch-d-legacy.pt"] = answer(plain)
    last = {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in plain.state_dict().items()}
    torch.save(last, FOLDER / "torch-d-channels-last.pth")
    answers["torch-d-channels-last.pth"] = answer(plain)
    torch.save(normalized.state_dict(), FOLDER / "torch-a-bn.pth")
    answers["torch-a-bn.pth"] = answer(normalized)
    torch.save(Vgg("E", **SMALL).features.state_dict(), FOLDER / "torch-e-features.pth")

    save_file(timm_names(plain.state_dict()), FOLDER / "timm-d.safetensors", metadata={"format": "pt"})
    answers["timm-d.safetensors"] = answer(plain)
    half = randomize(Vgg("B", **SMALL), 3)
    for kind, dtype in (("half", torch.float16), ("bfloat16", torch.bfloat16)):
        state = {k: v.to(dtype) for k, v in half.state_dict().items()}
        save_file(state, FOLDER / f"torch-b-{kind}.safetensors")
        narrowed = Vgg("B", **SMALL).eval()
        narrowed.load_state_dict({k: v.float() for k, v in state.items()})
        answers[f"torch-b-{kind}.safetensors"] = answer(narrowed)
    for file in FOLDER.glob("*.safetensors"):
        file.chmod(0o644)
    (FOLDER / "answers-torch.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
