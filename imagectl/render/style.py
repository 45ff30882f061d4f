"""Colour: the one table of styles. Every escape that colours a text is written here.

The colours are fixed ones of the 256, with a contrast of at least 4.5:1 on black and on white. Of the sixteen
basic ones, which every theme defines anew, none has that. No colour says anything alone: a sign, a word, bold
or an underline says the same.
"""

import re
from typing import Literal

Style = Literal["heading", "name", "error", "removed", "added", "set", "removed word", "added word"]

_RED, _GREEN, _BLUE = "38;5;131", "38;5;29", "38;5;63"
SGR: dict[Style, str] = {
    "heading": "1",
    "name": _BLUE,
    "error": f"1;{_RED}",
    "removed": _RED,
    "added": _GREEN,
    "set": _BLUE,
    "removed word": f"1;4;{_RED}",
    "added word": f"1;4;{_GREEN}",
}


def paint(text: str, style: Style, *, on: bool = True) -> str:
    """`text` in a style; as it is where colour is off or there is nothing to colour."""
    return f"\x1b[{SGR[style]}m{text}\x1b[0m" if on and text else text


def coloured_page(page: str) -> str:
    """A help page with headings and options that stand out."""
    page = re.sub(r"^(\S[^\n]*?:)(?=\s)", lambda found: paint(found[0], "heading"), page, flags=re.MULTILINE)
    return re.sub(r"(?<=[\s/])(--?[a-z][a-z-]*)", lambda found: paint(found[0], "name"), page)
