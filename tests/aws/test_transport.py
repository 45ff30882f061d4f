"""TLS, proxies and the wire as people really have them: each failure with kind, outcome, line, hint."""

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from conftest import Result, Run
from service import Service

UPDATE = ("update", "my-image", "--description", "new", "-o", "json")
Act = Callable[[socket.socket], None]


# A server that does what a test says with each connection, for as long as the test lasts.


class Server:
    """Accepts on loopback and hands each connection to `act`, in a thread of its own."""

    def __init__(self, act: Act, host: str = "127.0.0.1") -> None:
        self._act = act
        self.accepted = 0
        self._ended = threading.Event()
        self._socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []  # to end those that a client keeps
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._ended.set()
        for each in (self._socket, *self._open):
            with each, suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def wait(self, seconds: float) -> bool:
        """Pause; whether the test has ended meanwhile."""
        return self._ended.wait(seconds)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection.dup() as twin:  # its own socket, as TLS takes the other one away
            self._open.append(twin)
            with connection, suppress(OSError):
                self._act(connection)


def read_request(connection: socket.socket) -> bytes:
    """One request's head, and its body if it has a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/x-amz-json-1.1",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def pipe(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side is done."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """`serve(act)`: a server for this test."""
    with ExitStack() as stack:

        def serve(act: Act, host: str = "127.0.0.1") -> Server:
            server = Server(act, host)
            stack.callback(server.close)
            return server

        yield serve


class Told(NamedTuple):
    """What a failure tells programs and people."""

    code: int
    kind: str
    outcome: str | None
    message: str
    hint: str


def told(result: Result) -> Told:
    assert result.stdout == ""
    error = json.loads(result.stderr)["Error"]
    assert error["ExitCode"] == result.code
    return Told(result.code, error["Kind"], error.get("Outcome"), error["Message"], error.get("Hint", ""))


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def secured(context: ssl.SSLContext, service: Service) -> Act:
    """TLS in front of the service."""

    def act(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inner, onward(service.url) as outer:
            pipe(inner, outer)

    return act


@contextmanager
def onward(url: str) -> Iterator[socket.socket]:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


@pytest.mark.parametrize("way", ["flag", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "profile"])
def test_a_private_ca(
    run: Run,
    serve: Callable[..., Server],
    service: Service,
    authority: trustme.CA,
    bundle: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Named by option, variable or profile, its certificates are trusted."""
    server = serve(secured(context_of(authority.issue_cert("localhost")), service))
    flags = ["--endpoint-url", f"https://localhost:{server.port}"]
    if way == "flag":
        flags += ["--ca-bundle", bundle]
    elif way == "profile":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {bundle}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv(way, bundle)
    result = run(*UPDATE, *flags)
    assert (result.code, result.stderr) == (0, "")
    assert service.operations == ["UpdateImage"]


class Tls(NamedTuple):
    """How a server's TLS is, and what is told of it; `{host}` is its name."""

    act: Callable[[trustme.CA, Service], Act]
    kind: str
    message: str
    hint: str
    outcome: str = "not-applied"


def with_certificate(*hosts: str, **options: Any) -> Callable[[trustme.CA, Service], Act]:
    return lambda authority, service: secured(context_of(authority.issue_cert(*hosts, **options)), service)


def of_another_ca(_: trustme.CA, service: Service) -> Act:
    return with_certificate("localhost")(trustme.CA(), service)


def old(authority: trustme.CA, service: Service) -> Act:
    context = context_of(authority.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which is what it is about
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return secured(context, service)


def wants_a_certificate(version: ssl.TLSVersion) -> Callable[[trustme.CA, Service], Act]:
    def made(authority: trustme.CA, _: Service) -> Act:
        context = context_of(authority.issue_cert("localhost"))
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = context.maximum_version = version

        def act(connection: socket.socket) -> None:
            secure = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with secure, suppress(ssl.SSLError):
                try:
                    secure.do_handshake()
                finally:
                    # What is left unread would make a reset of the close, which may overtake the alert.
                    raw = socket.socket(fileno=os.dup(secure.fileno()))
                    with raw:
                        raw.settimeout(10)
                        raw.shutdown(socket.SHUT_WR)
                        while raw.recv(65536):
                            pass

        return act

    return made


def speaks_http(_: trustme.CA, service: Service) -> Act:
    def act(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    return act


def closes(_: trustme.CA, service: Service) -> Act:
    def act(connection: socket.socket) -> None:
        connection.recv(65536)

    return act


def resets(_: trustme.CA, service: Service) -> Act:
    def act(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


def is_silent(_: trustme.CA, service: Service) -> Act:
    def act(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    return act


NOW = datetime.now(tz=UTC)
DROPPED = "Could not connect to the endpoint URL"
NETWORK = "check the network, the proxy and the region"
TLS = {
    "another CA": Tls(
        of_another_ca,
        "access",
        "the certificate of localhost is not signed by a CA in '",
        "is that the endpoint's CA?",
    ),
    "expired": Tls(
        with_certificate("localhost", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1)),
        "access",
        "the certificate of localhost has expired",
        "the server has to renew it",
    ),
    "not yet valid": Tls(
        with_certificate("localhost", not_before=NOW + timedelta(days=1)),
        "access",
        "the certificate of localhost is not valid yet",
        "is this machine's clock right?",
    ),
    "another host": Tls(
        with_certificate("sagemaker.example"),
        "access",
        "the certificate of localhost is for another host",
        "check the endpoint's URL",
    ),
    "an old TLS": Tls(old, "access", "localhost speaks no version of TLS that is safe", "is it the right"),
    "a client certificate, TLS 1.2": Tls(
        wants_a_certificate(ssl.TLSVersion.TLSv1_2),
        "access",
        "TLS with localhost failed: ",
        "does the server want a client certificate",
    ),
    "a client certificate, TLS 1.3": Tls(
        wants_a_certificate(ssl.TLSVersion.TLSv1_3),
        "access",
        "localhost wants a client certificate",
        "is it the right endpoint?",
    ),
    "http on the port": Tls(
        speaks_http, "access", "localhost doesn't speak TLS at this port", "is it an http:// endpoint"
    ),
    "closed in the handshake": Tls(closes, "transient", DROPPED, NETWORK),
    "reset in the handshake": Tls(resets, "transient", DROPPED, NETWORK),
    "a handshake without end": Tls(is_silent, "transient", "Connect timeout on endpoint URL", NETWORK),
}


@pytest.mark.parametrize("case", TLS)
def test_tls_that_fails(
    run: Run,
    serve: Callable[..., Server],
    service: Service,
    authority: trustme.CA,
    bundle: str,
    case: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Each has its own line and hint; nothing was sent, so that the update is not applied."""
    act, kind, message, hint, outcome = TLS[case]
    server = serve(act(authority, service))
    flags = ["--connect-timeout", "0.3s"] if case == "a handshake without end" else []
    result = run(
        *UPDATE,
        *("--endpoint-url", f"https://localhost:{server.port}", "--ca-bundle", bundle),
        *("--max-attempts", "1", *flags),
    )
    found = told(result)
    record_property("cell", ["TLS", case, found.code, f"{found.message} ({found.hint})"])
    assert found[:3] == ({"access": 4, "transient": 6}[kind], kind, outcome)
    assert found.message.startswith(message)
    assert found.hint.startswith(hint)
    assert service.received == []


def test_a_private_ca_that_nobody_named(
    run: Run, serve: Callable[..., Server], service: Service, authority: trustme.CA
) -> None:
    """The hint says how to name it; the handshake is not repeated, as it would fail again."""
    server = serve(secured(context_of(authority.issue_cert("localhost")), service))
    found = told(run(*UPDATE, "--endpoint-url", f"https://localhost:{server.port}"))
    assert found == Told(
        4,
        "access",
        "not-applied",
        "the certificate of localhost is not signed by a CA that is known here",
        "for a private CA: --ca-bundle FILE or AWS_CA_BUNDLE",
    )
    assert server.accepted == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_has_to_be_in_the_certificate(
    run: Run, serve: Callable[..., Server], service: Service, authority: trustme.CA, bundle: str, host: str
) -> None:
    """An IP address is a host as a name is: in the certificate it is right, else it is another's."""
    address = host.strip("[]")
    for named, code in ((address, 0), ("localhost", 4)):
        try:
            server = serve(secured(context_of(authority.issue_cert(named)), service), address)
        except OSError:
            pytest.skip("no IPv6 here")
        result = run(*UPDATE, "--endpoint-url", f"https://{host}:{server.port}", "--ca-bundle", bundle)
        assert result.code == code, result
    assert "is for another host" in result.stderr


BUNDLES: dict[str, tuple[Callable[[trustme.CA], bytes] | None, str]] = {
    "empty": (lambda _: b"", "is empty: "),
    "DER": (
        lambda authority: ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()),
        "is no PEM but DER",
    ),
    "a key": (
        lambda authority: authority.private_key_pem.bytes(),
        "holds a private key and no certificate: ",
    ),
    "something": (lambda _: b"hello", "holds no certificate in PEM: "),
    "absent": (None, "can't be read: "),
    "a directory": (None, "can't be read: "),
    "a pipe": (None, "is no regular file: "),
}


@pytest.mark.parametrize("way", ["flag", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "profile"])
@pytest.mark.parametrize("case", BUNDLES)
def test_a_bundle_without_certificates_is_found_first(
    run: Run,
    service: Service,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    way: str,
) -> None:
    """Which file, and what is wrong with it; nothing was tried."""
    made, says = BUNDLES[case]
    path = tmp_path / "bundle.pem"
    if made:
        path.write_bytes(made(authority))
    elif case == "a directory":
        path.mkdir()
    elif case == "a pipe":
        os.mkfifo(path)
    flags = []
    if way == "flag":
        flags = ["--ca-bundle", str(path)]
    elif way == "profile":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {path}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv(way, str(path))
    found = told(run(*UPDATE, *flags))
    assert (found.code, found.outcome, service.received) == (2 if way == "flag" else 4, "not-applied", [])
    assert says in found.message
    assert f"'{path}'" in found.message


def test_a_damaged_certificate_in_a_bundle(run: Run, tmp_path: Path) -> None:
    """What only reading all of it shows is told all the same, before a connection is made."""
    path = tmp_path / "bundle.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    found = told(run(*UPDATE, "--endpoint-url", "https://127.0.0.1:9", "--ca-bundle", str(path)))
    assert found[:3] == (4, "access", "not-applied")
    assert found.message == f"the CA bundle '{path}' holds a certificate that is damaged"


def test_a_name_server_that_is_silent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look a name up is part of the time to connect."""
    ended = threading.Event()

    def silent(*_: object, **__: object) -> None:
        ended.wait(60)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    start = time.monotonic()
    found = told(run(*UPDATE, "--endpoint-url", ENDPOINT, "--connect-timeout", "0.2s", "--max-attempts", "1"))
    ended.set()
    assert found[:3] == (6, "transient", "not-applied")
    assert time.monotonic() - start < 10


def test_a_name_that_cannot_be_looked_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps it from being asked for (no memory for a codec, say) is told: no time has run out."""

    def broken(*_: object, **__: object) -> None:
        raise LookupError("unknown encoding: idna")

    monkeypatch.setattr(socket, "getaddrinfo", broken)
    found = told(run(*UPDATE, "--endpoint-url", ENDPOINT, "--connect-timeout", "20s"))
    assert found[:3] == (1, "internal", "not-applied")
    assert found.message == "unexpected LookupError: unknown encoding: idna"


@pytest.mark.parametrize("argv", [("wait", "my-image"), UPDATE[:-2]], ids=["wait", "update"])
@pytest.mark.parametrize("hangs", ["no reply", "drips"])
def test_a_look_ends_with_the_wait(
    run: Run, serve: Callable[..., Server], service: Service, argv: tuple[str, ...], hangs: str
) -> None:
    """--timeout ends a wait whatever the service does, long before --read-timeout."""
    server: list[Server] = []
    looks = drip(DRIPS["body"], server) if hangs == "drips" else lambda c: server[0].wait(30) and None
    updated = json.dumps({"ImageArn": service.arn("my-image")}).encode()

    def act(connection: socket.socket) -> None:
        while head := connection.recv(65536, socket.MSG_PEEK):
            if b"UpdateImage" not in head:
                looks(connection)
                return
            read_request(connection)
            connection.sendall(reply(updated))

    server.append(serve(act))
    start = time.monotonic()
    flags = ("--wait",) if argv[0] == "update" else ()
    url = f"http://127.0.0.1:{server[0].port}"
    found = told(run(*argv, *flags, "--timeout", "0.5s", "--endpoint-url", url, "-o", "json"))
    assert time.monotonic() - start < 5
    assert found.code == (8 if flags else 6)
    assert found.outcome == ("applied" if flags else None)


# Proxies.


class Proxy:
    """A CONNECT proxy: `answer` is what it says, None for what a good one does."""

    def __init__(self, serve: Callable[..., Server], answer: bytes | None) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.port = serve(self._act).port

    def _act(self, connection: socket.socket) -> None:
        head = read_request(connection)
        self.heads.append(head)
        if self._answer is not None:
            connection.sendall(self._answer)
            return
        target = head.split()[1].decode()
        with onward(f"http://{target}") as other:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pipe(connection, other)


# A host that is no loopback and never looked up: the proxy is asked for it.
ENDPOINT = "https://sagemaker.example"
PROXIES = {
    "407": (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", 4, "HTTP 407"),
    "403": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 4, "HTTP 403"),
    "301": (b"HTTP/1.1 301 Moved\r\nLocation: http://login.example/\r\n\r\n", 4, "HTTP 301"),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", 6, "HTTP 502"),
    "503": (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 6, "HTTP 503"),
    "429": (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 6, "HTTP 429"),
    "closes": (b"", 6, "closed the connection"),
    "garbage": (b"SSH-2.0-OpenSSH_9.2p1\r\n", 4, "no HTTP"),
    "half a line": (b"HTTP/1.", 4, "no HTTP"),
}


@pytest.mark.parametrize("case", PROXIES)
def test_a_proxy_that_refuses(
    run: Run,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    record_property: Callable[[str, object], None],
) -> None:
    """407 and what else no repetition helps is access, with the status; what passes is transient."""
    answer, code, says = PROXIES[case]
    proxy = Proxy(serve, answer)
    monkeypatch.setenv("HTTPS_PROXY", f"http://bob:hunter2@127.0.0.1:{proxy.port}")
    result = run(*UPDATE, "--endpoint-url", ENDPOINT, "--max-attempts", "2")
    found = told(result)
    record_property("cell", ["proxy", case, found.code, f"{found.message} ({found.hint})"])
    assert found[:3] == (code, {4: "access", 6: "transient"}[code], "not-applied")
    assert "the proxy of HTTPS_PROXY" in found.message
    assert says in found.message
    assert len(proxy.heads) == (1 if code == 4 else 2)
    assert b"Proxy-Authorization: Basic Ym9iOmh1bnRlcjI=" in proxy.heads[0]
    assert "hunter2" not in result.stderr


def test_through_a_proxy(
    run: Run,
    serve: Callable[..., Server],
    service: Service,
    authority: trustme.CA,
    bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a good proxy carries arrives, and of the request it sees no more than where to."""
    server = serve(secured(context_of(authority.issue_cert("sagemaker.example")), service))
    proxy = Proxy(serve, None)

    def act(connection: socket.socket) -> None:
        """A proxy that knows where that host is."""
        head = read_request(connection)
        proxy.heads.append(head)
        with onward(f"http://127.0.0.1:{server.port}") as other:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pipe(connection, other)

    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{serve(act).port}")
    result = run(*UPDATE, "--endpoint-url", ENDPOINT, "--ca-bundle", bundle)
    assert (result.code, result.stderr) == (0, "")
    assert proxy.heads == [b"CONNECT sagemaker.example:443 HTTP/1.1\r\nHost: sagemaker.example:443\r\n\r\n"]
    headers = {name.lower(): value for name, value in service.received[0].headers.items()}
    assert headers["host"] == "sagemaker.example"


def test_through_a_proxy_that_speaks_tls(
    run: Run,
    serve: Callable[..., Server],
    service: Service,
    authority: trustme.CA,
    bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS in TLS: the proxy's certificate and the endpoint's are both checked."""
    server = serve(secured(context_of(authority.issue_cert("sagemaker.example")), service))
    outer = context_of(authority.issue_cert("localhost"))

    def act(connection: socket.socket) -> None:
        with outer.wrap_socket(connection, server_side=True) as secure:
            read_request(secure)
            with onward(f"http://127.0.0.1:{server.port}") as other:
                secure.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                pipe(secure, other)

    port = serve(act).port
    monkeypatch.setenv("https_proxy", f"https://localhost:{port}")
    result = run(*UPDATE, "--endpoint-url", ENDPOINT, "--ca-bundle", bundle)
    assert (result.code, result.stderr) == (0, "")
    monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{port}")
    found = told(run(*UPDATE, "--endpoint-url", ENDPOINT, "--ca-bundle", bundle))
    assert found[:4] == (4, "access", "not-applied", "the certificate of the proxy is for another host")


def test_nobody_listens_where_the_proxy_should_be(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = told(run(*UPDATE, "--endpoint-url", ENDPOINT, "--max-attempts", "1"))
    assert found[:4] == (
        6,
        "transient",
        "not-applied",
        "the proxy of HTTPS_PROXY: Connection refused",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://bob:hun@s/hunter2@127.0.0.1:9",
        "http://bob:hun#hunter2@127.0.0.1:9",
        "http://bob:hun?hunter2@127.0.0.1:9",
        "http://bob:123/hunter2@127.0.0.1:9",
        "http://bob:hun hunter2@127.0.0.1:9",
        "socks5://bob:hunter2@127.0.0.1:9",
        "http://bob:hunter2@[127.0.0.1",
        "http://hunter2@",
        "bob:hunter2@/",
    ],
)
def test_a_proxy_url_that_can_be_read_in_two_ways(
    run: Run, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """It is not guessed at: no host gets a piece of a password, and no byte of it is shown."""
    monkeypatch.setenv("HTTPS_PROXY", url)
    result = run(*UPDATE, "--endpoint-url", ENDPOINT)
    found = told(result)
    assert found[:4] == (4, "access", "not-applied", "the proxy's URL in HTTPS_PROXY is not valid")
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "127.0.0.2", "[::ffff:127.0.0.1]"])
def test_loopback_is_never_proxied(
    run: Run, serve: Callable[..., Server], service: Service, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A plain-http endpoint on this machine is this machine's affair: no proxy sees the token."""
    proxy = Proxy(serve, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    server = serve(lambda connection: pipe_to(service, connection), "0.0.0.0")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    result = run(*UPDATE, "--endpoint-url", f"http://{host}:{server.port}")
    assert (result.code, result.stderr) == (0, ""), result
    assert proxy.heads == []


def pipe_to(service: Service, connection: socket.socket) -> None:
    with onward(service.url) as other:
        pipe(connection, other)


def test_plain_http_through_a_proxy(
    run: Run, serve: Callable[..., Server], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --allow-http a proxy carries it as proxies do: the whole URL in the request line."""
    heads = []

    def act(connection: socket.socket) -> None:
        heads.append(read_request(connection))
        connection.sendall(reply(json.dumps({"ImageArn": service.arn("my-image")}).encode()))

    monkeypatch.setenv("HTTP_PROXY", f"http://bob:hunter2@127.0.0.1:{serve(act).port}")
    result = run(*UPDATE, "--endpoint-url", "http://sagemaker.example:8080", "--allow-http")
    assert (result.code, result.stderr) == (0, "")
    line, *lines = heads[0].split(b"\r\n")
    assert line == b"POST http://sagemaker.example:8080/ HTTP/1.1"
    assert [each.lower() for each in lines].count(b"host: sagemaker.example:8080") == 1
    assert b"Proxy-Authorization: Basic Ym9iOmh1bnRlcjI=" in lines


# The wire.


def drip(data: bytes, server: "list[Server]", pause: float = 0.05) -> Act:
    """A reply that comes one byte after the other, and never whole."""

    def act(connection: socket.socket) -> None:
        read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            if server[0].wait(pause):
                return

    return act


DRIPS = {
    "header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 5000,
    "body": reply(b"{" + b" " * 5000 + b"}"),
    "chunked body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 5000,
    "100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 500,
    "103 Early Hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 500,
}


@pytest.mark.parametrize(
    ("command", "case"), [*(("show", case) for case in DRIPS), ("list", "body"), ("update", "body")]
)
def test_a_reply_that_drips_has_an_end(
    run: Run, serve: Callable[..., Server], command: str, case: str
) -> None:
    """Each byte is in time, the whole isn't: it ends at twice --read-timeout, as a timeout."""
    server: list[Server] = []
    server.append(serve(drip(DRIPS[case], server)))
    argv = {"update": UPDATE, "show": ("show", "my-image"), "list": ("list",)}[command]
    start = time.monotonic()
    result = run(
        *argv,
        *("--endpoint-url", f"http://127.0.0.1:{server[0].port}", "-o", "json"),
        *("--read-timeout", "0.3s", "--max-attempts", "1"),
    )
    took = time.monotonic() - start
    found = told(result)
    assert (found.code, found.kind) == (6, "transient")
    assert "imed out" in found.message or "imeout" in found.message
    assert took < (12 if command == "update" else 3)  # an update looks afterwards what became of it


@pytest.mark.parametrize("status", ["102 Processing", "103 Early Hints", "100 Continue"])
def test_news_before_a_reply_is_no_reply(
    run: Run, serve: Callable[..., Server], service: Service, status: str
) -> None:
    """What some front ends send first is passed over."""

    def act(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nLink: </style.css>\r\n\r\n".encode())
        connection.sendall(reply(json.dumps({"ImageArn": service.arn("my-image")}).encode()))

    result = run(*UPDATE, "--endpoint-url", f"http://127.0.0.1:{serve(act).port}")
    assert (result.code, result.stderr) == (0, "")


CUT = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no byte": b"",
}


@pytest.mark.parametrize("case", CUT)
def test_a_reply_cut_short_is_repeated(
    run: Run, serve: Callable[..., Server], service: Service, case: str
) -> None:
    """A connection that is closed in the middle is the network's fault, as one that is reset."""
    rest = [CUT[case]]
    good = reply(json.dumps(service.images["my-image"]).encode())

    def act(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(rest.pop() if rest else good)

    first = serve(act)
    result = run("show", "my-image", "--endpoint-url", f"http://127.0.0.1:{first.port}", "-o", "json")
    assert result.code == 0, result
    rest[:] = [CUT[case]] * 9
    found = told(run("show", "my-image", "--endpoint-url", f"http://127.0.0.1:{first.port}", "-o", "json"))
    assert (found.code, found.kind) == (6, "transient")


@pytest.mark.parametrize("says", [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"\x15\x03\x03\x00\x02\x02\x46", b"+OK\r\n"])
def test_what_speaks_no_http_is_not_sagemaker(run: Run, serve: Callable[..., Server], says: bytes) -> None:
    """As a server of TLS does where plain http was meant; it is not tried again."""

    def act(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(says)

    server = serve(act)
    found = told(run("show", "my-image", "--endpoint-url", f"http://127.0.0.1:{server.port}", "-o", "json"))
    assert (found.code, found.kind, found.message) == (5, "refused", "the reply is not SageMaker's")
    assert server.accepted == 1


def test_connections_are_kept(run: Run, serve: Callable[..., Server], service: Service) -> None:
    """A wait asks on the connection that it has; one that was closed meanwhile is made anew."""
    server = serve(lambda connection: pipe_to(service, connection))
    service.updating_reads = 3
    result = run(*UPDATE, "--wait", "--endpoint-url", f"http://127.0.0.1:{server.port}")
    assert result.code == 0, result
    assert len(service.received) >= 4
    assert server.accepted == 1


# A front end as people have it.

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
NGINX_CONF = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {directory}/cert.pem;
    ssl_certificate_key {directory}/cert.pem;
    keepalive_timeout 1s;
    location / {{ proxy_pass {url}; }}
  }}
}}
"""


@pytest.fixture
def nginx(service: Service, authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """HTTPS in front of the service, which closes a connection that lay idle for a second."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX_CONF.format(directory=tmp_path, port=port, url=service.url))
    command = [NGINX, "-e", "stderr", "-p", str(tmp_path), "-c", str(conf)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert process.poll() is None, process.stderr and process.stderr.read()
                time.sleep(0.05)
            yield f"localhost:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=10)


def test_behind_nginx_that_keeps_connections_for_a_second(
    run: Run, service: Service, nginx: str, bundle: str
) -> None:
    """A wait pauses for longer than that: what was closed is opened again, and no request is lost."""
    service.updating_reads = 5
    result = run(
        *UPDATE, "--wait", "--max-attempts", "1", "--endpoint-url", f"https://{nginx}", "--ca-bundle", bundle
    )
    assert result.code == 0, result.stderr
    assert service.operations == ["UpdateImage"] + ["DescribeImage"] * 6


def test_plain_http_to_the_https_port_of_nginx(run: Run, service: Service, nginx: str) -> None:
    """It says so in a page, which is not SageMaker's word; nothing was changed."""
    found = told(run(*UPDATE, "--endpoint-url", f"http://{nginx}"))
    assert found[:3] == (5, "refused", "not-applied")
    assert "HTTP 400" in found.message
    assert service.received == []
