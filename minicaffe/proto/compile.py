"""Compile proto/caffe.proto into the descriptors that ship with the package: python -m minicaffe.proto.compile.

Needs a checkout and grpcio-tools; only who changes the schema runs it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

from minicaffe.errors import FormatError
from minicaffe.proto.schema import DESCRIPTORS

SOURCE = Path(__file__).parents[2] / "proto" / "caffe.proto"


def compile_schema(source: Path = SOURCE) -> bytes:
    """Serialized FileDescriptorSet of `source`, comments and line numbers left out.

    Raises FormatError where protoc finds fault; it has said on stderr what.
    """
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "schema.binpb"
        command = ["protoc", f"--proto_path={source.parent}", f"--descriptor_set_out={compiled}", str(source)]
        if protoc.main(command) != 0:
            raise FormatError("does not compile; protoc's own words stand above", file=str(source))
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes())
    # Newer protocs add the JSON name of each field, a quarter of all bytes, and nobody asks for it.
    for message in descriptors.file[0].message_type:
        for field in message.field:
            field.ClearField("json_name")
    return descriptors.SerializeToString(deterministic=True)


def main() -> None:
    """Write the descriptors into the package."""
    DESCRIPTORS.write_bytes(compile_schema())
    print(f"{DESCRIPTORS}: {DESCRIPTORS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
