"""Odd engines: programs that test the harness, each odd in one way; run one as `python -m` its module."""

import sys

ODD = {
    "always_ok": "answers every call with an empty ok",
    "always_eio": "refuses every call with EIO",
    "late": "answers every call of the name space after three seconds",
    "out_of_order": "answers overlapping calls in reverse",
    "twice": "answers every call twice",
    "wrong_ids": "answers calls of the name space under the id of a call that was never made",
    "dies": "exits at its tenth call of the name space, with a last word on stderr",
    "never_reads": "reads nothing after the handshake and session",
    "floods_stderr": "logs a megabyte for every call",
    "huge_numbers": "counts inodes down from 2^64-1",
    "odd_names": "lists names that are not UTF-8",
}
"""Each odd engine with what it does."""


def command(name: str) -> str:
    """What `--driver` takes to run one."""
    return f"cmd:{sys.executable} -m {__name__}.{name}"
