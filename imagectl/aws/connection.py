"""Which endpoint to call with which identity, and what is wrong with that. Imports nothing of AWS's."""

import ipaddress
import math
import os
import shlex
import stat
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from imagectl.aws.debug import without_password
from imagectl.errors import Problem
from imagectl.image import is_region
from imagectl.text import WHOLE, quote


class Patience(NamedTuple):
    """How long to wait, in seconds: for a connection, for a reply's next byte; and until when at most."""

    connect: float
    read: float
    until: float = math.inf  # a moment of the monotonic clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Which endpoint to call, as which identity. None: as environment and profile say. Times in seconds."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_attempts: int | None = None
    allow_http: bool = False

    def problems(self) -> list[Problem]:
        """All that is wrong with the options themselves, found without the network."""
        found = []
        if self.region is not None and not is_region(self.region):
            found.append(Problem("--region", f"is no region's name: {quote(self.region)}"))
        if self.profile == "":
            found.append(Problem("--profile", "is empty"))
        if self.ca_bundle is not None:
            found += [Problem("--ca-bundle", text) for text in wrong_bundle(self.ca_bundle)]
        if self.endpoint_url is not None:
            found += [
                Problem("--endpoint-url", text) for text in wrong_endpoint(self.endpoint_url, self.allow_http)
            ]
        return found

    def flags(self, region: str) -> list[str]:
        """The flags that make another command speak to the same place, but for what must not be shown."""
        given = {
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url and without_password(self.endpoint_url),
            "--ca-bundle": self.ca_bundle,
        }
        shown = {flag: value if value.isprintable() else "..." for flag, value in given.items() if value}
        flags = [f"--region {region}", *(f"{flag} {shlex.quote(value)}" for flag, value in shown.items())]
        return [*flags, "--allow-http"] if self.allow_http else flags


def wrong_bundle(path: str) -> list[str]:
    """What is wrong with a file of certificates, as far as it can be seen without reading one of them."""
    shown = quote(path, WHOLE)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - `path` is as it was given
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # it is read twice, and a pipe could never end
            return [f"is no regular file: {shown}"]
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read()
    except OSError as exc:
        return [f"can't be read: {shown} ({exc.strerror})"]
    if b"-----BEGIN CERTIFICATE-----" in data or b"-----BEGIN TRUSTED CERTIFICATE-----" in data:
        return []
    return [f"{_instead_of_certificates(data)}: {shown}"]


def _instead_of_certificates(data: bytes) -> str:
    if not data.strip():
        return "is empty"
    if b"PRIVATE KEY-----" in data:
        return "holds a private key and no certificate"
    if data[:1] == b"\x30":
        return "is no PEM but DER (to convert it: openssl x509 -inform der -in DER -out PEM)"
    return "holds no certificate in PEM"


def wrong_endpoint(url: str, allow_http: bool) -> list[str]:
    """What is wrong with an endpoint: no URL at all, or one that would carry credentials in the clear."""
    nonsense = [f"is no http(s) URL: {quote(without_password(url))}"]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        return nonsense
    if parts.scheme not in {"http", "https"} or not host or any(char.isspace() for char in url):
        return nonsense
    return in_the_clear(url, allow_http=allow_http)


def in_the_clear(url: str, *, allow_http: bool) -> list[str]:
    """Why credentials must not be sent to `url`: it is plain http, and not to this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" or allow_http or is_loopback(parts.hostname or ""):
        return []
    return [
        f"would send credentials in the clear: {quote(without_password(url))} (use https, or --allow-http)"
    ]


def is_loopback(host: str) -> bool:
    name = host.removesuffix(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # IPv6 has it, for ::ffff:127.0.0.1
    return (mapped or address).is_loopback
