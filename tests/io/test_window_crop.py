"""Where windows lie: against exact arithmetic, in the cases counted by hand, and what is refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from minicaffe.errors import DataError
from minicaffe.io.window_crop import Span, WindowCropper


def rows_and_columns(box, height, width, size, mirror=False, **settings):
    return WindowCropper(size, **settings).crop(box, height, width, mirror)


def test_a_window_alone_is_warped_whole():
    rows, columns = rows_and_columns((2, 3, 10, 7), 20, 24, 8)
    assert (rows, columns) == (Span(slice(3, 8), 8), Span(slice(2, 11), 8))
    assert rows_and_columns((0, 0, 23, 19), 20, 24, 8) == (Span(slice(0, 20), 8), Span(slice(0, 24), 8))


@pytest.mark.parametrize(
    "box", [(-1, 3, 10, 7), (2, -1, 10, 7), (2, 3, 24, 7), (2, 3, 10, 20), (5, 3, 4, 7), (2, 7, 10, 6), (30, 3, 40, 7)]
)
@pytest.mark.parametrize("size", [8, 300])
def test_a_window_alone_must_lie_in_its_image(box, size):
    with pytest.raises(DataError) as caught:
        rows_and_columns(box, 20, 24, size)
    words = "the window {} {} {} {} cannot be clipped into its image of 24 x 20 pixels (width x height); correct x1"
    assert words.format(*box) in str(caught.value)


def test_a_square_around_a_flat_window():
    # 9 wide, 5 high: centre at row 5.5, from 1 to 10; at column 6.5, from 2 to 11.
    rows, columns = rows_and_columns((2, 3, 10, 7), 20, 24, 10, square=True)
    assert (rows, columns) == (Span(slice(1, 11), 10), Span(slice(2, 12), 10))


def test_context_on_each_side():
    # k = 12 / 8: 8 x 8 around (10, 9) become 13 x 13, from 4 to 16 and from 3 to 15.
    rows, columns = rows_and_columns((6, 5, 13, 12), 20, 24, 12, context_pad=2)
    assert (rows, columns) == (Span(slice(3, 16), 12), Span(slice(4, 17), 12))


def test_beyond_the_border_stays_empty():
    # From -5.25 + 3.5 and so on: 13 x 13 from (-3, -2); 3 columns and 2 rows of 13 are missing, 12 / 13 of them empty.
    rows, columns = rows_and_columns((-1, 0, 6, 7), 20, 24, 12, context_pad=2)
    assert (rows, columns) == (Span(slice(0, 11), 10, 2), Span(slice(0, 10), 9, 3))


def test_the_empty_part_is_mirrored_too():
    rows, columns = rows_and_columns((-1, 0, 6, 7), 20, 24, 12, mirror=True, context_pad=2)
    assert (rows, columns) == (Span(slice(0, 11), 10, 2), Span(slice(0, 10), 9, 0))
    # At the right border it comes to the left.
    _, columns = rows_and_columns((17, 5, 24, 12), 20, 24, 12, mirror=True, context_pad=2)
    assert columns == Span(slice(15, 24), 8, 4)
    _, columns = rows_and_columns((17, 5, 24, 12), 20, 24, 12, context_pad=2)
    assert columns == Span(slice(15, 24), 8, 0)


def test_halves_are_rounded_away_from_zero():
    # 1 x 1 at 0, k = 4 / 2 = 2: from round(0.5 - 1) = -1 to round(1.5) = 2, four columns, one of them missing.
    _, columns = rows_and_columns((0, 0, 0, 0), 20, 24, 4, context_pad=1)
    assert columns == Span(slice(0, 3), 3, 1)


def test_with_context_a_window_may_be_left_with_nothing():
    for box in [(40, 5, 44, 9), (5, 40, 9, 44), (-44, 5, -40, 9), (9, 5, 2, 9)]:
        with pytest.raises(DataError, match="cannot be clipped"):
            rows_and_columns(box, 20, 24, 12, context_pad=2)
    # A sliver of one column, less than half a pixel of the result.
    with pytest.raises(DataError, match="cannot be clipped"):
        rows_and_columns((-300, 0, 0, 19), 20, 24, 4, square=True)


def rounded(value):
    """Half away from zero; not where float64 may go either way."""
    assume(abs(abs(value) % 1 - Fraction(1, 2)) > Fraction(1, 10**6) or value * 2 == int(value * 2))
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def by_definition(box, height, width, size, pad, square, mirror):
    """(first and last source pixel, size, place) of rows and columns, in exact arithmetic; None without any."""
    x1, y1, x2, y2 = box
    k = Fraction(size, size - 2 * pad)
    halves = [Fraction(y2 - y1 + 1, 2), Fraction(x2 - x1 + 1, 2)]
    reach = [max(halves)] * 2 if square else halves
    spans = []
    for first, half, r, limit, turned in zip((y1, x1), halves, reach, (height, width), (False, mirror), strict=True):
        begin, end = rounded(first + half - r * k), rounded(first + half + r * k)
        unclipped = end - begin + 1
        before, after = max(0, -begin), max(0, end - limit + 1)
        begin, end = begin + before, end - after
        if begin > end:
            return None
        kept, before, after = (rounded(Fraction(n * size, unclipped)) for n in (end - begin + 1, before, after))
        place = after if turned else before
        spans.append((begin, end, min(kept, size - place), place))
    return None if min(kept for _, _, kept, _ in spans) < 1 else spans


corners = st.integers(-30, 60)


@given(
    st.tuples(corners, corners, st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(3, 30), st.integers(0, 14), st.booleans()),
    st.booleans(),
)
def test_the_definition(box, settings, mirror):
    height, width, size, pad, square = settings
    assume(2 * pad < size and (pad or square))
    x1, y1, w, h = box
    box = (x1, y1, x1 + w, y1 + h)
    expected = by_definition(box, height, width, size, pad, square, mirror)
    cropper = WindowCropper(size, pad, square, np.float64)
    if expected is None:
        with pytest.raises(DataError, match="cannot be clipped"):
            cropper.crop(box, height, width, mirror)
        return
    found = cropper.crop(box, height, width, mirror)
    assert [(s.source.start, s.source.stop - 1, s.size, s.place) for s in found] == expected
    for span, limit in zip(found, (height, width), strict=True):
        assert 0 <= span.source.start < span.source.stop <= limit
        assert span.place >= 0 and span.place + span.size <= size
