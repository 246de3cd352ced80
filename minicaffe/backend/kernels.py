"""The interface of the hot loops: what each kernel takes and gives, written once.

backend/cpu/ and backend/gpu/ hold a twin of every function here, same name, same arguments; a test
compares them. Layers call them as `self.kernels.max_pool_forward(...)`.

Rules for all:
- Arrays are logical: (N, C, *spatial), any memory order, of one dtype (float32 or float64) unless said.
- The last arrays are written; `+=` in a description means "adds to", everything else overwrites.
- window is a geometry.Window; spatial sizes are read off the arrays.
- workspace lends scratch memory (workspace.py); kernels use names that begin with "kernel:".
- Values are computed in the arrays' own dtype; sums that feed a loss in float64 where it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.backend.formula import Formula
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace

Array = Any

# The value a max pooling window starts from, as Caffe's -FLT_MAX, in float64 nets too.
LOWEST = -3.4028234663852886e38


# --- a formula for each element: elementwise.py -----------------------------------------------


def elementwise(formula: Formula, arrays: Sequence[Array], out: Sequence[Array], numbers: dict[str, float]) -> None:
    """out[i] = result i of the formula (formula.py), for each element of the arrays.

    arrays: each of out's shape, or broadcast to it; bool, integer or the float type of all.  out: of one shape, any
    memory order; each may be one of the arrays, in the same order.  numbers: by their names in the formula.
    """


# --- local response normalization: lrn.py -------------------------------------------------------
# A window of `size` places (odd) around each value along `axes`, (1,) or (2, 3); nothing lies beyond the array.
# Arrays: (N, C, H, W).


def lrn_forward(
    x: Array,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    k: float,
    y: Array,
    scale: Array,
    workspace: Workspace,
) -> None:
    """scale = k + alpha * (sum of x^2 over the window);  y = x * scale^-beta."""


def lrn_backward(
    x: Array,
    scale: Array,
    dy: Array,
    axes: Sequence[int],
    size: int,
    alpha: float,
    beta: float,
    dx: Array,
    workspace: Workspace,
) -> None:
    """dx = dy * scale^-beta - 2 * alpha * beta * x * (sum of dy * x * scale^(-beta - 1) over the window)."""


# --- sums over some axes: reduce.py -------------------------------------------------------------


def sum_to(
    formula: Formula, arrays: Sequence[Array], out: Sequence[Array], numbers: dict[str, float], workspace: Workspace
) -> None:
    """out[j] = the sum of result j of the formula over the axes along which out[j] has size 1, added up in float64.

    arrays: as for elementwise; the first of the whole shape, floats.  out: first those, if any, that get each value of
    their result, as elementwise's; then the sums, of one shape, with as many axes: the whole shape's sizes along
    neighbouring axes, 1 elsewhere; float32 or float64, any memory order, none of the arrays.
    """


# --- matrix products: matmul.py -----------------------------------------------------------------


def matmul(a: Array, b: Array, out: Array) -> None:
    """out = a @ b.  a: (M, K), b: (K, N), out: (M, N), each rows or columns contiguous."""


# --- windows unfolded into columns: im2col.py -------------------------------------------------


def im2col(x: Array, window: Window, col: Array, workspace: Workspace) -> None:
    """col[n, c * taps + t, o] = x[n, c, o * stride - pad + t * dilation], 0 outside the image.

    x: (N, C, *image).  col: (N, C * taps, *output).  t runs over the taps row by row.
    """


def col2im(col: Array, window: Window, x: Array, workspace: Workspace) -> None:
    """The adjoint of im2col: every x is the sum of the col entries that read it.

    col: (N, C * taps, *output).  x: (N, C, *image).
    """


# --- convolution: conv.py ---------------------------------------------------------------------


def conv_forward(
    x: Array, weight: Array, bias: Array | None, y: Array, window: Window, group: int, workspace: Workspace
) -> None:
    """y[n, o] = bias[o] + sum over the group's c and all taps of weight[o, c, t] * x window.

    x: (N, C, *image).  weight: (O, C / group, *kernel), C order.  bias: (O,) or None.  y: (N, O, *output).
    """


def conv_backward_data(dy: Array, weight: Array, dx: Array, window: Window, group: int, workspace: Workspace) -> None:
    """dx = the transposed correlation of dy with weight.  Shapes as in conv_forward."""


def conv_backward_weight(
    x: Array, dy: Array, dweight: Array, dbias: Array | None, window: Window, group: int, workspace: Workspace
) -> None:
    """dweight[o, c, t] += sum over n and outputs of dy[n, o] * x window;  dbias as sum_to_channels, if given.

    Shapes as in conv_forward.
    """


def add_bias(y: Array, bias: Array) -> None:
    """y[n, o, ...] += bias[o], in place."""


def sum_to_channels(dy: Array, dbias: Array, workspace: Workspace) -> None:
    """dbias[o] += sum of dy[n, o, ...] over n and all spatial axes."""


# --- pooling: pooling.py, on the CPU max_pooling.py too ------------------------------------------
# Windows start at o * stride - pad and are cut at the image. winner: integer array (uint8 where
# taps < 255, else int32) of y's shape and memory order: 1 + the index of the chosen tap, row by row
# in the uncut window, or 0 where no pixel was chosen.


def max_pool_forward(x: Array, window: Window, y: Array, winner: Array, workspace: Workspace) -> None:
    """y = the maximum of each window, the first in row order on ties; LOWEST where nothing is above it.

    NaN is never above anything. x: (N, C, *image).  y, winner: (N, C, *output).
    """


def max_pool_values(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """y of max_pool_forward, where nobody will ask for the winners."""


def max_pool_index(winner: Array, window: Window, image: tuple[int, ...], index: Array) -> None:
    """index = the winner's place in its channel plane, h * W + w, as a float; -1 where there is none.

    winner, index: (N, C, *output).  image: the plane's (H, W).
    """


def max_pool_backward(dy: Array, winner: Array, window: Window, dx: Array, workspace: Workspace) -> None:
    """dx[winner] = sum of the dy it won; all other pixels 0."""


def max_pool_backward_index(dy: Array, index: Array, dx: Array) -> None:
    """As max_pool_backward, from plane indices (index: float array of dy's shape; -1: nothing)."""


def average_pool_forward(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """y = sum of the window's pixels / its area; the area counts padding, but not cells beyond it.

    An empty window gives 0 / 0 = NaN, as in Caffe.
    """


def average_pool_backward(dy: Array, window: Window, dx: Array, workspace: Workspace) -> None:
    """Each pixel of a window gets dy / area."""


def stochastic_pool_forward(x: Array, window: Window, uniform: Array, y: Array, winner: Array) -> None:
    """y = the first pixel, in row order, whose running sum reaches uniform * (sum of the window).

    uniform: y's shape, in (0, 1].  Where rounding keeps the running sum below, the last pixel wins.
    Backward is max_pool_backward.
    """


def stochastic_pool_test(x: Array, window: Window, y: Array, workspace: Workspace) -> None:
    """y = sum of squares / sum of each window, 0 where the sum is not above 0."""


# --- rows by number: rows.py ----------------------------------------------------------------
# rows: int64, in C order, each a number of a row of x (or dx): 0 ... N - 1.


def find_bad_row(index: Array, count: int, whole: bool) -> int:
    """The flat position of the first index that is not 0 <= index < count (NaN too), or -1.

    index: floats.  whole: whether one with a fraction is bad as well; else it is read towards zero.
    """


def take_rows(x: Array, rows: Array, y: Array) -> None:
    """y[i] = x[rows[i]].  x: (N, ...).  rows: (M,).  y: (M, ...)."""


def add_rows(dy: Array, rows: Array, dx: Array) -> None:
    """dx[rows[i]] += dy[i], for one i after the other.  dy: (M, ...).  rows: (M,).  dx: (N, ...)."""


# --- one step of an LSTM cell: lstm_unit.py ---------------------------------------------------
# N streams of D cells.  act, dgates: (N, 4 D), the gates i, f, o, g in blocks of D.  cont: (N,).  All others: (N, D).


def lstm_unit_forward(
    c_prev: Array, gates: Array, cont: Array, act: Array, c: Array, tanh_c: Array, h: Array, workspace: Workspace
) -> None:
    """c = cont f c_prev + i g;  tanh_c = tanh(c);  h = o tanh_c;  act: the gates i, f, o, g.

    i, f, o = sigmoid and g = tanh of their blocks of `gates` (N, 4 D); f = 0 where cont is 0.  act may be gates.
    """


def lstm_unit_backward(
    c_prev: Array,
    act: Array,
    cont: Array,
    tanh_c: Array,
    dc: Array,
    dh: Array,
    dc_prev: Array,
    dgates: Array,
    workspace: Workspace,
) -> None:
    """dc_prev, and dgates: the gradient of what went into the gates, from those of c and h.

    With q = dc + dh o (1 - tanh_c^2): dc_prev = q cont f; dgates = q g i (1 - i), q cont c_prev f (1 - f),
    dh tanh_c o (1 - o), q i (1 - g^2).  dc_prev may be dc.
    """


# --- the greater of two: eltwise.py -------------------------------------------------------------
# All arrays have one shape; won: uint8.


def max_forward(a: Array, b: Array, y: Array, won: Array) -> None:
    """y = a and won = 1 where a > b, else y = b and won = 0.  y may be a or b."""


def max_backward(dy: Array, won: Array, da: Array, db: Array) -> None:
    """da = dy and db = 0 where won is 1, else da = 0 and db = dy.  Either may be dy."""


# --- the greatest values: ranking.py ----------------------------------------------------------


def last_maximum(x: Array, axis: int, place: Array, workspace: Workspace) -> None:
    """place = the last place along the axis where x is greatest.  NaN counts as greater than any number.

    place: int64, the shape of x without the axis, which has at least one place.
    """


def rank_lines(lines: Array, index: Array, workspace: Workspace) -> None:
    """index[r] = the places of the k greatest values of lines[r], greatest first, of equals the first one first.

    NaN counts as greater than any number.  lines: (R, K), K >= k.  index: (R, k), int64.
    """


# --- softmax and what reads labels: softmax.py, softmax_loss.py, infogain_loss.py, accuracy.py --
# label: float array of N x spatial values in C order, read towards zero; ignore: an int or None.
# A position is one place along all axes but `axis`; positions are numbered as the labels lie.


def softmax_forward(x: Array, axis: int, y: Array, workspace: Workspace) -> None:
    """y = e^(x - max) / sum of e^(x - max), along axis.  y may be x."""


def softmax_backward(y: Array, dy: Array, axis: int, dx: Array, workspace: Workspace) -> None:
    """dx = y * (dy - sum of dy * y along axis).  dx may be dy."""


def find_bad_label(label: Array, classes: int, ignore: int | None) -> int:
    """The flat position of the first label outside 0 ... classes - 1 (NaN too) that is not ignored, or -1."""


def log_loss_forward(
    prob: Array, label: Array, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple:
    """(sum of -log max(prob[label], smallest), number of positions not ignored).

    Labels must have been checked. Both come as 0-d arrays or numbers of the device, not transferred.
    """


def softmax_loss_backward(prob: Array, label: Array, axis: int, ignore: int | None, scale: Array, dx: Array) -> None:
    """dx = scale * (prob - (1 at the label)), 0 at ignored positions.  scale: 0-d.  dx must not be prob."""


def infogain_loss_forward(
    prob: Array, label: Array, matrix: Array, axis: int, ignore: int | None, smallest: float, workspace: Workspace
) -> tuple:
    """As log_loss_forward, of the sum of -matrix[label, k] * log max(prob[k], smallest) over the classes k.

    matrix: (K, K) for K classes.
    """


def infogain_loss_backward(
    prob: Array,
    label: Array,
    matrix: Array,
    axis: int,
    ignore: int | None,
    scale: Array,
    dx: Array,
    workspace: Workspace,
) -> None:
    """dx[k] = scale * (prob[k] * (sum of matrix[label]) - matrix[label, k]), 0 at ignored positions.  scale: 0-d."""


def accuracy_forward(
    x: Array, label: Array, axis: int, top_k: int, ignore: int | None, correct: Array, valid: Array
) -> None:
    """correct = 1 where fewer than top_k other classes score at least as much as the label's, else 0.

    valid: 0 where the label is ignored (correct is 0 there too), else 1.
    correct, valid: uint8, one value a position, label's shape.
    """


# --- random masks: dropout.py ---------------------------------------------------------------------

# A step of the generator's counter makes four numbers of 64 bits, which are eight of 32.
VALUES_PER_STEP = 8


def dropout_mask(key: int, limit: int, mask: Array) -> None:
    """mask = 0 with probability limit / 2^32, else 1, in uint8.

    Value i, as they lie in memory, is 1 where half-word i of NumPy's Philox(key=key) is at least limit.
    """


# --- solver: update.py ------------------------------------------------------------------------


def regularize(diff: Array, data: Array, scale: float, decay: float, kind: str) -> None:
    """diff = scale * diff + decay * (data if kind is "L2", sign(data) if "L1").  Flat arrays."""


# What follows turns the gradient g in diff into the update u, leaves that in diff, and takes it off data. Flat arrays.


def sgd_update(data: Array, diff: Array, history: Array, rate: float, momentum: float) -> None:
    """history = momentum * history + rate * g;  u = history."""


def nesterov_update(data: Array, diff: Array, history: Array, rate: float, momentum: float) -> None:
    """before = history;  history = momentum * history + rate * g;  u = (1 + momentum) * history - momentum * before."""


def adagrad_update(data: Array, diff: Array, history: Array, rate: float, delta: float) -> None:
    """history += g^2;  u = rate * g / (sqrt(history) + delta)."""


def rmsprop_update(data: Array, diff: Array, history: Array, rate: float, rms_decay: float, delta: float) -> None:
    """history = rms_decay * history + (1 - rms_decay) * g^2;  u = rate * g / (sqrt(history) + delta)."""


def adadelta_update(
    data: Array, diff: Array, squares: Array, steps: Array, rate: float, momentum: float, delta: float
) -> None:
    """squares = momentum * squares + (1 - momentum) * g^2;  s = g * sqrt((steps + delta) / (squares + delta));

    steps = momentum * steps + (1 - momentum) * s^2;  u = rate * s.
    """


def adam_update(
    data: Array, diff: Array, m: Array, v: Array, rate: float, momentum: float, momentum2: float, delta: float
) -> None:
    """m = momentum * m + (1 - momentum) * g;  v = momentum2 * v + (1 - momentum2) * g^2;

    u = rate * m / (sqrt(v) + delta).
    """
