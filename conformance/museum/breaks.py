"""Engines that are wrong on purpose, each in one place, and the clause that must go red.

Each is a `Driver`: `metaparity run --driver metaparity.conformance.museum.breaks:STICKY_BIT_IGNORED`.
Opening one spoils the engine of the whole process, so each runs in a process of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from metaparity.drivers.api import Engine
from metaparity.drivers.engine import codec, permissions
from metaparity.drivers.engine.attributes import Change
from metaparity.drivers.engine.core import Core
from metaparity.drivers.engine.directories import Handle
from metaparity.drivers.engine.files import Files
from metaparity.drivers.engine.renaming import Place, Renaming
from metaparity.drivers.engine.scripts import Scripts
from metaparity.drivers.engine.store import Command, Transaction
from metaparity.drivers.registry import Driver, driver
from metaparity.drivers.types import AclType, Attr, Config, Context, Entry, RenameFlag, Time

EXHIBITS: dict[str, str] = {}
"""The name of each broken driver in this module, and the clause that must catch it."""

ENGINE = "metaparity.drivers.engine"


def broken(name: str, fault: str, *, caught_by: str, target: str, wrong: Any) -> Driver:
    """A driver of our engine with one definition, `module:name` or `module:Class.name`, replaced."""
    sound = driver("redis")

    def open_broken(url: str, config: Config) -> Engine:
        module, _, path = target.partition(":")
        owner: Any = import_module(f"{ENGINE}.{module}")
        *outer, attribute = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, attribute, wrong)
        return sound.open(url, config)

    EXHIBITS[name] = caught_by
    return Driver(
        name=f"museum-{name.lower().replace('_', '-')}",
        description=fault,
        schemes=sound.schemes,
        capabilities=sound.capabilities,
        open=open_broken,
    )


sound_apply = Change.apply
sound_enter = Renaming._enter
sound_lose_name = Files.lose_name
sound_page = Handle.page
sound_rename = Renaming.rename
sound_encode = codec.encode_attr


def change_always(self: Change) -> Attr | None:
    self.changed = True
    return sound_apply(self)


def enter_without_parent(
    self: Renaming, tx: Transaction, origin: Place, attr: Attr, place: Place
) -> None:
    before = attr.parent
    sound_enter(self, tx, origin, attr, place)
    attr.parent = before
    tx.queue(self.set_attr(origin.inode, attr))


def keep_nlink(
    self: Files,
    tx: Transaction,
    trash: int,
    parent: int,
    name: bytes,
    inode: int,
    node: Attr,
    now: Time,
) -> Any:
    if node.nlink > 1:
        node.nlink += 1
    return sound_lose_name(self, tx, trash, parent, name, inode, node, now)


def page_without_its_last(self: Handle, offset: int) -> list[Entry]:
    return sound_page(self, offset)[:-1]


def rename_over_anything(self: Renaming, *args: Any, **kwargs: Any) -> Any:
    names = [RenameFlag(flag & ~RenameFlag.NOREPLACE) if isinstance(flag, RenameFlag) else flag for flag in args]
    if "flags" in kwargs:
        kwargs["flags"] = RenameFlag(kwargs["flags"] & ~RenameFlag.NOREPLACE)
    return sound_rename(self, *names, **kwargs)


def group_of_caller(ctx: Context, parent: Attr) -> int:
    return ctx.gid


def never_sticky(ctx: Context, parent: Attr, victim: Attr) -> bool:
    return False


def nothing(*args: Any, **kwargs: Any) -> None:
    return None


def never(*args: Any, **kwargs: Any) -> bool:
    return False


def encode_without_pad(attr: Attr) -> bytes:
    return sound_encode(attr)[:-1]


def count_space_only(self: Core, space: int, inodes: int) -> tuple[Command, ...]:
    return (("INCRBY", self.keys.used_space, space),)
