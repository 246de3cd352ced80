"""MTCNN: three nets, each stricter than the one before, find faces and five landmarks in each.

    P-Net  looks at every place of a pyramid of the photograph in all sizes, and proposes boxes
    R-Net  looks at each proposal, 24 x 24 pixels, refuses most and moves the others
    O-Net  looks at what is left, 48 x 48 pixels, and gives box, score and landmarks

Source: K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint face detection and alignment using multitask cascaded convolutional
networks", IEEE Signal Processing Letters 2016, arXiv:1604.02878, and the authors' release of it.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyramid
from boxes import refine, sizes, square, suppress

import minicaffe as caffe

NETS = ("det1", "det2", "det3")
LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")  # left as one sees it
STRIDE = 2  # pixels of a level from one place that P-Net looks at to the next
BATCH = 32  # boxes that R-Net and O-Net look at together
LARGEST = 10_000_000  # pixels of a level; P-Net takes about 250 bytes for each


class Faces(NamedTuple):
    """n faces, best first: boxes (n, 4) as in boxes.py, scores (n,), landmarks (n, 5, 2): x and y of LANDMARKS."""

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray


class Cascade:
    def __init__(self, folder):
        """folder: where the authors' det1, det2 and det3 .prototxt and .caffemodel are."""
        files = [Path(folder, name + ending) for name in NETS for ending in (".prototxt", ".caffemodel")]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise FileNotFoundError(
                f"no {', '.join(missing)} in {folder}; they are in the folder code/codes/MTCNNv1/model of "
                "https://github.com/kpzhang93/MTCNN_face_detection_alignment"
            )
        self.pnet, self.rnet, self.onet = (
            caffe.Net(str(prototxt), caffe.TEST, weights=str(weights))
            for prototxt, weights in zip(files[::2], files[1::2], strict=True)
        )
        for net, size in (self.rnet, 24), (self.onet, 48):
            net.blobs["data"].reshape(BATCH, 3, size, size)
            net.reshape()

    def detect(self, photo, min_size=20, thresholds=(0.6, 0.7, 0.7), factor=0.709):
        """The Faces in an RGB image of Pillow's.

        min_size: pixels, the smallest face sought.  thresholds: the scores, 0 to 1, that a box needs to pass each net.
        factor: the size of each level of the pyramid as a part of the one before.
        """
        check(photo, min_size, thresholds, factor)
        boxes = self.propose(photo, pyramid.scales(*photo.size, min_size, factor), thresholds[0])
        if len(boxes):
            boxes = self.refuse(photo, boxes, thresholds[1])
        if len(boxes):
            return self.finish(photo, boxes, thresholds[2])
        return Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, len(LANDMARKS), 2)))

    def propose(self, photo, scales, threshold):
        """P-Net at every scale: boxes (n, 4)."""
        found = [self.propose_at(photo, scale, threshold) for scale in scales]
        boxes, offsets, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = suppress(boxes, scores, 0.7)
        return square(refine(boxes[kept], offsets[kept]))

    def propose_at(self, photo, scale, threshold):
        """Boxes (n, 4), their offsets (n, 4) and their scores (n,) at one scale."""
        level = pyramid.resize(photo, pyramid.level_size(photo, scale))
        image = pyramid.as_input([level])
        self.pnet.blobs["data"].reshape(*image.shape)
        answer = self.pnet.forward(data=image)
        face, offsets = answer["prob1"][0, 1], answer["conv4-2"][0]
        x, y = np.nonzero(face >= threshold)
        corners = STRIDE * np.column_stack([x, y])  # of the places, in pixels of the level
        boxes = np.hstack([corners, corners + pyramid.CELL]) / scale
        scores, offsets = face[x, y], offsets[:, x, y].T
        kept = suppress(boxes, scores, 0.5)
        return boxes[kept], offsets[kept], scores[kept]

    def refuse(self, photo, boxes, threshold):
        """R-Net on each box: those that it lets pass, moved and square."""
        boxes, scores, offsets = look(self.rnet, photo, boxes, threshold, "conv5-2")
        kept = suppress(boxes, scores, 0.7)
        return square(refine(boxes[kept], offsets[kept]))

    def finish(self, photo, boxes, threshold):
        """O-Net on each box: Faces."""
        boxes, scores, offsets, places = look(self.onet, photo, boxes, threshold, "conv6-2", "conv6-3")
        # Five x and then five y, from the box's corner and in parts of its size.
        places = places.reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = boxes[:, None, :2] + places * sizes(boxes)[:, None]
        boxes = refine(boxes, offsets)
        kept = suppress(boxes, scores, 0.7, "min")
        return Faces(boxes[kept], scores[kept], landmarks[kept])


def look(net, photo, boxes, threshold, *outputs):
    """Show a net what is in each box. Of the boxes that it takes for faces: boxes, scores, and its other outputs."""
    # forward_all parts them into batches, and pads the last: a net that keeps its shape is a faster one.
    answer = net.forward_all(data=cut(photo, boxes, net.blobs["data"].width))
    scores = answer["prob1"][:, 1]
    passed = scores >= threshold
    return boxes[passed], scores[passed], *(answer[name][passed] for name in outputs)


def cut(photo, boxes, size):
    """What is in each box, size x size pixels: (n, 3, size, size). Outside the photograph all is black."""
    corners = np.rint(boxes).astype(int).tolist()
    return pyramid.as_input([pyramid.resize(photo.crop(box), (size, size)) for box in corners])


def check(photo, min_size, thresholds, factor):
    """ValueError for what the cascade cannot work on."""
    width, height = photo.size
    if not min_size > 0:
        raise ValueError(f"min_size is {min_size}, must be above 0 pixels")
    if len(thresholds) != len(NETS) or not all(0 <= value <= 1 for value in thresholds):
        raise ValueError(f"thresholds are {thresholds}, must be three scores of 0 to 1")
    if not 0 < factor < 1:
        raise ValueError(f"factor is {factor}, must lie between 0 and 1; the authors took 0.709")
    if min(width, height) < min_size:
        raise ValueError(
            f"the photograph is {width} x {height} pixels, less than the smallest face sought: min_size is {min_size}"
        )
    fits = math.sqrt(width * height / LARGEST) * pyramid.CELL
    if min_size < fits:
        raise ValueError(
            f"a photograph of {width} x {height} pixels takes too much memory at min_size {min_size}; "
            f"set it to {math.ceil(fits)} or more"
        )
