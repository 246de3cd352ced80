"""examples/models: each net has the published layers, shapes, number of parameters and of multiply-adds.

The nets are assembled up to the point where memory would be taken, so that VGG-16 costs no more than SqueezeNet. What
they are held against stands in model_tables.py, written from the papers.
"""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from data_kit import write_database
from model_tables import (
    INCEPTION,
    INPUT,
    NAMES,
    PUBLISHED,
    SHAPES,
    SIDES,
    STATISTICS,
    TABLES,
    Filters,
    bn_and_scale,
    normalized,
)
from numpy.testing import assert_allclose

from minicaffe import backend
from minicaffe.io.datum import make_datum
from minicaffe.layers.base import TEST, TRAIN, Context
from minicaffe.net import build
from minicaffe.net.net import Net
from minicaffe.net.spec import layer_specs
from minicaffe.proto import caffe_pb2
from minicaffe.proto.upgrade import read_net, read_solver

MODELS = Path(__file__).resolve().parents[2] / "examples" / "models"
LABEL = 281


# --- the nets as they are built ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A folder with the databases and the mean that the train_vals name, of one image each."""
    folder = tmp_path_factory.mktemp("imagenet")
    (folder / "examples" / "imagenet").mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 256, (3, 256, 256)).astype(np.uint8)
    for part in ("train", "val"):
        write_database(folder / "examples" / "imagenet" / f"ilsvrc12_{part}_lmdb", [make_datum(image, LABEL)])
    mean = caffe_pb2.BlobProto(num=1, channels=3, height=256, width=256, data=[110] * image.size)
    (folder / "data" / "ilsvrc12").mkdir(parents=True)
    (folder / "data" / "ilsvrc12" / "imagenet_mean.binaryproto").write_bytes(mean.SerializeToString())
    return folder


@pytest.fixture
def assembled(imagenet, monkeypatch):
    """assembled(model, file, phase): the graph of a net, of which nothing has memory yet."""
    monkeypatch.chdir(imagenet)
    for stage in ("check_size", "take_memory"):
        monkeypatch.setattr(build, stage, lambda graph: None)
    graphs = []

    def assemble(model, file, phase):
        source, state = read_net(MODELS / model / file), caffe_pb2.NetState(phase=phase)
        context = Context(backend.active(), np.dtype(np.float32), phase)
        graphs.append(build.assemble(layer_specs(source.param.layer, source.origins), state, source.param, context)[0])
        return graphs[-1]

    yield assemble
    for graph in graphs:
        build.close_layers(graph.layers)


def shape_of(graph, blob):
    return graph.blobs_of(graph.ids([blob]))[0].shape


def filters_of(graph):
    """Each convolution and inner product, as a row of a table."""
    found = {}
    for layer, tops in zip(graph.layers, graph.top_ids, strict=True):
        if layer.type in ("Convolution", "InnerProduct"):
            out, *rest = layer.blobs[0].shape
            biases = [blob.shape for blob in layer.blobs[1:]]
            assert biases in ([], [(out,)])
            found[layer.name] = Filters(out, math.prod(rest), math.prod(graph.blobs[tops[0]].shape[2:]), bool(biases))
    return found


def blobs_of(graph, layer_type):
    return {layer.name: [blob.shape for blob in layer.blobs] for layer in graph.layers if layer.type == layer_type}


def count(graph, of=lambda layer: True):
    return sum(blob.count for layer in graph.layers if of(layer) for blob in layer.blobs)


def is_statistic(layer):
    return layer.type == "BatchNorm"


@pytest.mark.parametrize("model", NAMES)
def test_deploy(assembled, model):
    graph = assembled(model, "deploy.prototxt", TEST)
    size = INPUT[model]
    batch = shape_of(graph, "data")[0]
    assert graph.inputs == ["data"] and shape_of(graph, "data") == (batch, 3, size, size)
    assert graph.outputs == ["prob"]
    assert shape_of(graph, "prob")[:2] == (batch, 1000) and math.prod(shape_of(graph, "prob")) == 1000 * batch
    assert {name: shape_of(graph, name)[1:] for name in SHAPES[model]} == SHAPES[model]
    assert filters_of(graph) == TABLES[model]


@pytest.mark.parametrize("model", NAMES)
def test_published_counts(assembled, model):
    graph, rows = assembled(model, "deploy.prototxt", TEST), TABLES[model].values()
    scales = sum(2 * row.out for row in normalized(model).values())
    multiply_adds = sum(row.multiply_adds for row in filters_of(graph).values())
    assert (count(graph, lambda layer: not is_statistic(layer)), multiply_adds) == PUBLISHED[model]
    assert (sum(row.parameters for row in rows) + scales, sum(row.multiply_adds for row in rows)) == PUBLISHED[model]
    statistics = sum(2 * row.out + 1 for row in normalized(model).values())
    assert count(graph, is_statistic) == statistics == STATISTICS.get(model, 0)


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("model", NAMES)
def test_train_val_has_the_deployed_weights(assembled, model, phase):
    graph, size = assembled(model, "train_val.prototxt", phase), INPUT[model]
    batch = shape_of(graph, "data")[0]
    assert shape_of(graph, "data") == (batch, 3, size, size) and shape_of(graph, "label") == (batch,)
    assert {name: shape_of(graph, name)[1:] for name in SHAPES[model]} == SHAPES[model]
    assert filters_of(graph) == TABLES[model] | (SIDES if model == "googlenet" else {})
    deploy = assembled(model, "deploy.prototxt", TEST)
    for layer_type in ("BatchNorm", "Scale"):
        assert blobs_of(graph, layer_type) == blobs_of(deploy, layer_type)
    # One loss, and of accuracy and the like nothing in TRAIN.
    losses = {name: weight for name, weight in zip(graph.blob_names, graph.loss_weights, strict=True) if weight}
    expected = {"loss1/loss1": 0.3, "loss2/loss1": 0.3, "loss3/loss3": 1} if model == "googlenet" else {"loss": 1}
    assert losses == pytest.approx(expected)
    assert (set(graph.outputs) == set(losses)) if phase == TRAIN else (set(graph.outputs) > set(losses))


def wiring(model, file):
    """Type, bottoms and tops of each layer."""
    layers = read_net(MODELS / model / file).param.layer
    return {layer.name: (layer.type, list(layer.bottom), list(layer.top)) for layer in layers}


@pytest.mark.parametrize("model", NAMES)
def test_train_val_is_wired_as_deploy(model):
    deploy, train_val = wiring(model, "deploy.prototxt"), wiring(model, "train_val.prototxt")
    for name in ("data", "prob"):
        deploy.pop(name)
    assert {name: train_val.get(name) for name in deploy} == deploy
    sides = ("loss1/", "loss2/") if model == "googlenet" else ()
    others = {kind for name, (kind, _, _) in train_val.items() if name not in deploy and not name.startswith(sides)}
    assert others == {"Data", "Accuracy", "SoftmaxWithLoss"}


def test_branches_part_and_meet_in_the_published_order():
    net = wiring("googlenet", "deploy.prototxt")
    for block in INCEPTION:
        k = f"inception_{block}/"
        assert len({net[k + start][1][0] for start in ("1x1", "3x3_reduce", "5x5_reduce", "pool")}) == 1
        assert net[k + "output"][1] == [k + end for end in ("1x1", "3x3", "5x5", "pool_proj")]
    net = wiring("squeezenet", "deploy.prototxt")
    for k in [f"fire{i}/" for i in range(2, 10)]:
        assert net[k + "expand1x1"][1] == net[k + "expand3x3"][1] == [k + "squeeze1x1"]
        assert net[k + "concat"][1] == [k + "expand1x1", k + "expand3x3"]
    net = wiring("resnet50", "deploy.prototxt")
    into = "pool1"
    for block in [name for name, (kind, _, _) in net.items() if kind == "Eltwise"]:
        assert net[f"{block}_branch2a"][1] == [into]
        projected = f"{block}_branch1" in net
        assert not projected or net[f"{block}_branch1"][1] == [into]
        assert net[block][1] == [f"{block}_branch1" if projected else into, f"{block}_branch2c"]
        into = block
    assert into == "res5c"


def test_googlenet_trains_with_two_classifiers_more(assembled):
    graph = assembled("googlenet", "train_val.prototxt", TRAIN)
    assert shape_of(graph, "loss1/ave_pool")[1:] == (512, 4, 4)
    assert shape_of(graph, "loss2/ave_pool")[1:] == (528, 4, 4)
    assert count(graph) == 13_378_280


@pytest.mark.parametrize("file", ["deploy.prototxt", "train_val.prototxt"])
@pytest.mark.parametrize("model", ["resnet50", "mobilenet"])
def test_each_convolution_is_normalized(assembled, model, file):
    graph = assembled(model, file, TEST)
    norms, scales = {}, {}
    for name, row in normalized(model).items():
        bn, scale = bn_and_scale(model, name)
        norms[bn], scales[scale] = [(row.out,), (row.out,), (1,)], [(row.out,), (row.out,)]
    assert blobs_of(graph, "BatchNorm") == norms and blobs_of(graph, "Scale") == scales
    assert all(layer.use_global_stats for layer in graph.layers if is_statistic(layer))
    if file == "train_val.prototxt":
        trained = assembled(model, file, TRAIN)
        assert not any(layer.use_global_stats for layer in trained.layers if is_statistic(layer))


def small_copy(model, file, folder, batch=1):
    """The file with this batch, in another folder."""
    text = (MODELS / model / file).read_text(encoding="utf-8")
    text, changes = re.subn(r"(batch_size|shape \{ dim): \d+", rf"\1: {batch}", text)
    assert changes == (1 if file == "deploy.prototxt" else 2)
    (folder / file).write_text(text, encoding="utf-8")
    return folder / file


def test_squeezenet_runs(imagenet, tmp_path, monkeypatch):
    """What train_val saves deploy takes up by name; the loss of the one is the other's probability."""
    monkeypatch.chdir(imagenet)
    with Net(small_copy("squeezenet", "train_val.prototxt", tmp_path), TEST) as net:
        net.params["conv10"][0].data[...] *= 30  # as they begin, all classes are nearly alike
        loss = float(net.forward()["loss"])
        net.save(tmp_path / "weights.caffemodel")
        image = net.blobs["data"].data.copy()
    deploy, weights = small_copy("squeezenet", "deploy.prototxt", tmp_path), tmp_path / "weights.caffemodel"
    with Net(deploy, TEST, weights=weights) as net:
        prob = net.forward(data=image)["prob"].ravel()
    assert_allclose(prob.sum(), 1, rtol=1e-5)
    assert prob.min() > 0 and prob.max() > 2 * prob.min()
    assert_allclose(-math.log(prob[LABEL]), loss, rtol=1e-5)


# --- solvers and README ------------------------------------------------------------------------------------------

# images an iteration, max_iter, base_lr, weight_decay, lr_policy
SCHEDULES = {
    "alexnet/solver": (256, 450_000, 0.01, 0.0005, "step"),
    "caffenet/solver": (256, 450_000, 0.01, 0.0005, "step"),
    "googlenet/solver": (32, 10_000_000, 0.01, 0.0002, "step"),
    "googlenet/quick_solver": (32, 2_400_000, 0.01, 0.0002, "poly"),
    "vgg16/solver": (256, 370_000, 0.01, 0.0005, "step"),
    "squeezenet/solver": (512, 170_000, 0.04, 0.0002, "poly"),
    "resnet50/solver": (256, 600_000, 0.1, 0.0001, "multistep"),
    "mobilenet/solver": (256, 500_000, 0.1, 0.0001, "poly"),
}


def test_every_solver_is_known():
    found = {str(path.relative_to(MODELS).with_suffix("")) for path in MODELS.glob("*/*solver.prototxt")}
    assert found == set(SCHEDULES) and {path.name for path in MODELS.iterdir() if path.is_dir()} == set(NAMES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_solver(name):
    solver, model = read_solver(MODELS / f"{name}.prototxt").param, name.split("/")[0]
    assert solver.net == f"examples/models/{model}/train_val.prototxt"
    layers = [layer for layer in read_net(MODELS / model / "train_val.prototxt").param.layer if layer.type == "Data"]
    train, test = (layer.data_param.batch_size for layer in layers)
    found = (train * solver.iter_size, solver.max_iter, solver.base_lr, solver.weight_decay)
    assert found == pytest.approx(SCHEDULES[name][:4]) and solver.lr_policy == SCHEDULES[name][4]
    assert test * solver.test_iter[0] == 50_000  # the validation images
    assert solver.momentum == pytest.approx(0.9)
    assert solver.HasField("solver_mode") and solver.solver_mode == solver.CPU
    assert Path(solver.snapshot_prefix).parent == Path(f"examples/models/{model}")


def test_no_solver_writes_over_anothers_snapshots():
    prefixes = [read_solver(MODELS / f"{name}.prototxt").param.snapshot_prefix for name in SCHEDULES]
    assert len(set(prefixes)) == len(prefixes)


@pytest.mark.parametrize("model", NAMES)
def test_readme_tells_the_counts(model):
    lines = (MODELS / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| [{model}]({model}/)")]
    parameters, multiply_adds = PUBLISHED[model]
    assert f"| {parameters:,} |" in row and f"| {multiply_adds:,} |" in row
