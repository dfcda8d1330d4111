"""The messages of a binary backup, made at run time from `backup.proto`: no code is generated."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGE = re.compile(r"message (\w+) \{([^}]*)\}")
FIELD = re.compile(r"(repeated )?(\w+) (\w+) = (\d+);")
COMMENT = re.compile(r"//[^\n]*")
PACKAGE = "metaparity.backup"

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "bytes": Field.TYPE_BYTES,
    "string": Field.TYPE_STRING,
    "uint32": Field.TYPE_UINT32,
    "uint64": Field.TYPE_UINT64,
    "int64": Field.TYPE_INT64,
}


def description(text: str) -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of a schema that has messages of plain fields, one after the other."""
    file = descriptor_pb2.FileDescriptorProto(name="backup.proto", package=PACKAGE, syntax="proto3")
    for name, body in MESSAGE.findall(COMMENT.sub("", text)):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in FIELD.findall(body):
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number), label=label)
            if kind in SCALARS:
                added.type = SCALARS[kind]
            else:
                added.type, added.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    return file


@cache
def messages() -> dict[str, Any]:
    """The classes of all messages by their names."""
    text = files(__package__).joinpath("backup.proto").read_text("utf-8")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(description(text).SerializeToString())
    file = pool.FindFileByName("backup.proto")
    return {
        name: message_factory.GetMessageClass(descriptor)
        for name, descriptor in file.message_types_by_name.items()
    }
