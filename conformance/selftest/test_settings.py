"""The settings of a volume as text, against recordings of the released engine (S5.7)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from metaparity.drivers.engine import codec
from metaparity.drivers.types import Format, SessionInfo

GOLDEN = files("metaparity.fixtures.golden")

ORDER = [
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
]
"""The order of the fields, as the reference gives it."""

CUT = "…"
"""What ends a value that a recording abridges."""


def documents() -> Iterator[tuple[str, Any]]:
    """The recordings that may hold settings or answers of `load`, by name."""
    for folder in ("keyspace", "vectors", "dump", "."):
        for path in sorted(GOLDEN.joinpath(folder).iterdir(), key=lambda path: path.name):
            if path.name.endswith(".json"):
                yield f"{folder}/{path.name}", json.loads(path.read_text(encoding="utf-8"))


def stored(document: Any) -> Iterator[str]:
    """The texts stored under `setting` in a recording: key-spaces, and the commands of write sets."""
    if isinstance(document, list):
        if document[:2] == ["SET", "setting"]:
            yield document[2]
        for one in document:
            yield from stored(one)
    elif isinstance(document, dict):
        setting = document.get("setting")
        if isinstance(setting, dict) and setting.get("type") == "string":
            yield setting["value"]
        for one in document.values():
            yield from stored(one)


def loaded(trace: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What `init` was given and the next `load` answered, where both are in a trace."""
    given: dict[str, Any] | None = None
    for step in trace["steps"]:
        if step["method"] == "init" and step["result"] == {"ok": {}}:
            given = step["params"]["format"]
        elif step["method"] == "load" and "ok" in step["result"] and given:
            yield given, step["result"]["ok"]
            given = None


DOCUMENTS = dict(documents())
STORED = [
    pytest.param(text, id=f"{place}-{number}")
    for place, document in DOCUMENTS.items()
    for number, text in enumerate(stored(document))
]
LOADED = [
    pytest.param(*pair, id=f"{place}-{number}")
    for place, document in DOCUMENTS.items()
    if isinstance(document, dict) and "trace" in document
    for number, pair in enumerate(loaded(document["trace"]))
]


def test_recordings_were_found() -> None:
    """The recordings hold settings of every kind."""
    assert {"keyspace", "dump", "."} == {str(param.id).partition("/")[0] for param in STORED}
    assert len(LOADED) > 90


@pytest.mark.parametrize("text", STORED)
def test_recorded_setting(text: str) -> None:
    """A stored setting is read and written again byte for byte; an abridged one is corrupt."""
    if text.endswith(CUT):
        with pytest.raises(codec.CorruptValue, match="the setting is not JSON"):
            codec.decode_format(text.encode())
    else:
        assert codec.encode_format(codec.decode_format(text.encode())) == text.encode()


@pytest.mark.parametrize(("given", "answer"), LOADED)
def test_recorded_load(given: dict[str, Any], answer: dict[str, Any]) -> None:
    """What was given to `init` is what `load` answers, with the tiers filled in, in the same order."""
    stored = codec.encode_format(Format({**given, "UUID": answer["UUID"]}))  # a second init keeps the UUID
    found = codec.with_default_tiers(codec.decode_format(stored))
    assert list(found.items()) == list(answer.items())


FULL: dict[str, Any] = {
    "Name": "n",
    "UUID": "u",
    "Storage": "s3",
    "StorageClass": "IA",
    "Tiers": {"0": {"ID": 0, "StorageClass": "IA", "Tag": ""}},
    "Bucket": "b",
    "AccessKey": "a",
    "SecretKey": "k",
    "SessionToken": "t",
    "BlockSize": 4096,
    "Compression": "lz4",
    "Shards": 2,
    "HashPrefix": True,
    "Capacity": (1 << 64) - 1,
    "Inodes": 7,
    "EncryptKey": "e",
    "EncryptAlgo": "x",
    "KeyEncrypted": True,
    "UploadLimit": 1,
    "DownloadLimit": 2,
    "TrashDays": 1,
    "MetaVersion": 1,
    "MinClientVersion": "1.1.0-A",
    "MaxClientVersion": "9",
    "DirStats": True,
    "UserGroupQuota": True,
    "EnableACL": True,
    "RangerRestUrl": "r",
    "RangerService": "s",
    "ChangeLog": True,
    "ChangeLogMaxAge": 7200,
    "ChangeLogMaxLines": 5,
    "KerbConf": "c",
}


def test_order() -> None:
    """Fields are stored in their own order, whatever the order they are given in; unknown ones last."""
    given = {"Zeta": 1, **dict(reversed(FULL.items())), "Alpha": {"b": 1, "a": None}}
    assert list(codec.FORMAT_FIELDS) == ORDER
    text = codec.encode_format(Format(given))
    assert list(json.loads(text)) == [*ORDER, "Zeta", "Alpha"]
    assert text.endswith(b'"KerbConf": "c",\n"Zeta": 1,\n"Alpha": {\n"b": 1,\n"a": null\n}\n}')
    assert dict(codec.decode_format(text)) == given


@pytest.mark.parametrize(
    "given", [{}, dict.fromkeys(ORDER), {"Shards": 0, "DirStats": False, "KerbConf": ""}]
)
def test_zero(given: dict[str, Any]) -> None:
    """Of what is zero or null, only the fields are stored that always are."""
    assert codec.encode_format(Format(given)) == (
        b'{\n"Name": "",\n"UUID": "",\n"Storage": "",\n"Tiers": null,\n"Bucket": "",\n"BlockSize": 0,\n'
        b'"TrashDays": 0,\n"EnableACL": false\n}'
    )


def test_no_tiers() -> None:
    """Null tiers count as absent, and there is tier 0 with the storage class; empty tiers stay empty."""
    absent = codec.decode_format(b'{"StorageClass": "IA", "Tiers": null}')
    assert "Tiers" not in absent
    tiers = codec.with_default_tiers(absent)["Tiers"]
    assert tiers == {"0": {"ID": 0, "StorageClass": "IA", "Tag": ""}}
    empty = codec.with_default_tiers(codec.decode_format(b'{"Tiers": {}}'))
    assert empty["Tiers"] == {}
    assert b'"Tiers": {},\n' in codec.encode_format(empty)


def test_tiers() -> None:
    """Tiers are stored by their keys, each with all its fields, those that are unknown too."""
    tiers = {"2": {"Tag": "a=b", "More": [1], "ID": 2}, "0": {}}
    text = codec.encode_format(Format({"Tiers": tiers}))
    assert text.split(b'"Bucket"')[0].split(b'"Storage": "",\n')[1] == (
        b'"Tiers": {\n"0": {\n"ID": 0,\n"StorageClass": "",\n"Tag": ""\n},\n'
        b'"2": {\n"ID": 2,\n"StorageClass": "",\n"Tag": "a=b",\n"More": [\n1\n]\n}\n},\n'
    )


def test_case_of_a_name() -> None:
    """A known field is known in any case, as Go reads it."""
    assert dict(codec.decode_format(b'{"trashdays": 3, "NAME": "x", "Other": 1}')) == {
        "TrashDays": 3,
        "Name": "x",
        "Other": 1,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("<&>", b'"\\u003c\\u0026\\u003e"'),
        ("\u2028\u2029", b'"\\u2028\\u2029"'),
        ('"\\/', b'"\\"\\\\/"'),
        ("\n\r\t\b\f\x01\x7f", b'"\\n\\r\\t\\b\\f\\u0001\x7f"'),
        ("é☃𝄞", '"é☃𝄞"'.encode()),
        ("\ufffd", '"\ufffd"'.encode()),
        ("a\udcffb\ud800", b'"a\\ufffdb\\ufffd"'),
    ],
)
def test_text_as_go_writes_it(name: str, text: bytes) -> None:
    """Some characters that need no escape get one; what is no text becomes U+FFFD."""
    assert b'{\n"Name": ' + text + b",\n" in codec.encode_format(Format({"Name": name}))
    assert b'"HostName":' + text + b"," in codec.encode_session_info(SessionInfo(host=name))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xe2\x98"', "\ufffd\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\\ud800!"', "\ufffd!"),
        (b'"\\ud834\\udd1e"', "𝄞"),
        (b'"\\\\ud800"', "\\ud800"),
    ],
)
def test_text_as_go_reads_it(text: bytes, name: str) -> None:
    """Bytes and escapes that are no text are read as U+FFFD."""
    assert codec.decode_format(b'{"Name": %s}' % text).name == name
    assert codec.decode_session_info(b'{"HostName": %s}' % text).host == name


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"Name": "x',
        b'{"Other": NaN}',
        b'{"Other": 1e999}',
        b'{"Name": 1}',
        b'{"TrashDays": "1"}',
        b'{"TrashDays": 1.0}',
        b'{"TrashDays": true}',
        b'{"Capacity": 18446744073709551616}',
        b'{"BlockSize": %s}' % (b"1" * 5000),
        b'{"DirStats": 1}',
        b'{"Tiers": []}',
        b'{"Tiers": {"0": 1}}',
        b'{"Tiers": {"0": {"ID": "0"}}}',
        b'{"Other": %s' % (b"[" * 100000),
        '{"Name": "x"}'.encode("utf-16"),
    ],
    ids=lambda text: text[:24].decode("latin-1"),
)
def test_bad_setting(text: bytes) -> None:
    """What is no JSON object, or has a known field of another kind, is corrupt."""
    with pytest.raises(codec.CorruptValue, match="the setting"):
        codec.decode_format(text)


@pytest.mark.parametrize(
    "given", [{"TrashDays": "1"}, {"Name": b"x"}, {"Tiers": {"0": None}}, {"Shards": 0.5}]
)
def test_misfit(given: dict[str, Any]) -> None:
    """A setting of the wrong kind is never stored, and the refusal is not about a stored value."""
    with pytest.raises(ValueError, match="the setting is not of the kind") as refusal:
        codec.encode_format(Format(given))
    assert not isinstance(refusal.value, codec.CorruptValue)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"IPAddrs": [1]}', "an address"),
        (b'{"IPAddrs": "1.2.3.4"}', "IPAddrs"),
        (b'{"ProcessID": true}', "ProcessID"),
        (b'{"ProcessID": 1.5}', "ProcessID"),
        (b'{"HostName": []}', "HostName"),
        (b'{"MountTime": ""}', "mount time"),
        (b'{"MountTime": "2024-02-30T00:00:00Z"}', "mount time"),
        (b'{"MountTime": "2024-01-02 03:04:05Z"}', "mount time"),
        (b'{"MountTime": "2024-01-02T03:04:05"}', "mount time"),
    ],
)
def test_bad_session(text: bytes, reason: str) -> None:
    """A field of another kind makes a session's info corrupt, and the text names it."""
    with pytest.raises(codec.CorruptValue, match=reason):
        codec.decode_session_info(text)


def test_session_without_values() -> None:
    """A session that says nothing has a time of nothing, so that every client can read it."""
    text = codec.encode_session_info(SessionInfo())
    assert text == (
        b'{"Version":"","HostName":"","MountPoint":"","MountTime":"0001-01-01T00:00:00Z","ProcessID":0}'
    )
    assert codec.decode_session_info(text) == codec.decode_session_info(None)
    assert codec.decode_session_info(b'{"IPAddrs": ["::1", null], "HostName": null}').ip_addrs == ["::1", ""]
    with pytest.raises(ValueError, match="mount time"):
        codec.encode_session_info(SessionInfo(mount_time="yesterday"))


ASCENDING = [
    "0",
    "1",
    "1.0.9",
    "1.1.0-A",
    "1.1.0-beta1",
    "1.1.0-dev",
    "1.1",
    "1.2",
    "1.10.0",
    "2.0.0-rc1",
    "2",
]


@pytest.mark.parametrize("lower", range(len(ASCENDING)))
@pytest.mark.parametrize("higher", range(len(ASCENDING)))
def test_versions(lower: int, higher: int) -> None:
    """Numbers count as numbers, then a pre-release as text; no pre-release is the highest (S5.7.1)."""
    assert codec.compare_versions(ASCENDING[lower], ASCENDING[higher]) == (lower > higher) - (lower < higher)


@pytest.mark.parametrize(
    ("left", "right"), [("1", "1.0.0"), ("1.2.3+a", "1.2.3+b-c"), ("1.2-a+x", "1.2.0-a")]
)
def test_equal_versions(left: str, right: str) -> None:
    """Missing numbers are zero, and the build part does not count."""
    assert codec.compare_versions(left, right) == codec.compare_versions(right, left) == 0


@pytest.mark.parametrize("text", ["", "x", "1.x", "-A", "1.", ".1", "1.2.3.4", "+1", " 1", "1_0", "v1", "１"])
def test_bad_version(text: str) -> None:
    """What is no version cannot be compared."""
    with pytest.raises(ValueError, match="is not a version"):
        codec.compare_versions("1.0.0", text)


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "05Z"), (800, "05.0008Z"), (120_000, "05.12Z"), (999_999, "05.999999Z")],
)
def test_session_time(microsecond: int, text: str) -> None:
    """As Go writes RFC 3339, whose dialect a session is told in."""
    moment = datetime.datetime(2026, 11, 25, 10, 4, 5, microsecond, datetime.UTC)
    assert codec.session_time(moment) == f"2026-11-25T10:04:{text}"
