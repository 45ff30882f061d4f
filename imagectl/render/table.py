"""Images as a table: pure functions from images, a width and a moment to lines.

An image is one line at every width. Its name and status are never cut: where not even they fit, the line is
just the two, and the terminal wraps it. What has no room is left out from the right.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from imagectl.image import DEAD_ENDS, Image
from imagectl.render.style import paint
from imagectl.text import cut, legible, safe, width

_GAP = "  "
_LEAST = 11  # columns: a text that would be cut to fewer is left out; the headings fit


class _Row(NamedTuple):
    name: str
    status: str
    modified: str
    display_name: str
    description: str


_HEADINGS = _Row("ImageName", "ImageStatus", "Modified", "DisplayName", "Description")


def table(
    images: Sequence[Image], columns: int, now: datetime, *, color: bool = False, encoding: str = "utf-8"
) -> Iterator[str]:
    """The lines of a table of `images` in `columns` columns."""
    rows = [_Row(*(legible(cell, encoding) for cell in _row(image, now))) for image in images]
    if not rows:
        return
    widths = _layout([_HEADINGS, *rows], columns)
    mark = "…" if legible("…", encoding) == "…" else "..."
    if widths:
        heading = _line(_HEADINGS, widths, mark)
        yield paint(heading, "heading", on=color)
    for image, row in zip(images, rows, strict=True):
        line = _line(row, widths, mark) if widths else f"{row.name}{_GAP}{row.status}".rstrip()
        yield paint(line, "error", on=color and image.status in DEAD_ENDS)


def _row(image: Image, now: datetime) -> _Row:
    """An image's cells. Of one that failed, why is worth more than its description."""
    reason = image.failure_reason if image.status in DEAD_ENDS else None
    texts = (reason or image.get("Description") or "", image.get("DisplayName") or "")
    description, display_name = map(safe, texts)
    modified = ago(image.fields.get("LastModifiedTime"), now)
    return _Row(safe(image.name), safe(image.status), modified, display_name, description)


def _layout(rows: Sequence[_Row], columns: int) -> list[int]:
    """The width of each column that has room; none where name and status have none."""
    longest = [max(map(width, cells)) for cells in zip(*rows, strict=True)]
    name, status, modified, display_name, description = longest
    gap, widths = len(_GAP), [name, status]
    left = columns - name - gap - status
    if left < 0:
        return []
    if left < gap + modified:
        return widths
    widths.append(modified)
    left -= gap + modified
    if left < gap + min(display_name, _LEAST):
        return widths
    # The display name may have a third, and what the description does not need.
    share = max(_LEAST, left // 3, left - 2 * gap - description)
    if left - 2 * gap - min(display_name, share) < min(description, _LEAST):
        return [*widths, min(display_name, left - gap)]
    widths.append(min(display_name, share))
    return [*widths, left - 2 * gap - widths[-1]]


def _line(row: _Row, widths: Sequence[int], mark: str) -> str:
    cells = (cut(cell, columns, mark) for cell, columns in zip(row, widths, strict=False))
    return _GAP.join(
        cell + " " * (columns - width(cell)) for cell, columns in zip(cells, widths, strict=True)
    ).rstrip()


_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def ago(time: Any, now: datetime) -> str:
    """A moment as its age, in the units and with the rounding that gh has: 3 days ago."""
    if not isinstance(time, datetime):
        return ""
    seconds = (now.astimezone(UTC) - time.astimezone(UTC)).total_seconds()
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
