"""The face: text and JSON come from one value and can't disagree; colour is decided by one rule."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagectl.image import DELETABLE, PROPERTIES, Change, Outcome
from imagectl.render import Face, Output, Presentation, diff_lines, has_color
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
            expected.append(f"+ {name}: {safe(after)}")
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
        ("auto", {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, False, True),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_the_order_of_colour(choice: str, env: dict[str, str], terminal: bool, coloured: bool) -> None:
    """--color, then NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then TERM=dumb, then the stream."""
    stream = _Terminal() if terminal else io.StringIO()
    assert has_color(stream, choice, env) is coloured  # type: ignore[arg-type]
