"""Errors, diffs and rows as lines of text: pure functions on values."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from imagectl.errors import ImagectlError
from imagectl.image import Change, Image, Outcome
from imagectl.render.style import Style, paint
from imagectl.text import safe

_LONGEST_MESSAGE = 4000  # characters of one foreign text in an error: a proxy's page is no message
_ALIKE = 0.5  # the part of two texts that has to be the same for their differences to be worth marking
PLACE = ("Region", "Profile")
_COLUMNS = ("ImageName", "ImageStatus", "LastModifiedTime", "DisplayName", "Description")


def rfc3339(value: Any) -> Any:
    """A time as RFC 3339 in UTC; another value as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def row(image: Image) -> str:
    """An image as a row in a pipe: whole, by tabs; at its end where it is, if several places were read."""
    columns = (*_COLUMNS, *PLACE) if PLACE[0] in image.fields else _COLUMNS
    return "\t".join(safe(rfc3339(image.fields.get(key, ""))) for key in columns)


def field_lines(image: Image, *, aligned: bool, color: bool = False) -> Iterator[str]:
    """All fields of an image, one a line: aligned, or by a tab."""
    longest = max(map(len, image.fields), default=0) if aligned else 0
    for key, value in image.fields.items():
        label = paint(f"{safe(key):{longest}}", "name", on=color)
        yield f"{label}{'  ' if aligned else chr(9)}{safe(rfc3339(value))}"


def error_lines(error: ImagectlError, *, where: str = "", color: bool = False) -> Iterator[str]:
    """An error as people read it: what is wrong, each problem on a line, a hint, the request's id."""
    label = paint("error:", "error", on=color)
    if error.problems:
        for problem in error.problems:
            yield f"imagectl: {label} {safe(problem)}"
    else:
        yield f"imagectl: {label} {safe(where)}{safe(_message(error, named=bool(where)))}"
    if error.hint:
        hint, *command = error.hint.split("\n")
        yield f"hint: {safe(hint)}"
        yield from map(safe, command)  # whole and with nothing before it, to be copied
    if error.request_id:
        yield f"request id: {safe(error.request_id)}"


def _message(error: ImagectlError, *, named: bool) -> str:
    """What is wrong. The service's own words get the image's name, if it is not `named`, and their code."""
    message = error.message
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}…"
    if error.http_status is None or error.kind == "not-found":
        return message
    name = f"{error.image_name}: " if error.image_name and not named else ""
    code = f" ({error.code})" if error.code and error.code not in message else ""
    return f"{name}{message}{code}"


def diff_lines(outcome: Outcome, *, color: bool = False) -> Iterator[str]:
    """A diff of one image: a heading, then `-` and `+` lines, `~` where what was there has not been read."""
    if not outcome.changes:
        return
    yield paint(f"{safe(outcome.name)} ({safe(outcome.place)})", "heading", on=color)
    for change in outcome.changes:
        before, after = _marked(change) if color else (safe(change.before), safe(change.after))
        if change.before is not None:
            yield f"{paint(f'- {change.name}:', 'removed', on=color)} {before}"
        elif not change.read and change.after is None:
            yield paint(f"- {change.name}", "removed", on=color)
        if change.after is not None:
            sign, style = _SIGNS[change.read]
            yield f"{paint(f'{sign} {change.name}:', style, on=color)} {after}"


_SIGNS: dict[bool, tuple[str, Style]] = {True: ("+", "added"), False: ("~", "set")}


def _marked(change: Change) -> tuple[str, str]:
    """Both values; where they are alike with the words marked in which they differ."""
    if change.before is None or change.after is None:
        return safe(change.before), safe(change.after)
    import re
    from difflib import SequenceMatcher

    old, new = (re.findall(r"\s+|\w+|[^\w\s]", safe(text)) for text in (change.before, change.after))
    before, after, same = "", "", 0
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        same += len("".join(gone.split())) if tag == "equal" else 0
        before += gone if tag == "equal" else paint(gone, "removed word")
        after += come if tag == "equal" else paint(come, "added word")
    most = max(len("".join("".join(words).split())) for words in (old, new))
    return (before, after) if same >= _ALIKE * most else ("".join(old), "".join(new))
