"""The page that maps the methods of JuiceFS to ours says what is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from metaparity.conformance.harness.catalogue import catalogue

from .conftest import PATIENCE
from .recorder import named
from .test_museum import SERVER

CONFORMANCE = Path(__file__).resolve().parents[1]
PAGE = (CONFORMANCE.parent / "docs" / "methods.md").read_text("utf-8")

ROWS = {
    name: (method, proof)
    for name, method, proof in re.findall(r"^\| `(\w+)` \| `?([\w.-]+)`? \| (.*) \|$", PAGE, re.MULTILINE)
}
CLAUSES = {name: re.findall(r"`([a-z-]+/[a-z0-9-]+)`", proof) for name, (_, proof) in ROWS.items()}

LISTED = re.findall(
    r"\w+",
    """
    doReadlink doTruncate doFallocate doMknod doUnlink doRmdir doRename doLink doRead CopyFileRange
    Resolve doWrite doGetParents doSyncDirStat doUpdateDirStat doGetDirStat doFindDeletedFiles
    deleteChunk doDeleteFileData doCompactChunk scanAllChunks doRepair GetXattr ListXattr doSetXattr
    doRemoveXattr doGetQuota doSetQuota doDelQuota doLoadQuotas doFlushQuotas Reset setIfSmall
    doFlushStats doSyncVolumeStat doCloneEntry doDeleteSustainedInode doLoad doDeleteSlice doInit
    cacheACLs loadDumpedACLs cleanupLegacies cleanupLeakedChunks cleanupOldSliceRefs
    cleanupLeakedInodes doCleanupDetachedNode doFindDetachedNodes doAttachDirNode doTouchAtime
    doSetFacl doGetFacl doCleanupDelayedSlices doCleanupSlices fillAttr doReaddir doLookup doGetAttr
    doSetAttr getCounter incrCounter newDirHandler Flock Setlk Getlk ListLocks doNewSession
    doRefreshSession doFindStaleSessions doCleanStaleSession GetSession ListSessions
    """,
)
"""The methods of JuiceFS's Redis engine that the page must have."""

BY_THE_HOUR = {"cleanupLegacies"}
"""What a client does by itself once an hour: proved by a self-test."""


def test_every_method_has_its_row() -> None:
    assert list(ROWS) == LISTED


def test_every_method_has_a_clause_of_its_own_or_a_reason() -> None:
    assert {clause for clauses in CLAUSES.values() for clause in clauses} <= catalogue().keys()
    firsts = Counter(clauses[0] for clauses in CLAUSES.values() if clauses)
    assert [clause for clause, rows in firsts.items() if rows > 1] == []
    assert {name for name, clauses in CLAUSES.items() if not clauses} == BY_THE_HOUR
    for name in BY_THE_HOUR:
        path, _, test = ROWS[name][1].partition("`: ")[0].strip("`").partition("::")
        assert f"def {test}(" in (CONFORMANCE / path).read_text("utf-8")


@pytest.mark.parametrize("name", LISTED)
def test_our_method_exists(name: str) -> None:
    named(ROWS[name][0])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The clauses that call each of our methods on the page, from a run of all clauses on the page."""
    folder = tmp_path_factory.mktemp("recorded")
    clauses = sorted({clause for row in CLAUSES.values() for clause in row})
    methods = {method for method, _ in ROWS.values()}
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
            *("-p", "metaparity.conformance.selftest.recorder", "--pyargs", "metaparity.conformance.spec"),
            *("--driver", "redis", "--server", SERVER),
            *(f"--only={clause}" for clause in clauses),
        ],
        env={**os.environ, "METHODS": " ".join(sorted(methods)), "RECORDED": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    seen: dict[str, set[str]] = {}
    for file in folder.glob("*.json"):
        for method, callers in json.loads(file.read_text("utf-8")).items():
            seen.setdefault(method, set()).update(callers)
    return seen


def test_every_clause_calls_the_method_it_proves(recorded: dict[str, set[str]]) -> None:
    wrong = [
        (name, clause)
        for name, clauses in CLAUSES.items()
        for clause in clauses
        if clause not in recorded[ROWS[name][0]]
    ]
    assert wrong == []
