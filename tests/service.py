"""A programmable stand-in for SageMaker's image operations, over real HTTP on loopback.

By itself it behaves like the service: an update is accepted, shows as UPDATING for a number of reads and
then is there. `answer` scripts what the next calls of an operation get instead.
"""

import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Other"  # one that no image has


@dataclass(frozen=True)
class Reply:
    """One answer. `carry_out` applies an update before it; `cut` ends the connection instead of it."""

    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON; None: what the service itself would say
    delay: float = 0
    carry_out: bool = False
    cut: Literal["", "reset", "close", "truncate"] = ""
    headers: dict[str, str] = field(default_factory=dict)


def error(code: str, message: str = "", status: int = 400, **more: Any) -> Reply:
    """An error as the service words it."""
    return Reply(status, {"__type": code, "message": message}, **more)


THROTTLED = error("ThrottlingException", "Rate exceeded")
IN_USE = error("ResourceInUse", "Resource was modified concurrently")
LOST = Reply(cut="reset", carry_out=True)  # carried out, but the reply never came
DROPPED = Reply(cut="reset")  # not carried out, and no reply
PORTAL = Reply(200, b"<html><body>Please log in</body></html>", headers={"Content-Type": "text/html"})


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    operation: str
    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]


class Service:
    """The service's state, what it received, and what it is told to answer."""

    def __init__(self, *, region: str = "us-east-1", account: str = ACCOUNT) -> None:
        self.region, self.account = region, account
        self.images: dict[str, dict[str, Any]] = {}
        self.received: list[Received] = []
        self.updating_reads = 0  # how many reads after an update show UPDATING
        self.stale_reads = 0  # how many reads after an update show the state before it
        self.fail_updates: str | None = None  # the FailureReason that every update ends with
        self.on_update: Callable[[], None] = lambda: None  # called when an UpdateImage has come in
        self.admit: Callable[[], bool] = lambda: True  # whether an UpdateImage is let through, or throttled
        self._scripts: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._after: dict[str, list[dict[str, Any]]] = {}  # what the next reads of an image show
        self._lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:image/{name}"

    def add(self, name: str, **fields: Any) -> None:
        """An image as it is."""
        self.images[name] = {
            "ImageName": name,
            "ImageArn": self.arn(name),
            "ImageStatus": "CREATED",
            "CreationTime": 1750000000.0,
            "LastModifiedTime": 1750000000.0,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole",
            **fields,
        }

    def state(self) -> dict[str, tuple[str | None, ...]]:
        """What each image has of what an update can set: description, display name, role."""
        return {
            name: tuple(image.get(key) for key in ("Description", "DisplayName", "RoleArn"))
            for name, image in self.images.items()
        }

    def answer(self, operation: str, *replies: Reply, times: int = 1) -> None:
        """Give the next calls of `operation` these answers instead of the service's own."""
        self._scripts[operation].extend(replies * times)

    def calls(self, operation: str | None = None) -> list[dict[str, Any]]:
        """The bodies of what was received, of one operation or all."""
        return [r.body for r in self.received if operation in {None, r.operation}]

    @property
    def operations(self) -> list[str]:
        return [r.operation for r in self.received]

    def reply_to(self, request: Received) -> tuple[Reply, Any]:
        with self._lock:
            self.received.append(request)
            script = self._scripts[request.operation]
            reply = script.popleft() if script else Reply(carry_out=True)
            if request.operation == "UpdateImage" and not self.admit():
                reply = THROTTLED
            own: Any = None
            if reply.carry_out:
                own = getattr(self, f"_{request.operation}")(request.body)
                if isinstance(own, Reply):
                    reply, own = own, None
        if request.operation == "UpdateImage":
            self.on_update()
        if reply.delay:
            time.sleep(reply.delay)
        return reply, own

    def _UpdateImage(self, body: dict[str, Any]) -> Any:  # noqa: N802 - named as the operation is
        name = body["ImageName"]
        image = self.images.get(name)
        if image is None:
            return self._missing(name)
        if self._after.get(name):
            return IN_USE
        after = {**image, "LastModifiedTime": time.time()}
        for key in ("Description", "DisplayName", "RoleArn"):
            if key in body:
                after[key] = body[key]
        for key in body.get("DeleteProperties", []):
            after.pop(key, None)
        if self.fail_updates is not None:
            after = {**image, "ImageStatus": "UPDATE_FAILED", "FailureReason": self.fail_updates}
        else:
            after["ImageStatus"] = "CREATED"
        updating = {**image, "ImageStatus": "UPDATING"}
        self._after[name] = [image] * self.stale_reads + [updating] * self.updating_reads
        self.images[name] = after
        return {"ImageArn": self.arn(name)}

    def _DescribeImage(self, body: dict[str, Any]) -> Any:  # noqa: N802
        name = body["ImageName"]
        if name not in self.images:
            return self._missing(name)
        coming = self._after.get(name)
        return coming.pop(0) if coming else self.images[name]

    def _ListImages(self, body: dict[str, Any]) -> Any:  # noqa: N802
        names = [n for n in self.images if body.get("NameContains", "") in n]
        start, size = int(body.get("NextToken", 0)), body.get("MaxResults", 10)
        page = [
            {k: v for k, v in (self._after.get(n) or [self.images[n]])[0].items() if k != "RoleArn"}
            for n in names[start : start + size]
        ]
        for n in names[start : start + size]:
            if self._after.get(n):
                self._after[n].pop(0)
        more = {"NextToken": str(start + size)} if start + size < len(names) else {}
        return {"Images": page, **more}

    def _missing(self, name: str) -> Reply:
        return error("ResourceNotFound", f"Image with ARN {self.arn(name)} does not exist")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", ".").rpartition(".")[2]
        received = Received(operation, json.loads(raw or b"{}"), raw, dict(self.headers.items()))
        reply, own = self.service.reply_to(received)
        body = own if reply.body is None else reply.body
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        connection = cast("socket.socket", self.connection)
        if reply.cut == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            connection.close()
            return
        if reply.cut == "close":
            self.close_connection = True
            connection.shutdown(socket.SHUT_RDWR)
            return
        try:
            self.send_response(reply.status)
            headers = {
                "Content-Type": "application/x-amz-json-1.1",
                "x-amzn-RequestId": "4f1c0000-0000-4000-8000-000000000001",
                **reply.headers,
            }
            if reply.body is PORTAL.body:
                del headers["x-amzn-RequestId"]
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if reply.cut == "truncate" else data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client did not wait for it
        if reply.cut:
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass
