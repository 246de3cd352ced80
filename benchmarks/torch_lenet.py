"""The peer of lenet.py: the same LeNet in PyTorch, from the same weights, on the same images from memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from lenet import database
from side_by_side import milliseconds, serve
from torch import nn

BATCH = 64


def main(folder: Path) -> None:
    images, labels = load(folder)
    net = nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )
    copy_weights(net, folder)
    optimizer = make_optimizer(net)
    criterion = nn.CrossEntropyLoss()
    iteration = 0

    def step() -> torch.Tensor:
        nonlocal iteration
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * 0.01 * (1 + 0.0001 * iteration) ** -0.75
        start = iteration * BATCH % len(images)
        optimizer.zero_grad()
        loss = criterion(net(images[start : start + BATCH]), labels[start : start + BATCH])
        loss.backward()
        optimizer.step()
        iteration += 1
        return loss

    serve(
        run=lambda steps: milliseconds(lambda: [step() for _ in range(steps)]),
        losses=lambda steps: [float(step().detach()) for _ in range(steps)],
    )


def make_optimizer(net: nn.Module) -> torch.optim.Optimizer:
    """Caffe's SGD: the rate inside the momentum, biases at twice the rate (the same while the rate hardly moves)."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    biases = [p for p in net.parameters() if p.ndim == 1]
    groups = [{"params": weights, "factor": 1.0}, {"params": biases, "factor": 2.0}]
    return torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=0.0005)


def load(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    from minicaffe.io.database import open_database
    from minicaffe.io.datum import decode_batch

    with open_database(database(folder), "lmdb") as records:
        batch = decode_batch(records.cursor().read(len(records) // BATCH * BATCH))
    return torch.from_numpy(batch.items * np.float32(1 / 256)), torch.from_numpy(batch.labels.astype(np.int64))


def copy_weights(net: nn.Module, folder: Path) -> None:
    stored = np.load(folder / "weights.npz")
    layers = {"conv1": net[0], "conv2": net[2], "ip1": net[5], "ip2": net[7]}
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(torch.from_numpy(stored[f"{name}.0"]))
            layer.bias.copy_(torch.from_numpy(stored[f"{name}.1"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
