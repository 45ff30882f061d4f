"""The face: text and JSON come from one value and can't disagree; colour is decided by one rule."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagectl.image import DELETABLE, PROPERTIES, Change, Outcome
from imagectl.render import Face, Output, Presentation
from imagectl.render.lines import diff_lines
from imagectl.render.presentation import has_color
from imagectl.render.style import SGR
from imagectl.text import safe

texts = st.text(min_size=1, max_size=30)
changes = st.builds(
    Change,
    st.sampled_from(PROPERTIES),
    st.one_of(st.none(), texts),
    before=st.one_of(st.none(), texts),
    read=st.booleans(),
).filter(lambda c: (c.read or c.before is None) and (c.after is not None or c.name in DELETABLE))
outcomes = st.builds(
    Outcome,
    result=st.sampled_from(["requested", "updated", "unchanged", "planned"]),
    name=texts,
    region=texts,
    arn=texts,
    changes=st.lists(changes, max_size=3).map(tuple),
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(outcome: Outcome, output: Output) -> str:
    out = io.StringIO()
    Face(Presentation(output=output), stdout=out, stderr=io.StringIO()).outcome(outcome)
    return out.getvalue()


@given(outcomes)
def test_text_and_json_of_an_outcome_agree(outcome: Outcome) -> None:
    """The text is what can be computed from the JSON: ARN, name, and the diff line by line."""
    read = json.loads(shown(outcome, "json"))
    assert shown(outcome, "text") == f"{safe(read['ImageArn'])}\n"
    assert shown(outcome, "name") == f"{safe(read['ImageName'])}\n"
    expected = [f"{safe(read['ImageName'])} ({safe(read['Region'])})"] if read["Changes"] else []
    for change in read["Changes"]:
        name, before, after = change["Property"], change.get("Before"), change["After"]
        if before is not None:
            expected.append(f"- {name}: {safe(before)}")
        elif "Before" not in change and after is None:
            expected.append(f"- {name}")
        if after is not None:
            expected.append(f"{'+' if 'Before' in change else '~'} {name}: {safe(after)}")
    assert list(diff_lines(outcome)) == expected


@given(outcomes)
def test_colour_changes_no_text(outcome: Outcome) -> None:
    """Without its colours, a coloured diff is the plain one; and every colour that begins ends."""
    coloured = list(diff_lines(outcome, color=True))
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == list(diff_lines(outcome))
    for line in coloured:
        assert len(re.findall(r"\x1b\[[1-9]", line)) == line.count("\x1b[0m")


@pytest.mark.parametrize(
    ("choice", "env", "terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "", "CLICOLOR_FORCE": "", "TERM": ""}, False, False),
        ("auto", {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, False, True),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_the_order_of_colour(choice: str, env: dict[str, str], terminal: bool, coloured: bool) -> None:
    """--color, then NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then TERM=dumb, then the stream."""
    stream = _Terminal() if terminal else io.StringIO()
    assert has_color(stream, choice, env) is coloured  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("PyTorch 2.3 for training", "PyTorch 2.4 for training", ["3", "4"]),
        ("PyTorch 2.3 for training", "Data tools of the team", []),
        ("a b c d", "e f g h", []),
        ("one", "one two", ["two"]),
    ],
)
def test_words_are_marked_where_texts_are_alike(before: str, after: str, marked: list[str]) -> None:
    """What is said otherwise in half of its words is another text: marks would be noise."""
    change = Change("Description", after, before=before, read=True)
    outcome = Outcome(result="planned", name="a", region="r", changes=(change,))
    lines = "\n".join(diff_lines(outcome, color=True))
    words = [word.strip() for word in re.findall(r"\x1b\[1;4[0-9;]*m(.*?)\x1b\[0m", lines)]
    assert words == marked


# The sixteen basic colours as common terminals draw them.
PALETTES = {
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5"
    " 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
    "VGA": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa"
    " 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
    "Windows Terminal": "0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc"
    " 767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2",
    "Terminal.app": "000000 c23621 25bc24 adad27 492ee1 d338d3 33bbc8 cbcccd"
    " 818383 fc391f 31e722 eaec23 5833ff f935f8 14f0f0 e9ebeb",
    "Tango": "2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf"
    " 555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec",
    "Solarized": "073642 dc322f 859900 b58900 268bd2 d33682 2aa198 eee8d5"
    " 002b36 cb4b16 586e75 657b83 839496 6c71c4 93a1a1 fdf6e3",
}
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
Rgb = tuple[int, int, int]


def contrast(one: Rgb, other: Rgb) -> float:
    """The ratio that WCAG 2 defines."""

    def luminance(colour: Rgb) -> float:
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def of_the_cube(number: int) -> Rgb:
    """One of the 216 colours that are the same in every theme."""
    red, green, blue = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    levels = (0, 95, 135, 175, 215, 255)
    return levels[red], levels[green], levels[blue]


def test_every_colour_is_read_on_black_and_on_white() -> None:
    """At least 4.5:1 on both, whatever the theme; none is alone: bold, underline or a sign says it too."""
    for style, sgr in SGR.items():
        numbers = [int(n) for n in re.findall(r"38;5;(\d+)", sgr)]
        assert numbers or sgr == "1"
        assert re.fullmatch(r"((1|4|38;5;\d+);?)+", sgr), style
        for number in numbers:
            assert 16 <= number <= 231
            assert min(contrast(of_the_cube(number), ground) for ground in (BLACK, WHITE)) >= 4.5


def test_none_of_the_sixteen_would_do() -> None:
    """Why they are not used: none is read on both grounds in every theme, not even in most."""
    for number in range(16):
        good = 0
        for palette in PALETTES.values():
            text = palette.split()[number]
            rgb = (int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16))
            good += min(contrast(rgb, BLACK), contrast(rgb, WHITE)) >= 4.5
        assert good <= len(PALETTES) // 2
