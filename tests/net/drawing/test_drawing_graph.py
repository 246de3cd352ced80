"""What of a net is drawn, and how its parts hang together."""

import pytest
from drawing_kit import arrows, graph_of, layer, nets, node_name
from hypothesis import given

from minicaffe.errors import GraphError, ParamError
from minicaffe.net.drawing.graph import Blob, is_in_place
from minicaffe.net.drawing.ranks import Wire, assign_ranks
from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import parse_net

DATA = layer("data", "Data", "", "x y", "data_param { batch_size: 8 }")
CONV = layer("conv", "Convolution", "x", "c", "convolution_param { num_output: 20 kernel_size: 5 }")


def names(graph):
    return [node_name(node) for node in graph.nodes]


def test_layers_blobs_and_what_is_written_at_the_arrows():
    graph = graph_of('name: "small" ' + DATA + CONV + layer("loss", "SoftmaxWithLoss", "c y", "loss"))
    assert graph.name == "small"
    assert arrows(graph) == sorted(
        [
            ("data", "[x]", "batch 8"),
            ("data", "[y]", "batch 8"),
            ("[x]", "conv", ""),
            ("conv", "[c]", "20"),
            ("[c]", "loss", ""),
            ("[y]", "loss", ""),
            ("loss", "[loss]", ""),
        ]
    )


def test_layers_in_place_join_the_maker_of_their_blob():
    graph = graph_of(DATA + CONV + layer("bn", "BatchNorm", "c", "c") + layer("relu", "ReLU", "c", "c"))
    assert names(graph) == ["data", "[x]", "[y]", "conv+bn+relu", "[c]"]
    assert ("conv+bn+relu", "[c]", "20") in arrows(graph)


def test_behind_a_maker_of_several_blobs_a_layer_in_place_stands_for_itself():
    graph = graph_of(DATA + layer("scale", "Power", "x", "x"))
    assert arrows(graph) == [("data", "[y]", "batch 8"), ("data", "scale", "batch 8"), ("scale", "[x]", "")]
    (card,) = [node for node in graph.nodes if node_name(node) == "scale"]
    assert card.in_place


def test_who_reads_a_blob_before_it_is_changed_reads_another_octagon():
    text = (
        DATA + CONV + layer("early", "Silence", "c") + layer("relu", "ReLU", "c", "c") + layer("late", "Silence", "c")
    )
    graph = graph_of(text)
    assert names(graph) == ["data", "[x]", "[y]", "conv", "[c]", "early", "relu", "[c]", "late"]
    first, second = (index for index, name in enumerate(names(graph)) if name == "[c]")
    assert [names(graph)[reader] for reader in graph.nodes[first].readers] == ["early", "relu"]
    assert [names(graph)[reader] for reader in graph.nodes[second].readers] == ["late"]


def test_a_blob_that_no_layer_makes():
    graph = graph_of(layer("relu", "ReLU", "x", "x") + layer("sum", "Eltwise", "x nothing", "s"))
    assert [node.makers for node in graph.nodes if isinstance(node, Blob)] == [[], [0], [], [3]]
    assert arrows(graph)[0] == ("[nothing]", "sum", "")


def test_a_bottom_that_comes_twice_is_one_arrow():
    assert arrows(graph_of(layer("sum", "Eltwise", "x x", "s"))) == [("[x]", "sum", ""), ("sum", "[s]", "")]


BOTH = (
    layer("mnist", "Data", "", "x y", "include { phase: TRAIN } data_param { batch_size: 64 }")
    + layer("mnist", "Data", "", "x y", "include { phase: TEST } data_param { batch_size: 100 }")
    + layer("loss", "SoftmaxWithLoss", "x y", "loss")
    + layer("dropped", "Accuracy", "x y", "a", "exclude { phase: TRAIN }")
    + layer("staged", "Silence", "loss", "", 'include { stage: "deploy" }')
)


def test_makers_of_both_phases_make_one_blob():
    graph = graph_of(BOTH)
    assert names(graph) == ["mnist", "[x]", "[y]", "mnist", "loss", "[loss]", "dropped", "[a]", "staged"]
    assert graph.nodes[1].makers == [0, 3]
    assert [label for source, target, label in arrows(graph) if target == "[x]"] == ["batch 100", "batch 64"]


@pytest.mark.parametrize(
    "phase, batch, layers",
    [(TRAIN, "batch 64", {"loss", "staged"}), (TEST, "batch 100", {"loss", "dropped", "staged"})],
)
def test_a_phase_of_the_net(phase, batch, layers):
    graph = graph_of(BOTH, phase)
    assert {node_name(node) for node in graph.nodes if not isinstance(node, Blob)} == {"mnist", *layers}
    assert ("mnist", "[x]", batch) in arrows(graph)


def test_a_name_made_again_after_it_was_read_is_another_octagon():
    graph = graph_of(layer("a", "X", "", "x") + layer("b", "X", "x", "y") + layer("c", "X", "y", "x"))
    assert arrows(graph) == [
        ("[x]", "b", ""),
        ("[y]", "c", ""),
        ("a", "[x]", ""),
        ("b", "[y]", ""),
        ("c", "[x]", ""),
    ]
    assert names(graph).count("[x]") == 2


def test_rules_of_both_kinds():
    text = DATA + "\n" + layer("both", "ReLU", "x", "x", "include { phase: TEST } exclude { phase: TRAIN }")
    place = r'net.prototxt:3: layer "both" \(ReLU\): include stands beside exclude: .* keep one of the two'
    with pytest.raises(ParamError, match=place):
        graph_of(text, TEST)
    assert names(graph_of(text)) == ["data", "[x]", "[y]", "both"]


def test_nothing_to_draw():
    with pytest.raises(
        GraphError, match=r"net\.prototxt: has no layers: there is nothing to draw; give the definition"
    ):
        graph_of('name: "empty"')
    with pytest.raises(GraphError, match=r"net\.prototxt: has no layer of phase TEST: there is nothing to draw"):
        graph_of(layer("data", "Data", "", "x", "include { phase: TRAIN }"), TEST)


@given(nets())
def test_every_layer_and_blob_is_there_once_and_no_circle(text):
    graph, param = graph_of(text), parse_net(text).param
    drawn = [layer.name for node in graph.nodes if not isinstance(node, Blob) for layer in node.layers]
    assert sorted(drawn) == sorted(layer.name for layer in param.layer)
    assert {node.name for node in graph.nodes if isinstance(node, Blob)} == {
        name for layer in param.layer for name in (*layer.bottom, *layer.top)
    }
    ranks = assign_ranks(len(graph.nodes), [Wire(edge.source, edge.target) for edge in graph.edges])
    assert all(ranks[edge.source] < ranks[edge.target] for edge in graph.edges)
    assert len(set(graph.edges)) == len(graph.edges)


def test_in_place_is_one_bottom_that_is_the_one_top():
    cases = {("x", "x"): True, ("x", "y"): False, ("x y", "x y"): False, ("x", "x y"): False, ("", ""): False}
    for (bottom, top), expected in cases.items():
        assert is_in_place(parse_net(layer("l", "ReLU", bottom, top)).param.layer[0]) is expected
