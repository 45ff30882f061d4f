"""The face: results and errors as text or JSON, to stdout and stderr. The only user of rich.

stdout is data, stderr is talk. Which stream is a terminal, and which may have colour, is decided once,
in `Face`. Every foreign text passes `safe` here; nothing is ever read as markup. rich is imported only
to draw a table or a spinner on a terminal.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TextIO

from imagectl.errors import ImagectlError, Problem
from imagectl.image import Change, Image, Outcome
from imagectl.text import quote, safe

Output = Literal["text", "json", "name"]
Color = Literal["auto", "always", "never"]

_SGR = {
    "red": "31",
    "green": "32",
    "cyan": "36",
    "bold": "1",
    "removed": "31;7",
    "added": "32;7",
}
_LONGEST_PLAN = 100  # images in the plan that is shown before the question
_BAR_WIDTH = 24  # characters
# JMESPath's own errors are ValueErrors, and not all of its failures are its own.
_QUERY_ERRORS = (ValueError, TypeError, RecursionError)
_LONGEST_MESSAGE = 4000  # characters of one foreign text in an error: a proxy's page is no message


class Presentation(NamedTuple):
    """The options of presentation, as given."""

    output: Output | None = None
    query: str | None = None
    quiet: bool = False
    color: Color = "auto"
    debug: bool = False

    def problems(self) -> list[Problem]:
        if self.query is None:
            return []
        if self.output not in {None, "json"}:
            return [Problem("--query", f"works on JSON, not with --output {self.output}")]
        import jmespath  # the door: only who asks for a query pays for the language

        wrong = Problem("--query", f"is no JMESPath expression: {quote(self.query)}")
        try:
            expression = jmespath.compile(self.query)
        except _QUERY_ERRORS:
            return [wrong]
        try:
            expression.search({})
        except (jmespath.exceptions.UnknownFunctionError, jmespath.exceptions.ArityError):
            return [wrong]
        except _QUERY_ERRORS:
            pass  # it may fit the result, if not an empty one
        return []

    @property
    def format(self) -> Output:
        return self.output or ("text" if self.query is None else "json")


def has_color(stream: TextIO, choice: Color, environ: Mapping[str, str]) -> bool:
    """Whether `stream` gets colour: the flag, then NO_COLOR, then FORCE_COLOR, then TERM, then the stream."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


class Face:
    """Where and how a command's results and talk are shown."""

    def __init__(self, presentation: Presentation, *, stdout: TextIO, stderr: TextIO) -> None:
        self.presentation = presentation
        self.format = presentation.format
        self._out, self._err = stdout, stderr
        self.out_is_terminal, self.err_is_terminal = stdout.isatty(), stderr.isatty()
        self.out_color = has_color(stdout, presentation.color, os.environ)
        self._err_color = has_color(stderr, presentation.color, os.environ)
        self._has_bar = False

    # Results: stdout.

    def outcome(self, outcome: Outcome) -> None:
        """One update's result; as text its ARN."""
        if self.format == "json":
            self._json(outcome.as_json())
        elif self.format == "name":
            self._print(safe(outcome.name))
        else:
            self._print(safe(outcome.arn))

    def preview(self, outcome: Outcome) -> None:
        """What an update would do; as text a diff."""
        if self.format == "text":
            self._lines(diff_lines(outcome, color=self.out_color))
        else:
            self.outcome(outcome)

    def record(self, outcome: Outcome) -> None:
        """One image of many: a line of its own, whole and at once; a failure as text goes to stderr.

        Text and names tell what changes. As JSON there is one line for every image.
        """
        self._hide_bar()
        if self.format == "json":
            self._json(outcome.as_json(), indent=None)
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
        if self.format == "json":
            self._json(image.fields)
        elif self.format == "name":
            self._print(safe(image.name))
        else:
            width = max(map(len, image.fields), default=0) if self.out_is_terminal else 0
            for key, value in image.fields.items():
                label = _paint(f"{safe(key):{width}}", "cyan", on=self.out_color)
                self._print(f"{label}{'  ' if width else chr(9)}{safe(plain(value))}")

    def settled(self, image: Image) -> None:
        """An image that was waited for: its ARN."""
        if self.format == "text":
            self._print(safe(image.arn))
        else:
            self.image(image)

    def line(self, text: str) -> None:
        """One line of our own making, at once: somebody reads it while we go on."""
        self._print(text)
        self.flush()

    def images(self, images: Iterable[Image]) -> None:
        """A list of images: rows in a pipe, a table on a terminal. All are read first, or none is shown."""
        images = list(images)
        if self.format == "json":
            self._json({"Images": [image.fields for image in images]})
        elif self.format == "name":
            self._lines(safe(image.name) for image in images)
        elif self.out_is_terminal:
            self._table(images)
        else:
            self._lines("\t".join(_row(image)) for image in images)

    # Talk: stderr.

    def note(self, text: str, *, always: bool = False) -> None:
        """Something to say beside the result; on a terminal only, unless `always`."""
        if (self.err_is_terminal or always) and not self.presentation.quiet:
            self._say(f"imagectl: {safe(text)}")

    def show_changes(self, outcome: Outcome) -> None:
        """What was changed, for who watches."""
        if self.err_is_terminal and not self.presentation.quiet and self.format == "text":
            for line in diff_lines(outcome, color=self._err_color):
                self._say(line)

    def error(self, error: ImagectlError) -> None:
        """One error: greppable lines, or one JSON object."""
        if self.format == "json":
            import json  # here: a rejected input, the fastest of all commands, is rarely asked for it

            self._say(json.dumps({"Error": error.as_json()}))
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
        """What would be done, for who is asked whether to: as much of it as anybody reads."""
        changing = [outcome for outcome in outcomes if outcome.changes]
        for outcome in changing[:_LONGEST_PLAN]:
            for line in diff_lines(outcome, color=self._err_color):
                self._say(line)
        if len(changing) > _LONGEST_PLAN:
            self._say(f"... and {len(changing) - _LONGEST_PLAN} more images; --dry-run shows all")

    def confirm(self, question: str, terminal: TextIO) -> bool:
        """Ask on stderr, read the answer from `terminal`; nothing but yes is yes."""
        with suppress(OSError):
            self._err.write(f"imagectl: {safe(question)} [y/N] ")
            self._err.flush()
        return terminal.readline().strip().lower() in {"y", "yes"}

    @property
    def _draws(self) -> bool:
        """Whether to draw bars and spinners. They are made of escapes: where colour is off, none is."""
        return self.err_is_terminal and self._err_color and not self.presentation.quiet

    @contextmanager
    def bar(self) -> Iterator[Callable[[int, int], None]]:
        """While many images are done: takes how many of how many are, and shows how fast and how long still.

        One line that is redrawn in the thread that prints the records, so that the two never mix: rich's
        own bar is drawn by a thread of its own.
        """
        if not self._draws:
            yield lambda _done, _total: None
            return
        start = time.monotonic()

        def beat(done: int, total: int) -> None:
            seconds = time.monotonic() - start
            filled = "=" * (_BAR_WIDTH * done // total)
            rate = f", {done / seconds:.3g}/s" if done and seconds else ""
            left = f", {clock_time((total - done) * seconds / done)} left" if rate and seconds > 1 else ""
            self._has_bar = True
            with suppress(OSError):
                self._err.write(f"\r\x1b[K[{filled:{_BAR_WIDTH}}] {done}/{total}{rate}{left}")
                self._err.flush()

        try:
            yield beat
        finally:
            self._hide_bar()

    def _hide_bar(self) -> None:
        if self._has_bar:
            self._has_bar = False
            with suppress(OSError):
                self._err.write("\r\x1b[K")
                self._err.flush()

    @contextmanager
    def spinner(self, text: str, *, on: bool) -> Iterator[Callable[[str], None]]:
        """While something takes its time: a spinner with the elapsed time and the last status told."""
        if not on or not self._draws:
            yield lambda _status: None
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(
            *columns, console=self._console(self._err, color=self._err_color), transient=True
        ) as bar:
            task = bar.add_task(safe(text), total=None)
            yield lambda status: bar.update(task, description=safe(f"{text}: {status}"))

    # How.

    def _json(self, data: Any, *, indent: int | None = 2) -> None:
        import json

        if self.presentation.query is not None:
            import jmespath  # the door, as above

            try:
                data = jmespath.search(self.presentation.query, json.loads(json.dumps(data, default=plain)))
                text = json.dumps(data, indent=indent)  # some expressions give what is no JSON
            except _QUERY_ERRORS as exc:
                raise ImagectlError("internal", f"--query does not fit the result: {exc}") from exc
        else:
            text = json.dumps(data, default=plain, indent=indent)
        self._print(text)

    def _table(self, images: Iterable[Image]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in _COLUMNS:
            whole = heading in {"ImageName", "ImageStatus", "LastModifiedTime"}
            table.add_column(heading, overflow="fold", no_wrap=whole)
        for image in images:
            table.add_row(*(Text(cell) for cell in _row(image)))
        self._console(self._out, color=self.out_color).print(table)

    def _console(self, stream: TextIO, *, color: bool) -> Any:
        from rich.console import Console

        return Console(
            file=stream,
            force_terminal=stream.isatty(),
            color_system="standard" if color else None,
            no_color=not color,
            markup=False,
            highlight=False,
            emoji=False,
        )

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._print(line)

    def _print(self, line: str) -> None:
        with self._output_errors():
            self._out.write(f"{line}\n")

    def flush(self) -> None:
        """Make sure that the results have left us. Raises ImagectlError where they can't."""
        with self._output_errors():
            self._out.flush()

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        """A full disk is an error of ours. Who closed the pipe (`| head`) has read enough, which is none."""
        try:
            yield
        except BrokenPipeError:
            self._out = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the end
        except OSError as exc:
            raise ImagectlError("internal", f"the output could not be written: {exc.strerror}") from exc

    def _say(self, line: str) -> None:
        self._hide_bar()
        with suppress(OSError):  # who closed stderr doesn't listen; that changes no result
            self._err.write(f"{line}\n")
            self._err.flush()


def clock_time(seconds: float) -> str:
    """A duration as a clock shows it: 0:07, 12:30, 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def plain(value: Any) -> Any:
    """A value of a reply as JSON and text show it: times as RFC 3339 in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


_COLUMNS = ("ImageName", "ImageStatus", "LastModifiedTime", "DisplayName", "Description")


def _row(image: Image) -> list[str]:
    return [safe(plain(image.fields.get(key, ""))) for key in _COLUMNS]


def error_lines(error: ImagectlError, *, where: str = "", color: bool = False) -> Iterator[str]:
    """An error as people read it: what is wrong, each problem on a line, a hint, the request's id."""
    label = _paint("error:", "red", on=color)
    if error.problems:
        for problem in error.problems:
            yield f"imagectl: {label} {safe(problem)}"
    else:
        message = error.message
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}…"
        yield f"imagectl: {label} {safe(where)}{safe(message)}"
    if error.hint:
        yield f"hint: {safe(error.hint)}"
    if error.request_id:
        yield f"request id: {safe(error.request_id)}"


def diff_lines(outcome: Outcome, *, color: bool = False) -> Iterator[str]:
    """A diff of one image: a heading, then `-` and `+` lines; with colour, the words that differ marked."""
    if not outcome.changes:
        return
    yield _paint(f"{safe(outcome.name)} ({safe(outcome.place)})", "bold", on=color)
    for change in outcome.changes:
        before, after = _marked(change) if color else (safe(change.before), safe(change.after))
        if change.before is not None:
            yield f"{_paint(f'- {change.name}:', 'red', on=color)} {before}"
        elif not change.read and change.after is None:
            yield f"{_paint(f'- {change.name}', 'red', on=color)}"
        if change.after is not None:
            yield f"{_paint(f'+ {change.name}:', 'green', on=color)} {after}"


def _marked(change: Change) -> tuple[str, str]:
    """Both values with the words that differ marked; where there is nothing to compare, as they are."""
    if change.before is None or change.after is None:
        red, green = safe(change.before), safe(change.after)
        return _paint(red, "red"), _paint(green, "green")
    import re
    from difflib import SequenceMatcher

    old, new = (re.findall(r"\s+|\w+|[^\w\s]", safe(text)) for text in (change.before, change.after))
    before, after = "", ""
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        before += gone if tag == "equal" else _paint(gone, "removed")
        after += come if tag == "equal" else _paint(come, "added")
    return before, after


def _paint(text: str, style: str, *, on: bool = True) -> str:
    return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if on and text else text
