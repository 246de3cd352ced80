"""Definitions of the kernels of rows.py, one number at a time."""

import math


def find_bad_row(index, count, whole):
    for number, value in enumerate(index.flat):
        fraction = whole and math.isfinite(value) and value != int(value)
        if not 0 <= value < count or fraction:
            return number
    return -1


def take_rows(x, rows, y):
    for i, row in enumerate(rows):
        y[i] = x[row]


def add_rows(dy, rows, dx):
    for i, row in enumerate(rows):
        dx[row] += dy[i]
