"""The nets of examples/models as tables, written from their papers: what a test holds the prototxts against.

TABLES: by net, each layer with weights.  SIDES: those that only GoogLeNet's train_val has.  SHAPES: of some blobs.
PUBLISHED: how many parameters, and how many multiply-adds an image takes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Filters:
    """`out` filters with `inputs` weights each, at so many places of the image."""

    out: int
    inputs: int
    places: int = 1
    bias: bool = True

    @property
    def parameters(self):
        return self.out * (self.inputs + self.bias)

    @property
    def multiply_adds(self):
        return self.out * self.inputs * self.places


def conv(out, channels, kernel, side, bias=True):
    return Filters(out, channels * kernel**2, side**2, bias)


def alexnet():
    # Two groups in conv2, conv4 and conv5: half of the channels for each filter.
    rows = {"conv1": conv(96, 3, 11, 55), "conv2": conv(256, 96 // 2, 5, 27), "conv3": conv(384, 256, 3, 13)}
    rows |= {"conv4": conv(384, 384 // 2, 3, 13), "conv5": conv(256, 384 // 2, 3, 13)}
    return rows | {"fc6": Filters(4096, 256 * 6 * 6), "fc7": Filters(4096, 4096), "fc8": Filters(1000, 4096)}


# Szegedy et al., table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
INCEPTION = {
    "3a": (28, 64, 96, 128, 16, 32, 32),
    "3b": (28, 128, 128, 192, 32, 96, 64),
    "4a": (14, 192, 96, 208, 16, 48, 64),
    "4b": (14, 160, 112, 224, 24, 64, 64),
    "4c": (14, 128, 128, 256, 24, 64, 64),
    "4d": (14, 112, 144, 288, 32, 64, 64),
    "4e": (14, 256, 160, 320, 32, 128, 128),
    "5a": (7, 256, 160, 320, 32, 128, 128),
    "5b": (7, 384, 192, 384, 48, 128, 128),
}


def googlenet():
    rows = {"conv1/7x7_s2": conv(64, 3, 7, 112)}
    rows |= {"conv2/3x3_reduce": conv(64, 64, 1, 56), "conv2/3x3": conv(192, 64, 3, 56)}
    channels = 192
    for block, (side, one, reduce3, three, reduce5, five, proj) in INCEPTION.items():
        rows[f"inception_{block}/1x1"] = conv(one, channels, 1, side)
        rows[f"inception_{block}/3x3_reduce"] = conv(reduce3, channels, 1, side)
        rows[f"inception_{block}/3x3"] = conv(three, reduce3, 3, side)
        rows[f"inception_{block}/5x5_reduce"] = conv(reduce5, channels, 1, side)
        rows[f"inception_{block}/5x5"] = conv(five, reduce5, 5, side)
        rows[f"inception_{block}/pool_proj"] = conv(proj, channels, 1, side)
        channels = one + three + five + proj
    return rows | {"loss3/classifier": Filters(1000, channels)}


def side_classifiers():
    """The two classifiers that of GoogLeNet only train_val has."""
    rows = {}
    for side, channels in (("loss1", 512), ("loss2", 528)):
        rows[f"{side}/conv"] = conv(128, channels, 1, 4)
        rows |= {f"{side}/fc": Filters(1024, 128 * 4 * 4), f"{side}/classifier": Filters(1000, 1024)}
    return rows


def vgg16():
    rows, channels, side = {}, 3, 224
    for stage, (convs, out) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], start=1):
        for i in range(1, convs + 1):
            rows[f"conv{stage}_{i}"] = conv(out, channels, 3, side)
            channels = out
        side //= 2
    return rows | {"fc6": Filters(4096, 512 * 7 * 7), "fc7": Filters(4096, 4096), "fc8": Filters(1000, 4096)}


def squeezenet():
    rows, channels = {"conv1": conv(64, 3, 3, 113)}, 64
    fires = [(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2
    for fire, (squeeze, expand) in enumerate(fires, start=2):
        side = 56 if fire < 4 else 28 if fire < 6 else 14
        rows[f"fire{fire}/squeeze1x1"] = conv(squeeze, channels, 1, side)
        rows[f"fire{fire}/expand1x1"] = conv(expand, squeeze, 1, side)
        rows[f"fire{fire}/expand3x3"] = conv(expand, squeeze, 3, side)
        channels = 2 * expand
    return rows | {"conv10": conv(1000, channels, 1, 14)}


def resnet50():
    # conv1's bias is of the published weights, not of the paper.
    rows, channels = {"conv1": conv(64, 3, 7, 112)}, 64
    for stage, (blocks, width, side) in enumerate([(3, 64, 56), (4, 128, 28), (6, 256, 14), (3, 512, 7)], start=2):
        for block in "abcdef"[:blocks]:
            name = f"res{stage}{block}_branch"
            if block == "a":
                rows[name + "1"] = conv(4 * width, channels, 1, side, bias=False)
            rows[name + "2a"] = conv(width, channels, 1, side, bias=False)
            rows[name + "2b"] = conv(width, width, 3, side, bias=False)
            rows[name + "2c"] = conv(4 * width, width, 1, side, bias=False)
            channels = 4 * width
    return rows | {"fc1000": Filters(1000, channels)}


def mobilenet():
    rows, channels, side = {"conv1": conv(32, 3, 3, 112, bias=False)}, 32, 112
    blocks = [("2_1", 1, 64), ("2_2", 2, 128), ("3_1", 1, 128), ("3_2", 2, 256), ("4_1", 1, 256), ("4_2", 2, 512)]
    blocks += [(f"5_{i}", 1, 512) for i in range(1, 6)] + [("5_6", 2, 1024), ("6", 1, 1024)]
    for block, stride, out in blocks:
        side //= stride
        rows[f"conv{block}/dw"] = conv(channels, 1, 3, side, bias=False)
        rows[f"conv{block}/sep"] = conv(out, channels, 1, side, bias=False)
        channels = out
    return rows | {"fc7": conv(1000, channels, 1, 1)}


TABLES = {
    "alexnet": alexnet(),
    "caffenet": alexnet(),
    "googlenet": googlenet(),
    "vgg16": vgg16(),
    "squeezenet": squeezenet(),
    "resnet50": resnet50(),
    "mobilenet": mobilenet(),
}
NAMES = tuple(TABLES)
SIDES = side_classifiers()


def bn_and_scale(model, name):
    """What the layers of a convolution's BatchNorm and Scale are called; None where it has none."""
    if model == "resnet50" and name != "fc1000":
        rest = "_conv1" if name == "conv1" else name.removeprefix("res")
        return f"bn{rest}", f"scale{rest}"
    if model == "mobilenet" and name != "fc7":
        return f"{name}/bn", f"{name}/scale"
    return None


def normalized(model):
    return {name: row for name, row in TABLES[model].items() if bn_and_scale(model, name)}


# Parameters that are trained, as papers and model zoos tell them (of ResNet-50 25,557,032: without conv1's 64 biases);
# and multiply-adds of an image, which they round: 0.72, 1.6, 15.5, 0.39, 3.8 and 0.57 thousand millions.
PUBLISHED = {
    "alexnet": (60_965_224, 724_406_816),
    "caffenet": (60_965_224, 724_406_816),
    "googlenet": (6_998_552, 1_582_671_872),
    "vgg16": (138_357_544, 15_470_264_320),
    "squeezenet": (1_235_496, 387_747_520),
    "resnet50": (25_557_032 + 64, 3_857_973_248),
    "mobilenet": (4_231_976, 568_740_352),
}
STATISTICS = {"resnet50": 53_173, "mobilenet": 21_915}  # means and variances, and a number for each layer
# Height and width of an image.
INPUT = dict.fromkeys(TABLES, 224) | dict.fromkeys(("alexnet", "caffenet", "squeezenet"), 227)

ALEXNET = {"conv1": (96, 55, 55), "pool1": (96, 27, 27), "pool2": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,)}
SHAPES = {
    "alexnet": {**ALEXNET, "norm1": (96, 55, 55), "norm2": (256, 27, 27)},
    "caffenet": {**ALEXNET, "norm1": (96, 27, 27), "norm2": (256, 13, 13)},
    "googlenet": {
        "pool1/3x3_s2": (64, 56, 56),
        "pool2/3x3_s2": (192, 28, 28),
        "inception_3a/output": (256, 28, 28),
        "inception_3b/output": (480, 28, 28),
        "pool3/3x3_s2": (480, 14, 14),
        "inception_4a/output": (512, 14, 14),
        "inception_4d/output": (528, 14, 14),
        "inception_4e/output": (832, 14, 14),
        "pool4/3x3_s2": (832, 7, 7),
        "inception_5b/output": (1024, 7, 7),
        "pool5/7x7_s1": (1024, 1, 1),
    },
    "vgg16": {"conv1_2": (64, 224, 224), "pool1": (64, 112, 112), "pool3": (256, 28, 28), "pool5": (512, 7, 7)},
    "squeezenet": {"conv1": (64, 113, 113), "pool1": (64, 56, 56), "pool3": (128, 28, 28), "pool5": (256, 14, 14)}
    | {"fire9/concat": (512, 14, 14), "conv10": (1000, 14, 14), "pool10": (1000, 1, 1)},
    "resnet50": {"conv1": (64, 112, 112), "pool1": (64, 56, 56), "res2c": (256, 56, 56), "res3d": (512, 28, 28)}
    | {"res4f": (1024, 14, 14), "res5c": (2048, 7, 7), "pool5": (2048, 1, 1)},
    "mobilenet": {"conv1": (32, 112, 112), "conv2_2/sep": (128, 56, 56), "conv4_2/sep": (512, 14, 14)}
    | {"conv5_6/sep": (1024, 7, 7), "conv6/sep": (1024, 7, 7), "pool6": (1024, 1, 1)},
}
