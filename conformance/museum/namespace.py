"""Names and nodes, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

from metaparity.drivers.engine import changelines
from metaparity.drivers.engine.codec import aligned
from metaparity.drivers.engine.core import Core
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.files import Files
from metaparity.drivers.engine.renaming import Place, Renaming
from metaparity.drivers.engine.store import Command, Transaction
from metaparity.drivers.types import (
    ROOT,
    Attr,
    Context,
    FileType,
    Node,
    RenameFlag,
    Time,
)

from .exhibit import exhibit, never, nothing

broken = partial(exhibit, __name__, "redis")

sound_enter = Renaming._enter
sound_lose_name = Files.lose_name
sound_rename = StoreEngine.rename
sound_written: Any = changelines.written


def group_of_caller(ctx: Context, parent: Attr) -> int:
    return ctx.gid


def contribution_of_any(attr: Attr) -> tuple[int, int]:
    length = 0 if attr.type is FileType.DIRECTORY else attr.length
    return length, aligned(length)


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


def rename_over_anything(
    self: StoreEngine,
    src_parent: int,
    src_name: bytes,
    dst_parent: int,
    dst_name: bytes,
    flags: RenameFlag = RenameFlag(0),
    *,
    ctx: Context = ROOT,
) -> Node:
    ignored = RenameFlag(flags & ~RenameFlag.NOREPLACE)
    return sound_rename(self, src_parent, src_name, dst_parent, dst_name, ignored, ctx=ctx)


def enter_without_parent(self: Renaming, tx: Transaction, origin: Place, attr: Attr, place: Place) -> None:
    before = attr.parent
    sound_enter(self, tx, origin, attr, place)
    attr.parent = before
    tx.queue(self.set_attr(origin.inode, attr))


def count_space_only(self: Core, space: int, inodes: int) -> tuple[Command, ...]:
    return (("INCRBY", self.keys.used_space, space),)


def written_plainly(argument: object) -> str:
    """As if all of ASCII were plain; a line takes nothing else."""
    return (
        argument.decode("ascii", "backslashreplace")
        if isinstance(argument, bytes)
        else sound_written(argument)
    )


SETGID_IGNORED = broken(
    "SETGID_IGNORED",
    "a node made in a setgid directory gets the group of its maker",
    caught_by="mknod/mode-and-group-follow-umask-and-setgid",
    target="engine.creation:inherited_gid",
    wrong=group_of_caller,
)
STICKY_BIT_IGNORED = broken(
    "STICKY_BIT_IGNORED",
    "anyone who may write a sticky directory may remove the files of others",
    caught_by="refusal/a-sticky-directory-protects-the-nodes-of-others",
    target="engine.removal:sticky",
    wrong=never,
)
NAMES_UNCHECKED = broken(
    "NAMES_UNCHECKED",
    "a name with a slash becomes an entry",
    caught_by="names/with-slash-or-nul-are-invalid",
    target="engine.creation:check_name",
    wrong=nothing,
)
LINKS_NEVER_DROP = broken(
    "LINKS_NEVER_DROP",
    "removing one of several names leaves the link count as it was",
    caught_by="unlink/other-names-keep-the-node",
    target="engine.files:Files.lose_name",
    wrong=keep_nlink,
)
OPEN_FILES_FORGOTTEN = broken(
    "OPEN_FILES_FORGOTTEN",
    "an open file is deleted with its last name",
    caught_by="unlink/an-open-file-outlives-its-names",
    target="engine.openfiles:OpenFiles.is_open",
    wrong=never,
)
NOREPLACE_IGNORED = broken(
    "NOREPLACE_IGNORED",
    "RENAME_NOREPLACE replaces",
    caught_by="rename/noreplace-keeps-an-existing-target",
    target="engine.engine:StoreEngine.rename",
    wrong=rename_over_anything,
)
PARENTS_STAY_BEHIND = broken(
    "PARENTS_STAY_BEHIND",
    "a node that moves to another directory still names the old one as its parent",
    caught_by="rename/moves-a-node-of-any-type",
    target="engine.renaming:Renaming._enter",
    wrong=enter_without_parent,
)
INODES_UNCOUNTED = broken(
    "INODES_UNCOUNTED",
    "the volume's inodes are not counted",
    caught_by="counters/a-node-of-any-type-takes-one-block",
    target="engine.core:Core.count_usage",
    wrong=count_space_only,
)
COPIES_KEEP_LINKS = broken(
    "COPIES_KEEP_LINKS",
    "a copy has as many links as its source",
    caught_by="clone/a-copy-has-one-name",
    target="engine.cloning:Cloning._unlink_copy",
    wrong=nothing,
)
COPIES_LEAVE_RUINS = broken(
    "COPIES_LEAVE_RUINS",
    "a copy that fails half-way leaves what it has made",
    caught_by="clone/a-failure-leaves-nothing",
    target="engine.cloning:Cloning._give_up",
    wrong=nothing,
)
REMOVALS_GO_BY_NAME = broken(
    "REMOVALS_GO_BY_NAME",
    "a removal of a tree waits for the directory that has its name by now to be empty",
    caught_by="remove/a-directory-that-loses-its-name-is-not-found",
    target="engine.removal:Removal._require_named",
    wrong=nothing,
)
LOG_UNENCODED = broken(
    "LOG_UNENCODED",
    "names are written to the change log as they are, or with backslashes where they are no ASCII",
    caught_by="changelog/encodes-text",
    target="engine.changelines:written",
    wrong=written_plainly,
)
ANY_LENGTH_IS_RIGHT = broken(
    "ANY_LENGTH_IS_RIGHT",
    "an entry of another length than 9 bytes is taken apart all the same",
    caught_by="damage/an-entry-of-another-length-is-an-io-error",
    target="engine.codec.nodes:require_length",
    wrong=nothing,
    raises=struct.error,
)
TARGETS_ARE_CONTENTS = broken(
    "TARGETS_ARE_CONTENTS",
    "the target of a symbolic link counts as contents of its directory, which the laws notice in any test",
    caught_by="link/adds-a-name-to-any-other-node",
    target="engine.statistics:contribution",
    wrong=contribution_of_any,
)
