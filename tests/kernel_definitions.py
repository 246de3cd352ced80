"""A third twin of backend/kernels.py: every kernel by its definition, one number at a time, on NumPy arrays.

Nothing here is fast, and nothing here shares code with the other two: it is what they are compared with.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from kernel_definitions_eltwise import max_backward, max_forward  # noqa: F401
from kernel_definitions_lrn import lrn_backward, lrn_forward  # noqa: F401
from kernel_definitions_lstm_unit import lstm_unit_backward, lstm_unit_forward  # noqa: F401
from kernel_definitions_ranking import last_maximum, rank_lines  # noqa: F401
from kernel_definitions_reduce import sum_to  # noqa: F401
from kernel_definitions_rows import add_rows, find_bad_row, take_rows  # noqa: F401

from minicaffe.backend.kernels import LOWEST


def places(*sizes):
    return itertools.product(*map(range, sizes))


def taps(window, image, o):
    """(tap, pixel) for each tap of the window at output `o` that lies on the image, row by row."""
    for t, j in enumerate(places(*window.kernel)):
        axes = zip(o, window.stride, window.pad, j, window.dilation, strict=True)
        pixel = tuple(oo * s - p + jj * d for oo, s, p, jj, d in axes)
        if all(0 <= i < size for i, size in zip(pixel, image, strict=True)):
            yield t, pixel


def elementwise(formula, arrays, out, numbers):
    results = formula(np, *(np.broadcast_to(array, out[0].shape) for array in arrays), **numbers)
    for target, result in zip(out, results, strict=True):
        target[...] = result


def dropout_mask(key, limit, mask):
    """A number at a time, from NumPy's generator: both halves of its words, the lower one first."""
    words = iter(np.random.Philox(key=key).random_raw(mask.size // 2 + 1))
    halves = (half for word in words for half in (int(word) & 0xFFFFFFFF, int(word) >> 32))
    drawn = [half >= limit for half in itertools.islice(halves, mask.size)]
    mask[...] = np.reshape(drawn, mask.shape)


def matmul(a, b, out):
    for i, j in places(*out.shape):
        out[i, j] = sum(a[i, k] * b[k, j] for k in range(len(b)))


# --- im2col.py, conv.py -----------------------------------------------------------------------


def im2col(x, window, col, workspace):
    col[...] = 0
    for n, c, *o in places(*x.shape[:2], *col.shape[2:]):
        for t, pixel in taps(window, x.shape[2:], o):
            col[(n, c * window.taps + t, *o)] = x[(n, c, *pixel)]


def col2im(col, window, x, workspace):
    x[...] = 0
    for n, c, *o in places(*x.shape[:2], *col.shape[2:]):
        for t, pixel in taps(window, x.shape[2:], o):
            x[(n, c, *pixel)] += col[(n, c * window.taps + t, *o)]


def products(x, weight, y, window, group):
    """Index triples (into y, weight, x) of all products that a convolution sums."""
    filters, channels = weight.shape[0] // group, weight.shape[1]
    for n, f, *o in places(*y.shape):
        for t, pixel in taps(window, x.shape[2:], o):
            j = np.unravel_index(t, window.kernel) if window.kernel else ()
            for c in range(channels):
                yield (n, f, *o), (f, c, *j), (n, f // filters * channels + c, *pixel)


def conv_forward(x, weight, bias, y, window, group, workspace):
    y[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(window.kernel))
    for at_y, at_w, at_x in products(x, weight, y, window, group):
        y[at_y] += weight[at_w] * x[at_x]


def conv_backward_data(dy, weight, dx, window, group, workspace):
    dx[...] = 0
    for at_y, at_w, at_x in products(dx, weight, dy, window, group):
        dx[at_x] += weight[at_w] * dy[at_y]


def conv_backward_weight(x, dy, dweight, dbias, window, group, workspace):
    for at_y, at_w, at_x in products(x, dweight, dy, window, group):
        dweight[at_w] += x[at_x] * dy[at_y]
    if dbias is not None:
        sum_to_channels(dy, dbias, workspace)


def add_bias(y, bias):
    for at in places(*y.shape):
        y[at] += bias[at[1]]


def sum_to_channels(dy, dbias, workspace):
    for at in places(*dy.shape):
        dbias[at[1]] += dy[at]


# --- pooling.py -------------------------------------------------------------------------------


def max_pool_forward(x, window, y, winner, workspace):
    for n, c, *o in places(*y.shape):
        best, won = LOWEST, 0
        for t, pixel in taps(window, x.shape[2:], o):
            if x[(n, c, *pixel)] > best:
                best, won = x[(n, c, *pixel)], t + 1
        y[(n, c, *o)], winner[(n, c, *o)] = best, won


def max_pool_values(x, window, y, workspace):
    max_pool_forward(x, window, y, np.zeros(y.shape), workspace)


def winning_pixel(window, o, won):
    j = np.unravel_index(int(won) - 1, window.kernel)
    return tuple(oo * s - p + jj for oo, s, p, jj in zip(o, window.stride, window.pad, j, strict=True))


def max_pool_index(winner, window, image, index):
    for n, c, *o in places(*winner.shape):
        won = winner[(n, c, *o)]
        h, w = winning_pixel(window, o, won) if won else (0, -1)
        index[(n, c, *o)] = h * image[1] + w


def max_pool_backward(dy, winner, window, dx, workspace):
    dx[...] = 0
    for n, c, *o in places(*dy.shape):
        won = winner[(n, c, *o)]
        if won:
            dx[(n, c, *winning_pixel(window, o, won))] += dy[(n, c, *o)]


def max_pool_backward_index(dy, index, dx):
    dx[...] = 0
    for at in places(*dy.shape):
        if index[at] >= 0:
            dx[at[:2]].reshape(-1)[int(index[at])] += dy[at]


def area(window, image, o):
    """As pooling_layer.cpp: the window is cut where the padding ends."""
    sides = []
    for oo, k, s, p, i in zip(o, window.kernel, window.stride, window.pad, image, strict=True):
        start = oo * s - p
        sides.append(min(start + k, i + p) - start)
    return math.prod(sides)


def average_pool_forward(x, window, y, workspace):
    for n, c, *o in places(*y.shape):
        total = sum(x[(n, c, *pixel)] for _, pixel in taps(window, x.shape[2:], o))
        cells = area(window, x.shape[2:], o)
        y[(n, c, *o)] = total / cells if cells else math.nan


def average_pool_backward(dy, window, dx, workspace):
    dx[...] = 0
    for n, c, *o in places(*dy.shape):
        for _, pixel in taps(window, dx.shape[2:], o):
            dx[(n, c, *pixel)] += dy[(n, c, *o)] / area(window, dx.shape[2:], o)


def stochastic_pool_forward(x, window, uniform, y, winner):
    for n, c, *o in places(*y.shape):
        found = [(t, x[(n, c, *pixel)]) for t, pixel in taps(window, x.shape[2:], o)]
        threshold = uniform[(n, c, *o)] * sum((value for _, value in found), x.dtype.type(0))
        running, at = x.dtype.type(0), (n, c, *o)
        y[at], winner[at] = 0, 0
        for t, value in found:
            running += value
            y[at], winner[at] = value, t + 1
            if running >= threshold:
                break


def stochastic_pool_test(x, window, y, workspace):
    for n, c, *o in places(*y.shape):
        found = [x[(n, c, *pixel)] for _, pixel in taps(window, x.shape[2:], o)]
        total = sum(found)
        y[(n, c, *o)] = sum(value * value for value in found) / total if total > 0 else 0


# --- softmax.py, labels.py, softmax_loss.py, accuracy.py --------------------------------------


def lines(shape, axis):
    """(number, index with a slice along `axis`) of every position."""
    around = (*shape[:axis], *shape[axis + 1 :])
    for number, at in enumerate(places(*around)):
        yield number, (*at[:axis], slice(None), *at[axis:])


def softmax_forward(x, axis, y, workspace):
    for _, at in lines(x.shape, axis):
        powers = [math.exp(value - max(x[at])) for value in x[at]]
        y[at] = [power / sum(powers) for power in powers]


def softmax_backward(y, dy, axis, dx, workspace):
    for _, at in lines(y.shape, axis):
        dot = sum(a * b for a, b in zip(y[at], dy[at], strict=True))
        dx[at] = [a * (b - dot) for a, b in zip(y[at], dy[at], strict=True)]


def find_bad_label(label, classes, ignore):
    for number, value in enumerate(label.flat):
        finite = math.isfinite(value)
        if not (finite and (0 <= int(value) < classes or int(value) == ignore)):
            return number
    return -1


def log_loss_forward(prob, label, axis, ignore, smallest, workspace):
    return infogain_loss_forward(prob, label, np.eye(prob.shape[axis]), axis, ignore, smallest, workspace)


def softmax_loss_backward(prob, label, axis, ignore, scale, dx):
    infogain_loss_backward(prob, label, np.eye(prob.shape[axis]), axis, ignore, scale, dx, None)


def infogain_loss_forward(prob, label, matrix, axis, ignore, smallest, workspace):
    """Classes of weight 0 are left out, whatever their probability."""
    loss, valid = 0.0, 0
    for number, at in lines(prob.shape, axis):
        true = int(label.flat[number])
        if true != ignore:
            weighed = [(h, p) for h, p in zip(matrix[true], prob[at], strict=True) if h]
            loss -= sum(h * math.log(p if p != p else max(p, smallest)) for h, p in weighed)
            valid += 1
    return loss, valid


def infogain_loss_backward(prob, label, matrix, axis, ignore, scale, dx, workspace):
    for number, at in lines(prob.shape, axis):
        true = int(label.flat[number])
        row = matrix[true % len(matrix)]
        slopes = [p * sum(row) - h for h, p in zip(row, prob[at], strict=True)]
        dx[at] = 0 if true == ignore else np.multiply(slopes, scale)


def accuracy_forward(x, label, axis, top_k, ignore, correct, valid):
    for number, at in lines(x.shape, axis):
        true = int(label.flat[number])
        counts = true != ignore
        better = sum(k != true and value >= x[at][true] for k, value in enumerate(x[at])) if counts else 0
        correct.flat[number], valid.flat[number] = counts and better < top_k, counts


# --- update.py --------------------------------------------------------------------------------


def regularize(diff, data, scale, decay, kind):
    for i, value in enumerate(data):
        pull = value if kind == "L2" else int(value > 0) - int(value < 0)
        diff[i] = scale * diff[i] + decay * pull


def sgd_update(data, diff, history, rate, momentum):
    for i in range(len(data)):
        history[i] = momentum * history[i] + rate * diff[i]
        diff[i] = history[i]
        data[i] -= diff[i]


def nesterov_update(data, diff, history, rate, momentum):
    for i in range(len(data)):
        before = history[i]
        history[i] = momentum * before + rate * diff[i]
        step(data, diff, i, (1 + momentum) * history[i] - momentum * before)


def adagrad_update(data, diff, history, rate, delta):
    for i, g in enumerate(diff):
        history[i] += g**2
        step(data, diff, i, rate * g / (history[i] ** 0.5 + delta))


def rmsprop_update(data, diff, history, rate, rms_decay, delta):
    for i, g in enumerate(diff):
        history[i] = rms_decay * history[i] + (1 - rms_decay) * g**2
        step(data, diff, i, rate * g / (history[i] ** 0.5 + delta))


def adadelta_update(data, diff, squares, steps, rate, momentum, delta):
    for i, g in enumerate(diff):
        squares[i] = momentum * squares[i] + (1 - momentum) * g**2
        s = g * ((steps[i] + delta) / (squares[i] + delta)) ** 0.5
        steps[i] = momentum * steps[i] + (1 - momentum) * s**2
        step(data, diff, i, rate * s)


def adam_update(data, diff, m, v, rate, momentum, momentum2, delta):
    for i, g in enumerate(diff):
        m[i] = momentum * m[i] + (1 - momentum) * g
        v[i] = momentum2 * v[i] + (1 - momentum2) * g**2
        step(data, diff, i, rate * m[i] / (v[i] ** 0.5 + delta))


def step(data, diff, i, update):
    diff[i] = update
    data[i] -= update
