"""The table of images: one line an image at every width, on a terminal's own screen."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from screen import Screen
from service import Service

from imagectl.image import DEAD_ENDS, STATUSES, Image
from imagectl.render.table import ago, table
from imagectl.text import cut, width

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WIDTHS = range(1, 201)


def image(name: str, status: str = "CREATED", **fields: object) -> Image:
    return Image({"ImageName": name, "ImageStatus": status, "LastModifiedTime": NOW, **fields})


FLEET = [
    image("my-image", Description="Python 3.12 with data tools", DisplayName="Data tools"),
    image("n" * 63, "DELETE_FAILED", Description="d" * 512, DisplayName="D" * 128, FailureReason="r" * 300),
    image("wide", "UPDATING", Description="训练镜像🧪" * 50, DisplayName="データ" * 20),
    image("combining", Description="e\u0301" * 500, DisplayName="n\u0303" * 60),
    image("joined", Description="👩‍👩‍👧🇩🇪❤️👍🏽" * 20, DisplayName="👩‍💻"),
    image("bare", LastModifiedTime=NOW - timedelta(days=800)),
]


def screen(images: list[Image], columns: int) -> list[str]:
    lines = list(table(images, columns, NOW))
    rows = sum(2 * len(line) // columns + 1 for line in lines) + 1
    return Screen(columns, rows).write("".join(f"{line}\n" for line in lines)).lines


@pytest.mark.parametrize("images", [FLEET, [one for one in FLEET if len(one.name) < 63], FLEET[:1]], ids=len)
def test_one_line_an_image(images: list[Image]) -> None:
    """At every width: an image is one line of the screen, with its whole name and status.

    Where not even these fit, they are the whole line, and the terminal wraps it.
    """
    both = [f"{one.name}  {one.status}" for one in images]
    for columns in WIDTHS:
        seen = screen(images, columns)
        if columns < max(map(len, both)):
            assert list(table(images, columns, NOW)) == both
            assert "".join("".join(seen).split()) == "".join("".join(both).split())
        else:
            if seen[0].startswith("ImageName"):
                del seen[0]
            assert [line.split()[:2] for line in seen] == [one.split() for one in both]


def test_columns_are_left_out_from_the_right() -> None:
    """The narrower, the fewer; what was there at some width is there at every wider one."""
    headings = ["ImageName", "ImageStatus", "Modified", "DisplayName", "Description"]
    before: list[str] = []
    for columns in WIDTHS:
        first = (screen(FLEET[:1], columns) or [""])[0].split()
        shown = first if first[0] == "ImageName" else []
        assert shown == headings[: len(shown)]
        assert len(shown) >= len(before)
        before = shown
    assert before == headings


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_what_is_cut_says_so(columns: int) -> None:
    """A text that isn't whole ends with …; one that is has none."""
    long, short = "x" * 512, "as it is"
    lines = screen([image("a", Description=long), image("b", Description=short)], columns)
    assert re.fullmatch(r"x+…", lines[1].split()[-1])
    assert len(lines[1]) == columns
    assert lines[2].endswith(short)


def test_columns_line_up() -> None:
    """Wide and combining characters take the columns that a terminal gives them."""
    images = [
        image("a", DisplayName=name, Description="HERE")
        for name in ("plain", "训练", "e\u0301e\u0301", "🧪🧪", "")
    ]
    lines = screen(images, 100)
    places = []
    for line in lines[1:]:
        cells = Screen(100, 2)
        cells.write(line[: line.index("HERE")])
        places.append(cells.cursor[1])
    assert len(set(places)) == 1


@given(
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.sampled_from(STATUSES)), max_size=5),
    st.integers(40, 140),
)
@settings(max_examples=50)
def test_whatever_the_texts_are(cells: list[tuple[str, str, str]], columns: int) -> None:
    """No text makes a second line, nor shows a control character."""
    images = [image("abc", status, Description=d, DisplayName=n) for d, n, status in cells]
    lines = list(table(images, columns, NOW))
    assert all(width(line) <= columns for line in lines)
    assert len(screen(images, columns)) == len(lines) == (len(images) + 1 if images else 0)


def test_failed_images_stand_out() -> None:
    """In colour, and with why they failed: not for those that are as they should be."""
    for status in STATUSES:
        one = image("a", status, FailureReason="no such role", Description="words")
        line = list(table([one], 100, NOW, color=True))[1]
        assert line.startswith("\x1b[") == (status in DEAD_ENDS)
        assert ("no such role" in line) == (status in DEAD_ENDS)


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-100), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=3, hours=23), "3 days ago"),
        (timedelta(days=30), "1 month ago"),
        (timedelta(days=364), "12 months ago"),
        (timedelta(days=365), "1 year ago"),
        (timedelta(days=1000), "2 years ago"),
    ],
)
def test_ages(age: timedelta, said: str) -> None:
    """The units and the rounding of gh."""
    assert ago(NOW - age, NOW) == said


def test_no_time_no_age() -> None:
    assert ago(None, NOW) == ""


@given(st.text(), st.integers(0, 40))
def test_cut(text: str, columns: int) -> None:
    """A cut text fits, and is the text's beginning."""
    shown = cut(text, columns)
    assert shown == text or (width(shown) <= columns and text.startswith(shown.removesuffix("…")))


def test_an_encoding_that_lacks_characters() -> None:
    """What a stream can't write is an escape, and the line still fits."""
    one = image("a", Description="训练" * 40)
    for line in table([one], 60, NOW, encoding="ascii"):
        assert len(line) <= 60
        assert line.isascii()


@pytest.mark.parametrize("columns", ["0", "-1", "nonsense", "", "80.5", "1" * 40])
def test_columns_that_are_none(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """COLUMNS=0 and nonsense mean the terminal's own width, else 80."""
    monkeypatch.setenv("COLUMNS", columns)
    lines = run("list", terminal=["stdout"]).stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("my-image")
    assert max(map(len, lines)) <= 80


def test_an_empty_list_says_so(run: Run, service: Service) -> None:
    """On a terminal, on stderr: stdout stays empty."""
    service.images.clear()
    result = run("list", terminal=["stdout", "stderr"])
    assert (result.code, result.stdout) == (0, "")
    assert "no such images" in result.stderr
    assert run("list", "-q", terminal=["stdout", "stderr"]).stderr == ""


def test_region_and_profile_are_never_cut() -> None:
    """They tell an image from the one of the same name elsewhere."""
    there = {"Region": "ap-southeast-2", "Profile": "production"}
    images = [image("my-image", Description="d" * 500, **there), image("other", Region="us-east-1")]
    for columns in WIDTHS:
        lines = list(table(images, columns, NOW))
        mine = next(line for line in lines if line.startswith("my-image"))
        assert mine.split()[:4] == ["my-image", "CREATED", *there.values()]
        assert len(mine) <= columns or mine.split() == ["my-image", "CREATED", *there.values()]
    assert next(iter(table(images, 200, NOW))).split()[:4] == [
        "ImageName",
        "ImageStatus",
        "Region",
        "Profile",
    ]
