"""Rows of the losses and of Accuracy; the references stand in loss_definitions.py."""

import math

import numpy as np
from layer_table import Case, Refusal, Row
from loss_definitions import (
    K,
    accuracy,
    contrastive,
    euclidean,
    flat_labels,
    hinge,
    infogain,
    items,
    labelled,
    logits,
    multinomial,
    pairs,
    sigmoid_cross_entropy,
    softmax_with_loss,
    two,
)

from minicaffe.errors import DataError, FileError, FormatError, GraphError, ParamError, ShapeError
from minicaffe.proto import caffe_pb2

# --- refusals ---------------------------------------------------------------------------------


def forward(run):
    run.forward()


def backward(*flags):
    return lambda run: run.forward().backward(flags)


def refused(bottoms, *words, settings="", kind=ShapeError, field="", **options):
    return Refusal(settings, list(bottoms), kind, field, words, **options)


def ungradient(index, *shapes):
    """A flag on a bottom that has no gradient."""
    flags = [i == index for i in range(len(shapes))]
    words = ("no gradient", f"bottom[{index}]")
    return refused(shapes, *words, kind=GraphError, field="propagate_down", act=backward(*flags))


def bad_label(shape, label, *words, settings="", third=()):
    """A label that names no class, at position 1."""
    labels = np.array([0, label, 0])
    text = (f"the label {label:g} at position 1", *words)
    return refused([shape, labels, *third], *text, settings=settings, kind=DataError, act=forward)


def counts(bottoms, tops):
    """Other numbers of bottoms and tops; each pair: (how many, the words)."""
    blobs = [refused([(2, 3)] * n, words, kind=GraphError) for n, words in bottoms]
    return blobs + [refused([(2, 3), (2,)], words, kind=GraphError, tops=n) for n, words in tops]


TWO_BOTTOMS = counts([(1, "takes 2"), (3, "takes 2")], [(2, "produces 1")])
OTHER_BATCH = refused([(2, 3), (3,)], "same first axis", "2 3 (6)", "3 (3)")
WEIGHTS = refused([(2, 1), (2,)], "has 2 entries", settings="loss_weight: [1, 0]", kind=ParamError, field="loss_weight")
FIVE_AXES = refused([(2, 3, 1, 1, 1), (2,)], "2 3 1 1 1 (6)", "at most 4 axes")


def identity(folder, classes=K, name="matrix.binaryproto"):
    """Settings with a file that holds a matrix."""
    path = folder / name
    values = np.random.default_rng(5).normal(size=classes * classes)
    path.write_bytes(caffe_pb2.BlobProto(shape={"dim": [classes, classes]}, data=values).SerializeToString())
    return f'infogain_loss_param {{ source: "{path}" }}'


def broken_file(folder):
    path = folder / "broken.binaryproto"
    path.write_bytes(b"\x2a\xff\xff\xff")
    return f'infogain_loss_param {{ source: "{path}" }}'


def missing_file(folder):
    return f'infogain_loss_param {{ source: "{folder}/absent.binaryproto" }}'


MODES = ("FULL", "VALID", "BATCH_SIZE", "NONE")
SOFTMAX_CASES = [
    *(Case(f"loss_param {{ normalization: {mode} }}", labelled(4, 5)) for mode in MODES),
    *(Case(f"loss_param {{ normalization: {mode} ignore_label: 1 }}", labelled(4, 5)) for mode in MODES),
    Case("loss_param { ignore_label: 255 }", labelled(4, 5, ignored=255)),
    Case("loss_param { ignore_label: -1 }", labelled(ignored=-1)),
    Case('top: "loss" top: "prob"', labelled(4, 5), tops=2),
    Case('top: "loss" top: "prob" loss_weight: [0.5, 0]', labelled(), tops=2),
    Case("loss_weight: 3", labelled()),
]


ROWS = {
    "Accuracy": Row(
        (
            Case(bottoms=labelled(4, 5)),
            Case("accuracy_param { top_k: 2 }", labelled()),
            Case("accuracy_param { axis: -1 ignore_label: 1 }", labelled(4, 5, axis=3)),
            Case('top: "all" top: "each" accuracy_param { ignore_label: 255 }', labelled(4, 5, ignored=255), tops=2),
        ),
        accuracy,
        gradient=None,
        refused=(
            *counts([(1, "takes 2"), (3, "takes 2")], [(3, "at most 2"), (0, "at least 1")]),
            refused([(2, 3), (2, 3)], "6 labels", "must hold 2"),
            refused([(2, 3), (2,)], "is 2", settings="accuracy_param { axis: 2 }", field="accuracy_param.axis"),
            refused(
                [(2, 3), (2,)],
                "is 4",
                "at most 3",
                settings="accuracy_param { top_k: 4 }",
                kind=ParamError,
                field="accuracy_param.top_k",
            ),
            bad_label((3, 3), 3, "between 0 and 2"),
            bad_label((3, 3), -1, "or 7, which is ignored", settings="accuracy_param { ignore_label: 7 }"),
            refused(
                [(2, 3), (2,)],
                "no gradient",
                "bottom[0]",
                kind=GraphError,
                field="propagate_down",
                act=backward(True, False),
            ),
        ),
    ),
    "ContrastiveLoss": Row(
        (
            Case(bottoms=pairs(1.3, [1, 0, -2, 0.7])),
            # At almost the margin: Caffe's slope differs from the loss's by 1e-4 / D of itself.
            Case(bottoms=pairs(0.9995, [0, 1], 1, 1)),
            Case("contrastive_loss_param { margin: 0.5 }", pairs(0.7, [0])),
            Case("contrastive_loss_param { margin: 3 legacy_version: true }", pairs(1.2, [0, 1])),
            Case("contrastive_loss_param { margin: 1 legacy_version: true } loss_weight: 2", pairs(1.2, [0, 1], 1, 1)),
        ),
        contrastive,
        gradient=(0, 1),
        refused=(
            *(refused([(2, 3)] * n, "takes 3", kind=GraphError) for n in (2, 4)),
            refused([(2, 3), (3, 3), (2,)], "same first axis", "3 3 (9)"),
            refused([(2, 3), (2, 4), (2,)], "bottom[0] 2 3 (6) and bottom[1] 2 4 (8)", "equally many channels"),
            refused([(2, 3, 2, 1), (2, 3), (2,)], "bottom[0] 2 3 2 1 (12)", "height and width must be 1"),
            refused([(2, 3), (2, 3, 1, 2), (2,)], "bottom[1] 2 3 1 2 (12)", "height and width must be 1"),
            refused([(2, 3), (2, 3), (3,)], "bottom[2] 3 (3)", "must hold 2 flags"),
            refused([(2, 3), (2, 3), (2, 2)], "bottom[2] 2 2 (4)", "must hold 2 flags"),
            refused([(2, 3, 1, 1, 1), (2, 3), (2,)], "2 3 1 1 1 (6)", "at most 4 axes"),
            ungradient(2, (2, 3), (2, 3), (2,)),
        ),
    ),
    "EuclideanLoss": Row(
        (
            Case(bottoms=two(3, 4, 5)),
            Case("loss_weight: 0.3", two(3, 4, 5, other=(60,))),
            Case("loss_param { normalization: NONE }", two(60, other=(3, 4, 5))),
            Case(bottoms=two(other=(1, 1, 1))),
        ),
        euclidean,
        gradient=(0, 1),
        refused=(
            *TWO_BOTTOMS,
            OTHER_BATCH,
            WEIGHTS,
            FIVE_AXES,
            refused([(2, 3, 4), (2, 4)], "bottom[0] 2 3 4 (24) has 12", "bottom[1] 2 4 (8) has 4"),
            refused([(), ()], "same first axis", "(1)"),
        ),
    ),
    "HingeLoss": Row(
        (
            Case(bottoms=items(5)),
            Case("hinge_loss_param { norm: L2 }", items(5)),
            Case("hinge_loss_param { norm: L1 } loss_weight: 2", items(3, 4, 5)),
            Case("hinge_loss_param { norm: L2 }", items(3, 4, 5)),
            Case(bottoms=items()),
        ),
        hinge,
        kinks=(-1, 1),
        refused=(
            *TWO_BOTTOMS,
            OTHER_BATCH,
            WEIGHTS,
            FIVE_AXES,
            refused([(2, 3), (2, 3)], "bottom[1] 2 3 (6) holds 6 labels", "must hold 2"),
            bad_label((3, 3), 3, "between 0 and 2"),
            bad_label((3, 3), -1, "between 0 and 2"),
            ungradient(1, (2, 3), (2,)),
        ),
    ),
    "InfogainLoss": Row(
        (
            Case(identity, labelled(4, 5)),
            Case(bottoms=labelled(4, 5, third=(K, K))),
            Case("infogain_loss_param { axis: -1 }", labelled(4, 5, axis=3, third=(1, 1, K, K))),
            Case("loss_param { ignore_label: 255 }", labelled(4, 5, ignored=255, third=(K * K, 1, 1, 1))),
            *(Case(f"loss_param {{ normalization: {mode} }}", labelled(third=(K, K))) for mode in MODES),
            Case('top: "loss" top: "prob"', labelled(4, 5, third=(K, K)), tops=2),
            Case('top: "loss" top: "prob" loss_weight: [2, 0]', labelled(third=(K, K)), tops=2),
        ),
        infogain,
        parameters=(),
        refused=(
            *(refused([(2, 3)] * n, words, kind=GraphError) for n, words in [(1, "at least 2"), (4, "at most 3")]),
            refused([(2, 3), (3,), (3, 3)], "same first axis", "3 (3)"),
            refused([(2, 3), (2,)], "is absent", kind=ParamError, field="infogain_loss_param.source"),
            refused(
                [(2, 3), (2,)],
                "absent.binaryproto",
                settings=missing_file,
                kind=FileError,
                field="infogain_loss_param.source",
            ),
            refused(
                [(2, 3), (2,)],
                "broken.binaryproto",
                settings=broken_file,
                kind=FormatError,
                field="infogain_loss_param.source",
            ),
            refused([(2, 4), (2,)], "9 values", "16", settings=identity, field="infogain_loss_param.source"),
            refused([(2, 3), (2,), (2, 3)], "bottom[2] 2 3 (6)", "6 values", "9"),
            refused([(2, 3, 4), (2, 3), (3, 3)], "6 labels", "must hold 8"),
            refused(
                [(2, 3), (2,), (3, 3)],
                "is 2",
                settings="infogain_loss_param { axis: 2 }",
                field="infogain_loss_param.axis",
            ),
            *(
                refused(
                    [(2, 3), (2,), (3, 3)],
                    f"is {value}",
                    f"normalization: {mode}",
                    settings=f"loss_param {{ normalize: {value} }}",
                    kind=ParamError,
                    field="loss_param.normalize",
                )
                for value, mode in [("true", "VALID"), ("false", "BATCH_SIZE")]
            ),
            bad_label((3, 3), 3, "between 0 and 2", third=[(3, 3)]),
            bad_label((3, 3), -2, "-1, which is ignored", settings="loss_param { ignore_label: -1 }", third=[(3, 3)]),
            ungradient(1, (2, 3), (2,), (3, 3)),
            ungradient(2, (2, 3), (2,), (3, 3)),
        ),
    ),
    "MultinomialLogisticLoss": Row(
        (
            Case(bottoms=items(5, probabilities=True)),
            Case("loss_weight: 0.5", items(3, 4, 5, probabilities=True)),
            Case("loss_param { normalization: NONE ignore_label: 0 }", items(3, probabilities=True)),
            Case(bottoms=items(probabilities=True)),
        ),
        multinomial,
        refused=(
            *TWO_BOTTOMS,
            OTHER_BATCH,
            WEIGHTS,
            FIVE_AXES,
            refused([(2, 3), (2, 1, 1, 1, 1)], "bottom[1]", "2 1 1 1 1 (2)", "at most 4 axes"),
            refused([(2, 3), (2, 3)], "bottom[1] 2 3 (6)", "one label an item"),
            bad_label((3, 3), 3, "between 0 and 2"),
            bad_label((3, 3), math.nan, "between 0 and 2"),
            ungradient(1, (2, 3), (2,)),
        ),
    ),
    "SigmoidCrossEntropyLoss": Row(
        (
            Case(bottoms=logits(3, 4, 5)),
            *(Case(f"loss_param {{ normalization: {mode} }}", logits(3, 4, 5)) for mode in MODES),
            *(
                Case(f"loss_param {{ ignore_label: -1 normalization: {mode} }}", logits(3, 4, 5, ignored=-1))
                for mode in MODES
            ),
            Case("loss_param { ignore_label: 255 }", logits(3, 4, 5, targets=(60,), ignored=255)),
            Case("loss_param { ignore_label: -1 normalize: true }", logits(ignored=-1)),
            Case("loss_param { normalize: false } loss_weight: 2", logits(60, targets=(3, 4, 5))),
            # 0 drops every target below 1.
            Case("loss_param { ignore_label: 0 normalization: VALID }", logits(3, 4, 5, ignored=1)),
        ),
        sigmoid_cross_entropy,
        refused=(
            *TWO_BOTTOMS,
            OTHER_BATCH,
            WEIGHTS,
            refused([(2, 3), (2, 4)], "8 targets", "must hold 6"),
            ungradient(1, (2, 3), (2, 3)),
        ),
    ),
    "SoftmaxWithLoss": Row(
        (
            Case(bottoms=labelled()),
            Case(bottoms=flat_labels),
            Case("softmax_param { axis: 2 }", labelled(4, 5, axis=2)),
            Case("softmax_param { axis: -1 } loss_param { normalize: false }", labelled(4, 5, axis=3)),
            *SOFTMAX_CASES,
        ),
        softmax_with_loss,
        refused=(
            *counts([(1, "takes 2"), (3, "takes 2")], [(3, "at most 2")]),
            refused([(2, 3), (3,)], "same first axis", "3 (3)", settings="softmax_param { axis: 0 }"),
            WEIGHTS,
            refused([(2, 3, 4), (2, 3)], "6 labels", "must hold 8"),
            refused([(2, 3), (2,)], "is 2", settings="softmax_param { axis: 2 }", field="softmax_param.axis"),
            bad_label((3, 3), 3, "between 0 and 2"),
            bad_label((3, 3), -1, "255, which is ignored", settings="loss_param { ignore_label: 255 }"),
            ungradient(1, (2, 3), (2,)),
        ),
    ),
}
