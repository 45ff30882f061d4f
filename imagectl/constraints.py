"""The API's limits as one table, and `violations`, which says all that is wrong with an update.

A literal copy of what botocore's service model holds (a test keeps them equal), so that a bad value is
found in milliseconds without importing it. Pure: no I/O, nothing but the nouns.
"""

import re
from functools import cache
from typing import NamedTuple

from imagectl.errors import Problem
from imagectl.image import DELETABLE, PROPERTIES, ImageUpdate
from imagectl.text import quote


class Limit(NamedTuple):
    """One field's limits: length in characters, the service's own pattern, and that pattern in words."""

    min: int
    max: int
    pattern: str
    rule: str


LIMITS: dict[str, Limit] = {
    "ImageName": Limit(
        1,
        63,
        r"[a-zA-Z0-9]([-.]?[a-zA-Z0-9]){0,62}",
        "letters and digits, with single '-' or '.' between them",
    ),
    "Description": Limit(1, 512, r".*", "one line, without a line break"),
    "DisplayName": Limit(1, 128, r"\S(.*\S)?", "one line that neither begins nor ends with a space"),
    "RoleArn": Limit(
        20,
        2048,
        r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
        "an IAM role's ARN, like arn:aws:iam::123456789012:role/NAME",
    ),
    "NameContains": Limit(0, 63, r"[a-zA-Z0-9\-.]+", "letters, digits, '-' and '.'"),
}


def violations(update: ImageUpdate) -> tuple[Problem, ...]:
    """All that the service would refuse in `update`."""
    found = list(wrong("ImageName", update.name))
    for name in filter(update.wanted.__contains__, PROPERTIES):
        value = update.wanted[name]
        if value is not None:
            found += wrong(name, value)
        elif name not in DELETABLE:
            found.append(Problem(name, f"can't be deleted, only {' and '.join(DELETABLE)} can"))
    return tuple(found)


def wrong(name: str, value: str) -> tuple[Problem, ...]:
    """All that is wrong with one field's value."""
    limit, found = LIMITS[name], []
    shown = quote(value)
    if len(value) < limit.min:
        hint = f" (to delete it: --delete-property {name})" if name in DELETABLE and not value else ""
        length = f"{_characters(len(value))} long" if value else "empty"
        found.append(f"is {length}, at least {_characters(limit.min)} needed: {shown}{hint}")
    if len(value) > limit.max:
        found.append(f"is {_characters(len(value))} long, at most {limit.max} allowed: {shown}")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        found.append(f"is not valid UTF-8: {shown}")
    elif value and not python_pattern(limit.pattern).fullmatch(value):
        found.append(f"must be {limit.rule}: {shown}")
    return tuple(Problem(name, text) for text in found)


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


@cache
def python_pattern(pattern: str) -> re.Pattern[str]:
    r"""The service's `pattern` by the service's rules, to be used with `fullmatch`.

    There `.` stops at every line terminator (Python's only at LF), and `\d`, `\w` and `\s` are ASCII.
    """
    any_char = "[^\n\r\u2028\u2029]"
    translated = re.sub(
        r"\\.|\[(?:\\.|[^\]])*\]|\.", lambda token: any_char if token[0] == "." else token[0], pattern
    )
    return re.compile(translated, re.ASCII)
