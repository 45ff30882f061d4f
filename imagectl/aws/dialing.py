"""How a connection is made: names, addresses, proxies, TLS. What fails here fails before anything is written.

Imported only where botocore is imported already, as its exceptions say to botocore what may be repeated.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore import exceptions as botocore
from botocore.httpsession import get_cert_path

from imagectl.aws import faults
from imagectl.aws.bounded import within
from imagectl.aws.connection import Patience, is_loopback
from imagectl.aws.routes import Route, Server, variable_of
from imagectl.aws.wire import Connection, Reply, Wait

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


class Tls:
    """How TLS is spoken, and which certificates are trusted and shown."""

    def __init__(self, bundle: str | None) -> None:
        self._bundle = bundle
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def handshake(self, sock: Any, who: str, host: str, left: Callable[[], float]) -> Any:
        sock.settimeout(left())
        try:
            return _wrapped(self.context(), sock, host.rstrip("."))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:  # as a reset, which is no SSLError
            raise ConnectionAbortedError("closed in the TLS handshake") from exc
        except ssl.SSLError as exc:
            raise self._error(exc, who) from exc

    def context(self) -> ssl.SSLContext:
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

    def _error(self, exc: ssl.SSLError, who: str) -> Exception:
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


def opened(route: Route, url: str, patience: Patience, tls: Tls) -> Connection:
    """A connection by which nothing of a request was written yet."""
    if route.endpoint.tls or (route.proxy and route.proxy.tls):
        tls.context()  # a bundle that is wrong fails here, before anything is tried
    left = Wait(patience.connect, patience.until).left
    proxy, sock = route.proxy, None
    try:
        sock = _dial(proxy or route.endpoint, left)
        if proxy and proxy.tls:
            sock = tls.handshake(sock, "the proxy", proxy.host, left)
        if route.is_tunnel:
            _tunnel(sock, route, left, variable_of(url))
            proxy = None  # from here on it is the endpoint that fails
        if route.endpoint.tls:
            sock = tls.handshake(sock, route.endpoint.host, route.endpoint.host, left)
    except BaseException as exc:
        if sock is not None:
            sock.close()
        if isinstance(exc, OSError | UnicodeError):  # UnicodeError: a host that can be none
            raise _unreachable(exc, url, by_proxy=proxy is not None) from exc
        raise
    return Connection(route, sock)


def _addresses(host: str, port: int, patience: float) -> Any:
    """What getaddrinfo says: no name server can be told how long it may take."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        return within(patience, ask)
    except TimeoutError:
        raise TimeoutError("no name server answered in time") from None


def _dial(server: Server, left: Callable[[], float]) -> socket.socket:
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


def _tunnel(sock: Any, route: Route, left: Callable[[], float], variable: str) -> None:
    endpoint = route.endpoint
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    target = f"{host}:{endpoint.port}"
    headers = (("Host", target), *(route.proxy.headers if route.proxy else ()))
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    sock.sendall("\r\n".join(lines).encode("latin-1"))
    reply = Reply(left, sock, method="CONNECT")
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
        return ProxyConnectionError(variable=variable_of(url), error=why)
    if isinstance(exc, TimeoutError):
        return botocore.ConnectTimeoutError(endpoint_url=url, error=why)
    return EndpointConnectionError(endpoint_url=url, error=why)
