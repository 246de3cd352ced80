"""What scripts read of a solver. None of it can be set, as in pycaffe: snapshots and tests count on it."""

from __future__ import annotations

from minicaffe.net.columns import escaped
from minicaffe.net.net import Net
from minicaffe.solver.parameters import Parameters


class Attributes:
    """How far a solver is, and with what; Solver inherits this."""

    _net: Net
    _test_nets: list[Net]
    _iter: int
    _parameters: Parameters

    @property
    def net(self) -> Net:
        """The net in training."""
        return self._net

    @property
    def test_nets(self) -> list[Net]:
        """The nets that are tested, one for each test_net or test_iter of the solver file."""
        return self._test_nets

    @property
    def iter(self) -> int:
        """How many updates have been done."""
        return self._iter

    @property
    def param(self) -> Parameters:
        """Settings: max_iter, display, layer_wise_reduce, and base_lr, which may be set."""
        return self._parameters

    def __repr__(self) -> str:
        name = self.net.name or "a net without a name"
        return f"<{type(self).__name__} of {name}: iteration {self.iter} of {self.param.max_iter}>"

    def _repr_html_(self) -> str:
        """For a notebook: how far it is, and its net as a picture."""
        return f"<p>{escaped(repr(self)[1:-1])}</p>\n{self.net._repr_svg_()}"
