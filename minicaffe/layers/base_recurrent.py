"""RecurrentLayer: what LSTM and RNN share, a loop over the time steps of a batch, forth and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from minicaffe import log
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.io.blobproto import decode_blob
from minicaffe.io.wire import Wire
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.parameter_gradient import add_product, add_sum
from minicaffe.layers.recurrent_state import RecurrentState

# What stand first among the parameters, W_static only with a static input; then W_h.
W_X, B, W_STATIC = 0, 1, 2
# Time steps, and streams, from which on a copy of W_h with its rows turned into columns pays.
COPY_FROM = 8


class RecurrentLayer(Layer):
    """Reads sequences step by step, and remembers.

        a_t = W_x x_t + b [+ W_static x_static] + W_h (cont_t h_{t-1})          h_t = f(a_t)

    for each of N streams; the type says what f is, and what a step gives.

    bottom[0]: x (T, N, ...), T time steps of I values.  bottom[1]: cont (T, N), 0 where a sequence begins, 1 where
    it goes on; other values weigh what is remembered.  bottom[2], optional: x_static (N, ...), the same at each step.
    top[0]: (T, N, D).  T stays what it is at set-up, N may change.
    With expose_hidden the states (1, N, D) before the first step are the last bottoms, those behind the last step the
    last tops. Without it a pass begins where the one before ended, in any phase, and with zeros the first time.

    Gradients stay within the batch: no state before it gets one, none comes from the states behind it, exposed or not.
    (Caffe's way.) cont gets none.
    recurrent_param: num_output (D); weight_filler, bias_filler: of all weights, of all biases; expose_hidden (false);
    debug_info (false): log the mean absolute values of each step.
    """

    # The states, in the order of the bottoms and tops.
    states: ClassVar[tuple[str, ...]] = ("h",)
    # Values of a_t for each of h_t.
    gates: ClassVar[int] = 1
    not_forced = (1,)
    no_gradient = {1: "the continuation indicators"}

    # --- what a type adds ----------------------------------------------------------------------

    def reshape_steps(self, steps: int, streams: int) -> None:
        """Shape what is kept of each step."""

    def stepper(self, a: Any, cont: Any, start: list[Any], top: Blobs) -> Callable[[int], Any]:
        """step(t), which computes h_t (N, D) from a[t] and returns it; a[t] may be overwritten.

        a: (T, N, gates * D).  start: the states before the first step, each (N, D).
        """
        raise NotImplementedError

    def finish(self, top: Blobs) -> list[Any]:
        """All steps are done: write the top; the states behind the last step, each (N, D)."""
        raise NotImplementedError

    def gradient_from_top(self, top: Blobs) -> Any:
        """The gradient of all h_t, but for what comes from the steps behind: (T, N, D)."""
        raise NotImplementedError

    def backward_stepper(self, a: Any, cont: Any, da: Any) -> Callable[[int, Any], None]:
        """step(t, dh), which computes da[t] from the gradient dh of h_t; called with t from the last to the first."""
        raise NotImplementedError

    # --- set-up --------------------------------------------------------------------------------

    def check_blob_counts(self, bottoms: int, tops: int) -> None:
        exposed = len(self.states) if self.layer_param.recurrent_param.expose_hidden else 0
        for limit, count in (("min_bottom", 2 + exposed), ("max_bottom", 3 + exposed), ("exact_top", 1 + exposed)):
            # Not the type's limits: this layer's.
            setattr(self, limit, count)
        super().check_blob_counts(bottoms, tops)

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.recurrent_param
        self.num_output, self.rows = param.num_output, self.gates * param.num_output
        if not self.num_output:
            text = "is 0 or absent, must be 1 or more: how many values a time step of the top has"
            raise self.error(ParamError, text, "recurrent_param.num_output")
        self.exposed = len(self.states) if param.expose_hidden else 0
        self.has_static = len(bottom) > 2 + self.exposed
        self.check_axes(bottom)
        self.steps, self.inputs = bottom[0].shape[0], self.matrix(bottom[0], 2)[1]
        text = f"assuming input batch contains {self.steps} timesteps of {bottom[0].shape[1]} independent streams."
        log.info(f"Initializing recurrent layer: {text}")
        with self.blaming("recurrent_param.num_output", self.num_output):
            self.make_parameters(bottom)
        self.carried = RecurrentState(self, () if self.exposed else self.states)
        # Kept from forward to backward: a_t, overwritten by the type, and cont_t h_{t-1}.
        self.a, self.held = self.new_blob((0,)), self.new_blob((0,))

    def make_parameters(self, bottom: Blobs) -> None:
        """W_x (rows, I), b (rows), W_static (rows, I_static) if there is a static input, W_h (rows, D)."""
        self.add_weight(self.rows, self.inputs)
        self.add_bias(self.rows)
        if self.has_static:
            self.static_inputs = self.matrix(bottom[2], 1)[1]
            self.add_weight(self.rows, self.static_inputs)
        self.w_h = len(self.blobs)
        self.add_weight(self.rows, self.num_output)

    def add_weight(self, rows: int, columns: int) -> None:
        self.add_parameter(
            (rows, columns), self.layer_param.recurrent_param.weight_filler, "recurrent_param.weight_filler"
        )

    def add_bias(self, rows: int) -> None:
        self.add_parameter((rows,), self.layer_param.recurrent_param.bias_filler, "recurrent_param.bias_filler")

    def _load_stored_blobs(self) -> None:
        """Blobs that the message carries are taken where all fit; Caffe takes none."""
        stored = self.layer_param.blobs
        if len(stored) != len(self.blobs) or not all(map(self.fits, stored, self.blobs)):
            if stored:
                log.warning(f"layer {self.name}: the blobs in its definition do not fit and are ignored, as in Caffe")
            del stored[:]
        super()._load_stored_blobs()

    def fits(self, stored: Any, blob: Blob) -> bool:
        wire = Wire(stored.SerializeToString(), self.origin.file, "BlobProto", self.name)
        return decode_blob(wire, 0, len(wire.buffer)).matches(blob.shape)

    # --- shapes --------------------------------------------------------------------------------

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.check_axes(bottom)
        self.check_sizes(bottom)
        with self.blaming("recurrent_param.num_output", self.num_output):
            self.reshape_all(top, bottom[0].shape[1])

    def reshape_all(self, top: Blobs, streams: int) -> None:
        """The tops, and what is kept from forward to backward."""
        self.carried.reshape(streams, self.num_output)
        top[0].reshape(self.steps, streams, self.num_output)
        for blob in top[1:]:
            blob.reshape(1, streams, self.num_output)
        self.a.reshape(self.steps, streams, self.rows)
        self.held.reshape_like(top[0])
        self.reshape_steps(self.steps, streams)

    def check_axes(self, bottom: Blobs) -> None:
        """Raises ShapeError for a bottom that does not have the axes it needs."""
        x, cont = bottom[0].shape, bottom[1].shape
        if len(x) < 3 or not x[0]:
            text = f"bottom[0] is {shape_text(x)}, must have 3 axes or more: one time step or more, streams, values"
            raise self.error(ShapeError, text)
        if cont != x[:2]:
            text = f"bottom[1] is {shape_text(cont)}, must be {shape_text(x[:2])}: a number for each time step and"
            raise self.error(ShapeError, f"{text} stream of bottom[0] {shape_text(x)}")
        if self.has_static and (bottom[2].num_axes < 2 or bottom[2].shape[0] != x[1]):
            text = f"bottom[2] is {shape_text(bottom[2].shape)}, must have 2 axes or more, the first of size {x[1]}"
            raise self.error(ShapeError, f"{text}: the streams of bottom[0] {shape_text(x)}")

    def check_sizes(self, bottom: Blobs) -> None:
        """Raises ShapeError for a bottom whose sizes are not those that the parameters, or the other bottoms, have."""
        x = bottom[0].shape
        if x[0] != self.steps:
            text = f"bottom[0] is {shape_text(x)}: {x[0]} time steps, must be {self.steps} as at set-up"
            raise self.error(ShapeError, f"{text}; only the number of streams may change")
        self.check_inputs(0, self.matrix(bottom[0], 2), self.inputs)
        if self.has_static:
            self.check_inputs(2, self.matrix(bottom[2], 1), self.static_inputs)
        wanted = (1, x[1], self.num_output)
        for index in range(len(bottom) - self.exposed, len(bottom)):
            if bottom[index].shape != wanted:
                text = f"bottom[{index}] is {shape_text(bottom[index].shape)}, must be {shape_text(wanted)}: the state"
                raise self.error(ShapeError, f"{text} {self.states[index - len(bottom)]} before the first time step")

    def check_inputs(self, index: int, matrix: tuple[int, int], inputs: int) -> None:
        if matrix[1] != inputs:
            text = f"bottom[{index}] has {matrix[1]} values for each stream, must have {inputs} as at set-up"
            raise self.error(ShapeError, f"{text}: its weights have that many columns")

    def matrix(self, blob: Blob, axis: int) -> tuple[int, int]:
        """(rows, columns) of a blob with the axes from `axis` on as columns."""
        return blob.count_between(0, axis), blob.count_between(axis)

    # --- forward -------------------------------------------------------------------------------

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        a, cont = self.a.data, bottom[1].data
        x = self.read(bottom[0], 2, "x")
        self.kernels.matmul(x, self.blobs[W_X].data.T, a.reshape(-1, self.rows))
        start = [blob.data[0] for blob in bottom[-self.exposed :]] if self.exposed else self.carried.arrays
        self.run_steps(a, cont, start[0], self.constant(bottom), self.stepper(a, cont, start, top))
        end = [blob.data[0] for blob in top[1:]] if self.exposed else self.carried.arrays
        for state, value in zip(end, self.finish(top), strict=True):
            self.xp.copyto(state, value)
        if self.layer_param.recurrent_param.debug_info:
            self.log_forward(top)

    def constant(self, bottom: Blobs) -> Any:
        """What all steps add: b (rows), or b + W_static x_static (N, rows)."""
        b = self.blobs[B].data
        if not self.has_static:
            return b
        x = self.read(bottom[2], 1, "x_static")
        added = self.lent("constant", len(x), self.rows)
        self.kernels.matmul(x, self.blobs[W_STATIC].data.T, added)
        return self.xp.add(added, b, out=added)

    def run_steps(self, a: Any, cont: Any, h: Any, constant: Any, step: Callable[[int], Any]) -> None:
        """a[t] += constant + W_h (cont_t h_{t-1});  h_t = step(t).  h: the state before the first step."""
        xp, matmul, held, w_h = self.xp, self.kernels.matmul, self.held.data, self.transposed_w_h(len(h))
        product = self.lent("product", len(h), self.rows)
        for t in range(self.steps):
            xp.multiply(h, cont[t, :, None], out=held[t])
            matmul(held[t], w_h, product)
            xp.add(product, constant, out=product)
            xp.add(a[t], product, out=a[t])
            h = step(t)

    def transposed_w_h(self, streams: int) -> Any:
        """W_h^T (D, rows). A copy where it pays: each product reads it faster if its rows are contiguous.

        64 streams, D = 256: 20 products took 9.0 ms instead of 10.7, and the copy 0.5; for one stream it does not pay.
        """
        transposed = self.blobs[self.w_h].data.T
        if min(self.steps, streams) < COPY_FROM:
            return transposed
        copy = self.lent("w_h", *transposed.shape)
        self.xp.copyto(copy, transposed)
        return copy

    # --- backward ------------------------------------------------------------------------------

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        a, cont = self.a.data, bottom[1].data
        da = self.lent("da", *a.shape)
        step = self.backward_stepper(a, cont, da)
        self.run_steps_back(cont, self.gradient_from_top(top), da, step)
        rows = da.reshape(-1, self.rows)
        add_product(self, self.w_h, rows.T, self.held.data.reshape(-1, self.num_output))
        add_product(self, W_X, rows.T, self.read(bottom[0], 2, "x"))
        add_sum(self, B, rows)
        if propagate_down[0]:
            self.write_product(bottom[0], 2, rows, self.blobs[W_X].data)
        if self.has_static:
            self.backward_static(bottom[2], propagate_down[2], da)
        if self.layer_param.recurrent_param.debug_info:
            self.log_backward(da)

    def run_steps_back(self, cont: Any, dy: Any, da: Any, step: Callable[[int, Any], None]) -> None:
        """dh_t = dy_t + cont_{t+1} W_h^T da_{t+1};  step(t, dh_t) gives da_t."""
        xp, matmul, w_h = self.xp, self.kernels.matmul, self.blobs[self.w_h].data
        dh = self.lent("dh", *dy.shape[1:])
        xp.copyto(dh, dy[-1])
        for t in range(self.steps - 1, -1, -1):
            step(t, dh)
            if t:
                matmul(da[t], w_h, dh)
                xp.multiply(dh, cont[t, :, None], out=dh)
                xp.add(dh, dy[t - 1], out=dh)

    def backward_static(self, static: Blob, wanted: bool, da: Any) -> None:
        """Every step has read the same: their gradients are summed first."""
        total = self.xp.sum(da, axis=0, out=self.lent("constant", *da.shape[1:]))
        add_product(self, W_STATIC, total.T, self.read(static, 1, "x_static"))
        if wanted:
            self.write_product(static, 1, total, self.blobs[W_STATIC].data)

    # --- pieces --------------------------------------------------------------------------------

    def lent(self, name: str, *shape: int) -> Any:
        """Scratch of that shape."""
        return self.workspace.array(f"recurrent:{name}", shape, self.context.dtype)

    def read(self, blob: Blob, axis: int, name: str) -> Any:
        """A bottom's data as a matrix, its axes from `axis` on as columns."""
        return regrouped(blob.data, self.matrix(blob, axis), self.workspace, f"recurrent:{name}")

    def write_product(self, blob: Blob, axis: int, a: Any, b: Any) -> None:
        """blob.diff, as such a matrix, = a b."""
        with regrouped_out(blob.diff, self.matrix(blob, axis), self.workspace, "recurrent:dx") as out:
            self.kernels.matmul(a, b, out)

    # --- between passes ------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget what is carried over from the last pass: the next one begins with zeros."""
        self.carried.reset()

    def state(self) -> dict:
        """The states carried over (recurrent_state.py); nothing where they are exposed."""
        return self.carried.state()

    def restore(self, state: dict) -> None:
        self.carried.restore(state)

    # --- debug_info ----------------------------------------------------------------------------

    def log_forward(self, top: Blobs) -> None:
        """Log the mean absolute values of each step's results."""

    def log_backward(self, da: Any) -> None:
        for t in range(self.steps, 0, -1):
            self.log_mean("Backward", f"gate_input_{t}", f"bottom blob gate_input_{t} diff", da[t - 1])

    def log_mean(self, way: str, layer: str, blob: str, array: Any) -> None:
        """A line as Caffe's, whose LSTM and RNN are nets of small layers."""
        mean = float(abs(array).sum()) / max(array.size, 1)
        log.info(f"    [{way}] Layer {self.name}_{layer}, {blob}: {log.g(mean)}")
