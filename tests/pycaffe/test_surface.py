"""pycaffe's surface, name by name: each is there, with this signature, type hints and a docstring.

Parameters before a / have no names in pycaffe (its native functions); there only their number and defaults count.
minicaffe may take more, as long as calls for pycaffe do not notice: what is more has a default.
"""

import ast
import importlib
import inspect
import re

import numpy as np
import pytest

import minicaffe as caffe
from minicaffe import log

FUNCTIONS = """
set_mode_cpu()
set_mode_gpu()
set_device(id, /)
set_random_seed(n, /)
layer_type_list()
solver_count()
set_solver_count(n, /)
solver_rank()
set_solver_rank(r, /)
set_multiprocess(multiprocess, /)
has_nccl()
init_log(min_level=None, to_stderr=True, /)
log(text, /)
get_solver(file, /)
NCCL(solver, uid, /)
NCCL.new_uid()
NCCL.bcast()
Timer()
Timer.start()
Timer.stop()
install_as_caffe()

Net(network_file, phase, level=0, stages=None, weights=None)
Net.forward(blobs=None, start=None, end=None, **kwargs)
Net.backward(diffs=None, start=None, end=None, **kwargs)
Net.forward_all(blobs=None, **kwargs)
Net.forward_backward_all(blobs=None, diffs=None, **kwargs)
Net.reshape()
Net.clear_param_diffs()
Net.copy_from(file, /)
Net.share_with(other, /)
Net.save(file, /)
Net.save_hdf5(file, /)
Net.load_hdf5(file, /)
Net.before_forward(f, /)
Net.after_forward(f, /)
Net.before_backward(f, /)
Net.after_backward(f, /)
Net.set_input_arrays(data, labels)
Net._forward(start, end, /)
Net._backward(start, end, /)
Net._set_input_arrays(data, labels, /)
Net._batch(blobs, /)
Net._top_ids(i, /)
Net._bottom_ids(i, /)
Net.summary()

_caffe.Blob.reshape(*dims)
_caffe.BlobVec.add_blob(*dims)
_caffe.BlobVec.append(blob, /)
_caffe.BlobVec.extend(blobs, /)
Layer(layer_param=None, /)
Layer.setup(bottom, top)
Layer.reshape(bottom, top)

SGDSolver(file, /)
NesterovSolver(file, /)
AdaGradSolver(file, /)
RMSPropSolver(file, /)
AdaDeltaSolver(file, /)
AdamSolver(file, /)
SGDSolver.step(n, /)
SGDSolver.solve(state_file=None, /)
SGDSolver.snapshot()
SGDSolver.restore(state_file, /)
SGDSolver.apply_update()
SGDSolver.share_weights(net, /)
SGDSolver.add_callback(on_start, on_gradients_ready=None, /)

to_proto(*tops)
NetSpec()
NetSpec.to_proto()
net_spec.to_proto(*tops)
net_spec.param_name_dict()
net_spec.assign_proto(proto, name, val)
net_spec.Top(fn, n)
net_spec.Top.to_proto()
net_spec.Function(type_name, inputs, params)

io.blobproto_to_array(blob, return_diff=False)
io.array_to_blobproto(arr, diff=None)
io.arraylist_to_blobprotovector_str(arraylist)
io.blobprotovector_str_to_arraylist(str)
io.array_to_datum(arr, label=None)
io.datum_to_array(datum)
io.load_image(filename, color=True)
io.resize_image(im, new_dims, interp_order=1)
io.oversample(images, crop_dims)
io.Transformer(inputs)
io.Transformer.preprocess(in_, data)
io.Transformer.deprocess(in_, data)
io.Transformer.set_transpose(in_, order)
io.Transformer.set_channel_swap(in_, order)
io.Transformer.set_raw_scale(in_, scale)
io.Transformer.set_mean(in_, mean)
io.Transformer.set_input_scale(in_, scale)

Classifier(model_file, pretrained_file, image_dims=None, mean=None, input_scale=None, raw_scale=None, channel_swap=None)
Classifier.predict(inputs, oversample=True)
Detector(model_file, pretrained_file, mean=None, input_scale=None, raw_scale=None, channel_swap=None, context_pad=None)
Detector.detect_windows(images_windows)
Detector.detect_selective_search(image_fnames)
Detector.crop(im, window)
Detector.configure_crop(context_pad)

coord_map.coord_map(fn)
coord_map.coord_map_from_to(top_from, top_to)
coord_map.compose(base_map, next_map)
coord_map.inverse(coord_map)
coord_map.crop(top_from, top_to)

draw.draw_net(caffe_net, rankdir, ext='png', phase=None, display_lrm=False)
draw.draw_net_to_file(caffe_net, filename, rankdir='LR', phase=None, display_lrm=False)
draw.get_pydot_graph(caffe_net, rankdir, label_edges=True, phase=None, display_lrm=False)
draw.get_layer_label(layer, rankdir, display_lrm=False)
draw.get_edge_label(layer)
draw.get_layer_lr_mult(layer)
draw.choose_color_by_layertype(layertype)
draw.get_pooling_types_dict()
"""
# Names for what has no signature, or is the same as elsewhere.
NAMES = """
TRAIN TEST __version__ Layer io layers params net_spec.layers net_spec.params net_spec.Top net_spec.Function
classifier.Classifier detector.Detector coord_map.UndefinedMapException coord_map.AxisMismatchException
proto.caffe_pb2.NetParameter proto.caffe_pb2.TRAIN proto.caffe_pb2.PoolingParameter.MAX
_caffe.Net _caffe.Blob _caffe.Solver _caffe.SolverParameter _caffe.LayerParameter _caffe.BlobVec _caffe.RawBlobVec
_caffe.LayerVec _caffe.NetVec _caffe.StringVec _caffe.IntVec _caffe.DtypeVec _caffe.BoolVec _caffe.Layer _caffe.Timer
_caffe.NCCL _caffe.SGDSolver _caffe.NesterovSolver _caffe.AdaGradSolver _caffe.RMSPropSolver _caffe.AdaDeltaSolver
_caffe.AdamSolver _caffe.get_solver _caffe.layer_type_list _caffe.set_random_seed _caffe.init_log _caffe.log
_caffe.set_mode_cpu _caffe.set_mode_gpu _caffe.set_device _caffe.has_nccl _caffe.solver_count _caffe.set_solver_count
_caffe.solver_rank _caffe.set_solver_rank _caffe.set_multiprocess _caffe.__version__
pycaffe.Net pycaffe.SGDSolver pycaffe.NesterovSolver pycaffe.AdaGradSolver pycaffe.RMSPropSolver
pycaffe.AdaDeltaSolver pycaffe.AdamSolver pycaffe.NCCL pycaffe.Timer
"""
# What objects have: name, and what it is.
ATTRIBUTES = {
    "net": """blobs:dict params:dict layer_dict:dict layers:Sequence inputs:list outputs:list top_names:dict
        bottom_names:dict blob_loss_weights:dict _layer_names:Sequence _blob_names:Sequence _blobs:Sequence
        _inputs:Sequence _outputs:Sequence _blob_loss_weights:Sequence""",
    "blob": """data:ndarray diff:ndarray shape:Sequence num:int channels:int height:int width:int count:int""",
    "layer": "blobs:BlobVec type:str",
    "user layer": "blobs:BlobVec type:str param_str:str phase:int",
    "solver": "net:Net test_nets:Sequence iter:int lr:float param:object",
    "solver.param": "max_iter:int display:int layer_wise_reduce:bool base_lr:float",
    "timer": "ms:float",
    "transformer": "inputs:dict transpose:dict channel_swap:dict raw_scale:dict mean:dict input_scale:dict",
    "classifier": "transformer:Transformer crop_dims:ndarray image_dims:object",
    "detector": "transformer:Transformer",
    "netspec": "tops:OrderedDict",
    "top": "fn:Function n:int",
    "function": "type_name:str inputs:object params:dict ntop:int in_place:bool tops:object",
}
LINES = [line for line in FUNCTIONS.splitlines() if line]


def found(dotted):
    """What minicaffe has under a dotted name; modules on the way are imported."""
    thing = caffe
    for part in dotted.split("."):
        if inspect.ismodule(thing) and not hasattr(thing, part):
            importlib.import_module(f"{thing.__name__}.{part}")
        thing = getattr(thing, part)
    return thing


def wanted_signature(line):
    """The parameters of a line, as inspect has them."""
    namespace = {}
    exec(f"def f{line[line.index('(') :]}: pass", namespace)
    return list(inspect.signature(namespace["f"]).parameters.values())


def offered_signature(dotted):
    """The parameters of what minicaffe has, without self."""
    thing = found(dotted)
    signature = inspect.signature(thing)
    parameters = list(signature.parameters.values())
    owner = found(dotted.rpartition(".")[0]) if "." in dotted else caffe
    is_method = inspect.isclass(owner) and not isinstance(inspect.getattr_static(owner, thing.__name__), staticmethod)
    return parameters[1:] if is_method else parameters


def difference(wanted, offered):
    """What a call for the one signature would notice of the other; "" for nothing."""
    for position, parameter in enumerate(wanted):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if parameter.kind not in [other.kind for other in offered]:
                return f"no {parameter}"
            continue
        other = offered[position] if position < len(offered) else None
        if other is None or other.kind not in (other.POSITIONAL_ONLY, other.POSITIONAL_OR_KEYWORD):
            return f"no parameter {parameter}"
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != other.name:
            return f"{other.name} for {parameter.name}"
        if parameter.default != other.default:
            return f"{parameter.name} is {other.default} by default, not {parameter.default}"
    named = [p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    more = [p for p in offered[len(named) :] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p.name for p in more if p.default is p.empty]
    return f"also needs {', '.join(needed)}" if needed else ""


@pytest.mark.parametrize("line", LINES)
def test_signature(line):
    dotted = line[: line.index("(")]
    assert difference(wanted_signature(line), offered_signature(dotted)) == ""


@pytest.mark.parametrize("line", LINES)
def test_hints_and_docstring(line):
    dotted = line[: line.index("(")]
    thing = found(dotted)
    assert inspect.getdoc(thing), "no docstring"
    lacking = [p.name for p in offered_signature(dotted) if p.annotation is p.empty]
    assert lacking == []
    assert inspect.isclass(thing) or inspect.signature(thing).return_annotation is not inspect.Signature.empty


def test_names():
    missing = []
    for name in NAMES.split():
        try:
            found(name)
        except (AttributeError, ImportError):
            missing.append(name)
    assert missing == []
    assert (caffe.TRAIN, caffe.TEST) == (0, 1)


@pytest.mark.parametrize(
    ("wanted", "offered", "text"),
    [
        ("f(a)", "f(b)", "b for a"),
        ("f(a, /)", "f(b)", ""),
        ("f(a=1)", "f(a=2)", "a is 2 by default, not 1"),
        ("f(a)", "f(a=None)", "a is None by default"),
        ("f(a)", "f()", "no parameter a"),
        ("f(a)", "f(*, a)", "no parameter a"),
        ("f(a)", "f(a, b)", "also needs b"),
        ("f(a)", "f(a, *, b=1)", ""),
        ("f(*a)", "f(a)", r"no \*a"),
        ("f(a, **k)", "f(a, **inputs)", ""),
    ],
)
def test_differences_are_found(wanted, offered, text):
    said = difference(wanted_signature(wanted), wanted_signature(offered))
    assert re.match(text, said) if text else said == ""


# --- what objects have -------------------------------------------------------------------------

NET = """
name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "user" type: "Python" bottom: "ip" top: "out" python_param { module: "surface" layer: "Same" } }
"""


class Same(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """One of each kind that ATTRIBUTES tells of."""
    folder = tmp_path_factory.mktemp("surface")
    before = log.set_level(log.SILENT)
    caffe.register_python_layer(Same, "surface", "Same")
    file, weights, solver_file = (str(folder / name) for name in ("n.prototxt", "n.caffemodel", "s.prototxt"))
    (folder / "n.prototxt").write_text(NET)
    (folder / "s.prototxt").write_text(f'net: "{file}" base_lr: 0.1 lr_policy: "fixed" max_iter: 1')
    net = caffe.Net(file, caffe.TEST)
    net.save(weights)
    solver = caffe.get_solver(solver_file)
    top = caffe.layers.ReLU(caffe.layers.Input(shape={"dim": [1]}))
    made = {
        "net": net,
        "blob": net.blobs["data"],
        "layer": net.layers[1],
        "user layer": net.layers[2],
        "solver": solver,
        "solver.param": solver.param,
        "timer": caffe.Timer(),
        "transformer": caffe.io.Transformer({"data": (1, 3, 4, 4)}),
        "classifier": caffe.Classifier(file, weights),
        "detector": caffe.Detector(file, weights),
        "netspec": caffe.NetSpec(),
        "top": top,
        "function": top.fn,
    }
    yield made
    log.set_level(before)


def is_a(value, kind):
    if kind == "Sequence":
        items = list(value)
        return len(value) == len(items) and list(value[-2:]) == items[-2:]
    names = [cls.__name__ for cls in type(value).__mro__]
    return kind in names or (kind == "float" and isinstance(value, np.floating))


@pytest.mark.parametrize("kind", ATTRIBUTES)
def test_attributes(objects, kind):
    thing = objects[kind]
    for name, what in (entry.split(":") for entry in ATTRIBUTES[kind].split()):
        value = getattr(thing, name)
        assert is_a(value, what), f"{name} is a {type(value).__name__}, not a {what}"
        documented = inspect.getdoc(getattr(type(thing), name, None)) or ""
        mention = any(name in (cls.__doc__ or "") for cls in type(thing).__mro__)
        assert name.startswith("_") or documented or mention, f"{name} is nowhere explained"


@pytest.mark.parametrize("kind", ["net", "blob", "layer", "solver", "solver.param", "timer"])
def test_attributes_cannot_be_set(objects, kind):
    names = {entry.partition(":")[0] for entry in ATTRIBUTES[kind].split()}
    for name in names - {"base_lr", "_blobs"}:
        with pytest.raises(AttributeError):
            setattr(objects[kind], name, None)


def test_every_line_is_python():
    assert len(LINES) > 100
    for line in LINES:
        ast.parse(f"def f{line[line.index('(') :]}: pass")
