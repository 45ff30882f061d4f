"""The sandbox: SageMaker's image operations on loopback, so that nothing needs an AWS account.

Owns what moto lacks (five operations, states that pass with time, failures on demand), the server, and
the environment that leads any AWS client there. Only cli and tests may import it; moto is imported when a
server is asked for, because it is an extra, and slow. One server at a time in a process: the operations
are put on a class of moto's. Longer than its neighbours because it stands in for a whole service; that
service is `_Service` and `_check`, which know nothing of moto or HTTP.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagectl.errors import ENDING, ImagectlError, Terminated
from imagectl.installed import adding
from imagectl.sandbox.service import JSON, OPERATIONS, Service, aws_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from werkzeug.serving import BaseWSGIServer

# Variables of AWS's that choose how a client behaves, not whom it speaks to.
_KEPT = frozenset({"AWS_DEFAULT_OUTPUT", "AWS_MAX_ATTEMPTS", "AWS_PAGER", "AWS_RETRY_MODE"})
# What leads away from the sandbox, and may be set in another shell than the one that started it.
_ASTRAY = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CA_BUNDLE"),
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    "AWS_ENDPOINT_URL_STS",
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox, and how a client finds it."""

    endpoint_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables to set; `applied_to` also takes away those that lead elsewhere."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,  # every other service too: nothing may leave loopback
            "AWS_ENDPOINT_URL_SAGEMAKER": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "SANDBOX0NOT0A0SECRET",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",  # clients differ in which of the two they read
        }

    def applied_to(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` with all of AWS in it replaced by the sandbox."""
        others = {
            name: value for name, value in environ.items() if not name.startswith("AWS_") or name in _KEPT
        }
        env = others | self.environment
        # So that `imagectl` is found where it was called by its path, as from a virtual environment.
        env["PATH"] = os.pathsep.join([environ.get("PATH", os.defpath), os.path.dirname(sys.executable)])  # noqa: PTH120
        direct = environ.get("no_proxy") or environ.get("NO_PROXY")
        if direct:  # a lone * covers all already, and means nothing within a list
            env["NO_PROXY"] = env["no_proxy"] = direct if direct == "*" else f"{direct},127.0.0.1"
        return env


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
            "usage", "the sandbox is an extra, and is not installed", hint=f"to add it: {adding('sandbox')}"
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


def run_command(command: Sequence[str], *, update_seconds: float) -> int:
    """Run `command` against a sandbox of its own; its exit status, as a shell gives it."""
    with serve(update_seconds=update_seconds) as sandbox:
        try:
            child = subprocess.Popen(command, env=sandbox.applied_to(os.environ))  # noqa: S603 the user's own
        except OSError as error:
            raise ImagectlError("usage", f"can't run {command[0]}: {error.strerror}") from error

        def pass_on(number: int, _frame: object) -> None:
            if number != signal.SIGINT:  # Ctrl-C reaches the child by itself
                child.send_signal(number)

        heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, pass_on) for number in heard}
        try:
            status = child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def serve_forever(print_line: Callable[[str], None], *, update_seconds: float) -> None:
    """Print what a shell has to evaluate, then serve until Ctrl-C. `print_line` flushes: a pipe may wait."""
    with serve(update_seconds=update_seconds) as sandbox:
        env = sandbox.applied_to(os.environ)
        for name in sandbox.environment:
            print_line(f"export {name}={shlex.quote(env[name])}")
        # A name may hold anything but a `=`; one that is no name to a shell isn't set there either.
        gone = {
            name for name in {*_ASTRAY, *os.environ} - env.keys() if name.isascii() and name.isidentifier()
        }
        print_line(f"unset {' '.join(sorted(gone))}")
        try:
            threading.Event().wait()
        except Terminated:
            raise
        except KeyboardInterrupt:
            return  # as it was told to be ended


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
