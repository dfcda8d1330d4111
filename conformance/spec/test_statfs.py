"""What is used and what is free: statfs (N3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.records import lengthen
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.verbs import unchanged
from metaparity.drivers.types import TRASH_INODE, FileType, StatFS
from metaparity.fixtures.volumes import Volume

PIB = 2**50
MANY = 10 * 2**20


def figures(volume: Volume, space: int, inodes: int) -> StatFS:
    """statfs while the counters of the volume, which no short test brings there, say this."""
    volume.raw.set("usedSpace", space)
    volume.raw.set("totalInodes", inodes)
    return volume.fs.statfs(1)


@clause("statfs/an-empty-volume-has-a-pebibyte", source="N3.2 T2 D21", needs="namespace")
def test_empty(volume: Volume) -> None:
    """An empty volume without limits shows 1 PiB and 10 Mi inodes, none used: neither root counts."""
    volume.format(TrashDays=1)
    assert volume.fs.statfs(1) == StatFS(PIB, PIB, 0, MANY)


@each_type
@clause("statfs/every-node-takes-a-page-and-an-inode", source="N3.1 N12.6", needs="namespace")
def test_node(volume: Volume, type: FileType) -> None:
    """Each node takes 4096 bytes and one inode while it exists."""
    make(volume, type, "x")
    assert volume.fs.statfs(1) == StatFS(PIB, PIB - 4096, 1, MANY)
    if type is FileType.DIRECTORY:
        volume.fs.rmdir(1, b"x")
    else:
        volume.fs.unlink(1, b"x")
    assert volume.fs.statfs(1) == StatFS(PIB, PIB, 0, MANY)


@clause("statfs/content-counts-in-whole-pages", source="N3.1 A4 S3.6 S7.8", needs="namespace")
def test_content(volume: Volume) -> None:
    """A file of 4097 bytes takes two pages until it is gone."""
    lengthen(volume, volume.file("x"), 4097)
    assert volume.fs.statfs(1).avail == PIB - 8192
    volume.fs.unlink(1, b"x")
    assert volume.fs.statfs(1).avail == PIB


@clause("statfs/shows-what-other-clients-used", source="N3.1", needs="namespace", clients=2)
def test_other_client(volume: Volume) -> None:
    """Every client shows the figures of the server, not those it knows from its own work."""
    late = volume.open(record=False)
    volume.file("x")
    assert (volume.fs.statfs(1).iused, late.statfs(1).iused) == (1, 1)


@pytest.mark.parametrize(
    ("space", "total"),
    [
        (0, PIB),
        (PIB * 8 // 10, PIB),
        (PIB * 8 // 10 + 4096, 2 * PIB),
        (PIB, 2 * PIB),
        (PIB * 16 // 10 + 4096, 4 * PIB),
        (100 * PIB, 128 * PIB),
    ],
)
@clause("statfs/the-total-doubles-past-four-fifths", source="N3.2", needs="namespace")
def test_total(volume: Volume, space: int, total: int) -> None:
    """Without a capacity the total is 1 PiB, doubled until at most four fifths of it are used."""
    assert figures(volume, space, 0) == StatFS(total, total - space, 0, MANY)


@pytest.mark.parametrize(
    ("inodes", "free"),
    [(0, MANY), (4 * MANY, MANY), (4 * MANY + 1, 2 * MANY), (8 * MANY, 2 * MANY), (100 * MANY, 32 * MANY)],
)
@clause("statfs/free-inodes-double-with-use", source="N3.2", needs="namespace")
def test_inodes(volume: Volume, inodes: int, free: int) -> None:
    """Without a limit 10 Mi inodes are free, doubled until at most four times as many are used."""
    assert figures(volume, 0, inodes) == StatFS(PIB, PIB, inodes, free)


@pytest.mark.parametrize(
    ("space", "total", "avail"), [(0, 2**20, 2**20), (2**20, 2**20, 0), (2**21, 2**21, 0)]
)
@clause("statfs/the-capacity-is-the-total-unless-more-is-used", source="N3.2 T2", needs="namespace")
def test_capacity(volume: Volume, space: int, total: int, avail: int) -> None:
    """With a capacity the total is that, or what is used if more, and avail is what is left."""
    volume.format(Capacity=2**20)
    assert figures(volume, space, 0) == StatFS(total, avail, 0, MANY)


@pytest.mark.parametrize(("used", "free"), [(0, 100), (3, 97), (100, 0), (101, 0)])
@clause("statfs/the-inode-limit-less-the-used-is-free", source="N3.2 T2", needs="namespace")
def test_inode_limit(volume: Volume, used: int, free: int) -> None:
    """With a limit of inodes what is left of it is free, never less than none."""
    volume.format(Inodes=100)
    assert figures(volume, 0, used) == StatFS(PIB, PIB, used, free)


@given(space=st.integers(-(2**62), -1), inodes=st.integers(-(2**62), -1))
@clause("statfs/negative-usage-counts-as-none", source="N3.2", needs="namespace")
def test_negative(volume: Volume, space: int, inodes: int) -> None:
    """Counters below zero show as nothing used."""
    assert figures(volume, space, inodes) == StatFS(PIB, PIB, 0, MANY)


@given(space=st.integers(0, 2**59), inodes=st.integers(0, 2**40))
@clause("statfs/any-usage-adds-up", source="N3.2", needs="namespace")
def test_any_usage(volume: Volume, space: int, inodes: int) -> None:
    """Without limits, total is the smallest doubling of 1 PiB with a fifth free, iavail likewise."""
    found = figures(volume, space, inodes)
    assert found.total in {PIB << n for n in range(20)}
    assert found.total * 8 >= space * 10
    assert found.total == PIB or found.total // 2 * 8 < space * 10
    assert (found.avail, found.iused) == (found.total - space, inodes)
    assert found.iavail in {MANY << n for n in range(40)}
    assert 4 * found.iavail >= inodes
    assert found.iavail == MANY or 4 * (found.iavail // 2) < inodes


@pytest.mark.parametrize("inode", [0, 1, 999_999, TRASH_INODE, TRASH_INODE + 1])
@clause("statfs/a-missing-inode-shows-the-volume", source="N3.1 N3.4", needs="namespace")
def test_missing(volume: Volume, inode: int) -> None:
    """Any inode, also one that does not exist, gives the figures of the volume to anyone."""
    volume.file("x")
    with unchanged(volume):
        assert volume.fs.statfs(inode, ctx=BOB) == StatFS(PIB, PIB - 4096, 1, MANY)


@clause("statfs/unreadable-counters-give-the-last-known-figures", source="N3.1", needs="namespace")
def test_unreadable_counters(volume: Volume) -> None:
    """Where the counters cannot be read, here for they are lists, what the client last knew is shown."""
    volume.file("x")
    volume.fs.refresh()
    for counter in ("usedSpace", "totalInodes"):
        volume.raw.delete(counter)
        volume.raw.rpush(counter, "no number")
    assert volume.fs.statfs(1) == StatFS(PIB, PIB - 4096, 1, MANY)


@clause("statfs/needs-no-session", source="N3.1", needs="namespace", clients=2)
def test_no_session(volume: Volume) -> None:
    """A client that has only its address shows the figures."""
    volume.file("x")
    assert volume.connect().statfs(1) == StatFS(PIB, PIB - 4096, 1, MANY)
