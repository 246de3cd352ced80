"""The PyTorch side of benchmarks/layers.py: the same operation on the same values, forward and through autograd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from layer_cases import CASES, Case, top_gradient, values
from side_by_side import serve, usual


class Peer:
    """One case.  top: the result of the latest forward pass."""

    def __init__(self, case: Case, blobs: list[np.ndarray]) -> None:
        self.inputs = [torch.from_numpy(array) for array in values(case)]
        self.blobs = [torch.from_numpy(array).requires_grad_() for array in blobs]
        for index in case.backward:
            self.inputs[index].requires_grad_()
        self.case, self.top = case, torch.zeros(())
        found = self.call()
        # What has a state of its own is made once.
        self.prepared = found if callable(found) else None
        self.forward()
        self.dy = torch.from_numpy(top_gradient(tuple(self.top.shape)))

    def call(self) -> Any:
        return self.case.peer(torch, F, self.inputs, self.blobs)

    def forward(self) -> None:
        self.top = self.prepared() if self.prepared else self.call()

    def backward(self) -> None:
        for leaf in self.inputs + self.blobs:
            leaf.grad = None
        self.top.backward(self.dy, retain_graph=True)


def main(folder: Path) -> None:
    peers: dict[str, Peer] = {}

    def start(name: str) -> None:
        blobs = np.load(folder / "blobs.npz")
        peers.clear()
        peers[name] = Peer(CASES[name], [blobs[key] for key in sorted(blobs, key=lambda key: int(key.split("_")[1]))])

    def result(name: str) -> None:
        peer = peers[name]
        peer.forward()
        found = {"top": peer.top.detach().numpy()}
        if peer.top.requires_grad:
            peer.backward()
            found |= {f"dx{i}": peer.inputs[i].grad.numpy() for i in CASES[name].backward}
        np.savez(folder / "theirs.npz", **found)

    def run(name: str, way: str, steps: int) -> float:
        work = getattr(peers[name], way)
        return usual(work, steps)

    serve(start=start, result=result, run=run)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
