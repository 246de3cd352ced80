"""Which layers belong to a net: include and exclude rules against its NetState. As net.cpp, FilterNet."""

from __future__ import annotations

from typing import Any

from minicaffe import log
from minicaffe.errors import ParamError
from minicaffe.net.spec import LayerSpec


def filter_layers(layers: list[LayerSpec], state: Any) -> list[LayerSpec]:
    """The layers whose rules hold in `state` (a NetState).

    With include rules a layer stays if any of them is met; otherwise it goes if any exclude rule is met.
    Raises ParamError for a layer with rules of both kinds.
    """
    return [layer for layer in layers if is_included(layer, state)]


def is_included(layer: LayerSpec, state: Any) -> bool:
    include, exclude = layer.param.include, layer.param.exclude
    if include and exclude:
        text = "stands beside exclude: a layer has rules of one kind only; keep one of the two"
        raise layer.error(ParamError, text, "include")
    if include:
        return any(meets(rule, state, layer.name) for rule in include)
    return not any(meets(rule, state, layer.name) for rule in exclude)


def meets(rule: Any, state: Any, layer: str) -> bool:
    """Whether every part that the rule gives holds. The part that does not is logged, as Caffe does."""
    where = f"specified by a rule in layer {layer}"
    if rule.HasField("phase") and rule.phase != state.phase:
        log.info(f"The NetState phase ({state.phase}) differed from the phase ({rule.phase}) {where}")
        return False
    if rule.HasField("min_level") and state.level < rule.min_level:
        # net.cpp says "above" here, too.
        log.info(f"The NetState level ({state.level}) is below the min_level ({rule.min_level}) {where}")
        return False
    if rule.HasField("max_level") and state.level > rule.max_level:
        log.info(f"The NetState level ({state.level}) is above the max_level ({rule.max_level}) {where}")
        return False
    stages = set(state.stage)
    for stage in rule.stage:
        if stage not in stages:
            log.info(f"The NetState did not contain stage '{stage}' {where}")
            return False
    for stage in rule.not_stage:
        if stage in stages:
            log.info(f"The NetState contained a not_stage '{stage}' {where}")
            return False
    return True
