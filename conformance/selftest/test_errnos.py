"""The matrix of errnos is complete: each pair that was recorded stands in it and is replayed, and a refusal
beyond it fails a test."""

from __future__ import annotations

import json
from errno import ENODATA, EPERM

import pytest

from metaparity.conformance.harness.errnos import ANYWHERE, matrix, outside
from metaparity.conformance.spec.test_traces import GOLDEN, KEYSPACES, UNREPLAYABLE, VECTORS
from metaparity.conformance.traces.files import load
from metaparity.conformance.traces.form import missing
from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.registry import driver

from .conftest import Run

RECORDED = json.loads((GOLDEN / "errno-matrix.json").read_text("utf-8"))
PAIRS = [(row["op"], row["errno"], row["where"]) for row in RECORDED["observed"]]

PRIMITIVES_OF = {
    "CheckSetAttr": ["check_setattr"],
    "CopyFileRange": ["copy_file_range"],
    "GetAttr": ["getattr"],
    "SetAttr": ["setattr"],
    "ReadLink": ["readlink"],
    "Readdir": ["readdir"],
    "NewDirHandler": ["opendir"],
    "BatchUnlink": ["batch_unlink"],
    "Open": ["open_file"],
    "NewSlice": ["new_slice"],
    "GetXattr": ["xattr_get"],
    "ListXattr": ["xattr_list"],
    "SetXattr": ["xattr_set"],
    "RemoveXattr": ["xattr_remove"],
    "SetFacl": ["acl_set"],
    "GetFacl": ["acl_get"],
    "GetDirStat": ["dirstat_get"],
    "GetSummary": ["summary"],
    "GetTreeSummary": ["tree_summary"],
    "Tokens": ["token_store", "token_update", "token_load", "token_delete"],
}
"""The primitives of the operations that are not called alike in lower case."""


def primitives(operations: str) -> list[str]:
    """The primitives of a row of the recorded matrix."""
    return [name for one in operations.split("/") for name in PRIMITIVES_OF.get(one, [one.lower()])]


def test_the_matrix_is_about_primitives() -> None:
    assert matrix().keys() <= set(PRIMITIVES)
    assert {name for operations, _, _ in PAIRS for name in primitives(operations)} <= matrix().keys()


REPLAYED = {
    name
    for folder, table in (("vectors", VECTORS), ("keyspace", KEYSPACES))
    for name in table.keys() - UNREPLAYABLE.keys()
    if not missing(load(GOLDEN / folder / f"{name}.json"), driver("redis").capabilities)
}
"""The recordings that our engines replay."""

READ_ONLY = "T42"
"""The recording of a read-only client, which asks for locks, too: clauses of their own try all it refuses."""


@pytest.mark.parametrize(
    ("operations", "errno", "where"), PAIRS, ids=[f"{names}-{errno}" for names, errno, _ in PAIRS]
)
def test_every_recorded_pair_is_in_the_matrix_and_replayed(
    operations: str, errno: str, where: list[str]
) -> None:
    assert any(errno in matrix()[name] | ANYWHERE for name in primitives(operations))
    traces = {place.partition("#")[0] for place in where}
    locks = operations == "Flock/Setlk"
    assert traces & REPLAYED or locks or (errno == "EROFS" and traces == {READ_ONLY})


def test_refusals_outside_are_named() -> None:
    seen = {("getattr", EPERM), ("xattr_get", ENODATA), ("session_get", EPERM), ("unlink", 9999)}
    assert outside(seen) == ["getattr refused with EPERM", "unlink refused with 9999"]


def test_a_refusal_outside_fails_its_test(toys: Run) -> None:
    ran = toys(
        """
import errno
from metaparity.conformance.clause import clause
from metaparity.drivers.errors import error

@clause("toy/refuses-oddly", source="§6", needs="namespace")
def test_odd(volume, monkeypatch):
    "A toy."
    def refuse(self, *args, **kwargs):
        raise error(errno.ENOTEMPTY)
    monkeypatch.setattr(type(volume.fs._engine), "mkdir", refuse)
    try:
        volume.fs.mkdir(1, b"x")
    except OSError:
        pass
""",
        drivers=("steady",),
    )
    assert ran.code == 1
    assert "observed mkdir refused with ENOTEMPTY" in ran.out
