"""A signal ends a command wherever it comes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from metaparity.conformance.harness.interruption import NUDGE, interruptible


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_ctrl_c_does(number: signal.Signals) -> None:
    """But for one that is ignored, as nohup has it; afterwards all is as it was."""
    former = signal.getsignal(number)
    try:
        signal.signal(number, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt), interruptible():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN)
        with interruptible():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, former)


def locked() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=20)


def silent() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(20)
        one.recv(1)


@pytest.mark.parametrize("wait", [locked, silent])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_just_before_a_wait_ends_it(
    number: signal.Signals, wait: Callable[[], None]
) -> None:
    """The wait does not see it: as little as one that another thread has taken."""

    def take() -> None:
        time.sleep(0.1)
        signal.pthread_kill(threading.get_ident(), number)

    def take_and_wait() -> None:
        other.start()
        wait()

    before = signal.getsignal(NUDGE)
    former = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    other = threading.Thread(target=take)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            take_and_wait()
    finally:
        signal.signal(number, former)
    other.join()
    assert time.monotonic() - began < 5
    assert signal.getsignal(NUDGE) is before
