"""minicaffe time: time a net, layer by layer. As caffe.cpp, time."""

from __future__ import annotations

import argparse

from minicaffe import log
from minicaffe.backend import active
from minicaffe.cli.device import use_first_device
from minicaffe.cli.flags import Parser, check_iterations, check_one_file, log_file_of
from minicaffe.cli.progress import bar_on_terminal
from minicaffe.errors import ParamError
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.net.net import Net
from minicaffe.net.timing import LayerTimes, Stopwatch
from minicaffe.tools.flags import consent_of, names

USES = ("model", "phase", "weights", "iterations", "gpu", "level", "stage")
PHASE = {"help": "TRAIN (default) or TEST"}
WEIGHTS = {"metavar": "FILE", "help": "weights to time it with (.caffemodel)"}


def main(argv: list[str]) -> int:
    parser = Parser("time", "Time a net forward and backward, layer by layer.", USES, phase=PHASE, weights=WEIGHTS)
    parser.add_python_layer()
    flags = parser.read(argv)
    with log_file_of(flags), consent_of(flags):
        benchmark(flags)
    return 0


def benchmark(flags: argparse.Namespace) -> None:
    """Build the net, run it once so that all memory is there, then time it and log what was found."""
    if not flags.model:
        raise ParamError("Need a model definition to time: --model FILE")
    check_one_file("weights", flags.weights)
    check_iterations(flags.iterations)
    use_first_device(flags.gpu)
    phase = TEST if flags.phase == "TEST" else TRAIN
    with Net(
        flags.model, phase, level=flags.level or 0, stages=names(flags.stage), weights=flags.weights or None
    ) as net:
        warm_up(net)
        time_layers(net, flags.iterations)


def warm_up(net: Net) -> None:
    log.info("Performing Forward")
    log.info(f"Initial loss: {log.g(net.run_forward())}")
    log.info("Performing Backward")
    net.run_backward()


def time_layers(net: Net, iterations: int) -> None:
    log.info("*** Benchmark begins ***")
    log.info(f"Testing for {iterations} iterations.")
    stopwatch = Stopwatch(net)
    start = stopwatch.clock()
    with bar_on_terminal(iterations, unit="iteration") as bar:
        for index in range(iterations):
            log.info(f"Iteration: {index + 1} forward-backward time: {milliseconds(stopwatch.run())} ms.")
            if bar is not None:
                bar.update()
    log_layers(net.layer_names, stopwatch.times, iterations)
    log_passes(stopwatch.times, stopwatch.clock() - start, iterations)
    log.info("*** Benchmark ends ***")


def log_layers(layer_names: list[str], times: LayerTimes, iterations: int) -> None:
    log.info("Average time per layer: ")
    for name, forward, backward in zip(layer_names, times.forward, times.backward, strict=True):
        log.info(f"{name:>10}\tforward: {log.g(forward / 1000 / iterations)} ms.")
        log.info(f"{name:>10}\tbackward: {log.g(backward / 1000 / iterations)} ms.")


def log_passes(times: LayerTimes, total: float, iterations: int) -> None:
    log.info(f"Average Forward pass: {log.g(times.forward_passes / 1000 / iterations)} ms.")
    log.info(f"Average Backward pass: {log.g(times.backward_passes / 1000 / iterations)} ms.")
    log.info(f"Average Forward-Backward: {log.g(float(milliseconds(total)) / iterations)} ms.")
    log.info(f"Total Time: {milliseconds(total)} ms.")


def milliseconds(microseconds: float) -> str:
    """As Caffe's timers give them: whole ones on the CPU, on a GPU with fractions."""
    return log.g(microseconds / 1000 if active().is_gpu else int(microseconds / 1000))
