"""Help pages as plain text: they read well in a pipe, and stand on 80 columns or the terminal's fewer.

Owns how a page is set. Knows no command, no option and no topic.
"""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from shutil import get_terminal_size
from textwrap import wrap

Rows = Sequence[tuple[str, str]]

_WIDEST, _NARROWEST = 80, 50
_LONGEST_NAME = 32  # what is longer has its text below it


def page(text: str, sections: Mapping[str, Rows | str]) -> str:
    """`text`, then the sections: rows in two columns that stand below each other on all of the page."""
    width = max(_NARROWEST, min(_WIDEST, get_terminal_size().columns)) - 2
    lengths = [len(name) for rows in sections.values() if not isinstance(rows, str) for name, _ in rows]
    column = max((length for length in lengths if length <= _LONGEST_NAME), default=0) + 4
    lines = list(_text(text, width))
    for heading, rows in sections.items():
        lines += ["", f"{heading}:"]
        if isinstance(rows, str):
            lines += _wrapped(rows, width, indent=2)
        else:
            for name, told in rows:
                lines += _row(name, told, width, column)
    return "\n".join(lines)


def _text(text: str, width: int) -> Iterator[str]:
    """Paragraphs, wrapped; one that ends its first line with a colon keeps its lines."""
    for number, paragraph in enumerate(cleandoc(text).split("\n\n")):
        if number:
            yield ""
        if paragraph.partition("\n")[0].endswith(":") and "\n" in paragraph:
            yield from paragraph.split("\n")
        else:
            yield from _wrapped(" ".join(paragraph.split()), width)


def _row(name: str, told: str, width: int, column: int) -> Iterator[str]:
    lines = _wrapped(told, width, indent=column)
    if len(name) + 4 <= column:
        lines[:1] = [f"  {name}".ljust(column) + line.lstrip() for line in lines[:1]] or [f"  {name}"]
        yield from lines
    else:
        yield from (f"  {name}", *lines)


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    space = " " * indent
    return wrap(
        text,
        width,
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )
