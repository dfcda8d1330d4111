"""Merging the slices of a chunk into one (N33)."""

from __future__ import annotations

from dataclasses import replace

from metaparity.drivers.types import CHUNK_SIZE, ROOT, Context, Event, FileType, Slice

from .slices import good_heads, merge
from .trees import Trees

MANY = 350
"""Records of a chunk from which each write compacts it (N21.5)."""

WORTH_A_LOOK = 5
"""Records or pieces from which a read compacts (N22.6)."""

ROUND = 1000
"""Records that one round of a compaction takes (N33.1)."""


class Compaction(Trees):
    """compact, compact_all, and what writes and reads bring about, at once where an engine takes its time."""

    def records(self, inode: int, chunk: int) -> list[Slice]:
        """The records of a chunk in the order they were written."""
        return self.volume.chunks.get(inode, {}).get(chunk, [])

    def compact(self, inode: int, threads: int = 0, *, ctx: Context = ROOT) -> None:
        inode = self.check_root(inode)  # N33.5
        below = [(inode, self.known(inode).type)]
        while below:
            one, type = below.pop()
            below += [(child, type) for type, child in self.listed(one).values()]
            if type == FileType.FILE:  # what lies behind its end is not looked at
                self._settle_chunks(one, -(-self.known(one).length // CHUNK_SIZE))

    def compact_all(self, threads: int = 0, *, ctx: Context = ROOT) -> None:
        for inode in list(self.volume.chunks):
            self._settle_chunks(inode)

    def _settle_chunks(self, inode: int, count: int | None = None) -> None:
        """Compact the chunks of a file, the first so many if told, until nothing is left to do."""
        for index in sorted(self.volume.chunks.get(inode, {})):
            if count is None or index < count:
                while self.compact_chunk(inode, index):
                    pass

    def compact_chunk(self, inode: int, index: int) -> bool:
        """One round: merge what is worth it of a chunk into one slice; whether any is (N33.1-N33.4)."""
        if self.config.read_only or self.config.compact_chunk == "fail":
            return False
        records = self.records(inode, index)
        kept = good_heads(records[:ROUND])
        old, later = records[kept:ROUND], records[ROUND:]
        pieces = merge(old)
        size = sum(piece.len for piece in pieces)
        if len(old) < 2 or size == 0:
            return False
        id = self.slices.take()
        if self.config.compact_chunk == "record":
            self.asked.append(Event("compact_chunk", id, slices=[replace(piece, pos=0) for piece in pieces]))
        merged = Slice(pieces[0].pos, id, size, 0, size)
        self.volume.chunks[inode][index] = [*records[:kept], merged, *later]
        self.open_files.distrust(inode, index)
        gone = [(record.id, record.size) for record in old if record.id]
        if self.format.trash_days > 0:
            self.volume.delayed[id, self.now()[0]] = gone
            return True
        for slice in gone:
            self.release_slice(*slice)
        return True
