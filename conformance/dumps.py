"""`metaparity dump`, `load`, `backup`, `restore` and `inspect`: the metadata of a volume as a file."""

from __future__ import annotations

import argparse
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from metaparity.drivers.api import Engine
from metaparity.drivers.engine.core import Core
from metaparity.drivers.engine.dumpfile import DumpFile
from metaparity.drivers.engine.inventory import Inventory, inventoried
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.segments import BackupFile
from metaparity.drivers.engine.survey import Survey, surveyed
from metaparity.drivers.engine.volume import check_client
from metaparity.drivers.errors import Mistake, Refused
from metaparity.drivers.files import is_gzip, reading
from metaparity.drivers.types import ROOT_INODE, FileType, Format

from .harness.exits import ENVIRONMENT, USAGE, complain
from .harness.numbers import MOST_THREADS, numbers
from .opened import blame, check_url, on_volume, progress

FAULTY = 1
"""The exit code for a file that is no whole dump or backup."""

PIECE = 1 << 20
SECRETS = ("SecretKey", "SessionToken", "EncryptKey")


def dump(options: argparse.Namespace) -> int:
    """Write a JSON dump; returns the exit code.  Raises `BadArgument`, and `Mistake` for no directory."""
    if options.subdir == "":
        raise Mistake("--subdir '' names no directory: leave it out for the whole volume, or say /")
    threads = _threads(options)

    def write(engine: Engine) -> None:
        engine.load()
        root = 0 if options.subdir is None else _inode(engine, options.subdir)
        engine.dump(options.file, root, options.keep_secret, skip_trash=options.skip_trash, threads=threads)

    return _on_engine(options, write)


def backup(options: argparse.Namespace) -> int:
    """Write a binary backup; returns the exit code.  Raises `BadArgument`."""
    threads = _threads(options)

    def write(engine: Engine) -> None:
        engine.load()
        engine.backup(options.file, threads, options.keep_secret)

    return _on_engine(options, write)


def _threads(options: argparse.Namespace) -> int:
    """How many threads are asked for, 0 for as many as pay."""
    return numbers("--threads", options.threads, int, 1, MOST_THREADS, 1)[0] if options.threads else 0


def load(options: argparse.Namespace) -> int:
    """Fill an empty database from a JSON dump, or only look at the file; returns the exit code."""
    if options.dry_run:
        return _dry_run(options, Survey())
    return _on_engine(options, lambda engine: engine.load_dump(options.file))


def restore(options: argparse.Namespace) -> int:
    """Fill an empty database from a binary backup, or only look at the file; returns the exit code."""
    if options.dry_run:
        return _dry_run(options, Inventory())
    return _on_engine(options, lambda engine: engine.restore(options.file))


def inspect(options: argparse.Namespace) -> int:
    """Show what is in a file of either kind; returns the exit code: 1 when something is wrong with it."""
    path = options.file
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return complain(f"{path} is no file: inspect reads it twice", USAGE)
        with reading(path) as stream:
            found = Survey() if stream.read(PIECE).lstrip().startswith(b"{") else Inventory()
        raw = Path(path)
        print(f"file       {path}, {raw.stat().st_size} bytes{', gzip' if is_gzip(path) else ''}")
        print(f"sha256     {_digest(raw)}")
        fault = _fault(path, found)
    except (OSError, EOFError) as failure:
        return _unreadable(path, failure)
    for title, text in _facts(found):
        print(f"{title:<11}{text}")
    try:
        check_client(found.format)
    except Refused as refused:
        print(f"{'refused':<11}{refused}")
    print(f"{'fault':<11}{fault or 'none: the file is whole'}")
    return FAULTY if fault else 0


def _inode(engine: Engine, path: str) -> int:
    """The directory at a path of the volume.  Raises `Refused`."""
    inode = ROOT_INODE
    try:
        for name in filter(None, os.fsencode(path).split(b"/")):
            inode = engine.lookup(inode, name).inode
    except OSError as refused:
        raise Refused(f"there is no directory {path} in the volume: {refused.strerror}") from refused
    if engine.getattr(inode).type != FileType.DIRECTORY:
        raise Refused(f"{path} is no directory: a dump is of one, or of the volume")
    return inode


# -- what all of them do -------------------------------------------------------------------------------


def _on_engine(options: argparse.Namespace, act: Callable[[Engine], object]) -> int:
    """Do something with a client of the volume at a URL, and say what went wrong if it did."""

    def telling(engine: Engine) -> int:
        try:
            with progress() as tell:
                if isinstance(engine, Core):
                    engine.tell, engine.checks_backups = tell, True
                act(engine)
        except BadFile as bad:
            return complain(f"{options.file}: {bad}: nothing was written", FAULTY)
        return 0

    return on_volume(options.url, telling)


def _unreadable(path: str, failure: OSError | EOFError) -> int:
    """Say why a file cannot be read; returns the exit code."""
    if isinstance(failure, OSError) and failure.strerror:
        return complain(f"{path} cannot be read: {failure.strerror}", blame(failure))
    return complain(f"{path} cannot be read: {failure}", FAULTY)


def _dry_run(options: argparse.Namespace, found: Survey | Inventory) -> int:
    """Look at a file as a load does before it writes; no server is asked.  Raises `Mistake` for the URL."""
    path = options.file
    check_url(options.url)
    try:
        fault = _fault(path, found)
        if not fault:
            check_client(found.format)
    except (OSError, EOFError) as failure:
        return _unreadable(path, failure)
    except Refused as refused:
        return complain(refused, ENVIRONMENT)
    if fault:
        return complain(f"{path}: {fault}", FAULTY)
    print(f"{path} is whole: {dict(_facts(found))['holds']}")
    return 0


def _fault(path: str, found: Survey | Inventory) -> str:
    """The first thing that is wrong with a file; what is told until then is in `found`."""
    with reading(path) as stream, progress() as tell:
        try:
            if isinstance(found, Survey):
                for _ in surveyed(DumpFile(stream).events(), found):
                    tell(*found.progress)
            else:
                for _ in inventoried(BackupFile(stream), found):
                    tell(*found.progress)
        except BadFile as bad:
            return str(bad)
    return ""


def _facts(found: Survey | Inventory) -> Iterator[tuple[str, str]]:
    """What a file says, a line for each subject."""
    format = found.format
    if isinstance(found, Survey):
        yield "kind", "JSON dump (version 1)"
    else:
        yield "kind", "binary backup (version 2; its segments are of version 1)"
    yield from _settings(format)
    if isinstance(found, Survey):
        yield (
            "holds",
            ", ".join(f"{kind} {number}" for kind, number in sorted(found.kinds.items())) or "nothing",
        )
        yield "trash", "told" if found.has_trash else "not told"
        yield "linked", f"{len(found.links)} nodes with several names"
        counted = {"usedSpace": found.space, "usedInodes": found.inodes}
        for name, value in found.counters.items():
            more = f" (counted: {counted[name]})" if counted.get(name, value) != value else ""
            yield "counter", f"{name} {value}{more}"
        return
    infos = sorted(found.infos.items())
    yield "holds", ", ".join(f"{name} {info.number}" for name, info in infos) or "nothing"
    for name, info in infos:
        yield "segments", f"{name}: {len(info.offsets)}, the first at byte {info.offsets[0]}"
    for name, value in found.counters.items():
        yield "counter", f"{name} {value}"


def _settings(format: Format) -> Iterator[tuple[str, str]]:
    if not format:
        yield "volume", "not told"
        return
    yield "volume", f"{format.name}, UUID {format.uuid}"
    lowest, highest = format.get("MinClientVersion") or "any", format.get("MaxClientVersion") or "any"
    yield "versions", f"metadata {format.meta_version}, clients from {lowest} to {highest}"
    told = [name for name in SECRETS if format.get(name) not in (None, "", "removed")]
    yield "secrets", ", ".join(told) or "none"


def _digest(path: Path) -> str:
    """The SHA-256 of a file as it lies there."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
