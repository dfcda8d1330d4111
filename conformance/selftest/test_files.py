"""Files that are written whole or not at all, and what is no file."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from metaparity.drivers.files import BUFFER, reading, replacing


def written(path: Path | str, data: bytes = b"new") -> None:
    with replacing(str(path)) as out:
        out.write(data)


def test_an_older_file_stays_until_the_end(tmp_path: Path) -> None:
    """Nothing of the new one is seen before, and nothing is left of it when it fails."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(str(path)) as out:
        out.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with suppress(ZeroDivisionError), replacing(str(path)) as out:
        out.write(b"newer")
        raise ZeroDivisionError
    assert path.read_bytes() == b"new"
    assert [*tmp_path.iterdir()] == [path]


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """What only its owner may read is not for everybody now."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o640)
    with replacing(str(path)) as out:
        out.write(b"new")
        assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o640}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays(tmp_path: Path, there: bool) -> None:
    """What it leads to is replaced, or made."""
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    written(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["pipe", "pipe.gz"])
def test_a_pipe_is_written_to(tmp_path: Path, name: str) -> None:
    """It is still there, and whoever reads it gets the bytes."""
    path = tmp_path / name
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    written(path)
    reader.join(timeout=10)
    assert [gzip.decompress(one) if name.endswith(".gz") else one for one in got] == [b"new"]
    assert path.is_fifo()


@pytest.mark.parametrize("name", ["pipe", "pipe.gz"])
def test_a_pipe_gets_no_more_when_it_fails(tmp_path: Path, name: str) -> None:
    """Half of a file does not look like a whole one, and nobody waits for a reader that reads no more."""
    path = tmp_path / name
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with suppress(ZeroDivisionError), replacing(str(path)) as out:
        out.write(os.urandom(1000))
        raise ZeroDivisionError
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_what_is_not_open() -> None:
    """A number of no open file is said to be none, however large."""
    for name in ("/dev/fd/999999", f"/dev/fd/{1 << 80}"):
        with pytest.raises(OSError, match=r"Bad file descriptor|No such file"):
            written(name)


def test_a_pipe_of_packed_bytes(tmp_path: Path) -> None:
    """It is unpacked though its name does not tell."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(gzip.compress(b"new")))
    writer.start()
    with reading(str(tmp_path / "pipe")) as stream:
        assert stream.read() == b"new"
    writer.join()


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no /dev/stdout")
def test_standard_output_is_written_to(tmp_path: Path) -> None:
    """By its name it is a file like any other, and no file is put in its place."""
    before = os.lstat("/dev/stdout")
    step = "with replacing('/dev/stdout') as out: out.write(b'new')"
    program = f"from metaparity.drivers.files import replacing\n{step}"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"new"
    path = tmp_path / "out"
    with path.open("wb", buffering=0) as file:
        file.write(b"before ")
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
        file.write(b" after")
    assert path.read_bytes() == b"before new after"
    assert os.lstat("/dev/stdout").st_ino == before.st_ino


def test_two_at_once_to_one_path(tmp_path: Path) -> None:
    """One of the two is there at the end, whole."""
    path = tmp_path / "file"
    with replacing(str(path)) as one, replacing(str(path)) as other:
        one.write(b"one" * 100_000)
        other.write(b"other" * 100_000)
    assert path.read_bytes() == b"one" * 100_000
    assert [*tmp_path.iterdir()] == [path]


def test_a_name_as_long_as_any(tmp_path: Path) -> None:
    """The name that it has until then is no longer."""
    written(tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("size", [3, BUFFER, 3 * BUFFER], ids=["when-synced", "when-packed", "when-written"])
@pytest.mark.parametrize("name", ["full", "full.gz"])
def test_a_device_without_room(tmp_path: Path, name: str, size: int) -> None:
    """The error tells it, at whichever step the bytes find no room."""
    path = tmp_path / name
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        written(path, os.urandom(size))
    assert raised.value.filename == str(path)


def test_packed_without_saying_so(tmp_path: Path) -> None:
    """A compressed file whose name does not tell is not taken for a damaged one."""
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"new"))
    with pytest.raises(OSError, match=r"it is gzipped: .*\.gz") as raised, reading(str(path)):
        pass
    assert raised.value.filename == str(path)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", FileNotFoundError),
        ("folder", IsADirectoryError),
        ("folder/", IsADirectoryError),
        ("new/", IsADirectoryError),
        ("none/file", FileNotFoundError),
        ("file/file", NotADirectoryError),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[OSError]
) -> None:
    """The error tells the path that was asked for, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(error) as raised:
        written(name)
    assert raised.value.filename == name
    assert {entry.name for entry in tmp_path.iterdir()} == {"folder", "file"}
