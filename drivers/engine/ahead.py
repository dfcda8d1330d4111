"""What is wanted next is made in other threads while the last is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Aside: TypeAlias = Callable[..., Callable[[], Any]]
"""Takes a call with its arguments; gives what waits for the result, and raises what the call does."""

Outcome: TypeAlias = tuple[T] | BaseException
"""What a call has given, or raised."""

ROOM = 4
"""Items that are ready at most."""


def grouped(items: Iterable[T], number: int) -> Iterator[tuple[T, ...]]:
    """The items, so many at a time."""
    left = iter(items)
    while group := tuple(islice(left, number)):
        yield group


def heaped(items: Iterable[T], weigh: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """The items, as many at a time as weigh so much together."""
    some: list[T] = []
    room = most
    for item in items:
        some.append(item)
        room -= weigh(item)
        if room <= 0:
            yield some
            some, room = [], most
    if some:
        yield some


@contextmanager
def ahead(items: Iterable[T], threads: int = 0) -> Iterator[Iterator[T]]:
    """The items in their order, made while others are used; with `threads` 1 only when they are asked for.

    What making them raises is raised where the next item is asked for.  At the end of the block the making
    has ended, too.  Who leaves it by an error or Ctrl-C does not wait: what is being made may need a server
    that is silent, and ends with the connection at the latest.
    """
    if threads == 1:
        yield iter(items)
        return
    ready: SimpleQueue[Outcome[T] | None] = SimpleQueue()
    room: SimpleQueue[None] = SimpleQueue()
    wanted = True
    for _ in range(ROOM):
        room.put(None)

    def make() -> None:
        last: BaseException | None = None
        try:
            for item in items:
                room.get()
                if not wanted:
                    break
                ready.put((item,))
        except BaseException as failure:
            last = failure
        ready.put(last)

    def taken() -> Generator[T, None, None]:
        while (one := ready.get()) is not None:
            room.put(None)
            yield _result(one)

    maker = threading.Thread(target=make, name="metaparity ahead", daemon=True)
    maker.start()
    try:
        with closing(taken()) as items_taken:
            yield items_taken
    finally:
        wanted = False
        room.put(None)
    maker.join()


@contextmanager
def aside(threads: int) -> Iterator[Aside]:
    """Have calls made by so many threads; with 1 by who waits for the result, and then only.

    At the end of the block calls have ended, or will not be made; who leaves it by an error or Ctrl-C does
    not wait for them.
    """
    if threads == 1:
        yield partial
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="metaparity aside")

    def call_aside(call: Callable[..., T], *arguments: Any) -> Callable[[], T]:
        # A future would be waited for by a lock of Python code, which Ctrl-C can leave held.
        done: SimpleQueue[Outcome[T]] = SimpleQueue()

        def make() -> None:
            try:
                done.put((call(*arguments),))
            except BaseException as failure:
                done.put(failure)

        pool.submit(make)
        return lambda: _result(done.get())

    try:
        yield call_aside
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    pool.shutdown()


def _result(outcome: Outcome[T]) -> T:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome[0]
