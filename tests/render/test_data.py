"""Results as data: what YAML and a query's text say is what JSON says."""

import json
import re
from typing import Any

import pytest
import yaml
from conftest import Run
from hypothesis import example, given
from hypothesis import strategies as st
from service import Service

from imagectl.errors import ImagectlError, Problem
from imagectl.fleet import manifest
from imagectl.render.data import to_json, to_yaml
from imagectl.render.query import select, to_text
from imagectl.text import safe

# All that a description may hold but a line break, which the service itself refuses.
LINE = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\x85\u2028\u2029"),
        st.sampled_from("\u202e\u200f\u061c\x1b\x9b\x7f\t\x00\ufeff'\"\\#:-{}[],&*!|>%@`?~=<"),
    ),
    min_size=1,
    max_size=40,
)


@given(LINE)
@example("yes")
@example("null")
@example("1e3")
@example("=")
@example("<<")
@example("2024-01-01")
@example("- a: b # c")
@example(" 训练 🧪 ")
@example("'\"\\")
@example("x" * 512)
def test_yaml_comes_back_through_a_manifest(text: str) -> None:
    """What `list -o yaml` prints is a manifest that declares each text as it is, and fit for a terminal."""
    images = [
        {
            "ImageName": "a",
            "ImageStatus": "CREATED",
            "Description": text,
            "CreationTime": "2025-06-15T00:00:00.000Z",
        }
    ]
    written = to_yaml({"Images": images})
    problems: list[Problem] = []
    entries = manifest.parse(written.encode(), problems).entries
    assert [p for p in problems if p.field != "Description"] == []
    if not problems:
        assert [dict(entry.update.wanted) for entry in entries] == [{"Description": text}]
    assert yaml.safe_load(written) == {"Images": images}
    assert all(safe(line) == line for line in written.split("\n"))


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), LINE),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(LINE, inner, max_size=3)),
        max_leaves=10,
    )
)
def test_yaml_and_json_agree(data: Any) -> None:
    """Whatever a query gives, YAML says what JSON says."""
    assert yaml.safe_load(to_yaml(data)) == json.loads(to_json(data))


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("Name", ["x y"]),
        ("Missing", []),
        ("List[]", ["a", "b"]),
        ("[Name, Missing, Number, Flag]", ["x y", "", "5", "true"]),
        ("[[Name, Missing], [Number, Flag]]", ["x y\t", "5\ttrue"]),
        ("`[]`", []),
        ("Number", ["5"]),
        ("Tabs", ["a\\tb\\x1b"]),
        ("[[Tabs, Name]]", ["a\\tb\\x1b\tx y"]),
        ("length(List)", ["2"]),
    ],
)
def test_a_query_as_text(query: str, lines: list[str]) -> None:
    """Bare scalars, one a line; lists in a list are rows by tabs; nothing at all for null."""
    data = {"Name": "x y", "List": ["a", "b"], "Number": 5, "Flag": True, "Tabs": "a\tb\x1b"}
    assert list(to_text(select(data, query), query)) == lines


@pytest.mark.parametrize("query", ["@", "Images", "Images[0]", "Images[].{A: Name}", "[[Images]]"])
def test_an_object_as_text_says_what_to_ask_for(query: str) -> None:
    """A usage error; the query in it, where there is one, works."""
    data = {"Images": [{"Name": "x", "Status": "y"}], "Other": "z"}
    with pytest.raises(ImagectlError) as caught:
        list(to_text(select(data, query), query))
    assert caught.value.kind == "usage"
    asked = re.search(r"--query '(.*)', or", caught.value.message)
    if query != "[[Images]]":
        assert asked
        assert list(to_text(select(data, asked[1]), asked[1])) in (["z"], ["x", "y"], ["x\ty"], ["x"])


def test_queries_from_the_command_line(run: Run, service: Service) -> None:
    """The idiom of every script around AWS: a value into a variable; several as rows."""
    assert (
        run("show", "my-image", "--query", "Description", "-o", "text").stdout == "PyTorch 2.3 for training\n"
    )
    assert run("show", "my-image", "--query", "FailureReason", "-o", "text") == (0, "", "")
    service.add("other")
    rows = run("list", "--query", "Images[].[ImageName, Description]", "-o", "text").stdout
    assert rows == "my-image\tPyTorch 2.3 for training\nother\t\n"
    assert run("list", "--query", "Images[].ImageName", "-o", "yaml").stdout == "- my-image\n- other\n"
    failed = run("list", "--query", "Images", "-o", "text")
    assert (failed.code, failed.stdout) == (2, "")
    assert "Images | [].[" in failed.stderr
    assert run("list", "--query", "Images", "-o", "name").code == 2


def test_yaml_of_every_command(run: Run, service: Service) -> None:
    """show, list, update and apply's records say in YAML what they say in JSON."""
    service.add("other", Description="yes: it's # odd")
    for argv in (["show", "my-image"], ["list"], ["update", "my-image", "--description", "x", "--dry-run"]):
        as_json, as_yaml = (run(*argv, "-o", output).stdout for output in ("json", "yaml"))
        assert yaml.safe_load(as_yaml) == json.loads(as_json)
    lines = b'{"ImageName": "my-image", "Description": "x"}\n{"ImageName": "other", "Description": "y"}\n'
    as_json, as_yaml = (
        run("apply", "--dry-run", "-o", output, stdin=lines).stdout for output in ("json", "yaml")
    )
    assert list(yaml.safe_load_all(as_yaml)) == [json.loads(line) for line in as_json.splitlines()]


def test_a_fleet_goes_round_through_yaml(run: Run, service: Service) -> None:
    """`list -o yaml` is a manifest: as it is nothing changes, edited just that."""
    service.add("other", Description="yes", DisplayName="1e3")
    fleet = run("list", "-o", "yaml").stdout
    assert run("apply", "--dry-run", "--detailed-exitcode", stdin=fleet.encode()).code == 0
    edited = fleet.replace("'yes'", "better")
    assert edited != fleet
    assert run("apply", "--yes", stdin=edited.encode()).code == 0
    assert service.calls("UpdateImage") == [{"ImageName": "other", "Description": "better"}]
