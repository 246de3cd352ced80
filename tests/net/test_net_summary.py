"""net.summary(): the table of a net that is there, as text, as numbers and as HTML."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from net_kit import inner_product, inputs, make_net

import minicaffe as caffe
from minicaffe.backend.memory import HEAD_AT_DEVICE
from minicaffe.blob import DATA

LENET = Path(__file__).parents[2] / "examples" / "mnist" / "lenet.prototxt"
CONV1 = "conv1  Convolution   64x20x24x24         520     18,432,000    2.8 MiB    2.8 MiB      0.25"


@pytest.fixture
def lenet():
    net = caffe.Net(str(LENET), caffe.TEST)
    for blobs in net.params.values():
        blobs[0].data[...], blobs[1].data[...] = -0.25, 0.25
    return net


def test_lenet_as_it_is_built(lenet):
    summary = lenet.summary()
    assert (summary.name, summary.parameters, summary.learned) == ("LeNet", 431080, 431080)
    assert summary.multiply_adds == 64 * (24 * 24 * 20 * 25 + 8 * 8 * 50 * 500 + 800 * 500 + 500 * 10)
    # Of the tops that are memory of their own: all but relu1, which works in place.
    image = 28 * 28 + 20 * 24 * 24 + 20 * 12 * 12 + 50 * 8 * 8 + 50 * 4 * 4 + 500 + 10 + 10
    assert summary.forward == summary.backward == 4 * 64 * image
    assert [row.parameters for row in summary.rows if row.parameters] == [520, 25050, 400500, 5010]
    text = str(summary).splitlines()
    assert text[0] == "LeNet, TEST" and text[5] == CONV1
    assert repr(summary) == str(summary)
    assert text[-1] == "mean |w|       of the weights at hand; - where a layer has none"


def test_new_shapes_after_a_reshape(lenet):
    lenet.forward()
    before = lenet.summary()
    lenet.blobs["data"].reshape(1, 1, 28, 28)
    lenet.reshape()
    after = lenet.summary()
    assert {row.name: row.shapes for row in after.rows}["conv1"] == ((1, 20, 24, 24),)
    assert after.forward == before.forward / 64 and after.multiply_adds == before.multiply_adds / 64
    assert after.parameters == before.parameters
    assert "1x20x24x24" in str(after) and "64x20x24x24" not in str(after)


def test_values_are_those_of_the_moment():
    net = make_net(inputs("x", shape=(2, 3)) + inner_product("ip", "x", "ip", 4))
    net.params["ip"][0].data[...] = np.arange(12).reshape(4, 3)
    net.params["ip"][1].data[...] = -1
    assert {row.name: row.magnitude for row in net.summary().rows} == {"x": None, "ip": (66 + 4) / 16}


def test_looking_moves_nothing(fake_gpu):
    net = make_net(inputs("x", shape=(2, 3)) + inner_product("ip", "x", "ip", 4))
    weight = net.graph.layers[1].blobs[0].storage(DATA)
    net.params["ip"][0].data[...] = 2
    for run in (lambda: None, net.forward):
        run()
        state = weight.state
        assert net.summary().rows[1].magnitude is not None
        assert weight.state == state
    assert weight.state == HEAD_AT_DEVICE


def test_as_a_table_of_html(lenet):
    html = lenet.summary()._repr_html_()
    page = ElementTree.fromstring(f"<div>{html}</div>")
    assert page.find("table/caption").text == "LeNet, TEST"
    head = [cell.text for cell in page.find("table/thead/tr")]
    assert head[:4] == ["layer", "type", "output", "parameters"] and head[-1] == "mean |w|"
    rows = [[cell.text for cell in row] for row in page.find("table/tbody")]
    assert rows[5][:4] == ["ip1", "InnerProduct", "64x500", "400,500"] and len(rows) == 9
    assert page.find("table/tfoot/tr")[3].text == "431,080"
    assert page.find("pre").text.startswith("parameters     431,080, 1.6 MiB; learned: 431,080\n")


def test_names_do_not_break_the_table():
    net = make_net(inputs("<b>&", shape=(2, 3)))
    assert "&lt;b&gt;&amp;" in net.summary()._repr_html_()
