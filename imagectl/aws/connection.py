"""Where and as whom to call, and what is wrong with that. Imports nothing of AWS's."""

import ipaddress
import os
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from imagectl.errors import Problem
from imagectl.image import is_region
from imagectl.text import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where and as whom to call. None: as environment and profile say. Timeouts in seconds."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_attempts: int | None = None
    allow_http: bool = False
    threads: int = 10  # that call at the same time

    def problems(self) -> list[Problem]:
        """All that is wrong with the options themselves, found without the network."""
        found = []
        if self.region is not None and not is_region(self.region):
            found.append(Problem("--region", f"is no region's name: {quote(self.region)}"))
        if self.profile == "":
            found.append(Problem("--profile", "is empty"))
        if self.ca_bundle is not None and not os.access(self.ca_bundle, os.R_OK):
            found.append(Problem("--ca-bundle", f"can't be read: {quote(self.ca_bundle)}"))
        if self.endpoint_url is not None:
            found += [
                Problem("--endpoint-url", text) for text in wrong_endpoint(self.endpoint_url, self.allow_http)
            ]
        return found

    def flags(self, region: str) -> list[str]:
        """The flags that make another command speak to the same place."""
        given = {
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url,
            "--ca-bundle": self.ca_bundle,
        }
        flags = [f"--region {region}", *(f"{flag} {shlex.quote(v)}" for flag, v in given.items() if v)]
        return [*flags, "--allow-http"] if self.allow_http else flags


def wrong_endpoint(url: str, allow_http: bool) -> list[str]:
    """What is wrong with an endpoint: no URL at all, or one that would carry credentials in the clear."""
    nonsense = [f"is no http(s) URL: {quote(url)}"]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        return nonsense
    if parts.scheme not in {"http", "https"} or not host or any(char.isspace() for char in url):
        return nonsense
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        return [f"would send credentials in the clear: {quote(url)} (use https, or --allow-http)"]
    return []


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
