"""Which blobs of a net lie in one memory: the tops that Split, Reshape, Flatten, and Concat and Slice of one blob make.

A layer in place on one of them changes the others too, as in Caffe, and later layers read that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from minicaffe.net.spec import LayerSpec


def memory_of(top: str, spec: LayerSpec, memory: Mapping[str, str]) -> str:
    """The memory that a layer's new top lies in, called by the first blob there.

    memory: that of each blob before it.
    """
    bottom = spec.param.bottom
    return memory[bottom[0]] if bottom and may_share_memory(spec) else top


def may_share_memory(spec: LayerSpec) -> bool:
    """Whether a layer's tops may be its bottom's own memory."""
    single = len(spec.param.bottom) == len(spec.param.top) == 1
    return spec.param.type in ("Flatten", "Reshape", "Split") or (single and spec.param.type in ("Concat", "Slice"))


def overwritten_aliases(specs: Sequence[LayerSpec], in_c_order: Set[str]) -> set[str]:
    """Names of blobs that must lie in C order, so that one which a layer in place overwrites can be a view of another.

    With the batch innermost there is no view where the batch is not kept, nor where the top is one of `in_c_order`.
    """
    memory: dict[str, str] = {}
    without_view: set[str] = set()
    overwritten: set[str] = set()
    for spec in specs:
        top = spec.param.top
        for name in top:
            if name in memory and memory[name] in without_view:
                overwritten.add(memory[name])
            memory.setdefault(name, memory_of(name, spec, memory))
        if top and memory[top[0]] != top[0] and not (keeps_batch(spec) and in_c_order.isdisjoint(top)):
            without_view.add(memory[top[0]])
    return {name for name, place in memory.items() if place in overwritten}


def keeps_batch(spec: LayerSpec) -> bool:
    """Whether Reshape or Flatten leaves the first axis alone; as far as that shows before there are shapes."""
    if spec.param.type == "Flatten":
        return spec.param.flatten_param.axis > 0
    if spec.param.type == "Reshape":
        param = spec.param.reshape_param
        return param.axis > 0 or (param.axis == 0 and param.num_axes != 0 and list(param.shape.dim[:1]) == [0])
    return True
