"""Any message of Caffe's schema, for tests of properties."""

from hypothesis import strategies as st

from minicaffe.proto import caffe_pb2
from minicaffe.proto.schema import fields_of

SCALARS = {
    "string": st.text(max_size=8),
    "bytes": st.binary(max_size=8),
    "bool": st.booleans(),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
}


@st.composite
def messages(draw, message_class):
    """Any message of the class, with up to five of its fields set."""
    message = message_class()
    fields = list(fields_of(message.DESCRIPTOR).values())
    chosen = draw(st.lists(st.sampled_from(fields), max_size=5, unique_by=lambda field: field.name))
    for field in {field.name: field for field in chosen + [field for field in fields if field.required]}.values():
        count = draw(st.integers(1, 2)) if field.repeated else 1
        for _ in range(count):
            place(draw, message, field)
    return message


def place(draw, message, field):
    content = getattr(message, field.name)
    if field.kind == "message":
        value = draw(messages(getattr(caffe_pb2, field.type.name)))
        (content.add() if field.repeated else content).CopyFrom(value)
        content[-1].SetInParent() if field.repeated else content.SetInParent()
        return
    value = draw(st.sampled_from(sorted(field.type.values_by_number)) if field.kind == "enum" else SCALARS[field.kind])
    if field.repeated:
        content.append(value)
    else:
        setattr(message, field.name, value)
