"""`apply` where things go wrong under it: threads that can't be had or die, looks that fail, throttled reads.

Whatever happens, a run ends by itself, every image is told once, and what is told is true.
"""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from memory import THROTTLED, Memory, applied
from service import ACCOUNT, ROLE, Service, error

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import THREADS, Threads
from imagectl.image import Outcome

OLD = f"arn:aws:iam::{ACCOUNT}:role/old"


def images(count: int) -> dict[str, dict[str, str]]:
    return {f"image-{n}": {"Description": "old", "RoleArn": OLD} for n in range(count)}


def manifest(count: int, **wanted: Any) -> bytes:
    wanted = wanted or {"Description": "new"}
    return "".join(f"{json.dumps({'ImageName': f'image-{n}', **wanted})}\n" for n in range(count)).encode()


def results(told: list[Outcome]) -> dict[str, str]:
    assert max(Counter(outcome.name for outcome in told).values()) == 1
    return {outcome.name: outcome.result for outcome in told}


# Threads that can't be had, and threads that die.


def only(count: int) -> Threads:
    """As many threads as that, and then none."""
    left = iter(range(count))
    return THREADS._replace(start=lambda work: next(left, None) is not None and THREADS.start(work))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9])
@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("wanted", [{"Description": "new"}, {"RoleArn": ROLE}], ids=["text", "role"])
def test_a_run_goes_on_with_the_threads_there_are(count: int, wait: bool, wanted: dict[str, str]) -> None:
    """With few or none: all is done and told, by those there are."""
    memory = Memory(images(12))
    tally, told = applied(manifest(12, **wanted), memory, threads=only(count), concurrency=8, wait=wait)
    assert tally.verdict() is None
    assert set(results(told).values()) == {"updated" if wait else "requested"}
    assert len(told) == len(memory.sent) == 12


@pytest.mark.parametrize("nproc", [1, 2, 4])
def test_a_limit_of_processes_is_no_end(
    nproc: int, program: list[str], service: Service, tmp_path: Path
) -> None:
    """A container's limit, met by a real process: all is done, no trace is printed, it ends."""
    for name, image in images(6).items():
        service.add(name, **image)
    path = tmp_path / "m.jsonl"
    path.write_bytes(manifest(6))
    limited = (
        "import resource, sys, threading; from imagectl.__main__ import run;"
        "start, left = threading.Thread.start, iter(range(int(sys.argv.pop(1)) - 1))\n"
        "def limited(thread):\n"
        "    if next(left, None) is None: raise RuntimeError('can\\'t start new thread')\n"
        "    start(thread)\n"
        "threading.Thread.start = limited; run()"
    )
    argv = [
        program[0],
        "-c",
        limited,
        str(nproc),
        "apply",
        str(path),
        "--yes",
        "--wait",
        "--concurrency",
        "200",
    ]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 6)
    assert done.stderr == b"imagectl: 6 images: 6 updated\n"


NO_FILE_LEFT = """
import errno, http.client, sys
from imagectl.__main__ import run
class Nothing:
    def find_spec(*_):
        raise OSError(errno.EMFILE, "Too many open files")
send = http.client.HTTPConnection.send
def limited(connection, data):
    if b"UpdateImage" in data and Nothing not in sys.meta_path:
        sys.meta_path.insert(0, Nothing)
    send(connection, data)
http.client.HTTPConnection.send = limited
run()
"""


@pytest.mark.parametrize("fail", [None, "no such role"], ids=["updated", "failed"])
@pytest.mark.parametrize("output", ["text", "json", "yaml", "name", "--query=ImageName"])
def test_what_is_told_needs_no_file_that_threads_may_have_taken(
    output: str, fail: str | None, program: list[str], service: Service, tmp_path: Path
) -> None:
    """Once an update is sent, no module is loaded any more: each image is told, if no file can be had too."""
    service.fail_updates, service.updating_reads = fail, 2
    for name, image in images(6).items():
        service.add(name, **image)
    path = tmp_path / "m.jsonl"
    path.write_bytes(manifest(6))
    argv = [program[0], "-c", NO_FILE_LEFT, "apply", str(path), "--yes", "--wait", "--timeout", "15"]
    argv += [output if output.startswith("--") else f"--output={output}"]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    told = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == (7 if fail else 0), told
    assert all(f"image-{number}" in told for number in range(6))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("operation", ["UpdateImage", "ListImages"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_thread_that_dies_ends_no_run(operation: str, concurrency: int) -> None:
    """Whatever it dies of: each image is told, none that was sent as untouched."""
    memory = Memory(images(5))
    left = iter([True] * 2)

    def before(called: str, name: str) -> None:
        if called == operation and memory.sent and next(left, False):
            raise SystemExit if called == "UpdateImage" else RuntimeError

    memory.before = before
    tally, told = applied(manifest(5), memory, wait=True, concurrency=concurrency, timeout=5.0)
    assert set(results(told)) == set(memory.images)
    sent = {update.name for update in memory.sent}
    assert sent & {outcome.name for outcome in told if outcome.result == "not-applied"} == set()
    assert tally.done == 5


# Looks that fail.


DENIED = ImagectlError("access", "not authorized", code="AccessDeniedException", http_status=400)
EXPIRED = ImagectlError("access", "expired", code="ExpiredTokenException", http_status=400)


def failing(memory: Memory, failure: ImagectlError, operation: str, name: str = "") -> Callable[..., None]:
    """From the first update on, an operation fails: for one image, or for all."""

    def before(called: str, called_for: str) -> None:
        if memory.sent and called == operation and (not name or name == called_for):
            raise failure

    return before


@pytest.mark.parametrize("failure", [DENIED, EXPIRED, ImagectlError("not-found", "no image 'image-1'")])
def test_one_images_look_is_its_own(failure: ImagectlError) -> None:
    """One DescribeImage that fails for good ends one image's wait, told as accepted; the others settle."""
    memory = Memory(images(3))
    memory.before = failing(memory, failure, "DescribeImage", "image-1")
    tally, told = applied(manifest(3, RoleArn=ROLE), memory, wait=True, timeout=5.0)
    assert results(told) == {"image-0": "updated", "image-1": "applied", "image-2": "updated"}
    errors = [outcome.error for outcome in told if outcome.error]
    assert [(error.kind, error.image_name) for error in errors] == [(failure.kind, "image-1")]
    assert errors[0].message.startswith("the update was accepted, but looking at the image failed: ")
    assert tally.verdict() is not None


def test_what_concerns_the_whole_service_ends_its_batch() -> None:
    """Lists that may not be read any more: each image is told, under its own name."""
    memory = Memory(images(3))
    memory.before = failing(memory, EXPIRED, "ListImages")
    _, told = applied(manifest(3), memory, wait=True, timeout=5.0)
    assert results(told) == {f"image-{n}": "applied" for n in range(3)}
    assert all(outcome.error and outcome.error.image_name == outcome.name for outcome in told)


def test_an_image_that_is_gone_fails_alone(run: Run, service: Service) -> None:
    """Deleted while it was waited for: not found any more; exit 7, the others are updated."""
    for name, image in images(3).items():
        service.add(name, **image)

    def on_update() -> None:
        service.images.pop("image-1", None)

    service.on_update = on_update
    service.updating_reads = 1
    result = run(
        "apply", "--yes", "--wait", "--timeout", "10s", "-o", "json", "--concurrency", "1",
        stdin=manifest(3, RoleArn=ROLE),
    )  # fmt: skip
    found = {record["ImageName"]: record for record in map(json.loads, result.stdout.splitlines())}
    assert result.code == 7
    assert found["image-1"]["Error"]["Kind"] == "not-found"
    assert {found[name]["Outcome"] for name in ("image-0", "image-2")} == {"updated"}


@pytest.mark.parametrize("wanted", [{"Description": "new"}, {"RoleArn": ROLE}], ids=["text", "role"])
def test_a_wait_of_many_says_what_is_different(wanted: dict[str, str]) -> None:
    """At rest, but not as asked for, when the time runs out: told by property."""
    memory = Memory(images(1))
    key, value = next(iter(wanted.items()))

    def before(called: str, name: str) -> None:
        if memory.sent:
            memory.images["image-0"][key] = f"{value}!"

    memory.before = before
    _, told = applied(manifest(1, **wanted), memory, wait=True, timeout=0.6)
    assert told[0].error
    assert (told[0].error.kind, told[0].result) == ("pending", "applied")
    assert f"{key} is '{value}!', not '{value}'" in told[0].error.message


# A reply that was lost.


def test_a_refusal_after_a_lost_reply_is_no_proof() -> None:
    """The first attempt may have been carried out: what the second was told says nothing of it."""
    lost = ImagectlError("transient", "timed out", code="ReadTimeoutError", outcome="unknown", late=True)
    replies = iter([lost, ImagectlError("refused", "no", outcome="not-applied", http_status=400)])
    memory = Memory(images(1))

    def before(called: str, name: str) -> None:
        failure = next(replies, None) if called == "UpdateImage" else None
        if failure:
            raise failure

    memory.before = before
    _, told = applied(manifest(1), memory)
    assert (told[0].result, told[0].error and told[0].error.kind) == ("unknown", "refused")


# Reads that are throttled.


class Buckets:
    """For each operation a rate, with no tokens saved up."""

    def __init__(self, **rates: float) -> None:
        self._rates, self._next = rates, dict.fromkeys(rates, 0.0)
        self._lock = threading.Lock()
        self.throttled: Counter[str] = Counter()

    def __call__(self, operation: str, _name: str) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._next.get(operation, 0.0):
                self.throttled[operation] += 1
                raise THROTTLED.but(outcome="not-applied")
            if operation in self._rates:
                self._next[operation] = now + 1 / self._rates[operation]


def test_throttled_reads_slow_a_run_down() -> None:
    """DescribeImage for each declared role, at a fraction of what eight threads would ask for."""
    memory = Memory(images(60))
    memory.before = buckets = Buckets(DescribeImage=60)
    tally, told = applied(manifest(60, RoleArn=ROLE), memory, concurrency=8, wait=True)
    assert (tally.verdict(), set(results(told).values())) == (None, {"updated"})
    assert 0 < buckets.throttled["DescribeImage"] <= 60


def test_throttled_pages_slow_a_run_down() -> None:
    """A sweep goes on with the page that was throttled, not from the beginning."""
    memory = Memory(images(1500))
    memory.before = buckets = Buckets(ListImages=15)
    applied(manifest(3), memory, wait=True)
    assert memory.calls.count("ListImages") - buckets.throttled["ListImages"] == 15
    assert buckets.throttled["ListImages"]


# How many may be unsettled.


@pytest.mark.parametrize(("limit", "concurrency"), [(1, 8), (2, 8), (3, 1), (50, 8)])
def test_so_many_are_unsettled_at_most(limit: int, concurrency: int) -> None:
    """At any moment, in the manifest's order; with one at a time strictly in it."""
    memory = Memory(images(10))
    unsettled: set[str] = set()
    most = 0

    def before(called: str, name: str) -> None:
        nonlocal most
        if called == "UpdateImage":
            unsettled.add(name)
            most = max(most, len(unsettled))
        elif called == "DescribeImage":
            unsettled.discard(name)
        elif memory.sent:
            unsettled.clear()

    memory.before = before
    options: dict[str, Any] = {"concurrency": concurrency, "max_unsettled": limit, "wait": True}
    tally, _ = applied(manifest(10), memory, **options)
    assert tally.verdict() is None
    assert most <= limit
    if 1 in {limit, concurrency}:
        assert [update.name for update in memory.sent] == [f"image-{n}" for n in range(10)]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_bad_change_stops_after_the_first(count: int) -> None:
    """One unsettled at a time and one failure: the others are left as they were, with or without threads."""
    memory = Memory(images(31))
    statuses = chain(["UPDATING"], repeat("UPDATE_FAILED"))

    def before(called: str, name: str) -> None:
        if memory.sent:
            memory.images["image-0"] |= {"ImageStatus": next(statuses), "FailureReason": "no"}
            memory.images["image-0"]["LastModifiedTime"] = "later"

    memory.before = before
    options: dict[str, Any] = {"max_unsettled": 1, "max_failures": 1, "wait": True, "timeout": 15.0}
    memory.images["image-0"]["DisplayName"] = "x"
    data = manifest(31).replace(b'"new"}', b'"new", "DisplayName": "y"}', 1)
    broken = memory.update

    def update(update: Any, progress: Any) -> str:
        arn = broken(update, progress)
        memory.images["image-0"]["DisplayName"] = "x"
        return arn

    memory.update = update  # type: ignore[method-assign]
    tally, told = applied(data, memory, threads=only(count), **options)
    assert [sent.name for sent in memory.sent] == ["image-0"]
    assert Counter(results(told).values()) == {"not-applied": 31}
    assert str(tally) == "31 images: 1 failed, 30 not sent; stopped: 1 failed"


def test_who_does_not_settle_keeps_its_place() -> None:
    """As many as may be unsettled didn't settle in time: nothing new is sent."""
    memory = Memory(images(6))

    def before(called: str, name: str) -> None:
        if memory.sent:
            for update in memory.sent:
                memory.images[update.name]["ImageStatus"] = "UPDATING"

    memory.before = before
    tally, told = applied(manifest(6), memory, wait=True, max_unsettled=2, timeout=0.3)
    assert len(memory.sent) == 2
    assert Counter(results(told).values()) == {"applied": 2, "not-applied": 4}
    assert "stopped: 2 not settled" in str(tally)


def test_stopped_is_said_where_something_was_left(run: Run, service: Service) -> None:
    """A failure of the last image stops nothing."""
    service.answer("UpdateImage", error("ValidationException", "no"))
    stdin = b'{"ImageName": "my-image", "Description": "x"}'
    result = run("apply", "--yes", "--max-failures", "1", stdin=stdin)
    assert "1 image: 1 failed\n" in result.stderr


# What a manifest repeats.


@pytest.mark.parametrize(
    "text",
    [
        '[{"ImageName":"a","Description":"1"},{"ImageName":"a","Description":"2"}]',
        '{"ImageName":"a","Description":"1"} {"ImageName":"a","Description":"2"}',
        '{"Images":[{"ImageName":"a","Description":"1"},{"ImageName":"a","Description":"2"}]}',
        "[{ImageName: a, Description: '1'}, {ImageName: a, Description: '2'}]",
    ],
)
def test_an_image_twice_on_one_line_is_twice(run: Run, service: Service, text: str) -> None:
    """Repetition is judged by entry, not by line."""
    result = run("apply", "--yes", stdin=text.encode())
    assert (result.code, service.received) == (2, [])
    assert "'a' is already declared in line 1" in result.stderr


def test_two_profiles_of_one_account_on_one_line(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What only the ARNs show is found out before anything is sent."""
    config = tmp_path / "config"
    config.write_text(
        "".join(f"[profile {p}]\naws_access_key_id = A\naws_secret_access_key = B\n" for p in "pq")
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    entries = [{"ImageName": "my-image", "Description": profile, "Profile": profile} for profile in "pq"]
    result = run("apply", "--yes", stdin=json.dumps(entries).encode())
    assert (result.code, "UpdateImage" in service.operations) == (2, False)
