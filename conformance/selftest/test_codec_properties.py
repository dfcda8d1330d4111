"""Every codec over the full range of its values, and every decoder on bytes that are none (S2)."""

from __future__ import annotations

import datetime
import string
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from metaparity.drivers.engine import codec
from metaparity.drivers.types import Attr, Format, LockRecord, Quota, Rule, SessionInfo, Slice


def unsigned(bits: int) -> SearchStrategy[int]:
    """Every unsigned number of so many bits, the ends often."""
    top = (1 << bits) - 1
    return st.integers(0, top) | st.sampled_from([0, 1, top])


U8, U16, U32, U64 = unsigned(8), unsigned(16), unsigned(32), unsigned(64)
I64 = st.integers(-1 << 63, (1 << 63) - 1)
TIMES = st.tuples(I64, U32)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

ATTRS = st.builds(
    Attr,
    flags=U8,
    type=st.integers(0, 15),
    mode=st.integers(0, 0o7777),
    uid=U32,
    gid=U32,
    rdev=U32,
    atime=TIMES,
    mtime=TIMES,
    ctime=TIMES,
    nlink=U32,
    length=U64,
    parent=U64,
    access_acl=U32,
    default_acl=U32,
    tier=U8,
).filter(lambda attr: attr.access_acl + attr.default_acl != 1 << 32)
"""All attributes but those whose ACL ids are lost (S2.2.5)."""

SLICES = st.builds(Slice, U32, U64, U32, U32, U32)
PLOCKS = st.lists(st.builds(LockRecord, U32, U32, U64, U64), max_size=5)
NAMED = st.lists(st.tuples(U32, U16), max_size=5)
RULES = st.builds(Rule, U16, U16, U16, U16, NAMED, NAMED)
QUOTAS = st.builds(Quota, I64, I64)
DELAYED = st.lists(st.tuples(U64, U32), min_size=1, max_size=5)
MOUNT_TIMES = st.builds(
    "{:%Y-%m-%dT%H:%M:%S}{}{}".format,
    st.datetimes(min_value=datetime.datetime(1000, 1, 1)),
    st.sampled_from(["", ".5", ".000000001", ".123456789"]),
    st.sampled_from(["Z", "+00:00", "-11:30"]),
)
SESSIONS = st.builds(
    SessionInfo, TEXT, TEXT, st.lists(TEXT, max_size=3), TEXT, MOUNT_TIMES, st.integers(-1 << 31, 1 << 31)
)


def pair(build: Callable[..., bytes]) -> Callable[[tuple[int, int]], bytes]:
    """The encoder of two numbers, which a decoder answers as a pair."""
    return lambda numbers: build(*numbers)


CODECS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any], SearchStrategy[Any]]] = {
    "attr": (codec.encode_attr, codec.decode_attr, ATTRS),
    "entry": (pair(codec.encode_entry), codec.decode_entry, st.tuples(U8, U64)),
    "slice": (codec.encode_slice, codec.decode_slice, SLICES),
    "plocks": (codec.encode_plocks, codec.decode_plocks, PLOCKS),
    "rule": (codec.encode_rule, codec.decode_rule, RULES),
    "quota": (codec.encode_quota, codec.decode_quota, QUOTAS),
    "delayed-slices": (codec.encode_delayed_slices, codec.decode_delayed_slices, DELAYED),
    "counter": (codec.encode_counter, codec.decode_counter, I64),
    "session": (codec.encode_session_info, codec.decode_session_info, SESSIONS),
    "slice-ref": (pair(codec.slice_ref_field), codec.parse_slice_ref_field, st.tuples(U64, U32)),
    "delayed-field": (
        pair(codec.delayed_slices_field),
        codec.parse_delayed_slices_field,
        st.tuples(U64, I64),
    ),
    "delfile": (pair(codec.delfile_member), codec.parse_delfile_member, st.tuples(U64, U64)),
    "lock-field": (pair(codec.lock_field), codec.parse_lock_field, st.tuples(U64, U64)),
    "hour": (
        codec.hour_name,
        codec.parse_hour_name,
        st.integers(-17_259_888, 70_389_527).map(lambda h: h * 3600),
    ),
}
"""Of each codec: how it encodes, how it decodes, and all that it has to hold."""

FIXED = {
    "entry": {9},
    "slice": {24},
    "quota": {16},
    "plocks": {0, 24, 48, 72, 96},
    "delayed-slices": {12, 24},
}
"""The lengths up to 100 at which bytes without a form of their own are a value."""

EVERY = pytest.mark.parametrize("name", CODECS)


@EVERY
@given(data=st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    """What is encoded is decoded to the same value."""
    encode, decode, values = CODECS[name]
    value = data.draw(values)
    assert decode(encode(value)) == value


@pytest.mark.parametrize("name", [*CODECS, "setting"])
@given(blob=st.binary(max_size=100) | st.text(string.printable, max_size=60).map(str.encode))
@example(b"")
@example(b'"\xff')
@example(b"-" + b"9" * 30)
@example(b"9" * 5000)
@example(b"[" * 50_000)
def test_any_bytes(name: str, blob: bytes) -> None:
    """Bytes are decoded or corrupt; a decoder never fails in another way."""
    decode = CODECS[name][1] if name in CODECS else codec.decode_format
    with suppress(codec.CorruptValue):
        decode(blob)


@pytest.mark.parametrize("name", FIXED)
@given(blob=st.binary(max_size=100))
def test_length(name: str, blob: bytes) -> None:
    """Values of a fixed length are decoded at that length alone, whatever is in them."""
    lengths = FIXED[name] | ({12 * n for n in range(1, 9)} if name == "delayed-slices" else set())
    if len(blob) not in lengths:
        with pytest.raises(codec.CorruptValue, match=f"has {len(blob)} bytes|is empty"):
            CODECS[name][1](blob)
    else:
        assert CODECS[name][0](CODECS[name][1](blob)) == blob


@given(attr=ATTRS, cut=st.integers(0, 80), extra=st.binary(max_size=20))
def test_attr_of_any_length(attr: Attr, cut: int, extra: bytes) -> None:
    """A blob that was cut, or goes on, is read by the rule of S2.2.2, and is corrupt below 63 bytes."""
    blob = codec.encode_attr(attr)
    for part in (blob[:cut], blob + extra, blob[:cut] + extra):
        if len(part) < 63:
            with pytest.raises(codec.CorruptValue, match=f"has {len(part)} bytes, not at least 63"):
                codec.decode_attr(part)
        else:
            assert codec.decode_attr(part) == read_slowly(part)


def read_slowly(blob: bytes) -> Attr:
    """The attributes in a blob, a field at a time from the table of S2.2 and the rule of S2.2.2."""
    rest = list(blob)

    def take(size: int) -> int:
        number = 0
        for _ in range(size):
            number = number * 256 + rest.pop(0)
        return number

    def take_time() -> tuple[int, int]:
        seconds = take(8)
        return (seconds - 2**64 if seconds >= 2**63 else seconds), take(4)

    attr = Attr(flags=take(1))
    attr.type, attr.mode = divmod(take(2), 4096)
    attr.uid, attr.gid = take(4), take(4)
    attr.atime, attr.mtime, attr.ctime = take_time(), take_time(), take_time()
    attr.nlink, attr.length, attr.rdev = take(4), take(8), take(4)
    if len(rest) >= 8:
        attr.parent = take(8)
    if len(rest) >= 8:
        attr.access_acl, attr.default_acl = take(4), take(4)
    if rest:
        attr.tier = take(1)
    return attr


@given(first=st.integers(1, (1 << 32) - 1), tier=U8)
def test_lost_acl_ids(first: int, tier: int) -> None:
    """ACL ids that add up to 2^32 leave their room and are lost (S2.2.5)."""
    blob = codec.encode_attr(Attr(access_acl=first, default_acl=(1 << 32) - first, tier=tier))
    stored = bytes([tier]) if tier else b""
    assert blob[71:] == stored + bytes(9)


@given(mode=U16)
def test_mode(mode: int) -> None:
    """A mode is stored in its 12 bits."""
    assert codec.decode_attr(codec.encode_attr(Attr(mode=mode))).mode == mode % 4096


@given(rule=RULES, cut=st.integers(1, 80), extra=st.binary(min_size=1, max_size=12))
def test_rule_of_another_length(rule: Rule, cut: int, extra: bytes) -> None:
    """A rule that was cut, or goes on, is corrupt: its length follows from its counts."""
    blob = codec.encode_rule(rule)
    for wrong in (blob[:-cut], blob + extra):
        with pytest.raises(codec.CorruptValue, match="an ACL rule"):
            codec.decode_rule(wrong)


@given(rule=RULES)
def test_checksum(rule: Rule) -> None:
    """The checksum is CRC-32C, computed here bit by bit over the polynomial as it is written."""
    register = 0xFFFFFFFF
    for byte in codec.encode_rule(rule):
        for bit in range(8):
            high = register >> 31 ^ byte >> bit & 1
            register = (register << 1 ^ 0x1EDC6F41 * high) & 0xFFFFFFFF
    assert codec.rule_checksum(rule) == int(f"{register:032b}"[::-1], 2) ^ 0xFFFFFFFF


@given(session=SESSIONS, cut=st.integers(1, 400))
def test_session_cut(session: SessionInfo, cut: int) -> None:
    """A session's info that was cut is corrupt, wherever the cut is."""
    with pytest.raises(codec.CorruptValue, match="is not JSON"):
        codec.decode_session_info(codec.encode_session_info(session)[:-cut])


NAMES_OF_TEXTS = ["Name", "Bucket", "AccessKey", "EncryptKey", "KerbConf"]
NAMES_OF_NUMBERS = ["BlockSize", "Shards", "Capacity", "TrashDays", "ChangeLogMaxAge"]
NAMES_OF_SWITCHES = ["HashPrefix", "DirStats", "EnableACL"]
JSON = st.recursive(
    st.none() | st.booleans() | I64 | TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = TEXT.filter(lambda name: name.lower() not in {known.lower() for known in codec.FORMAT_FIELDS})
SETTINGS = st.builds(
    lambda *parts: {name: value for part in parts for name, value in part.items()},
    st.dictionaries(st.sampled_from(NAMES_OF_TEXTS), TEXT),
    st.dictionaries(st.sampled_from(NAMES_OF_NUMBERS), U64),
    st.dictionaries(st.sampled_from(NAMES_OF_SWITCHES), st.booleans()),
    st.dictionaries(UNKNOWN, JSON, max_size=3),
)


@given(settings=SETTINGS)
def test_setting_round_trip(settings: dict[str, Any]) -> None:
    """No setting is lost, those that are not known neither; what is added has no value."""
    text = codec.encode_format(Format(settings))
    found = codec.decode_format(text)
    kept = {name: value for name, value in settings.items() if value or name not in codec.FORMAT_FIELDS}
    assert {name: found[name] for name in kept} == kept
    assert not any(value for name, value in found.items() if name not in kept)
    assert codec.encode_format(found) == text


@given(settings=SETTINGS, cut=st.integers(1, 400))
def test_setting_cut(settings: dict[str, Any], cut: int) -> None:
    """A setting that was cut is corrupt, wherever the cut is."""
    with pytest.raises(codec.CorruptValue, match="the setting is not JSON"):
        codec.decode_format(codec.encode_format(Format(settings))[:-cut])


@given(parent=U64, inode=U64, name=st.binary(min_size=1, max_size=255))
def test_trash_name(parent: int, inode: int, name: bytes) -> None:
    """A name in the trash tells where the entry was, as far as 255 bytes reach."""
    found = codec.trash_name(parent, inode, name)
    assert len(found) <= 255
    assert (
        f"{parent}-{inode}-".encode() + name == found + (f"{parent}-{inode}-".encode() + name)[len(found) :]
    )
    assert len(found) == min(255, len(f"{parent}-{inode}-") + len(name))


@given(length=st.integers(0, 1 << 63))
def test_aligned(length: int) -> None:
    """The space of content is the least number of whole blocks that holds it, never none."""
    space = codec.aligned(length)
    assert space % 4096 == 0
    assert space >= max(length, 1) > space - 4096


@given(st.lists(st.integers(0, (1 << 64) - 1)))
def test_space_of(lengths: list[int]) -> None:
    """Contents take together what each takes."""
    assert codec.space_of(lengths) == sum(map(codec.aligned, lengths))
