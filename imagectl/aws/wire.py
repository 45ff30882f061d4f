"""What is said on a connection: a request, and a reply that is read to its end or given up in time.

From the first byte that is written on, a request may have arrived: that is known here and nowhere else.
Imported only where botocore is imported already, as its exceptions say to botocore what may be repeated.
"""

import http.client
import io
import select
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as botocore
from botocore.awsrequest import AWSResponse

from imagectl.aws import faults
from imagectl.aws.connection import Patience
from imagectl.aws.routes import Route

WHOLE = 2  # what a whole reply may take, as a multiple of the longest wait for its next byte
_LARGEST = 1 << 26  # bytes of a reply


def nothing() -> None:
    """Do it."""


class Wait:
    """A wait for many bytes: for none longer than `longest`, for all not past `until`."""

    def __init__(self, longest: float, until: float) -> None:
        self._longest = longest
        self._end = min(until, time.monotonic() + WHOLE * longest)

    def left(self) -> float:
        """How long the next byte may take."""
        left = min(self._longest, self._end - time.monotonic())
        if left <= 0:
            raise TimeoutError("it took too long as a whole")
        return left


class Connection(http.client.HTTPConnection):
    """An open connection. From the first `send` on, something may have arrived."""

    auto_open = 0  # what is closed stays so: `Transport` opens

    def __init__(self, route: Route, sock: Any) -> None:
        super().__init__(route.endpoint.host, route.endpoint.port)
        self.sock = sock
        self.since = time.monotonic()
        self._route = route
        self._on_write = nothing

    @property
    def is_quiet(self) -> bool:
        """Whether the other side neither closed it nor said anything unasked."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def send(self, data: Any) -> None:
        self._on_write()
        self._on_write = nothing
        super().send(data)

    def exchange(self, request: Any, patience: Patience, on_write: Callable[[], None]) -> AWSResponse:
        """Send `request` and read the reply to its end."""
        left = Wait(patience.read, patience.until).left
        self._on_write = on_write
        self.response_class = partial(Reply, left)  # type: ignore[assignment]  # called with the socket, as that
        try:
            self.sock.settimeout(left())
            with suppress(BrokenPipeError):  # it may have replied before it closed
                self._request(request)
            reply = self.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise _broken(exc, request.url) from exc
        headers: Any = dict(reply.headers.items())  # the stubs want http.client's own
        return AWSResponse(request.url, reply.status, headers, _Body(body))

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = dict(request.headers)
        if "host" not in map(str.lower, headers):  # the CRT's signature brings it along
            headers = {"Host": self._route.endpoint.address, **headers}
        if self._route.proxy and not self._route.is_tunnel:
            target = f"http://{self._route.endpoint.address}{target}"
            headers |= dict(self._route.proxy.headers)
        self.request(request.method, target, body=request.body, headers=headers)


class Reply(http.client.HTTPResponse):
    """A reply of which no byte is waited for longer than `left()` says."""

    def __init__(self, left: Callable[[], float], sock: Any, **options: Any) -> None:
        self._stream = _Stream(sock, left)
        super().__init__(self._stream, **options)  # type: ignore[arg-type]  # it asks a socket for a file only

    def begin(self) -> None:
        super().begin()
        if self._stream.ended:  # http.client takes the end of the stream for that of the header
            raise http.client.IncompleteRead(b"")

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over `100 Continue` before a reply; 102 and 103 are no replies either.
        version, status, reason = super()._read_status()  # type: ignore[misc]  # private, and as old as Python
        return version, 100 if 101 < status < 200 else status, reason


class _Stream(io.RawIOBase):
    """What a socket receives, as a file."""

    def __init__(self, sock: Any, left: Callable[[], float]) -> None:
        self._sock, self._left, self._taken = sock, left, 0
        self.ended = False
        self._file = sock.makefile("rb", buffering=0)  # keeps a socket open that is closed meanwhile

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left())
        count: int | None = self._file.readinto(buffer)
        self.ended = count == 0
        self._taken += count or 0
        if self._taken > _LARGEST:
            raise http.client.HTTPException
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Body(io.BytesIO):
    """A reply's body, as botocore asks for it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


def _broken(exc: Exception, url: str) -> Exception:
    """What became of a request that was being sent, or of its reply."""
    if isinstance(exc, TimeoutError):
        return botocore.ReadTimeoutError(endpoint_url=url, error=exc)
    if isinstance(exc, ssl.SSLError) and exc.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return faults.ClientCertificateWantedError(who=urlsplit(url).hostname)
    if isinstance(exc, OSError | http.client.IncompleteRead):  # RemoteDisconnected is an OSError
        return botocore.ConnectionClosedError(endpoint_url=url, error=exc)
    if isinstance(exc, http.client.HTTPException):
        return faults.ForeignReplyError()
    return botocore.HTTPClientError(error="a header that can't be sent")  # the text of `exc` quotes it
