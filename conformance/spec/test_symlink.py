"""Symbolic links: symlink, readlink (N11)."""

from __future__ import annotations

from errno import EINVAL, EIO, ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.scenery import TYPES, fresh, make
from metaparity.conformance.verbs import refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import TRASH_INODE, FileType
from metaparity.fixtures.volumes import Volume

BAD_TARGETS = [b"", b"a\0b", b"a" * 4097]

every_atime_mode = pytest.mark.parametrize("mode", ["noatime", "relatime", "strictatime"])


@pytest.mark.parametrize("target", BAD_TARGETS, ids=["empty", "nul", "4097-bytes"])
@pytest.mark.parametrize("parent", [1, 404, TRASH_INODE], ids=["root", "missing", "trash"])
@pytest.mark.parametrize("name", [b"link", b"taken", b".", b".trash", b"a/b"], ids=repr)
@clause("symlink/a-bad-target-is-refused-before-anything-else", source="N11.1 D24", needs="namespace")
def test_bad_target(volume: Volume, target: bytes, parent: int, name: bytes) -> None:
    """An empty target, one over 4096 bytes, or one with NUL is EINVAL whatever else is wrong."""
    volume.file("taken")
    with unchanged(volume):
        refuses(EINVAL, volume.fs.symlink, parent, name, target, ctx=ALICE)


@given(target=st.binary(min_size=1, max_size=80).filter(lambda target: b"\0" not in target))
@clause("symlink/the-target-is-kept-verbatim", source="N11.1 A2", needs="namespace", clients=2)
def test_target_verbatim(volume: Volume, target: bytes) -> None:
    """Any bytes but NUL are a target; it is read back unchanged and its length is the link's length."""
    made = volume.fs.symlink(1, fresh(volume), target)
    assert volume.fs.readlink(made.inode) == target
    assert volume.open(record=False).readlink(made.inode) == target
    assert volume.fs.getattr(made.inode).length == len(target)


@clause("symlink/the-longest-target-has-4096-bytes", source="N11.1", needs="namespace")
def test_longest_target(fs: Engine) -> None:
    """A target of 4096 bytes is accepted."""
    made = fs.symlink(1, b"link", b"t" * 4096)
    assert fs.readlink(made.inode) == b"t" * 4096


@clause("symlink/grants-everything-to-everyone", source="N11.1 A2", needs="namespace")
def test_mode(volume: Volume) -> None:
    """A symbolic link has mode 0777, even in a setgid directory, and the caller as owner."""
    parent = volume.dir("d", mode=0o2777, gid=77)
    attr = volume.fs.symlink(parent, b"link", b"target", ctx=ALICE).attr
    assert attr is not None
    assert (attr.type, attr.mode, attr.uid, attr.gid, attr.nlink) == (
        FileType.SYMLINK,
        0o777,
        ALICE.uid,
        77,
        1,
    )


@every_atime_mode
@pytest.mark.parametrize(
    "type", [type for type in TYPES if type is not FileType.SYMLINK], ids=lambda t: t.name
)
@clause("readlink/only-links-have-a-target", source="N11.3", needs="namespace", clients=2)
def test_no_link(volume: Volume, type: FileType, mode: str) -> None:
    """readlink of any other type is EINVAL."""
    refuses(EINVAL, volume.open(atime_mode=mode).readlink, make(volume, type, "x"))


@every_atime_mode
@clause("readlink/a-missing-node-is-not-found", source="N11.3", needs="namespace")
def test_missing(volume: Volume, mode: str) -> None:
    """readlink of an inode that does not exist is ENOENT."""
    refuses(ENOENT, volume.open(atime_mode=mode).readlink, 404)


@every_atime_mode
@clause("readlink/a-link-without-target-is-an-io-error", source="N11.3", needs="namespace", clients=2)
def test_lost_target(volume: Volume, mode: str) -> None:
    """readlink of a link whose target is not stored is EIO."""
    inode = volume.symlink("link")
    volume.raw.delete(b"s%d" % inode)
    refuses(EIO, volume.open(atime_mode=mode).readlink, inode)


@pytest.mark.parametrize(
    ("config", "answers"),
    [
        pytest.param({"atime_mode": "noatime"}, True, id="noatime"),
        pytest.param({"atime_mode": "strictatime", "read_only": True}, True, id="read-only"),
        pytest.param({"atime_mode": "relatime"}, False, id="relatime"),
        pytest.param({"atime_mode": "strictatime"}, False, id="strictatime"),
    ],
)
@clause(
    "readlink/a-target-needs-no-record-unless-atime-is-kept", source="N11.3", needs="namespace", clients=2
)
def test_lost_record(volume: Volume, config: dict[str, Any], answers: bool) -> None:
    """Where no atime is kept, a stored target answers by itself; else the missing record is ENOENT."""
    inode = volume.symlink("link", "there")
    client = volume.open(**config)
    volume.raw.delete(b"i%d" % inode)
    if answers:
        assert client.readlink(inode) == b"there"
    else:
        refuses(ENOENT, client.readlink, inode)


@pytest.mark.parametrize("mode", ["relatime", "strictatime"])
@clause("readlink/stamps-atime-where-it-is-kept", source="N11.3 R14", needs="namespace", clients=2)
def test_atime(volume: Volume, mode: str) -> None:
    """With atime kept, readlink of a link whose atime is behind its mtime stamps it, and nothing else."""
    fs = volume.fs
    inode = volume.symlink("link")
    fs.link(inode, 1, b"again")
    before = fs.getattr(inode)
    with window() as w:
        volume.open(atime_mode=mode).readlink(inode)
    after = fs.getattr(inode)
    assert w.covers(after.atime)
    assert (after.mtime, after.ctime) == (before.mtime, before.ctime)


@clause("readlink/needs-no-permission", source="N11.4", needs="namespace")
def test_no_permission(volume: Volume) -> None:
    """Whoever knows the inode of a link reads its target."""
    inode = volume.symlink("link", "there", volume.dir("d", mode=0))
    assert volume.fs.readlink(inode, ctx=BOB) == b"there"


@clause("readlink/a-target-once-read-outlives-the-link", source="N11.4", needs="namespace", clients=2)
def test_cached_target(volume: Volume) -> None:
    """A client that has read a target keeps answering with it after the link is gone; others do not."""
    fs = volume.fs
    inode = volume.symlink("link", "there")
    fs.readlink(inode)
    fs.unlink(1, b"link")
    assert fs.readlink(inode) == b"there"
    refuses(ENOENT, volume.open().readlink, inode)
