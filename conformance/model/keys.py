"""The state of the model written as the keys of an engine, and read back (S1, S2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.keys import Keys
from metaparity.drivers.types import DirStat, LockType, Quota, QuotaType, Session

from .locks import Holder, Record
from .state import VolumeState

Keyspace: TypeAlias = dict[bytes, tuple[str, Any]]
"""Keys with their type and value, as `fixtures.volumes.keyspace` reads them."""

KEYS = Keys()


class Damaged(Exception):
    """A key holds what is no value of it: the model has no such states."""


def written(state: VolumeState) -> Keyspace:
    """The keys that an engine would have for this state."""
    keys: Keyspace = {}

    def put(kind: str, key: bytes, value: Any) -> None:
        if value:
            keys[key] = (kind, value)

    if state.format is not None:
        put("string", KEYS.setting, codec.encode_format(state.format))
    for inode, attr in state.nodes.items():
        put("string", KEYS.attr(inode), codec.encode_attr(attr))
    for inode, target in state.targets.items():
        put("string", KEYS.symlink(inode), target)
    for inode, entries in state.entries.items():
        put("hash", KEYS.dentries(inode), {name: codec.encode_entry(*one) for name, one in entries.items()})
    for inode, counts in state.names.items():
        put("hash", KEYS.parents(inode), numbers(counts))
    for inode, values in state.xattrs.items():
        put("hash", KEYS.xattrs(inode), dict(values))
    for inode, chunks in state.chunks.items():
        for index, records in chunks.items():
            put("list", KEYS.chunk(inode, index), codec.encode_slices(records))
    references = {codec.slice_ref_field(*one): b"%d" % (count - 1) for one, count in state.references.items()}
    put("hash", KEYS.slice_refs, references)
    delayed = {
        codec.delayed_slices_field(*one): codec.encode_delayed_slices(slices)
        for one, slices in state.delayed.items()
        if slices
    }
    put("hash", KEYS.delayed_slices, delayed)
    put("hash", KEYS.acl, {b"%d" % id: codec.encode_rule(rule) for id, rule in state.rules.items()})
    for key, field in STATISTICS:
        put("hash", key, numbers({inode: getattr(stat, field) for inode, stat in state.stats.items()}))
    for type, quotas in state.quotas.items():
        limits, space, inodes = KEYS.quota(type)
        put("hash", limits, {b"%d" % id: codec.encode_quota(quota) for id, quota in quotas.items()})
        put("hash", space, numbers({id: quota.used_space for id, quota in quotas.items()}))
        put("hash", inodes, numbers({id: quota.used_inodes for id, quota in quotas.items()}))
    infos = {b"%d" % sid: codec.encode_session_info(one.info) for sid, one in state.sessions.items()}
    put("hash", KEYS.session_infos, infos)
    put("zset", KEYS.all_sessions, ranked({sid: one.expire for sid, one in state.sessions.items()}))
    for sid, session in state.sessions.items():
        put("set", KEYS.sustained(sid), {b"%d" % inode for inode in session.sustained})
    for key, fields in state.locks.keys().items():
        put("hash", key, fields)
    for sid in range(state.last_session + 1):
        put("set", KEYS.locked(sid), state.locks.index(sid))
    put("zset", KEYS.detached_nodes, ranked(state.detached))
    for key, field in COUNTERS:
        if getattr(state, field):
            keys[key] = ("string", b"%d" % getattr(state, field))
    if state.last_inode:  # there from the first node on
        keys[KEYS.used_space] = ("string", b"%d" % state.used_space)
        keys[KEYS.total_inodes] = ("string", b"%d" % state.total_inodes)
    if state.rules:
        keys[KEYS.acl_max_id] = ("string", b"%d" % max(state.rules))
    return keys


STATISTICS = (
    (KEYS.dir_data_length, "length"),
    (KEYS.dir_used_space, "space"),
    (KEYS.dir_used_inodes, "inodes"),
)
COUNTERS = (
    (KEYS.used_space, "used_space"),
    (KEYS.total_inodes, "total_inodes"),
    (KEYS.next_inode, "last_inode"),
    (KEYS.next_chunk, "last_slice"),
    (KEYS.next_trash, "last_trash"),
    (KEYS.next_session, "last_session"),
)


def numbers(values: Mapping[int, int]) -> dict[bytes, bytes]:
    """Numbers by number, as the fields of a hash."""
    return {b"%d" % key: b"%d" % value for key, value in values.items()}


def ranked(scores: Mapping[int, int]) -> list[tuple[bytes, float]]:
    """Members with scores in the order of a sorted set."""
    members = ((b"%d" % member, float(score)) for member, score in scores.items())
    return sorted(members, key=lambda one: (one[1], one[0]))


def read_back(keys: Keyspace, state: VolumeState) -> Keyspace:
    """Give a volume the state that keys describe; the keys that describe none.  Raises `Damaged`."""
    try:
        return _read(keys, state)
    except (codec.CorruptValue, AttributeError, TypeError, ValueError) as wrong:
        raise Damaged(str(wrong)) from wrong


def _read(keys: Keyspace, state: VolumeState) -> Keyspace:
    fresh = VolumeState()
    rest = dict(keys)

    def take(key: bytes, empty: Any) -> Any:
        return rest.pop(key, ("", empty))[1]

    if setting := take(KEYS.setting, b""):
        fresh.format = codec.decode_format(setting)
    for key, field in COUNTERS:
        setattr(fresh, field, codec.decode_counter(take(key, b"0")))
    fresh.rules = {int(id): codec.decode_rule(value) for id, value in take(KEYS.acl, {}).items()}
    take(KEYS.acl_max_id, b"")
    for field, value in take(KEYS.slice_refs, {}).items():
        fresh.references[codec.parse_slice_ref_field(field)] = int(value) + 1
    for field, value in take(KEYS.delayed_slices, {}).items():
        fresh.delayed[codec.parse_delayed_slices_field(field)] = codec.decode_delayed_slices(value)
    stats = [take(key, {}) for key, _ in STATISTICS]
    for inode in stats[0].keys() & stats[1].keys() & stats[2].keys():
        fresh.stats[int(inode)] = DirStat(*(int(one[inode]) for one in stats))
    for type in QuotaType:
        fresh.quotas[type] = _quotas(*(take(key, {}) for key in KEYS.quota(type)))
    expiry, infos = dict(take(KEYS.all_sessions, [])), take(KEYS.session_infos, {})
    for sid in {*expiry, *infos}:
        info = codec.decode_session_info(infos.get(sid))
        fresh.sessions[int(sid)] = Session(int(sid), int(expiry.get(sid, 0)), info)
    fresh.detached = {int(inode): int(score) for inode, score in take(KEYS.detached_nodes, [])}
    for key in list(rest):
        parsed = KEYS.parse(key)
        reader = NUMBERED.get(parsed.kind)
        if reader is not None:
            reader(fresh, parsed.numbers, rest.pop(key)[1])
    lock = state.lock
    for name in state.__slots__:
        setattr(state, name, getattr(fresh, name))
    state.lock = lock
    return rest


def _quotas(
    limits: Mapping[bytes, bytes], space: Mapping[bytes, bytes], inodes: Mapping[bytes, bytes]
) -> dict[int, Quota]:
    if not limits.keys() == space.keys() == inodes.keys():
        raise Damaged("a quota lacks a part")
    found = {}
    for id, blob in limits.items():
        quota = codec.decode_quota(blob)
        quota.used_space, quota.used_inodes = int(space[id]), int(inodes[id])
        found[int(id)] = quota
    return found


def _sustained(state: VolumeState, numbers: tuple[int, ...], members: Iterable[bytes]) -> None:
    session = state.sessions.setdefault(numbers[0], Session(numbers[0], 0, codec.decode_session_info(None)))
    session.sustained = [int(inode) for inode in members]


def _chunk(state: VolumeState, numbers: tuple[int, ...], records: list[bytes]) -> None:
    inode, index = numbers
    state.chunks.setdefault(inode, {})[index] = codec.decode_slices(records)


def _flocks(state: VolumeState, numbers: tuple[int, ...], fields: Mapping[bytes, bytes]) -> None:
    state.locks.flocks[numbers[0]] = {
        Holder(*codec.parse_lock_field(field)): LockType[codec.decode_flock(value)]
        for field, value in fields.items()
    }


def _plocks(state: VolumeState, numbers: tuple[int, ...], fields: Mapping[bytes, bytes]) -> None:
    state.locks.records[numbers[0]] = {
        Holder(*codec.parse_lock_field(field)): [
            Record(LockType(one.type), one.pid, one.start, one.end) for one in codec.decode_plocks(value)
        ]
        for field, value in fields.items()
    }


def _nothing(state: VolumeState, numbers: tuple[int, ...], value: Any) -> None:
    """What follows from the rest: in which inodes a session has locks."""


NUMBERED: dict[str, Callable[[VolumeState, tuple[int, ...], Any], None]] = {
    "attr": lambda state, numbers, value: state.nodes.update({numbers[0]: codec.decode_attr(value)}),
    "symlink": lambda state, numbers, value: state.targets.update({numbers[0]: value}),
    "dentries": lambda state, numbers, value: state.entries.update(
        {numbers[0]: {name: codec.decode_entry(one) for name, one in value.items()}}
    ),
    "parents": lambda state, numbers, value: state.names.update(
        {numbers[0]: {int(parent): int(count) for parent, count in value.items()}}
    ),
    "xattrs": lambda state, numbers, value: state.xattrs.update({numbers[0]: dict(value)}),
    "chunk": _chunk,
    "sustained": _sustained,
    "flocks": _flocks,
    "plocks": _plocks,
    "locked": _nothing,
}
"""How the keys of each kind that has a number are read."""
