"""The codecs against values recorded from the released engine, and against the reference (S2, S3)."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from metaparity.drivers.engine import codec
from metaparity.drivers.types import (
    Attr,
    FileType,
    LockRecord,
    Quota,
    Rule,
    SessionInfo,
    Slice,
)

GOLDEN = files("metaparity.fixtures.golden")


def vectors(name: str, *operations: str) -> list[Any]:
    """The recorded vectors of these operations, each a parameter with an id."""
    document = json.loads(GOLDEN.joinpath(f"{name}-vectors.json").read_text(encoding="utf-8"))
    chosen = [one for one in document["vectors"] if one["op"] in operations]
    return [
        pytest.param(vector, id=f"{number}-{vector['name'].replace(' ', '-')[:50]}")
        for number, vector in enumerate(chosen)
    ]


def test_vectors_are_complete() -> None:
    """No recorded vector of a codec is left out by its name."""
    counts = {
        "attr": len(vectors("attr", "encode", "decode")),
        "slice": len(vectors("slice", "record")),
        "plock": len(vectors("plock", "encode")),
        "acl": len(vectors("acl", "encode")),
        "quota": len(vectors("quota", "set", "delete", "get")),
        "session": len(vectors("session", "write", "read")),
    }
    assert counts == {"attr": 51, "slice": 24, "plock": 13, "acl": 24, "quota": 32, "session": 33}


# -- attributes ------------------------------------------------------------------------------------------


def attr(fields: dict[str, Any]) -> Attr:
    """The attributes of a recorded vector."""
    times = {name: tuple(fields[name]) for name in ("atime", "mtime", "ctime")}
    return Attr(**{**fields, **times, "type": FileType[fields["type"].upper()]})


@pytest.mark.parametrize("vector", vectors("attr", "encode"))
def test_encode_attr(vector: dict[str, Any]) -> None:
    """The recorded attributes give the recorded blob, and the blob the attributes it was read as."""
    blob = bytes.fromhex(vector["hex"])
    assert codec.encode_attr(attr(vector["fields"])) == blob
    assert len(blob) == vector["length"]
    assert codec.decode_attr(blob) == attr(vector["decoded_again"])


@pytest.mark.parametrize("vector", vectors("attr", "decode"))
def test_decode_attr(vector: dict[str, Any]) -> None:
    """Blobs of every version are read as the released engine reads them; none is no attributes."""
    blob = bytes.fromhex(vector["hex"])
    if blob:
        assert codec.decode_attr(blob) == attr(vector["fields"])
    else:
        assert vector["fields"]["full"] is False
        with pytest.raises(codec.CorruptValue, match="has 0 bytes, not at least 63"):
            codec.decode_attr(blob)


@pytest.mark.parametrize(
    ("changes", "length", "tail"),
    [
        ({}, 72, "0000000000000001 00"),
        ({"tier": 2}, 73, "0000000000000001 02 00"),
        ({"access_acl": 7}, 80, "0000000000000001 00000007 00000000 00"),
        ({"access_acl": 7, "tier": 3}, 81, "0000000000000001 00000007 00000000 03 00"),
        ({"access_acl": 1, "default_acl": (1 << 32) - 1}, 80, "0000000000000001" + "00" * 9),
    ],
)
def test_attr_tail(changes: dict[str, int], length: int, tail: str) -> None:
    """What follows the fixed fields is as in the reference (S2.2.5, S2.2.6)."""
    values: dict[str, Any] = {"type": 1, "mode": 0o644, "nlink": 1, "parent": 1, **changes}
    blob = codec.encode_attr(Attr(**values))
    assert (len(blob), blob[63:]) == (length, bytes.fromhex(tail))


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": -1},
        {"mode": 1 << 16},
        {"type": 16},
        {"type": -1},
        {"flags": 256},
        {"uid": 1 << 32},
        {"gid": -1},
        {"rdev": 1 << 32},
        {"nlink": -1},
        {"length": -1},
        {"length": 1 << 64},
        {"parent": -1},
        {"access_acl": 1 << 32},
        {"default_acl": -1},
        {"tier": 256},
        {"tier": -1},
        {"atime": (1 << 63, 0)},
        {"mtime": (0, -1)},
        {"ctime": (0, 1 << 32)},
    ],
    ids=str,
)
def test_attr_out_of_range(changes: dict[str, Any]) -> None:
    """A field that its bytes cannot hold is refused, never cut."""
    with pytest.raises(ValueError, match=r"is not from|does not fit") as refusal:
        codec.encode_attr(Attr(**changes))
    assert not isinstance(refusal.value, codec.CorruptValue)


# -- records of a fixed form -----------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("slice", "record"))
def test_slice(vector: dict[str, Any]) -> None:
    """A slice and its record, both ways."""
    record, slice = bytes.fromhex(vector["hex"]), Slice(**vector["fields"])
    assert codec.encode_slice(slice) == record
    assert codec.decode_slice(record) == slice


@pytest.mark.parametrize("vector", vectors("plock", "encode"))
def test_plocks(vector: dict[str, Any]) -> None:
    """The record locks of an owner, both ways."""
    value, records = bytes.fromhex(vector["hex"]), [LockRecord(*one) for one in vector["records"]]
    assert codec.encode_plocks(records) == value
    assert codec.decode_plocks(value) == records


def rule(fields: dict[str, Any]) -> Rule:
    """The ACL rule of a recorded vector."""
    named = {name: [(id, permissions) for id, permissions in fields[name]] for name in ("users", "groups")}
    return Rule(**{**fields, **named})


@pytest.mark.parametrize("vector", vectors("acl", "encode"))
def test_rule(vector: dict[str, Any]) -> None:
    """An ACL rule and its bytes, both ways; its checksum; what is empty and what minimal."""
    value, expected = bytes.fromhex(vector["hex"]), rule(vector["rule"])
    assert codec.encode_rule(expected) == value
    assert codec.decode_rule(value) == rule(vector["decoded"]) == expected
    assert codec.rule_checksum(expected) == vector["checksum"]
    assert (expected.empty, expected.minimal) == (vector["empty"], vector["minimal"])


@pytest.mark.parametrize("vector", vectors("quota", "set", "delete"))
def test_quota(vector: dict[str, Any]) -> None:
    """The limits of a quota and their bytes, both ways."""
    value, quota = bytes.fromhex(vector["hex"]), Quota(**vector["fields"])
    assert codec.encode_quota(quota) == value
    assert codec.decode_quota(value) == quota


@pytest.mark.parametrize("vector", vectors("quota", "get"))
def test_bad_quota(vector: dict[str, Any]) -> None:
    """A quota of any other length than 16 is corrupt, an empty one too."""
    value = bytes.fromhex(vector["hex"])
    with pytest.raises(codec.CorruptValue, match=f"a quota has {len(value)} bytes, not 16"):
        codec.decode_quota(value)


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (codec.encode_entry(1, 2), "01 0000000000000002"),
        (codec.encode_entry(2, 0x7FFFFFFF10000001), "02 7fffffff10000001"),
        (codec.encode_delayed_slices([(7, 4 << 20)]), "0000000000000007 00400000"),
        (codec.encode_quota(Quota(1 << 30, -1)), "0000000040000000 ffffffffffffffff"),
        (codec.encode_quota(Quota()), "ff" * 16),
        (
            codec.encode_plocks([LockRecord(1, 4321, 0, (1 << 63) - 1)]),
            "00000001 000010e1 0000000000000000 7fffffffffffffff",
        ),
    ],
)
def test_examples_of_the_reference(encoded: bytes, text: str) -> None:
    """The byte examples that the reference prints."""
    assert encoded == bytes.fromhex(text)


def test_checksum_of_the_reference() -> None:
    """The CRC-32C of the example rule (S2.11.2)."""
    assert codec.rule_checksum(Rule(6, 4, 4, 0, [(1000, 6)])) == 0xA9FAC598


# -- names with numbers in them --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (codec.slice_ref_field(12, 4096), b"k12_4096"),
        (codec.delayed_slices_field(14, 1795497617), b"14_1795497617"),
        (codec.delfile_member(9024, 70000000), b"9024:70000000"),
        (codec.delfile_member(1, (1 << 64) - 1), b"1:-1"),
        (codec.lock_field(5, 0xDEADBEEF), b"5_00000000DEADBEEF"),
        (codec.lock_field(0, (1 << 64) - 1), b"0_FFFFFFFFFFFFFFFF"),
        (codec.encode_counter(-12), b"-12"),
        (codec.trash_name(1, 22, b"a-b"), b"1-22-a-b"),
        (codec.trash_name(1, 22, b"\xff" * 255), b"1-22-" + b"\xff" * 250),
        (codec.hour_name(1700000000), b"2023-11-14-22"),
    ],
)
def test_text(built: bytes, text: bytes) -> None:
    """Fields, members and names are spelled as in the reference (S1.3, S1.4, S2.9, S3.9)."""
    assert built == text


@pytest.mark.parametrize(
    ("member", "inode", "length"),
    [(b"7:9", 7, 9), (b"7", 7, 1 << 30), (b"7:x:9", 7, 9), (b"7::0:rest", 7, 0), (b"7:-1", 7, (1 << 64) - 1)],
)
def test_delfile_member_of_old_clients(member: bytes, inode: int, length: int) -> None:
    """A member without exactly two parts is of an old client: the length is in the third part (S1.5)."""
    assert codec.parse_delfile_member(member) == (inode, length)


@pytest.mark.parametrize(("field", "owner"), [(b"3_1", 1), (b"3_abC", 0xABC), (b"3_" + b"0" * 20 + b"F", 15)])
def test_owner_of_any_length(field: bytes, owner: int) -> None:
    """The owner of a lock is read whatever the number of its digits (S2.9.2)."""
    assert codec.parse_lock_field(field) == (3, owner)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *[(codec.parse_lock_field, text) for text in (b"", b"5", b"5_", b"_5", b"5_1_2", b"5_0x1", b"-5_1")],
        *[(codec.parse_lock_field, text) for text in (b"5_+1", b"5_ 1", b"5_1" + b"0" * 16, b"5_G")],
        *[(codec.parse_slice_ref_field, text) for text in (b"", b"k", b"1_2", b"k1", b"k1_", b"k-1_2")],
        *[(codec.parse_slice_ref_field, text) for text in (b"k1_4294967296", b"k1_2_3", b"krbTokenMaxId")],
        *[(codec.parse_delayed_slices_field, text) for text in (b"", b"1", b"_", b"1_x", b"-1_2", b"1_2_3")],
        *[(codec.parse_delfile_member, text) for text in (b"", b":1", b"x:1", b"1:", b"1:2x", b"-1:2")],
        *[(codec.parse_delfile_member, text) for text in (b"1:9223372036854775808", b"1:2:")],
        *[(codec.decode_counter, text) for text in (b"", b"x", b"1.5", b" 1", b"1_0", b"+1", b"--1")],
        *[(codec.decode_counter, text) for text in (b"9223372036854775808", b"1" * 5000, b"\xd9\xa1")],
        *[(codec.parse_hour_name, text) for text in (b"", b"2023-1-2-3", b"2023-13-01-00", b"2023-01-01-24")],
        *[(codec.parse_hour_name, text) for text in (b" 2023-01-01-00", b"2023-01-01-00x", b"\xff")],
    ],
)
def test_bad_text(parse: Any, text: bytes) -> None:
    """Text of another form is corrupt; no number is made of it."""
    with pytest.raises(codec.CorruptValue):
        parse(text)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (codec.encode_entry, (256, 1)),
        (codec.encode_entry, (1, -1)),
        (codec.encode_slice, (Slice(0, 1, 1 << 32, 0, 0),)),
        (codec.encode_slice, (Slice(-1, 1, 1, 0, 0),)),
        (codec.encode_delayed_slices, ([],)),
        (codec.encode_delayed_slices, ([(1, 1 << 32)],)),
        (codec.encode_plocks, ([LockRecord(-1, 1, 0, 0)],)),
        (codec.encode_quota, (Quota(1 << 63, 0),)),
        (codec.encode_rule, (Rule(owner=1 << 16),)),
        (codec.encode_rule, (Rule(users=[(1, 1 << 16)]),)),
        (codec.encode_counter, (1 << 63,)),
        (codec.lock_field, (-1, 1)),
        (codec.lock_field, (1, 1 << 64)),
        (codec.slice_ref_field, (1, 1 << 32)),
        (codec.slice_ref_field, (-1, 1)),
        (codec.delayed_slices_field, (-1, 1)),
        (codec.delfile_member, (1, -1)),
        (codec.delfile_member, (1 << 64, 1)),
    ],
)
def test_out_of_range(call: Any, arguments: tuple[Any, ...]) -> None:
    """What does not fit is refused in a sentence, never cut."""
    with pytest.raises(ValueError, match=r"does not fit|is not from|never stored empty"):
        call(*arguments)


# -- counters and sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "number"), [(None, 0), (b"0", 0), (b"-4096", -4096), (b"007", 7), (5, 5)])
def test_counter(value: bytes | int | None, number: int) -> None:
    """A counter is decimal text; an absent one is zero."""
    assert codec.decode_counter(value) == number


def test_usable_ids() -> None:
    """The counter holds the last id handed out, so the first block of 1024 inodes ends at 1024 (S3.1)."""
    assert list(codec.usable_ids(4096, 4096))[:: 4096 - 1] == [1, 4096]
    assert codec.usable_ids(2048, 1024) == range(1025, 2049)


@pytest.mark.parametrize(
    ("length", "space"), [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), ((1 << 60) + 1, (1 << 60) + 4096)]
)
def test_aligned(length: int, space: int) -> None:
    """Content takes whole blocks of 4 KiB, and at least one (S3.6)."""
    assert codec.aligned(length) == space


# -- sessions --------------------------------------------------------------------------------------------

MACHINE = {"PID": "4321", "MOUNTTIME": "2026-11-24T05:19:07.650355561Z"}
"""What stands in for the values that a recording leaves out and that have a form of their own."""


@pytest.mark.parametrize("vector", vectors("session", "write"))
def test_written_session(vector: dict[str, Any]) -> None:
    """What the released engine wrote of a session is read, and written again byte for byte."""
    text = vector["text"]
    for mark, value in MACHINE.items():
        text = text.replace(mark, value)
    info = SessionInfo(
        "1.4.1+unknown", "HOST", ["IPADDR"], vector["mount_point"], MACHINE["MOUNTTIME"], int(MACHINE["PID"])
    )
    assert codec.decode_session_info(text.encode()) == info
    assert codec.encode_session_info(info) == text.encode()


@pytest.mark.parametrize("vector", vectors("session", "read"))
def test_read_session(vector: dict[str, Any]) -> None:
    """Any text stored for a session is read as the released engine reads it, or is corrupt as there."""
    value = None if vector["text"] is None else vector["text"].encode()
    if "error" in vector["result"]:
        with pytest.raises(codec.CorruptValue, match="session"):
            codec.decode_session_info(value)
    else:
        read = vector["result"]["ok"]["info"]
        assert codec.decode_session_info(value) == SessionInfo(
            read["version"],
            read["host"],
            read["ip_addrs"] or [],
            read["mount_point"],
            read["mount_time"],
            read["process_id"],
        )
