"""Stand-ins for all that hands out credentials: STS, SSO, its OIDC, sign-in, IMDS, the container endpoint.

One server on loopback plays them all. By itself it gives valid credentials; `answer` says what a call gets
instead, from then on. What it gives is recognisable: each access key names the call it came from.
"""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from service import Service

ROLE_ACCOUNT = "123456789012"
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Answer:
    """What a call gets: bytes as they are, anything else as JSON. `endless`: a byte now and then instead."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False


@dataclass(frozen=True)
class Asked:
    """One request: the call as in `sts:AssumeRole`, its parameters, its headers in lower case."""

    call: str
    params: dict[str, str]
    headers: dict[str, str]


def refusal(call: str, code: str, message: str, status: int = 400) -> Answer:
    """An error as the service of `call` words it."""
    if call.startswith("sts:"):
        error = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
        return Answer(
            status,
            f'<ErrorResponse xmlns="{_STS}"><Error>{error}</Error>'
            "<RequestId>5e1f0000-0000-4000-8000-000000000001</RequestId></ErrorResponse>".encode(),
        )
    body = {"message": message, "error": code, "error_description": message}
    return Answer(status, body, {"x-amzn-ErrorType": code})


class Identity:
    """The server, what it was asked, and what it is told to answer.

    `clock` is its idea of the time; with `tls` it speaks TLS.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self.closed = threading.Event()
        self.lifetime = timedelta(hours=1)
        self.clock = clock
        self._answers: dict[str, Answer] = {}
        handler = type("Handler", (_Handler,), {"identity": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def calls(self) -> list[str]:
        return [asked.call for asked in self.asked]

    def answer(self, call: str, answer: Answer) -> None:
        """Give `call` this answer from now on."""
        self._answers[call] = answer

    def expires(self) -> str:
        return (self.clock() + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")

    def reply_to(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self._answers.get(asked.call) or self.own_answer(asked.call, asked.params)

    def own_answer(self, call: str, params: dict[str, str]) -> Answer:
        service, _, operation = call.partition(":")
        keys = {"AccessKeyId": f"AKIA{operation.upper()}", "SecretAccessKey": "secret"}
        if service == "sts":
            return Answer(200, _assumed(operation, params.get("RoleArn", ""), keys, self.expires()))
        if call == "imds:role":
            return Answer(200, b"instance-role")
        if call == "imds:token":
            return Answer(200, b"imds-token")
        lowered = {key[0].lower() + key[1:]: value for key, value in keys.items()}
        answers: dict[str, Any] = {
            "imds": {**keys, "Code": "Success", "Token": "token", "Expiration": self.expires()},
            "container": {**keys, "Token": "token", "Expiration": self.expires()},
            "sso": {"roleCredentials": {**lowered, "sessionToken": "t", "expiration": self._milliseconds()}},
            "sso-oidc": {"accessToken": "fresh", "tokenType": "Bearer", "expiresIn": 3600},
            "signin": {
                "accessToken": {**lowered, "sessionToken": "t"},
                "tokenType": "aws_sigv4",
                "expiresIn": int(self.lifetime.total_seconds()),
                "refreshToken": "next",
            },
        }
        return Answer(200, answers[service])

    def _milliseconds(self) -> int:
        return int((self.clock() + self.lifetime).timestamp() * 1000)


def _assumed(operation: str, role: str, keys: dict[str, str], expires: str) -> bytes:
    account = role.split(":")[4] if role.count(":") >= 5 else ROLE_ACCOUNT
    credentials = {**keys, "SessionToken": f"session-of-{role}", "Expiration": expires}
    inner = "".join(f"<{key}>{value}</{key}>" for key, value in credentials.items())
    user = f"<Arn>arn:aws:sts::{account}:assumed-role/role/session</Arn><AssumedRoleId>AROA:s</AssumedRoleId>"
    return (
        f'<{operation}Response xmlns="{_STS}"><{operation}Result><Credentials>{inner}</Credentials>'
        f"<AssumedRoleUser>{user}</AssumedRoleUser></{operation}Result></{operation}Response>"
    ).encode()


_PATHS = {
    "/federation/credentials": "sso:GetRoleCredentials",
    "/token": "sso-oidc:CreateToken",
    "/v1/token": "signin:CreateOAuth2Token",
    "/latest/api/token": "imds:token",
    "/latest/meta-data/iam/security-credentials/": "imds:role",
    "/latest/meta-data/iam/security-credentials/instance-role": "imds:credentials",
    "/container": "container:credentials",
}


class Time:
    """A wall clock that can jump."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self, zone: Any = UTC) -> datetime:
        return datetime.now(zone) + self.ahead


@dataclass
class World:
    """What surrounds the program: its home with configuration and tokens, the services, the clock."""

    home: Path
    identity: Identity
    service: Service
    time: Time
    env: pytest.MonkeyPatch
    argv: tuple[str, ...] = ()

    def config(self, text: str) -> None:
        (self.home / "config").write_text(text)

    def setenv(self, **variables: str) -> None:
        for name, value in variables.items():
            self.env.setenv(name, value)

    def token(self, kind: str, name: str, **fields: Any) -> None:
        """A token where `aws sso login` and `aws login` keep it."""
        digest = (hashlib.sha1 if kind == "sso" else hashlib.sha256)(name.encode()).hexdigest()
        path = self.home / kind / f"{digest}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(fields))

    def process(self, output: object, code: int = 0) -> None:
        """What the credential process prints; each run of it leaves a line in `runs`."""
        (self.home / "output").write_text(output if isinstance(output, str) else json.dumps(output))
        (self.home / "process").write_text(
            f"echo run >>{self.home}/runs\ncat {self.home}/output\necho secret-on-stderr >&2\nexit {code}\n"
        )

    def runs(self) -> int:
        return (self.home / "runs").read_text().count("run")

    def in_an_hour(self, hours: float = 1) -> str:
        return (self.time.now() + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def jumping(time: Time) -> type:
    class Meta(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Jumping(metaclass=Meta):
        now = time.now
        fromtimestamp = datetime.fromtimestamp

    return Jumping


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    identity: Identity

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Type", "").startswith("application/json"):
            params = json.loads(body or b"{}")
        else:
            params = {key: values[0] for key, values in parse_qs(url.query or body.decode()).items()}
        call = _PATHS.get(url.path) or f"sts:{params.get('Action')}"
        headers = {key.lower(): value for key, value in self.headers.items()}
        answer = self.identity.reply_to(Asked(call, params, headers))
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(10**6 if answer.endless else len(data)))
        self.end_headers()
        while answer.endless and not self.identity.closed.wait(0.02):
            self.wfile.write(b" ")
        self.wfile.write(data)

    do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server calls

    def log_message(self, *args: Any) -> None:
        pass
