"""Which layer of a net takes the values of which layer of a file, or of another net; and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minicaffe import log
from minicaffe.blob import DATA, Blob
from minicaffe.errors import ParamError
from minicaffe.layers.base import Layer
from minicaffe.net.graph import Graph
from minicaffe.net.weights_table import Row, Shapes, WeightsMismatchError, WeightsTable, shapes_text

# A layer's blobs, each with what it takes.
Pairs = list[tuple[Blob, Any]]
ERROR, SKIP = "error", "skip"
ADVICE = (
    "To learn this layer's parameters from scratch rather than copy them, rename the layer, or leave out what does "
    f'not fit: mismatched="{SKIP}"'
)


def check_choice(mismatched: str) -> None:
    """Raises ParamError for anything but the two that there are."""
    if mismatched not in (ERROR, SKIP):
        text = f'mismatched is {mismatched!r}, must be "{ERROR}", to copy nothing where a layer does not fit'
        raise ParamError(f'{text}, or "{SKIP}", to leave such layers as they are')


class Matching:
    """Takes in one source layer after the other.

    by_name: the layers of the net.  where: what the sources are called.
    fit: (layer, source) -> their pairs, or a text that says what does not fit.
    table: what has been taken in.  pairs: all that fits.
    """

    def __init__(self, by_name: Mapping[str, Layer], where: str, fit: Callable[[Layer, Any], Pairs | str]) -> None:
        self._by_name, self._fit = by_name, fit
        self.table, self.pairs = WeightsTable(where), Pairs()
        self._misfits: list[Layer] = []

    def add(self, source: Any, stored: Shapes) -> None:
        """source: an object with a name.  stored: the shapes of its blobs."""
        layer, table = self._by_name.get(source.name), self.table
        if layer is None:
            log.info(f"Ignoring source layer {source.name}")
            if stored:
                table.unused.append(Row(source.name, stored=stored))
            return
        shapes, found = [blob.shape for blob in layer.blobs], self._fit(layer, source)
        if isinstance(found, str):
            table.mismatched.append(Row(layer.name, shapes, stored, found))
            self._misfits.append(layer)
        elif found:
            table.copied.append(Row(layer.name, shapes, stored))
            self.pairs += found

    def check(self, advice: str) -> None:
        """Raises WeightsMismatchError for the first layer that does not fit, where there is one; the text names all."""
        if not self._misfits:
            return
        first, *others = self.table.mismatched
        text = f"{first.fault}. {advice}"
        if others:
            told = (f"{row.layer} ({shapes_text(row.shapes)}, source {shapes_text(row.stored)})" for row in others)
            text = f"{text}. Nor do these layers fit: {', '.join(told)}"
        error = self._misfits[0].error(WeightsMismatchError, text)
        error.table = self.table
        raise error

    def finish(self, graph: Graph, mismatched: str) -> WeightsTable:
        """The table, now with the layers that no source has, logged. Raises as check if a layer may not be left out."""
        written = {id(blob.storage(DATA)) for blob, _ in self.pairs}
        for layer in graph.layers:
            # Another layer's parameters may be this one's, too.
            missing = any(id(blob.storage(DATA)) not in written for blob in layer.blobs)
            if missing and layer not in self._misfits:
                self.table.skipped.append(Row(layer.name, [blob.shape for blob in layer.blobs]))
        if mismatched == ERROR:
            self.check(ADVICE)
        self.table.log()
        if not self.pairs and not self._misfits and self.table.skipped:
            text = "none of its layers has the name of a layer of this net; nothing was copied"
            log.warning(f"{self.table.path}: {text}")
        return self.table
