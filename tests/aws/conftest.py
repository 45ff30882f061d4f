"""A world without credentials, and with everybody on loopback who could give some."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import botocore.credentials
import botocore.tokens
import botocore.utils
import pytest
from identity import Identity, Time, World, jumping
from service import Service


@pytest.fixture
def world(service: Service, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Iterator[World]:
    """No credentials anywhere yet; every service that gives some is `identity`."""
    time = Time()
    identity = Identity(time.now)
    home = Path(environment["HOME"])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("STS", "SSO", "SSO_OIDC", "SIGNIN"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", identity.url)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", str(home / "login"))
    # botocore reads the home directory when it is imported.
    monkeypatch.setattr(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(home / "sso"))
    monkeypatch.setattr(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(home / "sso"))
    monkeypatch.setattr(botocore.utils.ContainerMetadataFetcher, "SLEEP_TIME", 0)
    clock = SimpleNamespace(datetime=jumping(time), timedelta=timedelta)
    monkeypatch.setattr(botocore.credentials, "datetime", clock)
    yield World(home, identity, service, time, monkeypatch)
    identity.close()
