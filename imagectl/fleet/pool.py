"""Threads that do one thing for many items."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any


def start(work: Callable[[Any], Any], items: Sequence[Any], threads: int, put: Callable[[Any], None]) -> None:
    """Have threads do `work` for all items and give `put` each result. `work` must not raise.

    The threads are daemons: where the program has to end at once, none of them holds it.
    """
    todo, lock, none = iter(items), threading.Lock(), object()

    def worker() -> None:
        while True:
            with lock:
                item = next(todo, none)
            if item is none:
                return
            put(work(item))

    for _ in range(min(threads, len(items))):
        threading.Thread(target=worker, daemon=True).start()


def do_all(work: Callable[[Any], None], items: Sequence[Any], threads: int) -> None:
    """Do `work` for all items; the first failure is raised, and then nothing more is begun."""
    results: SimpleQueue[Any] = SimpleQueue()
    stop = threading.Event()

    def one(item: Any) -> BaseException | None:
        try:
            if not stop.is_set():
                work(item)
        except BaseException as exc:  # noqa: BLE001 - raised in the main thread
            return exc
        return None

    start(one, items, threads, results.put)
    try:
        for _ in items:
            failure = results.get()
            if isinstance(failure, BaseException):
                raise failure
    finally:
        stop.set()
