"""Summary: shapes, parameters, multiply-adds and bytes of each layer, against the definition and published figures."""

import numpy as np
import pytest
from net_kit import inner_product, inputs, layer, make_net
from watch import peak_of

from minicaffe import log
from minicaffe.blob import DATA, DIFF
from minicaffe.errors import FileError, GraphError, ParamError, ShapeError
from minicaffe.layers.base import TEST, TRAIN, Layer
from minicaffe.net.summary import read_summary, summarize

LENET = (
    inputs("data", shape=(64, 1, 28, 28))
    + layer("conv1", "Convolution", "data", "conv1", "convolution_param { num_output: 20 kernel_size: 5 }")
    + layer("pool1", "Pooling", "conv1", "pool1", "pooling_param { kernel_size: 2 stride: 2 }")
    + layer("conv2", "Convolution", "pool1", "conv2", "convolution_param { num_output: 50 kernel_size: 5 }")
    + layer("pool2", "Pooling", "conv2", "pool2", "pooling_param { kernel_size: 2 stride: 2 }")
    + layer("ip1", "InnerProduct", "pool2", "ip1", "inner_product_param { num_output: 500 }")
    + layer("relu1", "ReLU", "ip1", "ip1")
    + layer("ip2", "InnerProduct", "ip1", "ip2", "inner_product_param { num_output: 10 }")
)
LABELS = inputs("label", shape=(64,)) + layer("loss", "SoftmaxWithLoss", "ip2 label", "loss")


@pytest.fixture
def summary_of(tmp_path):
    """The summary of a net given as text."""

    def read(text, phase=TRAIN, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(f'name: "net" {text}')
        return read_summary(path, phase, **options)

    return read


def column(summary, name):
    return {row.name: getattr(row, name) for row in summary.rows}


# --- figures that are known --------------------------------------------------------------------


def test_lenet(summary_of):
    summary = summary_of(LENET)
    assert (summary.name, summary.phase, summary.parameters, summary.learned) == ("net", TRAIN, 431080, 431080)
    assert column(summary, "parameters") == {
        "data": 0,
        "conv1": 20 * 5 * 5 + 20,
        "pool1": 0,
        "conv2": 50 * 20 * 5 * 5 + 50,
        "pool2": 0,
        "ip1": 500 * 800 + 500,
        "relu1": 0,
        "ip2": 10 * 500 + 10,
    }
    # An image's: 24 * 24 * 20 * 25, 8 * 8 * 50 * 500, 800 * 500, 500 * 10.
    work = {"conv1": 288000, "conv2": 1600000, "ip1": 400000, "ip2": 5000}
    assert column(summary, "multiply_adds") == {row.name: 64 * work.get(row.name, 0) for row in summary.rows}
    assert summary.multiply_adds == 64 * 2293000
    assert column(summary, "shapes")["conv2"] == ((64, 50, 8, 8),)
    assert column(summary, "forward")["conv1"] == 4 * 64 * 20 * 24 * 24
    assert column(summary, "type")["ip1"] == "InnerProduct"


def convolutions(group, sizes):
    """(num_output, kernel, stride, pad, group, pooled) -> layers one above the other, "x" at the bottom."""
    text, top = "", group
    for number, (outputs, kernel, stride, pad, groups, pooled) in enumerate(sizes):
        settings = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} group: {groups}"
        bottom, top = top, f"c{number}"
        text += layer(top, "Convolution", bottom, top, f"convolution_param {{ {settings} }}")
        if pooled:
            bottom, top = top, f"p{number}"
            text += layer(top, "Pooling", bottom, top, f"pooling_param {{ {pooled} }}")
    return text, top


def connected(bottom, sizes):
    text = ""
    for number, outputs in enumerate(sizes):
        text += inner_product(f"f{number}", bottom, f"f{number}", outputs)
        bottom = f"f{number}"
    return text


HALVING = "kernel_size: 2 stride: 2"
OVERLAPPING = "kernel_size: 3 stride: 2"
VGG16 = [
    (outputs, 3, 1, 1, 1, HALVING if last else "")
    for outputs, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for last in [False] * (times - 1) + [True]
]
ALEXNET = [
    (96, 11, 4, 0, 1, OVERLAPPING),
    (256, 5, 1, 2, 2, OVERLAPPING),
    (384, 3, 1, 1, 1, ""),
    (384, 3, 1, 1, 2, ""),
    (256, 3, 1, 1, 2, OVERLAPPING),
]


@pytest.mark.parametrize(
    ("side", "sizes", "parameters", "work"),
    [
        # 61 million parameters, 724 million multiply-adds; 138 million, 15.5 billion.
        pytest.param(227, ALEXNET, 60_965_224, 724_406_816, id="AlexNet"),
        pytest.param(224, VGG16, 138_357_544, 15_470_264_320, id="VGG-16"),
    ],
)
def test_published_figures_and_no_memory(summary_of, side, sizes, parameters, work):
    text, top = convolutions("x", sizes)
    text = inputs("x", shape=(10, 3, side, side)) + text + connected(top, (4096, 4096, 1000))
    found = []
    assert peak_of(lambda: found.append(summary_of(text))) < 2_000_000
    assert (found[0].parameters, found[0].multiply_adds) == (parameters, 10 * work)


# --- multiply-adds by their definition ---------------------------------------------------------


CONVOLUTION = "kernel_size: 3 stride: 2 dilation: 2"
PRODUCTS = [
    ("Convolution", (2, 3, 11, 12), "convolution_param { num_output: 4 kernel_size: 3 bias_term: false }"),
    ("Convolution", (2, 6, 11, 12), f"convolution_param {{ num_output: 4 group: 2 {CONVOLUTION} bias_term: false }}"),
    ("Convolution", (2, 4, 5, 6, 7), "convolution_param { num_output: 3 kernel_size: 2 bias_term: false }"),
    ("Convolution", (2, 4, 9), "convolution_param { num_output: 4 group: 4 kernel_size: 3 bias_term: false }"),
    ("Convolution", (2, 4), "convolution_param { num_output: 3 bias_term: false }"),
    ("Deconvolution", (2, 3, 4, 5), "convolution_param { num_output: 4 kernel_size: 3 stride: 2 bias_term: false }"),
    ("Deconvolution", (2, 4, 4, 5), f"convolution_param {{ num_output: 6 group: 2 {CONVOLUTION} bias_term: false }}"),
    ("InnerProduct", (2, 3, 4, 5), "inner_product_param { num_output: 7 bias_term: false }"),
    ("InnerProduct", (2, 3, 4, 5), "inner_product_param { num_output: 7 axis: -1 transpose: true bias_term: false }"),
]


@pytest.mark.parametrize(("kind", "shape", "settings"), PRODUCTS)
def test_with_nothing_but_ones_the_sum_of_the_top_counts_them(kind, shape, settings):
    """Without padding every product of two ones reaches the top once."""
    net = make_net(inputs("x", shape=shape) + layer("l", kind, "x", "y", settings))
    net.blobs["x"].data[...] = 1
    net.params["l"][0].data[...] = 1
    net.run_forward()
    assert summarize(net.graph).multiply_adds == net.blobs["y"].data.sum(dtype=np.float64)


def test_every_bottom_of_a_convolution_counts(summary_of):
    text = inputs("a", "b", shape=(2, 3, 5, 5))
    settings = "convolution_param { num_output: 4 kernel_size: 3 }"
    for kind, one in (("Convolution", 2 * 4 * 3 * 3 * 27), ("Deconvolution", 2 * 3 * 5 * 5 * 36)):
        assert summary_of(text + layer("c", kind, "a b", "c d", settings)).multiply_adds == 2 * one


def test_padding_counts(summary_of):
    settings = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"
    text = inputs("x", shape=(2, 3, 5, 6)) + layer("c", "Convolution", "x", "y", settings)
    assert summary_of(text).multiply_adds == 2 * 4 * 5 * 6 * 27


T, N, I, S, D = 5, 2, 3, 4, 6


@pytest.mark.parametrize(
    ("kind", "bottoms", "a_step", "at_once"),
    [
        ("RNN", "x cont", D * I + D * D + D * D, 0),
        ("RNN", "x cont static", D * I + D * D + D * D, D * S),
        ("LSTM", "x cont", 4 * D * (I + D), 0),
        ("LSTM", "x cont static", 4 * D * (I + D), 4 * D * S),
    ],
)
def test_recurrent_layers(summary_of, kind, bottoms, a_step, at_once):
    text = inputs("x", shape=(T, N, I)) + inputs("cont", shape=(T, N)) + inputs("static", shape=(N, S))
    text += layer("l", kind, bottoms, "y", f"recurrent_param {{ num_output: {D} }}")
    assert summary_of(text).multiply_adds == N * (T * a_step + at_once)


def test_exposed_states_are_no_static_input(summary_of):
    text = inputs("x", shape=(T, N, I)) + inputs("cont", shape=(T, N)) + inputs("h", shape=(1, N, D))
    text += layer("l", "RNN", "x cont h", "y h_T", f"recurrent_param {{ num_output: {D} expose_hidden: true }}")
    assert summary_of(text).multiply_adds == N * T * (D * I + 2 * D * D)


@pytest.mark.parametrize(
    ("kind", "settings", "parameters"),
    [
        ("Embed", "embed_param { input_dim: 7 num_output: 5 }", 40),
        ("Scale", "scale_param { bias_term: true }", 6),
        ("BatchNorm", "", 7),
        ("PReLU", "", 3),
        ("LRN", "", 0),
        ("Pooling", "pooling_param { kernel_size: 2 pool: AVE }", 0),
        ("Softmax", "", 0),
    ],
)
def test_what_is_no_matrix_product_does_not_count(summary_of, kind, settings, parameters):
    summary = summary_of(inputs("x", shape=(2, 3, 4, 5)) + layer("l", kind, "x", "y", settings))
    assert (summary.multiply_adds, summary.parameters) == (0, parameters)


def test_nobody_knows_the_work_of_a_users_layer():
    import python_layers  # noqa: F401

    settings = 'python_param { module: "python_layers" layer: "Weighted" }'
    net = make_net(inputs("x", shape=(2, 3, 4, 5)) + layer("p", "Python", "x", "y", settings) + SMALL)
    summary = summarize(net.graph)
    assert column(summary, "multiply_adds") == {"x": 0, "p": None, "ip": 2 * 60 * 3}
    assert summary.multiply_adds == 360
    assert column(summary, "parameters")["p"] == 3
    lines = str(summary).splitlines()
    assert lines[5].split() == ["p", "Python", "2x3x4x5", "3", "?", "480", "B", "480", "B"]
    assert "               and what layers with a ? do, the user's own" in lines


SMALL = inner_product("ip", "y", "z", 3)


# --- parameters -------------------------------------------------------------------------------


def test_shared_parameters_count_once(summary_of):
    def half(name, bottom):
        return inner_product(name, bottom, name, 4, 'param { name: "w" } param { name: "b" }')

    summary = summary_of(inputs("x", "y", shape=(2, 3)) + half("first", "x") + half("second", "y"))
    assert column(summary, "parameters") == {"x": 0, "y": 0, "first": 16, "second": 0}
    assert (summary.parameters, summary.learned) == (16, 16)


def test_what_is_learned(summary_of):
    text = inner_product("frozen", "x", "y", 4, "param { lr_mult: 0 } param { lr_mult: 2 }")
    summary = summary_of(inputs("x", shape=(2, 3)) + text + layer("norm", "BatchNorm", "y", "z"))
    assert summary.parameters == 4 * 3 + 4 + (4 + 4 + 1)
    assert summary.learned == 4


# --- bytes: what a net that has run holds ------------------------------------------------------


def held(net, which):
    """Bytes of memory, DATA or DIFF, that the tops of a net have."""
    blobs = [net.graph.blobs[i] for ids in net.graph.top_ids for i in ids]
    storages = {id(s): s.capacity for s in (blob.storage(which) for blob in blobs) if s.allocated}
    return net.dtype.itemsize * sum(storages.values())


NETS = {
    "lenet": LENET + LABELS,
    "two readers": inputs("x", shape=(2, 8)) + inner_product("a", "x", "y", 6) + inner_product("b", "y", "u", 5)
    + inner_product("c", "y", "v", 5) + layer("loss", "EuclideanLoss", "u v", "loss"),
    "views": inputs("x", shape=(2, 3, 4)) + inner_product("ip", "x", "y", 6)
    + layer("r", "Reshape", "y", "z", "reshape_param { shape { dim: 2 dim: 2 dim: 3 } }")
    + layer("f", "Flatten", "z", "w") + layer("relu", "ReLU", "w", "w")
    + layer("sum", "Reduction", "w", "s", "loss_weight: 1"),
    "no loss": LENET,
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_are_those_that_the_passes_take(name, dtype):
    net = make_net(NETS[name], dtype=dtype)
    summary = summarize(net.graph)
    for blob in net.blobs.values():
        blob.data[...] = 1
    net.run_forward()
    assert summary.forward == held(net, DATA)
    net.run_backward()
    assert summary.backward - summary.forward == held(net, DIFF)
    assert summarize(net.graph) == summary


def test_bytes_of_each_layer(summary_of):
    summary = summary_of(NETS["two readers"])
    y = 4 * 2 * 6
    assert [(row.name, row.forward, row.backward) for row in summary.rows] == [
        ("x", 64, 64),  # nobody asks for its gradient
        ("a", y, 2 * y),
        ("y_a_0_split", 0, 2 * y),  # data that is there; a gradient from each reader
        ("b", 40, 80),
        ("c", 40, 80),
        ("loss", 4, 8),
    ]
    assert column(summary, "shapes")["y_a_0_split"] == ((2, 6), (2, 6))


def test_frozen_layers_need_no_gradient(summary_of):
    rate = "param { lr_mult: 0 } param { lr_mult: 0 }"
    text = inputs("x", "t") + inner_product("a", "x", "y", 3, rate) + inner_product("b", "y", "z", 3)
    summary = summary_of(text + layer("loss", "EuclideanLoss", "z t", "loss"))
    assert column(summary, "backward")["a"] == column(summary, "forward")["a"] == 24
    assert column(summary, "backward")["b"] == 48


# --- reading a file ---------------------------------------------------------------------------


def test_phase_level_and_stages(summary_of):
    text = inputs("x") + "".join(
        layer(name, "ReLU", "x", name, f"include {{ {rule} }}")
        for name, rule in (("test", "phase: TEST"), ("deep", "min_level: 2"), ("staged", 'stage: "s"'))
    )

    def names(*arguments, **options):
        return [row.name for row in summary_of(text, *arguments, **options).rows if row.type == "ReLU"]

    assert names() == []
    assert names(TEST) == ["test"]
    assert names(level=2) == ["deep"]
    assert names(stages=["r", "s"]) == ["staged"]


def test_a_file_and_a_net_have_one_summary(summary_of):
    assert summarize(make_net('name: "net" ' + LENET + LABELS).graph) == summary_of(LENET + LABELS)


def test_weights_must_fit_and_tell_their_magnitudes(summary_of, tmp_path, rng):
    two = inner_product("ip", "x", "y", 3) + layer("norm", "BatchNorm", "y", "z")
    net = make_net(inputs("x") + two)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.normal(size=blob.shape)
    values = np.concatenate([blob.data.ravel() for blob in net.params["ip"]])
    for path, save in ((tmp_path / "w.caffemodel", net.save), (tmp_path / "w.caffemodel.h5", net.save_hdf5)):
        save(path)
        summary = summary_of(inputs("x") + two + inner_product("new", "z", "w", 2), weights=path)
        found = column(summary, "magnitude")
        assert found["ip"] == pytest.approx(np.abs(values).mean())
        assert found["norm"] > 0 and found["x"] is found["new"] is None
        with pytest.raises(ShapeError, match=r'layer "ip" \(InnerProduct\): .*shape mismatch'):
            summary_of(inputs("x") + inner_product("ip", "x", "y", 4), weights=path)
    with pytest.raises(FileError, match=r"Couldn't open .*absent"):
        summary_of(inputs("x") + two, weights=tmp_path / "absent")
    assert column(summary_of(inputs("x") + two), "magnitude")["ip"] is None


def test_no_file_is_written(summary_of, tmp_path):
    output = tmp_path / "out.h5"
    text = inputs("x") + layer("l", "HDF5Output", "x x", "", f'hdf5_output_param {{ file_name: "{output}" }}')
    assert summary_of(text).rows[-1].shapes == ()
    assert not output.exists()


class Opened(Layer):
    """Counts what is open."""

    type, exact_bottom, exact_top = "TestOpened", 0, 1
    open = 0

    def setup(self, bottom, top):
        Opened.open += 1

    def reshape(self, bottom, top):
        top[0].reshape(2, 3)

    def close(self):
        Opened.open -= 1


def test_layers_are_closed_whatever_happens(summary_of, monkeypatch, tmp_path):
    from minicaffe.layers import registry

    monkeypatch.setitem(registry._registry, "TestOpened", Opened)
    text = layer("o", "TestOpened", "", "x")
    assert summary_of(text).forward == 24
    with pytest.raises(GraphError, match="Unknown bottom blob"):
        summary_of(text + layer("l", "ReLU", "absent", "y"))
    with pytest.raises(FileError):
        summary_of(text, weights=tmp_path / "absent")
    assert Opened.open == 0


def test_the_log_is_silent_but_for_warnings(summary_of, capsys):
    old = 'input: "x" input_shape { dim: 2 dim: 3 } layers { name: "r" type: RELU bottom: "x" top: "y" }'
    before = log.set_level(log.INFO)
    summary_of(old)
    shown = capsys.readouterr().err
    assert "is an old form of" in shown and "Creating" not in shown
    assert log.set_level(log.FATAL) == log.INFO
    summary_of(old)
    assert capsys.readouterr().err == ""
    assert log.set_level(before) == log.FATAL


def test_bad_definitions_name_their_place(summary_of):
    with pytest.raises(ParamError, match=r"net\.prototxt:1:.*Unknown layer type: Convolutoin"):
        summary_of(layer("c", "Convolutoin", "", "x"))


# --- as text ----------------------------------------------------------------------------------


def test_the_table():
    net = make_net('name: "small" ' + inputs("x", shape=(2, 8)) + inner_product("b", "x", "y", 1000))
    summary = summarize(net.graph)
    assert (
        str(summary)
        == """\
small, TRAIN
-------------------------------------------------------------------------
layer  type          output  parameters  multiply-adds  forward  backward
-------------------------------------------------------------------------
x      Input         2x8              -              -     64 B      64 B
b      InnerProduct  2x1000       9,000         16,000  7.8 KiB   7.8 KiB
-------------------------------------------------------------------------
total                             9,000         16,000  7.9 KiB   7.9 KiB
-------------------------------------------------------------------------
parameters     9,000, 35.2 KiB; learned: 9,000
multiply-adds  16,000 in matrix products, forward, for the whole batch
forward        7.9 KiB of activations
backward       the same: no layer runs backward"""
    )


def test_shapes_as_text(summary_of):
    slices = "slice_param { axis: 1 slice_point: 1 slice_point: 2 }"
    text = inputs("x", shape=(2, 5)) + layer("s", "Slice", "x", "a b c", slices) + layer("e", "Silence", "a b c")
    scalar = layer("r", "Reduction", "x", "sum")
    lines = str(summary_of(text + scalar)).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("s "))
    assert lines[at].split()[:6] == ["s", "Slice", "2", "of", "2x1", "-"]
    assert lines[at + 1].strip() == "2x3"
    assert lines[at + 2].split()[:3] == ["e", "Silence", "-"]
    assert lines[at + 3].split()[:3] == ["r", "Reduction", "scalar"]


@pytest.mark.parametrize("more", ["", "y" * 80])
def test_long_names_are_shortened_in_the_middle(summary_of, more):
    name = f"inception_3a/output_{more}_inception_3a/output_0_split"
    text = inputs("x", shape=(1000, 1000, 10)) + inner_product(name, "x", "y", 100)
    text += inner_product(name[::-1], "y", "z", 100) + layer("loss", "EuclideanLoss", "y z", "l")
    table = str(summary_of(text)).splitlines()
    (line, _) = [line for line in table if "InnerProduct" in line]
    assert line.startswith("inception_3a/ou..") and line.split()[0].endswith("_split")
    assert len(line.split()[0]) == 32
    assert max(map(len, table)) <= 120


def test_a_wide_table_takes_of_the_names(summary_of):
    long = "a_name_of_more_than_thirty_two_letters"
    text = inputs("x", shape=(500, 400, 10, 10, 10)) + inner_product(long, "x", "y", 5000)
    text += layer("loss", "SigmoidCrossEntropyLoss", "y y", "l", "propagate_down: true propagate_down: false")
    table = str(summary_of(text)).splitlines()
    (line,) = [line for line in table if "InnerProduct" in line]
    assert max(map(len, table)) == 120 and len(line.split()[0]) < 32


def test_sizes_as_text():
    from minicaffe.net.summary_table import bytes_text

    assert [bytes_text(n) for n in (0, 1023, 1024, 1536, 2**20 - 1, 2**20, 5 * 2**30, 2**42, 2**52)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB", "4.0 TiB", "4096.0 TiB",
    ]  # fmt: skip
