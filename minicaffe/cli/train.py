"""minicaffe train: train a net, or go on training it. As caffe.cpp, train."""

from __future__ import annotations

import argparse
from typing import Any

from minicaffe import log
from minicaffe.cli.device import gpu_numbers, use_device
from minicaffe.cli.flags import Parser, log_file_of
from minicaffe.cli.progress import TrainingBar, bar_on_terminal
from minicaffe.errors import ParamError
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import read_solver
from minicaffe.solver import Action, Solver
from minicaffe.solver.signals import SignalHandler
from minicaffe.tools.flags import consent_of, int32, names

# -snapshot auto
AUTO = "auto"
USES = ("solver", "weights", "snapshot", "gpu", "level", "stage", "sigint_effect", "sighup_effect")


def main(argv: list[str]) -> int:
    """Run the command; the exit status is 0 also after an early stop."""
    flags = parser().read(argv)
    with log_file_of(flags), consent_of(flags):
        train(flags)
    return 0


def parser() -> Parser:
    made = Parser("train", "Train a net as a solver file says.", USES)
    made.add_argument("solver_file", nargs="?", metavar="SOLVER", help="the solver definition")
    made.add("max_iter", metavar="N", type=int32, help="train for N iterations, whatever the solver file says")
    made.add("snapshot_keep", metavar="N", type=int32, help="keep the newest N snapshots, remove older ones")
    what = "what a polite kill does: stop (default), snapshot, none"
    made.add("sigterm_effect", metavar="EFFECT", default="stop", help=what)
    made.add_python_layer()
    made.add_boolean("allow_nan", help="go on when the loss is no number any more, as Caffe does")
    return made


def train(flags: argparse.Namespace) -> None:
    sigint = effect("sigint_effect", flags.sigint_effect or "stop")
    sighup = effect("sighup_effect", flags.sighup_effect or "snapshot")
    sigterm = effect("sigterm_effect", flags.sigterm_effect)
    source = read_solver(solver_file(flags))
    override(source.param, flags)
    use_device(device_of(source.param, flags))
    solver = Solver(source, allow_nan=flags.allow_nan, snapshot_keep=flags.snapshot_keep)
    try:
        resume(solver, flags.snapshot)
        log.info("Starting Optimization")
        # Not before: while nothing is trained, Ctrl-C has nothing to save.
        with (
            SignalHandler(sigint, sighup, sigterm) as handler,
            bar_on_terminal(solver.param.max_iter, solver.iter) as bar,
        ):
            solver.action_function = handler.poll
            if bar is not None:
                solver.progress = TrainingBar(bar)
            solver.solve()
        log.info("Optimization Done.")
    finally:
        solver.close()


def resume(solver: Solver, snapshot: str | None) -> None:
    """Go on from the solverstate that is named; from the newest that can be used, if there is any, for AUTO."""
    if snapshot == AUTO:
        used = solver.restore_newest()
        if used:
            log.info(f"Resumed from {used}")
    elif snapshot:
        log.info(f"Resuming from {snapshot}")
        solver.restore(snapshot)


def solver_file(flags: argparse.Namespace) -> str:
    """The one solver file, given by flag or by itself."""
    given = [path for path in (flags.solver, flags.solver_file) if path]
    if len(given) != 1:
        text = f"{len(given)} solver files given" if given else "Need a solver definition to train"
        raise ParamError(f"{text}: minicaffe train SOLVER")
    if flags.snapshot and flags.snapshot != AUTO and flags.weights:
        raise ParamError(
            "--snapshot and --weights: Give a snapshot to resume training or weights to finetune but not both"
        )
    return given[0]


def override(param: Any, flags: argparse.Namespace) -> None:
    """Put what the flags say into the SolverParameter."""
    if flags.max_iter is not None:
        if flags.max_iter < 0:
            raise ParamError(f"--max_iter is {flags.max_iter}, must be 0 or more; it counts iterations")
        param.max_iter = flags.max_iter
    if flags.level is not None:
        param.train_state.level = flags.level
    param.train_state.stage.extend(names(flags.stage))
    # Where there is no snapshot to go on from yet, AUTO begins with the weights.
    if flags.weights or (flags.snapshot and flags.snapshot != AUTO):
        del param.weights[:]
    if flags.weights:
        param.weights.append(flags.weights)


def device_of(param: Any, flags: argparse.Namespace) -> int | None:
    """The GPU to train on, None for the CPU: what the flag says, else what the file says, else the CPU."""
    numbers = gpu_numbers(flags.gpu)
    if numbers is None:
        asked = param.HasField("solver_mode") and param.solver_mode == caffe_pb2.SolverParameter.GPU
        numbers = [param.device_id] if asked else []
    if len(numbers) > 1:
        text = f"-gpu {flags.gpu}: Multi-GPU execution not available: this version of minicaffe trains on one GPU"
        raise ParamError(f"{text}; give one number")
    param.solver_mode = caffe_pb2.SolverParameter.GPU if numbers else caffe_pb2.SolverParameter.CPU
    if not numbers:
        return None
    param.device_id = numbers[0]
    return numbers[0]


def effect(flag: str, value: str) -> Action:
    try:
        return Action(value)
    except ValueError:
        raise ParamError(f"--{flag} {value}: Invalid signal effect, must be stop, snapshot or none") from None
