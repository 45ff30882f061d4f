"""Asking what can't be told how long it may take: in a thread, which is left behind when the time is up."""

import queue
import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    """What `ask` returns or raises; TimeoutError where that takes too long."""
    said: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            said.put((ask(), None))
        except Exception as exc:  # noqa: BLE001 - raised in the thread that waits for it
            said.put((None, exc))

    try:
        threading.Thread(target=answer, daemon=True).start()
    except (RuntimeError, MemoryError):  # no thread can be had: then it takes what it takes
        answer()
    try:
        result, trouble = said.get(timeout=max(seconds, 0))
    except queue.Empty:
        raise TimeoutError from None
    if trouble:
        raise trouble
    return result
