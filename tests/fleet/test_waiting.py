"""`imagectl wait` with several images: each as it settles, with few calls, and one exit code for all."""

import io
import json
from collections import Counter
from typing import Any

import pytest
from conftest import Run
from service import ACCOUNT, Received, Reply, Service, error
from terminal import Session

from imagectl.errors import ImagectlError
from imagectl.fleet.waiting import wait
from imagectl.image import Image, Page, Progress
from imagectl.render import Face, Presentation
from imagectl.update import Clock


@pytest.fixture
def images(service: Service) -> Service:
    """A and b are settled, c and d are being updated."""
    for name in "abcd":
        service.add(name, ImageStatus="CREATED" if name in "ab" else "UPDATING")
    return service


def settle_after(service: Service, calls: int, **images: str) -> None:
    """Give images a status once so many calls were made."""
    seen = Counter[str]()
    admit = service.reply_to

    def reply_to(request: Received) -> tuple[Reply, Any]:
        seen["calls"] += 1
        if seen["calls"] > calls:
            for name, status in images.items():
                service.images[name]["ImageStatus"] = status
        return admit(request)

    service.reply_to = reply_to  # type: ignore[method-assign]


def test_each_is_printed_as_it_settles(run: Run, images: Service) -> None:
    """The ARNs in the order in which the images settle; exit 0."""
    settle_after(images, 5, c="CREATED", d="CREATED")
    arns = [images.arn(name) for name in "abcd"]
    result = run("wait", "d", "a", "c", "b")
    assert result.code == 0
    assert result.stderr == "imagectl: 4 images: 2 not settled\nimagectl: 4 images: 1 not settled\n"
    assert result.stdout.splitlines()[:2] == arns[:2]
    assert sorted(result.stdout.splitlines()) == arns
    assert set(images.operations) == {"DescribeImage"}


def test_who_reads_has_it_at_once(program: list[str], images: Service) -> None:
    """In a pipe too: an image that settled is told while the others are waited for."""
    session = Session([*program, "wait", "c", "a"], terminals=())
    session.read_until(lambda output: output["stdout"] == f"{images.arn('a')}\n".encode())
    images.images["c"]["ImageStatus"] = "CREATED"
    code, out, _ = session.finish()
    assert (code, out) == (0, f"{images.arn('a')}\n{images.arn('c')}\n")


def test_the_same_image_twice_is_one(run: Run, images: Service) -> None:
    """And one image alone has its own exit code."""
    assert run("wait", "a", "a").stdout == f"{images.arn('a')}\n"
    assert run("wait", "nope", "nope").code == 3


def test_one_image_that_failed_is_told_at_once(run: Run, images: Service) -> None:
    """Exit 5 from one look, with the service's reason."""
    images.add("a", ImageStatus="UPDATE_FAILED", FailureReason="no such role")
    failed = run("wait", "a")
    assert (failed.code, failed.stdout) == (5, "")
    assert "image 'a' is UPDATE_FAILED: no such role\n" in failed.stderr
    assert images.operations == ["DescribeImage"]


def test_json_is_one_reply_a_line(run: Run, images: Service) -> None:
    """What DescribeImage said last, as the image settles."""
    result = run("wait", "a", "b", "-o", "json")
    assert [json.loads(line)["ImageName"] for line in result.stdout.splitlines()] == ["a", "b"]
    assert run("wait", "a", "b", "-o", "name").stdout == "a\nb\n"
    assert run("wait", "a", "b", "--query", "ImageStatus", "-o", "text").stdout == "CREATED\nCREATED\n"


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_failed_is_told_for_each_and_the_sum_at_the_end(run: Run, images: Service, output: str) -> None:
    """Exit 7 where any failed, each with an error of its own; the others are waited for."""
    settle_after(images, 6, c="UPDATE_FAILED", d="CREATED")
    code, out, err = run("wait", "a", "nope", "c", "d", "-o", output)
    assert code == 7
    if output == "json":
        names = [json.loads(line)["ImageName"] for line in out.splitlines()]
        told = [json.loads(line)["Error"] for line in err.splitlines()]
        assert [(e["Kind"], e.get("ImageName")) for e in told] == [
            ("not-found", "nope"),
            ("refused", "c"),
            ("partial", None),
        ]
    else:
        names = [line.rpartition("/")[2] for line in out.splitlines()]
        assert "no image 'nope' in us-east-1" in err
        assert "'c' is UPDATE_FAILED" in err
        assert "2 of 4 images failed" in err.splitlines()[-1]
    assert sorted(names) == ["a", "d"]


def test_what_is_only_late_is_exit_8_and_the_way_on(run: Run, images: Service) -> None:
    """The command that goes on names those that are left."""
    code, out, err = run("wait", "a", "c", "d", "--timeout", "0.3")
    assert (code, out) == (8, f"{images.arn('a')}\n")
    assert "2 of 3 images not settled in time" in err
    assert err.splitlines()[-1] == "imagectl wait c d --region us-east-1"


def test_what_failed_counts_more_than_what_is_late(run: Run, images: Service) -> None:
    """Exit 7 where some failed, whatever became of the others."""
    code, _, err = run("wait", "nope", "c", "--timeout", "0.1")
    assert code == 7
    assert err.splitlines()[-1] == "imagectl: error: 1 of 2 images failed, 1 not settled in time"


def test_many_images_take_few_calls(run: Run, service: Service) -> None:
    """A list says more than a look at each: one page for a hundred."""
    names = [f"image-{number:03}" for number in range(60)]
    for name in names:
        service.add(name, ImageStatus="UPDATING")
    settle_after(service, 2, **dict.fromkeys(names, "CREATED"))
    result = run("wait", *names)
    assert (result.code, len(result.stdout.splitlines())) == (0, 60)
    assert service.operations == ["ListImages"] * 3


def test_many_images_need_no_permission_to_list(run: Run, service: Service) -> None:
    """Where the list is denied, each image is looked at by itself, and the list isn't asked for again."""
    names = [f"image-{number:03}" for number in range(12)]
    for name in names:
        service.add(name, ImageStatus="UPDATING")
    settle_after(service, 14, **dict.fromkeys(names, "CREATED"))
    service.answer("ListImages", error("AccessDeniedException", "not authorized"), times=9)
    code, out, err = run("wait", *names)
    assert (code, len(out.splitlines()), err.count("error")) == (0, 12, 0)
    assert service.operations.count("ListImages") == 1


def test_arns_of_several_regions_wait_together(run: Run, images: Service) -> None:
    """Each is looked at where it is; here one service plays both regions."""
    arn = images.arn("b")
    assert run("wait", "a", arn).stdout.splitlines() == [images.arn("a"), arn]
    elsewhere = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:image/c"
    images.images["c"]["ImageArn"] = elsewhere
    code, _, err = run("wait", "a", elsewhere, "--timeout", "0.2")
    assert code == 8
    assert err.splitlines()[-1] == f"imagectl wait {elsewhere}"
    regions = {r.headers["Authorization"].split("/")[2] for r in images.received}
    assert regions == {"us-east-1", "eu-west-1"}


def test_what_concerns_all_is_told_once(run: Run, images: Service) -> None:
    """Credentials that end in the middle end the wait, with their own exit code."""
    images.answer("DescribeImage", error("ExpiredTokenException", "expired"), times=9)
    code, out, err = run("wait", "a", "b", "c")
    assert (code, out) == (4, "")
    assert err.count("imagectl: error:") == 1


def test_all_that_is_wrong_is_told_before_anything_is_sent(run: Run, service: Service) -> None:
    """Each name is checked."""
    code, _, err = run("wait", "a_b", "ok", "c_d")
    assert (code, service.received) == (2, [])
    assert "'a_b'" in err
    assert "'c_d'" in err


class Slow:
    """A service in made-up time. Its list has no end, and each call takes `seconds`, or all that it may."""

    region, attempts = "us-east-1", 1

    def __init__(self, seconds: float, *, may_list: bool = True) -> None:
        self.now, self.calls = 0.0, 0
        self._seconds, self._may_list = seconds, may_list

    def once(self) -> "Slow":
        return self

    def update(self, *_: Any) -> str:
        raise AssertionError

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def _call(self, within: float | None) -> None:
        assert within is not None
        self.now += min(self._seconds, within)
        self.calls += 1
        if self._seconds > within:
            raise ImagectlError("transient", "Read timeout")

    def page(self, token: str | None = None, *, within: float | None = None, **_: Any) -> Page:
        if not self._may_list:
            raise ImagectlError("access", "not authorized", code="AccessDeniedException")
        self._call(within)
        return Page([], f"page {self.calls}")

    def describe(self, name: str, *, within: float | None = None) -> Image:
        self._call(within)
        return Image({"ImageName": name, "ImageStatus": "UPDATING"})


@pytest.mark.parametrize("timeout", [0.0, 3.0, 60.0])
@pytest.mark.parametrize(
    ("service", "late"),
    [
        (Slow(0.5), 11),  # page after page, for ever
        (Slow(99), 3),
        (Slow(99, may_list=False), 3),
        (Slow(0.9, may_list=False), 12),  # each answers: so each is looked at
    ],
    ids=["an endless list", "a list that hangs", "looks that hang", "slow looks"],
)
def test_a_wait_ends_whatever_the_service_does(service: Slow, late: float, timeout: float) -> None:
    """However many images wait: by the time that was given, or once each could be looked at."""
    service.now = 0.0
    out, err = io.StringIO(), io.StringIO()
    names = [f"image-{number}" for number in range(40)]
    with pytest.raises(ImagectlError, match="40 of 40 images not settled in time") as pending:
        wait(
            [(service, names)],
            " ".join,
            Face(Presentation(quiet=True), stdout=out, stderr=err),
            Progress(),
            timeout=timeout,
            clock=Clock(lambda: service.now, service.sleep, lambda: 0.0),
        )
    assert pending.value.kind == "pending"
    assert timeout <= service.now <= timeout + late
    assert err.getvalue().count("has not settled") == 40
