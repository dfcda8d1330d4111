"""Round trips are counted on the wire, so the same for a driver in any language."""

from __future__ import annotations

import shutil
import socket
import threading

from metaparity.fixtures.tap import Tap

from .conftest import Run

SERVER = "local" if shutil.which("redis-server") else "embedded"


def test_the_command_prints_a_column_for_each_driver(metaparity: Run) -> None:
    ran = metaparity("roundtrips", "--driver", "redis", "--driver", "rueidis", "--server", SERVER)
    assert ran.code == 0, ran.err
    rows = {tuple(line[:44].split()): line[44:].split() for line in ran.out.splitlines()[1:-1]}
    assert rows["getattr",] == ["1", "1->0"]
    assert rows["lookup", "a", "name", "that", "is", "there"] == ["1", "1->0"]
    assert rows["close_file",] == ["0", "0"]
    assert rows["mkdir",] == ["2", "2"]
    assert "round trips on" in ran.out.splitlines()[-1]


def test_an_unknown_driver_is_a_mistake(metaparity: Run) -> None:
    ran = metaparity("roundtrips", "--driver", "rediss")
    assert ran.code == 2
    assert "unknown driver" in ran.err


def test_a_round_trip_is_a_send_that_is_answered() -> None:
    """However many pieces a question and its answer come in, they are one round trip."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                while question := connection.recv(100):
                    connection.sendall(question.upper())

        thread = threading.Thread(target=answer)
        thread.start()
        tap = Tap("127.0.0.1", listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", tap.port)) as client:
            client.sendall(b"ab")
            client.sendall(b"c")
            received = b""
            while len(received) < 3:
                received += client.recv(100)
            assert received == b"ABC"
            first = tap.trips
            client.sendall(b"d")
            assert client.recv(100) == b"D"
            assert (first in (1, 2), tap.trips - first) == (True, 1)
        tap.close()
        thread.join()
