"""The sandbox: SageMaker's image operations on loopback, so that nothing needs an AWS account.

Owns what moto lacks (five operations, states that pass with time, failures on demand), the server, and
the environment that leads any AWS client there. Only cli and tests may import it; moto is imported when a
server is asked for, because it is an extra, and slow. One server at a time in a process: the operations
are put on a class of moto's. What the service does is in `service`, how a client gets here in `environment`.
"""

import os
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imagectl.errors import ENDING, ImagectlError, Terminated
from imagectl.installed import adding
from imagectl.sandbox.environment import Sandbox
from imagectl.sandbox.service import JSON, OPERATIONS, ORDINARY, Service, aws_error

__all__ = ["Sandbox", "run_command", "serve", "serve_forever"]

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from werkzeug.serving import BaseWSGIServer


@contextmanager
def serve(
    *, update_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic, port: int = 0
) -> Iterator[Sandbox]:
    """Serve on loopback, afresh, until the end of the `with` block; `port` 0 takes a free one."""
    try:
        with warnings.catch_warnings(action="ignore"), _plain_environment():
            from moto.moto_api._internal.models import moto_api_backend
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
            from moto.sagemaker.models import sagemaker_backends
            from moto.sagemaker.responses import SageMakerResponse

            sagemaker_backends["123456789012"]  # makes the one boto3 session that moto keeps
    except ImportError as error:
        raise ImagectlError(
            "usage", "the sandbox is an extra, and is not installed", hint=f"to add it:\n{adding('sandbox')}"
        ) from error

    service = Service(update_seconds, clock)
    server = _server(_answering(DomainDispatcherApplication(create_backend_app)), port)
    moto_api_backend.reset()
    own = {name: vars(SageMakerResponse).get(name) for name in OPERATIONS}
    for name in OPERATIONS:
        setattr(SageMakerResponse, name, _moto_method(service, name))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Sandbox(f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        for name, method in own.items():
            if method:
                setattr(SageMakerResponse, name, method)
            else:
                delattr(SageMakerResponse, name)
        moto_api_backend.reset()


def run_command(
    command: Sequence[str], *, update_seconds: float, note: Callable[[str], None] = lambda _: None
) -> int:
    """Run `command` against a sandbox of its own; its exit status, as a shell gives it."""
    with serve(update_seconds=update_seconds) as sandbox, sandbox.entered(command, os.environ) as (argv, env):
        note(f"{_serving(sandbox)}; it ends with {command[0]}")
        with _passed_on() as pass_on:
            try:
                child = subprocess.Popen(argv, env=env)  # noqa: S603 - the user's own
            except OSError as error:
                raise ImagectlError("usage", f"can't run {command[0]}: {error.strerror}") from error
            pass_on(child.send_signal)
            status = child.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _passed_on() -> Iterator[Callable[[Callable[[int], None]], None]]:
    """Signals that would end us are the child's, also those that come before there is one.

    Ctrl-C reaches it by itself, as it does all that runs on the terminal.
    """
    heard: list[int] = []
    send: Callable[[int], None] = heard.append

    def pass_on(number: int, _frame: object) -> None:
        if number != signal.SIGINT:
            send(number)

    def to(receiver: Callable[[int], None]) -> None:
        nonlocal send
        send = receiver
        for number in heard:
            send(number)

    numbers = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_forever(
    print_line: Callable[[str], None], *, update_seconds: float, note: Callable[[str], None] = lambda _: None
) -> None:
    """Print what a shell has to read, then serve until Ctrl-C. `print_line` flushes: a pipe may wait."""
    with serve(update_seconds=update_seconds) as sandbox:
        try:
            for line in sandbox.exports(os.environ):
                print_line(line)
            note(f"{_serving(sandbox)}; the lines above lead a shell there; Ctrl-C ends it")
            threading.Event().wait()
        except Terminated:
            raise
        except KeyboardInterrupt:
            return  # as it was told to be ended


def _serving(sandbox: Sandbox) -> str:
    *ordinary, last = ORDINARY
    images = f"{', '.join(ordinary)} and {last}"
    return f"sandbox at {sandbox.endpoint_url} with {images}, and images that fail on demand (--help)"


@contextmanager
def _plain_environment() -> Iterator[None]:
    """No settings of AWS's for a moment: a profile that isn't there would break moto's own session."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(Sandbox("").applied_to(before))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _server(app: "WSGIApplication", port: int) -> "BaseWSGIServer":
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        def log(self, *_args: object, **_kwargs: object) -> None:
            """Stay quiet: stderr belongs to the command."""

        def connection_dropped(self, *_args: object, **_kwargs: object) -> None:
            self.close_connection = True  # or the client would wait for the reply that was lost

    try:
        listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        raise ImagectlError("usage", f"can't listen on 127.0.0.1:{port}: {error.strerror}") from error
    with listening:  # werkzeug copies it; left to bind a port that is taken, it would end the process
        return make_server(
            "127.0.0.1", port, app, threaded=True, request_handler=Handler, fd=listening.fileno()
        )


def _answering(app: "WSGIApplication") -> "WSGIApplication":
    """`app`, with an AWS error where moto would print a traceback."""

    def answered(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        try:
            return app(environ, start_response)
        except ConnectionError:  # sandbox-lost-reply: to the server, a client that has gone
            raise
        except Exception as error:  # noqa: BLE001 whatever moto can't do
            start_response("400 Bad Request", [("Content-Type", JSON)])
            return [aws_error("UnknownOperationException", f"the sandbox can't do this: {error}").encode()]

    return answered


def _moto_method(service: Service, name: str) -> Callable[[Any], tuple[int, dict[str, str], str]]:
    def method(self: Any) -> tuple[int, dict[str, str], str]:
        answer = service.answer(name, self.body, self.current_account, self.region, self.partition)
        status, content_type, body = answer
        return status, {"status": str(status), "Content-Type": content_type}, body

    return method
