"""Key names, both ways, and the values below them in the recorded key-spaces (S1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.keys import NUMBERED, PLAIN, SCANNED, Key, Keys

GOLDEN = files("metaparity.fixtures.golden")
KEYS = Keys()
U64 = st.integers(0, (1 << 64) - 1)

NAMES = {
    ("setting", ()): b"setting",
    ("next_inode", ()): b"nextinode",
    ("next_chunk", ()): b"nextchunk",
    ("next_session", ()): b"nextsession",
    ("next_trash", ()): b"nextTrash",
    ("used_space", ()): b"usedSpace",
    ("total_inodes", ()): b"totalInodes",
    ("acl_max_id", ()): b"aclMaxId",
    ("token_max_id", ()): b"krbTokenMaxId",
    ("txn_last_log", ()): b"txnLastLog",
    ("last_cleanup_sessions", ()): b"lastCleanupSessions",
    ("last_cleanup_files", ()): b"lastCleanupFiles",
    ("last_cleanup_trash", ()): b"lastCleanupTrash",
    ("next_cleanup_slices", ()): b"nextCleanupSlices",
    ("last_cleanup_changelog", ()): b"lastCleanupChangelog",
    ("slice_refs", ()): b"sliceRef",
    ("delayed_slices", ()): b"delSlices",
    ("session_infos", ()): b"sessionInfos",
    ("dir_data_length", ()): b"dirDataLength",
    ("dir_used_space", ()): b"dirUsedSpace",
    ("dir_used_inodes", ()): b"dirUsedInodes",
    ("dir_quota", ()): b"dirQuota",
    ("dir_quota_used_space", ()): b"dirQuotaUsedSpace",
    ("dir_quota_used_inodes", ()): b"dirQuotaUsedInodes",
    ("user_quota", ()): b"userQuota",
    ("user_quota_used_space", ()): b"userQuotaUsedSpace",
    ("user_quota_used_inodes", ()): b"userQuotaUsedInodes",
    ("group_quota", ()): b"groupQuota",
    ("group_quota_used_space", ()): b"groupQuotaUsedSpace",
    ("group_quota_used_inodes", ()): b"groupQuotaUsedInodes",
    ("acl", ()): b"acl",
    ("tokens", ()): b"krbToken",
    ("all_sessions", ()): b"allSessions",
    ("delfiles", ()): b"delfiles",
    ("detached_nodes", ()): b"detachedNodes",
    ("txn_log", ()): b"txnLog",
    ("attr", (1,)): b"i1",
    ("attr", (0x7FFFFFFF10000000,)): b"i9223372032828243968",
    ("dentries", (7,)): b"d7",
    ("parents", (8,)): b"p8",
    ("symlink", (9,)): b"s9",
    ("xattrs", (10,)): b"x10",
    ("chunk", (11, 0)): b"c11_0",
    ("flocks", (12,)): b"lockf12",
    ("plocks", (13,)): b"lockp13",
    ("sustained", (14,)): b"session14",
    ("locked", (15,)): b"locked15",
    ("legacy_slice_ref", (16, 4096)): b"k16_4096",
}
"""Every kind of key as the reference spells it (S1.2-S1.5), without the prefix."""


def build(keys: Keys, key: Key) -> bytes:
    """The name of a parsed key."""
    name = getattr(keys, key.kind)
    built: bytes = name(*key.numbers) if key.numbers else name
    return built


@pytest.mark.parametrize("prefix", [b"", b"{0}", b"{15}"])
@pytest.mark.parametrize(("kind", "numbers"), NAMES, ids=[name.decode() for name in NAMES.values()])
def test_name(prefix: bytes, kind: str, numbers: tuple[int, ...]) -> None:
    """Every key has the name of the reference, behind the prefix, and the name says which key it is."""
    keys, name = Keys(prefix), prefix + NAMES[kind, numbers]
    assert build(keys, Key(kind, numbers)) == name
    assert keys.parse(name) == Key(kind, numbers)


def test_names_are_complete() -> None:
    """The table above names every kind there is."""
    assert {kind for kind, _ in NAMES} == set(PLAIN) | set(NUMBERED)


@pytest.mark.parametrize("prefix", [b"", b"{3}"])
def test_legacy_sessions(prefix: bytes) -> None:
    """The sessions of old clients are in one bare key, whatever the prefix."""
    keys = Keys(prefix)
    assert keys.legacy_sessions == b"sessions"
    assert keys.parse(b"sessions") == Key("legacy_sessions")


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"i",
        b"i-1",
        b"i01",
        b"i1 ",
        b"i1\n",
        b"I1",
        b"i18446744073709551616",
        b"i" + b"9" * 5000,
        b"c5",
        b"c5_",
        b"c5_1_2",
        b"c_1",
        b"k5",
        b"session",
        b"sessionX",
        b"locked",
        b"lockf",
        b"lockx1",
        b"nextInode",
        b"nextChunk",
        b"nextSession",
        b"settings",
        b"dirQuotaX",
        b"{1}i1",
        b"\xff\xfe",
    ],
)
def test_unknown(name: bytes) -> None:
    """What only looks like a key is none."""
    assert KEYS.parse(name) == Key("unknown")


@pytest.mark.parametrize("name", [b"i1", b"setting", b"{2}i1", b"{1", b"{1}sessions", b"{1}{1}i1"])
def test_foreign_prefix(name: bytes) -> None:
    """Keys outside the prefix belong to another volume."""
    assert Keys(b"{1}").parse(name) == Key("unknown")


@given(prefix=st.sampled_from([b"", b"{0}", b"{4}"]), kind=st.sampled_from(sorted(NUMBERED)), data=st.data())
def test_numbers(prefix: bytes, kind: str, data: st.DataObject) -> None:
    """Every number of 64 bits comes back out of the name it is put into."""
    count = NUMBERED[kind].count(b"%d")
    key = Key(kind, data.draw(st.tuples(*[U64] * count)))
    keys = Keys(prefix)
    assert keys.parse(build(keys, key)) == key


ODD = [
    b"",
    b"{0}",
    b"i",
    b"i01",
    b"i1\ni2",
    b"i1\n",
    b"\ni1",
    b"i99999999999999999999",
    b"c1",
    b"c1_",
    b"c1_01",
    b"{0}i1",
]


@given(
    prefix=st.sampled_from([b"", b"{0}"]),
    kind=st.sampled_from(["attr", "chunk"]),
    inodes=st.lists(U64, max_size=5),
    odd=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(ODD)), max_size=2),
)
def test_numbers_of_many(prefix: bytes, kind: str, inodes: list[int], odd: list[tuple[int, bytes]]) -> None:
    """Of many names the same comes out as of each by itself, whatever else is among them."""
    keys = Keys(prefix)
    names = [keys.attr(inode) if kind == "attr" else keys.chunk(inode, inode // 2) for inode in inodes]
    for at, name in odd:
        names.insert(at, prefix + name)
    parsed = [key.numbers for key in map(keys.parse, names) if key.kind == kind]
    count = NUMBERED[kind].count(b"%d")
    assert [tuple(some) for some in keys.numbers_of(kind, names)] == (
        [*zip(*parsed, strict=True)] or [()] * count
    )


@given(
    name=st.binary(max_size=30)
    | st.from_regex(rb"\A(i|d|p|s|x|c|k|lockf|lockp|locked|session)[0-9]{0,25}(_[0-9]{0,25})?\Z")
)
@example(b"i0")
@example(b"c0_0")
def test_any_name(name: bytes) -> None:
    """No name makes an exception; a known one is built again, byte for byte."""
    key = KEYS.parse(name)
    assert key.kind == "unknown" or build(KEYS, key) == name


@pytest.mark.parametrize("prefix", [b"", b"{7}"])
def test_scan_patterns(prefix: bytes) -> None:
    """A scan for a kind finds all its keys; it may find others, which parsing tells apart."""
    keys = Keys(prefix)
    found = {
        kind: {one for one, name in NAMES.items() if _matches(prefix + name, keys.scan_pattern(kind))}
        for kind in SCANNED
    }
    for kind, matching in found.items():
        assert {one for one in NAMES if one[0] == kind} <= matching
    assert ("tokens", ()) in found["legacy_slice_ref"]
    assert found["dentries"] == {("dentries", (7,))}
    assert found["sustained"] == {("sustained", (14,))}


def test_scan_of_one_inode() -> None:
    """The chunks of one inode are found, those of an inode whose number starts alike are not."""
    keys = Keys(b"{7}")
    assert keys.chunks_pattern(11) == b"{7}c11_*"
    assert _matches(keys.chunk(11, 3), keys.chunks_pattern(11))
    assert not _matches(keys.chunk(111, 3), keys.chunks_pattern(11))
    assert (Keys().everything_pattern, keys.everything_pattern) == (b"*", b"{7}*")


def _matches(key: bytes, pattern: bytes) -> bool:
    return fnmatchcase(key.decode(), pattern.decode())


# -- the recorded key-spaces ----------------------------------------------------------------------------


def raw(value: str | dict[str, str]) -> bytes:
    """Bytes in the form of the golden data: text, base64, or base64 behind a mark."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    return base64.b64decode(value[7:]) if value.startswith("base64:") else value.encode()


TOKEN_COUNTER = b"krbTokenMaxId"
"""The released engine takes this counter for an old slice reference, as it begins with k, and moves it to
`sliceRef` under its own name (L6.20)."""


def recorded() -> dict[str, tuple[str, Any]]:
    """The keys of the recorded key-spaces, each as `file:key` with its name and its value."""
    found = {}
    sources = sorted(GOLDEN.joinpath("keyspace").iterdir(), key=lambda path: path.name)
    sources.append(GOLDEN.joinpath("dump", "rich-source.json"))
    for source in sources:
        for name, held in json.loads(source.read_text(encoding="utf-8"))["keyspace"].items():
            found[f"{source.name.removesuffix('.json')}:{name}"] = (name, held["value"])
    return found


RECORDED = recorded()


def test_recordings_are_complete() -> None:
    """All recorded volumes were read: 14, and the source of the dumps."""
    assert len({place.partition(":")[0] for place in RECORDED}) == 15


@pytest.mark.parametrize("place", RECORDED)
def test_recorded_key(place: str) -> None:
    """Every key of the released engine has a known kind and is built again, byte for byte."""
    name = raw(RECORDED[place][0])
    key = KEYS.parse(name)
    assert key.kind != "unknown"
    assert build(KEYS, key) == name


def counters(hash: dict[str, Any]) -> dict[bytes, bytes]:
    """A hash of numbers to numbers, decoded and encoded again."""
    return {
        codec.encode_counter(codec.decode_counter(raw(field))): codec.encode_counter(
            codec.decode_counter(raw(value))
        )
        for field, value in hash.items()
    }


def by_number(again: Callable[[bytes], bytes]) -> Callable[[dict[str, Any]], dict[bytes, bytes]]:
    """How a hash of numbers to values is decoded and encoded again."""
    return lambda hash: {
        codec.encode_counter(codec.decode_counter(raw(field))): again(raw(value))
        for field, value in hash.items()
    }


def by_lock(again: Callable[[bytes], bytes]) -> Callable[[dict[str, Any]], dict[bytes, bytes]]:
    """How a hash of lock owners to values is decoded and encoded again."""
    return lambda hash: {
        codec.lock_field(*codec.parse_lock_field(raw(field))): again(raw(value))
        for field, value in hash.items()
    }


def counter(value: Any) -> bytes:
    return codec.encode_counter(codec.decode_counter(raw(value)))


def quota(value: bytes) -> bytes:
    return codec.encode_quota(codec.decode_quota(value))


def slice_ref(field: bytes) -> bytes:
    """A field of `sliceRef`, parsed and built again."""
    if field == TOKEN_COUNTER:
        with pytest.raises(codec.CorruptValue, match="kID_SIZE"):
            codec.parse_slice_ref_field(field)
        return field
    return codec.slice_ref_field(*codec.parse_slice_ref_field(field))


AGAIN: dict[str, Callable[[Any], Any]] = {
    "setting": lambda value: codec.encode_format(codec.decode_format(raw(value))),
    "attr": lambda value: codec.encode_attr(codec.decode_attr(raw(value))),
    "dentries": lambda hash: {
        raw(name): codec.encode_entry(*codec.decode_entry(raw(value))) for name, value in hash.items()
    },
    "chunk": lambda list: codec.encode_slices(codec.decode_slices([raw(record) for record in list])),
    "slice_refs": lambda hash: {slice_ref(raw(field)): counter(value) for field, value in hash.items()},
    "delayed_slices": lambda hash: {
        codec.delayed_slices_field(*codec.parse_delayed_slices_field(raw(field))): (
            codec.encode_delayed_slices(codec.decode_delayed_slices(raw(value)))
        )
        for field, value in hash.items()
    },
    "delfiles": lambda zset: [
        [codec.delfile_member(*codec.parse_delfile_member(raw(member))), score] for member, score in zset
    ],
    "session_infos": by_number(lambda value: codec.encode_session_info(codec.decode_session_info(value))),
    "flocks": by_lock(bytes),
    "plocks": by_lock(lambda value: codec.encode_plocks(codec.decode_plocks(value))),
    "acl": by_number(lambda value: codec.encode_rule(codec.decode_rule(value))),
    "tokens": by_number(bytes),
    **dict.fromkeys(
        ["all_sessions", "detached_nodes"],
        lambda zset: [[counter(member), score] for member, score in zset],
    ),
    "sustained": lambda set: [counter(member) for member in set],
    "locked": lambda set: [build(KEYS, KEYS.parse(raw(member))) for member in set],
    **dict.fromkeys(["dir_quota", "user_quota", "group_quota"], by_number(quota)),
    **dict.fromkeys(
        ["next_inode", "next_chunk", "next_session", "next_trash", "used_space", "total_inodes"], counter
    ),
    **dict.fromkeys(["acl_max_id", "token_max_id", "txn_last_log"], counter),
    **dict.fromkeys(["parents", "dir_data_length", "dir_used_space", "dir_used_inodes"], counters),
    **dict.fromkeys(["dir_quota_used_space", "dir_quota_used_inodes"], counters),
    **dict.fromkeys(["user_quota_used_space", "user_quota_used_inodes"], counters),
    **dict.fromkeys(["group_quota_used_space", "group_quota_used_inodes"], counters),
}
"""How the value of a kind of key is decoded and encoded again."""

OPAQUE = {"symlink", "xattrs", "txn_log"}
"""The kinds whose values are stored as they are given."""


def as_bytes(value: Any) -> Any:
    """A recorded value with its bytes in place."""
    if isinstance(value, list):
        return [as_bytes(one) for one in value]
    if isinstance(value, dict) and value.keys() != {"base64"}:
        return {raw(field): as_bytes(one) for field, one in value.items()}
    return raw(value) if isinstance(value, (str, dict)) else value


CODED = [place for place, (name, _) in RECORDED.items() if KEYS.parse(raw(name)).kind not in OPAQUE]


@pytest.mark.parametrize("place", CODED)
def test_recorded_value(place: str) -> None:
    """Every value of the released engine is decoded and encoded again, byte for byte."""
    name, value = RECORDED[place]
    assert AGAIN[KEYS.parse(raw(name)).kind](value) == as_bytes(value)
