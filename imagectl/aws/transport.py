"""Sends what botocore would send: all requests of all clients of a session, by connections that are kept.

It stands in the event `before-send`, so that the requests to STS, SSO and OIDC go through here too. It knows
places, not operations, and repeats nothing: what may be repeated is raised as botocore's exceptions, which
botocore repeats. Imported only where botocore is imported already.
"""

import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from imagectl.aws.connection import Patience, in_the_clear
from imagectl.aws.dialing import Tls, opened
from imagectl.aws.faults import ClearTextError
from imagectl.aws.routes import Route, route_to
from imagectl.aws.wire import Connection, nothing

_IDLE = 20.0  # seconds after which a connection isn't used again: what lies in between may have forgotten it


class Transport:
    """Sends requests, and keeps connections for the next ones. Safe to share between threads."""

    def __init__(self, patience: Patience, *, bundle: str | None, allow_http: bool) -> None:
        self._patience = patience
        self._tls = Tls(bundle)
        self._allow_http = allow_http
        self._calls = threading.local()
        self._lock = threading.Lock()
        self._idle: defaultdict[Route, list[Connection]] = defaultdict(list)
        weakref.finalize(self, _close, self._idle).atexit = False

    @contextmanager
    def call(self, patience: Patience, on_write: Callable[[], None]) -> Iterator[None]:
        """For what this thread sends meanwhile: its own patience; `on_write` is called before SageMaker
        could receive the first byte of an attempt.
        """
        self._calls.current = patience, on_write
        try:
            yield
        finally:
            del self._calls.current

    def left(self) -> float:
        """How many seconds this thread's call has until it must have ended."""
        return self._current()[0].until - time.monotonic()

    def send(self, request: Any, event_name: str, **_: Any) -> Any:
        """The event's handler: the reply to `request`, as a whole."""
        patience, on_write = self._current()
        if wrong := in_the_clear(request.url, allow_http=self._allow_http):
            raise ClearTextError(wrong=wrong[0])
        if not event_name.startswith("before-send.sagemaker."):
            on_write = nothing
        route = route_to(request.url)
        connection = self._connection(route, request.url, patience)
        try:
            reply = connection.exchange(request, patience, on_write)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # else the service closed it
            connection.since = time.monotonic()
            with self._lock:
                self._idle[route].append(connection)
        return reply

    def _current(self) -> tuple[Patience, Callable[[], None]]:
        return getattr(self._calls, "current", (self._patience, nothing))

    def _connection(self, route: Route, url: str, patience: Patience) -> Connection:
        """One that is open still, or a new one. Nothing of a request is written."""
        while True:
            with self._lock:
                idle = self._idle[route]
                connection = idle.pop() if idle else None
            if connection is None:
                return opened(route, url, patience, self._tls)
            if time.monotonic() - connection.since < _IDLE and connection.is_quiet:
                return connection
            connection.close()


def _close(idle: dict[Route, list[Connection]]) -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()
