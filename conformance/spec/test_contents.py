"""Whatever happened to a file, a reader assembles the bytes that were written (I10, I11, I17, I24)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws, slices
from metaparity.conformance.scenes.scenery import fresh
from metaparity.drivers.api import Engine
from metaparity.drivers.types import CHUNK_SIZE, FallocateMode, Slice
from metaparity.fixtures.objects import ObjectStore
from metaparity.fixtures.volumes import Volume

FILES = 2
PUNCH = FallocateMode.PUNCH_HOLE | FallocateMode.KEEP_SIZE
C = CHUNK_SIZE


class Model:
    """A file as plain bytes: those that are not zero by offset, and the length."""

    def __init__(self) -> None:
        self.bytes: dict[int, int] = {}
        self.length = 0

    def write(self, off: int, data: bytes) -> None:
        self.bytes.update(enumerate(data, off))
        self.length = max(self.length, off + len(data))

    def truncate(self, length: int) -> None:
        self.bytes = {at: byte for at, byte in self.bytes.items() if at < length}
        self.length = length

    def zero(self, off: int, size: int) -> None:
        self.bytes = {at: byte for at, byte in self.bytes.items() if not off <= at < off + size}

    def copy(self, source: Model, src: int, dst: int, size: int) -> None:
        if src >= source.length:
            return
        size = min(size, source.length - src)
        taken = {at - src + dst: byte for at, byte in source.bytes.items() if src <= at < src + size}
        self.zero(dst, size)
        self.bytes.update(taken)
        self.length = max(self.length, dst + size)


class Scene:
    """Two files, what they should contain, and the object store that holds their slices."""

    def __init__(self, volume: Volume, directory: Path) -> None:
        directory.mkdir()
        self.volume = volume
        self.fs: Engine = volume.open(compact_chunk="record", delete_slice="record")
        self.objects = ObjectStore(directory)
        self.inodes = [volume.file(b"%s%d" % (fresh(volume), number)) for number in range(FILES)]
        self.models = [Model() for _ in range(FILES)]
        self.byte = 0

    def write(self, file: int, off: int, size: int, head: int) -> None:
        """Write bytes not written before, from the middle of a slice when there is a head."""
        self.byte = self.byte % 255 + 1
        data = bytes([self.byte]) * size
        at = off
        while at < off + size:
            chunk, pos = divmod(at, C)
            part = min(off + size - at, C - pos)
            id = self.fs.new_slice()
            whole = dict(enumerate(bytes([255]) * head + data[:part]))
            self.objects.put(id, head + part, whole)
            self.fs.write(self.inodes[file], chunk, pos, Slice(0, id, head + part, head, part), (1, 1))
            at += part
        self.models[file].write(off, data)

    def truncate(self, file: int, length: int) -> None:
        self.fs.truncate(self.inodes[file], 0, length)
        self.models[file].truncate(length)

    def fallocate(self, file: int, mode: FallocateMode, off: int, size: int) -> None:
        self.fs.fallocate(self.inodes[file], mode, off, size)
        model = self.models[file]
        if mode & (FallocateMode.PUNCH_HOLE | FallocateMode.ZERO):
            model.zero(off, size)
        if not mode & FallocateMode.KEEP_SIZE:
            model.length = max(model.length, off + size)

    def copy(self, src: int, src_off: int, dst: int, dst_off: int, size: int) -> None:
        self.fs.copy_file_range(self.inodes[src], src_off, self.inodes[dst], dst_off, size)
        self.models[dst].copy(self.models[src], src_off, dst_off, size)

    def compact(self, file: int) -> None:
        self.fs.compact(self.inodes[file])

    def compact_both(self) -> None:
        """Compact one file after the other, so that slices get their ids in one order everywhere."""
        for file in range(FILES):
            self.compact(file)

    def settle(self) -> None:
        """Let the object store do what it was asked for."""
        self.fs.settle()
        self.objects.serve(self.fs.events())

    def check(self) -> None:
        """Both files are as they should be."""
        for inode, model in zip(self.inodes, self.models, strict=True):
            assert self.fs.getattr(inode).length == model.length
            found: dict[int, int] = {}
            for chunk in range(-(-model.length // C)):
                _, contents = self.objects.assemble(self.fs.read(inode, chunk))
                found.update({chunk * C + at: byte for at, byte in contents.items()})
                self.settle()
            assert {at: byte for at, byte in found.items() if at < model.length} == model.bytes


files = st.integers(0, FILES - 1)
near = st.builds(lambda chunk, side: max(chunk * C + side, 0), st.integers(0, 2), st.integers(-300, 300))
sizes = st.one_of(st.integers(1, 300), st.sampled_from([C - 5, C, C + 5]))
modes = st.sampled_from(
    [
        FallocateMode(0),
        FallocateMode.KEEP_SIZE,
        PUNCH,
        FallocateMode.ZERO,
        FallocateMode.ZERO | FallocateMode.KEEP_SIZE,
    ]
)

Step = Callable[[Scene], None]


def call(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


written = call("write", files, near, st.integers(1, 300), st.sampled_from([0, 0, 7]))
step = st.one_of(
    written,
    written,
    call("truncate", files, near),
    call("fallocate", files, modes, near, sizes),
    call("copy", files, near, files, near, sizes),
    call("compact", files),
    call("compact_both"),
)
histories = st.lists(step, min_size=1, max_size=20)


def missing_slices(volume: Volume, scene: Scene) -> set[tuple[int, int]]:
    """Slices that are used and not stored, or stored and not used."""
    return slices(volume.keyspace()) ^ scene.objects.slices


@settings(max_examples=20)
@given(history=histories)
@clause(
    "contents/survive-any-history",
    source="I10 I11 I17 I23 I24 N9 N10 N21 N22 N24 N33",
    needs="data",
    clients=2,
)
def test_any_history(volume: Volume, tmp_path: Path, history: list[tuple[Any, ...]]) -> None:
    """After any writes, truncates, fallocates, copies and compactions a reader assembles the bytes of a plain
    array that got the same; every slice is there as long as something refers to it and no longer, and all
    of them go with the files."""
    volume.reset()
    scene = Scene(volume, tmp_path / fresh(volume).decode())
    for name, *arguments in history:
        getattr(scene, name)(*arguments)
        scene.settle()
    scene.check()
    assert missing_slices(volume, scene) == set()
    require_laws(volume)
    scene.compact_both()
    scene.settle()
    scene.check()
    assert missing_slices(volume, scene) == set()
    require_laws(volume)


HISTORY: list[tuple[Any, ...]] = [
    ("write", 0, 0, 300, 0),
    ("write", 0, C - 100, 200, 7),
    ("copy", 0, 50, 1, C - 30, C),
    ("fallocate", 0, PUNCH, 20, 10),
    ("write", 1, 10, 100, 0),
    ("compact_both",),
    ("copy", 1, 0, 0, 100, 250),
    ("truncate", 1, 60),
    ("fallocate", 1, FallocateMode(0), 100, 100),
    ("compact", 0),
]


@clause("contents/all-slices-go-with-the-last-file", source="I23 S7.3 N33.4", needs="data", clients=2)
def test_removed(volume: Volume, tmp_path: Path) -> None:
    """When the files of a history are removed their slices are deleted from the object store and nothing is
    left in the volume."""
    scene = Scene(volume, tmp_path / "objects")
    for name, *arguments in HISTORY:
        getattr(scene, name)(*arguments)
        scene.settle()
    scene.check()
    for inode in scene.inodes:
        scene.truncate(scene.inodes.index(inode), 3 * C)
    for (path,) in map(scene.fs.paths, scene.inodes):
        scene.fs.unlink(1, path.removeprefix(b"/"))
        scene.settle()
    assert scene.objects.slices == set()
    assert check_empty(volume) == []
