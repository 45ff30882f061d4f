"""Waits: one line at the bottom of a terminal, drawn over and over, or now and then a line of text.

Owns what a bar and a spinner look like, at which width, and when a wait that isn't drawn says something.
The cursor is never hidden, so that nothing has to be shown again when a run ends in the middle.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from imagectl.render.presentation import columns_named, columns_now
from imagectl.text import cut, safe, width

_BAR = 24  # columns
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
REDRAWN = 0.1  # seconds
SILENCE = 30.0  # seconds after which a wait that isn't drawn says that it goes on


class LiveLine:
    """The line itself. Everything else is printed inside `above`: then the line is out of the way.

    The cursor rests on the line's first column. So the line can be erased after the window was made
    narrower too, be it cut off by then, or wrapped.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream, self._environ = stream, environ
        self._lock = threading.RLock()
        self._drawn = False

    def draw(self, line: Callable[[int], str]) -> None:
        with self._lock:
            # COLUMNS says what was once: the window may have another size by now.
            columns = columns_now(self._stream) or columns_named(self._environ) or 80
            # In the last column the cursor would wait for the next line.
            text = line(columns - 1)
            self._drawn = True  # before it is: a signal may come in between
            self._write(f"\r\x1b[J{text}\r")

    @contextmanager
    def above(self) -> Iterator[None]:
        """While something else is printed."""
        with self._lock:
            self.erase()
            yield

    def erase(self) -> None:
        with self._lock:
            if self._drawn:
                self._write("\r\x1b[J")
                self._drawn = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # nobody looks
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def ticking(tick: Callable[[], None], seconds: float) -> Iterator[None]:
    """While a thread calls `tick` every few seconds. Where none can be had nothing moves by itself."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(seconds):
            tick()

    thread = threading.Thread(target=run, daemon=True)
    with suppress(RuntimeError, MemoryError):
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread.ident is not None:
            thread.join(1)  # not for ever: a signal may have left the line locked


class Waiting:
    """A wait for one thing: what was last seen of it, and what there is to say."""

    def __init__(self, text: str, now: float) -> None:
        self._text = safe(text)
        self._status = ""
        self._since = self._said_at = now
        self._said = "CREATED"  # an image is at rest until it is seen otherwise
        self._lock = threading.Lock()

    def see(self, status: str) -> None:
        """Take the status as it was just looked up."""
        self._status = safe(status)

    def line(self, frame: str, now: float, columns: int) -> str:
        """The spinner's line. Where it has no room, the text is cut first."""
        end = f" {clock_time(now - self._since)}"
        status = f": {self._status}" if self._status else ""
        room = columns - width(f" {frame} {status}{end}")
        if room >= min(width(self._text), 4):
            return f" {frame} {cut(self._text, room)}{status}{end}"
        return cut(f" {frame} {self._status}{end}" if self._status else f" {frame}{end}", max(columns, 0))

    def news(self, now: float) -> str | None:
        """What a wait that isn't drawn says at this moment: a status that is new, or that it goes on."""
        with self._lock:
            if self._status and self._status != self._said:
                self._said, self._said_at = self._status, now
                return f"{self._text}: {self._status}"
            if now - self._said_at < SILENCE:
                return None
            self._said_at = now
            known = f"{self._status}, " if self._status else ""
            return f"{self._text}: still waiting ({known}{clock_time(now - self._since)})"


def bar_line(done: int, total: int, seconds: float, columns: int) -> str:
    """How far many images are, how fast, and how long still, as far as there is room for it."""
    count = f"{done}/{total}"
    speed = done / seconds if seconds else 0.0
    rate = f", {speed:{',.0f' if speed >= 100 else '.3g'}}/s" if speed else ""
    left = f", {clock_time((total - done) * seconds / done)} left" if rate and seconds > 1 else ""
    bar = f" [{'=' * (_BAR * done // total):{_BAR}}]"
    for line in (f"{bar} {count}{rate}{left}", f"{bar} {count}", f" {count}{rate}{left}", f" {count}"):
        if width(line) <= columns:
            return line
    return cut(count, max(columns, 0))


def frame_of(now: float, encoding: str) -> str:
    """The spinner's picture at a moment."""
    frames = _FRAMES if encoding.lower().replace("-", "") == "utf8" else _ASCII_FRAMES
    return frames[int(now / REDRAWN) % len(frames)]


def clock_time(seconds: float) -> str:
    """A duration as a clock shows it: 0:07, 12:30, 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
