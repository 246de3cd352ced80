"""Rows of cells as lines of text, and as HTML: words begin at the left edge of their column, numbers end at the right.

numbers: the columns that hold numbers, counted from 0.
"""

from __future__ import annotations

from collections.abc import Container, Sequence


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """How many characters each column takes."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def text_row(cells: Sequence[str], widths: Sequence[int], numbers: Container[int]) -> str:
    """Two blanks stand between columns."""
    sized = enumerate(zip(cells, widths, strict=True))
    return "  ".join(
        cell.rjust(width) if column in numbers else cell.ljust(width) for column, (cell, width) in sized
    ).rstrip()


def html_row(cells: Sequence[str], numbers: Container[int], tag: str = "td") -> str:
    """tag: "th" for headings."""
    sides = ("right" if column in numbers else "left" for column in range(len(cells)))
    marked = (
        f'<{tag} style="text-align: {side}">{escaped(cell)}</{tag}>' for side, cell in zip(sides, cells, strict=True)
    )
    return f"<tr>{''.join(marked)}</tr>"


def escaped(text: str) -> str:
    """A text as it stands in HTML."""
    # Its table of entities would be read at every start of the program.
    import html

    return html.escape(text)
