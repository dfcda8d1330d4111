"""The binary backup of a volume (L5.7-L5.13): keys in the order of the server, many at once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from ..errors import Refused
from ..files import OWN, replacing
from ..types import QuotaType
from . import codec
from .ahead import ahead
from .codec.corrupt import U32, U64, decimal
from .collector import seldom_collected
from .core import Core
from .dumping import SECRETS, deleted_files, disclosed, inode_of, sustained_inodes
from .inventory import RECORD, inventory
from .jsontext import BadFile
from .numbersets import Numbers
from .schema import messages
from .segments import SegmentWriter
from .store import Command, Reply, pairs

log = logging.getLogger(__name__)

MANY, FEW = 10000, 1000
"""Keys or items of a segment (L5.8)."""

DIRECTORIES = 100
"""Directories whose entries are read at once: each may have many."""

ALL_SECRETS = (*SECRETS, "EncryptKey")
"""The settings that a backup tells only where that is asked for."""

LETTERS: dict[bytes, tuple[str, str, int]] = {
    b"i": ("node", "attr", MANY),
    b"d": ("edge", "dentries", MANY),
    b"c": ("chunk", "chunk", FEW),
    b"s": ("symlink", "symlink", MANY),
    b"x": ("xattr", "xattrs", FEW),
    b"p": ("parent", "parents", FEW),
}
"""By the first letter of a key: the segment it goes into, the kind it has to be of, and how many go at once.

Keys of other kinds with such a letter count for the size of a batch and give nothing (L5.8).
"""


STRINGS = frozenset({b"i", b"s"})
"""The letters of keys of which one command reads many."""

INODE = (1 << 64) - 1
"""The bits of a question's number that are an inode; the index of a chunk is above them."""

AHEAD = 16
"""Questions that are sent before the answer to the last is used."""


class Question(NamedTuple):
    """Keys of a letter that are read at once."""

    letter: bytes
    numbers: list[int]
    """Their inodes, with the index of a chunk above their 64 bits."""
    last: bool
    """Whether a segment ends with them: the entries of many directories come in several pieces."""


class Backup(Core):
    """backup."""

    @seldom_collected()
    def backup(self, path: str, threads: int = 0, keep_secret: bool = False) -> None:
        check = partial(self._require_whole, path) if self.checks_backups else None
        with replacing(path, OWN, check) as out:
            self.write_backup(out, keep_secret, threads)

    def _require_whole(self, path: str, made: BinaryIO) -> None:
        """Raise `Refused` when what is to be the file at `path` could not be restored."""
        try:
            inventory(made, self.tell)
        except BadFile as bad:
            raise Refused(
                f"{path} is not made, because it could not be restored ({bad}): the volume changed "
                "meanwhile, or is damaged; try again while nobody writes to it, or make a JSON dump"
            ) from bad

    def write_backup(self, out: BinaryIO, keep_secret: bool = False, threads: int = 0) -> None:
        """Write a binary backup to a stream.

        Raises `Refused` for what the format cannot hold.  Source: L5.
        """
        writer = SegmentWriter(out)
        writer.format(codec.encode_format(disclosed(self.format, () if keep_secret else ALL_SECRETS)))
        reader, nodes = Reader(self, threads), 0
        for name, batch in reader.batches():
            number = writer.batch(name, batch)
            if name == "node":
                nodes += number
                self.tell("nodes backed up", nodes, reader.nodes)
        writer.end()


class Reader:
    """Reads a volume in batches."""

    def __init__(self, volume: Core, threads: int = 0) -> None:
        """With one of `threads` nothing is read ahead."""
        self._threads = threads
        self._volume = volume
        self._db = volume.db
        self._store = volume.store
        self._keys = volume.keys
        self._batch: Any = messages()["Batch"]
        self._seen = {letter: Numbers() for letter in LETTERS}
        self.nodes = 0
        """How many nodes there are, by the counter, once that has been read."""

    def batches(self) -> Iterator[tuple[str, Any]]:
        """Every segment but the settings, in the order of the original."""
        yield "counter", self._counters()
        yield from self._scanned()
        yield "sustained", self._sustained()
        yield from self._deleted_files()
        yield from self._slice_refs()
        yield "acl", self._rules()
        quotas = self._quotas()
        if quotas.ListFields():
            yield "quota", quotas
        yield from self._statistics()

    def _counters(self) -> Any:
        """The counters, of inodes and slices the next one (L5.9)."""
        keys = self._keys
        names = keys.counters
        *values, logged = self._db.read_one("MGET", *names.values(), keys.txn_last_log)
        batch = self._batch()
        for name, value in zip(names, map(codec.decode_counter, values), strict=True):
            batch.counters.add(key=name, value=value + (name in ("nextInode", "nextChunk")))
            if name == "totalInodes":
                self.nodes = value
        if self._volume.format.change_log and logged is not None:
            batch.counters.add(key="lastChangelog", value=codec.decode_counter(logged))
        return batch

    # -- keys of their own ---------------------------------------------------------------------------

    def _scanned(self) -> Iterator[tuple[str, Any]]:
        """What has a key of its own for each node, in the order of the scan (L5.7)."""
        edges = self._batch()
        for question, replies in self._answered():
            segment = LETTERS[question.letter][0]
            if question.letter == b"d":
                for batch in self._edges(edges, question.numbers, replies):
                    edges = batch
                    if question.last or len(edges.edges) == MANY:
                        yield segment, edges
                        edges = self._batch()
                continue
            batch = self._batch()
            fill: Callable[[Any, Sequence[int], Sequence[Reply]], None] = getattr(self, f"_{segment}s")
            fill(batch, question.numbers, replies)
            yield segment, batch

    def _answered(self) -> Iterator[tuple[Question, Sequence[Reply]]]:
        """All keys, and what the server has for them; it is asked for the next while the last are used."""
        asked: deque[Question] = deque()

        def commands() -> Iterator[list[Command]]:
            for question in self._questions():
                asked.append(question)
                yield self._commands(question.letter, question.numbers)

        for replies in self._db.stream(commands(), 0 if self._threads == 1 else AHEAD):
            question = asked.popleft()
            # One MGET answers for all of its keys.
            yield question, replies[0] if question.numbers and question.letter in STRINGS else replies

    def _questions(self) -> Iterator[Question]:
        """The keys, each once, some with the same letter at a time."""
        for letter, names in self._named():
            numbers, *indexes = self._keys.numbers_of(LETTERS[letter][1], names)
            if indexes:
                numbers = [index << 64 | inode for inode, index in zip(numbers, *indexes, strict=True)]
            numbers = self._seen[letter].fresh(numbers)
            step = DIRECTORIES if letter == b"d" else MANY
            for start in range(0, len(numbers) or 1, step):
                yield Question(letter, numbers[start : start + step], start + step >= len(numbers))

    def _named(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """The names of keys that are worth a segment, by their letter."""
        waiting: dict[bytes, list[bytes]] = {letter: [] for letter in LETTERS}
        many = {letter: number for letter, (_, _, number) in LETTERS.items()}
        at = len(self._keys.prefix)
        with ahead(self._store.scan(self._keys.everything_pattern), self._threads) as pages:
            for page in pages:
                for name in page:
                    if (names := waiting.get(name[at : at + 1])) is not None:
                        names.append(name)
                for letter, names in waiting.items():
                    while len(names) >= many[letter]:
                        yield letter, names[: many[letter]]
                        del names[: many[letter]]
        yield from ((letter, names) for letter, names in waiting.items() if names)

    def _commands(self, letter: bytes, numbers: Sequence[int]) -> list[Command]:
        """What asks for keys with a letter."""
        keys = self._keys
        if not numbers:
            return []
        if letter in STRINGS:
            key = keys.attr if letter == b"i" else keys.symlink
            return [("MGET", *map(key, numbers))]
        if letter == b"d":
            return [*map(self._volume.first_page, numbers)]
        if letter == b"c":
            chunk = keys.chunk
            return [("LRANGE", chunk(one & INODE, one >> 64), "0", "-1") for one in numbers]
        key = keys.xattrs if letter == b"x" else keys.parents
        return [("HGETALL", key(inode)) for inode in numbers]

    def _nodes(self, batch: Any, inodes: Sequence[int], blobs: Sequence[Reply]) -> None:
        add = batch.nodes.add
        for inode, blob in zip(inodes, blobs, strict=True):
            if blob is not None:
                add(inode=inode, data=blob)

    def _edges(self, batch: Any, inodes: Sequence[int], pages: Sequence[Reply]) -> Iterator[Any]:
        """The batch with entries of directories, and a new one whenever there are many; the last has room."""
        number, add, decode = len(batch.edges), batch.edges.add, codec.decode_entry
        for directory, page in zip(inodes, pages, strict=True):
            for name, value in self._entries(directory, page):
                type, inode = decode(value)
                add(parent=directory, inode=inode, name=name, type=type)
                number += 1
                if number == MANY:
                    yield batch
                    batch, number = self._batch(), 0
                    add = batch.edges.add
        yield batch

    def _entries(self, directory: int, page: Reply) -> Iterable[tuple[bytes, bytes]]:
        """The entries of a directory, whose first page has been read; of a large one each name once."""
        cursor, flat = page
        entries = zip(flat[::2], flat[1::2], strict=True)
        if cursor == b"0":
            return entries
        found = dict(entries)
        for more in self._store.hscan(self._keys.dentries(directory), cursor=cursor):
            found.update(more)
        return found.items()

    def _chunks(self, batch: Any, numbers: Sequence[int], lists: Sequence[Reply]) -> None:
        add = batch.chunks.add
        for number, records in zip(numbers, lists, strict=True):
            inode, index = number & INODE, number >> 64
            if len(records) == 1 and len(records[0]) == RECORD:
                add(inode=inode, index=index, slices=records[0])
            elif slices := b"".join(self._whole(inode, index, records)):
                add(inode=inode, index=index, slices=slices)

    @staticmethod
    def _whole(inode: int, index: int, records: Sequence[bytes]) -> list[bytes]:
        """The records of a chunk that are whole ones."""
        whole = [record for record in records if len(record) == RECORD]
        if len(whole) < len(records):
            log.error("corrupt records of chunk %d of inode %d are left out", index, inode)
        return whole

    def _symlinks(self, batch: Any, inodes: Sequence[int], targets: Sequence[Reply]) -> None:
        for inode, target in zip(inodes, targets, strict=True):
            if target is not None:
                if self._volume.quirks:
                    # The original takes the target for one that is spelled (L5.11).
                    target = codec.unescape_bytes(target)
                batch.symlinks.add(inode=inode, target=target)

    def _xattrs(self, batch: Any, inodes: Sequence[int], hashes: Sequence[Reply]) -> None:
        for inode, hash in zip(inodes, hashes, strict=True):
            for name, value in pairs(hash):
                try:
                    batch.xattrs.add(inode=inode, name=name.decode(), value=value)
                except UnicodeDecodeError:
                    raise Refused(
                        f"a binary backup cannot hold the attribute {name!r} of inode {inode}, "
                        "which is no UTF-8: remove it, or make a JSON dump"
                    ) from None

    def _parents(self, batch: Any, inodes: Sequence[int], hashes: Sequence[Reply]) -> None:
        for inode, hash in zip(inodes, hashes, strict=True):
            for parent, count in pairs(hash):
                batch.parents.add(inode=inode, parent=inode_of(parent), count=codec.decode_counter(count))

    # -- keys of the volume ----------------------------------------------------------------------------

    def _sustained(self) -> Any:
        batch = self._batch()
        for sid, inodes in sustained_inodes(self._volume):
            batch.sustained.add(sid=sid, inodes=inodes)
        return batch

    def _deleted_files(self) -> Iterator[tuple[str, Any]]:
        batch = self._batch()
        for inode, length, expire in deleted_files(self._volume):
            batch.deleted_files.add(inode=inode, length=length, expire=expire)
            if len(batch.deleted_files) == MANY:
                yield "delFile", batch
                batch = self._batch()
        yield "delFile", batch

    def _slice_refs(self) -> Iterator[tuple[str, Any]]:
        """The slices with several references, all of them counted (L5.10)."""
        batch, seen = self._batch(), set[bytes]()
        for page in self._store.hscan(self._keys.slice_refs):
            for field, value in page:
                if field in seen:
                    continue
                try:
                    (id, size), count = codec.parse_slice_ref_field(field), codec.decode_counter(value)
                except codec.CorruptValue as corrupt:
                    log.error("a slice reference is left out: %s", corrupt)
                    continue
                if count < 1:
                    continue
                seen.add(field)
                batch.slice_refs.add(id=id, size=size, refs=count + 1)
                if len(batch.slice_refs) == MANY:
                    yield "sliceRef", batch
                    batch = self._batch()
        yield "sliceRef", batch

    def _rules(self) -> Any:
        batch = self._batch()
        for id, rule in sorted(
            (decimal("a rule", id, U32), rule)
            for id, rule in pairs(self._db.read_one("HGETALL", self._keys.acl))
        ):
            batch.acls.add(id=id, data=rule)
        return batch

    def _quotas(self) -> Any:
        """Every record that has limits or usage (L5.10)."""
        batch = self._batch()
        for type, list in zip(
            QuotaType, (batch.dir_quotas, batch.user_quotas, batch.group_quotas), strict=True
        ):
            limits, spaces, inodes = (
                dict(pairs(self._db.read_one("HGETALL", hash))) for hash in self._keys.quota(type)
            )
            for id in sorted(inodes.keys() | limits.keys(), key=lambda id: (len(id), id)):
                try:
                    number = decimal("its id", id, U64)
                    quota = codec.decode_quota(limits[id]) if id in limits else None
                    used = [
                        codec.decode_counter(hash.get(id) if id in inodes else None)
                        for hash in (spaces, inodes)
                    ]
                except codec.CorruptValue as corrupt:
                    log.warning("the quota of %s %r is left out: %s", type.name.lower(), id, corrupt)
                    continue
                list.add(
                    type=type,
                    key=number,
                    max_space=quota.max_space if quota else -1,
                    max_inodes=quota.max_inodes if quota else -1,
                    used_space=used[0],
                    used_inodes=used[1],
                )
        return batch

    def _statistics(self) -> Iterator[tuple[str, Any]]:
        """The statistics of directories that have a length (L5.10)."""
        batch, seen = self._batch(), Numbers()
        for page in self._store.hscan(self._keys.dir_data_length):
            told = [(inode_of(inode), length) for inode, length in page]
            lengths = [(inode, length) for inode, length in told if seen.add(inode)]
            if not lengths:
                continue
            inodes = [inode for inode, _ in lengths]
            spaces, counts = self._db.read(
                ("HMGET", self._keys.dir_used_space, *inodes), ("HMGET", self._keys.dir_used_inodes, *inodes)
            )
            for (inode, length), space, count in zip(lengths, spaces, counts, strict=True):
                batch.dir_stats.add(
                    inode=inode,
                    data_length=codec.decode_counter(length),
                    used_space=codec.decode_counter(space),
                    used_inodes=codec.decode_counter(count),
                )
                if len(batch.dir_stats) == MANY:
                    yield "stat", batch
                    batch = self._batch()
        yield "stat", batch
