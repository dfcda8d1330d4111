"""Work that does not keep a caller waiting: periodic jobs and the deletion of file data."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .database import CHANCE, FAILURES

log = logging.getLogger(__name__)


class Background:
    """The threads of one client; none is left after `stop`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._pool: ThreadPoolExecutor | None = None
        self._pending: set[Future[None]] = set()
        self._lock = threading.Lock()

    def every(self, seconds: float, job: Callable[[], None]) -> None:
        """Run `job` each `seconds` (±5 %) until stopped; a failure is logged and the job goes on."""

        def loop() -> None:
            while not self._stopping.wait(seconds * CHANCE.uniform(0.95, 1.05)):
                self._run(job)

        thread = threading.Thread(target=loop, name=f"metaparity-{job.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` once, soon.  Dropped once stopped: deletions are found again by any client (N42.4)."""
        with self._lock:
            if self._closed:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(2, thread_name_prefix="metaparity-background")
            future = self._pool.submit(self._run, job)
            self._pending.add(future)
        future.add_done_callback(self._done)

    def drain(self) -> None:
        """Return when all submitted work is done."""
        while True:
            with self._lock:
                pending = list(self._pending)
            if not pending:
                return
            for future in pending:
                future.result()

    def end_periodic(self) -> None:
        """End the periodic jobs, after the run each is at."""
        self._stopping.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._threads.clear()

    def stop(self) -> None:
        """End every thread, after the job it is at."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        self.end_periodic()

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)

    @staticmethod
    def _run(job: Callable[[], None]) -> None:
        try:
            job()
        except (OSError, *FAILURES) as failure:
            log.warning("background %s failed: %s", job.__name__, failure)
