"""Interim."""
from __future__ import annotations
import json, struct, datetime
from ..types import *
from typing import Any

class CorruptValue(ValueError):
    pass

_H = struct.Struct(">BHIIqIqIqIIQI")
def encode_attr(a: Attr) -> bytes:
    out = _H.pack(a.flags, a.type << 12 | a.mode & 0xfff, a.uid, a.gid, *a.atime, *a.mtime, *a.ctime, a.nlink, a.length, a.rdev) + struct.pack(">Q", a.parent)
    if (a.access_acl + a.default_acl) & 0xffffffff: out += struct.pack(">II", a.access_acl, a.default_acl)
    if a.tier: out += bytes([a.tier])
    return out + b"\0"
def decode_attr(b: bytes) -> Attr:
    f, tm, uid, gid, a, an, m, mn, c, cn, nl, ln, rd = _H.unpack_from(b)
    r = Attr(f, tm >> 12, tm & 0xfff, uid, gid, rd, (a, an), (m, mn), (c, cn), nl, ln)
    rest = b[63:]
    if len(rest) >= 8: r.parent = int.from_bytes(rest[:8]); rest = rest[8:]
    if len(rest) >= 8: r.access_acl, r.default_acl = struct.unpack(">II", rest[:8]); rest = rest[8:]
    if rest: r.tier = rest[0]
    return r
def encode_entry(t: int, i: int) -> bytes: return struct.pack(">BQ", t, i)
def decode_entry(b: bytes) -> tuple[int, int]: return struct.unpack(">BQ", b)
def aligned(n: int) -> int: return -(-n // 4096) * 4096 if n else 4096
def slice_ref_field(i, s): return b"k%d_%d" % (i, s)
def delfile_member(i, l): return b"%d:%d" % (i, l)
def decode_slices(rs): return [Slice(*struct.unpack(">IQIII", r)) for r in rs]
def parse_lock_field(f): a, b = f.split(b"_"); return int(a), int(b, 16)
def decode_plocks(v): return [LockRecord(*r) for r in struct.iter_unpack(">IIQQ", v)]
def encode_session_info(i): return json.dumps({"Version": i.version, "HostName": i.host, "IPAddrs": i.ip_addrs, "MountPoint": i.mount_point, "MountTime": i.mount_time, "ProcessID": i.pid}, separators=(",", ":")).encode()
def decode_session_info(b):
    d = json.loads(b); return SessionInfo(d.get("Version", ""), d.get("HostName", ""), d.get("IPAddrs", []), d.get("MountPoint", ""), d.get("MountTime", ""), d.get("ProcessID", 0))
FORMAT_FIELDS = "Name UUID Storage StorageClass Tiers Bucket AccessKey SecretKey SessionToken BlockSize Compression Shards HashPrefix Capacity Inodes EncryptKey EncryptAlgo KeyEncrypted UploadLimit DownloadLimit TrashDays MetaVersion MinClientVersion MaxClientVersion DirStats UserGroupQuota EnableACL RangerRestUrl RangerService ChangeLog ChangeLogMaxAge ChangeLogMaxLines KerbConf".split()
ALWAYS = {"Name", "UUID", "Storage", "Bucket", "BlockSize", "Compression", "TrashDays", "EnableACL", "Tiers"}
def encode_format(f):
    d = {n: f.get(n) for n in FORMAT_FIELDS if n in ALWAYS or f.get(n)}
    return json.dumps(d, indent=0).encode()
def decode_format(b):
    d = json.loads(b)
    return Format({k: v for k, v in d.items() if v is not None})
def with_default_tiers(f):
    t = f.get("Tiers") or {"0": {"ID": 0, "StorageClass": f.get("StorageClass", ""), "Tag": ""}}
    return Format({n: ({**f, "Tiers": t})[n] for n in FORMAT_FIELDS if n in {**f, "Tiers": t}})
def decode_counter(v): return int(v) if v is not None else 0
def trash_name(p, i, n): return (b"%d-%d-" % (p, i) + n)[:255]
def hour_name(s): return datetime.datetime.fromtimestamp(s, datetime.UTC).strftime("%Y-%m-%d-%H").encode()
def compare_versions(a, b):
    def k(v):
        v, _, pre = v.partition("+")[0].partition("-"); return tuple(map(int, v.split("."))), pre or "\x7f"
    return (k(a) > k(b)) - (k(a) < k(b))
