"""The golden recordings of JuiceFS 1.4.1 in the form of protocol §7 (see the golden data's README)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from .form import ANY, Json, Step, Trace

PLACEHOLDERS = frozenset({"HOST", "IPADDR", "PID", "MOUNTTIME", "EXPIRE", "1.4.1+unknown"})
"""What a recording writes for values of its own machine and version."""

RECORDER = {"mount_point": "/mnt/golden", "delete_slice": "record", "compact_chunk": "record"}
"""How the recorded clients were configured where the recording does not say otherwise."""

RECORDED_DEFAULTS: dict[str, dict[str, Json]] = {
    "lookup": {"check_permission": True},
    "summary": {"recursive": True, "strict": True},
    "scan_deleted": {"kinds": ["trash_slices", "pending_slices", "trash_files", "pending_files"]},
}
"""Parameters that the recorder took for given where a recording leaves them out."""

INTERNAL = {"x_load_quotas": "refresh", "x_flush_quotas": "settle", "x_cleanup_slices": "slices_cleanup"}
"""What the recorder called inside the engine, and the method of the protocol that does it."""


def from_recording(document: Json) -> Trace:
    """The trace of a golden recording."""
    trace = document["trace"]
    steps = [Step(one["client"], one["method"], one["params"], one["result"]) for one in trace["steps"]]
    return Trace(
        document["name"],
        trace["volume"],
        {name: {**RECORDER, **config} for name, config in trace["clients"].items()},
        [_from_recording(step) for step in steps],
        document.get("keyspace"),
        document.get("volatile", []),
    )


def _from_recording(step: Step) -> Step:
    """A recorded step in the protocol's form (see the golden data's README)."""
    result = step.result
    if "crash" in result:
        result = ANY
    elif "error" in result:
        result = _outcome_of(result["error"]["message"])
    elif "existing" in result:
        result = {"errno": result["errno"], "node": result["existing"]}
    elif "errno" in result:
        result = {"errno": result["errno"]}
    elif step.method in PLAINER:
        result = {"ok": PLAINER[step.method](result["ok"])}
    method = INTERNAL.get(step.method, step.method)
    params = {**RECORDED_DEFAULTS.get(method, {}), **step.params}
    if params.get("type") == "all":
        del params["type"]
    return Step(step.client, method, params, _without_placeholders(result))


def _outcome_of(message: str) -> dict[str, Json]:
    """What the recorder took for a failure in words: a crash, an errno by its text, or a refusal."""
    if message.startswith("panic"):
        return ANY
    named = {os.strerror(number).lower(): name for number, name in errno.errorcode.items()}
    return {"errno": named[message]} if message in named else {"refused": ""}


PLAINER: dict[str, Callable[[Json], Json]] = {
    # What was asked for, where the protocol answers what is stored, usage included.
    "quota_set": lambda quotas: {
        key: {name: value for name, value in quota.items() if not name.startswith("used_")}
        for key, quota in quotas.items()
    },
    "scan_deleted": lambda kinds: {kind: found or [] for kind, found in kinds.items()},
    "events": lambda events: [
        {name: value for name, value in event.items() if name != "tier"} for event in events
    ],
}
"""Recorded answers that say more, or less plainly, what the protocol's do."""


def _without_placeholders(value: Json) -> Json:
    if isinstance(value, dict):
        named = {"pid" if name == "process_id" else name: one for name, one in value.items()}
        return {name: _without_placeholders(one) for name, one in named.items()}
    if isinstance(value, list) and value != ["IPADDR"]:
        return [_without_placeholders(one) for one in value]
    return ANY if value == ["IPADDR"] or (isinstance(value, str) and value in PLACEHOLDERS) else value
