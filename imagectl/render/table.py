"""Images as a table: pure functions from images, a width and a moment to lines.

An image is one line at every width. Its name and status are never cut: where not even they fit, the line is
just the two, and the terminal wraps it. What has no room is left out from the right.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from imagectl.image import DEAD_ENDS, Image
from imagectl.render.lines import PLACE
from imagectl.render.style import paint
from imagectl.text import cut, legible, safe, width

_GAP = "  "
_LEAST = 11  # columns: a text that would be cut to fewer is left out; the headings fit


class _Row(NamedTuple):
    """An image's cells: what is never cut, then what is."""

    whole: tuple[str, ...]  # name, status and, where several places were read, region and profile
    modified: str
    display_name: str
    description: str


_HEADINGS = ("ImageName", "ImageStatus")


def table(
    images: Sequence[Image], columns: int, now: datetime, *, color: bool = False, encoding: str = "utf-8"
) -> Iterator[str]:
    """The lines of a table of `images` in `columns` columns."""
    places = [key for key in PLACE if any(key in image.fields for image in images)]
    rows = [_row(image, places, now, encoding) for image in images]
    if not rows:
        return
    headings = _Row((*_HEADINGS, *places), "Modified", "DisplayName", "Description")
    widths = _layout([headings, *rows], columns)
    mark = "…" if legible("…", encoding) == "…" else "..."
    if widths:
        heading = _line(headings, widths, mark)
        yield paint(heading, "heading", on=color)
    for image, row in zip(images, rows, strict=True):
        line = _line(row, widths, mark) if widths else _GAP.join(row.whole).rstrip()
        yield paint(line, "error", on=color and image.status in DEAD_ENDS)


def _row(image: Image, places: Sequence[str], now: datetime, encoding: str) -> _Row:
    """An image's cells. Of one that failed, why is worth more than its description."""

    def shown(text: object) -> str:
        return legible(safe(text), encoding)

    whole = (image.name, image.status, *(image.fields.get(key, "") for key in places))
    reason = image.failure_reason if image.status in DEAD_ENDS else None
    texts = (image.get("DisplayName") or "", reason or image.get("Description") or "")
    return _Row(tuple(map(shown, whole)), ago(image.fields.get("LastModifiedTime"), now), *map(shown, texts))


def _layout(rows: Sequence[_Row], columns: int) -> list[int]:
    """The width of each column that has room; none where what is never cut has none."""
    gap = len(_GAP)
    widths = [max(map(width, cells)) for cells in zip(*(row.whole for row in rows), strict=True)]
    modified, display_name, description = (
        max(map(width, cells)) for cells in zip(*(row[1:] for row in rows), strict=True)
    )
    left = columns - sum(widths) - gap * (len(widths) - 1)
    if left < 0:
        return []
    if left < gap + modified:
        return widths
    widths.append(modified)
    left -= gap + modified
    if left < gap + min(display_name, _LEAST):
        return widths
    # The display name may have half of it, and what the description does not need.
    share = max(_LEAST, left // 2 - gap, left - 2 * gap - description)
    if left - 2 * gap - min(display_name, share) < min(description, _LEAST):
        return [*widths, min(display_name, left - gap)]
    widths.append(min(display_name, share))
    return [*widths, left - 2 * gap - widths[-1]]


def _line(row: _Row, widths: Sequence[int], mark: str) -> str:
    cells = [
        *row.whole,
        *(cut(cell, columns, mark) for cell, columns in zip(row[1:], widths[len(row.whole) :], strict=False)),
    ]
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
