"""How a net shows itself: as a line, a table, and in a notebook as a picture; and a NetSpec as the net it stands for.

The drawing is imported when the first picture is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minicaffe import net_spec
from minicaffe.proto import caffe_pb2

if TYPE_CHECKING:
    from minicaffe.net.graph import Graph
    from minicaffe.net.summary_table import Summary


class Shown:
    """What a net tells of itself; the Net of scripts inherits this (net/scripting.py)."""

    graph: Graph

    def summary(self) -> Summary:
        """A table of the layers as they are now: shapes of tops, parameters, multiply-adds, bytes, mean |w|.

            print(net.summary())        # in a notebook, net.summary() alone shows the table

        Its rows and sums are there as numbers, too: net.summary().parameters (net/summary_table.py).
        """
        from minicaffe.net.summary import summarize

        return summarize(self.graph, values=True)

    def _repr_svg_(self) -> str:
        """The net's picture with its shapes and parameters, for a page of HTML."""
        from minicaffe.net.drawing.page import net_svg

        return net_svg(self.graph)

    def _repr_png_(self) -> bytes:
        from minicaffe.net.drawing.page import net_png

        return net_png(self.graph)

    def __repr__(self) -> str:
        phase = caffe_pb2.Phase.Name(self.graph.context.phase)
        return f"<Net {self.graph.name or 'without a name'}, {phase}: {len(self.graph.layers)} layers>"


def _spec_svg(param: Any) -> str | None:
    from minicaffe.net.drawing.page import param_svg

    return param_svg(param)


def _spec_png(param: Any) -> bytes | None:
    from minicaffe.net.drawing.page import param_png

    return param_png(param)


net_spec.DRAWERS.update(svg=_spec_svg, png=_spec_png)
