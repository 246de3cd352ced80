"""Face detection: arithmetic on boxes by its definition, a photograph whose face is known, and the command line."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from example_kit import ROOT
from hypothesis import example, given, strategies as st
from PIL import Image, ImageOps

from minicaffe import log

FOLDER = ROOT / "examples" / "face_detection"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(FOLDER)
    import boxes as box_arithmetic
    import cascade
    import detect_faces
    import pyramid

# Where eyes, nose and corners of the mouth are in the photograph, as one sees it (pixels).
EYES, NOSE, MOUTH = [(222, 192), (306, 187)], [(268, 236)], [(231, 279), (304, 275)]
SEEN = np.array(EYES + NOSE + MOUTH, float)


@pytest.fixture(scope="module")
def photo_file():
    """The photograph of one woman that matplotlib brings along, 512 x 600 pixels."""
    cbook = pytest.importorskip("matplotlib.cbook")
    return cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


@pytest.fixture(scope="module")
def photo(photo_file):
    return detect_faces.load(photo_file)


@pytest.fixture
def models(models_dir):
    return models_dir / "mtcnn"


@pytest.fixture
def detector(models):
    before = log.set_level(log.FATAL)
    yield cascade.Cascade(models)
    log.set_level(before)


# --- boxes -------------------------------------------------------------------------------------


@st.composite
def some_boxes(draw, least=1):
    """Boxes (n, 4) with an area, many of them overlapping, and a score for each."""
    side = st.integers(1, 12)
    rows = draw(st.lists(st.tuples(st.integers(-5, 8), st.integers(-5, 8), side, side), min_size=least, max_size=12))
    found = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float)
    return found, np.array(draw(st.lists(st.sampled_from(np.arange(20) / 20), min_size=len(rows), max_size=len(rows))))


def cells(box):
    """The unit squares that a box of whole numbers covers."""
    left, top, right, bottom = map(int, box)
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


@given(some_boxes())
def test_overlap_counts_unit_squares(found):
    boxes, _ = found
    one = cells(boxes[0])
    for mode, whole in (("union", lambda a, b: len(a | b)), ("min", lambda a, b: min(len(a), len(b)))):
        expected = [len(one & cells(other)) / whole(one, cells(other)) for other in boxes]
        np.testing.assert_allclose(box_arithmetic.overlap(boxes[0], boxes, mode), expected)


@given(some_boxes(), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), st.sampled_from(["union", "min"]))
def test_suppress(found, limit, mode):
    boxes, scores = found
    kept = box_arithmetic.suppress(boxes, scores, limit, mode)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for i in range(len(boxes)):
        over = box_arithmetic.overlap(boxes[i], boxes[kept], mode) > limit
        if i in kept:  # no better one that stays is near; the box itself overlaps by 1
            assert not over[: list(kept).index(i)].any()
        else:
            assert (scores[kept][over] >= scores[i]).any()


def test_suppress_has_nothing_to_do():
    assert box_arithmetic.suppress(np.zeros((0, 4)), np.zeros(0), 0.5).shape == (0,)


@given(some_boxes())
def test_square(found):
    boxes, _ = found
    for (x1, y1, x2, y2), (left, top, right, bottom) in zip(boxes, box_arithmetic.square(boxes), strict=True):
        assert right - left == bottom - top == max(x2 - x1, y2 - y1)
        assert (left + right, top + bottom) == (x1 + x2, y1 + y2)


def test_refine():
    moved = box_arithmetic.refine(np.array([[10.0, 20.0, 30.0, 60.0]]), np.array([[0.5, -0.25, 0.1, 0.2]]))
    np.testing.assert_allclose(moved, [[10 + 0.5 * 20, 20 - 0.25 * 40, 30 + 0.1 * 20, 60 + 0.2 * 40]])


# --- the pyramid -------------------------------------------------------------------------------


@example(47, 60, 47.0, 0.709)
@given(st.integers(12, 3000), st.integers(12, 3000), st.floats(6, 100), st.floats(0.3, 0.9))
def test_scales(width, height, min_size, factor):
    scales = pyramid.scales(width, height, min_size, factor)
    shorter = min(width, height)
    assert len(scales) == (0 if shorter < min_size else 1 + math.floor(math.log(min_size / shorter, factor) + 1e-9))
    for k, scale in enumerate(scales):
        assert 12 / scale == pytest.approx(min_size / factor**k)
        assert scale * shorter >= 12 * (1 - 1e-9)


def test_the_nets_read_columns(rng):
    pixels = rng.integers(256, size=(2, 5, 7, 3), dtype=np.uint8)
    blob = pyramid.as_input([Image.fromarray(image) for image in pixels])
    assert blob.shape == (2, 3, 7, 5) and blob.dtype == np.float32
    assert blob[1, 2, 6, 3] == pytest.approx((int(pixels[1, 3, 6, 2]) - 127.5) / 128)
    assert blob.min() >= -1 and blob.max() <= 1


def test_shrinking_averages():
    """A chessboard of single pixels turns grey: no pixel is passed over."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = np.asarray(pyramid.resize(Image.fromarray(board), (16, 16)), float)
    assert abs(small - 127.5).max() < 3


# --- the cascade -------------------------------------------------------------------------------


def assert_faces(faces, landmarks):
    """One face for each of `landmarks` (n, 5, 2), with its landmarks close and inside its box."""
    assert len(faces.boxes) == len(faces.scores) == len(landmarks)
    assert (faces.scores > 0.99).all()
    for expected in landmarks:
        near = np.abs(faces.landmarks - expected).mean(axis=(1, 2)).argmin()
        found, box = faces.landmarks[near], faces.boxes[near]
        eyes_apart = np.linalg.norm(expected[1] - expected[0])
        np.testing.assert_allclose(found, expected, atol=0.12 * eyes_apart)
        assert (box[:2] < found).all() and (found < box[2:]).all()
        # A box reaches from the forehead to the chin and from ear to ear.
        assert 1.7 * eyes_apart < box[2] - box[0] < 2.6 * eyes_apart
        assert 2.2 * eyes_apart < box[3] - box[1] < 3.2 * eyes_apart


def test_a_photograph(detector, photo):
    faces = detector.detect(photo)
    assert_faces(faces, [SEEN])
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_several_faces(detector, photo):
    """Smaller, mirrored, and turned, on one canvas: each where geometry says."""
    canvas = Image.new("RGB", (800, 420), (70, 90, 110))
    half = photo.resize((256, 300))
    canvas.paste(half, (10, 60))
    canvas.paste(ImageOps.mirror(half), (280, 100))
    canvas.paste(half.rotate(12, Image.Resampling.BICUBIC), (540, 20))
    small = SEEN / 2
    mirrored = (small * (-1, 1) + (256, 0))[[1, 0, 2, 4, 3]]
    # Anticlockwise around the centre, y pointing down.
    cos, sin = math.cos(math.radians(12)), math.sin(math.radians(12))
    turned = (small - (128, 150)) @ np.array([[cos, -sin], [sin, cos]]) + (128, 150)
    assert_faces(detector.detect(canvas), [small + (10, 60), mirrored + (280, 100), turned + (540, 20)])


def test_a_face_at_the_edge(detector, photo):
    """Boxes reach beyond the photograph: the crown is cut off, the face is found."""
    assert_faces(detector.detect(photo.crop((150, 130, 400, 420))), [SEEN - (150, 130)])


def test_no_face(detector, rng):
    noise = Image.fromarray(rng.integers(256, size=(150, 200, 3), dtype=np.uint8))
    for image in (noise, Image.new("RGB", (60, 50))):
        faces = detector.detect(image)
        assert (faces.boxes.shape, faces.scores.shape, faces.landmarks.shape) == ((0, 4), (0,), (0, 5, 2))


def test_min_size_and_thresholds_count(detector, photo):
    canvas = Image.new("RGB", (160, 160), (70, 90, 110))
    canvas.paste(photo.crop((120, 60, 420, 400)).resize((60, 68)), (50, 50))
    assert len(detector.detect(canvas).boxes) == 1
    assert len(detector.detect(canvas, min_size=130).boxes) == 0
    assert len(detector.detect(canvas, thresholds=(0.6, 0.7, 1.0)).boxes) == 0


def test_more_boxes_than_a_batch(detector, photo, rng):
    """What R-Net says of each box does not depend on the others, nor on how they fall into batches."""
    corners = rng.uniform(0, 300, size=(cascade.BATCH + 5, 2))
    boxes = np.hstack([corners, corners + 150])
    together = cascade.look(detector.rnet, photo, boxes, 0, "conv5-2")
    last = cascade.look(detector.rnet, photo, boxes[-1:], 0, "conv5-2")
    assert len(together[1]) == len(boxes)
    for many, one in zip(together, last, strict=True):
        np.testing.assert_allclose(many[-1:], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "options", "text"),
    [
        ((10, 300), {}, "the photograph is 10 x 300 pixels, less than the smallest face sought: min_size is 20"),
        ((9000, 6000), {}, "a photograph of 9000 x 6000 pixels takes too much memory at min_size 20; set it to 28 or"),
        ((50, 50), {"min_size": 0}, "min_size is 0, must be above 0 pixels"),
        ((50, 50), {"min_size": math.nan}, "min_size is nan, must be above 0 pixels"),
        ((50, 50), {"factor": 1}, "factor is 1, must lie between 0 and 1; the authors took 0.709"),
        ((50, 50), {"thresholds": (0.6, 0.7)}, "thresholds are (0.6, 0.7), must be three scores of 0 to 1"),
        ((50, 50), {"thresholds": (0.6, 7, 0.7)}, "thresholds are (0.6, 7, 0.7), must be three scores of 0 to 1"),
    ],
)
def test_what_cannot_be_searched(size, options, text):
    settings = {"min_size": 20, "thresholds": (0.6, 0.7, 0.7), "factor": 0.709, **options}
    with pytest.raises(ValueError) as caught:
        cascade.check(Image.new("1", size), **settings)
    assert str(caught.value).startswith(text)


# --- the command line --------------------------------------------------------------------------


def command(*words):
    return subprocess.run(
        [sys.executable, str(FOLDER / "detect_faces.py"), *map(str, words)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command(models, photo, photo_file, tmp_path):
    out, file = tmp_path / "faces.png", tmp_path / "faces.json"
    done = command(photo_file, "--models", models, "--out", out, "--json", file, "--min_size", 60)
    assert (done.returncode, done.stderr) == (0, "")
    (face,) = json.loads(file.read_text())
    assert list(face) == ["box", "score", "landmarks"] and list(face["landmarks"]) == list(cascade.LANDMARKS)
    np.testing.assert_allclose(list(face["landmarks"].values()), SEEN, atol=10)
    head, row = done.stdout.splitlines()
    assert head.split()[:5] == ["score", "left", "top", "right", "bottom"]
    assert [float(word) for word in row.split()[:5]] == [round(face["score"], 3), *map(round, face["box"])]
    # The picture is the photograph, but for the box's edges and the dots.
    with Image.open(out) as picture:
        assert (picture.format, picture.size) == ("PNG", photo.size)
        assert picture.getpixel((round(face["box"][0]), round(face["box"][3]) - 40)) == (0, 255, 0)
        assert picture.getpixel(tuple(map(round, face["landmarks"]["nose"]))) == (255, 255, 0)
        changed = (np.asarray(picture) != np.asarray(photo)).any(axis=2)
    assert 0.003 < changed.mean() < 0.03


def test_without_faces(models, tmp_path, capsys, detector):
    image, out, file = (tmp_path / name for name in ("grey.png", "out.png", "out.json"))
    Image.new("L", (40, 30), 99).save(image)
    words = [str(image), "--models", str(models), "--out", str(out), "--json", str(file)]
    assert detect_faces.main(words) == 1
    assert capsys.readouterr().out == f"no face found in {image}\n"
    assert json.loads(file.read_text()) == [] and Image.open(out).size == (40, 30)


def test_a_photograph_on_its_side(photo, tmp_path):
    """As cameras save them: the pixels lie, and a note says how to turn them."""
    note = Image.Exif()
    note[0x0112] = 6
    photo.rotate(90, expand=True).save(tmp_path / "photo.png", exif=note)
    np.testing.assert_array_equal(np.asarray(detect_faces.load(tmp_path / "photo.png")), np.asarray(photo))


def test_messages(tmp_path, capsys, photo_file):
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    cut = tmp_path / "cut.jpg"
    with open(photo_file, "rb") as file:
        cut.write_bytes(file.read(20000))
    (tmp_path / "det1.prototxt").touch()
    for photo, models, message in [
        (tmp_path / "none.jpg", tmp_path, "error: [Errno 2] No such file or directory"),
        (text, tmp_path, f"error: {text} cannot be read as an image: cannot identify image file"),
        (cut, tmp_path, f"error: {cut} cannot be read as an image: image file is truncated"),
        (
            photo_file,
            tmp_path,
            "error: no det1.caffemodel, det2.prototxt, det2.caffemodel, det3.prototxt, det3.caffemodel in "
            f"{tmp_path}; they are in the folder code/codes/MTCNNv1/model of https://github.com/kpzhang93/MTCNN_face",
        ),
    ]:
        assert detect_faces.main([str(photo), "--models", str(models)]) == 2
        assert capsys.readouterr().err.startswith(message)
