"""Summary: what is known of each layer of a net; as text or HTML a table, and below it what the columns come to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minicaffe import log
from minicaffe.backend.layout import sizes_text
from minicaffe.net.columns import escaped, html_row, text_row, widths_of

Shape = tuple[int, ...]
HEADINGS = ("layer", "type", "output", "parameters", "multiply-adds", "forward", "backward")
MAGNITUDE = "mean |w|"
UNITS = ("KiB", "MiB", "GiB", "TiB")
NUMBERS = range(HEADINGS.index("parameters"), len(HEADINGS) + 1)
# Long names are shortened to this, and further for a table of 120 columns, but not below 16.
LONGEST, COLUMNS, SHORTEST = 32, 120, 16


@dataclass(frozen=True)
class Row:
    """One layer.

    shapes: of its tops.
    parameters: values in its blobs, but for those that it shares with an earlier layer.
    multiply_adds: of a forward pass of the whole batch (net/multiply_adds.py); None for a layer of the user's own.
    forward: bytes of activations, which are the data of its tops. Memory that an earlier layer has counted (in place,
    Split, Reshape, Flatten) is not counted again.
    backward: bytes of activations and of their gradients, which are the diffs of those tops that one flows into:
    from a later layer's backward, or because the top itself is a loss.
    magnitude: the mean absolute value of its parameters; None without any, and where their values were not asked for.
    """

    name: str
    type: str
    shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int | None
    forward: int
    backward: int
    magnitude: float | None = None


@dataclass(frozen=True)
class Summary:
    """A net's layers, in order, and what they come to; as text a table, of at most 120 columns if it can be.

    name: the net's.  phase: TRAIN or TEST.  rows: one a layer, Split layers included.
    learned: how many of the parameters have a learning rate other than 0.  value_bytes: bytes of one value.
    """

    name: str
    phase: int
    rows: tuple[Row, ...]
    learned: int
    value_bytes: int = 4

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of the layers of which it is known."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def forward(self) -> int:
        return sum(row.forward for row in self.rows)

    @property
    def backward(self) -> int:
        return sum(row.backward for row in self.rows)

    def __str__(self) -> str:
        return summary_text(self)

    __repr__ = __str__  # what `net.summary()` shows at a prompt

    def _repr_html_(self) -> str:
        return summary_html(self)


def summary_text(summary: Summary) -> str:
    table = table_of(summary)
    widths = fit_names(table)
    head, *body, foot = (text_row(cells, widths, NUMBERS) for cells in table)
    rule = "-" * table_width(widths)
    return "\n".join([title(summary), rule, head, rule, *body, rule, foot, rule, *notes(summary)])


def summary_html(summary: Summary) -> str:
    """The same as a table of HTML."""
    head, *lines = table_of(summary)
    *body, foot = (html_row(cells, NUMBERS) for cells in lines)
    below = escaped("\n".join(notes(summary)))
    return (
        f"<table><caption>{escaped(title(summary))}</caption>\n<thead>{html_row(head, NUMBERS, 'th')}</thead>\n"
        "<tbody>\n" + "\n".join(body) + f"\n</tbody>\n<tfoot>{foot}</tfoot></table>\n<pre>{below}</pre>"
    )


def title(summary: Summary) -> str:
    return f"{summary.name or 'net'}, {('TRAIN', 'TEST')[summary.phase]}"


def table_of(summary: Summary) -> list[list[str]]:
    """The cells: headings, lines of layers, and what they come to."""
    total = ["total", "", "", f"{summary.parameters:,}", f"{summary.multiply_adds:,}"]
    total += [bytes_text(summary.forward), bytes_text(summary.backward), ""]
    lines = [cells for row in summary.rows for cells in row_cells(row)]
    table = [[*HEADINGS, MAGNITUDE], *lines, total]
    if all(row.magnitude is None for row in summary.rows):
        table = [cells[:-1] for cells in table]
    return table


def fit_names(table: list[list[str]]) -> list[int]:
    """Shorten names where the table would be too wide; the widths of its columns."""
    widths = widths_of(table)
    widths[0] = min(widths[0], LONGEST)
    widths[0] = min(widths[0], max(SHORTEST, widths[0] - max(0, table_width(widths) - COLUMNS)))
    for cells in table:
        cells[0] = shortened(cells[0], widths[0])
    return widths


def table_width(widths: Sequence[int]) -> int:
    """Two blanks between columns."""
    return sum(widths) + 2 * (len(widths) - 1)


def shortened(name: str, longest: int) -> str:
    """A long name without its middle: Split layers bear two names."""
    if len(name) <= longest:
        return name
    end = (longest - 2) // 2
    return f"{name[: longest - 2 - end]}..{name[-end:]}"


def row_cells(row: Row) -> Iterator[list[str]]:
    """A line for the layer, and more where its tops differ in shape."""
    shapes = shape_cells(row.shapes)
    work = "?" if row.multiply_adds is None else number(row.multiply_adds)
    figures = [number(row.parameters), work, number_of_bytes(row.forward), number_of_bytes(row.backward)]
    weight = "-" if row.magnitude is None else log.g(row.magnitude)
    yield [row.name, row.type, shapes[0], *figures, weight]
    for shape in shapes[1:]:
        yield ["", "", shape, *[""] * (len(figures) + 1)]


def shape_cells(shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """Shapes as 64x20x24x24, several alike as 2 of 64x20x24x24."""
    runs = [(shape, len(list(run))) for shape, run in itertools.groupby(shapes)]
    texts = [sizes_text(shape) for shape, _ in runs]
    return [text if many == 1 else f"{many} of {text}" for text, (_, many) in zip(texts, runs, strict=True)] or ["-"]


def number(count: int) -> str:
    return f"{count:,}" if count else "-"


def number_of_bytes(count: int) -> str:
    return bytes_text(count) if count else "-"


def bytes_text(count: int) -> str:
    """1023 B, 1.0 KiB, 57.9 MiB."""
    if count < 1024:
        return f"{count} B"
    power = 1
    while power < len(UNITS) and count / 1024**power >= 1023.95:
        power += 1
    return f"{count / 1024**power:.1f} {UNITS[power - 1]}"


def notes(summary: Summary) -> Iterator[str]:
    """What the columns are."""
    memory = bytes_text(summary.value_bytes * summary.parameters)
    yield f"parameters     {summary.parameters:,}, {memory}; learned: {summary.learned:,}"
    yield f"multiply-adds  {summary.multiply_adds:,} in matrix products, forward, for the whole batch"
    if any(row.multiply_adds is None for row in summary.rows):
        yield "               and what layers with a ? do, the user's own"
    yield f"forward        {bytes_text(summary.forward)} of activations"
    if summary.backward == summary.forward:
        yield "backward       the same: no layer runs backward"
    else:
        yield f"backward       {bytes_text(summary.backward)} of activations and their gradients"
    if any(row.magnitude is not None for row in summary.rows):
        yield f"{MAGNITUDE:14} of the weights at hand; - where a layer has none"
