"""Engines that are wrong on purpose, each in one place, and the clause that must go red.

`metaparity run --driver metaparity.conformance.museum.breaks:STICKY_BIT_IGNORED` runs the spec on one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from metaparity.drivers.engine import assembly, changelines, codec, ranges, rules
from metaparity.drivers.engine.attributes import Change
from metaparity.drivers.engine.cleanup import Cleanup
from metaparity.drivers.engine.core import Core
from metaparity.drivers.engine.data import Data
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.files import Files
from metaparity.drivers.engine.locks import Locking
from metaparity.drivers.engine.quotas import Quotas
from metaparity.drivers.engine.renaming import Place, Renaming
from metaparity.drivers.engine.restoring import Restorer
from metaparity.drivers.engine.store import Command, Reply, Transaction
from metaparity.drivers.engine.transaction import Attempt
from metaparity.drivers.redis.store import RedisStore
from metaparity.drivers.types import (
    ROOT,
    Attr,
    Context,
    FileType,
    Format,
    LockRecord,
    LockType,
    Node,
    Quota,
    QuotaType,
    RenameFlag,
    Rule,
    Slice,
    Time,
)

from .exhibit import exhibit, nothing

broken = partial(exhibit, __name__, "redis")

sound_release = Cleanup.release_delayed
sound_apply = Change.apply
sound_assemble = assembly.assemble
sound_enter = Renaming._enter
sound_lose_name = Files.lose_name
sound_refer = Data._refer
sound_rename = StoreEngine.rename
sound_encode = codec.encode_attr
sound_flock = StoreEngine.flock
sound_laid_over = ranges.laid_over
sound_permits = rules.permits
sound_written: Any = changelines.written
sound_counters = Restorer.make_counters


def group_of_caller(ctx: Context, parent: Attr) -> int:
    return ctx.gid


def never(*args: Any, **kwargs: Any) -> bool:
    return False


def release_all(self: Cleanup, before: int, *args: Any) -> int:
    """As if everything was old."""
    return sound_release(self, 1 << 62, *args)


def no_commands(*args: Any, **kwargs: Any) -> Iterator[Command]:
    return iter(())


def refer_without_counting(self: Data, inode: int, piece: Slice, at: int) -> Iterator[Command]:
    return (command for command in sound_refer(self, inode, piece, at) if command[0] == "RPUSH")


def first_wins(records: Sequence[Slice]) -> list[Slice]:
    return sound_assemble(records[::-1])


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


def change_always(self: Change) -> Attr | None:
    self.changed = True
    return sound_apply(self)


def encode_with_two_links(attr: Attr) -> bytes:
    return sound_encode(replace(attr, nlink=2) if attr.type == FileType.DIRECTORY else attr)


def encode_without_pad(attr: Attr) -> bytes:
    return sound_encode(attr)[:-1]


def count_space_only(self: Core, space: int, inodes: int) -> tuple[Command, ...]:
    return (("INCRBY", self.keys.used_space, space),)


def watch_nothing(self: Attempt) -> list[Command]:
    return []


def add_usage_blindly(self: Quotas, type: QuotaType, changes: Mapping[int, tuple[int, int]]) -> list[int]:
    limits, space, inodes = self.keys.quota(type)
    for id, (more_space, more_inodes) in changes.items():
        self.db.write(
            ("HSETNX", limits, id, codec.encode_quota(Quota())),
            ("HINCRBY", space, id, more_space),
            ("HINCRBY", inodes, id, more_inodes),
        )
    return []


def trash_name_without_parent(parent: int, inode: int, name: bytes) -> bytes:
    return b"%d-%s" % (inode, name)


def always(*args: Any, **kwargs: Any) -> bool:
    return True


def permits_beyond_the_mask(rule: Rule, ctx: Context, attr: Attr, mask: int) -> bool:
    return sound_permits(replace(rule, mask=7), ctx, attr, mask)


def written_plainly(argument: object) -> str:
    return argument.decode("latin-1") if isinstance(argument, bytes) else sound_written(argument)


def cached_for_a_moment(self: RedisStore, *commands: Command) -> list[Reply]:
    """As if a copy that nobody tells of changes were good for ten milliseconds."""
    copies: dict[tuple[Command, ...], tuple[float, list[Reply]]] = self.__dict__.setdefault("copies", {})
    kept, replies = copies.get(commands, (0.0, []))
    if time.monotonic() - kept > 0.01:
        replies = self.read(*commands)
        copies[commands] = time.monotonic(), replies
    return replies


def rename_in_two_steps(
    self: StoreEngine,
    src_parent: int,
    src_name: bytes,
    dst_parent: int,
    dst_name: bytes,
    flags: RenameFlag = RenameFlag(0),
    *,
    ctx: Context = ROOT,
) -> Node:
    """As if what is replaced could be removed ahead."""
    if not flags:
        with suppress(OSError):
            source = self.lookup(src_parent, src_name, ctx=ctx)
            target = self.lookup(dst_parent, dst_name, ctx=ctx)
            if source.inode != target.inode and source.attr is not None:
                remove = self.rmdir if source.attr.type == FileType.DIRECTORY else self.unlink
                remove(dst_parent, dst_name, ctx=ctx)
    return sound_rename(self, src_parent, src_name, dst_parent, dst_name, flags, ctx=ctx)


def flock_without_index(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    """As JuiceFS 1.4.1 does it (Q31)."""
    self.quirks = True
    try:
        sound_flock(self, inode, owner, type, block, ctx=ctx)
    finally:
        self.quirks = False


def drop_all(self: Locking, key: bytes, fields: Sequence[bytes], own: bytes) -> list[Command]:
    return [("DEL", key), ("SREM", self.keys.locked(self.sid), key)]


def lay_without_the_rest(held: Sequence[LockRecord], wanted: LockRecord) -> list[LockRecord]:
    return [one for one in sound_laid_over(held, wanted) if one.start != wanted.end + 1]


def chunks_as_strings(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    return (("SET", self._keys.chunk(item.inode, item.index), item.slices) for item in items)


def references_as_counted(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    for item in items:
        yield "HSET", self._keys.slice_refs, codec.slice_ref_field(item.id, item.size), item.refs


def counters_as_told(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    next_ones = [self._keys.next_inode, self._keys.next_chunk]
    for name, key, value in sound_counters(self, items):
        yield name, key, int(value) + (key in next_ones)


def all_disclosed(format: Format, secrets: Sequence[str]) -> Format:
    return format


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
CTIME_ALWAYS_MOVES = broken(
    "CTIME_ALWAYS_MOVES",
    "setattr that changes nothing moves ctime",
    caught_by="setattr/equal-values-change-nothing",
    target="engine.attributes:Change.apply",
    wrong=change_always,
)
PAD_BYTE_MISSING = broken(
    "PAD_BYTE_MISSING",
    "attribute blobs lack the zero byte at their end",
    caught_by="trace/keys-namespace",
    target="engine.codec:encode_attr",
    wrong=encode_without_pad,
)
SUBDIRECTORIES_UNCOUNTED = broken(
    "SUBDIRECTORIES_UNCOUNTED",
    "a directory is stored with two links, whatever it holds",
    caught_by="effects/times-links-and-parents-follow-the-table",
    target="engine.codec:encode_attr",
    wrong=encode_with_two_links,
)
INODES_UNCOUNTED = broken(
    "INODES_UNCOUNTED",
    "the volume's inodes are not counted",
    caught_by="counters/a-node-of-any-type-takes-one-block",
    target="engine.core:Core.count_usage",
    wrong=count_space_only,
)
UPDATES_LOST = broken(
    "UPDATES_LOST",
    "transactions watch no key, so that of two changes at once one is lost",
    caught_by="concurrency/clients-of-two-processes-lose-nothing",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
TRUNCATE_FORGETS = broken(
    "TRUNCATE_FORGETS",
    "a truncate sets the length and zeroes nothing, so that old bytes come back",
    caught_by="truncate/what-was-cut-off-does-not-come-back",
    target="engine.data:Data._mask",
    wrong=no_commands,
)
COPIES_UNCOUNTED = broken(
    "COPIES_UNCOUNTED",
    "a copy does not count its references, so that slices in use are deleted",
    caught_by="copy/a-slice-lives-as-long-as-something-refers-to-it",
    target="engine.data:Data._refer",
    wrong=refer_without_counting,
)
OLD_MERGED_OVER_NEW = broken(
    "OLD_MERGED_OVER_NEW",
    "a compaction lets the older of two overlapping slices win",
    caught_by="compact/nothing-but-holes-becomes-one-byte",
    target="engine.assembly:assemble",
    wrong=first_wins,
)
QUOTAS_NEVER_EXCEEDED = broken(
    "QUOTAS_NEVER_EXCEEDED",
    "a quota is counted and never enforced",
    caught_by="quota/a-directory-refuses-space-it-has-not",
    target="engine.accounts:Accounts.exceeded",
    wrong=never,
)
QUOTAS_STAY_BEHIND = broken(
    "QUOTAS_STAY_BEHIND",
    "what moves between directories with quotas goes on counting where it was",
    caught_by="quota/usage-follows-the-table",
    target="engine.renaming:Renaming._carry",
    wrong=nothing,
)
QUOTAS_COME_BACK = broken(
    "QUOTAS_COME_BACK",
    "a flush creates the record of a quota that was deleted meanwhile",
    caught_by="quota/a-deleted-one-does-not-come-back",
    target="engine.quotas:Quotas._add_usage",
    wrong=add_usage_blindly,
)
USERS_UNCHARGED = broken(
    "USERS_UNCHARGED",
    "what a user has is not counted",
    caught_by="quota/every-type-counts-for-its-owner",
    target="engine.accounting:Accounting.charge_user",
    wrong=nothing,
)
TRASH_FORGETS_THE_PLACE = broken(
    "TRASH_FORGETS_THE_PLACE",
    "an entry in the trash does not tell from which directory it came",
    caught_by="trash/entries-tell-where-they-were",
    target="engine.codec:trash_name",
    wrong=trash_name_without_parent,
)
TRASH_FILES_TWICE = broken(
    "TRASH_FILES_TWICE",
    "a name of a linked node is filed again over the entry that the trash has",
    caught_by="trash/the-same-entry-is-filed-once",
    target="engine.files:Files.keeps_trash_entry",
    wrong=always,
)
TRASH_IN_A_LOST_HOUR = broken(
    "TRASH_IN_A_LOST_HOUR",
    "a client files in an hour directory that another has removed",
    caught_by="trash/a-removed-hour-is-made-again",
    target="engine.creation:Trash.require_hour",
    wrong=nothing,
)
XATTR_CREATE_REPLACES = broken(
    "XATTR_CREATE_REPLACES",
    "setting an extended attribute with CREATE replaces it",
    caught_by="xattr/is-replaced-or-created-as-the-flags-say",
    target="engine.xattrs:CREATE",
    wrong=99,
)
ACL_MASK_IGNORED = broken(
    "ACL_MASK_IGNORED",
    "named users and groups have their bits whatever the mask says",
    caught_by="acl/decides-who-may-do-what",
    target="engine.core:permits",
    wrong=permits_beyond_the_mask,
)
ACL_NOT_INHERITED = broken(
    "ACL_NOT_INHERITED",
    "a default ACL means nothing to new nodes",
    caught_by="acl/is-inherited-by-new-nodes",
    target="engine.creation:Creation._inherit_acl",
    wrong=nothing,
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
OPEN_FILES_ARE_LOST = broken(
    "OPEN_FILES_ARE_LOST",
    "a cleanup takes a file that is open and has no name for a lost one",
    caught_by="slices/a-cleanup-spares-open-files",
    target="engine.trees:Summaries.sustained_inodes",
    wrong=no_commands,
)
LOG_UNENCODED = broken(
    "LOG_UNENCODED",
    "names are written to the change log as they are",
    caught_by="changelog/encodes-text",
    target="engine.changelines:written",
    wrong=written_plainly,
)
CHECKS_SEE_NOTHING = broken(
    "CHECKS_SEE_NOTHING",
    "a check finds no wrong link count",
    caught_by="check/a-wrong-link-count-is-mended",
    target="engine.checking:Checking._check_record",
    wrong=no_commands,
)
ANY_LENGTH_IS_RIGHT = broken(
    "ANY_LENGTH_IS_RIGHT",
    "an entry of another length than 9 bytes is taken apart all the same",
    caught_by="damage/an-entry-of-another-length-is-an-io-error",
    target="engine.codec.nodes:require_length",
    wrong=nothing,
)
ELECTIONS_ARE_WON = broken(
    "ELECTIONS_ARE_WON",
    "every client does what one of them has to do",
    caught_by="cleanup/is-made-by-one-client-in-a-period",
    target="engine.sessions:Sessions.elected",
    wrong=always,
)
AGE_IS_IGNORED = broken(
    "AGE_IS_IGNORED",
    "slices of the trash are let go of whatever their age",
    caught_by="deleted/slices-of-the-trash-are-let-go-of-by-age",
    target="engine.cleanup:Cleanup.release_delayed",
    wrong=release_all,
)
CHANGES_OVERTAKE_EACH_OTHER = broken(
    "CHANGES_OVERTAKE_EACH_OTHER",
    "a transaction writes over what has changed since it read",
    caught_by="linearizable/attributes",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
READS_ARE_STALE = broken(
    "READS_ARE_STALE",
    "reads are answered from a copy that is ten milliseconds old",
    caught_by="linearizable/attributes",
    target="redis.store:RedisStore.cached",
    wrong=cached_for_a_moment,
)
RENAMES_ARE_TWO_STEPS = broken(
    "RENAMES_ARE_TWO_STEPS",
    "a rename first removes what it replaces",
    caught_by="linearizable/replaced-names",
    target="engine.engine:StoreEngine.rename",
    wrong=rename_in_two_steps,
)
REFUSALS_ARE_HASTY = broken(
    "REFUSALS_ARE_HASTY",
    "a refusal rests on reads of several moments",
    caught_by="linearizable/replaced-names",
    target="engine.transaction:Attempt.confirm",
    wrong=nothing,
)
LOCKS_GRANTED_TWICE = broken(
    "LOCKS_GRANTED_TWICE",
    "nobody watches who holds a lock, so that two who ask at once both get it",
    caught_by="flock/processes-exclude-each-other",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
RANGES_GRANTED_TWICE = broken(
    "RANGES_GRANTED_TWICE",
    "no range is in the way of another",
    caught_by="plock/ranges-meet-in-a-byte",
    target="engine.locks:conflict",
    wrong=never,
)
UNLOCKS_FREE_ALL = broken(
    "UNLOCKS_FREE_ALL",
    "an unlock frees what other owners hold, too",
    caught_by="flock/an-unlock-frees-its-owners-alone",
    target="engine.locks:Locking._drop",
    wrong=drop_all,
)
SHARED_LOCKS_STAY = broken(
    "SHARED_LOCKS_STAY",
    "a shared lock outlives its session",
    caught_by="session/frees-its-shared-locks-at-its-end",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_without_index,
)
RANGES_LOSE_THE_REST = broken(
    "RANGES_LOSE_THE_REST",
    "what lies behind the part of a range that is replaced or freed is lost",
    caught_by="plock/ranges-split-join-and-replace-each-other",
    target="engine.locks:laid_over",
    wrong=lay_without_the_rest,
)
THE_LIVING_ARE_CLEANED = broken(
    "THE_LIVING_ARE_CLEANED",
    "a session that is refreshed while another client cleans up loses what it holds",
    caught_by="cleanup/spares-a-session-that-is-back",
    target="engine.sessions:Sessions._require_expired",
    wrong=nothing,
)
CHUNKS_AS_STRINGS = broken(
    "CHUNKS_AS_STRINGS",
    "a restore writes the records of a chunk as one string",
    caught_by="backup/keeps-records-and-counts",
    target="engine.restoring:Restorer.make_chunks",
    wrong=chunks_as_strings,
)
REFERENCES_ONE_TOO_MANY = broken(
    "REFERENCES_ONE_TOO_MANY",
    "a restore stores all references of a slice where all but one are stored",
    caught_by="backup/leaves-a-volume-in-order",
    target="engine.restoring:Restorer.make_slice_refs",
    wrong=references_as_counted,
)
COUNTERS_ONE_TOO_HIGH = broken(
    "COUNTERS_ONE_TOO_HIGH",
    "a restore stores the next inode and slice where the last one is stored",
    caught_by="backup/restores-to-the-recorded-keys",
    target="engine.restoring:Restorer.make_counters",
    wrong=counters_as_told,
)
SECRETS_TOLD = broken(
    "SECRETS_TOLD",
    "a dump tells the keys of the object store to whoever reads it",
    caught_by="dump/tells-secrets-only-when-asked",
    target="engine.dumping:disclosed",
    wrong=all_disclosed,
)
LOCKS_OUTLIVE_A_CLOSE = broken(
    "LOCKS_OUTLIVE_A_CLOSE",
    "a session that is closed leaves the lock that another thread is about to take",
    caught_by="session/a-close-leaves-no-lock-under-way",
    target="engine.gate:Gate.shut",
    wrong=nothing,
)
