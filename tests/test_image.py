"""The nouns: requests, the one diff, and what an Outcome says as JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagectl.image import DELETABLE, PROPERTIES, Change, Image, ImageArn, ImageUpdate, Outcome, diff

values = st.one_of(st.none(), st.sampled_from(["a", "b"]))
states = st.fixed_dictionaries({}, optional={name: st.sampled_from(["a", "b"]) for name in PROPERTIES})
wishes = st.fixed_dictionaries(
    {}, optional={n: values if n in DELETABLE else st.sampled_from("ab") for n in PROPERTIES}
)


def carry_out(state: dict[str, str], update: ImageUpdate) -> dict[str, str]:
    """UpdateImage as the API's page describes it."""
    request = update.request()
    after = {**state, **{key: value for key, value in request.items() if key in PROPERTIES}}
    return {key: value for key, value in after.items() if key not in request.get("DeleteProperties", [])}


@given(states, wishes)
def test_after_the_request_the_diff_is_empty(state: dict[str, str], wanted: dict[str, str | None]) -> None:
    """Carrying out what was asked for leaves nothing to change, and changes just what the diff said."""
    update = ImageUpdate("i", wanted)
    after = carry_out(state, update)
    changes = diff(Image(state), update)
    assert diff(Image(after), update) == ()
    assert {c.name for c in changes} == {n for n in PROPERTIES if state.get(n) != after.get(n)}
    assert all((c.before, c.after, c.read) == (state.get(c.name), after.get(c.name), True) for c in changes)


@given(states, wishes)
def test_turning_the_changes_round_restores(state: dict[str, str], wanted: dict[str, str | None]) -> None:
    """The changes' `before` values, as an update, bring the image back."""
    update = ImageUpdate("i", wanted)
    back = ImageUpdate("i", {c.name: c.before for c in diff(Image(state), update)})
    if back.wanted.get("RoleArn", "") is not None:  # no image is without a role
        assert carry_out(carry_out(state, update), back) == state


def test_a_change_that_was_not_read_says_nothing_of_before() -> None:
    """`Before` is absent where it was not read, null where there was nothing."""
    assert Change("Description", "x").as_json() == {"Property": "Description", "After": "x"}
    read = Change("Description", None, before="y", read=True)
    assert read.as_json() == {"Property": "Description", "Before": "y", "After": None}


def test_an_outcome_s_json_has_update_image_s_key() -> None:
    """A script that reads `ImageArn` from the AWS CLI's output reads ours."""
    outcome = Outcome(
        result="requested", name="i", region="r", arn="arn:…", changes=(Change("RoleArn", "x"),)
    )
    assert outcome.as_json() == {
        "ImageArn": "arn:…",
        "ImageName": "i",
        "Region": "r",
        "Outcome": "requested",
        "Changes": [{"Property": "RoleArn", "After": "x"}],
    }


def test_arns_are_compared_without_case() -> None:
    """The service may write a name in lower case; another account's image is another image."""
    arn = ImageArn.parse("arn:aws:sagemaker:us-east-1:123456789012:image/My-Image")
    assert arn
    lower = ImageArn.parse(str(arn).lower())
    other = ImageArn.parse("arn:aws:sagemaker:us-east-1:123456789013:image/My-Image")
    assert lower
    assert other
    assert arn.same_image(lower)
    assert not arn.same_image(other)
    after = ImageArn.parse("arn:aws:sagemaker:us-east-1:123456789012:image/My-Imagf")
    assert after
    assert not arn.same_image(after)
    assert not after.same_image(arn)


def test_an_arn_has_256_characters_at_most() -> None:
    """The model's limit for the whole of it; the name's own is another."""
    head = "arn:aws:sagemaker:us-east-1:123456789012:image/"
    assert ImageArn.parse(head + "a" * (256 - len(head)))
    assert ImageArn.parse(head + "a" * (257 - len(head))) is None


def test_values_are_frozen() -> None:
    """Nobody downstream changes what was read or wanted."""
    arn = ImageArn.parse("arn:aws:sagemaker:us-east-1:123456789012:image/i")
    values = [
        (arn, "name"),
        (Image({}), "fields"),
        (ImageUpdate("i", {}), "wanted"),
        (Change("RoleArn", "x"), "after"),
        (Outcome(result="planned", name="i", region="r"), "result"),
    ]
    for value, name in values:
        with pytest.raises(AttributeError):
            setattr(value, name, "other")
