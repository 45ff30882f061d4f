"""Foreign text on a terminal: `safe` makes it fit to be shown, `width` and `cut` make it fit a line.

Whatever comes from the service, the command line, a file or the environment passes `safe` before it
is shown to a person. JSON needs none of it: `json.dumps` with ASCII output is safe by itself.
"""

import re

# C0 and DEL and C1; bidirectional marks, embeddings, overrides and isolates; the line and paragraph
# separators; lone surrogates, which are how Python holds argv's bytes that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# Drawn over two columns by some terminals at least: wide since Unicode 16, and the letters that make flags.
_WIDE_HERE_AND_THERE = (
    "[\u2630-\u2637\u268a-\u268f\u4dc0-\u4dff\U0001d300-\U0001d356\U0001d360-\U0001d376\U0001f1e6-\U0001f1ff]"
)
_JOINERS = "\u200b\u200c\u200d"
_EMOJI_SIGN = "\ufe0f"  # makes the character before it an emoji, which may take one column more


def safe(text: object) -> str:
    """`text` on one line, each character that could move the cursor or reorder the line made visible."""
    return _UNSAFE.sub(_visible, str(text))


def _visible(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


WHOLE = 4096  # characters: a path is never cut, its end says most


def without_passwords(text: str) -> str:
    """`text` without what stands before the host in a URL.

    Nobody can say where a password ends that has a slash or a space in it: all up to the last @ goes, be
    that too much.
    """
    scheme, mark, rest = text.partition("://")
    _, at, place = rest.rpartition("@")
    return f"{scheme}{mark}{REDACTED}{place}" if at else text


REDACTED = "[redacted]@"


def quote(text: object, limit: int = 80) -> str:
    """`text` made safe, in quotes and cut to `limit` characters: how a message names a value.

    A URL may stand where none is meant, so the password in it never shows.
    """
    shown = safe(without_passwords(str(text)))
    if len(shown) > limit:
        shown = f"{shown[: limit - 1]}…"
    return f"'{shown}'"


def width(text: str) -> int:
    """How many columns of a terminal `text`, which is safe, takes at most.

    Terminals differ in joined emoji: character by character is the widest that any of them draws.
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    from unicodedata import category, east_asian_width  # here: most texts are ASCII

    if char == _EMOJI_SIGN:
        return 1
    if char in _JOINERS or category(char) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(char) in "WF" or re.match(_WIDE_HERE_AND_THERE, char) else 1


def cut(text: str, columns: int, mark: str = "…") -> str:
    """`text` in `columns` columns at most; where it has to be cut, `mark` is its end."""
    if width(text) <= columns:
        return text
    room, end = columns - width(mark), 0
    for char in text:
        room -= _columns(char)
        if room < 0:
            break
        end += 1
    return (text[:end].rstrip() + mark) if columns >= width(mark) else ""


def legible(text: str, encoding: str) -> str:
    """`text` as a stream of `encoding` writes it: what the encoding lacks is an escape."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
