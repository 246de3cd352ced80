"""From a skeleton to the pen's path: random mixtures, bends, slants and widths, many digits at a time."""

from __future__ import annotations

import numpy as np

from minicaffe.tools.digit_skeletons import Skeleton

BOX = 20  # MNIST's digits fill a box of 20 x 20 pixels

# Lengths in units of the skeletons' grid (10 wide, 14 high), slant and turn as tangents.
_STEP = 0.35  # between two points of a path
_MIXTURE = 0.5  # of a skeleton's shapes (Dirichlet): small for one of them, large for a blend of all
_NEATNESS = 4.0  # of the writers: small for a few very bad ones among many neat ones
_WORST = 2.5  # how much worse than the average the worst may write
_JITTER = 0.5  # spread of a skeleton's points, for the average writer
_BEND = 1.1  # spread of the swing of the waves that bend a whole digit, likewise
_WAVE = 0.2  # spread of their frequency, in radians per unit
_SLANT = (0.22, 0.3)  # mean and spread of the shear; above 0 leans to the right
_TURN = 0.08  # spread of the rotation
_STRETCH = 0.2  # spread of log(width / height)
# Pixels of the finished image.
_PEN = (1.3, 0.28)  # median pen radius, and spread of its logarithm
_PEN_RANGE = (0.65, 2.6)


def spline_matrix(skeleton: Skeleton) -> np.ndarray:
    """(path, points): what each point of the skeleton adds to each point of the path.

    Each stroke is a Catmull-Rom curve (its slope at a point is half the way from the point before to the one after).
    """
    corners = skeleton.points().mean(axis=0)
    rows = [_stroke_rows(corners, word) for word in skeleton.words()]
    return np.concatenate(rows).astype(np.float32)


def _stroke_rows(corners: np.ndarray, word: list[int]) -> np.ndarray:
    rows = []
    last = len(word) - 1
    for i in range(last):
        # An end is its own neighbour.
        four = [word[max(i - 1, 0)], word[i], word[i + 1], word[min(i + 2, last)]]
        length = float(np.hypot(*(corners[word[i + 1]] - corners[word[i]])))
        t = np.linspace(0, 1, max(2, round(length / _STEP)), endpoint=i == last - 1)
        weights = _catmull_rom(t)
        block = np.zeros((len(t), len(corners)))
        for point, weight in zip(four, weights, strict=True):
            block[:, point] += weight
        rows.append(block)
    return np.concatenate(rows)


def _catmull_rom(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    )


def draw_paths(skeleton: Skeleton, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paths of `count` digits in pixels of the 20 x 20 box, (count, path, 2) as x, y; pen radii, (count,)."""
    shapes = skeleton.points()
    mixture = rng.dirichlet(np.full(len(shapes), _MIXTURE), count).astype(np.float32)
    corners = np.tensordot(mixture, shapes, 1)
    corners += rng.standard_normal(corners.shape, np.float32) * _JITTER * _haste(count, rng)
    paths = spline_matrix(skeleton) @ corners
    paths -= (5, 7)
    _bend(paths, _haste(count, rng), rng)
    paths = paths @ _affine(count, rng)
    radii = np.clip(rng.lognormal(np.log(_PEN[0]), _PEN[1], count), *_PEN_RANGE).astype(np.float32)
    return _fit(paths, radii), radii


def _haste(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 1, 1), 1 on average: most writers are neat, some are not at all."""
    return np.minimum(rng.gamma(_NEATNESS, 1 / _NEATNESS, (count, 1, 1)), _WORST).astype(np.float32)


def _bend(paths: np.ndarray, haste: np.ndarray, rng: np.random.Generator) -> None:
    """Add slow waves over the plane: near points move alike, so that strokes that meet go on meeting."""
    count = len(paths)
    for _ in range(2):
        wave = rng.normal(0, _WAVE, (count, 2, 1)).astype(np.float32)
        phase = rng.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
        swing = rng.normal(0, _BEND, (count, 1, 2)).astype(np.float32) * haste
        paths += np.sin((paths @ wave)[..., 0] + phase)[..., None] * swing


def _affine(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 2, 2) for row vectors x, y: stretch, then slant, then turn."""
    stretch = np.exp(rng.normal(0, _STRETCH, count))
    slant = rng.normal(*_SLANT, count)
    turn = rng.normal(0, _TURN, count)
    one, zero = np.ones(count), np.zeros(count)
    scale_and_shear = np.array([[stretch, zero], [-slant, one]]).transpose(2, 0, 1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
    return (scale_and_shear @ rotation).astype(np.float32)


def _fit(paths: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """As MNIST was made: the longer side of the inked box fills 20 pixels, the ratio of the sides stays."""
    low, high = paths.min(axis=1), paths.max(axis=1)
    scale = (BOX - 2 * radii) / np.maximum((high - low).max(axis=1), 1)
    centre = (low + high) / 2
    return (paths - centre[:, None]) * scale[:, None, None] + BOX / 2
