"""The messages of a binary backup, made at run time from `backup.proto`: no code is generated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGE = re.compile(r"message (\w+) \{([^}]*)\}")
FIELD = re.compile(r"(repeated )?(\w+) (\w+) = (\d+);")
COMMENT = re.compile(r"//[^\n]*")
PACKAGE = "metaparity.backup"

Columns: TypeAlias = Sequence[Sequence[Any]]
"""The items of a list, field by field in the order of the schema: they are read faster than messages."""

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


@cache
def fields_of(list: str) -> tuple[attrgetter[Any], ...]:
    """What gives each field of an item of a list of a batch."""
    item = messages()["Batch"].DESCRIPTOR.fields_by_name[list].message_type
    return tuple(attrgetter(field.name) for field in item.fields)


def columns(batch: Any, list: str) -> Columns:
    """The items of a list of a batch."""
    items = [*getattr(batch, list)]
    found = [[*map(field, items)] for field in fields_of(list)]
    if list == "sustained":
        # The one list whose items have a list, too: it lives no longer than its message.
        found[1] = [(*inodes,) for inodes in found[1]]
    return found
