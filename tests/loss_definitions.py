"""What losses and Accuracy are tested with: bottoms with their labels, and each loss from its definition, in loops."""

import math

import numpy as np

from minicaffe.proto import caffe_pb2

FLT_MIN = 1.17549435e-38
K = 3  # classes


# --- bottoms ----------------------------------------------------------------------------------


def labelled(*around, axis=1, ignored=None, third=None):
    """Scores (n, ..., K, ...) with K at `axis`, and their labels, one in five of them `ignored`."""

    def bottoms(rng, n):
        sizes = (n, *around)
        labels = rng.integers(0, K, sizes).astype(float)
        if ignored is not None:
            labels[rng.random(sizes) < 0.2] = ignored
        x = rng.normal(size=(*sizes[:axis], K, *sizes[axis:]))
        return (x, labels) if third is None else (x, labels, rng.normal(size=third))

    return bottoms


def flat_labels(rng, n):
    """Labels in another shape than the scores: only their order counts."""
    x, labels = labelled(4, 5)(rng, n)
    return x, labels.reshape(n, 1, 20)


def items(*shape, probabilities=False):
    """Scores (n, *shape), of as many classes as an item has values, and labels (n, 1, 1, 1)."""

    def bottoms(rng, n):
        x = rng.uniform(0.1, 1, size=(n, *shape)) if probabilities else 1.5 * rng.normal(size=(n, *shape))
        return x, rng.integers(0, math.prod(shape), (n, 1, 1, 1)).astype(float)

    return bottoms


def logits(*shape, targets=None, ignored=None):
    """(n, *shape) and targets in [0, 1], in the shape (n, *targets); one in five of them `ignored`."""

    def bottoms(rng, n):
        t = rng.random((n, *shape))
        if ignored is not None:
            t[rng.random(t.shape) < 0.2] = ignored
        return 3 * rng.normal(size=t.shape), t.reshape(n, *(targets or shape))

    return bottoms


def two(*shape, other=None):
    return lambda rng, n: (rng.normal(size=(n, *shape)), rng.normal(size=(n, *(other or shape))))


def pairs(distance, similar, *ones):
    """a, b and flags; b lies `distance` from a."""

    def bottoms(rng, n):
        a, direction = rng.normal(size=(2, n, 6))
        b = a + distance * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        flags = np.resize(np.array(similar, float), n)
        return a.reshape(n, 6, *ones), b.reshape(n, 6, *ones), flags.reshape(n, *ones)

    return bottoms


# --- references -------------------------------------------------------------------------------


def lines(x, axis):
    """The classes of every position, positions in C order of the other axes."""
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])


def softmax(scores):
    powers = [math.exp(v - max(scores)) for v in scores]
    return [power / sum(powers) for power in powers]


def divisor(param, outer, positions, valid, default="VALID"):
    loss = param.loss_param
    mode = default
    if loss.HasField("normalization"):
        mode = caffe_pb2.LossParameter.NormalizationMode.Name(loss.normalization)
    elif loss.HasField("normalize"):
        mode = "VALID" if loss.normalize else "BATCH_SIZE"
    return max(1, {"FULL": positions, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode])


def is_counted(param, label):
    return not (param.loss_param.HasField("ignore_label") and math.trunc(label) == param.loss_param.ignore_label)


def over_softmax(param, x, labels, axis, price):
    """[the mean of price(probabilities, label), and the probabilities if there is a second top]."""
    axis %= x.ndim
    prob = np.array([softmax(scores) for scores in lines(x, axis)]).reshape(-1, x.shape[axis])
    counted = [(p, int(label)) for p, label in zip(prob, labels.flat, strict=True) if is_counted(param, label)]
    total = sum(price(p, label) for p, label in counted)
    loss = total / divisor(param, math.prod(x.shape[:axis]), labels.size, len(counted))
    sizes = x.shape[:axis] + x.shape[axis + 1 :] + (x.shape[axis],)
    return [loss, np.moveaxis(prob.reshape(sizes), -1, axis)][: max(1, len(param.top))]


def softmax_with_loss(param, bottoms, blobs):
    return over_softmax(param, *bottoms, param.softmax_param.axis, lambda p, label: -math.log(max(p[label], FLT_MIN)))


def infogain(param, bottoms, blobs):
    source = param.infogain_loss_param.source
    if source:
        with open(source, "rb") as file:
            bottoms = [*bottoms, np.array(list(caffe_pb2.BlobProto.FromString(file.read()).data))]
    x, labels, matrix = bottoms
    rows = matrix.reshape(K, K)

    def price(p, label):
        return -sum(rows[label, k] * math.log(max(p[k], 1e-20)) for k in range(K))

    return over_softmax(param, x, labels, param.infogain_loss_param.axis, price)


def multinomial(param, bottoms, blobs):
    p, labels = bottoms
    n = len(p)
    total = sum(-math.log(max(item[int(label)], 1e-20)) for item, label in zip(by_item(p), labels.flat, strict=True))
    return [total / max(1, n)]


def hinge(param, bottoms, blobs):
    x, labels = bottoms
    total = 0.0
    for item, label in zip(by_item(x), labels.flat, strict=True):
        for k, score in enumerate(item):
            m = max(0, 1 + (-score if k == int(label) else score))
            total += m if param.hinge_loss_param.norm == caffe_pb2.HingeLossParameter.L1 else m * m
    return [total / max(1, len(x))]


def by_item(x):
    return x.reshape(len(x), math.prod(x.shape[1:]))


def euclidean(param, bottoms, blobs):
    a, b = (blob.ravel() for blob in bottoms)
    return [sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * max(1, len(bottoms[0])))]


def sigmoid_cross_entropy(param, bottoms, blobs):
    counted = [(x, t) for x, t in zip(*(blob.flat for blob in bottoms), strict=True) if is_counted(param, t)]
    total = 0.0
    for x, t in counted:
        p = 1 / (1 + math.exp(-x))
        total -= t * math.log(p) + (1 - t) * math.log(1 - p)
    outer, positions = len(bottoms[0]), bottoms[0].size
    return [total / divisor(param, outer, positions, len(counted), "BATCH_SIZE")]


def contrastive(param, bottoms, blobs):
    a, b, flags = bottoms
    margin, total = param.contrastive_loss_param.margin, 0.0
    for p, q, similar in zip(by_item(a), by_item(b), flags.flat, strict=True):
        squared = sum((u - v) ** 2 for u, v in zip(p, q, strict=True))
        if math.trunc(similar):
            total += squared
        elif param.contrastive_loss_param.legacy_version:
            total += max(margin - squared, 0)
        else:
            total += max(margin - math.sqrt(squared), 0) ** 2
    return [total / (2 * max(1, len(a)))]


def accuracy(param, bottoms, blobs):
    x, labels = bottoms
    settings = param.accuracy_param
    axis = settings.axis % x.ndim
    right, there = [0] * x.shape[axis], [0] * x.shape[axis]
    for scores, label in zip(lines(x, axis), labels.flat, strict=True):
        label = int(label)
        if settings.HasField("ignore_label") and label == settings.ignore_label:
            continue
        there[label] += 1
        right[label] += sum(score >= scores[label] for score in scores) - 1 < settings.top_k
    each = [a / max(1, b) for a, b in zip(right, there, strict=True)]
    return [sum(right) / max(1, sum(there)), each][: max(1, len(param.top))]
