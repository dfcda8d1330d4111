"""Opaque tokens: stored, updated, loaded, deleted and listed by number (N40.1)."""

from __future__ import annotations

from errno import ENOENT, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.fixtures.volumes import Volume

TOKENS = {"empty": b"", "text": b"token", "bytes": bytes(range(256)), "64 KiB": b"t" * 65536}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@clause("tokens/are-kept-as-they-are", source="N40.1 S1.3 S3.4", needs="tokens")
def test_store(volume: Volume, token: bytes) -> None:
    """A token of any bytes is kept under a number of its own, from 1 on, and loaded as it was."""
    assert volume.fs.token_store(token) == 1
    assert volume.fs.token_store(token) == 2
    assert volume.fs.token_load(1) == volume.fs.token_load(2) == token
    assert volume.raw.hgetall("krbToken") == {b"1": token, b"2": token}
    assert volume.raw.get("krbTokenMaxId") == b"2"


@clause("tokens/can-be-replaced", source="N40.1", needs="tokens")
def test_update(volume: Volume) -> None:
    """An update replaces a token under its number; one that is not there is refused with ENOENT."""
    id = volume.fs.token_store(b"old")
    volume.fs.token_update(id, b"new")
    assert volume.fs.token_load(id) == b"new"
    with unchanged(volume):
        for missing in (0, id + 1, 2**32 - 1):
            refuses(ENOENT, volume.fs.token_update, missing, b"x")
            refuses(ENOENT, volume.fs.token_load, missing)


@clause("tokens/are-deleted-by-number", source="N40.1", needs="tokens")
def test_delete(volume: Volume) -> None:
    """Deleting drops the tokens of the numbers given, whether there are any or not; numbers are never used
    again."""
    ids = [volume.fs.token_store(b"%d" % number) for number in range(4)]
    volume.fs.token_delete([ids[0], ids[2], 99])
    assert volume.fs.token_list() == {ids[1]: b"1", ids[3]: b"3"}
    refuses(ENOENT, volume.fs.token_load, ids[0])
    volume.fs.token_delete(ids)
    assert volume.fs.token_list() == {}
    assert volume.fs.token_store(b"next") == 5


@clause("tokens/none-are-listed-before-any-is-stored", source="N40.1", needs="tokens")
def test_none(volume: Volume) -> None:
    """A new volume has no tokens."""
    volume.fs.settle()
    with unchanged(volume):
        assert volume.fs.token_list() == {}


@clause("tokens/are-shared-by-all-clients", source="N40.1", needs="tokens", clients=2)
def test_clients(volume: Volume) -> None:
    """Clients see each other's tokens, and never give two the same number."""
    other = volume.open()
    ids = [fs.token_store(b"x") for fs in (volume.fs, other, volume.fs, other)]
    assert ids == [1, 2, 3, 4]
    other.token_update(1, b"y")
    assert volume.fs.token_load(1) == b"y"
    assert volume.fs.token_list() == other.token_list()


@clause("tokens/read-only-clients-change-none", source="N40.1 M2", needs="tokens", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client lists tokens; loading one, and changing any, is refused with EROFS."""
    id = volume.fs.token_store(b"token")
    volume.settle()
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.token_list() == {id: b"token"}
        refuses(EROFS, reader.token_load, id)
        refuses(EROFS, reader.token_store, b"x")
        refuses(EROFS, reader.token_update, id, b"x")
        refuses(EROFS, reader.token_delete, [id])


@clause("tokens/numbers-outlive-a-cleanup", source="N40.1 N35.6", needs="maintenance")
def test_cleanup(volume: Volume) -> None:
    """A cleanup of slices leaves the counter of the tokens alone: no number is given twice."""
    first = volume.fs.token_store(b"first")
    volume.fs.slices_cleanup()
    assert volume.fs.token_store(b"second") == first + 1
    assert volume.fs.token_list() == {first: b"first", first + 1: b"second"}
