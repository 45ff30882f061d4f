"""The face: results and errors as text or as data, to stdout and stderr.

stdout is data, stderr is talk. Which stream is a terminal, which may have colour, and which may be drawn
on is decided once, in `Face`; what things look like is said by pure functions in the other rooms. Every
foreign text passes `text.safe` there; nothing is ever read as markup.
"""

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TextIO

from imagectl.errors import ImagectlError
from imagectl.image import MOVING, Image, Outcome
from imagectl.render.lines import diff_lines, error_lines, field_lines, row
from imagectl.render.presentation import Color, Output, Presentation, can_draw, columns_of, has_color
from imagectl.render.style import coloured_page
from imagectl.text import safe

if TYPE_CHECKING:
    from imagectl.render.live import LiveLine

__all__ = ["Color", "Face", "Output", "Presentation"]

_LONGEST_PLAN = 100  # images in the plan that is shown before the question


def _load(output: Output) -> None:
    """Have what writes data loaded now: when there is a result, others may have left no file to open."""
    from imagectl.render.data import to_json, to_yaml

    (to_yaml if output == "yaml" else to_json)({})


class Face:
    """Where and how a command's results and talk are shown."""

    def __init__(
        self,
        presentation: Presentation,
        *,
        stdout: TextIO,
        stderr: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.presentation = presentation
        self.format = presentation.format
        self._out, self._err, self._clock = stdout, stderr, clock
        self.out_is_terminal, self.err_is_terminal = stdout.isatty(), stderr.isatty()
        self.out_color = has_color(stdout, presentation.color, os.environ)
        self._err_color = has_color(stderr, presentation.color, os.environ)
        self._live: LiveLine | None = None
        if presentation.of_data:
            _load(self.format)

    # Results: stdout.

    def outcome(self, outcome: Outcome) -> None:
        """One update's result; as text its ARN."""
        self._result(outcome.as_json(), [safe(outcome.arn)], name=outcome.name)

    def preview(self, outcome: Outcome) -> None:
        """What an update would do; as text a diff."""
        self._result(outcome.as_json(), diff_lines(outcome, color=self.out_color), name=outcome.name)
        if outcome.status in MOVING:
            self.note(f"{outcome.name} is {outcome.status}: what was read of it may change yet")

    def record(self, outcome: Outcome) -> None:
        """One image of many: a line of its own, whole and at once; a failure as text goes to stderr.

        Text and names tell what changes. As data there is one record for every image.
        """
        if self.presentation.of_data:
            self._data(outcome.as_json(), one_of_many=True)
        elif outcome.error:
            where = f"line {outcome.line}: {outcome.name}{f' ({outcome.place})' if outcome.whose else ''}: "
            for line in error_lines(outcome.error, where=where, color=self._err_color):
                self._say(line)
        elif outcome.result == "planned":
            self.preview(outcome)
        elif outcome.result in {"requested", "updated"}:
            self.outcome(outcome)
        self.flush()

    def image(self, image: Image) -> None:
        """All that DescribeImage returned."""
        lines = field_lines(image, aligned=self.out_is_terminal, color=self.out_color)
        self._result(image.fields, lines, name=image.name)

    def settled(self, image: Image, *, one_of_many: bool = False) -> None:
        """An image that was waited for: its ARN."""
        if one_of_many and self.presentation.of_data:
            self._data(image.fields, one_of_many=True)
        else:
            self._result(image.fields, [safe(image.arn)], name=image.name)
        self.flush()

    def line(self, text: str) -> None:
        """One line of our own making, at once: somebody reads it while we go on."""
        self._print(text)
        self.flush()

    def page(self, text: str, *, asked_for: bool) -> None:
        """A help page: the result where it was asked for, else talk."""
        if asked_for:
            self.line(coloured_page(text) if self.out_color else text)
        else:
            self._say(coloured_page(text) if self._err_color else text)

    def images(self, images: Iterable[Image]) -> None:
        """A list of images: rows in a pipe, a table on a terminal. All are read first, or none is shown."""
        images = list(images)
        if self.presentation.of_data:
            self._data({"Images": [image.fields for image in images]})
        elif self.format == "name":
            self._lines(safe(image.name) for image in images)
        elif self.out_is_terminal:
            self._table(images)
        else:
            self._lines(map(row, images))
        if not images:
            self.note("there are no such images")

    # Talk: stderr.

    def note(self, text: str, *, command: str = "", always: bool = False) -> None:
        """Something to say beside the result, and a command for it; on a terminal only, unless `always`."""
        if (self.err_is_terminal or always) and not self.presentation.quiet:
            self._say(f"imagectl: {safe(text)}")
            if command:
                self._say(safe(command))

    def show_changes(self, outcome: Outcome) -> None:
        """What an update changes, for people at a terminal."""
        if self.err_is_terminal and not self.presentation.quiet and self.format == "text":
            for line in diff_lines(outcome, color=self._err_color):
                self._say(line)

    def error(self, error: ImagectlError) -> None:
        """One error: greppable lines, or one JSON object."""
        if self.format == "json":
            from imagectl.render.data import to_json  # here: a rejected input is rarely asked for it

            self._say(to_json({"Error": error.as_json()}, indent=None))
            return
        for line in error_lines(error, color=self._err_color):
            self._say(line)

    @property
    def log(self) -> Callable[[str], None] | None:
        """What takes the lines of --debug; None where nobody asked for them."""
        return self._debug if self.presentation.debug else None

    def _debug(self, text: str) -> None:
        self._say(f"imagectl: debug: {safe(text)}")

    def plan(self, outcomes: Sequence[Outcome]) -> None:
        """What would be done, before the question whether to: as much of it as anybody reads."""
        changing = [outcome for outcome in outcomes if outcome.changes]
        for outcome in changing[:_LONGEST_PLAN]:
            for line in diff_lines(outcome, color=self._err_color):
                self._say(line)
        if len(changing) > _LONGEST_PLAN:
            self._say(f"... and {len(changing) - _LONGEST_PLAN} more images; --dry-run shows all")

    def confirm(self, plan: str, question: str, terminal: TextIO) -> bool:
        """Ask on stderr, below what it is about; read the answer from `terminal`. Nothing but yes is yes.

        What was typed before the question stood there is no answer to it.
        """
        import termios

        with suppress(OSError, termios.error):  # no terminal any more: then no yes comes either
            termios.tcflush(terminal, termios.TCIFLUSH)
        self._say(f"imagectl: {safe(plan)}")
        with suppress(OSError):
            self._err.write(f"{safe(question)} [y/N] ")
            self._err.flush()
        with suppress(OSError, UnicodeDecodeError):
            return terminal.readline().strip().lower() in {"y", "yes"}
        return False

    # Waits: on stderr too, drawn or told.

    @contextmanager
    def bar(self) -> Iterator[Callable[[int, int], None]]:
        """While many images are done: takes how many of how many are."""
        from imagectl.render.live import SILENCE, bar_line

        start = said_at = self._clock()
        live = self._draw()

        def beat(done: int, total: int) -> None:
            nonlocal said_at
            now = self._clock()
            if live:
                live.draw(lambda columns: bar_line(done, total, now - start, columns))
            elif self._tells and now - said_at >= SILENCE:
                said_at = now
                self._say(f"imagectl: {done} of {total} images are done")

        try:
            yield beat
        finally:
            self._rub_out()

    @contextmanager
    def spinner(self, text: str, *, on: bool) -> Iterator[Callable[[str], None]]:
        """While something takes its time: takes the status, each time it was looked up."""
        live = self._draw() if on else None
        if not on or not (live or self._tells):
            yield lambda _status: None
            return
        from imagectl.render.live import REDRAWN, Waiting, frame_of, ticking

        waiting = Waiting(text, self._clock())

        def tick() -> None:
            now = self._clock()
            if live:
                live.draw(lambda columns: waiting.line(frame_of(now, self._err.encoding), now, columns))
            elif news := waiting.news(now):
                self._say(f"imagectl: {news}")

        def seen(status: str) -> None:
            waiting.see(status)
            tick()

        try:
            with ticking(tick, REDRAWN if live else 1.0):
                tick()
                yield seen
        finally:
            self._rub_out()

    def _draw(self) -> "LiveLine | None":
        """The line that is drawn over and over, where one can be."""
        if self.presentation.quiet or not can_draw(self._err, self.presentation.color, os.environ):
            return None
        from imagectl.render.live import LiveLine

        self._live = LiveLine(self._err, os.environ)
        return self._live

    @property
    def _tells(self) -> bool:
        """Whether a wait that isn't drawn is told; beside JSON it isn't: there the error is all."""
        return not self.presentation.quiet and self.format != "json"

    def _rub_out(self) -> None:
        if self._live:
            self._live.erase()
            self._live = None

    # How.

    def _result(self, data: Any, lines: Iterable[str], *, name: str) -> None:
        """A result in the format that was asked for; `lines` are its text."""
        if self.presentation.of_data:
            self._data(data)
        else:
            self._lines([safe(name)] if self.format == "name" else lines)

    def _data(self, data: Any, *, one_of_many: bool = False) -> None:
        from imagectl.render.data import to_json, to_yaml

        query = self.presentation.query
        if query is not None:
            from imagectl.render.query import select, to_text

            data = select(data, query)
            if self.format == "text":
                self._lines(list(to_text(data, query)))  # all of it, or none
                return
        if self.format == "yaml":
            self._lines(["---"] * one_of_many + [to_yaml(data)])
        else:
            self._print(to_json(data, indent=None if one_of_many else 2))

    def _table(self, images: Sequence[Image]) -> None:
        from datetime import UTC, datetime

        from imagectl.render.table import table

        columns = columns_of(self._out, os.environ)
        self._lines(
            table(images, columns, datetime.now(UTC), color=self.out_color, encoding=self._out.encoding)
        )

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(line)

    def _print(self, line: str) -> None:
        with self._above():
            with self._output_errors():
                self._out.write(f"{line}\n")
            if self._live:
                self.flush()

    def flush(self) -> None:
        """Make sure that the results have left us. Raises ImagectlError where they can't."""
        with self._output_errors():
            self._out.flush()

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        """A full disk is an error of ours. A reader that closed the pipe (`| head`) has read enough: none."""
        try:
            yield
        except BrokenPipeError:
            self._out = io.StringIO()  # no file: there may be none left to open
        except OSError as exc:
            raise ImagectlError("internal", f"the output could not be written: {exc.strerror}") from exc

    def _say(self, line: str) -> None:
        with self._above(), suppress(OSError):  # who closed stderr doesn't listen; that changes no result
            self._err.write(f"{line}\n")
            self._err.flush()

    def _above(self) -> Any:
        return self._live.above() if self._live else nullcontext()
