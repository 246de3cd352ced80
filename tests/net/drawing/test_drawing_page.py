"""Nets in a notebook: pictures of what has been built, of a NetSpec, and of a solver's net."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from net_kit import inner_product, inputs, layer, make_net

import minicaffe as caffe
from minicaffe.net.drawing.page import as_built
from minicaffe.net_spec import NetSpec, layers as L

EXAMPLES = Path(__file__).parents[3] / "examples"


def texts(svg):
    """What is written, and nothing but a picture: it begins with its tag, to stand in a page."""
    assert svg.startswith("<svg ")
    return [tag.text for tag in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(scope="module")
def lenet():
    return caffe.Net(str(EXAMPLES / "mnist" / "lenet.prototxt"), caffe.TEST)


def test_a_net_shows_shapes_and_parameters(lenet):
    shown = texts(lenet._repr_svg_())
    assert {"64x1x28x28", "64x20x24x24", "64x500", "kernel 5, stride 1, pad 0, 25,050 parameters"} <= set(shown)
    assert {"400,500 parameters", "5,010 parameters", "relu1 (ReLU)", "prob (Softmax)"} <= set(shown)
    # From top to bottom, and no labels at the arrows beside the shapes.
    width, height = (float(ElementTree.fromstring(lenet._repr_svg_()).get(side)) for side in ("width", "height"))
    assert height > 3 * width and "20" not in shown
    assert repr(lenet) == "<Net LeNet, TEST: 9 layers>"


def test_as_png(lenet):
    png = lenet._repr_png_()
    assert isinstance(png, bytes) and png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert height > 3 * width


def test_what_is_reshaped_is_shown_as_it_is_now():
    net = make_net(inputs("data", shape=(2, 3)) + inner_product("ip", "data", "ip", 4))
    assert {"2x3", "2x4", "16 parameters"} <= set(texts(net._repr_svg_()))
    net.blobs["data"].reshape(7, 3)
    net.reshape()
    assert {"7x3", "7x4"} <= set(texts(net._repr_svg_()))


def test_inserted_splits_are_not_shown_and_shared_parameters_are_said_to_be():
    shared = 'param { name: "w" } param { name: "b" }'
    net = make_net(
        inputs("data", shape=(2, 3))
        + layer("one", "InnerProduct", "data", "one", f"{shared} inner_product_param {{ num_output: 4 }}")
        + layer("two", "InnerProduct", "data", "two", f"{shared} inner_product_param {{ num_output: 4 }}")
        + layer("mine_split", "Split", "one", "a b")
        + layer("sum", "Eltwise", "a b two", "sum")
        + layer("bare", "Bias", "sum", "bare", "bias_param { axis: 0 num_axes: 0 }")
    )
    assert "Split" in [made.type for made in net.layers]
    source, built = as_built(net.graph)
    assert [message.name for message in source.param.layer][-5:] == ["one", "two", "mine_split", "sum", "bare"]
    assert list(source.param.layer[-4].bottom) == ["data"]
    assert list(built.notes)[-5:] == ["16 parameters", "shares 16 parameters", "", "", "1 parameter"]
    shown = texts(net._repr_svg_())
    assert "shares 16 parameters" in shown and not any("data_split" in text for text in shown)


def test_a_net_of_a_phase_is_not_marked_as_such(tmp_path):
    rules = layer("in_test", "ReLU", "data", "r", "exclude { phase: TEST not_stage: 'x' stage: 'x' }")
    net = make_net(inputs("data", shape=()) + rules, phase=caffe.TEST)
    shown = texts(net._repr_svg_())
    assert "in_test (ReLU)" in shown and "scalar" in shown and not any("only" in text for text in shown)


def test_a_net_spec_shows_its_net():
    n = NetSpec()
    assert n._repr_svg_() is None and n._repr_png_() is None
    n.data = L.Input(shape={"dim": [1, 3, 40, 40]})
    n.conv1 = L.Convolution(n.data, num_output=4, kernel_size=5)
    shown = texts(n._repr_svg_())
    assert "conv1 (Convolution)" in shown and "1x3x40x40" in shown
    assert n._repr_png_().startswith(b"\x89PNG")
    # IPython asks whether an object answers to anything at all: it must not.
    assert getattr(n, "_ipython_canary_method_should_not_exist_", None) is None
    with pytest.raises(KeyError, match="pool1 was never assigned"):
        n.pool1  # noqa: B018
    n.pair = L.Slice(n.conv1, ntop=2)
    assert n._repr_svg_() is None


def test_a_solver_shows_its_net(tmp_path):
    net = tmp_path / "net.prototxt"
    text = inputs("x", shape=(2, 3)) + inner_product("ip", "x", "ip", 4) + layer("l", "EuclideanLoss", "ip ip", "l")
    net.write_text(f'name: "a<b" {text}')
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 snapshot_prefix: "{tmp_path}/s"')
    made = caffe.SGDSolver(str(solver))
    made.step(2)
    assert repr(made) == "<SGDSolver of a<b: iteration 2 of 9>"
    assert made._repr_html_().startswith("<p>SGDSolver of a&lt;b: iteration 2 of 9</p>\n<svg ")
