"""The items of a batch: read at once they are what protobuf reads one by one."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.scenes.backups import field
from metaparity.drivers.engine.items import columns, usual_columns
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.segments import LISTS

ALL = [list for lists in LISTS.values() for list in lists]
UNKNOWN = 99

WIRE = {
    FieldDescriptor.CPPTYPE_STRING: st.sampled_from([b"", b"a", b"0123456789" * 20]),
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
    """A batch with items of a list, whose fields come in any order, as often as they like, known or not."""
    item = described(list)
    fields = [st.tuples(st.just(one.number), WIRE[one.cpp_type]) for one in item.message_type.fields]
    usual = st.tuples(*fields)
    odd = st.lists(st.one_of(*fields, st.tuples(st.just(UNKNOWN), st.just(1))), max_size=6)
    written = draw(st.lists(usual if draw(st.booleans()) else odd, max_size=4))
    return b"".join(field(item.number, b"".join(field(*one) for one in fields)) for fields in written)


def read(data: bytes) -> Any:
    return messages()["Batch"].FromString(data)


@pytest.mark.parametrize("list", ALL)
@given(data=st.data())
def test_at_once_as_one_by_one(list: str, data: st.DataObject) -> None:
    """Bytes that are read at once have the items that protobuf reads of them, and nothing that is unknown."""
    written = data.draw(items(list))
    batch = read(written)
    found = usual_columns(batch, written, [list])
    known = read(written)
    known.DiscardUnknownFields()
    usual = known.SerializeToString()
    assert (found is not None) == (usual == written)
    assert found in (None, columns(batch, [list]))
    assert usual_columns(known, usual, [list]) == columns(known, [list])


@pytest.mark.parametrize("list", ALL)
def test_other_lists(list: str) -> None:
    """A batch that has items of another list, or a field of its own, is not read at once."""
    other = "nodes" if list != "nodes" else "edges"
    for more in (field(described(other).number, b""), field(UNKNOWN, 1)):
        data = more + field(described(list).number, b"")
        assert len(UnknownFieldSet(read(data))) == (more == field(UNKNOWN, 1))
        assert usual_columns(read(data), data, [list]) is None
