"""The program: streams, signals, and the only place that turns an exception into an exit code.

Must stay light at the top: whatever takes time to import is imported under `main`'s watch, so that a
signal at any moment ends in one line and its exit code.
"""

import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Literal, TextIO

from imagectl import VERSION_LINE
from imagectl.errors import ENDING, EXIT_CODES, ImagectlError, Terminated
from imagectl.text import safe

if TYPE_CHECKING:
    from imagectl.image import Progress
    from imagectl.render import Face


class Interrupted(KeyboardInterrupt):
    """SIGINT. A class of its own, since CPython itself dies of a KeyboardInterrupt that was raised while
    it ran a string (as making a named tuple does), even one that was caught.
    """


class Ending:
    """What a signal that ends the program does: it is raised, but not any more once one is told."""

    has_come = is_told = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.has_come = True
        if not self.is_told:
            raise Interrupted if number == signal.SIGINT else Terminated

    def on_unraisable(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Hear of a signal that came in a callback of the interpreter's (an import lock's, say), where
        nothing can be raised: it is sent again, a moment later.
        """
        swallowed = unraisable.exc_value
        if isinstance(swallowed, KeyboardInterrupt):
            from threading import Timer

            number = signal.SIGTERM if isinstance(swallowed, Terminated) else signal.SIGINT
            again = Timer(0.01, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
        elif not self.has_come:  # else it is the end of something that the signal left half made
            sys.__unraisablehook__(unraisable)


def run() -> None:
    """The console script."""
    # Nothing here lives long enough to be worth a collection; what does (apply) switches it on again.
    gc.disable()
    ending = Ending()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, where it is meant for others
            signal.signal(number, ending)
    sys.unraisablehook = ending.on_unraisable
    # `_exit`, as all is told and flushed: the interpreter's own end takes up to 26 ms more, and it can crash
    # where threads still wait for a reply.
    try:
        os._exit(main(ending=ending))
    except KeyboardInterrupt as stop:  # while the last was flushed
        kind = _kind(stop)
        _say(sys.stderr, f"imagectl: error: {kind}")
        os._exit(EXIT_CODES[kind])


def main(argv: Sequence[str] | None = None, *, ending: Ending | None = None) -> int:
    """Run `imagectl` with `argv` on this process's streams. Returns the exit code, raises nothing."""
    argv, ending = sys.argv[1:] if argv is None else argv, ending or Ending()
    stdout, stderr = _stream(sys.stdout, "stdout"), _stream(sys.stderr, "stderr")
    progress = None
    try:
        from imagectl.image import Progress

        progress = Progress()
        return _main(argv, ending, progress, stdout, stderr)
    except KeyboardInterrupt as stop:  # outside of `_main`
        ending.is_told = True
        _end_soon(stop, stdout)
        told = _interrupted(stop, progress)
        _say(stderr, f"imagectl: error: {safe(told.message)}")
        return told.exit_code
    finally:
        _let_go(stdout)
        _let_go(stderr)


def _main(argv: Sequence[str], ending: Ending, progress: "Progress", stdout: TextIO, stderr: TextIO) -> int:
    from imagectl.render import Face, Presentation

    face = Face(Presentation(), stdout=stdout, stderr=stderr)
    try:
        if list(argv) == ["--version"]:  # asked by scripts and prompts: Typer takes 30 ms
            face.line(VERSION_LINE)
            code = 0
        else:
            from imagectl.cli import CommandLine

            line = CommandLine(argv)
            try:
                request = line.request()
            except ImagectlError:
                face = Face(line.presentation, stdout=stdout, stderr=stderr)
                raise
            face = Face(request.presentation, stdout=stdout, stderr=stderr)
            code = request.run(face, progress)
        face.flush()
    except ImagectlError as error:
        return _fail(error, face, progress)
    except KeyboardInterrupt as stop:
        ending.is_told = True  # before any call: another of the same moment would be raised there
        _end_soon(stop, stdout)
        return _fail(_interrupted(stop, progress), face, progress)
    except Exception as exc:  # noqa: BLE001 - the last door: a bug of ours, told as one
        if isinstance(exc.__context__, KeyboardInterrupt):  # a spinner whose terminal was closed
            return _fail(_interrupted(exc.__context__, progress), face, progress)
        bug = ImagectlError("internal", f"unexpected {type(exc).__name__}: {exc}")
        bug.__cause__ = exc
        return _fail(bug, face, progress)
    return code


def _fail(error: ImagectlError, face: "Face", progress: "Progress") -> int:
    """Tell an error, with what is known of the update where the error itself doesn't say."""
    if error.outcome is None and progress.outcome is not None:
        # A query may turn out not to fit the result: too late for the code that says that nothing was sent.
        error = error.but(outcome=progress.outcome, kind="internal" if error.kind == "usage" else error.kind)
        if error.kind == "internal":
            known = {
                "applied": "the update was applied",
                "not-applied": "the update was not applied",
                "unknown": "whether the update was applied is not known",
            }[progress.outcome]
            error = error.but(message=f"{error.message}; {known}")
    with suppress(ImagectlError):  # the error comes first, even if results can't be written
        face.flush()
    if face.log:
        _trace(error, face.log)
    face.error(error)
    return error.exit_code


def _trace(error: BaseException | None, log: Callable[[str], None]) -> None:
    """Where it happened, cause by cause. No values and no messages: they may quote credentials."""
    from traceback import extract_tb

    while error is not None:
        for frame in extract_tb(error.__traceback__):
            log(f"at {frame.filename}:{frame.lineno} in {frame.name}")
        log(f"{type(error).__module__}.{type(error).__qualname__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _interrupted(stop: KeyboardInterrupt, progress: "Progress | None") -> ImagectlError:
    """What is known, and the command that goes on."""
    kind = _kind(stop)
    if progress is None:
        return ImagectlError(kind, kind)
    again = "to go on, run the same command again"
    look = f"to go on:\n{progress.resume}" if progress.resume else again
    if progress.known:
        return ImagectlError(kind, f"{kind}; {progress.known}", hint=look)
    if not progress.resume:
        return ImagectlError(kind, kind)
    known, hint = {
        None: ("no update of {} was sent", again),
        "not-applied": ("the update of {} was not applied", again),
        "unknown": ("the update of {} was sent, whether it is applied is not known", look),
        "applied": ("the update of {} was accepted", look),
    }[progress.outcome]
    return ImagectlError(kind, f"{kind}; {known.format(progress.name)}", hint=hint, image_name=progress.name)


def _kind(stop: KeyboardInterrupt) -> Literal["terminated", "interrupted"]:
    return "terminated" if isinstance(stop, Terminated) else "interrupted"


def _stream(stream: TextIO | None, name: str) -> TextIO:
    """A standard stream that can be written to, be it closed or of an encoding that lacks a letter."""
    if stream is None:  # the caller closed it (`>&-`): nobody listens, which is no error
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
        setattr(sys, name, stream)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _let_go(stream: TextIO) -> None:
    """Flush a stream where it can be; else see that the interpreter's own last flush doesn't fail again."""
    try:
        stream.flush()
    except OSError:  # told already, or a reader that has read enough
        _close(stream)


def _close(stream: TextIO) -> None:
    """Have what is written to a stream from now on, be it by others, go nowhere."""
    with suppress(OSError):  # no file can be had: then writing fails again, or ends nobody's wait
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _end_soon(stop: KeyboardInterrupt, stdout: TextIO) -> None:
    """See to it that a signal's end comes, though a pipe is full and nobody reads what there is to say.

    Results are waited for another second, the error two.
    """
    if not isinstance(stop, Interrupted | Terminated):  # the signals are not ours, nor is the process
        return
    code = EXIT_CODES[_kind(stop)]

    def on_alarm(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
        _close(stdout)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)


def _say(stream: TextIO, line: str) -> None:
    with suppress(OSError):  # nobody listens
        stream.write(f"{line}\n")


if __name__ == "__main__":
    run()
