"""--debug shows requests and replies; no credential is in any byte we write, whatever goes wrong."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from service import DROPPED, PORTAL, THROTTLED, Reply, Service, error

from imagectl.aws.connection import Connection
from imagectl.aws.debug import log_request, without_password
from imagectl.aws.failures import Row, translated

# Canaries: each a credential, or what a credentials source says, that must never be seen.
KEY, SECRET, TOKEN = "AKIACANARY0ACCESS0KEY", "canary-secret-key", "canary-session-token"
STDERR, SSO = "canary-in-stderr", "canary-sso-token"
CANARIES = (KEY, SECRET, TOKEN, STDERR, SSO, "Signature=", "Credential=")

UPDATE = ["update", "my-image", "--description", "new", "--max-attempts", "1"]


@pytest.fixture(autouse=True)
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


def assert_no_canary(*texts: str) -> None:
    for text in texts:
        for canary in CANARIES:
            assert canary not in text


def test_debug_shows_request_and_reply(run: Run, service: Service) -> None:
    """What was sent where, and what came back; what authenticates is redacted; stdout is as ever."""
    result = run(*UPDATE, "--debug")
    assert (result.code, result.stdout) == (0, f"{service.arn('my-image')}\n")
    assert TOKEN in service.received[0].headers["X-Amz-Security-Token"]  # it was there to be leaked
    for said in (
        f"> POST {service.url}/",
        "> X-Amz-Target: SageMaker.UpdateImage",
        "> Authorization: [redacted]",
        "> X-Amz-Security-Token: [redacted]",
        '> {"ImageName": "my-image", "Description": "new"}',
        "< HTTP 200 request id 4f1c0000-0000-4000-8000-000000000001",
    ):
        assert f"imagectl: debug: {said}\n" in result.stderr
    assert_no_canary(*result[1:])


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error("ResourceNotFound", "gone"), 3),
        (error("AccessDeniedException", f"token {'x' * 20} is not valid"), 4),
        (error("ExpiredTokenException", "expired"), 4),
        (error("ValidationException", "no"), 5),
        (PORTAL, 5),
        (Reply(200, b'{"ImageArn": '), 5),
        (THROTTLED, 6),
        (error("InternalFailure", "oops", 500), 6),
        (DROPPED, 6),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_no_credential_in_any_failure(
    run: Run, service: Service, reply: Reply, code: int, output: str
) -> None:
    """Each class of failure, with --debug: where it happened is told, the credentials are not."""
    service.answer("UpdateImage", reply)
    service.answer("DescribeImage", error("AccessDeniedException", "no"), times=20)
    result = run(*UPDATE, "--debug", "-o", output)
    assert (result.code, result.stdout) == (code, "")
    assert "imagectl: debug: at " in result.stderr
    assert_no_canary(result.stderr)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("flags", [[], ["--debug"], ["-o", "json"]])
def test_a_line_ending_in_a_credential(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, name: str, flags: list[str]
) -> None:
    """What http.client would quote in its complaint is found before: exit 4, nothing sent, nothing quoted."""
    monkeypatch.setenv(name, f"{os.environ[name]}\r\n x")
    result = run(*UPDATE, *flags)
    assert (result.code, result.stdout, service.received) == (4, "", [])
    assert "they contain control characters" in result.stderr
    assert_no_canary(result.stderr)


def test_a_password_in_an_endpoint_is_not_shown(run: Run) -> None:
    """Not where it can't be reached, and not in --debug."""
    result = run(*UPDATE, "--debug", "--endpoint-url", f"http://me:{SECRET}@127.0.0.1:9")
    assert result.code == 6
    assert "[redacted]@127.0.0.1:9" in result.stderr
    assert_no_canary(result.stderr)


# A password with all that could end an authority, or a URL, in the eyes of one parser or another.
HOSTILE = st.text(
    st.sampled_from("/\\@:#?%&;,=+ []()<>{}'\"`|^~!$*._-\t\n\r\x00\u2028aZ09é\U0001f511"), max_size=8
)
PASSWORDS = st.tuples(HOSTILE, HOSTILE, HOSTILE).map("canary".join)
SCHEMES = st.sampled_from(
    ["http://", "https://", "HTTP://", "socks5://", "http:", "http:/", "https:///", "//", ""]
)
REST = st.sampled_from(["127.0.0.1:9", "sagemaker.example", "[::1]:9/x?y=z#f", "", "host/a@b", "[", ":port"])


@given(scheme=SCHEMES, user=st.sampled_from(["me:", "", "a@b:", ":"]), password=PASSWORDS, rest=REST)
def test_no_password_of_a_url_is_shown(scheme: str, user: str, password: str, rest: str) -> None:
    """Whatever the URL looks like: in a refusal, in a command that goes on, in a failure, in --debug."""
    url = f"{scheme}{user}{password}@{rest}"
    connection = Connection(endpoint_url=url)
    said = [str(problem) for problem in connection.problems()] + connection.flags("us-east-1")
    failure = EndpointConnectionError(endpoint_url=url) if "://" in url else ValueError(without_password(url))
    said.append(translated(failure, Row("access")).message)
    if "://" in url:
        log_request(SimpleNamespace(method="POST", url=url, headers={}, body=b""), said.append)
    assert not [text for text in said if "canary" in text]


@pytest.mark.parametrize(
    "script",
    [
        f"import sys; sys.exit('{STDERR}')",
        f"print('{STDERR}')",
        f"print('[\"{STDERR}\"]')",
        f'print(\'{{"Version": 2, "AccessKeyId": "{KEY}"}}\')',
        f'print(\'{{"Version": 1, "SecretAccessKey": "{SECRET}"}}\')',
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_credential_process(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, output: str
) -> None:
    """A credentials program that fails is exit 4; nothing of what it wrote is passed on."""
    program = tmp_path / "credentials.py"
    program.write_text(script)
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    result = run(*UPDATE, "--profile", "p", "--debug", "-o", output)
    assert (result.code, result.stdout, service.received) == (4, "", [])
    assert_no_canary(result.stderr)


@pytest.mark.parametrize("output", ["text", "json"])
def test_sso(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str
) -> None:
    """An SSO session that has expired is exit 4 with the command that renews it; its token stays unseen."""
    home = tmp_path / "home"
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    import hashlib

    (cache / f"{hashlib.sha1(b's').hexdigest()}.json").write_text(
        json.dumps({"accessToken": SSO, "expiresAt": "2020-01-01T00:00:00Z"})
    )
    (tmp_path / "config").write_text(
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.invalid/start\n"
        "[profile p]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    result = run(*UPDATE, "--profile", "p", "--debug", "-o", output)
    assert (result.code, result.stdout, service.received) == (4, "", [])
    assert "aws sso login" in result.stderr
    assert_no_canary(result.stderr)
