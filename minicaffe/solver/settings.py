"""Settings that make no run: found before a net is built. As solver.cpp, Init, InitTrainNet and InitTestNets."""

from __future__ import annotations

from typing import Any

from minicaffe.errors import MinicaffeError, Origin, ParamError
from minicaffe.proto.source import SolverSource

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


def setting_error(origin: Origin, field: str, message: str, kind: type[MinicaffeError] = ParamError) -> MinicaffeError:
    """An error that names the solver file, the line of `field`, and the field itself."""
    return origin.error(kind, message, field)


def check_settings(source: SolverSource) -> None:
    """Raises ParamError for settings that contradict each other or are out of range.

    What only one policy or rule reads is left to it, for Caffe allows rubbish in fields that nobody uses.
    """
    param, origin = source.param, source.origin
    for field in ("average_loss", "iter_size"):
        value = getattr(param, field)
        if value < 1:
            raise setting_error(origin, field, f"is {value}, must be 1 or more; it counts iterations")
    _check_train_net(param, origin)
    _check_test_nets(param, origin)


def _check_train_net(param: Any, origin: Origin) -> None:
    given = [field for field in TRAIN_FIELDS if param.HasField(field)]
    if not given:
        text = "SolverParameter must specify a train net using one of these fields: " + ", ".join(TRAIN_FIELDS)
        raise ParamError(text, file=origin.file)
    if len(given) > 1:
        text = (
            f"is given beside {given[0]}: SolverParameter must not contain more than one of these fields specifying "
            f"a train net: {', '.join(TRAIN_FIELDS)}; keep one"
        )
        raise setting_error(origin, given[1], text)


def _check_test_nets(param: Any, origin: Origin) -> None:
    explicit = len(param.test_net) + len(param.test_net_param)
    passes, states = len(param.test_iter), len(param.test_state)
    generic = param.HasField("net") or param.HasField("net_param")
    if passes < explicit or (passes > explicit and not generic):
        wanted = f"{explicit} or more" if generic else f"{explicit}"
        text = f"has {passes} entries, must have {wanted}: test_iter must be specified for each test network"
        raise setting_error(origin, "test_iter", text)
    if states not in (0, passes):
        text = f"has {states} entries, must have none or {passes}: one for each test net"
        raise setting_error(origin, "test_state", text)
    if passes and param.test_interval <= 0:
        text = f"is {param.test_interval}, must be 1 or more where there are test nets; it counts iterations"
        raise setting_error(origin, "test_interval", text)
