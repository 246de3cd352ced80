"""caffe.draw: what pycaffe writes at nodes and edges, pictures of every net, and text for Graphviz."""

import io
import os
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from PIL import Image

import minicaffe as caffe
from minicaffe import draw
from minicaffe.errors import FileError, GraphError, MinicaffeError, ParamError
from minicaffe.proto import caffe_pb2

EXAMPLES = Path(__file__).parents[1] / "examples"
LENET = EXAMPLES / "mnist" / "lenet_train_test.prototxt"


def parse(text):
    return text_format.Merge(text, caffe_pb2.NetParameter())


def net(*layers):
    return parse("".join(f"layer {{ {layer} }}" for layer in layers))


def one(text):
    return net(f'name: "l" {text}').layer[0]


@pytest.fixture(scope="module")
def lenet():
    return parse(LENET.read_text(encoding="utf-8"))


# --- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rankdir", "label"),
    [
        ('type: "ReLU"', "LR", r'"l\n(ReLU)"'),
        ('type: "ReLU"', "TB", '"l (ReLU)"'),
        ('type: "Convolution"', "BT", '"l (Convolution) kernel size: 1 stride: 1 pad: 0"'),
        (
            'type: "Deconvolution" convolution_param { kernel_size: [3, 5] stride: 2 pad: [1, 4] }',
            "RL",
            r'"l\n(Deconvolution)\nkernel size: 3\nstride: 2\npad: 1"',
        ),
        ('type: "Pooling"', "LR", r'"l\n(Pooling MAX)\nkernel size: 0\nstride: 1\npad: 0"'),
        (
            'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }',
            "LR",
            r'"l\n(Pooling AVE)\nkernel size: 3\nstride: 2\npad: 1"',
        ),
    ],
)
def test_the_label_of_a_layer(text, rankdir, label):
    assert draw.get_layer_label(one(text), rankdir) == label


@pytest.mark.parametrize(
    ("params", "rates", "line"),
    [
        ("", (1, 1), "lr mult: 1.0, 1.0"),
        ("param { lr_mult: 0.25 }", (0.25, 1), "lr mult: 0.2, 1.0"),
        ("param { lr_mult: 3 } param { decay_mult: 0 }", (3, 1), "lr mult: 3.0, 1.0"),
        ("param { lr_mult: 0 } param { lr_mult: 0 }", (0, 0), None),
    ],
)
def test_learning_rates(params, rates, line):
    layer = one(f'type: "InnerProduct" {params}')
    assert draw.get_layer_lr_mult(layer) == rates
    expected = ["l", "(InnerProduct)", *([line] if line else [])]
    assert draw.get_layer_label(layer, "TB", display_lrm=True) == f'"{" ".join(expected)}"'
    assert "lr mult" not in draw.get_layer_label(layer, "TB")


def test_learning_rates_that_there_are_not():
    assert "lr mult" not in draw.get_layer_label(one('type: "ReLU"'), "LR", True)
    with pytest.raises(ValueError, match=r"ReLU layers do not have a learning rate multiplier.*only Convolution"):
        draw.get_layer_lr_mult(one('type: "ReLU"'))
    with pytest.raises(ValueError, match="Could not parse the learning rate multiplier: layer l has 3 param"):
        draw.get_layer_label(one('type: "Convolution" param { } param { } param { }'), "LR", True)


def test_the_labels_of_edges_and_colours():
    assert draw.get_edge_label(one('type: "Data" data_param { batch_size: 64 }')) == "Batch 64"
    assert draw.get_edge_label(one('type: "Deconvolution" convolution_param { num_output: 20 }')) == "20"
    assert draw.get_edge_label(one('type: "InnerProduct" inner_product_param { num_output: 10 }')) == "10"
    assert draw.get_edge_label(one('type: "ReLU"')) == '""'
    colors = [draw.choose_color_by_layertype(t) for t in ("Convolution", "Deconvolution", "Pooling", "InnerProduct")]
    assert colors == ["#FF5050", "#FF5050", "#FF9900", "#CC33FF"]
    assert draw.choose_color_by_layertype("Mine") == "#6495ED"
    assert draw.get_pooling_types_dict() == {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}


# --- pictures ----------------------------------------------------------------------------------

NETS = sorted(path for path in EXAMPLES.rglob("*.prototxt") if "solver" not in path.name)
MANY_LAYERS = 40


def test_every_net_of_the_examples():
    """As pycaffe's own test, but large ones as SVG, which takes a tenth of the time."""
    assert len(NETS) > 20
    for path in NETS:
        param = parse(path.read_text(encoding="utf-8"))
        is_large = len(param.layer) > MANY_LAYERS
        picture = draw.draw_net(param, "LR", "svg" if is_large else "png")
        assert picture.startswith(b"<?xml" if is_large else b"\x89PNG"), path


def size(picture):
    return Image.open(io.BytesIO(picture)).size


def test_a_png_by_default_and_the_way_of_the_flow(lenet):
    wide, tall = size(draw.draw_net(lenet, "LR")), size(draw.draw_net(lenet, "TB"))
    assert wide[0] > 3 * wide[1] and tall[1] > 1.5 * tall[0]
    texts = {rankdir: draw.draw_net(lenet, rankdir, "svg") for rankdir in ("LR", "RL", "TB", "BT")}
    assert len(set(texts.values())) == 4


@pytest.mark.parametrize(
    ("ext", "format"),
    [("png", "PNG"), (".PNG", "PNG"), ("jpg", "JPEG"), ("jpeg", "JPEG"), ("gif", "GIF"), ("bmp", "BMP")],
)
def test_images(lenet, ext, format):
    with Image.open(io.BytesIO(draw.draw_net(lenet, "TB", ext))) as image:
        assert image.format == format
        assert image.size == size(draw.draw_net(lenet, "TB"))
        # The ground is white, and what is drawn has all colours of kinds of layers.
        pixels = image.convert("RGB")
        assert pixels.getpixel((2, 2)) == (255, 255, 255)
        assert sorted(count for count, _ in pixels.getcolors(1 << 20))[-2] > 1000


def test_phase_and_learning_rates(lenet):
    both, train = draw.draw_net(lenet, "LR", "svg"), draw.draw_net(lenet, "LR", "svg", caffe_pb2.TRAIN)
    assert b"accuracy" in both and b"accuracy" not in train
    assert b"lr mult 1/2" in draw.draw_net(lenet, "LR", "svg", phase=caffe.TEST, display_lrm=True)
    assert b"lr mult" not in both


def test_old_nets_and_types_that_nobody_knows():
    v1 = parse('input: "x" input_dim: [1, 2, 3, 4] layers { name: "c" type: CONVOLUTION bottom: "x" top: "y" }')
    before = v1.SerializeToString()
    picture = draw.draw_net(v1, "LR", "svg")
    assert b"(Convolution)" in picture and b"(Input)" in picture and b">1x2x3x4<" in picture
    assert v1.SerializeToString() == before
    pool = 'layer { name: "p" type: "pool" pool: AVE kernelsize: 3 } bottom: "x" top: "y"'
    v0 = parse(f'input: "x" input_dim: [1, 2, 3, 4] layers {{ {pool} }}')
    assert b"(AVE Pooling)" in draw.draw_net(v0, "LR", "svg")
    assert b"(MyOwn)" in draw.draw_net(net('name: "a" type: "MyOwn" top: "x"'), "LR", "svg")


def test_a_built_net_has_shapes_and_parameters(tmp_path):
    built = caffe.Net(str(EXAMPLES / "mnist" / "lenet.prototxt"), caffe.TEST)
    picture = draw.draw_net(built, "LR", "svg")
    assert b">64x20x24x24<" in picture and b">25,050 parameters<" in picture


def test_into_a_file(lenet, tmp_path):
    draw.draw_net_to_file(lenet, str(tmp_path / "net.svg"))
    assert (tmp_path / "net.svg").read_bytes() == draw.draw_net(lenet, "LR", "svg")
    draw.draw_net_to_file(lenet, tmp_path / "net.tall.PNG", "TB", caffe.TRAIN, True)
    assert (tmp_path / "net.tall.PNG").read_bytes() == draw.draw_net(lenet, "TB", "png", caffe.TRAIN, True)
    assert sorted(os.listdir(tmp_path)) == ["net.svg", "net.tall.PNG"]


# --- what cannot be ----------------------------------------------------------------------------


def test_formats_and_files_that_cannot_be(lenet, tmp_path):
    offered = "take one of svg, png, pdf, jpg, jpeg, gif, bmp, or as text for Graphviz dot, gv, raw"
    with pytest.raises(ParamError, match=f"^'webp' is no format that can be drawn; {offered}$"):
        draw.draw_net(lenet, "LR", "webp")
    with pytest.raises(ParamError, match=f"net.xyz: '.xyz' is no format that can be drawn; {offered}$"):
        draw.draw_net_to_file(lenet, tmp_path / "net.xyz")
    with pytest.raises(ParamError, match=f"png: ends in no extension, which says what to draw; {offered}$"):
        draw.draw_net_to_file(lenet, "png")
    with pytest.raises(FileError, match=r"nowhere/net.png: cannot be written: no such file or directory; create"):
        draw.draw_net_to_file(lenet, tmp_path / "nowhere" / "net.png")
    assert not os.listdir(tmp_path)


def test_arguments_that_cannot_be(lenet):
    with pytest.raises(ParamError, match="rankdir is 'lr', must be one of LR, TB, RL, BT: left to right"):
        draw.draw_net(lenet, "lr")
    for phase in (2, "TEST"):
        with pytest.raises(ValueError, match=rf"Unknown phase: {phase!r}; it is TRAIN \(0\) or TEST \(1\), or None"):
            draw.draw_net(lenet, "LR", phase=phase)
    both = net('name: "a" type: "ReLU" include { phase: TEST } exclude { phase: TRAIN }')
    with pytest.raises(ValueError, match=r"layer a has both include and exclude specified: .* rules of one kind"):
        draw.draw_net(both, "LR", phase=caffe.TRAIN)
    assert draw.draw_net(both, "LR", "svg")
    with pytest.raises(TypeError, match=r"caffe_net is a str, must be a caffe_pb2.NetParameter.*text_format.Merge"):
        draw.draw_net("lenet.prototxt", "LR")
    with pytest.raises(GraphError, match="has no layers: there is nothing to draw"):
        draw.draw_net(caffe_pb2.NetParameter(), "LR")


def test_without_pydot(lenet, monkeypatch):
    for name in ("pydot", "pydotplus"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: draw.get_pydot_graph(lenet, "LR"), lambda: draw.draw_net(lenet, "LR", "dot")):
        with pytest.raises(MinicaffeError, match=r'needs pydot: pip install "minicaffe\[pydot\]"; pictures'):
            call()


# --- for Graphviz ------------------------------------------------------------------------------


def test_a_graph_of_pydot(lenet):
    pytest.importorskip("pydot")
    graph = draw.get_pydot_graph(lenet, "TB", phase=caffe.TRAIN)
    assert (graph.get_name(), graph.get_rankdir()) == ("LeNet", "TB")
    nodes = {node.get_name(): node for node in graph.get_nodes()}
    conv1 = '"conv1 (Convolution) kernel size: 5 stride: 1 pad: 0"'
    assert "#FF5050" in nodes[conv1].get_fillcolor() and "#90EE90" in nodes['"relu1 (ReLU)"'].get_fillcolor()
    assert nodes["conv1"].get_shape() == "octagon" and nodes[conv1].get_shape() == "record"
    edges = {(edge.get_source(), edge.get_destination()): edge.get_label() for edge in graph.get_edges()}
    assert "Batch 64" in edges['"mnist (Data)"', "data"] and str(edges[conv1, "conv1"]) == "20"
    assert edges["data", conv1] == '""' and not any("accuracy" in name for name in nodes)
    plain = draw.get_pydot_graph(lenet, "TB", label_edges=False)
    assert {edge.get_label() for edge in plain.get_edges()} == {'""'}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot's parser's own
def test_text_for_graphviz_can_be_read_whatever_the_names():
    pydot = pytest.importorskip("pydot")
    param = net(r'name: "a\"b\\" type: "X" bottom: "node" top: "conv/3x3:a b"')
    for ext in draw.DOT_FORMATS:
        (graph,) = pydot.graph_from_dot_data(draw.draw_net(param, "LR", ext).decode())
        assert {node.get_name() for node in graph.get_nodes()} == {r'"a\"b\\\n(X)"', '"node"', '"conv/3x3:a b"'}
        assert len(graph.get_edges()) == 2
