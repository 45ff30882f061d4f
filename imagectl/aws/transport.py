"""How a request reaches its endpoint and a reply comes back: connections, TLS, proxies, an end to all waits.

All clients of a session send through here (the event `before-send`), also those that botocore makes for STS,
SSO and OIDC. It knows places, not operations: whether anything of a request was written is certain here and
nowhere else. It repeats nothing: what may be repeated it raises as botocore's exceptions, which botocore
repeats. Imported only where botocore is imported already.
"""

import http.client
import io
import os
import queue
import select
import socket
import ssl
import threading
import time
import weakref
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from botocore import exceptions as botocore
from botocore.awsrequest import AWSResponse
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from imagectl.aws import faults
from imagectl.aws.connection import Patience, in_the_clear, is_loopback

WHOLE = 2  # what a whole reply may take, as a multiple of the longest wait for its next byte
_LARGEST = 1 << 26  # bytes of a reply
_IDLE = 20.0  # seconds after which a connection isn't used again: what lies in between may have forgotten it

# OpenSSL's names for why a handshake failed.
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV1_ALERT_INSUFFICIENT_SECURITY"}
# Its numbers for what is wrong with a certificate.
_CERTIFICATES: dict[int, type[faults.Fault]] = {
    9: faults.CertificateNotYetValidError,
    10: faults.CertificateExpiredError,
    62: faults.CertificateOfAnotherHostError,
    64: faults.CertificateOfAnotherHostError,  # of another IP address
}


class Transport:
    """Sends requests, and keeps connections for the next ones. Safe to share between threads."""

    def __init__(self, patience: Patience, *, bundle: str | None, allow_http: bool) -> None:
        self._patience = patience
        self._bundle = bundle
        self._allow_http = allow_http
        self._calls = threading.local()
        self._lock = threading.Lock()
        self._idle: defaultdict[_Route, list[_Connection]] = defaultdict(list)
        self._context: ssl.SSLContext | None = None
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

    def send(self, request: Any, event_name: str, **_: Any) -> Any:
        """The event's handler: the reply to `request`, as a whole."""
        patience, on_write = getattr(self._calls, "current", (self._patience, _nothing))
        if wrong := in_the_clear(request.url, allow_http=self._allow_http):
            raise faults.ClearTextError(wrong=wrong[0])
        if not event_name.startswith("before-send.sagemaker."):
            on_write = _nothing
        route = _route(request.url)
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

    def _connection(self, route: "_Route", url: str, patience: Patience) -> "_Connection":
        """One that is open still, or a new one. Nothing of a request is written."""
        while True:
            with self._lock:
                idle = self._idle[route]
                connection = idle.pop() if idle else None
            if connection is None:
                return self._opened(route, url, patience)
            if time.monotonic() - connection.since < _IDLE and connection.is_quiet:
                return connection
            connection.close()

    def _opened(self, route: "_Route", url: str, patience: Patience) -> "_Connection":
        if route.endpoint.tls or (route.proxy and route.proxy.tls):
            self._tls_context()  # what is wrong with the bundle is told before anything is tried
        left = _Wait(patience.connect, patience.until).left
        proxy, sock = route.proxy, None
        try:
            sock = _dial(proxy or route.endpoint, left)
            if proxy and proxy.tls:
                sock = self._handshake(sock, "the proxy", proxy.host, left)
            if route.is_tunnel:
                _tunnel(sock, route, left, _variable(url))
                proxy = None  # from here on it is the endpoint that fails
            if route.endpoint.tls:
                sock = self._handshake(sock, route.endpoint.host, route.endpoint.host, left)
        except BaseException as exc:
            if sock is not None:
                sock.close()
            if isinstance(exc, OSError | UnicodeError):  # UnicodeError: a host that can be none
                raise _unreachable(exc, url, by_proxy=proxy is not None) from exc
            raise
        return _Connection(route, sock)

    def _handshake(self, sock: Any, who: str, host: str, left: Callable[[], float]) -> Any:
        sock.settimeout(left())
        try:
            return _wrapped(self._tls_context(), sock, host.rstrip("."))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:  # as a reset, which is no SSLError
            raise ConnectionAbortedError("closed in the TLS handshake") from exc
        except ssl.SSLError as exc:
            raise self._tls_error(exc, who) from exc

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:  # made once: it reads all certificates
            if self._context is None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                bundle = self._bundle or str(get_cert_path(verify=True))
                try:
                    context.load_verify_locations(bundle)
                except OSError as exc:  # ssl's errors too
                    raise faults.BundleError(bundle=bundle) from exc
                self._context = context
            return self._context

    def _tls_error(self, exc: ssl.SSLError, who: str) -> Exception:
        if isinstance(exc, ssl.SSLCertVerificationError):
            if found := _CERTIFICATES.get(exc.verify_code):
                return found(who=who)
            if self._bundle:
                return faults.CertificateNotOfBundleError(who=who, bundle=self._bundle)
            return faults.CertificateUntrustedError(who=who)
        if exc.reason in _NOT_TLS:
            return faults.NotTlsError(who=who)
        if exc.reason in _OLD_TLS:
            return faults.OldTlsError(who=who)
        return faults.TlsError(who=who, reason=exc.reason)


def _close(idle: "dict[_Route, list[_Connection]]") -> None:
    for connections in idle.values():
        for connection in connections:
            connection.close()


def _nothing() -> None:
    pass


class _Wait:
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


# Where to.


class _Server(NamedTuple):
    host: str
    port: int
    tls: bool
    headers: tuple[tuple[str, str], ...] = ()  # of a proxy: what authenticates there

    @property
    def address(self) -> str:
        """As the header Host has it, and the signature."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port(tls=self.tls) else f"{host}:{self.port}"


def _port(*, tls: bool) -> int:
    return 443 if tls else 80


class _Route(NamedTuple):
    """Where a connection goes: to whom, and by which proxy."""

    endpoint: _Server
    proxy: _Server | None

    @property
    def is_tunnel(self) -> bool:
        return self.proxy is not None and self.endpoint.tls


def _route(url: str) -> _Route:
    parts = urlsplit(url)
    endpoint = _server(parts)
    named = None if is_loopback(endpoint.host) else get_environ_proxies(url).get(parts.scheme)
    return _Route(endpoint, _proxy(named, _variable(url)) if named else None)


def _server(parts: SplitResult, headers: tuple[tuple[str, str], ...] = ()) -> _Server:
    tls = parts.scheme == "https"
    return _Server(parts.hostname or "", parts.port or _port(tls=tls), tls, headers)


def _proxy(named: str, variable: str) -> _Server:
    """The proxy that a variable names, where there are no two ways to read it."""
    url = named if "://" in named else f"http://{named.removeprefix('//')}"
    try:
        parts = urlsplit(url)
        server = _server(parts, _authorization(parts))
    except ValueError:
        raise faults.ProxyUnusableError(variable=variable) from None  # its text quotes the URL
    odd = parts.path not in {"", "/"} or parts.query or parts.fragment or not url.isprintable() or " " in url
    if odd or parts.scheme not in {"http", "https"} or not server.host:
        raise faults.ProxyUnusableError(variable=variable)
    return server


def _authorization(parts: SplitResult) -> tuple[tuple[str, str], ...]:
    if parts.username is None:
        return ()
    token = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return (("Proxy-Authorization", f"Basic {b64encode(token).decode()}"),)


# How to get there. What fails here fails before anything of a request is written.


def _addresses(host: str, port: int, patience: float) -> Any:
    """What getaddrinfo says, in a thread: no name server can be told how long it may take."""
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            said.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            said.put(exc)

    try:
        threading.Thread(target=ask, daemon=True).start()
    except RuntimeError:  # no thread can be had: then it takes what it takes
        ask()
    try:
        found = said.get(timeout=patience)
    except queue.Empty:
        raise TimeoutError("no name server answered in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _dial(server: _Server, left: Callable[[], float]) -> socket.socket:
    trouble: OSError = OSError("the name has no address")
    # Not every resolver takes the dot that `localhost.` may have.
    host = server.host.removesuffix(".") if is_loopback(server.host) else server.host
    for family, kind, protocol, _, address in _addresses(host, server.port, left()):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as exc:  # IPv6 may be known and not be had
            trouble = exc
            continue
        try:
            sock.settimeout(left())
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            sock.close()
            trouble = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise trouble


def _tunnel(sock: Any, route: _Route, left: Callable[[], float], variable: str) -> None:
    endpoint = route.endpoint
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    target = f"{host}:{endpoint.port}"
    headers = (("Host", target), *(route.proxy.headers if route.proxy else ()))
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    sock.sendall("\r\n".join(lines).encode("latin-1"))
    reply = _Reply(left, sock, method="CONNECT")
    try:
        reply.begin()
    except (http.client.RemoteDisconnected, ConnectionError) as exc:
        raise ConnectionAbortedError("closed the connection before an answer to CONNECT") from exc
    except http.client.HTTPException as exc:
        raise faults.ProxyRefusedError(variable=variable, answer="what is no HTTP") from exc
    finally:
        reply.close()
    if reply.status >= 500 or reply.status in {408, 429}:
        raise ConnectionAbortedError(f"answered CONNECT with HTTP {reply.status}")
    if not 200 <= reply.status < 300:
        raise faults.ProxyRefusedError(variable=variable, answer=f"HTTP {reply.status}")


def _wrapped(context: ssl.SSLContext, sock: Any, host: str) -> Any:
    if isinstance(sock, ssl.SSLSocket):  # TLS to a proxy, and in it TLS to the endpoint
        from urllib3.util.ssltransport import SSLTransport  # here, as it is as rare as that

        return SSLTransport(sock, context, server_hostname=host)
    return context.wrap_socket(sock, server_hostname=host)


class EndpointConnectionError(botocore.EndpointConnectionError):
    """As botocore's, and why."""

    fmt = botocore.EndpointConnectionError.fmt + " ({error})"


class ProxyConnectionError(botocore.ProxyConnectionError):
    """As botocore's, without the URL: where a password stands in it is a matter of opinion."""

    fmt = "the proxy of {variable}: {error}"


def _unreachable(exc: OSError | UnicodeError, url: str, *, by_proxy: bool) -> Exception:
    why = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    if by_proxy:
        return ProxyConnectionError(variable=_variable(url), error=why)
    if isinstance(exc, TimeoutError):
        return botocore.ConnectTimeoutError(endpoint_url=url, error=why)
    return EndpointConnectionError(endpoint_url=url, error=why)


def _variable(url: str) -> str:
    """The variable that a proxy comes from: the first of those that are set, as urllib takes them."""
    name = f"{urlsplit(url).scheme}_proxy"
    return next((name for name in (name, name.upper()) if os.environ.get(name)), "the system's settings")


# What is said there.


class _Connection(http.client.HTTPConnection):
    """An open connection. From the first `send` on, something may have arrived."""

    auto_open = 0  # what is closed stays so: `Transport` opens

    def __init__(self, route: _Route, sock: Any) -> None:
        super().__init__(route.endpoint.host, route.endpoint.port)
        self.sock = sock
        self.since = time.monotonic()
        self._route = route
        self._on_write = _nothing

    @property
    def is_quiet(self) -> bool:
        """Whether the other side neither closed it nor said anything unasked."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def send(self, data: Any) -> None:
        self._on_write()
        self._on_write = _nothing
        super().send(data)

    def exchange(self, request: Any, patience: Patience, on_write: Callable[[], None]) -> AWSResponse:
        """Send `request` and read the reply to its end."""
        left = _Wait(patience.read, patience.until).left
        self._on_write = on_write
        self.response_class = partial(_Reply, left)  # type: ignore[assignment]  # called with the socket, as that
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


class _Reply(http.client.HTTPResponse):
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
