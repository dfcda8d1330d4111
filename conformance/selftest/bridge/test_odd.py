"""The odd engines under the spec: each gets its verdict, none gets a pass, none takes the run down."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from metaparity.conformance.museum.odd import ODD, command

from ..conftest import Run

SERVER = "local" if shutil.which("redis-server") else "embedded"

BASIC = ("mkdir/equals-mknod-of-a-directory", "lookup/gives-inode-and-attributes")

VERDICTS = {
    "always_ok": ("ProtocolViolation", BASIC),
    "always_eio": ("EIO", BASIC),
    "late": ("EngineHung", BASIC),
    "out_of_order": ("EngineHung", ("lookup/gives-inode-and-attributes",)),
    "twice": ("ProtocolViolation", BASIC),
    "wrong_ids": ("ProtocolViolation", BASIC),
    "dies": ("EngineCrashed", BASIC),
    "never_reads": ("EngineHung", BASIC),
    "floods_stderr": ("EIO", BASIC),
    "huge_numbers": ("inode=18446744073709551615", ("mknod/an-unknown-type-is-invalid",)),
    "odd_names": (r"b'\xff\xfe\x00 odd \x80'", ("readdir/lists-every-entry-with-its-type",)),
}
"""What must be observed of each, and the clauses that must fail.  Huge numbers, odd names and answers out of
order are no faults: they must arrive as they are, and what fails is something else."""

WITHIN = 45.0
"""Seconds for the clauses of one engine."""


def test_every_odd_engine_has_a_verdict() -> None:
    assert VERDICTS.keys() == ODD.keys()


@pytest.mark.parametrize("name", ODD)
def test_verdict(name: str, metaparity: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAPARITY_TIMEOUT", "1")
    observed, clauses = VERDICTS[name]
    only = [word for id in clauses for word in ("--only", id)]
    start = time.monotonic()
    ran = metaparity("run", "--driver", command(name), *only, "--server", SERVER, "-n", "0")
    assert time.monotonic() - start < WITHIN
    assert ran.code == 1, ran.out + ran.err
    results = ran.results
    assert results["footer"]["complete"]
    assert {(one["clause"], one["verdict"]) for one in results["records"]} == {
        (id, "failed") for id in clauses
    }
    seen = [failure["observed"] for one in results["records"] for failure in one["failures"]]
    assert any(observed in text for text in seen), json.dumps(seen, indent=1)
