"""A credential process, which botocore would wait for and read without end.

Imported only where botocore is imported already.
"""

import os
import selectors
import subprocess
import time
from typing import IO, Any, cast

from botocore import credentials

from imagectl.aws.sources import MisshapenError

_LONGEST = 60.0  # seconds, as in AWS's SDK for Go: it may send people to a browser
_MOST = 1 << 20  # bytes


class Process(subprocess.Popen[bytes]):
    """One that is killed where it takes too long or says too much."""

    def communicate(self, *_: Any, **__: Any) -> tuple[bytes, bytes]:
        until = time.monotonic() + _LONGEST
        said = {cast("IO[bytes]", pipe): bytearray() for pipe in (self.stdout, self.stderr)}
        with self, selectors.DefaultSelector() as speaking:
            try:
                for pipe in said:
                    speaking.register(pipe, selectors.EVENT_READ)
                while speaking.get_map():
                    self._read(speaking, said, until - time.monotonic())
                self.wait(until - time.monotonic())
            except BaseException:
                self.kill()
                raise
        output, errors = map(bytes, said.values())
        return output, errors

    def _read(self, speaking: Any, said: dict[IO[bytes], bytearray], left: float) -> None:
        ready = speaking.select(left) if left > 0 else ()
        if not ready:
            raise subprocess.TimeoutExpired(self.args, _LONGEST)
        for key, _ in ready:
            data = os.read(key.fd, _MOST)
            said[key.fileobj] += data
            if not data:
                speaking.unregister(key.fileobj)
        if sum(map(len, said.values())) > _MOST:
            raise MisshapenError("it says too much")


class _Provider(credentials.ProcessProvider):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given, popen=Process)


def install() -> None:
    """Have botocore start such processes: its builder of providers can't be given another one."""
    credentials.ProcessProvider = _Provider  # type: ignore[assignment,misc]
