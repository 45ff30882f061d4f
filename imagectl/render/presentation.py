"""The options of presentation as a value, and what a stream is: coloured or not, and how wide."""

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TextIO

from imagectl.errors import ImagectlError, Problem

Output = Literal["text", "json", "yaml", "name"]
Color = Literal["auto", "always", "never"]


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
        if self.output == "name":
            return [Problem("--query", "selects what is printed, and so does --output name")]
        from imagectl.render.query import problems  # here: most runs have none

        return problems(self.query)

    def misfits(self, sample: Mapping[str, Any]) -> list[Problem]:
        """What keeps the query from fitting a result like `sample`, found before there is one."""
        if self.query is None or self.problems():
            return []
        from imagectl.render.query import select, to_text

        try:
            selected = select(sample, self.query)
            if self.format == "text":
                list(to_text(selected, self.query))
        except ImagectlError as misfit:
            return list(misfit.problems)
        return []

    @property
    def format(self) -> Output:
        return self.output or ("text" if self.query is None else "json")

    @property
    def of_data(self) -> bool:
        """Whether the result is shown as data, whole or selected from, and not as a text of our own."""
        return self.query is not None or self.format in {"json", "yaml"}


def has_color(stream: TextIO, choice: Color, environ: Mapping[str, str]) -> bool:
    """Whether `stream` gets colour: the flag, then NO_COLOR, then FORCE_COLOR, then TERM, then the stream."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def can_draw(stream: TextIO, choice: Color, environ: Mapping[str, str]) -> bool:
    """Whether a line of `stream` can be drawn over: on a terminal that takes escapes, and in no CI's log."""
    in_ci = environ.get("CI", "").lower() not in {"", "0", "false"}
    able = stream.isatty() and environ.get("TERM") != "dumb"
    return able and not in_ci and has_color(stream, choice, environ)


def columns_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """How many columns a line has: by COLUMNS, else the terminal's own, else 80."""
    return columns_named(environ) or columns_now(stream) or 80


def columns_named(environ: Mapping[str, str]) -> int | None:
    """The columns that COLUMNS names; None where it is nonsense."""
    named: Any = re.fullmatch("0*([1-9][0-9]{0,5})", environ.get("COLUMNS", ""))
    return int(named[1]) if named else None


def columns_now(stream: TextIO) -> int | None:
    """The columns that the terminal of `stream` has at this moment."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or none of this machine's
        return None
