"""One image: waiting until settled, and finding out what became of a request whose reply was lost.

The verbs speak real HTTP to the programmable service; time is a clock of our own, so nothing sleeps.
"""

import itertools
from collections.abc import Callable
from time import time as wall_clock

import pytest
from conftest import Run
from service import DROPPED, IN_USE, LOST, PORTAL, THROTTLED, Reply, Service, error

from imagectl.aws.connect import connect
from imagectl.aws.connection import Connection
from imagectl.aws.sagemaker import SageMaker
from imagectl.errors import ImagectlError
from imagectl.image import Image, ImageUpdate, Outcome, Progress
from imagectl.update import Clock, Judge, Options, plan, run, settle

WANTED = ImageUpdate("my-image", {"Description": "new", "DisplayName": None})
DENIED = error("AccessDeniedException", "not authorized to perform: sagemaker:DescribeImage")
MISSING = error("ResourceNotFound", "gone")


class Time:
    """A clock that stands still but for the pauses, and remembers them."""

    def __init__(self) -> None:
        self.start = self.seconds = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.seconds += seconds

    def clock(self, random: Callable[[], float] = lambda: 0.0) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep, random=random)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def images(service: Service) -> SageMaker:
    return connect(Connection(max_attempts=1))


@pytest.fixture(name="door")
def door_fixture(request: pytest.FixtureRequest) -> Run:
    """The program's door, whose name `run` is the verb's here."""
    door: Run = request.getfixturevalue("run")
    return door


def update(images: SageMaker, time: Time, progress: Progress | None = None, **options: object) -> Outcome:
    return run(
        images,
        WANTED,
        Options(**options),  # type: ignore[arg-type]
        progress=progress or Progress(),
        clock=time.clock(),
        watch=lambda _status: None,
    )


# Waiting.


@pytest.mark.parametrize(("stale", "updating"), [(0, 0), (3, 0), (0, 3), (2, 5)])
def test_created_of_before_is_not_success(
    service: Service, images: SageMaker, time: Time, stale: int, updating: int
) -> None:
    """A read that still shows CREATED and the old properties is waited through, as UPDATING is."""
    service.stale_reads, service.updating_reads = stale, updating
    outcome = update(images, time, wait=True)
    assert outcome.result == "updated"
    assert service.operations == ["UpdateImage"] + ["DescribeImage"] * (stale + updating + 1)
    assert service.images["my-image"]["Description"] == "new"
    assert len(time.pauses) == stale + updating


def test_the_pauses_begin_short_back_off_and_have_jitter(
    service: Service, images: SageMaker, time: Time
) -> None:
    """First look again within a second, news under 2 s old for two minutes, never more than 5 s apart."""
    service.updating_reads = 150
    update(images, time, wait=True)
    assert time.pauses[0] < 1
    assert max(time.pauses[:60]) < 2
    assert max(time.pauses) == 5
    jittered, again = Time(), Time()
    for clock in (jittered.clock(lambda: 1.0), again.clock(itertools.cycle([0.1, 0.9]).__next__)):
        service.updating_reads = 3
        settle_after_update(service, images, clock)
    assert jittered.pauses != again.pauses


def settle_after_update(service: Service, images: SageMaker, clock: Clock) -> None:
    images.update(WANTED, Progress())
    judge = Judge(WANTED, images.region)
    settle(images, judge, start=clock.now(), timeout=600, clock=clock, watch=lambda _status: None)


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "CREATE_FAILED", "DELETE_FAILED", "DELETING"])
def test_a_dead_end_ends_the_wait_at_once(
    service: Service, images: SageMaker, time: Time, status: str
) -> None:
    """What can't become CREATED is exit 5, with the service's reason.

    A failure that the first look shows may be an earlier one's, read late: it is believed when no read is
    that late. That an image is deleted says nothing of our update, which was accepted.
    """
    service.answer("UpdateImage", Reply(200, {"ImageArn": service.arn("my-image")}))
    service.images["my-image"] |= {"ImageStatus": status, "FailureReason": "no such role"}
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True)
    assert failure.value.exit_code == 5
    assert failure.value.message == f"image 'my-image' is {status}: no such role"
    failed = status == "UPDATE_FAILED"
    assert failure.value.outcome == ("not-applied" if failed else "applied")
    assert (10 <= sum(time.pauses) < 12) if failed else not time.pauses


def test_a_failure_after_ours_was_carried_out_is_not_ours(
    service: Service, images: SageMaker, time: Time
) -> None:
    """UPDATE_FAILED, but with all that we asked for: another update failed, ours did not."""
    service.add("my-image", Description="new", ImageStatus="UPDATE_FAILED", FailureReason="no such role")
    service.answer("UpdateImage", Reply(200, {"ImageArn": service.arn("my-image")}))
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True)
    assert (failure.value.exit_code, failure.value.outcome) == (5, "applied")


@pytest.mark.parametrize(("value", "shown"), [("new ", "'new '"), (None, "not there")])
def test_a_wait_that_can_not_end_well_says_what_is_different(
    service: Service, images: SageMaker, time: Time, value: str | None, shown: str
) -> None:
    """At rest, but not as asked for: told by property, and no more waiting is offered."""
    service.add("my-image", Description=value) if value else service.add("my-image")
    service.answer("UpdateImage", Reply(200, {"ImageArn": service.arn("my-image")}))
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True)
    assert (failure.value.exit_code, failure.value.outcome) == (8, "applied")
    assert failure.value.message == (
        "the update was accepted, but image 'my-image' is at rest after 600 s:"
        f" Description is {shown}, not 'new'"
    )
    assert failure.value.hint


def test_more_waiting_is_offered_only_where_it_helps(door: Run, service: Service) -> None:
    """`imagectl wait` knows no values: it would say at once that all is well."""
    argv = ("update", "my-image", "--description", "new", "--wait", "--timeout", "0.1s")
    service.answer("UpdateImage", Reply(200, {"ImageArn": service.arn("my-image")}))
    at_rest = door(*argv)
    service.updating_reads = 100
    moving = door(*argv)
    assert (at_rest.code, moving.code) == (8, 8)
    assert "imagectl wait" not in at_rest.stderr
    assert "imagectl wait my-image" in moving.stderr


def test_a_busy_image_is_waited_for(service: Service, images: SageMaker, time: Time) -> None:
    """With --wait, somebody else's update is let finish first; without, exit 6 at once."""
    service.updating_reads = 3
    images.update(ImageUpdate("my-image", {"Description": "other"}), Progress())
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert (failure.value.exit_code, failure.value.outcome, time.pauses) == (6, "not-applied", [])
    outcome = update(images, time, wait=True)
    assert (outcome.result, service.images["my-image"]["Description"]) == ("updated", "new")
    assert [change.before for change in outcome.changes] == ["other", "PyTorch"]


def test_a_busy_image_is_waited_for_within_the_timeout(
    service: Service, images: SageMaker, time: Time
) -> None:
    """Busy for longer: exit 6, not applied; and what was waited for it is missing from the wait after it."""
    service.answer("UpdateImage", IN_USE, times=1000)
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True, timeout=30.0)
    assert (failure.value.exit_code, failure.value.outcome) == (6, "not-applied")
    assert 30 <= time.seconds - time.start < 30.1
    start, service.updating_reads = time.seconds, 12
    service._scripts.clear()
    images.update(ImageUpdate("my-image", {"Description": "other"}), Progress())
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True, timeout=20.0)
    assert failure.value.exit_code == 8
    assert 20 <= time.seconds - start < 20.1


def test_a_busy_image_that_comes_to_be_as_asked_for_is_not_sent(
    service: Service, images: SageMaker, time: Time
) -> None:
    """With --if-changed too."""
    service.updating_reads = 3
    images.update(WANTED, Progress())
    assert update(images, time, wait=True, if_changed=True).result == "unchanged"
    assert len(service.calls("UpdateImage")) == 2  # the second was turned away


def test_a_failure_of_before_is_not_taken_for_ours(service: Service, images: SageMaker, time: Time) -> None:
    """After --if-changed has read UPDATE_FAILED, a stale read of the same is waited through."""
    service.images["my-image"] |= {"ImageStatus": "UPDATE_FAILED", "FailureReason": "an earlier one"}
    service.stale_reads, service.updating_reads = 2, 1
    assert update(images, time, if_changed=True, wait=True).result == "updated"


def test_a_stale_failure_of_an_earlier_update_is_not_ours(
    service: Service, images: SageMaker, time: Time
) -> None:
    """UPDATE_FAILED from before, read once more after the update: waited through, or not believed."""
    service.images["my-image"] |= {"ImageStatus": "UPDATE_FAILED", "FailureReason": "an earlier one"}
    service.stale_reads = 1
    assert update(images, time, wait=True).result == "updated"
    service.images["my-image"] |= {"ImageStatus": "UPDATE_FAILED", "Description": "old"}
    service.stale_reads = 2
    service.answer("UpdateImage", LOST)
    assert update(images, time).result == "requested"


@pytest.mark.parametrize(
    "reply",
    [
        THROTTLED,
        error("InternalFailure", "", 500),
        PORTAL,
        DROPPED,
        Reply(cut="close"),
        Reply(500, b"<html>"),
    ],
)
def test_failed_polls_are_survived(service: Service, images: SageMaker, time: Time, reply: Reply) -> None:
    """Throttled, cut off or answered by somebody else: the wait goes on."""
    service.answer("DescribeImage", reply, times=4)
    assert update(images, time, wait=True).result == "updated"
    assert len(service.calls("DescribeImage")) == 5


@pytest.mark.parametrize(("reply", "code"), [(DENIED, 4), (MISSING, 3)])
def test_a_poll_that_can_not_get_better_ends_the_wait(
    service: Service, images: SageMaker, time: Time, reply: Reply, code: int
) -> None:
    """No permission, no image: told at once, and that the update was accepted."""
    service.answer("DescribeImage", reply, times=2)
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True)
    assert (failure.value.exit_code, failure.value.outcome) == (code, "applied")
    assert failure.value.message.startswith("the update was accepted, but looking at the image failed: ")
    assert len(service.calls("DescribeImage")) == 1


def test_the_time_runs_out(service: Service, images: SageMaker, time: Time) -> None:
    """Exit 8 at the timeout, not before and not long after; the update was accepted."""
    service.updating_reads = 10_000
    service.on_update = lambda: setattr(time, "seconds", time.seconds + 1.5)  # which is in the 90 s, too
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True, timeout=90.0)
    assert (failure.value.exit_code, failure.value.outcome) == (8, "applied")
    assert (
        "accepted, but image 'my-image' has not settled after 90 s (status UPDATING)" in failure.value.message
    )
    assert 90 <= time.seconds - time.start < 90.1


@pytest.mark.parametrize(("reply", "code"), [(PORTAL, 5), (DROPPED, 6)])
def test_a_wait_that_never_saw_anything_says_why(
    service: Service, images: SageMaker, time: Time, reply: Reply, code: int
) -> None:
    """Not "pending", but what kept every look from seeing; after an update both."""
    service.answer("DescribeImage", reply, times=1000)
    judge = Judge(ImageUpdate("my-image", {}), images.region)
    with pytest.raises(ImagectlError) as failure:
        settle(images, judge, start=time.seconds, timeout=60, clock=time.clock(), watch=lambda _: None)
    assert failure.value.exit_code == code
    why = failure.value.message
    with pytest.raises(ImagectlError) as failure:
        update(images, time, wait=True, timeout=60.0)
    assert failure.value.exit_code == 8
    assert f"; the last look failed: {why}" in failure.value.message


def test_a_timeout_of_nothing_looks_once(service: Service, images: SageMaker, time: Time) -> None:
    """--timeout 0 is one look."""
    service.updating_reads = 5
    with pytest.raises(ImagectlError):
        update(images, time, wait=True, timeout=0.0)
    assert len(service.calls("DescribeImage")) == 1


# Preview and no-op.


def test_dry_run_is_one_describe(service: Service, images: SageMaker, time: Time) -> None:
    """The change as a diff with before and after, and no UpdateImage."""
    outcome = update(images, time, dry_run=True)
    assert (outcome.result, service.operations) == ("planned", ["DescribeImage"])
    assert [(c.name, c.before, c.after) for c in outcome.changes] == [
        ("Description", "PyTorch 2.3 for training", "new"),
        ("DisplayName", "PyTorch", None),
    ]


@pytest.mark.parametrize("wait", [False, True])
def test_if_changed_sends_nothing_where_nothing_would_change(
    service: Service, images: SageMaker, time: Time, wait: bool
) -> None:
    """As asked for already: `unchanged`, no UpdateImage; with --wait settled, too."""
    service.add("my-image", Description="new")
    outcome = update(images, time, if_changed=True, wait=wait)
    assert (outcome.result, outcome.changes, outcome.arn) == ("unchanged", (), service.arn("my-image"))
    assert service.operations == ["DescribeImage"]


def test_if_changed_and_wait_tell_a_failure_without_claiming_an_update(
    service: Service, images: SageMaker, time: Time
) -> None:
    """As asked for, but failed: exit 5 from the one look, and no word of an update, as none was sent."""
    service.add("my-image", Description="new", ImageStatus="UPDATE_FAILED", FailureReason="no such role")
    progress = Progress()
    with pytest.raises(ImagectlError) as failure:
        update(images, time, progress, if_changed=True, wait=True)
    assert (failure.value.exit_code, failure.value.outcome, progress.outcome) == (5, None, None)
    assert failure.value.message == "image 'my-image' is UPDATE_FAILED: no such role"
    assert service.operations == ["DescribeImage"]


def test_a_busy_image_that_comes_to_be_as_asked_for_may_have_failed(
    service: Service, images: SageMaker, time: Time
) -> None:
    """Somebody else's update was waited for, and failed: exit 5, as where it had failed before."""
    service.add("my-image", Description="new")
    service.updating_reads, service.fail_updates = 3, "no such role"
    images.update(ImageUpdate("my-image", {"Description": "other"}), Progress())
    with pytest.raises(ImagectlError) as failure:
        update(images, time, if_changed=True, wait=True)
    assert (failure.value.exit_code, failure.value.outcome) == (5, None)
    assert failure.value.message == "image 'my-image' is UPDATE_FAILED: no such role"


def test_if_changed_does_not_skip_while_another_update_is_under_way(
    service: Service, images: SageMaker, time: Time
) -> None:
    """What is there now is about to change: the service is asked, and says that the image is busy."""
    service.add("my-image", Description="new")
    service.updating_reads = 3
    images.update(ImageUpdate("my-image", {"Description": "other"}), Progress())
    with pytest.raises(ImagectlError) as failure:
        update(images, time, if_changed=True)
    assert (failure.value.exit_code, failure.value.outcome) == (6, "not-applied")


def test_if_changed_sends_where_something_would(service: Service, images: SageMaker, time: Time) -> None:
    """One DescribeImage, one UpdateImage, and Before is known."""
    outcome = update(images, time, if_changed=True)
    assert (outcome.result, service.operations) == ("requested", ["DescribeImage", "UpdateImage"])
    assert all(change.read for change in outcome.changes)


def test_plan_is_pure() -> None:
    """A plan is computed from two values alone."""
    outcome = plan(Image({"ImageName": "my-image", "ImageArn": "a", "Description": "new"}), WANTED, "r")
    assert outcome == Outcome(result="unchanged", name="my-image", region="r", arn="a")


# Lost replies: what the message claims is known.


@pytest.mark.parametrize("cut", ["reset", "close", "truncate"])
@pytest.mark.parametrize(("stale", "updating"), [(0, 0), (2, 0), (0, 4), (2, 4)])
def test_carried_out_but_the_reply_was_lost(
    service: Service, images: SageMaker, time: Time, cut: str, stale: int, updating: int
) -> None:
    """DescribeImage shows it as asked for, at once or later: a success."""
    service.stale_reads, service.updating_reads = stale, updating
    service.answer("UpdateImage", Reply(cut=cut, carry_out=True))  # type: ignore[arg-type]
    progress = Progress()
    outcome = update(images, time, progress)
    assert (outcome.result, outcome.arn) == ("requested", service.arn("my-image"))
    assert progress.outcome == "applied"
    assert service.operations.count("UpdateImage") == 1


def test_a_reply_that_took_too_long(service: Service, time: Time) -> None:
    """A read timeout after the request was sent is found out about in the same way."""
    images = connect(Connection(max_attempts=1, read_timeout=0.2))
    service.answer("UpdateImage", Reply(delay=0.5, carry_out=True))
    assert update(images, time).result == "requested"


def test_a_request_that_may_still_come_is_unknown(service: Service, time: Time) -> None:
    """After a read timeout, an image at rest proves nothing: the request may be waiting to be carried out."""
    images = connect(Connection(max_attempts=1, read_timeout=0.2))
    service.answer("UpdateImage", Reply(delay=0.5, body={}))
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert failure.value.outcome == "unknown"


def test_a_retry_that_meets_its_own_update(service: Service, time: Time) -> None:
    """ResourceInUse after a lost reply is our own UPDATING, not somebody else's."""
    images = connect(Connection(max_attempts=3))
    service.updating_reads = 3
    service.answer("UpdateImage", LOST)
    assert update(images, time).result == "requested"
    assert service.operations.count("UpdateImage") == 2


def test_resource_in_use_at_first_is_somebody_else_s(service: Service, images: SageMaker, time: Time) -> None:
    """Without a lost reply before it, nothing needs finding out."""
    service.answer("UpdateImage", IN_USE)
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert (failure.value.exit_code, failure.value.outcome) == (6, "not-applied")
    assert service.operations == ["UpdateImage"]


def test_not_carried_out_and_no_reply(service: Service, images: SageMaker, time: Time) -> None:
    """The image stays as it was for longer than a stale read lasts: not applied, safe to repeat."""
    service.answer("UpdateImage", DROPPED)
    progress = Progress()
    with pytest.raises(ImagectlError) as failure:
        update(images, time, progress)
    assert (failure.value.exit_code, failure.value.outcome, progress.outcome) == (
        6,
        "not-applied",
        "not-applied",
    )
    assert "the update was not applied" in failure.value.message
    assert time.seconds - time.start >= 5
    assert time.pauses[0] < time.pauses[1] <= 2
    assert failure.value.hint is None or "to look at the image" not in failure.value.hint


@pytest.mark.parametrize(
    ("ago", "date", "outcome"),
    [
        (3600, {}, "not-applied"),
        (8, {}, "unknown"),
        (3600, {"Date": "yesterday"}, "unknown"),
        (3600, {"Date": "Thu, 01 Jan 99999999 00:00:00 GMT"}, "unknown"),
    ],
)
def test_what_was_modified_since_the_first_attempt_may_be_after_it(
    service: Service, images: SageMaker, time: Time, ago: float, date: dict[str, str], outcome: str
) -> None:
    """The attempts took ten seconds. By the service's own clock, the image is as it was before, or isn't."""
    image = service.images["my-image"]
    image["LastModifiedTime"] = wall_clock() - ago

    def ten_seconds_pass() -> None:
        time.seconds += 10

    service.on_update = ten_seconds_pass
    service.answer("UpdateImage", error("InternalFailure", "oops", status=500))
    service.answer("DescribeImage", Reply(body=image, headers=date), times=20)
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert failure.value.outcome == outcome


@pytest.mark.parametrize("reply", [DENIED, THROTTLED, DROPPED, PORTAL])
def test_what_can_not_be_found_out_is_unknown(
    service: Service, images: SageMaker, time: Time, reply: Reply
) -> None:
    """DescribeImage fails as well: the outcome is unknown, and said to be."""
    service.answer("UpdateImage", DROPPED)
    service.answer("DescribeImage", reply, times=100)
    progress = Progress()
    with pytest.raises(ImagectlError) as failure:
        update(images, time, progress)
    assert (failure.value.exit_code, failure.value.outcome, progress.outcome) == (6, "unknown", "unknown")
    assert "could not be found out" in failure.value.message
    assert failure.value.hint == "repeating the update is safe; to look at the image:\nimagectl show my-image"


@pytest.mark.parametrize("reply", [THROTTLED, DROPPED, PORTAL])
def test_a_look_that_fails_is_not_the_last(
    service: Service, images: SageMaker, time: Time, reply: Reply
) -> None:
    """A lost reply is found out about even where the first looks fail too."""
    service.answer("UpdateImage", LOST)
    service.answer("DescribeImage", reply, times=3)
    assert update(images, time).result == "requested"


def test_jitter_only_shortens() -> None:
    """A pause is what it is called, or up to a fifth less."""
    assert [Clock(random=lambda r=r: r).jittered(10) for r in (0.0, 1.0)] == [10, 8]  # type: ignore[misc]


def test_an_update_that_does_not_end_is_unknown(service: Service, images: SageMaker, time: Time) -> None:
    """UPDATING for a minute, by us or by somebody else: not known."""
    service.answer("UpdateImage", DROPPED)
    service.images["my-image"]["ImageStatus"] = "UPDATING"
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert failure.value.outcome == "unknown"


@pytest.mark.parametrize(
    ("status", "gone"), [("UPDATE_FAILED", False), ("CREATED", True)], ids=["failed", "deleted"]
)
def test_what_failed_or_is_gone_is_not_applied(
    service: Service, images: SageMaker, time: Time, status: str, gone: bool
) -> None:
    """UPDATE_FAILED with other values: not applied. No image any more: nobody knows what it was before."""
    service.answer("UpdateImage", DROPPED)
    service.images["my-image"]["ImageStatus"] = status
    if gone:
        del service.images["my-image"]
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert failure.value.outcome == ("unknown" if gone else "not-applied")


SLOW = Reply(delay=0.5)  # longer than is waited for: the service may be at it still
GATEWAY = Reply(504, b"<html>")
REFUSED = error("ValidationException", "no")


@pytest.mark.parametrize(
    "replies",
    [
        [SLOW, error("ServiceUnavailable", status=503), DROPPED],
        [error("InternalFailure", status=500), SLOW, REFUSED],
        [SLOW, PORTAL],
        [GATEWAY, DROPPED, DROPPED],
        [GATEWAY, REFUSED],
        [Reply(502, b"<html>"), THROTTLED, THROTTLED],
        [SLOW, IN_USE],
        [error("RequestTimeout", status=408), REFUSED],
    ],
)
def test_one_attempt_that_may_still_come_leaves_it_unknown(
    service: Service, time: Time, replies: list[Reply]
) -> None:
    """Whatever came of the other attempts: an image that is at rest says nothing yet."""
    service.answer("UpdateImage", *replies)
    patient = connect(Connection(max_attempts=len(replies), read_timeout=0.2))
    with pytest.raises(ImagectlError) as failure:
        update(patient, time)
    assert failure.value.outcome == "unknown"
    assert len(service.calls("UpdateImage")) <= len(replies)


def test_a_server_error_may_have_been_carried_out(service: Service, images: SageMaker, time: Time) -> None:
    """A 500 says nothing about the update: the image does."""
    service.answer("UpdateImage", error("InternalFailure", "oops", 500, carry_out=False))
    with pytest.raises(ImagectlError) as failure:
        update(images, time)
    assert failure.value.outcome == "not-applied"
    service.answer("UpdateImage", Reply(500, {"__type": "InternalFailure"}, carry_out=True))
    assert update(images, time).result == "requested"


@pytest.mark.parametrize("reply", [THROTTLED, error("ValidationException", "no"), error("Odd", "no", 418)])
def test_a_refusal_is_not_applied_without_a_look(
    service: Service, images: SageMaker, time: Time, reply: Reply
) -> None:
    """A 4xx is an answer: the service did not carry it out."""
    service.answer("UpdateImage", reply)
    progress = Progress()
    with pytest.raises(ImagectlError) as failure:
        update(images, time, progress)
    assert failure.value.outcome == progress.outcome == "not-applied"
    assert service.operations == ["UpdateImage"]


def test_nobody_there_is_not_applied(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that never was carried nothing."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    with pytest.raises(ImagectlError) as failure:
        update(connect(Connection(max_attempts=1)), time)
    assert (failure.value.kind, failure.value.outcome) == ("transient", "not-applied")
