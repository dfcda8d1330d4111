"""Rules of access in the keys that a history leaves, numbered by what they say.

How often a client stores the same rule, and so which number it has, is the client's own business (S2.11.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..harness.keyspaces import KEYS
from ..scenes.records import ACLS, LAYOUT

Keys = Mapping[bytes, Any]


def numbered_alike(keys: Keys) -> dict[bytes, Any]:
    """Keys by their type and value, with the rules that nodes have numbered from 1 on, in the order of their
    bytes; rules that no node has are left out."""
    rules = {int(id): rule for id, rule in keys.get(KEYS.acl, ("hash", {}))[1].items()}
    nodes = {key: blob for key, (kind, blob) in keys.items() if _is_node(key, kind)}
    used = sorted({rules[id] for blob in nodes.values() for id in _ids(blob) if id in rules})
    number = {id: used.index(rule) + 1 for id, rule in rules.items() if rule in used}
    found = {key: value for key, value in keys.items() if key not in (KEYS.acl, KEYS.acl_max_id)}
    for key, blob in nodes.items():
        if len(blob) >= LAYOUT.size + ACLS.size:
            ids = ACLS.pack(*(number.get(id, id) for id in _ids(blob)))
            found[key] = ("string", blob[: LAYOUT.size] + ids + blob[LAYOUT.size + ACLS.size :])
    if used:
        found[KEYS.acl] = ("hash", {b"%d" % id: rule for id, rule in enumerate(used, 1)})
    return found


def _is_node(key: bytes, kind: str) -> bool:
    return kind == "string" and KEYS.parse(key).kind == "attr"


def _ids(blob: bytes) -> Iterator[int]:
    """The numbers of the rules of a node."""
    if len(blob) >= LAYOUT.size + ACLS.size:
        yield from ACLS.unpack_from(blob, LAYOUT.size)
