"""Threads, and many items that they do one thing for.

Owns how the fleet comes to threads and to what they share: all of it is in `Threads`, a value that is passed
in beside the clock. Nobody else here makes any.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from imagectl.errors import ImagectlError


class Lock(Protocol):
    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Event(Protocol):
    def set(self) -> None: ...

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool:
        """Whether it is set, waiting for that `timeout` seconds at most."""


class Queue(Protocol):
    def put(self, item: Any) -> None: ...

    def get(self, *, timeout: float) -> Any:
        """The next item; raises queue.Empty where none came in time."""


def _start(work: Callable[[], None]) -> bool:
    try:
        # A daemon: where the program has to end at once, it doesn't wait for its threads.
        threading.Thread(target=work, daemon=True).start()
    except (RuntimeError, MemoryError):  # a container's limit, or no memory for a stack
        return False
    return True


class Threads(NamedTuple):
    """Where threads and what they share come from. `start` is False where no thread could be had."""

    start: Callable[[Callable[[], None]], bool] = _start
    lock: Callable[[], Lock] = threading.Lock
    event: Callable[[], Event] = threading.Event
    queue: Callable[[], Queue] = SimpleQueue


THREADS = Threads()


class Pool:
    """Does `work` for all items, with as many threads as can be had up to `size`. `work` must not raise."""

    def __init__(
        self, work: Callable[[Any], object], items: Iterable[Any], size: int, threads: Threads
    ) -> None:
        self._work, self._items, self._none = work, iter(items), object()
        self._next, self._lock = threads.lock(), threads.lock()
        self._at_work = 1  # not over before all were started
        self.size = 0  # how many threads could be had; with none, the maker of the pool calls `one` itself
        while self.size < size and self._start(threads):
            self.size += 1
        if self.size:
            self._enter(-1)

    def _start(self, threads: Threads) -> bool:
        self._enter(1)
        started = threads.start(self._all)
        if not started:
            self._enter(-1)
        return started

    def _enter(self, count: int) -> None:
        with self._lock:
            self._at_work += count

    def is_over(self) -> bool:
        """Whether no thread is at work any more, and none will be."""
        with self._lock:
            return not self._at_work

    def one(self) -> bool:
        """Do the next item; False where none is left."""
        with self._next:
            item = next(self._items, self._none)
        if item is self._none:
            return False
        self._work(item)
        return True

    def _all(self) -> None:
        try:
            while self.one():
                pass
        finally:
            self._enter(-1)


def do_all(
    work: Callable[[Any], None], items: Sequence[Any], size: int, *, threads: Threads = THREADS
) -> None:
    """Do `work` for all items; the first failure is raised, and then nothing more is begun."""
    results, stop = threads.queue(), threads.event()

    def one(item: Any) -> None:
        failure = None
        try:
            if not stop.is_set():
                work(item)
        except BaseException as exc:  # noqa: BLE001 - raised in the thread that waits for it
            failure = exc
        results.put(failure)

    try:
        pool = Pool(one, items, min(size, len(items)), threads)
        left = len(items)
        while left:
            if not pool.size:
                pool.one()
            over = pool.is_over()  # asked first: what was done by then is there
            try:
                failure = results.get(timeout=1.0)
            except Empty:
                if over:
                    raise ImagectlError("internal", "a thread died, and left work undone") from None
                continue
            if failure is not None:
                raise failure
            left -= 1
    finally:
        stop.set()
