"""Manifests: which texts are one, what they declare, and where each problem is."""

import json
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
import yaml
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from service import ROLE, Service

from imagectl.errors import Problem
from imagectl.fleet.manifest import READ_ONLY, Entry, Manifest, parse
from imagectl.image import ImageArn

ARN = "arn:aws:sagemaker:us-east-1:123456789012:image/"
MARKED = "a byte order mark (U+FEFF) stands in mid-file, as where files were put together"
# What `aws sagemaker update-image --generate-cli-skeleton` prints; test_aws_cli.py asks the real one.
SKELETON = """{
    "DeleteProperties": [
        ""
    ],
    "Description": "",
    "DisplayName": "",
    "ImageName": "",
    "RoleArn": ""
}
"""
A, B = {"ImageName": "a", "Description": "x"}, {"ImageName": "b", "DisplayName": None}


def read(text: str | bytes, **options: Any) -> tuple[tuple[Entry, ...], list[Problem]]:
    problems: list[Problem] = []
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return parse(data, problems, **options).entries, problems


def wrong(text: str | bytes, **options: Any) -> list[tuple[int | None, str, str]]:
    """All problems: line, field, message."""
    return [(problem.line, problem.field, problem.message) for problem in read(text, **options)[1]]


def declared(text: str | bytes) -> list[tuple[int, str, dict[str, str | None]]]:
    """What a good manifest declares: line, name, properties."""
    entries, problems = read(text)
    assert problems == []
    return [(entry.line, entry.update.name, dict(entry.update.wanted)) for entry in entries]


# Shapes.

BOTH = [("a", {"Description": "x"}), ("b", {"DisplayName": None})]
SHAPES = {
    "JSON Lines": (f"{json.dumps(A)}\n{json.dumps(B)}\n", [1, 2]),
    "JSON Lines, blank lines": (f"\n{json.dumps(A)}\n\n{json.dumps(B)}", [2, 4]),
    "JSON Lines, CRLF": (f"{json.dumps(A)}\r\n{json.dumps(B)}\r\n", [1, 2]),
    "what jq prints": (f"{json.dumps(A, indent=2)}\n{json.dumps(B, indent=2)}\n", [1, 5]),
    "array": (json.dumps([A, B], indent=2), [2, 6]),
    "array on one line": (json.dumps([A, B]), [1, 1]),
    "object": (json.dumps({"Images": [A, B]}, indent=2), [3, 7]),
    "reply": (
        json.dumps({"NextToken": "x", "ResponseMetadata": {"Images": [[]]}, "Images": [A, B]}),
        [1, 1],
    ),
    "several lists": (f"{json.dumps([A])}\n{json.dumps({'Images': [B]})}\n", [1, 2]),
    "YAML list": ("- ImageName: a\n  Description: x\n- ImageName: b\n  DisplayName: null\n", [1, 3]),
    "YAML, indicator on its own line": (
        "-\n  ImageName: a\n  Description: x\n- {ImageName: b, DisplayName: ~}",
        [2, 4],
    ),
    "YAML object": (
        "# fleet\nImages:\n- {ImageName: a, Description: x}\n- {ImageName: b, DisplayName: }\n".replace(
            "e: }", "e: ~}"
        ),
        [3, 4],
    ),
    "YAML documents": (
        "---\nImageName: a\nDescription: x\n---\n---\nImageName: b\nDisplayName: null\n...\n",
        [2, 6],
    ),
    "YAML flow": ("[{ImageName: a, Description: x}, {ImageName: b, DisplayName: null}]", [1, 1]),
    "YAML aliases": (
        "- &a {ImageName: a, Description: &d x}\n- {<<: *a, ImageName: b, DisplayName: null}\n",
        [1, 2],
    ),
}


SHAPES |= {
    "list of replies": (
        json.dumps([{"Images": [A]}, {"Images": [B], "x-mine": [{"a": 1}]}], indent=2),
        [4, 12],
    ),
    "reply with a key of the writer's own": (
        f'{{"x-mine": {{"x": 1}}, "Images": [{json.dumps(A)},\n' + f"{json.dumps(B)}]}}",
        [1, 2],
    ),
    "YAML list of replies": (
        "- Images:\n  - {ImageName: a, Description: x}\n- Images: [{ImageName: b, DisplayName: null}]\n",
        [2, 3],
    ),
    "YAML templates, merges of merges": (
        (
            "x-all: &all {Description: x}\nx-a: &a {<<: [*all]}\nx-other: {? [a] : 1, b: [2], <<: 3}\n"
            "Images:\n- {<<: *a, ImageName: a}\n- {<<: [{}, *a], ImageName: b, DisplayName: null}\n"
        ),
        [5, 6],
    ),
    "the API's own request": (
        json.dumps({**A, "DeleteProperties": []})
        + "\n"
        + '{"ImageName": "b", "DeleteProperties": ["DisplayName"]}',
        [1, 2],
    ),
    "the API's own request in YAML": (
        "- {ImageName: a, Description: x}\n- ImageName: b\n  DeleteProperties:\n  - DisplayName\n",
        [1, 2],
    ),
}


@pytest.mark.parametrize(("text", "lines"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_shape_declares_the_same(text: str, lines: list[int], encoding: str) -> None:
    """JSON Lines, arrays, objects with Images and YAML of the same shapes are all manifests."""
    found = declared(text.encode(encoding))
    assert [line for line, *_ in found] == lines
    expected = BOTH if "<<" not in text else [BOTH[0], ("b", {"Description": "x", "DisplayName": None})]
    assert [(name, wanted) for _, name, wanted in found] == expected


@pytest.mark.parametrize("text", ["[]", '{"Images": []}', "Images: []", "[\n]"])
def test_an_empty_list_declares_nothing(text: str) -> None:
    assert declared(text) == []


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_no_text_is_no_manifest(text: str) -> None:
    """The command that was to write it failed: nothing to do would be the wrong answer."""
    assert wrong(text) == [(None, "", "the manifest is empty")]


# Entries.


def test_null_deletes_absent_leaves_alone() -> None:
    assert declared('{"ImageName": "a", "Description": null}') == [(1, "a", {"Description": None})]
    assert declared('{"ImageName": "a"}') == [(1, "a", {})]


def test_an_arn_names_image_and_region() -> None:
    (entry,), _ = read(json.dumps({"ImageArn": f"{ARN}a", "Description": "x"}))
    assert (entry.update.name, entry.region, entry.profile) == ("a", "us-east-1", None)
    assert entry.arn == ImageArn("aws", "us-east-1", "123456789012", "a")


def test_region_and_profile_are_the_entrys_own() -> None:
    """The entry wins over the flags, which are for those that say nothing."""
    (entry,), problems = read('{"ImageName": "a", "Region": "eu-west-1", "Profile": "p"}', region="us-east-1")
    assert (entry.region, entry.profile, problems) == ("eu-west-1", "p", [])


def test_a_guard_is_what_the_image_has_to_be() -> None:
    """Expected: properties, of which null is none at all. Without it nothing is expected."""
    for text in (
        '{"ImageName": "a", "Expected": {"Description": "x", "DisplayName": null}}',
        "ImageName: a\nExpected:\n  Description: x\n  DisplayName: ~\n",
    ):
        (entry,), problems = read(text)
        assert (entry.expected, problems) == ({"Description": "x", "DisplayName": None}, [])
    (entry,), _ = read('{"ImageName": "a"}')
    assert entry.expected == {}


def test_whatever_yaml_takes_for_something_else_has_its_advice() -> None:
    """Every type that YAML gives to text without quotes: the message says to put it in quotes."""
    samples = {
        "bool": "no",
        "timestamp": "2026-01-01",
        "int": "12",
        "float": "1.5",
        "merge": "<<",
        "value": "=",
    }
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.values()
    tags = {tag.rpartition(":")[2] for found in resolvers for tag, _ in found}
    assert tags - {"null", "yaml"} == samples.keys()  # "yaml" is of signs that no text can be
    for sample in samples.values():
        ((_, _, message),) = wrong(f"ImageName: a\nDescription: {sample}\n")
        assert message.endswith(": put it in quotes")


def test_what_the_api_returns_and_nobody_can_set_is_passed_over() -> None:
    """READ_ONLY is all that DescribeImage and ListImages return, without what names or can be set."""
    model = botocore.loaders.create_loader().load_service_model("sagemaker", "service-2")["shapes"]
    returned = {*model["DescribeImageResponse"]["members"], *model["Image"]["members"]}
    assert returned - {"ImageName", "ImageArn", "Description", "DisplayName", "RoleArn"} == READ_ONLY
    reply = dict.fromkeys(READ_ONLY, 1) | {"ImageName": "a", "ImageArn": f"{ARN}a", "RoleArn": ROLE}
    assert declared(json.dumps(reply)) == [(1, "a", {"RoleArn": ROLE})]
    outer = {*model["ListImagesResponse"]["members"], "ResponseMetadata"}
    assert declared(json.dumps(dict.fromkeys(outer, 1) | {"Images": []})) == []


BAD = {
    "unknown key": (
        '{"ImageName": "a", "Descripton": "x"}',
        [(1, "'Descripton'", "is not known; did you mean Description?")],
    ),
    "misspelt key": (
        '{"image-name": "a"}',
        [
            (1, "'image-name'", "is not known; did you mean ImageName?"),
            (1, "", "has neither ImageName nor ImageArn"),
        ],
    ),
    "no image": ('{"Description": "x"}', [(1, "", "has neither ImageName nor ImageArn")]),
    "duplicate key": (
        '{"ImageName": "a",\n"Description": "x",\n"Description": "x"}',
        [(3, "Description", "is given twice")],
    ),
    "duplicate key in YAML": (
        "- ImageName: a\n  Description: x\n  Description: x\n",
        [(3, "Description", "is given twice")],
    ),
    "empty text": (
        '{"ImageName": "a", "DisplayName": ""}',
        [(1, "DisplayName", "is empty: null deletes, leaving out the key leaves alone")],
    ),
    "role deleted": (
        '{"ImageName": "a", "RoleArn": null}',
        [(1, "RoleArn", "can't be deleted, only Description and DisplayName can")],
    ),
    "name null": ('{"ImageName": null}', [(1, "ImageName", "must be text, not null")]),
    "number": (
        '[{"ImageName": "a",\n"Description": 12}]',
        [(2, "Description", "must be text or null, not the number '12'")],
    ),
    "huge number": (
        '{"ImageName": "a", "Description": %s}' % ("1" * 5000),
        [(1, "Description", f"must be text or null, not the number '{'1' * 19}…'")],
    ),
    "NaN": (
        '{"ImageName": "a", "Description": NaN}',
        [(1, "Description", "must be text or null, not the number 'NaN'")],
    ),
    "true": (
        '{"ImageName": "a", "Description": true}',
        [(1, "Description", "must be text or null, not true")],
    ),
    "list": (
        '{"ImageName": "a", "Description": []}',
        [(1, "Description", "must be text or null, not a list")],
    ),
    "YAML's number": (
        "ImageName: a\nDisplayName: 1.10\n",
        [
            (
                2,
                "DisplayName",
                "must be text or null, not 1.10, which YAML takes for a number: put it in quotes",
            )
        ],
    ),
    "YAML's bool": (
        "ImageName: a\nDisplayName: no\n",
        [
            (
                2,
                "DisplayName",
                "must be text or null, not 'no', which YAML takes for true or false: put it in quotes",
            )
        ],
    ),
    "YAML's date": (
        "ImageName: a\nDisplayName: 2026-01-01\n",
        [
            (
                2,
                "DisplayName",
                "must be text or null, not '2026-01-01', which YAML takes for a date: put it in quotes",
            )
        ],
    ),
    "YAML's nothing": (
        "ImageName: a\nDescription:\n",
        [
            (
                2,
                "Description",
                "must be text or null, not nothing (null deletes, leaving out the key leaves alone)",
            )
        ],
    ),
    "YAML's objects": (
        "ImageName: a\nDescription: !!python/object/apply:os.system [id]\n",
        [(2, "Description", "must be text or null, not a list")],
    ),
    "no entry": (
        '["a",\n1, null]',
        [
            (1, "", "an image must be an object with the key ImageName, not 'a'"),
            (2, "", "an image must be an object with the key ImageName, not the number '1'"),
            (2, "", "an image must be an object with the key ImageName, not null"),
        ],
    ),
    "no entry in YAML": (
        "just text\n",
        [(1, "", "an image must be an object with the key ImageName, not 'just text'")],
    ),
    "Images no list": ('{"Images": 1}', [(1, "Images", "must be a list")]),
    "Images no list in YAML": (
        "x: 1\nImages: a\n",
        [(1, "'x'", "is not known beside Images"), (2, "Images", "must be a list")],
    ),
    "beside Images": ('{"Images": [], "Other": 1}', [(1, "'Other'", "is not known beside Images")]),
    "no ARN": ('{"ImageArn": "arn:aws:x"}', [(1, "ImageArn", "is no image's ARN: 'arn:aws:x'")]),
    "ARN of another image": (
        json.dumps({"ImageName": "b", "ImageArn": f"{ARN}a"}),
        [(1, "ImageArn", "is of 'a', but ImageName is 'b'")],
    ),
    "ARN of another region": (
        json.dumps({"Region": "eu-west-1", "ImageArn": f"{ARN}a"}),
        [(1, "ImageArn", "is of 'us-east-1', but Region is 'eu-west-1'")],
    ),
    "region": ('{"ImageName": "a", "Region": "US_EAST"}', [(1, "Region", "is no region's name: 'US_EAST'")]),
    "name": (
        '{"ImageName": "a_b"}',
        [(1, "ImageName", "must be letters and digits, with single '-' or '.' between them: 'a_b'")],
    ),
    "surrogate": (
        '{"ImageName": "a", "Description": "\\ud800"}',
        [(1, "Description", "is not valid UTF-8: '\\ud800'")],
    ),
    "same image twice": (
        '{"ImageName": "a"}\n{"ImageName": "a", "Description": "x"}\n{"ImageName": "A"}',
        [
            (2, "ImageName", "'a' is already declared in line 1"),
        ],
    ),
    "same image twice, once by its ARN": (
        json.dumps({"ImageName": "a", "Region": "us-east-1"}) + "\n" + json.dumps({"ImageArn": f"{ARN}a"}),
        [(2, "ImageName", "'a' is already declared in line 1")],
    ),
    "JSON": (
        '{"ImageName": "a" "Description": "x"}',
        [(1, "", "is no JSON: Expecting ',' delimiter (column 19)")],
    ),
    "JSON cut off": (
        '[{"ImageName": "a"},\n{"ImageName": "b"}',
        [(2, "", "is no JSON: ',' or ']' expected")],
    ),
    "JSON Lines, all of them": (
        '{"ImageName": }\n{"ImageName": "a_b"}\n{"ImageName": "c"\n{"ImageName": "d", "X": 1}\n',
        [
            (1, "", "is no JSON: Expecting value (column 15)"),
            (2, "ImageName", "must be letters and digits, with single '-' or '.' between them: 'a_b'"),
            (4, "", "is no JSON: Expecting ',' delimiter (column 1)"),
            (4, "'X'", "is not known"),
        ],
    ),
    "YAML": (
        "- ImageName: a\n- {b\n",
        [(3, "", "is no YAML: while parsing a flow mapping, did not find expected ',' or '}'")],
    ),
    "YAML, undefined alias": ("- *x\n", [(1, "", "is no YAML: found undefined alias")]),
    "YAML, control character": (
        "a: b\nc: \x01\n",
        [(2, "", "is no YAML: unacceptable character #x0001: control characters are not allowed")],
    ),
    "YAML, a merge of text": ("- {<<: a, ImageName: b}\n", [(1, "<<", "must merge mappings")]),
    "YAML, a merge of itself": (
        "- &a\n  <<: *a\n  ImageName: a\n",
        [(2, "<<", "merges what it stands in")],
    ),
    "YAML, merges without end": (
        "x-0: &a0 {Description: x}\n"
        + "".join(f"x-{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 200))
        + "Images:\n- {<<: *a199, ImageName: a}\n",
        [(151, "<<", "merges too many levels")],
    ),
    "YAML's sign": (
        "ImageName: a\nDescription: =\nDisplayName: <<\n",
        [
            (
                2,
                "Description",
                "must be text or null, not '=', which YAML takes for a sign of its own: put it in quotes",
            ),
            (
                3,
                "DisplayName",
                "must be text or null, not '<<', which YAML takes for a sign of its own: put it in quotes",
            ),
        ],
    ),
    "a byte order mark between lines": (
        '{"ImageName": "a"}\n\ufeff{"ImageName": "b", "X": 1}\n',
        [(2, "", MARKED), (2, "'X'", "is not known")],
    ),
    "a byte order mark in a line": ('{"ImageName": "a"}\ufeff{"ImageName": "b"}\n', [(1, "", MARKED)]),
    "a byte order mark in YAML": ("- ImageName: a\n\ufeff- ImageName: b\n", [(2, "", MARKED)]),
    "beside Images in a list of replies": (
        '[{"Images": []},\n{"Images": [], "x-mine": 1,\n"Image": 1},\n{"Images": [{"Images": []}]}]',
        [
            (3, "'Image'", "is not known beside Images"),
            (4, "'Images'", "is not known"),
            (4, "", "has neither ImageName nor ImageArn"),
        ],
    ),
    "an unfilled skeleton": (
        SKELETON,
        [
            (2, "DeleteProperties", "can delete Description or DisplayName, not ''"),
            (5, "Description", "is empty: null deletes, leaving out the key leaves alone"),
            (6, "DisplayName", "is empty: null deletes, leaving out the key leaves alone"),
            (7, "ImageName", "is empty"),
            (8, "RoleArn", "is empty: null deletes, leaving out the key leaves alone"),
        ],
    ),
    "both set and deleted": (
        '{"ImageName": "a", "Description": "x",\n"DeleteProperties": ["Description"]}',
        [(2, "DeleteProperties", "Description is both set and deleted")],
    ),
    "deleted twice": (
        (
            '{"ImageName": "a", "Description": null, "DisplayName": "x", "DeleteProperties":\n'
            '["Description", "DisplayName", "display-name", "RoleArn", 1]}'
        ),
        [
            (1, "DeleteProperties", "Description is deleted twice"),
            (1, "DeleteProperties", "DisplayName is both set and deleted"),
            (
                1,
                "DeleteProperties",
                "can delete Description or DisplayName, not 'display-name'; did you mean DisplayName?",
            ),
            (1, "DeleteProperties", "can delete Description or DisplayName, not 'RoleArn'"),
            (1, "DeleteProperties", "can delete Description or DisplayName, not the number '1'"),
        ],
    ),
    "DeleteProperties no list": (
        '{"ImageName": "a", "DeleteProperties": "Description"}',
        [(1, "DeleteProperties", "must be a list of properties, not 'Description'")],
    ),
    "Expected": (
        (
            '{"ImageName": "a", "Description": 1,\n'
            '"Expected": {"Descripton": "x", "DisplayName": "", "RoleArn": [], "Description": "y"}}'
        ),
        [
            (1, "Description", "must be text or null, not the number '1'"),
            (2, "'Descripton'", "is not known in Expected; did you mean Description?"),
            (2, "Expected.DisplayName", "is empty: null is for a property that the image does not have"),
            (2, "Expected.RoleArn", "must be text or null, not a list"),
        ],
    ),
    "Expected no object": (
        "ImageName: a\nExpected: [Description]\n",
        [(2, "Expected", "must be an object of properties, not a list")],
    ),
    "Expected in YAML": (
        "ImageName: a\nExpected:\n  Description: x\n  Description: y\n  RoleArn:\n",
        [
            (4, "Expected.Description", "is given twice"),
            (
                5,
                "Expected.RoleArn",
                "must be text or null, not nothing (null deletes, leaving out the key leaves alone)",
            ),
        ],
    ),
    "YAML, a list as key": (
        "? [a]\n: b\n",
        [(1, "", "a key must be text"), (1, "", "has neither ImageName nor ImageArn")],
    ),
    "UTF-8": (b'{"ImageName": "a"}\n{"ImageName": "\xff"}', [(2, "", "is not UTF-8 at byte 34")]),
    "deep JSON": ("[" * 100_000, [(1, "", "is no JSON: nested too deep")]),
    "deep JSON object": ('{"Images":' * 100_000, [(1, "", "is no JSON: nested too deep")]),
    "deep YAML": ("- " * 10_000 + "x", [(1, "", "is no YAML: nested too deep")]),
}


@pytest.mark.parametrize(("text", "problems"), BAD.values(), ids=BAD)
def test_each_problem_is_told_with_its_line(text: str | bytes, problems: list[tuple[int, str, str]]) -> None:
    assert wrong(text) == problems


def test_deep_flow_in_yaml_is_a_problem_whoever_notices_it_first() -> None:
    """PyYAML's newest versions stop before Python's own limit does, in words of their own."""
    ((line, field, message),) = wrong("x: " + "[" * 100_000)
    assert (line, field) == (1, "")
    assert message.startswith("is no YAML: ")


def test_an_arn_of_another_region_than_the_flag_says() -> None:
    """As for every IMAGE: the two must agree. A Region beside the ARN settles it."""
    arn = {"ImageArn": f"{ARN}a"}
    assert wrong(json.dumps(arn), region="eu-west-1") == [
        (1, "ImageArn", "is of 'us-east-1', but --region is 'eu-west-1'")
    ]
    assert not wrong(json.dumps({**arn, "Region": "us-east-1"}), region="eu-west-1")


def test_aliases_of_aliases_cost_nothing() -> None:
    """A few hundred bytes of YAML that stand for billions of images are one list of wrong entries."""
    levels = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert len(wrong("\n".join([*levels, "Images: *a59"]))) == 62


# What crashes leave.

LINE = '{"Rollback": true, "ImageArn": "' + ARN + 'a", "Region": "us-east-1", "Description": "x"}\n'


@pytest.mark.parametrize("cut", range(20, len(LINE) - 1, 7))
def test_a_torn_rollback_line_was_never_sent(cut: int) -> None:
    """A rollback file's last line that a crash cut off is passed over, and which one it was is told."""
    problems: list[Problem] = []
    whole = LINE.replace("image/a", "image/b")
    found = parse((whole + LINE[:cut]).encode(), problems)
    assert ([e.update.name for e in found.entries], found.torn, problems) == (["b"], 2, [])
    assert parse(LINE[:cut].encode(), problems) == Manifest((), 1)
    assert parse((whole + LINE[:cut] + "\0" * 50).encode(), problems).torn == 2
    assert parse((whole + LINE[:5]).encode(), problems).torn == 2
    assert problems == []


def test_any_other_manifest_that_is_cut_off_is_wrong() -> None:
    assert wrong('{"ImageName": "a"}\n{"ImageName": "b", "Descr')[0][0] == 2
    assert wrong("{")[0][0] == 1


def test_a_rollback_line_without_its_line_end_is_whole() -> None:
    assert declared(LINE[:-1]) == [(1, "a", {"Description": "x"})]


def test_a_rollback_line_that_is_written_again_takes_the_place_of_the_first() -> None:
    """Of one run; the lines of two runs in one manifest are an image that is declared twice."""
    again = LINE.replace("true", '"again"').replace('"x"', '"y"')
    other = LINE.replace("image/a", "image/b")
    assert declared(LINE + other + again) == [(2, "b", {"Description": "x"}), (3, "a", {"Description": "y"})]
    assert declared(LINE + other + again[:60]) == declared(LINE + other)
    assert [line for line, *_ in wrong(LINE + again + LINE)] == [3]


# For all.

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40).filter(
    lambda text: text == text.strip()
)
names = st.from_regex(r"\A[a-z0-9]{1,8}\Z")
properties = st.fixed_dictionaries(
    {}, optional={"Description": st.none() | texts, "DisplayName": st.none() | texts}
)
fleets = st.dictionaries(names, properties, min_size=1, max_size=5)


@given(fleets, st.sampled_from([None, 2]), st.booleans())
def test_json_and_yaml_of_a_fleet_declare_it(
    fleet: dict[str, dict[str, str | None]], indent: int | None, ascii_only: bool
) -> None:
    """Whatever the values are: written by json or yaml in any shape, they are read as they were."""
    entries = [{"ImageName": name, **wanted} for name, wanted in fleet.items()]

    def dump(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    for text in (
        dump(entries),
        dump({"Images": entries}),
        "\n".join(map(dump, entries)),
        yaml.safe_dump(entries, allow_unicode=not ascii_only),
        yaml.safe_dump_all(entries),
    ):
        assert [(name, wanted) for _, name, wanted in declared(text)] == list(fleet.items())


@given(st.one_of(st.binary(max_size=60), st.text('{}[]",:-&*<! \nImageName01', max_size=80).map(str.encode)))
def test_no_text_breaks_the_reader(data: bytes) -> None:
    """Any bytes are a manifest or have problems; nothing is raised."""
    entries, problems = read(data)
    assert all(isinstance(entry, Entry) for entry in entries)
    assert all(problem.message for problem in problems)


# Through the program.


def test_all_problems_at_once_and_nothing_sent(run: Run, service: Service, tmp_path: Path) -> None:
    """Flags and manifest together; exit 2; each problem with its line."""
    manifest = tmp_path / "fleet.jsonl"
    manifest.write_text('{"ImageName": "a_b"}\n{"ImageName": "c", "Description": 1}\n')
    result = run("apply", str(manifest), "--shard", "3/2", "-o", "json")
    assert (result.code, result.stdout, service.received) == (2, "", [])
    problems = json.loads(result.stderr)["Error"]["Problems"]
    assert [(p.get("Line"), p["Field"]) for p in problems] == [
        (1, "ImageName"),
        (2, "Description"),
        (None, "--yes"),
        (None, "--shard"),
    ]


def test_a_file_that_cannot_be_read(run: Run, service: Service, tmp_path: Path) -> None:
    result = run("apply", str(tmp_path / "none"), "--yes")
    assert result.code == 2
    assert "FILE: can't be read" in result.stderr


def test_an_empty_file_declares_nothing_an_empty_pipe_is_an_error(
    run: Run, service: Service, tmp_path: Path
) -> None:
    """The rollback file of a run that sent nothing is empty, and undoes it."""
    empty = tmp_path / "undo.jsonl"
    empty.touch()
    assert run("apply", str(empty), "--yes").code == 0
    assert run("apply", "--yes").code == 2
    assert service.received == []
