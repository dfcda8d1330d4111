"""The two JSON values: the settings of a volume and what a session says of itself (S5.7, S2.12)."""

from __future__ import annotations

import json
import re
from typing import Any

from ...types import Format, SessionInfo
from .corrupt import CorruptValue

FORMAT_FIELDS = (
    "Name",
    "UUID",
    "Storage",
    "StorageClass",
    "Tiers",
    "Bucket",
    "AccessKey",
    "SecretKey",
    "SessionToken",
    "BlockSize",
    "Compression",
    "Shards",
    "HashPrefix",
    "Capacity",
    "Inodes",
    "EncryptKey",
    "EncryptAlgo",
    "KeyEncrypted",
    "UploadLimit",
    "DownloadLimit",
    "TrashDays",
    "MetaVersion",
    "MinClientVersion",
    "MaxClientVersion",
    "DirStats",
    "UserGroupQuota",
    "EnableACL",
    "RangerRestUrl",
    "RangerService",
    "ChangeLog",
    "ChangeLogMaxAge",
    "ChangeLogMaxLines",
    "KerbConf",
)
"""The known settings in the order in which they are stored (S5.7)."""

ALWAYS: dict[str, Any] = {
    "Name": "",
    "UUID": "",
    "Storage": "",
    "Tiers": None,
    "Bucket": "",
    "BlockSize": 0,
    "Compression": "",
    "TrashDays": 0,
    "EnableACL": False,
}
"""What is stored of a setting that is written even when it has no value."""

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
SESSION_FIELDS = ("Version", "HostName", "IPAddrs", "MountPoint", "MountTime", "ProcessID")


def _go(text: str) -> str:
    """JSON text as Go writes it: some characters that need no escape get one."""
    return re.sub("[<>&\u2028\u2029]", lambda found: ESCAPED[found[0]], text)


def _object(what: str, value: bytes) -> dict[str, Any]:
    try:
        document = json.loads(value)
    except ValueError as error:
        raise CorruptValue(f"{what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CorruptValue(f"{what} is not a JSON object")
    return document


def encode_format(format: Format) -> bytes:
    """The settings as stored: a field a line in the known order, unknown fields last.  Source: S5.7."""
    fields = {}
    for name in FORMAT_FIELDS:
        if format.get(name):
            fields[name] = format[name]
        elif name in ALWAYS:
            fields[name] = ALWAYS[name]
    fields |= {name: value for name, value in format.items() if name not in FORMAT_FIELDS}
    text = json.dumps(fields, indent=0, ensure_ascii=False)
    return _go(text).encode("utf-8", "surrogateescape")


def decode_format(value: bytes) -> Format:
    """The settings, unknown fields too; a field that is null counts as absent.  Raises `CorruptValue`."""
    document = _object("the setting", value)
    return Format({name: field for name, field in document.items() if field is not None})


def with_default_tiers(format: Format) -> Format:
    """The settings as a client uses them: at least tier 0, with the storage class (N1.3)."""
    tiers = format.get("Tiers") or {"0": {"ID": 0, "StorageClass": format.get("StorageClass", ""), "Tag": ""}}
    known = {**format, "Tiers": tiers}
    ordered = {name: known[name] for name in FORMAT_FIELDS if name in known}
    return Format({**ordered, **known})


def encode_session_info(info: SessionInfo) -> bytes:
    """What a session says of itself, as stored.  Source: S2.12."""
    values = (info.version, info.host, info.ip_addrs, info.mount_point, info.mount_time, info.pid)
    fields = dict(zip(SESSION_FIELDS, values, strict=True))
    if not info.ip_addrs:
        del fields["IPAddrs"]
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return _go(text).encode("utf-8", "replace")


def decode_session_info(value: bytes) -> SessionInfo:
    """What a session says of itself; unknown fields are ignored.  Raises `CorruptValue`."""
    document = _object("a session's info", value)
    info = SessionInfo()
    kinds: tuple[type, ...] = (str, str, list, str, str, int)
    names = ("version", "host", "ip_addrs", "mount_point", "mount_time", "pid")
    for field, name, kind in zip(SESSION_FIELDS, names, kinds, strict=True):
        found = document.get(field)
        if found is None:
            continue
        if not isinstance(found, kind):
            raise CorruptValue(f"{field} of a session's info is not a {kind.__name__}")
        setattr(info, name, found)
    return info


def compare_versions(left: str, right: str) -> int:
    """-1, 0 or 1 as one version is lower than, equal to or higher than the other.

    Raises `ValueError` for what is no version.  Source: S5.7.1.
    """
    a, b = _version(left), _version(right)
    return (a > b) - (a < b)


def _version(text: str) -> tuple[tuple[int, ...], bool, str]:
    numbers, _, before = text.partition("+")[0].partition("-")
    try:
        parts = tuple(int(part) for part in numbers.split("."))
    except ValueError:
        raise ValueError(f"{text!r} is not a version") from None
    return (*parts, 0, 0)[:3], not before, before
