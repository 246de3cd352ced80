"""What tests of drawings share: small nets as text, and graphs drawn at random.

layer("relu1", "ReLU", "x", "x") is one layer's prototxt; "a b" stands for two blobs.
"""

from hypothesis import strategies as st

from minicaffe.net.drawing.graph import Blob, net_graph
from minicaffe.proto.upgrade import parse_net


def layer(name, type, bottom="", top="", settings=""):
    bottoms = "".join(f' bottom: "{blob}"' for blob in bottom.split())
    tops = "".join(f' top: "{blob}"' for blob in top.split())
    return f'layer {{ name: "{name}" type: "{type}"{bottoms}{tops} {settings} }}\n'


def graph_of(text, phase=None):
    return net_graph(parse_net(text, "net.prototxt"), phase)


def node_name(node):
    """A box's layers, joined by +, or a blob's name in brackets."""
    return f"[{node.name}]" if isinstance(node, Blob) else "+".join(layer.name for layer in node.layers)


def arrows(graph):
    """(from, to, label) of each edge, sorted."""
    names = [node_name(node) for node in graph.nodes]
    return sorted((names[edge.source], names[edge.target], edge.label) for edge in graph.edges)


@st.composite
def nets(draw, most_layers=14):
    """Prototxt of a net that could be: each layer reads blobs made before it, and some work in place."""
    blobs, text = [], ""
    for index in range(draw(st.integers(1, most_layers))):
        bottoms = draw(st.lists(st.sampled_from(blobs), max_size=3, unique=True)) if blobs else []
        if len(bottoms) == 1 and draw(st.booleans()):
            text += layer(f"n{index}", "ReLU", bottoms[0], bottoms[0])
            continue
        tops = [f"b{index}_{top}" for top in range(draw(st.integers(0 if bottoms else 1, 3)))]
        text += layer(f"layer{index}" * draw(st.integers(1, 4)), "Eltwise", " ".join(bottoms), " ".join(tops))
        blobs += tops
    return text
