"""The schema against facts of Caffe 1.0's own, and the classes made from it."""

import copy
import os
import pickle
import subprocess
import sys

import pytest

from minicaffe.errors import FormatError
from minicaffe.proto import caffe_pb2, schema

TYPES = ("int32", "int64", "uint32", "float", "double", "bool", "string", "bytes")
MESSAGES = caffe_pb2.DESCRIPTOR.message_types_by_name

# message.field, number, type, and the default ("-" for none), or packed, repeated, required.
FIELDS = """
BlobShape.dim 1 int64 packed
BlobProto.data 5 float packed
BlobProto.shape 7 BlobShape -
BlobProto.double_diff 9 double packed
BlobProto.width 4 int32 0
Datum.data 4 bytes -
Datum.float_data 6 float repeated
Datum.encoded 7 bool False
FillerParameter.type 1 string constant
FillerParameter.sparse 7 int32 -1
FillerParameter.max 4 float 1
NetParameter.layers 2 V1LayerParameter repeated
NetParameter.layer 100 LayerParameter repeated
NetParameter.input_dim 4 int32 repeated
NetParameter.state 6 NetState -
NetState.phase 1 Phase TEST
NetStateRule.phase 1 Phase -
SolverParameter.net 24 string -
SolverParameter.base_lr 5 float -
SolverParameter.clip_gradients 35 float -1
SolverParameter.solver_mode 17 SolverMode GPU
SolverParameter.type 40 string SGD
SolverParameter.snapshot_format 37 SnapshotFormat BINARYPROTO
SolverParameter.delta 31 float 1e-08
SolverParameter.momentum2 39 float 0.999
SolverParameter.random_seed 20 int64 -1
SolverParameter.regularization_type 29 string L2
SolverParameter.weights 42 string repeated
SolverParameter.test_initialization 32 bool True
SolverState.history 3 BlobProto repeated
ParamSpec.lr_mult 3 float 1
ParamSpec.share_mode 2 DimCheckMode -
LayerParameter.loss_weight 5 float repeated
LayerParameter.phase 10 Phase -
LayerParameter.clip_param 148 ClipParameter -
LayerParameter.recurrent_param 146 RecurrentParameter -
TransformationParameter.crop_size 3 uint32 0
LossParameter.normalization 3 NormalizationMode VALID
LossParameter.normalize 2 bool -
ClipParameter.min 1 float required
ArgMaxParameter.axis 3 int32 -
BatchNormParameter.eps 3 float 1e-05
BatchNormParameter.moving_average_fraction 2 float 0.999
ConcatParameter.concat_dim 1 uint32 1
ConvolutionParameter.pad 3 uint32 repeated
ConvolutionParameter.dilation 18 uint32 repeated
ConvolutionParameter.kernel_h 11 uint32 -
CropParameter.axis 1 int32 2
DataParameter.backend 8 DB LEVELDB
DataParameter.prefetch 10 uint32 4
DummyDataParameter.shape 6 BlobShape repeated
EltwiseParameter.operation 1 EltwiseOp SUM
HingeLossParameter.norm 1 Norm L1
ReductionParameter.operation 1 ReductionOp SUM
MVNParameter.eps 3 float 1e-09
PoolingParameter.stride 3 uint32 1
PoolingParameter.kernel_size 2 uint32 -
PoolingParameter.round_mode 13 RoundMode CEIL
PythonParameter.param_str 3 string -
WindowDataParameter.crop_mode 11 string warp
SPPParameter.engine 6 Engine DEFAULT
V1LayerParameter.layer 1 V0LayerParameter -
V1LayerParameter.param 1001 string repeated
V1LayerParameter.type 5 LayerType -
V0LayerParameter.beta 15 float 0.75
V0LayerParameter.k 22 float 1
V0LayerParameter.hdf5_output_param 1001 HDF5OutputParameter -
PReLUParameter.channel_shared 2 bool False
"""


def facts(field):
    """A field as FIELDS writes it."""
    kind = field.message_type or field.enum_type
    type_name = kind.name if kind else next(n for n in TYPES if getattr(field, f"TYPE_{n.upper()}") == field.type)
    if schema.is_repeated(field):
        extra = "packed" if field.GetOptions().packed else "repeated"
    elif schema.is_required(field):
        extra = "required"
    elif not field.has_default_value:
        extra = "-"
    elif field.enum_type:
        extra = field.enum_type.values_by_number[field.default_value].name
    elif type_name == "float":
        extra = f"{field.default_value:g}"
    else:
        extra = str(field.default_value) or "-"
    return f"{field.containing_type.name}.{field.name} {field.number} {type_name} {extra}"


def enums():
    yield from caffe_pb2.DESCRIPTOR.enum_types_by_name.values()
    for message in MESSAGES.values():
        yield from message.enum_types


@pytest.mark.parametrize("fact", FIELDS.split("\n")[1:-1])
def test_fields_are_those_of_caffe(fact):
    message, field = fact.split()[0].split(".")
    assert facts(MESSAGES[message].fields_by_name[field]) == fact


def test_nothing_is_missing():
    assert len(MESSAGES) == 63
    assert sum(len(message.fields) for message in MESSAGES.values()) == 423
    assert len(list(enums())) == 26
    assert sum(len(enum.values) for enum in enums()) == 111
    assert not any(message.nested_types or message.extensions or message.oneofs for message in MESSAGES.values())
    assert caffe_pb2.DESCRIPTOR.package == "caffe"


def test_only_values_of_blobs_and_shapes_are_packed():
    packed = {field.full_name for message in MESSAGES.values() for field in message.fields if field.GetOptions().packed}
    values = {f"caffe.BlobProto.{name}" for name in ("data", "diff", "double_data", "double_diff")}
    assert packed == values | {"caffe.BlobShape.dim"}


def test_enum_values():
    assert [(value.name, value.number) for value in MESSAGES["HingeLossParameter"].enum_types[0].values] == [
        ("L1", 1),
        ("L2", 2),
    ]
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST, caffe_pb2.Phase.Name(1)) == (0, 1, "TEST")
    assert caffe_pb2.Phase.Value("TRAIN") == 0
    assert caffe_pb2.PoolingParameter.STOCHASTIC == 2
    assert caffe_pb2.ReductionParameter.MEAN == 4
    layer_type = caffe_pb2.V1LayerParameter.LayerType
    assert (layer_type.Name(4), layer_type.Value("DECONVOLUTION"), len(layer_type.keys())) == ("CONVOLUTION", 39, 40)


def test_compiled_schema_is_that_of_the_source():
    pytest.importorskip("grpc_tools")
    from minicaffe.proto import compile as compiler

    if not compiler.SOURCE.exists():
        pytest.skip("proto/caffe.proto is only in a checkout")
    assert compiler.compile_schema() == schema.DESCRIPTORS.read_bytes(), (
        "proto/caffe.proto has changed: run python -m minicaffe.proto.compile"
    )


def test_a_schema_that_does_not_compile(tmp_path):
    pytest.importorskip("grpc_tools")
    from minicaffe.proto.compile import compile_schema

    source = tmp_path / "broken.proto"
    source.write_text('syntax = "proto2"; message A { optional int32 a = 1 }')
    with pytest.raises(FormatError, match=r"broken\.proto: does not compile"):
        compile_schema(source)


def test_messages_travel():
    net = caffe_pb2.NetParameter(name="net")
    layer = net.layer.add(name="conv", type="Convolution")
    layer.convolution_param.kernel_size.append(5)
    for message in (net, layer, layer.convolution_param):
        assert pickle.loads(pickle.dumps(message)) == message
        assert copy.deepcopy(message) == message
        assert type(message).__module__ == "minicaffe.proto.caffe_pb2"
        assert type(message) is getattr(caffe_pb2, type(message).__name__)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match=r"NoSuchParameter.*proto/caffe\.proto defines no such"):
        _ = caffe_pb2.NoSuchParameter


def test_another_caffe_in_the_process_does_no_harm():
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")


@pytest.mark.parametrize("choice", [{}, {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}])
def test_implementations_of_protobuf(choice):
    """Whichever the installed version prefers, and the one in Python."""
    code = (
        "from minicaffe.proto import caffe_pb2 as c; import pickle; n = c.NetParameter(); n.layer.add(phase=c.TEST);"
        "assert pickle.loads(pickle.dumps(n)) == n and c.V1LayerParameter.LayerType.Name(4) == 'CONVOLUTION'"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **choice}, check=True)
