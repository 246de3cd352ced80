"""How a net shows itself: as a line, a table, and in a notebook as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minicaffe.proto import caffe_pb2

if TYPE_CHECKING:
    from minicaffe.net.graph import Graph
    from minicaffe.net.summary import Summary


class Shown:
    """What a net tells of itself. Who asks for no picture does not wait until the drawing has been imported."""

    graph: Graph
    name: str

    def summary(self) -> Summary:
        """A table of the layers as they are now: shapes of tops, parameters, multiply-adds, bytes, mean |w|.

            print(net.summary())        # in a notebook, net.summary() alone shows the table

        Its rows and sums are there as numbers, too: net.summary().parameters (net/summary.py).
        """
        from minicaffe.net.summary import summarize

        return summarize(self.graph, self.name, values=True)

    def _repr_svg_(self) -> str:
        """The net's picture with its shapes and parameters, for a page of HTML."""
        from minicaffe.net.drawing.page import net_svg

        return net_svg(self.graph, self.name)

    def _repr_png_(self) -> bytes:
        from minicaffe.net.drawing.page import net_png

        return net_png(self.graph, self.name)

    def __repr__(self) -> str:
        phase = caffe_pb2.Phase.Name(self.graph.context.phase)
        return f"<Net {self.name or 'without a name'}, {phase}: {len(self.graph.layers)} layers>"
