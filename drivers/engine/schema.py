"""The messages of a binary backup, made at run time from `backup.proto`: no code is generated."""

from __future__ import annotations

import re
from collections.abc import Collection
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
def schema() -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of `backup.proto`."""
    return description(files(__package__).joinpath("backup.proto").read_text("utf-8"))


def classes(file: descriptor_pb2.FileDescriptorProto) -> dict[str, Any]:
    """The classes of all messages of a file by their names."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


@cache
def messages() -> dict[str, Any]:
    """The classes of all messages by their names."""
    return classes(schema())


@cache
def merging() -> Any:
    """The class of a batch that has one item of each kind, whose fields are lists.

    By the encoding an item that comes again is merged with the one before: so it has the fields of all.
    """
    return _of_one_item(repeated=True)


@cache
def overlaid(*lists: str) -> Any:
    """The class of a batch that has one item of each of some lists, and of that the last of each field."""
    return _of_one_item(lists)


def has_unknown(message: Any) -> bool:
    """Whether a message or one in it has fields that the schema has not, which are then discarded."""
    size: int = message.ByteSize()
    message.DiscardUnknownFields()
    known: int = message.ByteSize()
    return known < size


def _of_one_item(lists: Collection[str] = (), repeated: bool = False) -> Any:
    """The class of a batch that has one item of some lists, or of each; with fields as they were or lists."""
    file = descriptor_pb2.FileDescriptorProto.FromString(schema().SerializeToString())
    for message in file.message_type:
        if message.name == "Batch" and lists:
            for other in [field for field in message.field if field.name not in lists]:
                message.field.remove(other)
        for field in message.field:
            if message.name == "Batch":
                field.label = Field.LABEL_OPTIONAL
            elif repeated:
                field.label = Field.LABEL_REPEATED
    return classes(file)["Batch"]
