"""From the pen's path to grey levels, and into the middle of 28 x 28 pixels, as MNIST was made."""

from __future__ import annotations

import numpy as np

from minicaffe.tools.digit_strokes import BOX

SIDE = 28


def ink(paths: np.ndarray, radii: np.ndarray, edges: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Grey levels 0 to 1, (count, 20, 20), of a round pen that follows each path.

    paths: (count, path, 2) as x, y in pixels; radii: of the pen, edges: over which ink fades to nothing, (count,);
    paper: how much nearer to the pen each pixel seems than it is, (count, 20, 20); all in pixels.
    A pixel's level depends on how far its middle is from the nearest point of the path.
    """
    middles = np.arange(BOX, dtype=np.float32) + 0.5
    # (count, path, 20): squares of the distances along x and along y, added for each point of the path below.
    across = (paths[:, :, :1] - middles) ** 2
    down = (paths[:, :, 1:] - middles) ** 2
    nearest = np.full((len(paths), BOX, BOX), np.inf, np.float32)
    distance = np.empty_like(nearest)
    for i in range(paths.shape[1]):
        np.add(across[:, i, None, :], down[:, i, :, None], out=distance)
        np.minimum(nearest, distance, out=nearest)
    np.sqrt(nearest, out=nearest)
    nearest -= paper
    radii, edges = radii[:, None, None], edges[:, None, None]
    return np.clip((radii - nearest) / edges + 0.5, 0, 1)


def centre(boxes: np.ndarray) -> np.ndarray:
    """uint8 images, (count, 28, 28), each box moved by whole pixels so that its centre of mass is in the middle."""
    mass = boxes.sum(axis=(1, 2))
    middles = np.arange(BOX) + 0.5
    x = (boxes.sum(axis=1) @ middles) / mass
    y = (boxes.sum(axis=2) @ middles) / mass
    room = SIDE - BOX
    left, top = (np.clip(np.rint(SIDE / 2 - v), 0, room).astype(int) for v in (x, y))
    images = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    grey = np.rint(boxes * 255).astype(np.uint8)
    for i in range(len(boxes)):
        images[i, top[i] : top[i] + BOX, left[i] : left[i] + BOX] = grey[i]
    return images
