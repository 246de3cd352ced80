"""debug_info: the lines of Caffe, with the numbers they stand for."""

import re

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net, set_blobs

from minicaffe import log

TEXT = (
    "debug_info: true "
    + inputs("x", shape=(2, 5))
    + inner_product("ip", "x", "y", 4, "param { name: 'shared' }")
    + layer("r", "ReLU", "y", "y")
    + layer("s", "TestSumOfSquares", "y", "s", "loss_weight: 1")
)


def mean(array):
    return f"{np.abs(array).mean():g}"


def of(lines, side):
    return [line for line in lines if f"[{side}]" in line]


def equal(lines, expected):
    """The same words, and numbers that agree to five digits: they are rounded sums."""
    pattern = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?|nan")
    assert [pattern.sub("#", line) for line in lines] == [pattern.sub("#", line) for line in expected]
    for line, wanted in zip(lines, expected, strict=True):
        found, numbers = (np.array(pattern.findall(text), float) for text in (line, wanted))
        np.testing.assert_allclose(found, numbers, rtol=2e-5, err_msg=line)


def test_the_lines_of_forward(rng, logged):
    net = make_net(TEXT)
    x = set_blobs(net, rng)["x"]
    logged()
    net.run_forward()
    weight, bias = (blob.data for blob in net.params["ip"])
    y = x @ weight.T + bias
    equal(
        of(logged(), "Forward"),
        [
            f"    [Forward] Layer x, top blob x data: {mean(x)}",
            f"    [Forward] Layer ip, top blob y data: {mean(y)}",
            f"    [Forward] Layer ip, param blob shared data: {mean(weight)}",
            f"    [Forward] Layer ip, param blob 1 data: {mean(bias)}",
            f"    [Forward] Layer r, top blob y data: {mean(np.maximum(y, 0))}",
            f"    [Forward] Layer s, top blob s data: {(np.maximum(y, 0) ** 2).sum():g}",
        ],
    )


def test_the_lines_of_backward(rng, logged):
    net = make_net(TEXT)
    x = set_blobs(net, rng)["x"]
    net.run_forward()
    logged()
    net.run_backward()
    weight, bias = net.params["ip"]
    dy = 2 * np.maximum(x @ weight.data.T, 0)
    data, diff = (np.concatenate([getattr(b, what).ravel() for b in (weight, bias)]) for what in ("data", "diff"))
    l1, l2 = (f"({n(data):g}, {n(diff):g})" for n in (lambda v: np.abs(v).sum(), np.linalg.norm))
    equal(
        of(logged(), "Backward"),
        [
            # One blob: what ReLU leaves is what its own line says, too.
            f"    [Backward] Layer s, bottom blob y diff: {mean(dy)}",
            f"    [Backward] Layer r, bottom blob y diff: {mean(dy)}",
            f"    [Backward] Layer ip, param blob 0 diff: {mean(dy.T @ x)}",
            f"    [Backward] Layer ip, param blob 1 diff: {mean(dy.sum(0))}",
            f"    [Backward] All net params (data, diff): L1 norm = {l1}; L2 norm = {l2}",
        ],
    )


def test_the_sum_over_all_parameters_is_an_error_line(capsys, rng):
    net = make_net(TEXT)
    net.run_forward()
    capsys.readouterr()
    before = log.set_level(log.ERROR)
    net.run_backward()
    log.set_level(before)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("E") and "All net params" in lines[0]


def test_a_part_of_backward_has_no_sum(logged):
    net = make_net(TEXT)
    net.run_forward()
    logged()
    net.run_backward(end=1)
    assert of(logged(), "Backward")[-1].startswith("    [Backward] Layer ip, param blob 1")


def test_only_what_is_wanted_has_a_line(logged, rng):
    net = make_net(TEXT.replace("name: 'shared'", "lr_mult: 0"))
    net.run_forward()
    logged()
    net.run_backward()
    assert not any("param blob 0" in line for line in of(logged(), "Backward"))


def test_it_can_be_switched(logged):
    net = make_net(TEXT)
    net.debug_info = False
    logged()
    net.run_forward()
    assert logged() == []
    net.debug_info = True
    net.run_forward()
    assert len(logged()) == 6


@pytest.mark.parametrize("shape", [(0, 5)])
def test_an_empty_blob_has_no_mean(logged, shape):
    net = make_net("debug_info: true " + inputs("x", shape=shape) + layer("r", "TestPower", "x", "y"))
    logged()
    net.run_forward()
    assert logged()[0] == "    [Forward] Layer x, top blob x data: nan"


def test_on_a_gpu_too(fake_gpu, logged, rng):
    net = make_net(TEXT)
    set_blobs(net, rng)
    logged()
    net.run_forward()
    net.run_backward()
    lines = logged()
    assert len(of(lines, "Forward")) == 6 and len(of(lines, "Backward")) == 5
