"""Read nets and solvers of any age, and bring them into today's form."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from minicaffe.errors import Origin, ParamError
from minicaffe.proto import caffe_pb2, inputs, v0, v1
from minicaffe.proto.source import NetSource, SolverSource
from minicaffe.proto.text import Parsed, parse_text, read_text

__all__ = [
    "NetSource",
    "SolverSource",
    "parse_net",
    "parse_solver",
    "read_net",
    "read_solver",
    "upgrade_net",
    "upgrade_parsed_net",
    "upgrade_parsed_solver",
    "upgrade_solver",
]

# How the WARNING of an upgrade ends; the tools that it names leave it out.
REWRITE_NET = "upgrade_net_proto_text and upgrade_net_proto_binary rewrite files"
REWRITE_SOLVER = "upgrade_solver_proto_text rewrites files"


class _Step(NamedTuple):
    needed: Callable[[Any], bool]
    upgrade: Callable[[NetSource], None]
    what: str  # as Caffe's log lines call it
    advice: str


_STEPS = [
    _Step(v0.needed, v0.upgrade, "V0LayerParameter", "layers { layer { ... } } is the oldest form"),
    _Step(
        v1.transforms_needed,
        v1.upgrade_transforms,
        "transformation parameters",
        "scale, mean_file, crop_size and mirror belong in transform_param { ... }",
    ),
    _Step(v1.needed, v1.upgrade, "V1LayerParameter", 'layers { type: NAME } is an old form of layer { type: "Name" }'),
    _Step(inputs.needed, inputs.upgrade, "input fields", "input and input_dim are an old form of an Input layer"),
    _Step(
        inputs.batch_norm_needed,
        inputs.upgrade_batch_norm,
        "batch norm params",
        "BatchNorm's param { ... } are best left out: its blobs are not trained",
    ),
]


def read_net(path: str | os.PathLike[str]) -> NetSource:
    """The net in a prototxt. Raises FileError, FormatError, ParamError, GraphError."""
    return upgrade_parsed_net(read_text(path, caffe_pb2.NetParameter))


def parse_net(text: str, file: str = "") -> NetSource:
    """The net in `text`; `file` is what errors call it."""
    return upgrade_parsed_net(parse_text(text, caffe_pb2.NetParameter, file))


def upgrade_parsed_net(parsed: Parsed) -> NetSource:
    """The net in a NetParameter read from text. Raises ParamError, GraphError."""
    return _upgrade_in_place(_source(parsed.message, parsed))


def upgrade_net(param: Any, origins: list[Origin] | None = None, file: str = "") -> NetSource:
    """A NetParameter from a binary file or made in code, in today's form; `param` itself stays as it is.

    origins: parallel to param.layers if it has any, else to param.layer.
    """
    if any(step.needed(param) for step in _STEPS):
        old, param = param, caffe_pb2.NetParameter()
        param.CopyFrom(old)
    origin = Origin(file)
    origins = list(origins) if origins is not None else [origin] * len(param.layers or param.layer)
    return _upgrade_in_place(NetSource(param, origins, origin))


def _source(net: Any, parsed: Parsed, path: str = "") -> NetSource:
    """A net inside a parsed message, not yet upgraded. path: "", or "net_param" and the like."""
    name, count = ("layers", len(net.layers)) if net.layers else ("layer", len(net.layer))
    inside = f"{path}." if path else ""
    return NetSource(net, [parsed.origin(f"{inside}{name}[{i}]") for i in range(count)], parsed.origin(path))


def _upgrade_in_place(source: NetSource) -> NetSource:
    for step in _STEPS:
        if not step.needed(source.param):
            continue
        was_compatible = source.compatible
        source.note(
            "INFO",
            f"Attempting to upgrade input file specified using deprecated {step.what}: {source.origin.file}",
        )
        step.upgrade(source)
        source.upgraded = True
        if source.compatible == was_compatible:
            source.note("INFO", f"Successfully upgraded file specified using deprecated {step.what}")
        else:
            source.note("ERROR", f"Some settings of deprecated {step.what} were dropped (see above); going on without")
        source.note("WARNING", f"{step.advice}; {REWRITE_NET}")
    return source


def read_solver(path: str | os.PathLike[str]) -> SolverSource:
    """The solver in a prototxt, with a snapshot_prefix: beside the file if it names none.

    Raises FileError, FormatError, ParamError, GraphError.
    """
    source = upgrade_parsed_solver(read_text(path, caffe_pb2.SolverParameter))
    _default_prefix(source, os.fspath(path))
    return source


def parse_solver(text: str, file: str = "") -> SolverSource:
    """The solver in `text`; `file` is what errors call it, and plays no part in snapshot_prefix."""
    return upgrade_parsed_solver(parse_text(text, caffe_pb2.SolverParameter, file))


def upgrade_parsed_solver(parsed: Parsed) -> SolverSource:
    """The solver in a SolverParameter read from text; its snapshot_prefix stays as it is. Errors as read_solver."""
    nets = {path: _source(net, parsed, path) for path, net in _inline_nets(parsed.message).items()}
    return _upgrade_solver(SolverSource(parsed.message, parsed.origin(), nets=nets))


def upgrade_solver(param: Any, file: str = "") -> SolverSource:
    """A SolverParameter made in code, in today's form; `param` itself stays as it is."""
    copy = caffe_pb2.SolverParameter()
    copy.CopyFrom(param)
    origin = Origin(file)
    nets = {
        path: NetSource(net, [origin] * len(net.layers or net.layer), origin)
        for path, net in _inline_nets(copy).items()
    }
    return _upgrade_solver(SolverSource(copy, origin, nets=nets))


def _inline_nets(param: Any) -> dict[str, Any]:
    """The nets written inside a solver, by path."""
    nets = {name: getattr(param, name) for name in ("net_param", "train_net_param") if param.HasField(name)}
    return nets | {f"test_net_param[{i}]": net for i, net in enumerate(param.test_net_param)}


def _upgrade_solver(source: SolverSource) -> SolverSource:
    param = source.param
    for path, net in _inline_nets(param).items():
        # Caffe leaves inline nets as they are, so that old ones fail; nothing is lost by upgrading them.
        upgraded = _upgrade_in_place(source.nets[path])
        source.notes += upgraded.notes
        if upgraded.param is not net:
            net.CopyFrom(upgraded.param)
    if param.HasField("solver_type"):
        _upgrade_type(source)
    return source


_SOLVERS = {name.upper(): name for name in ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")}


def _upgrade_type(source: SolverSource) -> None:
    """solver_type, an enum, becomes type, a string."""
    param, what = source.param, "'solver_type' field (enum)"
    source.notes.append(
        ("INFO", f"Attempting to upgrade input file specified using deprecated {what}: {source.origin.file}")
    )
    if param.HasField("type"):
        text = f'stands beside type: "{param.type}", its new form; keep type alone'
        raise source.origin.error(ParamError, text, "solver_type")
    param.type = _SOLVERS[caffe_pb2.SolverParameter.SolverType.Name(param.solver_type)]
    param.ClearField("solver_type")
    source.notes.append(("INFO", f"Successfully upgraded file specified using deprecated {what}"))
    source.notes.append(("WARNING", f"solver_type is an old form of type; {REWRITE_SOLVER}"))
    source.upgraded = True


def _default_prefix(source: SolverSource, file: str) -> None:
    """snapshot_prefix: the file's path without its extension, or its name in the folder given instead of a prefix."""
    param = source.param
    if not param.HasField("snapshot_prefix"):
        prefix, text = os.path.splitext(file)[0], "was not specified and is set to"
    elif os.path.isdir(param.snapshot_prefix):
        prefix = os.path.join(param.snapshot_prefix, os.path.splitext(os.path.basename(file))[0])
        text = "was a directory and is replaced to"
    else:
        return
    try:
        param.snapshot_prefix = prefix
    except ValueError:
        # Not UTF-8, which a message cannot hold.
        text = "cannot be made of this file's name, which is no text (UTF-8); set a prefix of your own"
        raise source.origin.error(ParamError, text, "snapshot_prefix") from None
    source.notes.append(("INFO", f"snapshot_prefix {text} {prefix}"))
