"""Rows of the recurrent layers.  Their batch is the second axis, the streams.

Static inputs and exposed states, whose gradients differ from case to case: tests/layers/test_recurrent.py.
"""

import math

import numpy as np
from layer_table import Case, Refusal, Row

from minicaffe.errors import GraphError, ParamError, ShapeError

T = 4  # time steps


def sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v > -700 else 0.0


def weighted(matrix, values):
    return [sum(w * v for w, v in zip(row, values, strict=True)) for row in matrix]


def unit(gates, c_prev, cont):
    """(c, h) of one cell.  gates: i, f, o, g before their activation."""
    i, f, o = map(sigmoid, gates[:3])
    c = (cont * f * c_prev if cont else 0.0) + i * math.tanh(gates[3])
    return c, o * math.tanh(c)


def added(*lists):
    return [sum(values) for values in zip(*lists, strict=True)]


def sequences(param, bottoms):
    """(x, static or None, initial states) of each stream, x as a list of (cont, values)."""
    x, cont, *rest = bottoms
    exposed = {"LSTM": 2, "RNN": 1}[param.type] if param.recurrent_param.expose_hidden else 0
    static = rest[0] if len(rest) > exposed else None
    for n in range(x.shape[1]):
        states = [state[0, n] for state in rest[len(rest) - exposed :]]
        yield (
            [(cont[t, n], x[t, n].ravel()) for t in range(len(x))],
            None if static is None else static[n].ravel(),
            states,
        )


def recurrent(step, states):
    """A reference: step(blobs, a function for W_x x + b + W_static static, cont, the states) gives (output, states)."""

    def reference(param, bottoms, blobs):
        steps, streams, size = len(bottoms[0]), bottoms[0].shape[1], param.recurrent_param.num_output
        out = np.zeros((steps, streams, size))
        last = np.zeros((states, 1, streams, size))
        w_x, b, *others = blobs
        for n, (sequence, static, now) in enumerate(sequences(param, bottoms)):
            w_static = [] if static is None else others[:1]
            now = now or [np.zeros(size)] * states
            for t, (cont, x) in enumerate(sequence):
                given = added(weighted(w_x, x), b, *(weighted(w, static) for w in w_static))
                out[t, n], now = step(others[len(w_static) :], given, cont, now)
            last[:, 0, n] = now
        return [out, *last] if param.recurrent_param.expose_hidden else [out]

    return reference


def lstm_step(blobs, given, cont, states):
    h, c = states
    gates = added(given, weighted(blobs[0], [cont * v for v in h]))
    cells = [unit(gates[d :: len(c)], c[d], cont) for d in range(len(c))]
    c, h = ([cell[k] for cell in cells] for k in (0, 1))
    return h, [h, c]


def rnn_step(blobs, given, cont, states):
    w_hh, w_ho, b_o = blobs
    h = [math.tanh(v) for v in added(given, weighted(w_hh, [cont * v for v in states[0]]))]
    return [math.tanh(v) for v in added(weighted(w_ho, h), b_o)], [h]


def lstm_unit(param, bottoms, blobs):
    c_prev, gates, cont = bottoms
    size = c_prev.shape[2]
    made = np.zeros((2, *c_prev.shape))
    for _, n, d in np.ndindex(*c_prev.shape):
        made[:, 0, n, d] = unit(gates[0, n, d::size], c_prev[0, n, d], cont[0, n])
    return list(made)


def ragged(rng, n):
    """cont of n streams: each begins somewhere, and one step is weighted."""
    cont = np.ones((T, n))
    cont[rng.integers(0, T, n), range(n)] = 0
    cont[-1, :1] = 0.5
    return cont


def x_and_cont(*shape):
    return lambda rng, n: (rng.normal(size=(T, n, *shape)), ragged(rng, n))


def small(rng, shapes):
    """Weights with which no tanh is flat, so that gradients can be compared."""
    return [rng.normal(scale=0.5, size=shape) for shape in shapes]


RECURRENT = (
    Case("recurrent_param { num_output: 3 }", x_and_cont(5), blobs=small),
    # Rows of more axes, which may lie in memory with the time innermost.
    Case("recurrent_param { num_output: 2 }", x_and_cont(2, 3), blobs=small),
    Case(
        "recurrent_param { num_output: 1 }", lambda rng, n: (rng.normal(size=(1, n, 2)), np.ones((1, n))), blobs=small
    ),
    Case(
        "recurrent_param { num_output: 3 }", lambda rng, n: (rng.normal(size=(T, n, 1)), np.zeros((T, n))), blobs=small
    ),
)


def refusals(states):
    """What LSTM and RNN refuse; states: how many they have."""
    two, exposed = "recurrent_param { num_output: 2 }", "recurrent_param { num_output: 2 expose_hidden: true }"
    x, cont, state = (3, 2, 4), (3, 2), (1, 2, 2)

    def feed(*shapes):
        return lambda run: run.feed(*(np.zeros(shape) for shape in shapes)).forward()

    def bottoms_and_states(last):
        return [x, cont, *[state] * (states - 1), last]

    return (
        Refusal("", [x, cont], ParamError, "recurrent_param.num_output", ("is 0 or absent", "1 or more")),
        Refusal(two, [x], GraphError, "", (f"at least {2} bottom blob(s)", "it has 1")),
        Refusal(two, [x, cont, (2, 1), (2, 1)], GraphError, "", ("at most 3 bottom blob(s)", "it has 4")),
        Refusal(two, [x, cont], GraphError, "", ("1 top blob(s)", "it has 2"), tops=2),
        Refusal(
            exposed, [x, cont], GraphError, "", (f"at least {2 + states} bottom blob(s)", "it has 2"), tops=1 + states
        ),
        Refusal(exposed, bottoms_and_states(state), GraphError, "", (f"{1 + states} top blob(s)", "it has 1")),
        Refusal(two, [(3,), cont], ShapeError, "", ("bottom[0] is 3 (3)", "3 axes or more")),
        Refusal(two, [(3, 2), cont], ShapeError, "", ("bottom[0] is 3 2 (6)", "3 axes or more")),
        Refusal(two, [(0, 2, 4), (0, 2)], ShapeError, "", ("bottom[0] is 0 2 4 (0)", "one time step or more")),
        Refusal(two, [x, (3, 2, 1)], ShapeError, "", ("bottom[1] is 3 2 1 (6)", "must be 3 2 (6)")),
        Refusal(two, [x, (2, 2)], ShapeError, "", ("bottom[1] is 2 2 (4)", "must be 3 2 (6)")),
        Refusal(two, [x, (3, 1)], ShapeError, "", ("bottom[1] is 3 1 (3)", "must be 3 2 (6)")),
        Refusal(two, [x, cont, ()], ShapeError, "", ("bottom[2] is (1)", "2 axes or more, the first of size 2")),
        Refusal(two, [x, cont, (2,)], ShapeError, "", ("bottom[2] is 2 (2)", "2 axes or more, the first of size 2")),
        Refusal(
            two, [x, cont, (3, 4)], ShapeError, "", ("bottom[2] is 3 4 (12)", "2 axes or more, the first of size 2")
        ),
        Refusal(
            exposed,
            bottoms_and_states((1, 2, 3)),
            ShapeError,
            "",
            (f"bottom[{1 + states}] is 1 2 3 (6)", "must be 1 2 2 (4)"),
            tops=1 + states,
        ),
        Refusal(two, [x, cont], ShapeError, "", ("4 time steps", "must be 3"), act=feed((4, 2, 4), (4, 2))),
        Refusal(two, [x, cont], ShapeError, "", ("bottom[0] has 5 values", "must have 4"), act=feed((3, 2, 5), cont)),
        Refusal(two, [x, cont, (2, 6)], ShapeError, "", ("bottom[2] has 7", "must have 6"), act=feed(x, cont, (2, 7))),
        Refusal(
            two,
            [x, cont],
            GraphError,
            "propagate_down",
            ("bottom[1]", "continuation indicators"),
            act=lambda run: run.forward().backward([True, True]),
        ),
    )


UNIT = [(1, 3, 2), (1, 3, 8), (1, 3)]


def unit_with(index, shape):
    return [shape if k == index else usual for k, usual in enumerate(UNIT)]


ROWS = {
    "LSTM": Row(cases=RECURRENT, reference=recurrent(lstm_step, 2), refused=refusals(2)),
    "RNN": Row(cases=RECURRENT, reference=recurrent(rnn_step, 1), refused=refusals(1)),
    "LSTMUnit": Row(
        cases=(
            Case(
                bottoms=lambda rng, n: (
                    *(rng.normal(size=(1, n, d)) for d in (3, 12)),
                    np.resize([1.0, 0.0, 0.5, 1.0, 2.0], (1, n)),
                ),
                tops=2,
            ),
            Case(bottoms=lambda rng, n: (*(rng.normal(size=(1, n, d)) for d in (1, 4)), np.zeros((1, n))), tops=2),
        ),
        reference=lstm_unit,
        gradient=(0, 1),
        refused=(
            Refusal("", UNIT[:2], GraphError, "", ("3 bottom blob(s)", "it has 2"), tops=2),
            Refusal("", UNIT, GraphError, "", ("2 top blob(s)", "it has 1")),
            Refusal("", unit_with(0, (1, 6)), ShapeError, "", ("bottom[0] is 1 6 (6)", "must have 3 axes"), tops=2),
            Refusal("", unit_with(0, (2, 3, 2)), ShapeError, "", ("bottom[0] is 2 3 2 (12)", "of size 1"), tops=2),
            Refusal(
                "", unit_with(1, (1, 24)), ShapeError, "", ("bottom[1] is 1 24 (24)", "must be 1 3 8 (24)"), tops=2
            ),
            Refusal("", unit_with(1, (1, 2, 8)), ShapeError, "", ("bottom[1] is 1 2 8 (16)", "must be 1 3 8"), tops=2),
            Refusal("", unit_with(1, (1, 3, 6)), ShapeError, "", ("bottom[1] is 1 3 6 (18)", "must be 1 3 8"), tops=2),
            Refusal("", unit_with(2, (1, 3, 1)), ShapeError, "", ("bottom[2] is 1 3 1 (3)", "must be 1 3 (3)"), tops=2),
            Refusal("", unit_with(2, (1, 2)), ShapeError, "", ("bottom[2] is 1 2 (2)", "must be 1 3 (3)"), tops=2),
            Refusal("", unit_with(2, (3, 1)), ShapeError, "", ("bottom[2] is 3 1 (3)", "must be 1 3 (3)"), tops=2),
            Refusal(
                "",
                UNIT,
                GraphError,
                "propagate_down",
                ("bottom[2]", "continuation indicators"),
                act=lambda run: run.forward().backward([True, True, True]),
                tops=2,
            ),
        ),
    ),
}
