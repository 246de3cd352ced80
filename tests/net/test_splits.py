"""Split layers: names and order as Caffe's, one reader a blob, loss weights that move; for any graph."""

import pytest
from hypothesis import given, strategies as st
from net_kit import inputs, layer, make_net, refused, set_blobs

from minicaffe.errors import GraphError, Origin
from minicaffe.net.spec import LayerSpec
from minicaffe.net.splits import insert_splits
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import parse_net


def specs_of(text):
    return [LayerSpec(param, Origin()) for param in parse_net(text).param.layer]


def table(specs):
    """name: bottoms -> tops, for each layer."""
    return [f"{s.name}: {' '.join(s.param.bottom)} -> {' '.join(s.param.top)}" for s in specs]


def test_a_blob_read_twice():
    text = inputs("x") + layer("a", "ReLU", "x", "y") + layer("b", "ReLU", "y", "p") + layer("c", "ReLU", "y", "q")
    assert table(insert_splits(specs_of(text))) == [
        "x:  -> x",
        "a: x -> y",
        "y_a_0_split: y -> y_a_0_split_0 y_a_0_split_1",
        "b: y_a_0_split_0 -> p",
        "c: y_a_0_split_1 -> q",
    ]


def test_a_blob_read_twice_by_one_layer():
    text = inputs("x") + layer("a", "TestSum", "x x", "y")
    assert table(insert_splits(specs_of(text)))[1:] == [
        "x_x_0_split: x -> x_x_0_split_0 x_x_0_split_1",
        "a: x_x_0_split_0 x_x_0_split_1 -> y",
    ]


def test_two_tops_of_one_layer_are_split_in_their_order():
    readers = "".join(layer(f"r{i}", "TestSum", "a b", f"z{i}") for i in range(2))
    text = inputs("x") + layer("h", "TestHalves", "x", "a b") + readers
    assert [line.split(":")[0] for line in table(insert_splits(specs_of(text)))] == [
        *("x", "h", "a_h_0_split", "b_h_1_split", "r0", "r1")
    ]


def test_after_an_in_place_chain_the_last_writer_gives_the_name():
    chain = layer("ip", "ReLU", "x", "ip") + layer("relu", "ReLU", "ip", "ip") + layer("drop", "ReLU", "ip", "ip")
    text = inputs("x") + chain + layer("b", "ReLU", "ip", "p") + layer("c", "ReLU", "ip", "q")
    assert table(insert_splits(specs_of(text)))[1:] == [
        "ip: x -> ip",
        "relu: ip -> ip",
        "drop: ip -> ip",
        "ip_drop_0_split: ip -> ip_drop_0_split_0 ip_drop_0_split_1",
        "b: ip_drop_0_split_0 -> p",
        "c: ip_drop_0_split_1 -> q",
    ]


def test_an_unused_top_and_one_used_once_are_left_alone():
    text = inputs("x", "z") + layer("a", "ReLU", "x", "y")
    assert table(insert_splits(specs_of(text))) == ["x:  -> x", "z:  -> z", "a: x -> y"]


def test_a_loss_weight_counts_as_a_use_and_moves():
    text = inputs("x") + layer("a", "ReLU", "x", "y", "loss_weight: 0.5") + layer("b", "ReLU", "y", "p")
    split = insert_splits(specs_of(text))
    assert table(split)[2:] == ["y_a_0_split: y -> y_a_0_split_0 y_a_0_split_1", "b: y_a_0_split_1 -> p"]
    assert list(split[2].param.loss_weight) == [0.5, 0]
    assert list(split[1].param.loss_weight) == [0]


def test_a_loss_weight_alone_stays_where_it_is():
    text = inputs("x") + layer("a", "ReLU", "x", "y", "loss_weight: 0.5")
    split = insert_splits(specs_of(text))
    assert len(split) == 2 and list(split[1].param.loss_weight) == [0.5]


def test_a_weight_of_zero_is_no_use():
    text = inputs("x") + layer("a", "ReLU", "x", "y", "loss_weight: 0") + layer("b", "ReLU", "y", "p")
    assert len(insert_splits(specs_of(text))) == 3


def test_the_other_tops_keep_their_weights():
    """Caffe forgets them: insert_splits.cpp clears the whole list."""
    text = inputs("x") + layer("h", "TestHalves", "x", "a b", "loss_weight: 2 loss_weight: 3")
    split = insert_splits(specs_of(text + layer("r", "ReLU", "a", "p")))
    assert list(split[1].param.loss_weight) == [0, 3]
    assert list(split[2].param.loss_weight) == [2, 0]
    net = make_net(text + layer("r", "ReLU", "a", "p"))
    assert dict(net.blob_loss_weights) == {"x": 0, "a": 0, "b": 3, "a_h_0_split_0": 2, "a_h_0_split_1": 0, "p": 0}


def test_the_implicit_weight_of_a_loss_is_no_use():
    net = make_net(inputs("x", "t") + layer("l", "TestEuclidean", "x t", "l") + layer("s", "TestSilence", "l"))
    assert net.layer_names == ["x", "t", "l", "s"]


def test_a_weighted_loss_that_is_read_counts_once(rng):
    """In Caffe (w + 1) times: its list is erased, and the loss layer takes the default weight again."""
    text = inputs("x", "t") + layer("l", "TestEuclidean", "x t", "l", "loss_weight: 3") + layer("s", "TestSilence", "l")
    net = make_net("force_backward: true " + text)
    values = set_blobs(net, rng)
    once = ((values["x"] - values["t"]) ** 2).sum() / (2 * 2)
    assert net.outputs == ["l_l_0_split_0"]
    for _ in range(2):
        assert net.run_forward() == pytest.approx(3 * once)
        net.run_backward()
        assert net.blobs["x"].diff == pytest.approx(3 * (values["x"] - values["t"]) / 2, rel=1e-5)


def test_the_originals_are_not_touched():
    specs = specs_of(inputs("x") + layer("a", "TestSum", "x x", "y", "loss_weight: 2") + layer("b", "ReLU", "y", "z"))
    before = [spec.param.SerializeToString() for spec in specs]
    insert_splits(specs)
    assert [spec.param.SerializeToString() for spec in specs] == before


def test_a_split_stands_where_its_producer_does():
    text = inputs("x") + "\n\n" + layer("a", "TestSum", "x x", "y")
    source = parse_net(text, "net.prototxt")
    split = insert_splits([LayerSpec(*pair) for pair in zip(source.param.layer, source.origins, strict=True)])
    assert split[1].param.type == "Split" and split[1].origin.line == 1


# --- any graph --------------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """Layers that read any earlier blobs, some of them in place, with weights on some tops."""
    specs, blobs = [], ["x"]
    specs.append(LayerSpec(caffe_pb2.LayerParameter(name="x", type="Input", top=["x"]), Origin()))
    for i in range(draw(st.integers(1, 8))):
        bottoms = draw(st.lists(st.sampled_from(blobs), min_size=1, max_size=3))
        tops = [f"b{i}_{j}" for j in range(draw(st.integers(0, 3)))]
        in_place = draw(st.booleans()) and tops
        if in_place:
            tops[0] = bottoms[0]
        weights = draw(st.sampled_from([[], [0.0, 2.0, 1.0][: len(tops)]]))
        param = caffe_pb2.LayerParameter(name=f"l{i}", bottom=bottoms, top=tops, loss_weight=weights)
        specs.append(LayerSpec(param, Origin()))
        blobs += [top for top in tops if top not in blobs]
    return specs


@given(graphs())
def test_any_graph(specs):
    split = insert_splits(specs)
    assert [s.name for s in split if s.param.type != "Split"] == [s.name for s in specs]
    # Every split top has one reader, or bears a loss; what it stands for is what was read.
    uses = [blob for s in split for blob in s.param.bottom]
    for s in split:
        for i, top in enumerate(s.param.top):
            if s.param.type == "Split":
                loss = bool(s.param.loss_weight) and s.param.loss_weight[i] != 0
                assert len(s.param.top) > 1 and uses.count(top) + loss == 1 and top == f"{s.name}_{i}"
    kept = [s for s in split if s.param.type != "Split"]
    for old, new in zip(specs, kept, strict=True):
        assert [plain(blob) for blob in new.param.bottom] == list(old.param.bottom)
        assert list(new.param.top) == list(old.param.top)
    # No weight is lost, and none counts twice.
    assert total_weight(split) == total_weight(specs)
    # Nothing is left to split.
    assert table(insert_splits(split)) == table(split)


def plain(blob):
    """The blob that a split top stands for."""
    return blob.split("_l")[0].split("_x_")[0]


def total_weight(specs):
    return sum(weight for s in specs for weight in s.param.loss_weight)


# --- what is refused ----------------------------------------------------------------------------------

UNKNOWN = "Unknown bottom blob 'z' (layer 'p', bottom index 1)"


def test_an_unknown_bottom():
    text = inputs("x") + layer("p", "TestSum", "x z", "y")
    error = refused(GraphError, text, "net.prototxt:2: layer \"p\" (TestSum): bottom[1] is 'z'", UNKNOWN, "produce: x")
    assert (error.field, error.line, error.layer) == ("bottom[1]", 2, "p")


def test_an_unknown_bottom_that_looks_like_another():
    refused(GraphError, inputs("data") + layer("p", "ReLU", "Data", "y"), "did you mean 'data'?")


def test_a_bottom_that_comes_later():
    text = inputs("x") + layer("p", "TestSum", "x z", "y") + layer("late", "ReLU", "x", "z")
    refused(GraphError, text, UNKNOWN, "layer 'late' produces it, but comes no earlier")


def test_a_bottom_that_only_the_other_phase_has():
    text = inputs("x") + layer("q", "ReLU", "x", "z", "include { phase: TEST }") + layer("p", "TestSum", "x z", "y")
    refused(GraphError, text, UNKNOWN, "layer 'q' produces it, but its include or exclude rules keep it out")


def test_a_layer_that_reads_its_own_top():
    refused(GraphError, layer("p", "TestSum", "x z", "x"), "Unknown bottom blob 'x' (layer 'p', bottom index 0)")
