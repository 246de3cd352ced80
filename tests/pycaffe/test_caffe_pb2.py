"""caffe.proto.caffe_pb2 as scripts use it: text, bytes, copies, enums, and another caffe.proto beside it."""

import copy
import pickle
import subprocess
import sys

import pytest
from google.protobuf import text_format

from minicaffe.proto import caffe_pb2

NET = """
name: "pair" state { phase: TEST stage: "deploy" }
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE } include { phase: TRAIN } }
layers { name: "old" type: POOLING }
"""


@pytest.fixture(scope="module")
def net():
    return text_format.Parse(NET, caffe_pb2.NetParameter())


def test_text(net):
    assert net.layer[1].pooling_param.pool == caffe_pb2.PoolingParameter.AVE
    assert net.layer[1].include[0].phase == caffe_pb2.TRAIN
    assert "pool: AVE" in str(net)
    again = text_format.Merge(str(net), caffe_pb2.NetParameter())
    assert again == net == text_format.Parse(text_format.MessageToString(net), caffe_pb2.NetParameter())


def test_bytes_and_copies(net):
    data = net.SerializeToString()
    parsed = caffe_pb2.NetParameter()
    parsed.ParseFromString(data)
    copied = caffe_pb2.NetParameter()
    copied.CopyFrom(net)
    others = [parsed, copied, caffe_pb2.NetParameter.FromString(data), copy.deepcopy(net), copy.copy(net)]
    others.append(pickle.loads(pickle.dumps(net)))
    assert all(type(other) is caffe_pb2.NetParameter and other == net for other in others)
    copied.layer[0].name = "changed"
    assert net.layer[0].name == "data"


def test_enums():
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST, caffe_pb2.Phase.Value("TEST")) == (0, 1, 1)
    assert caffe_pb2.PoolingParameter.PoolMethod.keys() == ["MAX", "AVE", "STOCHASTIC"]
    assert caffe_pb2.V1LayerParameter.LayerType.Name(4) == "CONVOLUTION" and caffe_pb2.V1LayerParameter.CONVOLUTION == 4
    assert caffe_pb2.SolverParameter.GPU == 1


def test_every_nested_enum_value_is_an_attribute_of_its_class():
    count = 0
    for name, message in caffe_pb2.DESCRIPTOR.message_types_by_name.items():
        for enum in message.enum_types:
            for value in enum.values:
                assert getattr(getattr(caffe_pb2, name), value.name) == value.number
                count += 1
    assert count > 80


def test_descriptors_under_the_names_of_generated_code():
    assert caffe_pb2._NETPARAMETER is caffe_pb2.NetParameter.DESCRIPTOR
    assert caffe_pb2._PHASE.values_by_name["TEST"].number == 1
    assert caffe_pb2._V1LAYERPARAMETER_LAYERTYPE.values_by_number[4].name == "CONVOLUTION"


OTHERS = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

field = descriptor_pb2.FieldDescriptorProto(name="owner", number=1, type=9, label=1)
theirs = descriptor_pb2.DescriptorProto(name="NetParameter", field=[field])
file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", message_type=[theirs])
pool = descriptor_pool.Default()
pool.AddSerializedFile(file.SerializeToString())
make = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(pool).GetPrototype
other = make(pool.FindMessageTypeByName("caffe.NetParameter"))(owner="them")

from minicaffe.proto import caffe_pb2
assert text_format.Parse('name: "ours"', caffe_pb2.NetParameter()).name == "ours"
assert str(other) == 'owner: "them"\\n'
"""


def test_another_caffe_proto_in_the_process():
    """Another program's, with a NetParameter of its own making, in protobuf's own pool."""
    subprocess.run([sys.executable, "-c", OTHERS], check=True)
