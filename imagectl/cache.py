"""The user's cache directory, and private files in it: what another user could have written is not read.

Knows nothing of what is kept there. Nothing may depend on it: every failure means that there is no cache.
"""

import os
import stat
from pathlib import Path

LARGEST = 1 << 20  # bytes of a file that is read


def cache_dir() -> Path | None:
    """The user's cache directory for imagectl, which may not exist yet; None for a user without a home."""
    from platformdirs import user_cache_path  # here, as most commands never ask

    try:
        path = user_cache_path("imagectl", appauthor=False)
    except RuntimeError:  # so newer releases of platformdirs say that there is no home
        return None
    return path if path.is_absolute() else None  # older ones return "~/.cache"


def read_private(path: Path) -> bytes | None:
    """What is in `path`, if nobody else can have written it; None if so, and where it can't be read."""
    try:
        # Not blocking, or a FIFO in its place would hang the command.
        with open(
            path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
        ) as file:
            status = os.fstat(file.fileno())
            trusted = _is_ours(path.parent.lstat(), stat.S_IFDIR) and _is_ours(status, stat.S_IFREG)
            return file.read() if trusted and status.st_size <= LARGEST else None
    except OSError:  # there is none, most of the time
        return None


def write_private(path: Path, data: bytes) -> bool:
    """Put `data` at `path` for `read_private`: all of it, or nothing and False where that can't be done."""
    base, temporary = path.parent.parent, path.with_name(f"{path.name}.{os.urandom(6).hex()}")
    try:
        base.mkdir(0o700, exist_ok=True)  # without its parents: a home that doesn't exist is not made
        # sudo may keep HOME: what root makes in a user's home would shut that user out.
        if base.stat().st_uid in {os.geteuid(), 0}:
            path.parent.mkdir(0o700, exist_ok=True)
        if not _is_ours(path.parent.lstat(), stat.S_IFDIR):
            return False
        try:
            with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:  # no home, not writable, full: then there is no cache
        return False
    return True


def _is_ours(status: os.stat_result, kind: int) -> bool:
    mode = status.st_mode
    return stat.S_IFMT(mode) == kind and status.st_uid == os.geteuid() and not mode & 0o022
