"""The primitives of a metadata engine, one method each (driver protocol §5).

An engine overrides what it offers.  What it leaves alone raises `Unsupported` (an `OSError` with
ENOTSUP), and the capability behind it must not be declared.

Common to all methods: `inode` and `parent` are inode numbers (1 is the root of the session), `name` is
one path component, `ctx` is who calls.  Every method may raise `OSError` with EIO (server or
connection failure, unknown outcome), ENOSPC (server out of memory) or EINTR (cancelled); every
mutator raises EROFS on a read-only client (M2).  "Raises" lists what the method refuses by its own rule,
in the order of evaluation; the clause named under "Source" has the conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from .errors import Unsupported
from .types import (
    ROOT,
    AclType,
    Attr,
    CacheStats,
    Cloned,
    Context,
    Copied,
    DirStat,
    Entry,
    Event,
    FallocateMode,
    Format,
    Lock,
    Locks,
    LockType,
    Node,
    OpenFlag,
    Quota,
    QuotaType,
    RenameFlag,
    Rule,
    Session,
    SetAttr,
    Slice,
    StatFS,
    Summary,
    Time,
    Tree,
)

F = TypeVar("F", bound=Callable[..., Any])

CAPABILITIES: dict[str, str] = {
    "volume": "format, settings, life of a client",
    "session": "registration, expiry and cleanup of clients",
    "namespace": "names, links, directories and attributes",
    "open": "the open-file table and unlinked-but-open files",
    "data": "slices of file content",
    "xattr": "extended attributes",
    "acl": "POSIX access control lists",
    "dirstat": "statistics of directories",
    "quota.dir": "directory quotas",
    "quota.user": "user and group quotas",
    "clone": "copies of files and trees",
    "trash": "removed nodes kept for a while",
    "flock": "BSD locks",
    "plock": "record locks",
    "maintenance": "scans, checks, repairs",
    "tokens": "opaque tokens",
    "changelog": "the log of mutations",
    "dump.json": "JSON dump and load",
    "backup.binary": "binary backup and restore",
    "cache.tracking": "server-assisted client-side caching",
    "clock": "a virtual clock",
    "lua": "server-side lookup and resolve",
    "cluster": "Redis Cluster",
    "sentinel": "Redis Sentinel",
    "tls": "TLS connections",
    "unix": "Unix sockets",
}
"""Every capability of protocol §6 with what it stands for."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """What the protocol needs to know of a method."""

    name: str
    capability: str
    source: str
    result: str | None


def primitive(capability: str, source: str, *, result: str | None = None) -> Callable[[F], F]:
    """Mark a method as a primitive.

    `result` names the one field of the protocol's answer when the Python value is not an object itself.
    """

    def mark(method: F) -> F:
        method.__dict__["primitive"] = Primitive(method.__name__, capability, source, result)
        return method

    return mark


class Engine:
    """One open client of a volume.  Methods may be called from many threads."""

    capabilities: ClassVar[frozenset[str]] = frozenset()

    # -- volume ------------------------------------------------------------------------------------

    @primitive("volume", "N1.1 N1.2")
    def init(self, format: Format, force: bool = False) -> None:
        """Format the database, or change the settings of a formatted one.

        Raises `Refused` when a setting may not change.  Source: N1.1, N1.2, S5.8.
        """
        raise Unsupported("init")

    @primitive("volume", "N1.3")
    def load(self, check_version: bool = False) -> Format:
        """Read the settings; they hold for this client from now on.

        Raises `Refused` when the database is not formatted, the settings are not JSON, or (with
        `check_version`) the volume asks for another client version.  Source: N1.3.
        """
        raise Unsupported("load")

    @primitive("volume", "N1.4")
    def reset(self) -> None:
        """Delete every key of the volume.  Source: N1.4."""
        raise Unsupported("reset")

    @primitive("volume", "N1.4")
    def shutdown(self) -> None:
        """Stop background work and close connections, flushing nothing.  Source: N1.4."""
        raise Unsupported("shutdown")

    @primitive("volume", "N38")
    def chroot(self, path: bytes, *, ctx: Context = ROOT) -> None:
        """Make a directory (created with mode 0777 where missing) the root of this client.

        Raises EACCES, ENOTDIR, and what `mkdir` raises.  Source: N38.
        """
        raise Unsupported("chroot")

    @primitive("volume", "N2.4")
    def settle(self) -> None:
        """Return when everything this client holds back is on the server.  Source: N2.4."""
        raise Unsupported("settle")

    @primitive("volume", "N1.5")
    def refresh(self) -> None:
        """Re-read what a heartbeat re-reads: settings, usage, quotas.  Source: N1.5."""
        raise Unsupported("refresh")

    @primitive("volume", "N1.6")
    def events(self) -> list[Event]:
        """What the object store was asked since the last call, in order.  Source: N1.6."""
        raise Unsupported("events")

    @primitive("clock", "protocol §6")
    def clock_set(self, now: Time) -> None:
        """Make `now` the time of this client."""
        raise Unsupported("clock_set")

    # -- sessions ----------------------------------------------------------------------------------

    @primitive("session", "N2.1 L3.2", result="sid")
    def session_new(self, record: bool = False) -> int:
        """Start working; with `record`, register and return the session id, else 0.  Source: L3.2."""
        raise Unsupported("session_new")

    @primitive("session", "N2.3 L3.15")
    def session_close(self) -> None:
        """Flush, release what the session holds, unregister it.  Source: L3.15."""
        raise Unsupported("session_close")

    @primitive("session", "L3.5")
    def session_refresh(self) -> None:
        """Postpone the expiry of this session.  Source: L3.5."""
        raise Unsupported("session_refresh")

    @primitive("session", "L3.11")
    def session_get(self, sid: int, detail: bool = False) -> Session:
        """One session; with `detail`, what it holds.  Raises `Refused` when unknown.  Source: L3.11."""
        raise Unsupported("session_get")

    @primitive("session", "L3.12")
    def session_list(self) -> list[Session]:
        """All registered sessions without detail.  Source: L3.12."""
        raise Unsupported("session_list")

    @primitive("session", "L3.7 L3.8")
    def session_cleanup(self) -> None:
        """Clean every session that has expired; one that cannot be stays for later.  Source: L3.7, L3.8."""
        raise Unsupported("session_cleanup")

    # -- namespace ---------------------------------------------------------------------------------

    @primitive("namespace", "N5")
    def lookup(
        self, parent: int, name: bytes, check_permission: bool = False, *, ctx: Context = ROOT
    ) -> Node:
        """The node of an entry.  Raises EACCES, ENOENT, ENOTDIR ("..").  Source: N5."""
        raise Unsupported("lookup")

    @primitive("namespace", "N6")
    def resolve(self, parent: int, path: bytes, force: bool = False, *, ctx: Context = ROOT) -> Node:
        """The node at a path, walked on the server.

        Raises ENOTSUP (symlink on the way, no scripts), ENOTDIR, EACCES, ENOENT.  Source: N6.
        """
        raise Unsupported("resolve")

    @primitive("namespace", "N7")
    def getattr(self, inode: int, *, ctx: Context = ROOT) -> Attr:
        """The attributes of a node.  Raises ENOENT.  Source: N7."""
        raise Unsupported("getattr")

    @primitive("namespace", "N8")
    def setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> Attr:
        """Change the attributes named by `set` to those of `attr`; returns the node's attributes.

        Raises ENOENT, EPERM, EACCES.  Source: N8.
        """
        raise Unsupported("setattr")

    @primitive("namespace", "N8.15")
    def check_setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> None:
        """Would `setattr` be allowed?  Raises ENOENT, EPERM, EACCES.  Source: N8.15."""
        raise Unsupported("check_setattr")

    @primitive("namespace", "N4")
    def access(self, inode: int, mask: int, *, ctx: Context = ROOT) -> None:
        """Check permission bits (R 4, W 2, X 1).  Raises ENOENT, EACCES.  Source: N4, R3."""
        raise Unsupported("access")

    @primitive("namespace", "N12")
    def mknod(
        self,
        parent: int,
        name: bytes,
        type: int,
        mode: int = 0,
        umask: int = 0,
        rdev: int = 0,
        target: bytes = b"",
        *,
        ctx: Context = ROOT,
    ) -> Node:
        """Make a node of any type.

        Raises EINVAL, EPERM, EEXIST (with the node for files and directories), ENOSPC, EDQUOT, ENOENT,
        ENOTDIR, EACCES.  Source: N12.
        """
        raise Unsupported("mknod")

    @primitive("namespace", "N12.8")
    def mkdir(self, parent: int, name: bytes, mode: int = 0, umask: int = 0, *, ctx: Context = ROOT) -> Node:
        """Make a directory.  Raises as `mknod`.  Source: N12.8."""
        raise Unsupported("mkdir")

    @primitive("namespace", "N12.9")
    def create(
        self,
        parent: int,
        name: bytes,
        mode: int = 0,
        umask: int = 0,
        flags: OpenFlag = OpenFlag.RDONLY,
        *,
        ctx: Context = ROOT,
    ) -> Node:
        """Make a file, or take an existing one unless EXCL; it is open afterwards.

        Raises as `mknod`.  Source: N12.9.
        """
        raise Unsupported("create")

    @primitive("namespace", "N11")
    def symlink(self, parent: int, name: bytes, target: bytes, *, ctx: Context = ROOT) -> Node:
        """Make a symbolic link.  Raises EINVAL for the target first, then as `mknod`.  Source: N11."""
        raise Unsupported("symlink")

    @primitive("namespace", "N11.3")
    def readlink(self, inode: int, *, ctx: Context = ROOT) -> bytes:
        """The target of a symbolic link.  Raises ENOENT, EINVAL, EIO.  Source: N11.3."""
        raise Unsupported("readlink")

    @primitive("namespace", "N17")
    def link(self, inode: int, parent: int, name: bytes, *, ctx: Context = ROOT) -> Attr:
        """Give a node one more name.

        Raises EPERM, EINVAL, EEXIST, ENOENT, EDQUOT, ENOTDIR, EACCES.  Source: N17.
        """
        raise Unsupported("link")

    @primitive("namespace", "N13")
    def unlink(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        """Remove a name that is not a directory.  Raises EPERM, ENOENT, EACCES.  Source: N13."""
        raise Unsupported("unlink")

    @primitive("namespace", "N14", result="count")
    def batch_unlink(
        self, parent: int, entries: Sequence[Entry], skip_trash: bool = False, *, ctx: Context = ROOT
    ) -> int:
        """Remove many names of one directory, 250 a transaction; returns how many were given.

        Raises ENOENT, ENOTDIR, EACCES, EPERM; earlier batches stay done.  Source: N14.
        """
        raise Unsupported("batch_unlink")

    @primitive("namespace", "N15")
    def rmdir(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        """Remove an empty directory.

        Raises EINVAL, ENOTEMPTY, EPERM, ENOENT, ENOTDIR, EACCES.  Source: N15.
        """
        raise Unsupported("rmdir")

    @primitive("namespace", "N16")
    def rename(
        self,
        src_parent: int,
        src_name: bytes,
        dst_parent: int,
        dst_name: bytes,
        flags: RenameFlag = RenameFlag(0),
        *,
        ctx: Context = ROOT,
    ) -> Node:
        """Move, replace or exchange names; returns the moved node.

        Raises EPERM, EINVAL, ENOTSUP, ENOENT, EEXIST, ENOTDIR, EISDIR, EACCES, ENOTEMPTY, EDQUOT.
        Source: N16.
        """
        raise Unsupported("rename")

    @primitive("namespace", "N18")
    def readdir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
        """All entries with "." and ".."; with `plus`, their attributes.

        Raises ENOENT, EACCES.  Source: N18.
        """
        raise Unsupported("readdir")

    @primitive("namespace", "N19.1", result="handle")
    def opendir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> int:
        """A handle that lists a directory in pages.  Raises ENOENT, EACCES.  Source: N19.1."""
        raise Unsupported("opendir")

    @primitive("namespace", "N19.3")
    def dir_list(self, handle: int, offset: int = 0, *, ctx: Context = ROOT) -> list[Entry]:
        """The page of entries that starts at `offset`; empty at the end.  Source: N19.3."""
        raise Unsupported("dir_list")

    @primitive("namespace", "N19.5")
    def dir_read(self, handle: int, offset: int = 0) -> None:
        """Tell the handle how far its reader came.  Source: N19.5."""
        raise Unsupported("dir_read")

    @primitive("namespace", "N19.5")
    def dir_insert(self, handle: int, inode: int, name: bytes, attr: Attr) -> None:
        """Tell the handle of a new entry.  Source: N19.5."""
        raise Unsupported("dir_insert")

    @primitive("namespace", "N19.5")
    def dir_delete(self, handle: int, name: bytes) -> None:
        """Tell the handle that an entry went.  Source: N19.5."""
        raise Unsupported("dir_delete")

    @primitive("namespace", "N19.5")
    def dir_close(self, handle: int) -> None:
        """Drop the handle's snapshot.  Source: N19.5."""
        raise Unsupported("dir_close")

    @primitive("namespace", "N26.1")
    def parents(self, inode: int, *, ctx: Context = ROOT) -> dict[int, int]:
        """How many names a node has in each directory; empty when it is missing.  Source: N26.1."""
        raise Unsupported("parents")

    @primitive("namespace", "N26.2")
    def paths(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        """Every path of a node below the root of the session.  Source: N26.2."""
        raise Unsupported("paths")

    @primitive("namespace", "N31", result="count")
    def remove(
        self,
        parent: int,
        name: bytes,
        skip_trash: bool = False,
        threads: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> int:
        """Remove a name and all below it; returns how many entries went.

        Raises EACCES, ENOENT, and what `unlink` and `rmdir` raise.  Source: N31.
        """
        raise Unsupported("remove")

    @primitive("namespace", "N32")
    def summary(
        self, inode: int, recursive: bool = False, strict: bool = False, *, ctx: Context = ROOT
    ) -> Summary:
        """What a node and the nodes below it add up to.  Raises ENOENT.  Source: N32."""
        raise Unsupported("summary")

    @primitive("namespace", "N32.4")
    def tree_summary(
        self, inode: int, depth: int = 0, top: int = 0, strict: bool = False, *, ctx: Context = ROOT
    ) -> Tree:
        """A summary by directory, `depth` levels deep, the `top` largest each.

        Raises ENOENT.  Source: N32.4.
        """
        raise Unsupported("tree_summary")

    @primitive("namespace", "N3")
    def statfs(self, inode: int = 0, *, ctx: Context = ROOT) -> StatFS:
        """Space and inodes, used and free.  Never refuses.  Source: N3."""
        raise Unsupported("statfs")

    # -- open files --------------------------------------------------------------------------------

    @primitive("open", "N20.1")
    def open_file(self, inode: int, flags: OpenFlag = OpenFlag.RDONLY, *, ctx: Context = ROOT) -> Attr:
        """Count the node as open in this client.

        Raises EROFS, ENOENT, EACCES, EPERM.  Source: N20.1.
        """
        raise Unsupported("open_file")

    @primitive("open", "N20.4")
    def close_file(self, inode: int, *, ctx: Context = ROOT) -> None:
        """Count the node as closed once; the last close of an unlinked file deletes it.

        Source: N20.4, N20.8.
        """
        raise Unsupported("close_file")

    # -- data --------------------------------------------------------------------------------------

    @primitive("data", "N21.1", result="id")
    def new_slice(self, *, ctx: Context = ROOT) -> int:
        """A slice id never used before.  Source: N21.1."""
        raise Unsupported("new_slice")

    @primitive("data", "N21")
    def write(
        self, inode: int, chunk: int, off: int, slice: Slice, mtime: Time = (0, 0), *, ctx: Context = ROOT
    ) -> None:
        """Put a slice at `off` of a chunk.  Raises ENOENT, EPERM, EDQUOT, ENOSPC.  Source: N21."""
        raise Unsupported("write")

    @primitive("data", "N22")
    def read(self, inode: int, chunk: int, *, ctx: Context = ROOT) -> list[Slice]:
        """The pieces of a chunk in order, holes included.  Raises ENOENT, EPERM, EIO.  Source: N22."""
        raise Unsupported("read")

    @primitive("data", "N23.1")
    def invalidate_chunk(self, inode: int, chunk: int) -> None:
        """Forget a cached chunk.  Source: N23.1."""
        raise Unsupported("invalidate_chunk")

    @primitive("data", "N9")
    def truncate(
        self,
        inode: int,
        flags: int = 0,
        length: int = 0,
        skip_permission: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> Attr:
        """Set the length in bytes.  Raises ENOENT, EPERM, EACCES, EDQUOT, ENOSPC.  Source: N9."""
        raise Unsupported("truncate")

    @primitive("data", "N10", result="length")
    def fallocate(
        self,
        inode: int,
        mode: FallocateMode = FallocateMode(0),
        off: int = 0,
        size: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> int:
        """Reserve, punch or zero a range; returns the length in bytes.

        Raises EINVAL, ENOTSUP, ENOENT, EPIPE, EPERM, EACCES, EDQUOT, ENOSPC.  Source: N10.
        """
        raise Unsupported("fallocate")

    @primitive("data", "N24")
    def copy_file_range(
        self,
        src: int,
        src_off: int,
        dst: int,
        dst_off: int,
        size: int,
        flags: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> Copied:
        """Copy bytes by reference.  Raises ENOENT, EINVAL, EPERM, EDQUOT, ENOSPC.  Source: N24."""
        raise Unsupported("copy_file_range")

    @primitive("data", "N33")
    def compact(self, inode: int, threads: int = 0, *, ctx: Context = ROOT) -> None:
        """Compact every chunk below a node.  Raises ENOENT.  Source: N33."""
        raise Unsupported("compact")

    @primitive("data", "N33.5")
    def compact_all(self, threads: int = 0, *, ctx: Context = ROOT) -> None:
        """Compact every chunk of the volume.  Source: N33.5."""
        raise Unsupported("compact_all")

    # -- extended attributes and ACLs --------------------------------------------------------------

    @primitive("xattr", "N28.2")
    def xattr_get(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> bytes:
        """The value of an attribute.  Raises ENODATA.  Source: N28.2."""
        raise Unsupported("xattr_get")

    @primitive("xattr", "N28.2")
    def xattr_list(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        """The names of all attributes.  Raises ENOENT.  Source: N28.2."""
        raise Unsupported("xattr_list")

    @primitive("xattr", "N28.1")
    def xattr_set(
        self, inode: int, name: bytes, value: bytes, flags: int = 0, *, ctx: Context = ROOT
    ) -> None:
        """Set an attribute; flags 1 create, 2 replace.  Raises EINVAL, EEXIST, ENODATA.  Source: N28.1."""
        raise Unsupported("xattr_set")

    @primitive("xattr", "N28.2")
    def xattr_remove(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> None:
        """Remove an attribute.  Raises EINVAL, ENODATA.  Source: N28.2."""
        raise Unsupported("xattr_remove")

    @primitive("acl", "N29.3")
    def acl_set(self, inode: int, type: AclType, rule: Rule, *, ctx: Context = ROOT) -> None:
        """Set or, with an empty rule, remove an ACL.  Raises EINVAL, EPERM, ENOENT.  Source: N29.3."""
        raise Unsupported("acl_set")

    @primitive("acl", "N29.7")
    def acl_get(self, inode: int, type: AclType, *, ctx: Context = ROOT) -> Rule:
        """An ACL.  Raises ENOENT, ENODATA.  Source: N29.7."""
        raise Unsupported("acl_get")

    # -- accounting --------------------------------------------------------------------------------

    @primitive("dirstat", "N27")
    def dirstat_get(self, inode: int, *, ctx: Context = ROOT) -> DirStat:
        """Statistics of the direct children of a directory.  Raises ENOENT.  Source: N27."""
        raise Unsupported("dirstat_get")

    @primitive("quota.dir", "N30.5")
    def quota_set(
        self,
        type: QuotaType,
        key: bytes | int,
        quota: Quota,
        strict: bool = False,
        create: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        """Set limits; `key` is a path, a uid or a gid.  Raises `Refused`.  Source: N30.5."""
        raise Unsupported("quota_set")

    @primitive("quota.dir", "N30.6")
    def quota_get(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        """A quota by its key; empty when there is none.  Source: N30.6."""
        raise Unsupported("quota_get")

    @primitive("quota.dir", "N30.6")
    def quota_delete(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        """Lift the limits.  Source: N30.6."""
        raise Unsupported("quota_delete")

    @primitive("quota.dir", "N30.7")
    def quota_list(self, type: QuotaType | None = None, *, ctx: Context = ROOT) -> dict[str, Quota]:
        """All quotas, or those of one kind.  Source: N30.7."""
        raise Unsupported("quota_list")

    @primitive("quota.dir", "N30.8")
    def quota_check(
        self,
        type: QuotaType,
        key: bytes | int,
        strict: bool = False,
        repair: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        """Compare recorded with real usage.  Raises `Refused` on a difference.  Source: N30.8."""
        raise Unsupported("quota_check")

    @primitive("quota.user", "N30.10")
    def quota_scan(self, *, ctx: Context = ROOT) -> None:
        """Count the usage of every user and group anew.  Source: N30.10."""
        raise Unsupported("quota_scan")

    # -- copies and trash --------------------------------------------------------------------------

    @primitive("clone", "N25")
    def clone(
        self,
        src_parent: int,
        src: int,
        dst_parent: int,
        dst_name: bytes,
        preserve: bool = False,
        umask: int = 0,
        threads: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> Cloned:
        """Copy a node and all below it by reference.

        Raises EPERM, ENOENT, EACCES, EEXIST, EDQUOT, ENOSPC, ENOTDIR.  Source: N25.
        """
        raise Unsupported("clone")

    @primitive("trash", "N35.1")
    def trash_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        """Remove the hour directories before a time in seconds.  Source: N35.1."""
        raise Unsupported("trash_cleanup")

    @primitive("clone", "N35.5")
    def detached_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        """Remove clones that were never attached, begun before a time in seconds.  Source: N35.5."""
        raise Unsupported("detached_cleanup")

    @primitive("maintenance", "N35.6")
    def slices_cleanup(self, *, ctx: Context = ROOT) -> None:
        """Delete slices that nothing refers to.  Source: N35.6."""
        raise Unsupported("slices_cleanup")

    # -- locks -------------------------------------------------------------------------------------

    @primitive("flock", "L1")
    def flock(
        self, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
    ) -> None:
        """Take or release a BSD lock.

        Raises EINVAL (unknown type), EBADF (session closed), EAGAIN, and EINTR while `block` has it wait.
        Source: L1.
        """
        raise Unsupported("flock")

    @primitive("plock", "L2.4")
    def setlk(
        self,
        inode: int,
        owner: int,
        block: bool,
        type: LockType,
        start: int,
        end: int,
        pid: int,
        *,
        ctx: Context = ROOT,
    ) -> None:
        """Take or release a record lock on bytes `start`..`end`.

        Raises EINVAL (unknown type, a range that ends before it starts), EBADF (session closed), EAGAIN, and
        EINTR while `block` has it wait.  Source: L2.
        """
        raise Unsupported("setlk")

    @primitive("plock", "L2")
    def getlk(
        self, inode: int, owner: int, type: LockType, start: int, end: int, *, ctx: Context = ROOT
    ) -> Lock:
        """The first lock in the way.  Raises EINVAL, as `setlk`.  Source: L2.11."""
        raise Unsupported("getlk")

    @primitive("flock", "L2")
    def locks_list(self, inode: int, *, ctx: Context = ROOT) -> Locks:
        """All locks on a node.  Raises `Refused` when one of them cannot be read.  Source: L2.14."""
        raise Unsupported("locks_list")

    # -- maintenance -------------------------------------------------------------------------------

    @primitive("maintenance", "N34.1")
    def slices_list(
        self, pending: bool = False, delete: bool = False, *, ctx: Context = ROOT
    ) -> dict[int, list[Slice]]:
        """Every slice by inode.  Source: N34.1."""
        raise Unsupported("slices_list")

    @primitive("maintenance", "N34.2")
    def scan_deleted(self, kinds: Sequence[str], before: int = 0, *, ctx: Context = ROOT) -> dict[str, Any]:
        """What waits for deletion, by kind; slices of the trash and files that wait since a time before
        `before` (seconds) are let go of.  Raises EROFS.  Source: N34.2.
        """
        raise Unsupported("scan_deleted")

    @primitive("maintenance", "N36", result="problems")
    def check(
        self,
        path: bytes,
        repair: bool = False,
        recursive: bool = False,
        sync_dir_stat: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> list[str]:
        """Check (and mend) a tree.  Source: N36."""
        raise Unsupported("check")

    @primitive("changelog", "S8.3")
    def changelog_scan(self, after: int = 0, max: int = 0) -> list[tuple[int, str]]:
        """Change-log lines after a version.  Source: S8.3."""
        raise Unsupported("changelog_scan")

    @primitive("tokens", "N40.1", result="id")
    def token_store(self, token: bytes) -> int:
        """Keep a token.  Source: N40.1."""
        raise Unsupported("token_store")

    @primitive("tokens", "N40.1")
    def token_update(self, id: int, token: bytes) -> None:
        """Replace a token.  Raises ENOENT.  Source: N40.1."""
        raise Unsupported("token_update")

    @primitive("tokens", "N40.1")
    def token_load(self, id: int) -> bytes:
        """A token by its id.  Raises ENOENT.  Source: N40.1."""
        raise Unsupported("token_load")

    @primitive("tokens", "N40.1")
    def token_delete(self, ids: Sequence[int]) -> None:
        """Drop tokens.  Source: N40.1."""
        raise Unsupported("token_delete")

    @primitive("tokens", "N40.1")
    def token_list(self) -> dict[int, bytes]:
        """All tokens.  Source: N40.1."""
        raise Unsupported("token_list")

    # -- backup ------------------------------------------------------------------------------------

    @primitive("dump.json", "L4")
    def dump(
        self,
        path: str,
        root: int = 0,
        keep_secret: bool = False,
        fast: bool = False,
        skip_trash: bool = False,
        threads: int = 0,
    ) -> None:
        """Write a JSON dump to a file.  Raises ENOENT and ENOTDIR for its root.  Source: L4."""
        raise Unsupported("dump")

    @primitive("dump.json", "L4")
    def load_dump(self, path: str) -> None:
        """Fill an empty database from a JSON dump.  Source: L4."""
        raise Unsupported("load_dump")

    @primitive("backup.binary", "L5")
    def backup(self, path: str, threads: int = 0, keep_secret: bool = False) -> None:
        """Write a binary backup to a file.  Source: L5."""
        raise Unsupported("backup")

    @primitive("backup.binary", "L5")
    def restore(self, path: str, threads: int = 0) -> None:
        """Fill an empty database from a binary backup.  Source: L5."""
        raise Unsupported("restore")

    # -- cache -------------------------------------------------------------------------------------

    @primitive("cache.tracking", "S6")
    def cache_stats(self) -> CacheStats:
        """Counters of the client-side cache.  Source: S6."""
        raise Unsupported("cache_stats")

    @primitive("cache.tracking", "S6")
    def cache_drop(self) -> None:
        """Forget everything cached.  Source: S6."""
        raise Unsupported("cache_drop")

    # -- life --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the client as a crash would: a session stays registered (protocol §3)."""


PRIMITIVES: dict[str, Primitive] = {
    name: method.primitive for name, method in vars(Engine).items() if hasattr(method, "primitive")
}
"""Every primitive by its protocol name, in the order of the protocol."""

UNREFUSABLE = frozenset({"close_file", "statfs"})
"""Primitives that answer even a caller that has given up: they never fail (N3.1, N20.4)."""
