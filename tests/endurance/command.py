"""The command line of the long forms: one trial after the other, each with a progress bar and a tally."""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from endurance import disks
from endurance.damage import damage_all
from endurance.full_disk import fill_disk
from endurance.interrupt import SIGNALS, interrupt_at_random
from endurance.kill import kill_at_random
from endurance.lost_folder import WAYS, cannot, lose_folder
from endurance.steps import SCENES, kill_at_each_step
from endurance.tally import Tally
from endurance.training import FORMATS

from minicaffe.tools.command import progress_bar, say

# What a trial is called, how many ticks it has (None: it cannot tell), and what runs it in an empty folder.
Trial = tuple[str, int | None, Callable[..., Tally]]


def main(argv: list[str]) -> int:
    """Exit status 0 where nothing was found wrong, 1 otherwise."""
    flags = parser().parse_args(argv)
    say(f"seed {flags.seed}")
    faults = 0
    for name, ticks, trial in TRIALS[flags.trial](flags):
        with tempfile.TemporaryDirectory(dir=flags.folder) as folder, progress_bar(ticks, desc=name) as bar:
            tally = trial(Path(folder) / "run", tick=bar.update)
        print(f"{name}\n{tally.report()}\n", flush=True)
        faults += len(tally.faults)
    return 1 if faults else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python tests/endurance", description="Snapshots survive anything.")
    made.add_argument("trial", choices=TRIALS)
    made.add_argument("--format", choices=FORMATS, help="one format of snapshots (default: both)")
    made.add_argument("--times", type=int, default=200, help="kills, or signals (default 200)")
    made.add_argument("--flips", type=int, default=10000, help="bits to flip (default 10000)")
    made.add_argument(
        "--disk", choices=("tmpfs", "limit"), help="how the disk is made small (default: what is allowed)"
    )
    made.add_argument("--seed", type=int, default=random.randrange(10**6), help="to repeat a run (default: any)")
    made.add_argument("--folder", help="where to run (default: the system's temporary folder)")
    return made


def _kill(flags: argparse.Namespace) -> Iterator[Trial]:
    ways: dict[str, dict[str, Any]] = {
        "kill": {},
        "kill, three kept": {"keep": 3},
        "kill, begun anew each time": {"again": True},
    }
    for name, form, settings in ((name, form, ways[name]) for name in ways for form in _forms(flags)):
        yield f"{name}, {form}", flags.times, _of(kill_at_random, flags.times, form=form, seed=flags.seed, **settings)


def _steps(flags: argparse.Namespace) -> Iterator[Trial]:
    for name, form in ((name, form) for name in SCENES for form in _forms(flags)):
        yield f"killed before each step, {name}, {form}", None, _of(kill_at_each_step, name, form)


def _interrupt(flags: argparse.Namespace) -> Iterator[Trial]:
    for form in _forms(flags):
        for names in (("SIGINT",), tuple(SIGNALS)):
            what = f"interrupt, {'; '.join(names)}, {form}"
            trial = _of(interrupt_at_random, flags.times, form=form, names=names, seed=flags.seed)
            yield what, flags.times, trial


def _damage(flags: argparse.Namespace) -> Iterator[Trial]:
    for form in _forms(flags):
        yield f"damage, {form}", None, _of(damage_all, form, flips=flags.flips, seed=flags.seed)


def _full_disk(flags: argparse.Namespace) -> Iterator[Trial]:
    for form in _forms(flags):
        for disk in (flags.disk,) if flags.disk else ("tmpfs", "limit"):
            if disk == "tmpfs" and disks.namespace() is None:
                say("full disk, tmpfs: nothing can be mounted here")
            else:
                yield f"full disk, {disk}, {form}", None, _of(fill_disk, form=form, disk=disk)


def _lost_folder(flags: argparse.Namespace) -> Iterator[Trial]:
    for way, form in ((way, form) for way in WAYS for form in _forms(flags)):
        if cannot(way):
            say(f"lost folder, {way}: {cannot(way)}")
        else:
            yield f"lost folder, {way}, {form}", None, _of(lose_folder, way, form)


def _all(flags: argparse.Namespace) -> Iterator[Trial]:
    for name, trials in TRIALS.items():
        if name != "all":
            yield from trials(flags)


def _forms(flags: argparse.Namespace) -> list[str]:
    return [flags.format] if flags.format else list(FORMATS)


def _of(trial: Callable[..., Tally], *arguments: Any, **settings: Any) -> Callable[..., Tally]:
    """A trial that still wants its folder, and whom to tell how far it is."""
    return lambda folder, tick: trial(folder, *arguments, **settings, tick=tick)


TRIALS: dict[str, Callable[[argparse.Namespace], Iterator[Trial]]] = {
    "kill": _kill,
    "steps": _steps,
    "interrupt": _interrupt,
    "damage": _damage,
    "full-disk": _full_disk,
    "lost-folder": _lost_folder,
    "all": _all,
}
