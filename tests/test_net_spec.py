"""Nets written in Python: names, order, what becomes of a Top, and nets that run."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings, strategies as st
from net_kit import make_net
from numpy.testing import assert_allclose

import minicaffe as caffe
from minicaffe import layers as L, params as P
from minicaffe.net_spec import Function, NetSpec, Top, to_proto

SHAPE = (2, 3, 4, 5)


def wiring(net):
    """[(type, name, bottoms, tops)] of a NetParameter."""
    return [(layer.type, layer.name, list(layer.bottom), list(layer.top)) for layer in net.layer]


def names(net):
    return [layer.name for layer in net.layer]


def lenet(n):
    """LeNet on numbers that it can learn: the label is always 3."""
    xavier = {"type": "xavier"}
    n.data, n.label = L.DummyData(
        shape=[{"dim": [8, 1, 28, 28]}, {"dim": 8}], data_filler=[{"type": "uniform"}, {"value": 3}], ntop=2
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=xavier)
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler=xavier)
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, weight_filler=xavier)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=xavier)
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n


LENET = [
    ("DummyData", "data", [], ["data", "label"]),
    ("Convolution", "conv1", ["data"], ["conv1"]),
    ("Pooling", "pool1", ["conv1"], ["pool1"]),
    ("Convolution", "conv2", ["pool1"], ["conv2"]),
    ("Pooling", "pool2", ["conv2"], ["pool2"]),
    ("InnerProduct", "ip1", ["pool2"], ["ip1"]),
    ("ReLU", "relu1", ["ip1"], ["ip1"]),
    ("InnerProduct", "ip2", ["ip1"], ["ip2"]),
    ("SoftmaxWithLoss", "loss", ["ip2", "label"], ["loss"]),
]


def test_lenet_loads_and_learns(tmp_path):
    spec = lenet(NetSpec()).to_proto()
    assert wiring(spec) == LENET
    (tmp_path / "lenet.prototxt").write_text(str(spec))
    assert len(caffe.Net(str(tmp_path / "lenet.prototxt"), caffe.TEST).layers) == 9
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{tmp_path / "lenet.prototxt"}" base_lr: 0.01 lr_policy: "fixed" random_seed: 1 solver_mode: CPU'
    )
    solver = caffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    first = solver.net.forward()["loss"].item()
    solver.step(5)
    assert solver.net.forward()["loss"].item() < 0.1 * first


def test_lenet_without_names():
    """By the loss alone: the same layers, under names of their own."""
    spec = lenet(SimpleNamespace()).loss.to_proto()
    assert [layer.type for layer in spec.layer] == [entry[0] for entry in LENET]
    assert names(spec) == [
        *("DummyData1", "Convolution1", "Pooling1", "Convolution2", "Pooling2"),
        *("InnerProduct1", "ReLU1", "InnerProduct2", "SoftmaxWithLoss1"),
    ]
    assert wiring(spec)[6:] == [
        ("ReLU", "ReLU1", ["InnerProduct1"], ["InnerProduct1"]),
        ("InnerProduct", "InnerProduct2", ["InnerProduct1"], ["InnerProduct2"]),
        ("SoftmaxWithLoss", "SoftmaxWithLoss1", ["InnerProduct2", "DummyData2"], ["SoftmaxWithLoss1"]),
    ]
    assert len(make_net(str(spec)).layers) == 9


def test_layers_without_tops():
    n = NetSpec()
    n.data, n.data2 = L.DummyData(shape={"dim": 3}, ntop=2)
    n.silence_data = L.Silence(n.data, ntop=0)
    n.silence_data2 = L.Silence(n.data2, ntop=0)
    assert isinstance(n.silence_data, Function)
    assert names(n.to_proto()) == ["data", "silence_data", "silence_data2"]
    assert make_net(str(n.to_proto())).forward() == {}


def test_only_layers_are_filled():
    spec = to_proto(L.Input(shape={"dim": [1, 2]}))
    assert [field.name for field, _ in spec.ListFields()] == ["layer"]
    assert to_proto().ByteSize() == 0
    assert NetSpec().to_proto().ByteSize() == 0


def test_what_a_call_hands_out():
    one = L.Input()
    assert isinstance(one, Top)
    assert (one.n, one.fn.type_name, one.fn.ntop, one.fn.tops) == (0, "Input", 1, (one,))
    pair = L.Slice(one, ntop=2, axis=0, in_place=False)
    assert isinstance(pair, tuple)
    assert [top.n for top in pair] == [0, 1]
    fn = pair[0].fn
    assert (fn.inputs, fn.params, fn.ntop, fn.in_place, fn.tops) == ((one,), {"axis": 0}, 2, False, pair)
    none = L.Silence(one, ntop=0)
    assert (none.tops, none.ntop, none.params) == ((), 0, {})
    assert L.ReLU(one, in_place=True).fn.in_place is True
    assert isinstance(caffe.net_spec.layers.anything_at_all(one), Top)


def test_layers_come_depth_first_in_order_of_assignment():
    n = NetSpec()
    x, y = L.Input(), L.Input()
    low = L.Sigmoid(x)
    n.b = L.Eltwise(L.TanH(y), low)
    n.a = L.ReLU(low)
    n.x = x
    assert wiring(n.to_proto()) == [
        ("Input", "Input1", [], ["Input1"]),
        ("TanH", "TanH1", ["Input1"], ["TanH1"]),
        ("Input", "x", [], ["x"]),
        ("Sigmoid", "Sigmoid1", ["x"], ["Sigmoid1"]),
        ("Eltwise", "b", ["TanH1", "Sigmoid1"], ["b"]),
        ("ReLU", "a", ["Sigmoid1"], ["a"]),
    ]


def test_each_layer_comes_once_and_counts_go_on_over_all_tops():
    x = L.Input()
    a, b = L.ReLU(x), L.ReLU(x)
    assert names(to_proto(b, a, b)) == ["Input1", "ReLU1", "ReLU2"]
    assert names(to_proto(L.Silence(a, ntop=0), L.Silence(a, ntop=0))) == ["Input1", "ReLU1", "Silence1", "Silence2"]


def test_the_last_name_counts():
    n = NetSpec()
    n.first = n.second = L.Input()
    n.top = L.ReLU(n.first)
    n.top = L.TanH(n.first)
    assert wiring(n.to_proto()) == [("Input", "second", [], ["second"]), ("TanH", "top", ["second"], ["top"])]


def test_names_of_layers_with_several_tops():
    n = NetSpec()
    _, n.label = L.Data(ntop=2)
    n.left, right, n.rest = L.Slice(n.label, ntop=3)
    n.sum = L.Eltwise(right, n.left)
    assert wiring(n.to_proto()) == [
        ("Data", "Data1", [], ["Data1", "label"]),
        ("Slice", "left", ["label"], ["left", "Slice1", "rest"]),
        ("Eltwise", "sum", ["Slice1", "left"], ["sum"]),
    ]


def test_a_name_given_as_a_setting():
    n = NetSpec()
    n.data = L.Input(name="images")
    n["odd name/1"] = L.ReLU(n.data, in_place=True, name="rectify")
    n.silence = L.Silence(n["odd name/1"], ntop=0, name="quiet")
    assert wiring(n.to_proto()) == [
        ("Input", "images", [], ["data"]),
        ("ReLU", "rectify", ["data"], ["data"]),
        ("Silence", "quiet", ["data"], []),
    ]


def test_a_function_that_is_named_names_its_layer_alone():
    n = NetSpec()
    n.layer = L.Input().fn
    assert wiring(n.to_proto()) == [("Input", "layer", [], ["Input1"])]


def test_in_place_of_several_bottoms():
    n = NetSpec()
    n.a, n.b = L.Input(ntop=2)
    n.left, n.right = L.Pair(n.a, n.b, in_place=True, ntop=2)
    n.end = L.ReLU(n.right)
    assert wiring(n.to_proto())[1:] == [("Pair", "left", ["a", "b"], ["a", "b"]), ("ReLU", "end", ["b"], ["end"])]


def test_settings_may_be_changed_until_the_end():
    n = NetSpec()
    n.ip = L.InnerProduct(L.Input(), num_output=2)
    n.quiet = L.Silence(n.ip, ntop=0)
    n.update("ip", {"num_output": 5, "name": "fc"})
    n.update("quiet", {"phase": caffe.TEST})
    n.ip.fn.params["bias_term"] = False
    layer = n.to_proto().layer[1]
    assert (layer.name, layer.inner_product_param.num_output, layer.inner_product_param.bias_term) == ("fc", 5, False)
    assert n.to_proto().layer[2].phase == caffe.TEST


def test_settings_reach_the_net():
    n = NetSpec()
    n.data = L.Input(input_param={"shape": {"dim": [2, 3, 6, 6]}})
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=[3, 2], pad=1, bias_term=False, param={"lr_mult": 0})
    n.up = L.Deconvolution(n.conv, convolution_param={"num_output": 1, "kernel_size": 2, "stride": 2})
    net = make_net(str(n.to_proto()))
    assert {name: tuple(net.blobs[name].shape) for name in n} == {
        "data": (2, 3, 6, 6),
        "conv": (2, 4, 6, 7),
        "up": (2, 1, 12, 14),
    }
    assert [len(net.params[name]) for name in ("conv", "up")] == [1, 2]


# Any graph, told by what its blobs should hold: each step names an operation and picks from the Tops that there are.
OPERATIONS = {
    "ReLU": lambda x: [np.maximum(x, 0)],
    "TanH": lambda x: [np.tanh(x)],
    "Power": lambda x: [2 * x - 1],
    "Eltwise": lambda x, y: [x - 0.5 * y],
    "Split": lambda x: [x, x],
    "Silence": lambda x: [],
}
SETTINGS = {
    "Power": {"scale": 2, "shift": -1},
    "Eltwise": {"coeff": [1, -0.5]},
    "Split": {"ntop": 2},
    "Silence": {"ntop": 0},
}
PICK = st.integers(0, 99)
STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), PICK, PICK, st.booleans(), st.booleans()), max_size=12)


@settings(max_examples=60)
@given(STEPS)
def test_any_graph_computes_what_was_written(steps):
    n = NetSpec()
    n.x = L.Input(shape={"dim": list(SHAPE)})
    x = np.random.default_rng(1).normal(size=SHAPE)
    values, untouchable = {n.x: x}, {n.x}
    for index, (kind, first, second, in_place, named) in enumerate(steps):
        bottoms = [list(values)[pick % len(values)] for pick in (first, second)[: 1 + (kind == "Eltwise")]]
        results = OPERATIONS[kind](*(values[bottom] for bottom in bottoms))
        # In place only where nobody else reads, as in any net; what was there is gone then.
        in_place = in_place and kind in ("ReLU", "Power") and bottoms[0] not in untouchable
        if in_place:
            del values[bottoms[0]]
        made = getattr(L, kind)(*bottoms, in_place=in_place, **SETTINGS.get(kind, {}))
        tops = () if isinstance(made, Function) else made if isinstance(made, tuple) else (made,)
        values.update(zip(tops, results, strict=True))
        untouchable.update(bottoms, tops if kind == "Split" else ())
        if named or not tops:
            n[f"n{index}"] = tops[-1] if tops else made
    for index, top in enumerate(values):
        n[f"end{index}"] = top  # for some a second name, which counts
    spec = n.to_proto()
    assert sorted(layer.type for layer in spec.layer) == sorted(["Input", *(kind for kind, *_ in steps)])
    net = make_net(str(spec))
    net.blobs["end0"].data[...] = x
    net.forward()
    for index, value in enumerate(values.values()):
        # The name of an in-place layer's Top is not its blob's.
        blob = f"end{index}" if f"end{index}" in net.blobs else net.top_names[f"end{index}"][0]
        assert_allclose(net.blobs[blob].data, value, rtol=1e-4, atol=1e-5)
