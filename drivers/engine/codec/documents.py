"""The two JSON values: the settings of a volume and what a session says of itself (S5.7, S2.12)."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from ...types import Format, SessionInfo
from .corrupt import I64, U64, CorruptValue

SETTINGS: dict[str, Any] = {
    "Name": "",
    "UUID": "",
    "Storage": "",
    "StorageClass": "",
    "Tiers": {},
    "Bucket": "",
    "AccessKey": "",
    "SecretKey": "",
    "SessionToken": "",
    "BlockSize": 0,
    "Compression": "",
    "Shards": 0,
    "HashPrefix": False,
    "Capacity": 0,
    "Inodes": 0,
    "EncryptKey": "",
    "EncryptAlgo": "",
    "KeyEncrypted": False,
    "UploadLimit": 0,
    "DownloadLimit": 0,
    "TrashDays": 0,
    "MetaVersion": 0,
    "MinClientVersion": "",
    "MaxClientVersion": "",
    "DirStats": False,
    "UserGroupQuota": False,
    "EnableACL": False,
    "RangerRestUrl": "",
    "RangerService": "",
    "ChangeLog": False,
    "ChangeLogMaxAge": 0,
    "ChangeLogMaxLines": 0,
    "KerbConf": "",
}
"""The zero of each known setting, in the order in which they are stored (S5.7)."""

FORMAT_FIELDS = tuple(SETTINGS)
"""The names of the known settings, in the order in which they are stored."""

ALWAYS = {"Name", "UUID", "Storage", "Tiers", "Bucket", "BlockSize", "TrashDays", "EnableACL"}
"""The settings that are stored even when they are zero."""

TIER: dict[str, Any] = {"ID": 0, "StorageClass": "", "Tag": ""}
"""The zero of each field of a storage tier."""

SESSION: dict[str, Any] = {
    "Version": "",
    "HostName": "",
    "IPAddrs": [],
    "MountPoint": "",
    "MountTime": "",
    "ProcessID": 0,
}
"""The zero of each field of a session's info, in the order in which they are stored (L3.3)."""

NO_TIME = "0001-01-01T00:00:00Z"
"""How the absence of a mount time is stored and shown."""

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
VERSION = re.compile(r"(\d{1,20})(?:\.(\d{1,20}))?(?:\.(\d{1,20}))?", re.ASCII)
SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"
ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


# -- JSON as Go reads and writes it ------------------------------------------------------------------


def _escape(found: re.Match[str]) -> str:
    """The escape of one character: bytes that are no text become U+FFFD."""
    code = ord(found[0])
    return f"\\u{0xFFFD if 0xD800 <= code <= 0xDFFF else code:04x}"


def json_text(document: Any, **layout: Any) -> str:
    """JSON text with the escapes of Go: some characters that need none get one."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, **layout)
    return ESCAPED.sub(_escape, text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _document(what: str, value: bytes) -> Any:
    """The document in JSON text, in which what is no text counts as U+FFFD."""
    text = SURROGATE.sub(REPLACEMENT, value.decode("utf-8", "surrogateescape"))
    try:
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if "\\u" in text:  # which may have spelled half a surrogate pair
            document = json.loads(SURROGATE.sub(REPLACEMENT, json.dumps(document, ensure_ascii=False)))
    except (ValueError, RecursionError) as error:
        raise CorruptValue(f"{what} is not JSON: {error}") from None
    return document


def _known(what: str, fields: Iterable[tuple[str, Any]], zeros: dict[str, Any]) -> dict[str, Any]:
    """The fields that are there: a known one is known in any case, and null is its absence.

    Raises `ValueError` when a known field is of another kind than its zero.
    """
    names = {name.lower(): name for name in zeros}
    found = {}
    for spelled, value in fields:
        name = names.get(spelled.lower())
        if name is None:
            found[spelled] = value
        elif value is not None:
            _require_kind(f"{name} of {what}", value, zeros[name])
            found[name] = value
    return found


def _require_kind(what: str, value: Any, zero: Any) -> None:
    kind = type(zero)
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(zero, bool):
        raise ValueError(f"{what} is not of the kind {kind.__name__}")
    if kind is int and not I64[0] <= value <= U64[1]:
        raise ValueError(f"{what} does not fit 64 bits")


# -- the settings ------------------------------------------------------------------------------------


def _settings(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    settings = _known("the setting", fields, SETTINGS)
    if "Tiers" in settings:
        settings["Tiers"] = {id: _tier(id, settings["Tiers"][id]) for id in sorted(settings["Tiers"])}
    return settings


def _tier(id: str, tier: Any) -> dict[str, Any]:
    what = f"tier {id} of the setting"
    _require_kind(what, tier, {})
    return TIER | _known(what, tier.items(), TIER)


def format_fields(format: Format) -> dict[str, Any]:
    """The settings that are written down: the known ones in their order, without zeros, unknown ones last.

    Raises `ValueError` for a known field of the wrong kind.  Source: S5.7, L4.2.
    """
    given = _settings(format.items())
    fields = {}
    for name, zero in SETTINGS.items():
        if name == "Tiers":
            fields[name] = given.get(name)
        elif given.get(name) or name in ALWAYS:
            fields[name] = given.get(name, zero)
    unknown = {name: value for name, value in given.items() if name not in SETTINGS}
    return fields | unknown


def encode_format(format: Format) -> bytes:
    """The settings as stored: a field a line.

    Raises `ValueError` for a known field of the wrong kind.  Source: S5.7, S9.4.12.
    """
    return json_text(format_fields(format), indent=0).encode()


def decode_format(value: bytes) -> Format:
    """The settings, unknown fields too; a known field that is null counts as absent.

    Raises `CorruptValue` for what is no JSON object, or has a known field of the wrong kind.  Source: S5.7.
    """
    document = _document("the setting", value)
    if not isinstance(document, dict):
        raise CorruptValue("the setting is not a JSON object")
    try:
        return Format(_settings(document.items()))
    except ValueError as misfit:
        raise CorruptValue(str(misfit)) from None


def with_default_tiers(format: Format) -> Format:
    """The settings as a client uses them: without tiers, there is tier 0 with the storage class (N1.3)."""
    tiers = format.get("Tiers")
    if tiers is None:
        tiers = {"0": TIER | {"StorageClass": format.get("StorageClass") or ""}}
    known = {**format, "Tiers": tiers}
    ordered = {name: known[name] for name in FORMAT_FIELDS if name in known}
    return Format({**ordered, **known})


# -- sessions ----------------------------------------------------------------------------------------


def encode_session_info(info: SessionInfo) -> bytes:
    """What a session says of itself, as stored.  Raises `ValueError` for a bad mount time.  Source: S2.12."""
    mount_time = info.mount_time or NO_TIME
    _require_time(mount_time)
    values = (info.version, info.host, info.ip_addrs, info.mount_point, mount_time, info.pid)
    fields = dict(zip(SESSION, values, strict=True))
    if not info.ip_addrs:
        del fields["IPAddrs"]
    return json_text(fields, separators=(",", ":")).encode()


def decode_session_info(value: bytes | None) -> SessionInfo:
    """What a session says of itself; unknown fields are ignored, an absent info says nothing.

    Raises `CorruptValue`.  Source: S2.12, L3.11.
    """
    document = None if value is None else _document("a session's info", value)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise CorruptValue("a session's info is not a JSON object")
    try:
        return _session_info(document)
    except ValueError as misfit:
        raise CorruptValue(str(misfit)) from None


def _session_info(document: dict[str, Any]) -> SessionInfo:
    known = _known("a session's info", document.items(), SESSION)
    fields = SESSION | {"MountTime": NO_TIME} | known
    _require_time(fields["MountTime"])
    addresses = ["" if address is None else address for address in fields["IPAddrs"]]
    for address in addresses:
        _require_kind("an address in a session's info", address, "")
    return SessionInfo(
        version=fields["Version"],
        host=fields["HostName"],
        ip_addrs=addresses,
        mount_point=fields["MountPoint"],
        mount_time=fields["MountTime"],
        pid=fields["ProcessID"],
    )


def _require_time(text: str) -> None:
    if not _is_time(text):
        raise ValueError(f"the mount time of a session is not a time of RFC 3339: {text[:40]!r}")


def _is_time(text: str) -> bool:
    try:
        return bool(RFC3339.fullmatch(text) and datetime.datetime.fromisoformat(text))
    except ValueError:
        return False


def session_time(moment: datetime.datetime) -> str:
    """A moment in UTC as a session tells it: fractions of a second without zeros at their end (S2.12)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"


# -- versions ----------------------------------------------------------------------------------------


def compare_versions(left: str, right: str) -> int:
    """-1, 0 or 1 as one version is lower than, equal to or higher than the other.

    A version with a pre-release part is lower than the one without; a build part does not count.
    Raises `ValueError` for what is no version.  Source: S5.7.1.
    """
    a, b = _version(left), _version(right)
    return (a > b) - (a < b)


def _version(text: str) -> tuple[list[int], bool, str]:
    numbers, _, before = text.partition("+")[0].partition("-")
    found = VERSION.fullmatch(numbers)
    if not found:
        raise ValueError(f"{text!r} is not a version: it takes the form 1.2.3 or 1.2.3-beta1")
    return [int(part or 0) for part in found.groups()], not before, before
