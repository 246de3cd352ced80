"""Layer: the life cycle that all layer types share.

A layer type is a class with the four methods of a pycaffe Python layer:

    setup(bottom, top)                     once: read the settings, make parameter blobs
    reshape(bottom, top)                   give the tops their shapes; again whenever a bottom's changed
    forward(bottom, top)                   compute the tops' data
    backward(top, propagate_down, bottom)  overwrite the flagged bottoms' diff, add to the parameters'

A net drives them through `initialize`, `run_forward` and `run_backward`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from minicaffe.backend import Backend, active, layout
from minicaffe.backend.formula import Formula
from minicaffe.backend.layout import Layout
from minicaffe.backend.workspace import Workspace
from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import FormatError, GraphError, Kind, MinicaffeError, Origin, ParamError, ShapeError
from minicaffe.fillers import fill
from minicaffe.io.blobproto import decode_blob
from minicaffe.io.wire import Wire
from minicaffe.proto import caffe_pb2

TRAIN, TEST = 0, 1
Blobs = Sequence[Blob]


@dataclass
class Context:
    """What a layer gets from its net.

    backend, dtype: where its arrays lie, and of what type.  workspace: the scratch that its layers take turns with.
    phase: TRAIN or TEST, for layers that do not say.
    seed: of all random numbers (backend/random.py); another one once a net takes up a snapshot, before `restore`.
    layout: the memory order of blobs that layers make for themselves.
    """

    backend: Backend = field(default_factory=active)
    dtype: Any = np.float32
    phase: int = TRAIN
    seed: int = 0
    layout: Layout | None = None
    workspace: Workspace | None = None

    def __post_init__(self) -> None:
        self.layout = self.layout or self.backend.layout()
        self.workspace = self.workspace or Workspace(self.backend)


class PlacingErrors(AbstractContextManager[None]):
    """Layer.placing_errors. A generator would do, but takes four times as long, in each layer of each pass."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, MinicaffeError | MemoryError):
            raise self.layer.located(error) from error.__cause__


class Layer:
    """Base of all layers.

    layer_param: the LayerParameter.  blobs: its learnable blobs.  phase: TRAIN or TEST.
    loss_weights: one number a top.  param_propagate_down: whether blob j's gradient is wanted.
    top_is_overwritten: whether a later layer runs in place on a top, before backward reads it (kept.py).
    runs_backward: whether its net ever calls backward; if not, forward need not keep anything for it.
    """

    type: ClassVar[str] = ""
    # How many blobs the type takes: exact, at least, at most; None for any number.
    exact_bottom: ClassVar[int | None] = None
    min_bottom: ClassVar[int | None] = None
    max_bottom: ClassVar[int | None] = None
    exact_top: ClassVar[int | None] = None
    min_top: ClassVar[int | None] = None
    max_top: ClassVar[int | None] = None
    equal_bottom_top: ClassVar[bool] = False
    # Whether top i may be bottom i itself.
    in_place: ClassVar[bool] = False
    # The user's own code touches the blobs, so they lie in C order whatever the net's rule.
    c_order: ClassVar[bool] = False
    # Whether reshape runs before every forward, not only when a bottom's shape changed.
    always_reshape: ClassVar[bool] = False
    # Whether a net may add unnamed tops, and every bottom that force_backward may not flag.
    auto_top: ClassVar[bool] = False
    not_forced: ClassVar[tuple[int, ...]] = ()
    # The bottoms that can have no gradient, and what they are: an error once backward is asked for one.
    no_gradient: Mapping[int, str] = {}

    def __init__(self, layer_param: Any, context: Context | None = None, origin: Origin | None = None) -> None:
        self.context = context or Context()
        self.origin = origin or Origin()
        self.layer_param = caffe_pb2.LayerParameter()
        self.layer_param.CopyFrom(layer_param)
        if not self.layer_param.HasField("phase"):
            self.layer_param.phase = self.context.phase
        self.phase: int = self.layer_param.phase
        self.name: str = self.layer_param.name
        self.blobs: list[Blob] = []
        self.loss_weights: list[float] = []
        self.param_propagate_down: list[bool] = []
        self.top_is_overwritten, self.runs_backward = False, True
        self._fillers: list[tuple[Blob, Any, str]] = []
        self._borrowed: set[int] = set()
        self._shapes: list[tuple] = []

    # --- what a type overrides -----------------------------------------------------------------

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read and check the settings; make the parameter blobs."""

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Give the tops their shapes."""
        raise NotImplementedError(f"{type(self).__name__} has no reshape")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Compute the tops' data."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Overwrite the flagged bottoms' diff; add to the parameters' diff."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def state(self) -> dict:
        """What a snapshot has to keep so that this layer goes on exactly (plain numbers and strings)."""
        return {}

    def restore(self, state: dict) -> None:
        """Take up what `state` gave."""

    def close(self) -> None:
        """Let go of threads and files."""

    # --- what a type uses ----------------------------------------------------------------------

    @property
    def xp(self) -> Any:
        """numpy or cupy."""
        return self.context.backend.xp

    @property
    def kernels(self) -> Any:
        """The hot loops (backend/kernels.py) for this device."""
        return self.context.backend.kernels

    @property
    def workspace(self) -> Workspace:
        assert self.context.workspace is not None
        return self.context.workspace

    def scratch(self, x: Any, name: str = "scratch") -> Any:
        """An uninitialised array like x that is this layer's until its forward or backward returns."""
        return self.workspace.like(x, name)

    def apply(self, formula: Formula, *arrays: Any, out: Any, **numbers: float) -> None:
        """Evaluate a formula (backend/formula.py) for each element.  out: the array of its result, or a tuple."""
        self.kernels.elementwise(formula, arrays, out if isinstance(out, tuple) else (out,), numbers)

    def kept_like(self, x: Any, held: Any, dtype: Any) -> Any:
        """An array of x's shape and memory order that lives from forward to backward: `held`, if that still fits."""
        if held is None or held.shape != x.shape or held.dtype != dtype:
            held = layout.view(self.xp.zeros(x.size, dtype), x.shape, layout.order_of(x))
        return held

    def new_blob(self, shape: Sequence[int]) -> Blob:
        """A blob in C order on this net's backend: a parameter, or a layer's own."""
        return Blob(shape, backend=self.context.backend, dtype=self.context.dtype)

    def new_like_top(self) -> Blob:
        """An unshaped blob that follows the net's memory order: for what a layer keeps of its tops."""
        assert self.context.layout is not None
        return Blob(backend=self.context.backend, dtype=self.context.dtype, layout=self.context.layout)

    def add_parameter(self, shape: Sequence[int], filler: Any, field: str = "weight_filler") -> Blob:
        """Append a learnable blob, to be filled by a FillerParameter once its net takes memory.

        field: the filler's name in the prototxt, for the error texts.
        """
        blob = self.new_blob(shape)
        self._fillers.append((blob, filler, field))
        self.blobs.append(blob)
        return blob

    def fill_parameters(self) -> None:
        """Give the parameters their first values: from the fillers, or stored in the message itself.

        Borrowed ones have their owner's.
        """
        for index, (blob, filler, name) in enumerate(self._fillers):
            if index in self._borrowed:
                continue
            self.fill_blob(blob, filler, name, index)
        self._fillers.clear()
        self._load_stored_blobs()

    def fill_blob(self, blob: Blob, filler: Any, field: str, *key: int) -> None:
        """Fill a blob with what the filler at `field` of the prototxt draws for `key`."""
        try:
            fill(blob, filler, self.context.seed, self.name, *key)
        except MinicaffeError as error:
            raise self.error(type(error), str(error), field) from error

    def borrow_parameter(self, index: int, owner: Blob) -> None:
        """Let blobs[index] be the memory, data and diff, of a parameter that another layer fills."""
        self.blobs[index].share_data(owner)
        self.blobs[index].share_diff(owner)
        self._borrowed.add(index)

    def error(self, kind: Callable[..., Kind], message: str, field: str = "") -> Kind:
        """An exception that says where this layer stands in its file. field: "pooling_param.stride"."""
        return self.origin.error(kind, message, field, layer=self.name, layer_type=self.type)

    def error_maker(self) -> Callable[..., MinicaffeError]:
        """`error`, for a helper that this layer owns: it does not hold the layer, which would make a cycle."""
        return partial(self.origin.error, layer=self.name, layer_type=self.type)

    def placing_errors(self) -> AbstractContextManager[None]:
        """Give this layer's place to an error inside the `with` that names none."""
        return PlacingErrors(self)

    def located(self, error: MinicaffeError | MemoryError) -> MinicaffeError:
        """An error that came out of this layer, with the layer's place if it does not name one."""
        if isinstance(error, MemoryError):
            text = f"needs more memory than there is ({error}): make the batch, the images or num_output smaller"
            return self.error(ShapeError, text)
        return error if error.layer or error.layer_type else self.error(type(error), str(error))

    @contextmanager
    def blaming(self, field: str, value: Any) -> Iterator[None]:
        """Name the field, and the value it has, that a ShapeError inside the `with` comes of."""
        try:
            yield
        except ShapeError as error:
            raise self.error(ShapeError, f"is {value}: {error}", field) from None

    def axis(self, blob: Blob, axis: int, field: str) -> int:
        """blob.canonical_axis, with this layer and field in the error."""
        with self.blaming(field, axis):
            return blob.canonical_axis(axis)

    def count_in(self, state: dict, name: str) -> int:
        """A whole number that a state must hold."""
        value = state.get(name)
        if not isinstance(value, int) or value < 0:
            found = f"its {name} is {value!r}" if name in state else f"it has no {name} for this layer"
            text = f"cannot go on from the snapshot: {found}, must be a whole number from 0 on"
            raise self.error(FormatError, f"{text}; begin a new run with its weights")
        return value

    def quiet(self) -> AbstractContextManager[Any]:
        """No warnings of NumPy's inside the `with`: that there was a NaN, or something infinite, the results tell.

        A user's own code keeps its warnings.
        """
        return nullcontext() if self.c_order else np.errstate(all="ignore")

    # --- what a net calls ----------------------------------------------------------------------

    def initialize(self, bottom: Blobs, top: Blobs) -> None:
        """Check the blob counts, set up, shape the tops, read the loss weights; once.

        Only shapes: memory and values come in `fill_parameters` and `seed_losses`.
        """
        self.check_blob_counts(len(bottom), len(top))
        self.setup(bottom, top)
        self.reshape(bottom, top)
        self._shapes = shapes_of(bottom, top)
        self.loss_weights = self.read_loss_weights(len(top))
        self.param_propagate_down = self.param_propagate_down or [True] * len(self.blobs)

    def reshape_if_changed(self, bottom: Blobs, top: Blobs) -> None:
        """Reshape if a bottom's shape is another, or a script has reshaped a top, since the last time."""
        if self.always_reshape or shapes_of(bottom, top) != self._shapes:
            self.reshape(bottom, top)
            self._shapes = shapes_of(bottom, top)

    def run_forward(self, bottom: Blobs, top: Blobs) -> Any:
        """Reshape where needed, compute, and return the layer's loss: sum of top.data * top.diff.

        The loss is a number on the CPU, a 0-d array still on the device on a GPU.
        """
        self.reshape_if_changed(bottom, top)
        self.seed_losses(top)
        loss: Any = 0.0
        with self.quiet():
            self.forward(bottom, top)
            for blob, weight in zip(top, self.loss_weights, strict=False):
                if weight:
                    loss = loss + self.xp.vdot(blob.data, blob.diff)
        return loss if self.context.backend.is_gpu else float(loss)

    def run_backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        """Raises GraphError where a bottom is flagged that can have no gradient."""
        for index, what in self.no_gradient.items():
            if index < len(propagate_down) and propagate_down[index]:
                text = (
                    f"must be false for bottom[{index}], {what}: it can have no gradient, which a layer below asks for"
                )
                advice = "say false for it, and leave out force_backward, which overrules that"
                raise self.error(GraphError, f"{text}; {advice}", "propagate_down")
        with self.quiet():
            self.backward(top, propagate_down, bottom)

    def check_blob_counts(self, bottoms: int, tops: int) -> None:
        """Raises GraphError, in Caffe's words, where a type takes other numbers of blobs."""
        for count, side, verb, end in (
            (bottoms, "bottom", "takes", "as input"),
            (tops, "top", "produces", "as output"),
        ):
            for limit, words, wrong in (
                (getattr(self, f"exact_{side}"), "", lambda n, k: n != k),
                (getattr(self, f"min_{side}"), "at least ", lambda n, k: n < k),
                (getattr(self, f"max_{side}"), "at most ", lambda n, k: n > k),
            ):
                if limit is not None and wrong(count, limit):
                    text = f"{self.type} Layer {verb} {words}{limit} {side} blob(s) {end}, it has {count}"
                    raise self.error(GraphError, text)
        if self.equal_bottom_top and bottoms != tops:
            text = f"{self.type} Layer produces one top blob as output for each bottom blob input"
            raise self.error(GraphError, f"{text}, it has {bottoms} bottoms and {tops} tops")

    def _load_stored_blobs(self) -> None:
        """Values that the message itself carries replace what the fillers made."""
        stored = self.layer_param.blobs
        if not stored:
            return
        if len(stored) != len(self.blobs):
            text = f"holds {len(stored)} blobs, this layer has {len(self.blobs)}"
            raise self.error(ShapeError, text, "blobs")
        for index, (proto, blob) in enumerate(zip(stored, self.blobs, strict=True)):
            if index not in self._borrowed:
                copy_proto_into(self, proto, blob, index)
        del stored[:]

    def read_loss_weights(self, tops: int) -> list[float]:
        given = list(self.layer_param.loss_weight)
        if given and len(given) != tops:
            text = f"has {len(given)} entries, must have one for each of the {tops} tops, or none"
            raise self.error(ParamError, text, "loss_weight")
        return given or [0.0] * tops

    def seed_losses(self, top: Blobs) -> None:
        """A top with weight w has its whole diff filled with w, the seed of the gradient, whenever that is new memory.

        In Caffe only at set-up, so that a loss which outgrows its memory is lost; what a script writes there stays.
        """
        for blob, weight in zip(top, self.loss_weights, strict=False):
            if weight and not blob.storage(DIFF).allocated:
                blob.diff.fill(weight)


def shapes_of(bottom: Blobs, top: Blobs) -> list[tuple]:
    """What reshape depends on, and what it made; nothing for a source of data, which shapes its tops itself."""
    return [blob.shape for blobs in (bottom, top) for blob in blobs] if bottom else []


def copy_proto_into(layer: Layer, proto: Any, blob: Blob, index: int) -> None:
    """Load a BlobProto that came inside a LayerParameter."""
    wire = Wire(proto.SerializeToString(), layer.origin.file, "BlobProto", layer.name)
    stored = decode_blob(wire, 0, len(wire.buffer))
    if not stored.matches(blob.shape):
        text = f"has shape {shape_text(stored.shape)}, this layer needs {shape_text(blob.shape)}"
        raise layer.error(ShapeError, text, f"blobs[{index}]")
    blob.load(DATA, stored.data.reshape(blob.shape))
