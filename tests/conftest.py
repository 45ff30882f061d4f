"""Fixtures: a clean environment, a programmable service, and `run`, the public door of the program."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from service import Service

from imagectl.__main__ import main

# A shell's background job ignores Ctrl-C, nohup a hangup, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# A careful shell's umask would make private what a test means to be everybody's.
os.umask(0o022)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# What a machine's own settings could change in a test.
_FOREIGN = (
    *("AWS_", "BOTO", "REQUESTS_", "SSL_CERT_", "XDG_", "GITHUB_", "PYTHON", "LC_", "MAN"),
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "LINES"),
)
_FOREIGN_TOO = (
    "CI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "LANG",
    "TZ",
    "PAGER",
    "BASH_ENV",
    "ZDOTDIR",
)


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No test sees this machine's AWS configuration, cache, or terminal."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _FOREIGN_TOO:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    mine = {**ENVIRONMENT, "HOME": str(home), "TERM": "xterm-256color"}
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    return mine


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service with one image; the environment points at it."""
    service = Service()
    service.add("my-image", Description="PyTorch 2.3 for training", DisplayName="PyTorch")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", service.url)
    yield service
    service.close()


class _Stream(io.TextIOWrapper):
    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`imagectl ARGS` in this process: exit code, stdout, stderr; `terminal` says which streams are one."""

    def run(*argv: str, stdin: bytes = b"", terminal: Sequence[str] = ()) -> Result:
        out, err = _Stream(terminal="stdout" in terminal), _Stream(terminal="stderr" in terminal)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            code = main(argv)
        return Result(code, out.text(), err.text())

    return run


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The program as a process of its own."""
    return [sys.executable, "-m", "imagectl"]


@pytest.fixture
def spawn(program: list[str], environment: dict[str, str], tmp_path: Path) -> Run:
    """`imagectl ARGS` as a process: for signals, closed streams and what only a whole process shows."""

    def spawn(*argv: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Result:
        done = subprocess.run(
            [*program, *argv],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return spawn


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", action="store_true", help="print the cells that tests of a matrix recorded")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The cells of a matrix as a Markdown table: what, in which case, the exit code, the message."""
    if config.getoption("--table"):
        reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
        cells = [value for r in reports for name, value in r.user_properties if name == "cell"]
        terminalreporter.write_line("| source | case | exit | message |\n|---|---|---|---|")
        for cell in sorted(cells, key=lambda cell: str(cell[0])):
            terminalreporter.write_line(f"| {' | '.join(map(str, cell))} |")
