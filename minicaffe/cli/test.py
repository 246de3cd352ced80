"""minicaffe test: score a trained net. As caffe.cpp, test."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.cli.device import use_first_device
from minicaffe.cli.flags import Parser, check_iterations, check_one_file, log_file_of
from minicaffe.cli.progress import bar_on_terminal
from minicaffe.errors import ParamError
from minicaffe.layers.base import TEST
from minicaffe.net.net import Net
from minicaffe.solver.outputs import described, output_values
from minicaffe.tools.flags import consent_of, names

USES = ("model", "weights", "iterations", "gpu", "level", "stage")
WEIGHTS = {"metavar": "FILE", "help": "the trained weights (.caffemodel)"}


def main(argv: list[str]) -> int:
    parser = Parser("test", "Score a trained net: the means of its outputs over some batches.", USES, weights=WEIGHTS)
    parser.add_python_layer()
    flags = parser.read(argv)
    with log_file_of(flags), consent_of(flags):
        score(flags)
    return 0


def score(flags: argparse.Namespace) -> None:
    """Run the net in TEST phase and log its outputs, batch by batch, then their means."""
    check(flags)
    use_first_device(flags.gpu)
    net = Net(flags.model, TEST, level=flags.level or 0, stages=names(flags.stage), weights=flags.weights)
    log.info(f"Running for {flags.iterations} iterations.")
    losses, totals = [], None
    try:
        with bar_on_terminal(flags.iterations, unit="batch") as bar:
            for index in range(flags.iterations):
                losses.append(float(net.run_forward()))
                totals = log_batch(net, index, totals)
                if bar is not None:
                    bar.update()
    finally:
        net.close()
    log.info(f"Loss: {log.g(np.mean(losses))}")
    for name, mean, suffix in described(net, [total / flags.iterations for total in totals or ()]):
        log.info(f"{name} = {log.g(mean)}{suffix}")


def check(flags: argparse.Namespace) -> None:
    if not flags.model:
        raise ParamError("Need a model definition to score: --model FILE")
    if not flags.weights:
        raise ParamError("Need model weights to score: --weights FILE")
    check_one_file("weights", flags.weights)
    check_iterations(flags.iterations)


def log_batch(net: Net, index: int, totals: list[Any] | None) -> list[Any]:
    """Log one batch's outputs; the sums with it, in float64."""
    values = output_values(net)
    for name, value, _ in described(net, values):
        log.info(f"Batch {index}, {name} = {log.g(value)}")
    values = [np.asarray(value, np.float64) for value in values]
    return values if totals is None else [total + value for total, value in zip(totals, values, strict=True)]
