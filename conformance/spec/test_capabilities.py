"""Capabilities are honest in both directions (driver protocol §6)."""

from __future__ import annotations

import inspect
from typing import Any

from metaparity.conformance.clause import clause
from metaparity.drivers.api import PRIMITIVES, Engine, Primitive
from metaparity.drivers.errors import Refused, Unsupported
from metaparity.drivers.types import AclType, Attr, FileType, LockType, Quota, QuotaType, Rule, SetAttr, Slice
from metaparity.fixtures.volumes import FORMAT, Volume

ARGUMENTS: dict[str, Any] = {
    "access": {"mask": 4},
    "acl_get": {"type": AclType.ACCESS},
    "acl_set": {"type": AclType.ACCESS, "rule": Rule()},
    "mknod": {"type": FileType.FILE},
    "flock": {"type": LockType.R},
    "setlk": {"type": LockType.R},
    "getlk": {"type": LockType.R},
    "quota_set": {"type": QuotaType.DIR, "key": b"/", "quota": Quota()},
    "quota_get": {"type": QuotaType.DIR, "key": b"/"},
    "quota_delete": {"type": QuotaType.DIR, "key": b"/"},
    "quota_check": {"type": QuotaType.DIR, "key": b"/"},
    "write": {"slice": Slice(0, 1, 1, 0, 1)},
    "xattr_set": {"name": b"user.a", "value": b"v"},
    "dir_insert": {"attr": Attr(type=FileType.FILE)},
}
"""What one primitive needs that differs from `COMMON`."""

COMMON: dict[str, Any] = {
    "format": FORMAT,
    "path": "/",
    "now": (1, 0),
    "sid": 1,
    "parent": 1,
    "src_parent": 1,
    "dst_parent": 1,
    "name": b"absent",
    "src_name": b"absent",
    "dst_name": b"absent",
    "inode": 1,
    "src": 1,
    "dst": 1,
    "set": SetAttr(0),
    "attr": Attr(),
    "target": b"t",
    "entries": [],
    "handle": 0,
    "chunk": 0,
    "off": 0,
    "size": 1,
    "src_off": 0,
    "dst_off": 0,
    "mode": 0,
    "value": b"v",
    "owner": 1,
    "block": False,
    "start": 0,
    "end": 0,
    "pid": 1,
    "before": 0,
    "kinds": [],
    "token": b"t",
    "id": 1,
    "ids": [],
}
"""An argument for each required parameter, by its name."""

FILES = frozenset({"dump", "load_dump", "backup", "restore"})
"""Primitives whose path is a file of the host; the device below can hold none."""

LAST = ("session_close", "shutdown", "reset")
"""Primitives after which a client is of no more use."""


def outcome(engine: Engine, primitive: Primitive) -> BaseException | None:
    """Call a primitive with the least it needs; returns the refusal, if it refused."""
    method = getattr(engine, primitive.name)
    given = {**COMMON, **ARGUMENTS.get(primitive.name, {})}
    if primitive.name in FILES:
        given["path"] = "/dev/null/none"
    elif primitive.name in ("resolve", "chroot", "check"):
        given["path"] = b"/"
    arguments = {
        name: given[name]
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty
    }
    try:
        method(**arguments)
    except (OSError, Refused) as refusal:
        return refusal
    return None


def in_order() -> list[Primitive]:
    """All primitives, those that end a client last."""
    return sorted(PRIMITIVES.values(), key=lambda one: one.name in LAST and LAST.index(one.name) + 1)


def anew(volume: Volume) -> Engine:
    """The first client of a fresh volume: some primitives leave nothing that could be used again."""
    volume.reset()
    return volume.fs


@clause("capabilities/undeclared-primitives-are-refused", source="protocol §6", needs="volume")
def test_undeclared_primitives_are_refused(volume: Volume) -> None:
    """Every primitive behind a capability that the driver does not declare answers ENOTSUP."""
    undeclared = [one for one in in_order() if one.capability not in volume.driver.capabilities]
    answered = [one.name for one in undeclared if not isinstance(outcome(anew(volume), one), Unsupported)]
    assert not answered, f"expected ENOTSUP, observed another answer of {', '.join(answered)}"


@clause("capabilities/declared-primitives-are-offered", source="protocol §6", needs="volume")
def test_declared_primitives_are_offered(volume: Volume) -> None:
    """No primitive behind a declared capability answers that it is unsupported."""
    declared = [one for one in in_order() if one.capability in volume.driver.capabilities]
    missing = [one.name for one in declared if isinstance(outcome(anew(volume), one), Unsupported)]
    assert not missing, f"expected an answer of its own, observed ENOTSUP of {', '.join(missing)}"


@clause("capabilities/the-engine-declares-what-its-driver-does", source="protocol §6", needs="volume")
def test_the_engine_declares_what_its_driver_does(volume: Volume) -> None:
    """A client declares the capabilities that its driver was registered with."""
    assert volume.connect().capabilities == volume.driver.capabilities
