"""`safe`: the one function that makes foreign text fit for a terminal.

Whatever comes from the service, the command line, a file or the environment passes here before it
is shown to a person. JSON needs none of it: `json.dumps` with ASCII output is safe by itself.
"""

import re

# C0 and DEL and C1; bidirectional marks, embeddings, overrides and isolates; the line and paragraph
# separators; lone surrogates, which are how Python holds argv's bytes that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def safe(text: object) -> str:
    """`text` on one line, each character that could move the cursor or reorder the line made visible."""
    return _UNSAFE.sub(_visible, str(text))


def _visible(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def quote(text: object, limit: int = 80) -> str:
    """`text` made safe, in quotes and cut to `limit` characters: how a message names a value."""
    shown = safe(text)
    if len(shown) > limit:
        shown = f"{shown[: limit - 1]}…"
    return f"'{shown}'"
