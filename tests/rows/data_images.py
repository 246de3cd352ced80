"""Rows of ImageData and WindowData.

Each function that makes settings writes pictures, and what lists them, into a fresh folder first.
"""

from itertools import product

import numpy as np
from data_kit import picture
from layer_table import Case, Refusal, Row, no_blob
from PIL import Image

from minicaffe.errors import DataError, FileError, FormatError, GraphError, ParamError, ShapeError
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.proto import caffe_pb2

H, W = 6, 8
BGR = np.random.default_rng(5).integers(0, 256, (4, 3, H, W), dtype=np.uint8)
MEAN = np.random.default_rng(6).integers(0, 256, (3, H, W)).astype(np.float32) / 2


# --- what stands in the folder --------------------------------------------------------------------


def fill_folder(folder):
    """0.png to 3.png and other.png, of another size; the mean image of all."""
    for i, image in enumerate(BGR):
        picture(image).save(folder / f"{i}.png")
    picture(BGR[0, :, :4, :5]).save(folder / "other.png")
    mean = caffe_pb2.BlobProto(num=1, channels=3, height=H, width=W, data=MEAN.ravel().tolist())
    (folder / "mean.binaryproto").write_bytes(mean.SerializeToString())


def transform_param(folder, transform):
    """MEAN_FILE stands for the path of the mean image."""
    transform = transform.replace("MEAN_FILE", f'mean_file: "{folder}/mean.binaryproto"')
    return f"transform_param {{ {transform} }}" if transform else ""


def image_data(settings="", transform="", lines=("0.png 3", "1.png -2", "2.png x"), source="list.txt"):
    def write(folder):
        fill_folder(folder)
        (folder / "list.txt").write_text("".join(f"{line}\n" for line in lines))
        files = f'source: "{folder}/{source}" root_folder: "{folder}/"'
        return f"image_data_param {{ {files} {settings} }} {transform_param(folder, transform)}"

    return write


def window_data(settings="", transform="crop_size: 4", windows=("2 0.9 1 1 4 4", "0 0.1 3 2 6 5"), head="# 0 0.png 3"):
    def write(folder):
        fill_folder(folder)
        text = "\n".join([f"{head} {H} {W} {len(windows)}", *windows]) if windows is not None else head
        (folder / "windows.txt").write_text(text)
        files = f'source: "{folder}/windows.txt" root_folder: "{folder}/"'
        return f"window_data_param {{ {files} {settings} }} {transform_param(folder, transform)}"

    return write


# --- references -----------------------------------------------------------------------------------


def pixels(path, color=True):
    """The picture in a file: B, G, R or one grey, pixel by pixel."""
    image = Image.open(path)
    values = np.empty((3 if color else 1, image.height, image.width))
    for c, h, w in np.ndindex(values.shape):
        pixel = image.getpixel((w, h))
        # What libpng makes of colours.
        gray = (9797 * pixel[0] + 19234 * pixel[1] + 3737 * pixel[2]) // 2**15
        values[c, h, w] = pixel[2 - c] if color else gray
    return values


def halved(image):
    """Each pixel of half the size lies in the middle of four."""
    result = np.empty((len(image), image.shape[1] // 2, image.shape[2] // 2))
    for c, h, w in np.ndindex(result.shape):
        four = [image[c, 2 * h + i, 2 * w + j] for i, j in product(range(2), range(2))]
        result[c, h, w] = (sum(four) + 2) // 4
    return result


def mean_at(transform, c, h, w):
    if transform.HasField("mean_file"):
        return float(MEAN[c, h, w])
    values = list(transform.mean_value)
    return values[c % len(values)] if values else 0.0


def transformed(image, transform):
    """What the transformer makes of an item (C, H, W) where nothing is left to chance: the crop in the middle."""
    size = transform.crop_size
    height, width = (size, size) if size else image.shape[1:]
    top, left = ((image.shape[1] - size) // 2, (image.shape[2] - size) // 2) if size else (0, 0)
    result = np.empty((len(image), height, width))
    for c, h, w in np.ndindex(result.shape):
        mean = mean_at(transform, c, top + h, left + w)
        result[c, h, w] = (image[c, top + h, left + w] - mean) * transform.scale
    return result


def image_data_reference(param, bottoms, blobs):
    p, items, labels = param.image_data_param, [], []
    with open(p.source) as file:
        lines = file.read().splitlines()
    for i in range(p.batch_size):
        name, label = lines[i % len(lines)].rsplit(" ", 1)
        image = pixels(p.root_folder + name, p.is_color)
        if p.new_height:
            assert (p.new_height, p.new_width) == (H // 2, W // 2)
            image = halved(image)
        items.append(transformed(image, param.transform_param))
        labels.append(int(label) if label.lstrip("-").isdigit() else 0)
    return [items, labels]


def window_data_reference(param, bottoms, blobs):
    """Where there is one window of each kind, and none is resized: pixel by pixel."""
    p, size = param.window_data_param, param.transform_param.crop_size
    with open(p.source) as file:
        front, behind = ([float(word) for word in line.split()] for line in file.read().splitlines()[1:])
    front_count = int(p.batch_size * p.fg_fraction)
    windows = [[0, *behind[1:]]] * (p.batch_size - front_count) + [front] * front_count
    items = np.zeros((p.batch_size, 3, size, size))
    # Of a window of 3 x 3 pixels 6 x 6 are shown with context_pad 1, one before and two behind it, 4 x 4 in a square.
    first, middle = 1 if p.context_pad else 0, (W - size) // 2
    for n, c, h, w in np.ndindex(items.shape):
        x, y = int(windows[n][2]) - first + w, int(windows[n][3]) - first + h
        if 0 <= x < W and 0 <= y < H:
            mean = mean_at(param.transform_param, c, middle + h, middle + w)
            items[n, c, h, w] = (BGR[0, c, y, x] - mean) * p.scale
    return [items, [window[0] for window in windows]]


# --- rows -----------------------------------------------------------------------------------------


def case(settings, phase=TEST, **options):
    return Case(settings, no_blob, 2, phase, **options)


def refusal(settings, kind, field, *words, **options):
    return Refusal(settings, [], kind, field, words, **{"tops": 2, **options})


def forward(run):
    run.forward()


# The batch size stands in the settings, and there is no bottom to follow.
NO_BATCHES = {"gradient": None, "batches": ()}
CONTEXT = ("7 0.5 0 0 2 2", "3 0.49 3 2 5 4")

ROWS = {
    "ImageData": Row(
        cases=(
            case(image_data("batch_size: 5")),
            case(image_data()),
            case(image_data("batch_size: 3", "crop_size: 3 mean_value: [10, 20, 30] scale: 0.1")),
            case(image_data("batch_size: 3 is_color: false", "mean_value: 100")),
            case(image_data("batch_size: 2", "crop_size: 5 MEAN_FILE scale: 2")),
            case(image_data(f"batch_size: 2 new_height: {H // 2} new_width: {W // 2}", "crop_size: 2")),
            case(image_data("batch_size: 2", "crop_size: 4", lines=["other.png 1", "1.png 2"])),
            case(image_data("batch_size: 17 shuffle: true", "crop_size: 4 mirror: true"), TRAIN, compared=False),
        ),
        reference=image_data_reference,
        **NO_BATCHES,
        refused=(
            refusal("image_data_param { }", ParamError, "image_data_param.source", "is empty, must be a list of image"),
            refusal(image_data("batch_size: 0"), ParamError, "image_data_param.batch_size", "is 0, must be 1 or more"),
            refusal(
                image_data("batch_size: 4294967295"), ShapeError, "image_data_param.batch_size", "4294967295", "INT_MAX"
            ),
            refusal(
                image_data("new_height: 4"),
                ParamError,
                "image_data_param.new_width",
                "is 0 or not set",
                "new_height is 4",
            ),
            refusal(
                image_data("new_width: 4"),
                ParamError,
                "image_data_param.new_height",
                "is 0 or not set",
                "new_width is 4",
            ),
            refusal(
                image_data("new_width: 4 new_height: 0"),
                ParamError,
                "image_data_param.new_height",
                "set both, or neither",
            ),
            refusal(
                image_data("batch_size: 1000 new_width: 12000 new_height: 12000"),
                ShapeError,
                "image_data_param.new_height",
                "is 12000, and new_width 12000",
                "1000 3 12000 12000",
            ),
            refusal(
                image_data("new_width: 40000 new_height: 40000"),
                ShapeError,
                "image_data_param.new_height",
                "is 40000, and new_width 40000",
                "INT_MAX",
            ),
            refusal(
                image_data("rand_skip: 4000000000"),
                ParamError,
                "image_data_param.rand_skip",
                "is 4000000000",
                "has 3 lines",
            ),
            refusal(
                image_data("} data_param { prefetch: 0"), ParamError, "data_param.prefetch", "is 0, must be 1 to 10000"
            ),
            refusal(
                image_data(source="no.txt"),
                FileError,
                "image_data_param.source",
                "no.txt: cannot be read: no such file",
            ),
            refusal(image_data(lines=()), DataError, "image_data_param.source", "list.txt: is empty"),
            refusal(
                image_data(lines=["no.png 1"]), FileError, "image_data_param.source", "list.txt:1", "no.png: cannot be"
            ),
            refusal(
                image_data(lines=["list.txt 1"]), DataError, "image_data_param.source", "list.txt: the file is no image"
            ),
            refusal(
                image_data("batch_size: 2", lines=["0.png 1", "other.png 1"]),
                ShapeError,
                "image_data_param.source",
                "other.png",
                "list.txt:2) gives 3 x 4 x 5 (C x H x W), the first of its batch",
                "0.png",
                "list.txt:1), 3 x 6 x 8; make all alike, or set transform_param.crop_size",
                act=forward,
            ),
            refusal(
                image_data("", "crop_size: 7"),
                ShapeError,
                "transform_param.crop_size",
                "is 7, larger than",
                "3 x 6 x 8",
            ),
            refusal(
                image_data("batch_size: 2", "crop_size: 5", lines=["0.png 1", "other.png 1"]),
                ShapeError,
                "transform_param.crop_size",
                "is 5, larger than",
                "other.png",
                "list.txt:2) of 3 x 4 x 5",
                act=forward,
            ),
            refusal(image_data("", "mean_value: [1, 2]"), ParamError, "transform_param.mean_value", "is given 2 times"),
            refusal(
                image_data("", "MEAN_FILE mean_value: 1"), ParamError, "transform_param.mean_file", "beside mean_value"
            ),
            refusal(image_data("", 'mean_file: "no"'), FileError, "transform_param.mean_file", "no: no such file"),
            refusal(
                image_data("", "MEAN_FILE", lines=["other.png 1"]),
                ShapeError,
                "transform_param.mean_file",
                "is of 3 x 6 x 8, ",
                "other.png",
                "list.txt:1) of 3 x 4 x 5 (C x H x W); give the mean of whole items",
            ),
            refusal(image_data(), GraphError, "", "produces 2 top blob(s) as output, it has 1", tops=1),
            refusal(image_data(), GraphError, "", "it has 3", tops=3),
        ),
    ),
    "WindowData": Row(
        cases=(
            case(window_data("batch_size: 4")),
            case(
                window_data(
                    "batch_size: 5 scale: 0.5 fg_fraction: 0.5", "crop_size: 4 mean_value: [10, 20, 30] scale: 9"
                )
            ),
            case(window_data("batch_size: 2 fg_fraction: 0.5", "crop_size: 4 MEAN_FILE")),
            case(window_data("batch_size: 3 context_pad: 1 fg_fraction: 0.7", "crop_size: 6 mean_value: 9", CONTEXT)),
            case(window_data('batch_size: 4 crop_mode: "square"', windows=("1 1 -1 -1 1 1", "0 0 5 3 7 5"))),
            case(
                window_data(
                    "batch_size: 4 fg_threshold: 0.05 bg_threshold: 0.01", windows=("2 0.05 4 2 7 5", "9 0 1 1 4 4")
                )
            ),
            case(window_data("batch_size: 17", "crop_size: 9 mirror: true"), TRAIN, compared=False),
        ),
        reference=window_data_reference,
        **NO_BATCHES,
        refused=(
            refusal(
                "window_data_param { batch_size: 2 }",
                ParamError,
                "window_data_param.source",
                "is empty, must be a window",
            ),
            refusal(window_data(), ParamError, "window_data_param.batch_size", "is 0, must be 1 or more"),
            refusal(
                window_data("batch_size: 4294967295"),
                ShapeError,
                "window_data_param.batch_size",
                "4294967295",
                "INT_MAX",
            ),
            refusal(window_data("batch_size: 2", ""), ParamError, "transform_param.crop_size", "is 0 or not set"),
            refusal(
                window_data("batch_size: 2", "crop_size: 65536"), ShapeError, "window_data_param.batch_size", "INT_MAX"
            ),
            *(
                refusal(window_data(f"batch_size: 2 {setting}"), ParamError, f"window_data_param.{field}", *words)
                for setting, field, *words in (
                    ("context_pad: 2", "context_pad", "is 2, must be less than half of crop_size 4"),
                    ("context_pad: 4294967295", "context_pad", "is 4294967295"),
                    ("fg_fraction: 1.5", "fg_fraction", "is 1.5, must lie between 0 and 1"),
                    ("fg_fraction: -0.5", "fg_fraction", "is -0.5"),
                    ("fg_fraction: nan", "fg_fraction", "is nan"),
                )
            ),
            *(
                refusal(window_data("batch_size: 2", transform), kind, f"transform_param.{field}", *words)
                for transform, kind, field, *words in (
                    ("crop_size: 4 mean_value: [1, 2]", ParamError, "mean_value", "is given 2 times", "3 channels"),
                    ("crop_size: 4 MEAN_FILE mean_value: 1", ParamError, "mean_file", "stands beside mean_value"),
                    ('crop_size: 4 mean_file: "no"', FileError, "mean_file", "no: no such file"),
                    ("crop_size: 6 MEAN_FILE", ShapeError, "mean_file", "is of 3 x 6 x 8 (C x H x W)", "crop_size 6"),
                    ("crop_size: 9 MEAN_FILE", ShapeError, "mean_file", "is of 3 x 6 x 8 (C x H x W)", "crop_size 9"),
                )
            ),
            *(
                refusal(window_data("batch_size: 8", **file), kind, "window_data_param.source", *words, **options)
                for file, kind, words, options in (
                    ({"windows": ["2 1 1 1 4 4"]}, DataError, ["no window of the background", "needs 6"], {}),
                    ({"windows": ["0 0 1 1 4 4"]}, DataError, ["no window of the foreground", "needs 2"], {}),
                    ({"windows": ["0 1 1 1 4 4"]}, DataError, ["windows.txt:1", "has class 0 and overlap 1"], {}),
                    ({"windows": ["0 1 1 1 4"]}, FormatError, ["cut short: window 1 of 1 is missing"], {}),
                    ({"windows": None, "head": ""}, FormatError, ["windows.txt: the window file is empty"], {}),
                    ({"windows": None, "head": "0.png 3"}, FormatError, ['windows.txt:1: "0.png" stands where'], {}),
                    ({"head": "# 1 0.png 3"}, FormatError, ["its number is 1"], {}),
                    ({"head": "# 0 0.png 1"}, DataError, ["its last image has 1 channels", "must say 3"], {}),
                    (
                        {"head": "# 0 no.png 3"},
                        FileError,
                        ["windows.txt:1", "no.png: cannot be read"],
                        {"act": forward},
                    ),
                    ({"head": "# 0 windows.txt 3"}, DataError, ["windows.txt: the file is no image"], {"act": forward}),
                    (
                        {"windows": ["2 1 5 1 8 4", "0 0 1 1 4 4"]},
                        DataError,
                        ["0.png: the window 5 1 8 4 cannot be clipped into its image of 8 x 6"],
                        {"act": forward},
                    ),
                )
            ),
            refusal(
                window_data("batch_size: 2 fg_fraction: 1 crop_mode: 'square'", windows=["2 1 9 1 11 3"]),
                DataError,
                "window_data_param.source",
                "the window 9 1 11 3 cannot be clipped",
                act=forward,
            ),
            refusal(window_data("batch_size: 4"), GraphError, "", "produces 2 top blob(s) as output, it has 1", tops=1),
            refusal(window_data("batch_size: 4"), GraphError, "", "it has 3", tops=3),
        ),
    ),
}
