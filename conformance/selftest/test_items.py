"""The items of a batch: read at once they are what protobuf reads one by one."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.scenes.backups import assembled, field
from metaparity.drivers.engine.items import columns, usual_columns
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.segments import LISTS, NUMBERS, BackupFile

ALL = [list for lists in LISTS.values() for list in lists]
UNKNOWN = 99

WIRE = {
    FieldDescriptor.CPPTYPE_STRING: st.sampled_from([b"", b"a", b"0123456789" * 12, b"0123456789" * 20]),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 200, 2**32 - 1]),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**31, 2**64 - 1]),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, 1, 2**31, 2**64 - 1]),
}
"""What stands for a value, by the type of its field; a negative number is one of 64 bits there."""


def described(list: str) -> Any:
    """The field of a batch that is this list."""
    return messages()["Batch"].DESCRIPTOR.fields_by_name[list]


@st.composite
def items(draw: st.DrawFn, list: str) -> bytes:
    """A batch with items of a list, whose fields come in any order and number, and of another kind."""
    item = described(list)
    fields = [st.tuples(st.just(one.number), WIRE[one.cpp_type]) for one in item.message_type.fields]
    usual = st.tuples(*fields)
    alien = st.tuples(
        st.sampled_from([UNKNOWN, *(one.number for one in item.message_type.fields)]),
        st.sampled_from([1, b"", b"\1", b"\1\2"]),
    )
    odd = st.lists(st.one_of(*fields, alien), max_size=6)
    near = st.tuples(*fields[:-1], alien)
    written = draw(st.lists(draw(st.sampled_from([usual, odd, usual | near])), max_size=4))
    return b"".join(field(item.number, b"".join(field(*one) for one in fields)) for fields in written)


def read(data: bytes) -> Any:
    return messages()["Batch"].FromString(data)


@pytest.mark.parametrize("list", ALL)
@given(data=st.data())
def test_at_once_as_one_by_one(list: str, data: st.DataObject) -> None:
    """Bytes as protobuf writes them are read as protobuf reads them."""
    batch = read(data.draw(items(list)))
    batch.DiscardUnknownFields()
    usual = batch.SerializeToString()
    assert usual_columns(read(usual), usual, [list]) == columns(batch, [list])


@pytest.mark.parametrize("list", ALL)
@given(data=st.data())
def test_segments_of_any_bytes(list: str, data: st.DataObject) -> None:
    """A segment has the items that protobuf reads, or it is refused for what it has besides."""
    batch = data.draw(items(list))
    kind = next(kind for kind, lists in LISTS.items() if list in lists)
    known = read(batch)
    known.DiscardUnknownFields()
    file = BackupFile(BytesIO(assembled([(NUMBERS[kind], batch)])))
    if known.ByteSize() < read(batch).ByteSize():
        with pytest.raises(BadFile, match="not known"):
            next(file.segments())
    else:
        assert next(file.segments()).lists[list] == columns(known, [list])[list]
