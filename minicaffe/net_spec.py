"""Nets written in Python, as pycaffe's net_spec: calls in place of a prototxt.

    from minicaffe import NetSpec, layers as L, params as P

    n = NetSpec()
    n.data, n.label = L.Data(source="train_lmdb", backend=P.Data.LMDB, batch_size=64, ntop=2)
    n.conv1 = L.Convolution(n.data, num_output=20, kernel_size=5, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    Path("train.prototxt").write_text(str(n.to_proto()))

A call of L makes a Function, which is a layer, and hands out its Tops, which are its outputs. What a NetSpec holds, and
all that this reads, becomes a NetParameter.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

from minicaffe.errors import GraphError, MinicaffeError, Origin, ParamError
from minicaffe.proto import caffe_pb2, hints
from minicaffe.proto.assign import assign_proto
from minicaffe.proto.constants import Parameters
from minicaffe.proto.settings import assign_setting, own_fields, param_name_dict

__all__ = ["Function", "NetSpec", "Top", "assign_proto", "layers", "param_name_dict", "params", "to_proto"]

# What draws a NetParameter, by format. The drawing stands on a higher floor, and puts itself in (net/notebook.py).
DRAWERS: dict[str, Callable[[Any], Any]] = {}
NOTEBOOKS = ("_ipython_", "_repr_")  # how names begin that IPython asks any object for


class Function:
    """A layer: its type, the Tops that it reads, and its settings.

    type_name: its type.  inputs: Tops, else TypeError.  tops: its own Tops, `ntop` of them.
    params: settings by name, with "ntop" (default 1) and "in_place" (default False) taken out; may be changed until
    to_proto. Where each goes: to LayerParameter if the name ends in "param"; to the message of the layer's type, as
    relu_param for ReLU, if that has such a field; else to LayerParameter.
    in_place: its tops are its bottoms.  origin: file and line that made it, for error texts.
    """

    def __init__(self, type_name: str, inputs: Sequence[Top], params: Mapping[str, Any]) -> None:
        for index, top in enumerate(inputs):
            if not isinstance(top, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(top)})")
        self.type_name = type_name
        self.inputs = inputs
        self.params = dict(params)
        self.origin = _calling_line()
        self.ntop: int = self.params.pop("ntop", 1)
        if not isinstance(self.ntop, Integral) or self.ntop < 0:
            raise _fault(ValueError, self, "", f"ntop is {self.ntop!r}, must be how many tops the layer has, 0 or more")
        self.in_place: bool = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def __repr__(self) -> str:
        return _shown(self, {})


class Top:
    """One output of a layer. fn: the Function that makes it; n: which of its tops it is, from 0."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """The NetParameter of all layers that this top needs."""
        return to_proto(self)

    def __repr__(self) -> str:
        return _shown(self, {})


class NetSpec:
    """Names for Tops: n.conv1 = L.Convolution(...), or n["conv1"] = ...

    A Top's name becomes its blob's and, if it is a layer's first, the layer's. Of an in-place layer it becomes the
    layer's alone, the blob has its bottom's. A layer without tops (ntop=0) is assigned itself, as a Function. What is
    never assigned gets names such as Convolution1.

    tops: what has been assigned, by name, in order.
    Reading a name that was never assigned raises KeyError, also by attribute: ask `"conv1" in n`, not hasattr.
    """

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> Any:
        # Python (copy, pickle) and notebooks ask for these by themselves, and expect this answer.
        if name == "tops" or (name.startswith("__") and name.endswith("__")) or name.startswith(NOTEBOOKS):
            hint = "; its __init__ was not called" if name == "tops" else ""
            raise AttributeError(f"NetSpec has no {name}{hint}")
        return self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a name in a NetSpec is {name!r}, must be a string, which will be the blob's name")
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        if name not in self.tops:
            close = hints.nearest(str(name), self.tops)
            hint = f"did you mean {close}?" if close else f"it holds {', '.join(self.tops) or 'nothing yet'}"
            raise KeyError(f"{name} was never assigned in this NetSpec; {hint}")
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tops

    def __iter__(self) -> Iterator[str]:
        return iter(self.tops)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tops]

    def keys(self) -> list[str]:
        """Names, in order of assignment."""
        return list(self.tops)

    def vals(self) -> list[Any]:
        """Tops and Functions, in order of assignment."""
        return list(self.tops.values())

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Change settings of the layer that `name` comes from."""
        _function(self[name]).params.update(params)

    def to_proto(self) -> Any:
        """The NetParameter of all layers that the assigned tops need; only `layer` is filled.

        Raises AttributeError (something assigned that is not a Top, such as a tuple of them; an unknown setting), and
        what assign_proto raises.
        """
        for name, value in self.tops.items():
            if not isinstance(value, Top | Function):
                raise AttributeError(f"{name} of this NetSpec {_not_a_top(value, f'n.{name}, n.other = L.Type(...)')}")
        return _emit(map(_function, self.tops.values()), {value: name for name, value in self.tops.items()})

    def _repr_svg_(self) -> str | None:
        """The net's picture, for a notebook; None as long as there is no net."""
        return self._drawn("svg")

    def _repr_png_(self) -> bytes | None:
        return self._drawn("png")

    def _drawn(self, format: str) -> Any:
        try:
            return DRAWERS[format](self.to_proto())
        except (AttributeError, KeyError, TypeError, ValueError, MinicaffeError):
            # to_proto() says what is wrong; a notebook, which only looks, shows the text of the NetSpec.
            return None

    def __repr__(self) -> str:
        names = {value: name for name, value in self.tops.items() if isinstance(value, Top | Function)}
        lines = (
            f"  {name} = {_shown(value, names) if isinstance(value, Top | Function) else repr(value)}\n"
            for name, value in self.tops.items()
        )
        return f"<NetSpec\n{''.join(lines)}>"

    def __copy__(self) -> NetSpec:
        """Another NetSpec of the same Tops."""
        other = type(self).__new__(type(self))
        other.__setstate__({"tops": self.tops.copy()})
        return other

    def __getstate__(self) -> dict[str, Any]:
        # pickle and deepcopy follow links by recursion: given each layer before its readers, they never go deep.
        held = [_function(value) for value in self.tops.values() if isinstance(value, Top | Function)]
        return {"functions": list(_in_order(held)), "tops": self.tops}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setattr__("tops", state["tops"])


def to_proto(*tops: Top | Function) -> Any:
    """The NetParameter of all layers that the tops need; every layer and blob gets a name such as Convolution1.

    Raises AttributeError (not a Top; an unknown setting), and what assign_proto raises.
    """
    for index, top in enumerate(tops):
        if not isinstance(top, Top | Function):
            raise AttributeError(f"argument {index} of to_proto {_not_a_top(top, 'to_proto(*tops)')}")
    return _emit(map(_function, tops), {})


class Layers:
    """pycaffe's `L`: L.<Type>(*inputs, **params) for any type name. See `layer_function`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(f"{name} is not a layer type")
        return layer_function(name)


@functools.cache
def layer_function(type_name: str) -> Callable[..., Any]:
    """L.<type_name>: makes a Function of its arguments and returns its one Top, a tuple of its Tops, or, if it has
    none (ntop=0), itself."""

    def make(*inputs: Top, **params: Any) -> Any:
        fn = Function(type_name, inputs, params)
        if fn.ntop == 0:
            return fn
        return fn.tops[0] if fn.ntop == 1 else fn.tops

    make.__name__ = make.__qualname__ = type_name
    make.__doc__ = f"""A {type_name} layer that reads the Tops given.

    Settings: {", ".join(own_fields(type_name)) or "in messages of other names"};
    ntop (default 1), in_place (default False), and the fields of LayerParameter: name, param, loss_weight, include, ...
    """
    return make


layers = Layers()
params = Parameters()


def _function(value: Top | Function) -> Function:
    return value.fn if isinstance(value, Top) else value


def _in_order(functions: Iterable[Function]) -> dict[Function, None]:
    """The functions and all that they read: depth first, each once, behind its inputs. No recursion: nets are deep."""
    done: dict[Function, None] = {}
    for root in functions:
        path = {} if root in done else {root: iter(root.inputs)}
        while path:
            fn, inputs = next(reversed(path.items()))
            below = next((top.fn for top in inputs if top.fn not in done), None)
            if below is None:
                path.popitem()
                done[fn] = None
            elif below in path:
                raise _fault(GraphError, fn, "", f"reads what is computed from it, through {below!r}")
            else:
                path[below] = iter(below.inputs)
    return done


class _Names(dict[Any, str]):
    """Names of Tops and Functions; who has none gets <Type><k>, k counting from 1 for each type."""

    def __init__(self, given: Mapping[Any, str]) -> None:
        super().__init__(given)
        self.counts: Counter[str] = Counter()

    def __missing__(self, nameless: Top | Function) -> str:
        type_name = _function(nameless).type_name
        self.counts[type_name] += 1
        self[nameless] = f"{type_name}{self.counts[type_name]}"
        return self[nameless]


def _emit(functions: Iterable[Function], given: Mapping[Any, str]) -> Any:
    """The NetParameter of the functions and all that they read. given: names of Tops and Functions."""
    net, names, emitted = caffe_pb2.NetParameter(), _Names(given), {}
    for fn in _in_order(functions):
        layer = emitted[fn] = net.layer.add(type=fn.type_name)
        layer.bottom.extend(_blob(top, emitted[top.fn]) for top in fn.inputs)
        layer.top.extend(layer.bottom if fn.in_place else [names[top] for top in fn.tops])
        # The first top's name is the layer's, but for a Function that has been named itself.
        layer.name = names[fn.tops[0] if fn.tops and fn not in names else fn]
        for key, value in fn.params.items():
            _set(layer, fn, key, value)
    return net


def _blob(top: Top, layer: Any) -> str:
    """Name of the blob that `top` is, of a layer that has been written."""
    if top.n >= len(layer.top):
        text = f"is in place: its {len(layer.top)} bottoms are its tops, there is no top {top.n}; leave ntop out"
        raise _fault(IndexError, top.fn, layer.name, text)
    return layer.top[top.n]


def _set(layer: Any, fn: Function, key: str, value: Any) -> None:
    """Put a setting where it belongs."""
    try:
        assign_setting(layer, fn.type_name, key, value)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise _fault(type(error), fn, layer.name, str(error)) from None


def _fault(kind: Callable[[str], Any], fn: Function, name: str, text: str) -> Exception:
    """An exception of `kind` whose text says where the layer was made, and which it is."""
    file, line = fn.origin.file, fn.origin.line
    return kind(str(ParamError(text, file=file, line=line, layer=name, layer_type=fn.type_name)))


def _not_a_top(value: Any, each: str) -> str:
    """What is wrong with a value that should be a Top. each: how to write several."""
    if isinstance(value, tuple | list) and value and all(isinstance(item, Top) for item in value):
        return f"is a {type(value).__name__} of {len(value)} Tops, must be one; write {each}"
    return f"is {type(value)}, must be a Top (or a Function without tops), as L.Type(...) returns"


def _calling_line() -> Origin:
    """Where the user's code stands that led here."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("minicaffe."):
        frame = frame.f_back
    return Origin(frame.f_code.co_filename, frame.f_lineno)


def _shown(value: Top | Function, names: Mapping[Any, str]) -> str:
    """The call of L that made a Top or Function; inputs by name, or by type."""
    fn = _function(value)
    arguments = [names.get(top, f"<{top.fn.type_name}>") for top in fn.inputs]
    arguments += [f"{key}={setting!r}" for key, setting in fn.params.items()]
    arguments += [f"ntop={fn.ntop}"] * (fn.ntop != 1) + ["in_place=True"] * bool(fn.in_place)
    index = f"[{value.n}]" if isinstance(value, Top) and fn.ntop != 1 else ""
    return f"L.{fn.type_name}({', '.join(arguments)}){index}"
