"""Find the faces in a photograph, and draw them.

    python examples/face_detection/detect_faces.py photo.jpg --models FOLDER --out faces.png

FOLDER holds the three trained nets (see README.md). Exit status: 0 where faces are found, 1 where there are none, 2 for
a photograph, nets or options that cannot be used.
"""

import argparse
import json
import sys
from pathlib import Path

from cascade import LANDMARKS, Cascade
from drawing import draw
from PIL import Image, ImageOps

import minicaffe as caffe


def main(arguments=None):
    options = parse(arguments)
    try:
        photo = load(options.photo)
        faces = Cascade(options.models).detect(photo, options.min_size, options.thresholds, options.factor)
        save(options, photo, faces)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(faces) if len(faces.boxes) else f"no face found in {options.photo}")
    return 0 if len(faces.boxes) else 1


def parse(arguments):
    parser = argparse.ArgumentParser(description="Find the faces in a photograph, and draw them.")
    parser.add_argument("photo", help="JPEG, PNG or another image that Pillow reads")
    parser.add_argument("--models", required=True, help="folder with det1, det2, det3 .prototxt and .caffemodel")
    parser.add_argument("--out", type=Path, help="where to write the photograph with boxes and landmarks, as PNG")
    parser.add_argument("--json", type=Path, help="where to write the faces as JSON")
    parser.add_argument("--min_size", type=float, default=20, help="pixels, the smallest face sought (default 20)")
    parser.add_argument(
        "--thresholds", type=float, nargs=3, default=[0.6, 0.7, 0.7], help="scores that pass each net, 0 to 1"
    )
    parser.add_argument("--factor", type=float, default=0.709, help="from one level of the pyramid to the next")
    return parser.parse_args(arguments)


def load(file):
    """The photograph, upright and RGB."""
    try:
        with Image.open(file) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be read as an image: {error}") from error


def save(options, photo, faces):
    """Write what was asked for. Without faces too, so that what an earlier run left is not taken for this one's."""
    if options.out:
        draw(photo, faces).save(options.out, format="PNG")
    if options.json:
        options.json.write_text(json.dumps(describe(faces), indent=2) + "\n")


def describe(faces):
    """Faces as plain lists and numbers."""
    rows = zip(faces.boxes.tolist(), faces.scores.tolist(), faces.landmarks.tolist(), strict=True)
    return [
        {"box": box, "score": score, "landmarks": dict(zip(LANDMARKS, landmarks, strict=True))}
        for box, score, landmarks in rows
    ]


def table(faces):
    """A line for each face: its box and score, and where its landmarks are."""
    lines = ["score   left    top  right bottom   " + "  ".join(f"{name:>18}" for name in LANDMARKS)]
    for box, score, landmarks in zip(faces.boxes, faces.scores, faces.landmarks, strict=True):
        places = "  ".join(f"{f'{x:.0f}, {y:.0f}':>18}" for x, y in landmarks)
        lines.append(f"{score:.3f} " + " ".join(f"{edge:6.0f}" for edge in box) + "   " + places)
    return "\n".join(lines)


if __name__ == "__main__":
    caffe.init_log(2)  # errors alone; what Caffe tells of each net is long
    sys.exit(main())
