"""The image names that TAB offers: from a small private cache, else from the service, in time or not at all.

Silent whatever fails, and never asks anything on the terminal: at a TAB that would spoil the line. Nothing
but names by the API's pattern comes out of here.
"""

import json
import os
import re
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fcntl import ioctl
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from imagectl.cache import read_private, write_private
from imagectl.constraints import wrong

FRESH = 60  # seconds
MOST = 1000


class _Listing(NamedTuple):
    """Names that begin with `prefix`, and whether those are all."""

    prefix: str
    complete: bool
    names: list[str]

    def answers(self, prefix: str) -> bool:
        return prefix.startswith(self.prefix) if self.complete else prefix == self.prefix


def image_names(
    prefix: str, fetch: Callable[[str], Iterable[str]], *, key: str, directory: Path | None, patience: float
) -> Iterator[str]:
    """The names that begin with `prefix`, in order: from the cache in `directory`, else by `fetch(prefix)`.

    `key` is all that decides whose names they are. Ends within `patience` seconds whatever `fetch` does; what
    fails gives none.
    """
    if prefix and not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9.-]*", prefix):
        return
    from hashlib import sha256  # here, as rejected input never gets so far

    path = directory / f"names-{sha256(key.encode(errors='replace')).hexdigest()[:32]}" if directory else None
    listing = _kept(path, time.time()) if path else None
    if listing is None or not listing.answers(prefix):
        _let_go_of_terminal()
        listing = _listed(prefix, fetch, patience)
        if path and (listing.names or listing.complete):
            _keep(path, listing, time.time())
    yield from sorted(name for name in listing.names if name.startswith(prefix))


def whose(*given: object) -> str:
    """What decides whose names are listed: `given`, and AWS's environment. Of secrets nothing."""
    settings = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("AWS_") and not re.search("SECRET|TOKEN", name)
    }
    return json.dumps([repr(given), settings, os.environ.get("HOME")])


def _listed(prefix: str, fetch: Callable[[str], Iterable[str]], patience: float) -> _Listing:
    names: list[str] = []
    ended = threading.Event()

    def work() -> None:
        # The command shows whatever goes wrong when it is run, not at TAB.
        with suppress(Exception):
            fitting = (name for name in fetch(prefix) if is_name(name) and name.startswith(prefix))
            for name in islice(fitting, MOST):
                names.append(name)  # noqa: PERF402 - one by one: what came in time is seen outside
            ended.set()

    # A thread, as neither a name server nor a credential process has a limit that we could set.
    thread = threading.Thread(target=work, daemon=True)
    with suppress(RuntimeError, MemoryError):  # no thread, no names
        thread.start()
        thread.join(patience)
    found = names[:]
    return _Listing(prefix, ended.is_set() and len(found) < MOST, found)


def is_name(text: str) -> bool:
    """Whether `text` is an image's name by the API's pattern: nothing else is ever offered."""
    return not wrong("ImageName", text)


def _kept(path: Path, now: float) -> _Listing | None:
    with suppress(ValueError, TypeError):  # damaged: as if there were none
        since, prefix, complete, names = json.loads(read_private(path) or b"")
        if 0 <= now - since < FRESH and all(map(is_name, names)):
            return _Listing(str(prefix), complete is True, names)
    return None


def _keep(path: Path, listing: _Listing, now: float) -> None:
    if write_private(path, json.dumps([now, *listing]).encode()):
        with suppress(OSError):  # another process may be deleting them too
            for old in path.parent.glob("names-*"):
                if now - old.stat().st_mtime > FRESH:
                    old.unlink()


def _let_go_of_terminal() -> None:
    """So that nothing can ask there for a code or a password: at a TAB that would spoil the line."""
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            if os.getsid(0) != os.getpid():  # else all on it would be hung up
                ioctl(terminal, termios.TIOCNOTTY)
        finally:
            os.close(terminal)
