"""WeightsTable: what became of each layer when weights were loaded into a net."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from minicaffe import log
from minicaffe.errors import ShapeError
from minicaffe.net.columns import escaped, html_row, text_row, widths_of

Shapes = Sequence[Sequence[int]]
HEADINGS = ("", "layer", "parameters", "values", "")
NUMBERS = (HEADINGS.index("values"),)


class WeightsMismatchError(ShapeError):
    """A layer of the net and the one of its name in a file do not fit; nothing was copied.

    table: all layers, as far as the file and the net have them.
    """

    table: WeightsTable


@dataclass(frozen=True)
class Row:
    """One layer.

    shapes: of its parameters in the net, none for an unused layer.  stored: in the file, none for a skipped one.
    fault: of a mismatched layer, what does not fit.
    """

    layer: str
    shapes: Shapes = ()
    stored: Shapes = ()
    fault: str = ""

    @property
    def count(self) -> int:
        """How many values the net's parameters hold; for an unused layer the file's."""
        return sum(math.prod(shape) for shape in self.shapes or self.stored)


@dataclass
class WeightsTable:
    """What copy_from and load_hdf5 return: `print(net.copy_from("old.caffemodel"))`.

    path: the file.
    copied: layers that have the file's values now.
    skipped: layers with parameters that the file does not have; they keep their values.
    mismatched: layers that both have, in other shapes or numbers; they keep their values.
    unused: layers with parameters in the file that the net does not have.
    """

    path: str
    copied: list[Row] = field(default_factory=list)
    skipped: list[Row] = field(default_factory=list)
    mismatched: list[Row] = field(default_factory=list)
    unused: list[Row] = field(default_factory=list)

    def title(self) -> str:
        """All in one line."""
        values, number = sum(row.count for row in self.copied), len(self.copied)
        parts = [f"{self.path}: copied {number} layer{'s' * (number != 1)} ({values:,} values)"]
        return ", ".join(parts + [f"{word} {len(rows)}" for word, rows in self._others if rows])

    def log(self) -> None:
        """One line, and one more for each layer that was not copied."""
        if log.enabled(log.INFO):
            for line in [self.title(), *aligned(self._cells(self._others))]:
                log.info(line)

    @property
    def _others(self) -> list[tuple[str, list[Row]]]:
        return [("skipped", self.skipped), ("mismatched", self.mismatched), ("unused", self.unused)]

    def _cells(self, groups: Sequence[tuple[str, list[Row]]]) -> list[tuple[str, ...]]:
        return [cells(word, row) for word, rows in groups for row in rows]

    def _all_cells(self) -> list[tuple[str, ...]]:
        return self._cells([("copied", self.copied), *self._others])

    def __str__(self) -> str:
        return "\n".join([self.title(), *aligned([HEADINGS, *self._all_cells()])])

    def __repr__(self) -> str:
        return f"<WeightsTable {self.title()}>"

    def _repr_html_(self) -> str:
        lines = [html_row(HEADINGS, NUMBERS, "th"), *(html_row(cells, NUMBERS) for cells in self._all_cells())]
        return f"<table><caption>{escaped(self.title())}</caption>\n" + "\n".join(lines) + "\n</table>"


def cells(word: str, row: Row) -> tuple[str, ...]:
    remarks = {
        "skipped": "not in the file, keeps its values",
        "mismatched": f"in the file {shapes_text(row.stored)}, keeps its values",
        "unused": "not in the net",
    }
    return word, row.layer, shapes_text(row.shapes or row.stored), f"{row.count:,}", remarks.get(word, "")


def shapes_text(shapes: Shapes) -> str:
    """`20x1x5x5 + 20`, and `1` for a scalar."""
    return " + ".join("x".join(map(str, shape)) or "1" for shape in shapes) or "no blobs"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines whose columns lie below each other."""
    widths = widths_of(rows)
    return ("  " + text_row(row, widths, NUMBERS) for row in rows)
