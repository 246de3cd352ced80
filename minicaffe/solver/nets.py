"""The nets of a solver: one to train, and those it is tested with. As solver.cpp, InitTrainNet and InitTestNets."""

from __future__ import annotations

import os
from typing import Any

from minicaffe import log
from minicaffe.errors import FileError
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.source import NetSource, SolverSource
from minicaffe.proto.upgrade import read_net
from minicaffe.solver.settings import setting_error


def train_net(source: SolverSource, **options: Any) -> Net:
    """The training net, with the weights that the solver names.

    options: dtype, memory_order, of Net.from_source.
    """
    param = source.param
    if param.HasField("train_net_param"):
        definition, what = source.nets["train_net_param"], "specified in train_net_param."
    elif param.HasField("train_net"):
        definition, what = _read(source, "train_net"), f"from train_net file: {param.train_net}"
    else:
        definition, what = _generic(source)
        what = f"from {what}" if what.startswith("net file") else f"specified in {what}."
    log.info(f"Creating training net {what}")
    net = Net.from_source(definition, merged_state(TRAIN, definition, param.train_state), **options)
    load_weights(net, param)
    return net


def test_nets(source: SolverSource, **options: Any) -> list[Net]:
    """The testing nets: of test_net_param, of test_net, then the generic net for what is left of test_iter."""
    param, nets = source.param, []
    for index, (definition, what) in enumerate(_test_definitions(source)):
        log.info(f"Creating test net (#{index}) specified by {what}")
        state = param.test_state[index] if param.test_state else caffe_pb2.NetState()
        net = Net.from_source(definition, merged_state(TEST, definition, state), **options)
        net.debug_info = param.debug_info
        load_weights(net, param)
        nets.append(net)
    return nets


def merged_state(phase: int, definition: NetSource, state: Any) -> Any:
    """The NetState of a net under a solver: the phase, then what its own file says, then what the solver says.

    Later ones override the fields that they set; stages add up.
    """
    merged = caffe_pb2.NetState(phase=phase)
    merged.MergeFrom(definition.param.state)
    merged.MergeFrom(state)
    return merged


def load_weights(net: Net, param: Any) -> None:
    """Copy in the files that `weights` names, in order, each entry a file or a list with commas."""
    for entry in param.weights:
        for path in filter(None, (name.strip() for name in entry.split(","))):
            log.info(f"Finetuning from {path}")
            net.copy_from(path)


def _test_definitions(source: SolverSource) -> list[tuple[NetSource, str]]:
    param = source.param
    found = [(source.nets[f"test_net_param[{i}]"], "test_net_param") for i in range(len(param.test_net_param))]
    found += [(_read(source, "test_net", i), f"test_net file: {path}") for i, path in enumerate(param.test_net)]
    while len(found) < len(param.test_iter):
        found.append(_generic(source))
    return found


def _generic(source: SolverSource) -> tuple[NetSource, str]:
    if source.param.HasField("net_param"):
        return source.nets["net_param"], "net_param"
    return _read(source, "net"), f"net file: {source.param.net}"


def _read(source: SolverSource, field: str, index: int | None = None) -> NetSource:
    """The net in the file that a field of the solver names. Raises FileError, naming both, where it cannot be read."""
    path = getattr(source.param, field)
    if index is not None:
        path, field = path[index], f"{field}[{index}]"
    try:
        return read_net(path)
    except FileError as error:
        text = f"cannot be used: {error}; correct it (relative paths begin at {os.getcwd()})"
        raise setting_error(source.origin, field, text, FileError) from error
