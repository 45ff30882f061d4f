"""A program on pseudo-terminals and pipes: what each of its streams is, and what it wrote to each."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field


@dataclass
class Session:
    """A process whose streams are terminals where named in `terminals`, pipes elsewhere."""

    argv: Sequence[str]
    terminals: Collection[str] = ("stdin", "stdout", "stderr")
    env: dict[str, str] | None = None
    output: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})

    def __post_init__(self) -> None:
        ends = {
            name: pty.openpty() if name in self.terminals else os.pipe()[:: -1 if name == "stdin" else 1]
            for name in ("stdin", "stdout", "stderr")
        }
        self._ours = {name: pair[0] for name, pair in ends.items()}
        theirs = {name: pair[1] for name, pair in ends.items()}
        self.process = subprocess.Popen(
            self.argv,
            env=self.env,
            start_new_session=True,
            stdin=theirs["stdin"],
            stdout=theirs["stdout"],
            stderr=theirs["stderr"],
        )
        for fd in theirs.values():
            os.close(fd)

    def read_until(
        self, done: Callable[[dict[str, bytes]], bool] = lambda _: False, seconds: float = 30
    ) -> None:
        """Read both streams until they end or `done` says so."""
        fds = {self._ours[name]: name for name in ("stdout", "stderr") if name in self._ours}
        end = time.monotonic() + seconds
        while fds and not done(self.output):
            if time.monotonic() > end:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"no end after {seconds} s: {self.output}")
            for fd in select.select(list(fds), [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:  # a terminal whose last user went away
                    data = b""
                self.output[fds[fd]] += data
                if not data:
                    os.close(fd)
                    del self._ours[fds.pop(fd)]

    def write(self, data: bytes) -> None:
        os.write(self._ours["stdin"], data)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end: exit code, stdout, stderr."""
        os.close(self._ours.pop("stdin"))
        self.read_until()
        code = self.process.wait(30)
        return code, self.output["stdout"].decode(), self.output["stderr"].decode()
