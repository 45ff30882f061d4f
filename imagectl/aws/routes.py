"""Where a request goes: to which endpoint, and by which proxy of the environment. Values; nothing is sent.

Imported only where botocore is imported already, whose idea of the environment's proxies this is.
"""

import os
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from botocore.utils import get_environ_proxies

from imagectl.aws.connection import is_loopback
from imagectl.aws.faults import ProxyUnusableError


class Server(NamedTuple):
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


class Route(NamedTuple):
    """Where a connection goes: to whom, and by which proxy."""

    endpoint: Server
    proxy: Server | None

    @property
    def is_tunnel(self) -> bool:
        return self.proxy is not None and self.endpoint.tls


def route_to(url: str) -> Route:
    parts = urlsplit(url)
    endpoint = _server(parts)
    named = None if is_loopback(endpoint.host) else get_environ_proxies(url).get(parts.scheme)
    return Route(endpoint, _proxy(named, variable_of(url)) if named else None)


def _server(parts: SplitResult, headers: tuple[tuple[str, str], ...] = ()) -> Server:
    tls = parts.scheme == "https"
    return Server(parts.hostname or "", parts.port or _port(tls=tls), tls, headers)


def _proxy(named: str, variable: str) -> Server:
    """The proxy that a variable names, where there are no two ways to read it."""
    url = named if "://" in named else f"http://{named.removeprefix('//')}"
    try:
        parts = urlsplit(url)
        server = _server(parts, _authorization(parts))
    except ValueError:
        raise ProxyUnusableError(variable=variable) from None  # its text quotes the URL
    odd = parts.path not in {"", "/"} or parts.query or parts.fragment or not url.isprintable() or " " in url
    if odd or parts.scheme not in {"http", "https"} or not server.host:
        raise ProxyUnusableError(variable=variable)
    return server


def _authorization(parts: SplitResult) -> tuple[tuple[str, str], ...]:
    if parts.username is None:
        return ()
    token = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return (("Proxy-Authorization", f"Basic {b64encode(token).decode()}"),)


def variable_of(url: str) -> str:
    """The variable that a proxy comes from: the first of those that are set, as urllib takes them."""
    name = f"{urlsplit(url).scheme}_proxy"
    return next((name for name in (name, name.upper()) if os.environ.get(name)), "the system's settings")
