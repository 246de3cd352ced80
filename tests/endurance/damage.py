"""Pairs that were cut short or changed on the disk: each is refused, or brings back just what was saved."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from endurance.tally import Tally
from endurance.training import FORMATS
from endurance.truth import digest, silence
from solver_kit import write_solver

from minicaffe.errors import MinicaffeError
from minicaffe.solver import Solver

# 420 parameters: weights and history of 1.7 KB each, and what describes them.
NET = """
name: "small"
layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: 4 dim: 20 } shape { dim: 4 }
                           data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 20 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
BLOCK = 512  # bytes: what a disk writes at a time

# (what was done, which file, its bytes now)
Damage = tuple[str, Path, bytes]
Files = dict[Path, bytes]


class Victim:
    """A pair of a small net, and a solver that takes up what becomes of it."""

    def __init__(self, folder: Path, form: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = f'base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" random_seed: 3 snapshot_format: {FORMATS[form]}'
        self.solver = Solver(write_solver(folder, f'{settings} snapshot_prefix: "{folder}/s"', NET))
        self.solver.step(1)
        self._before, self._digest_before = self.solver.snapshot(), digest(self.solver)
        self.solver.step(2)
        self.state, self._digest = Path(self.solver.snapshot()), digest(self.solver)
        model = Path(str(self.state).replace("solverstate", "caffemodel"))
        self.files: Files = {path: path.read_bytes() for path in (model, self.state)}

    def suffer(self, damage: Damage, tally: Tally) -> None:
        """Damage one of the files, try to go on from the pair, and mend it."""
        what, path, data = damage
        path.write_bytes(data)
        self.solver.restore(self._before)
        expected, verdict = self._digest, "harmless"
        try:
            self.solver.restore(self.state)
        except MinicaffeError:
            # The solver has to be as it was.
            expected, verdict = self._digest_before, "detected"
        except Exception as error:
            verdict = f"{type(error).__name__}: {error}"
            tally.fault("crashes", f"{path.name}, {what}: {verdict}")
        tally.count(verdict)
        if digest(self.solver) != expected:
            tally.fault("believed", f"{path.name}, {what}: {verdict}, but this is not what was saved")
        path.write_bytes(self.files[path])


def cut(files: Files, step: int = 1) -> Iterator[Damage]:
    """Every length, or every so-many-th, that is less than all; the last byte's loss always."""
    for path, data in files.items():
        for length in sorted({*range(0, len(data), step), len(data) - 1}):
            yield f"cut to {length} of {len(data)} bytes", path, data[:length]


def flipped(files: Files, count: int, seed: int) -> Iterator[Damage]:
    """One bit of the pair, at random."""
    rng = random.Random(seed)
    for _ in range(count):
        path = rng.choices(list(files), [len(data) for data in files.values()])[0]
        data, at, bit = bytearray(files[path]), rng.randrange(len(files[path])), rng.randrange(8)
        data[at] ^= 1 << bit
        yield f"bit {bit} of byte {at} flipped", path, bytes(data)


def torn(files: Files) -> Iterator[Damage]:
    """Blocks that never came to the disk, or twice; bytes behind the end; the one file in the other's place."""
    for path, data in files.items():
        for at in range(0, len(data), BLOCK):
            lost = data[at : at + BLOCK]
            yield f"block at {at} is zeros", path, data[:at] + bytes(len(lost)) + data[at + BLOCK :]
            yield f"block at {at} is missing", path, data[:at] + data[at + BLOCK :]
            yield f"block at {at} is there twice", path, data[: at + BLOCK] + data[at:]
        for more in (b"\0", bytes(BLOCK), data):
            yield f"{len(more)} bytes more", path, data + more
        for other, its in files.items():
            if other != path:
                yield f"{other.name} in its place", path, its


def damage_all(
    folder: Path,
    form: str,
    *,
    cuts: int = 1,
    flips: int = 10000,
    seed: int = 1,
    tick: Callable[[], object] = lambda: None,
) -> Tally:
    """Cut at every `cuts`-th byte, tear, and flip bits; tick is called after each."""
    tally = Tally()
    with silence():
        victim = Victim(folder, form)
        kinds = {
            "cuts": cut(victim.files, cuts),
            "tears": torn(victim.files),
            "bits": flipped(victim.files, flips, seed),
        }
        tally.count("bytes of the pair", sum(map(len, victim.files.values())))
        for kind, damages in kinds.items():
            for damage in damages:
                victim.suffer(damage, tally)
                tally.count(kind)
                tick()
    return tally
