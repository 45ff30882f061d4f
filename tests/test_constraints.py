"""The table of limits, and what is said of values beyond them."""

import re
from typing import Any

import botocore.session
import pytest
from conftest import Run
from hypothesis import given
from hypothesis import strategies as st
from service import ROLE

from imagectl.constraints import LIMITS, python_pattern, violations, wrong
from imagectl.image import DELETABLE, PROPERTIES, STATUSES, ImageArn, ImageUpdate

MODEL: Any = botocore.session.get_session().get_service_model("sagemaker")
UPDATE = MODEL.operation_model("UpdateImage").input_shape
LIST = MODEL.operation_model("ListImages").input_shape


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_the_table_is_the_service_s(name: str) -> None:
    """Each row has the lengths and the pattern that botocore's service model holds."""
    shape = (UPDATE.members | LIST.members)[name]
    row = LIMITS[name]
    assert (row.min, row.max, row.pattern) == (
        shape.metadata["min"],
        shape.metadata["max"],
        shape.metadata["pattern"],
    )


def test_no_field_of_the_api_is_missed() -> None:
    """UpdateImage's fields are the ones we know: a new one is noticed."""
    assert set(UPDATE.members) == {"ImageName", "DeleteProperties", *PROPERTIES}
    assert set(PROPERTIES) <= set(LIMITS)
    deletable = UPDATE.members["DeleteProperties"]
    assert deletable.metadata["max"] == len(DELETABLE)
    pattern = python_pattern(deletable.member.metadata["pattern"])
    assert [name for name in (*PROPERTIES, "ImageName") if pattern.fullmatch(name)] == list(DELETABLE)


def test_statuses_and_the_reply_s_arn_are_the_service_s() -> None:
    """The statuses are the model's, and an ARN is taken apart just where the model's pattern matches."""
    describe = MODEL.operation_model("DescribeImage").output_shape
    assert set(STATUSES) == set(describe.members["ImageStatus"].enum)
    pattern = python_pattern(describe.members["ImageArn"].metadata["pattern"])
    for arn in (
        "arn:aws:sagemaker:us-east-1:123456789012:image/a.b-c",
        "arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:image/a",
        "arn:aws:sagemaker:us-east-1:123456789012:image/a_b",
        "arn:aws:sagemaker:us-east-1:12345678901:image/a",
        "arn:aws:sagemaker:us-east-1:123456789012:image/a\n",
        "arn:aws:sagemaker::123456789012:image/a",
    ):
        assert bool(ImageArn.parse(arn)) == bool(pattern.fullmatch(arn)), arn


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ImageName", "a" * 63),
        ("ImageName", "a.b-c.1"),
        ("Description", "x" * 512),
        ("Description", " tab\tand \x85 next line and emoji 🧪"),
        ("Description", "é" * 512),
        ("Description", "\ud7ff\ue000"),  # the neighbours of what UTF-8 can't hold
        ("DisplayName", "x"),
        ("DisplayName", "a b" + "x" * 125),
        ("RoleArn", ROLE),
        ("RoleArn", "arn:aws-us-gov:iam::123456789012:role/path/to/R"),
    ],
)
def test_a_valid_value_passes(name: str, value: str) -> None:
    """What the service takes is not refused, up to the very limit."""
    assert wrong(name, value) == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ImageName", "", "is empty, at least 1 character needed"),
        ("ImageName", "a" * 64, "64 characters long, at most 63"),
        ("ImageName", "a-" * 40 + "a", "at most 63 allowed"),  # the pattern alone admits it
        ("ImageName", "a--b", "must be letters and digits"),
        ("ImageName", "my_image", "must be letters and digits"),
        ("ImageName", "my-image\n", "must be letters and digits"),  # Python's $ would let it through
        ("ImageName", "imagé", "must be letters and digits"),
        ("Description", "", "to delete it: --delete-property Description"),
        ("Description", "x" * 513, "513 characters long, at most 512"),
        ("Description", "two\nlines", "without a line break"),
        ("Description", "one line\n", "without a line break"),
        ("Description", "a\rb", "without a line break"),
        ("Description", "a\u2028b", "without a line break"),
        ("Description", "a\u2029b", "without a line break"),
        ("Description", "bytes \udcff", "not valid UTF-8"),
        ("Description", chr(0xD800), "not valid UTF-8"),
        ("Description", chr(0xDFFF), "not valid UTF-8"),
        ("RoleArn", "x", "is 1 character long, at least 20"),
        ("RoleArn", "xy", "is 2 characters long, at least 20"),
        ("DisplayName", " x", "neither begins nor ends with a space"),
        ("DisplayName", "x ", "neither begins nor ends with a space"),
        ("DisplayName", "x" * 129, "at most 128"),
        ("RoleArn", "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/R", "must be an IAM role's ARN"),  # digits, not ASCII
        ("RoleArn", "arn:aws:iam::123456789012:user/R", "must be an IAM role's ARN"),
        ("RoleArn", "arn:aws:iam::1:role", "at least 20 characters needed"),
        ("RoleArn", ROLE + "x" * 2048, "at most 2048"),
    ],
)
def test_an_invalid_value_is_named_with_its_rule(name: str, value: str, said: str) -> None:
    """What the service refuses is refused, with field, rule and value."""
    found = wrong(name, value)
    assert any(said in problem.message for problem in found), found
    assert {problem.field for problem in found} == {name}


def test_all_problems_at_once() -> None:
    """Every problem of an update is reported, not the first only."""
    found = violations(ImageUpdate("a_b" * 30, {"Description": "", "DisplayName": " ", "RoleArn": None}))
    assert [(p.field, p.line) for p in found] == [
        ("ImageName", None),
        ("ImageName", None),
        ("Description", None),
        ("DisplayName", None),
        ("RoleArn", None),
    ]


@given(st.text(max_size=140), st.sampled_from(sorted(LIMITS)))
def test_both_length_and_pattern_are_judged(value: str, name: str) -> None:
    """A value passes if, and only if, length and pattern both allow it, by ECMA's line terminators."""
    limit = LIMITS[name]
    terminators = set("\n\r\u2028\u2029")
    long_enough = limit.min <= len(value) <= limit.max
    lines = {"Description": not terminators & set(value), "NameContains": True}
    if name == "Description":
        assert (wrong(name, value) == ()) == (long_enough and lines[name])
    else:
        matches = re.fullmatch(limit.pattern, value, re.ASCII) is not None
        if wrong(name, value) == ():
            assert long_enough
            assert matches or not value
        elif long_enough and matches:
            assert terminators & set(value)


def test_a_huge_value_is_answered_at_once_and_briefly(run: Run) -> None:
    """A hundred thousand characters give one short message, not an echo of them all."""
    result = run("update", "my-image", "--description", "x" * 100_000)
    assert result.code == 2
    assert "100000 characters long, at most 512 allowed" in result.stderr
    assert len(result.stderr) < 400
