"""`imagectl apply`: the plan, what is sent, what is told, and how it can be undone."""

import errno
import itertools
import json
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pexpect
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import Memory, applied
from service import ACCOUNT, DROPPED, IN_USE, LOST, ROLE, THROTTLED, Service, error
from terminal import Session

from imagectl import image as nouns
from imagectl.errors import ImagectlError
from imagectl.fleet.manifest import Entry
from imagectl.fleet.plan import Shard, locate
from imagectl.fleet.rate import Pace
from imagectl.fleet.rollback import RollbackFile
from imagectl.image import ImageArn, ImageUpdate
from imagectl.update import Clock


def lines(*entries: Mapping[str, Any]) -> bytes:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()


def fleet(service: Service, count: int, **fields: Any) -> None:
    for number in range(count):
        service.add(f"image-{number}", **({"Description": "old"} | fields))


def renamed(count: int, **fields: Any) -> bytes:
    return lines(*({"ImageName": f"image-{n}", "Description": "new", **fields} for n in range(count)))


def records(text: str) -> dict[str, dict[str, Any]]:
    """The JSON records of a run, by image; each a whole line, each image once."""
    found = [json.loads(line) for line in text.splitlines()]
    assert max(Counter(record["ImageName"] for record in found).values(), default=1) == 1
    return {record["ImageName"]: record for record in found}


# What is sent, and what is told.


def test_only_what_differs_is_sent(run: Run, service: Service) -> None:
    """One ListImages, one UpdateImage per changed image, with nothing in it but what differs."""
    fleet(service, 3)
    manifest = lines(
        {"ImageName": "image-0", "Description": "new", "DisplayName": None},
        {"ImageName": "image-1", "Description": "old", "DisplayName": "One"},
        {"ImageName": "image-2", "Description": "old"},
        {"ImageName": "my-image", "Description": None},
    )
    result = run("apply", "--yes", stdin=manifest)
    assert result.code == 0
    assert set(result.stdout.splitlines()) == {
        service.arn(name) for name in ("image-0", "image-1", "my-image")
    }
    assert result.stderr == "imagectl: 4 images: 3 requested, 1 unchanged\n"
    assert service.operations.count("ListImages") == 1
    assert sorted(service.calls("UpdateImage"), key=str) == [
        {"ImageName": "image-0", "Description": "new"},
        {"ImageName": "image-1", "DisplayName": "One"},
        {"ImageName": "my-image", "DeleteProperties": ["Description"]},
    ]
    assert "DescribeImage" not in service.operations


def test_a_list_is_a_manifest_that_changes_nothing(run: Run, service: Service) -> None:
    """The round trip, also for images without a description."""
    service.add("bare")
    fleet(service, 3)
    listed = run("list", "-o", "json").stdout
    result = run("apply", "--dry-run", "--detailed-exitcode", "-o", "json", stdin=listed.encode())
    assert result.code == 0
    assert {record["Outcome"] for record in records(result.stdout).values()} == {"unchanged"}
    assert len(records(result.stdout)) == 5
    assert "UpdateImage" not in service.operations


def test_the_second_run_sends_nothing(run: Run, service: Service) -> None:
    """Running the same command again is the resume."""
    fleet(service, 5)
    assert run("apply", "--yes", stdin=renamed(5)).code == 0
    again = run("apply", "--yes", "-o", "json", stdin=renamed(5))
    assert {record["Outcome"] for record in records(again.stdout).values()} == {"unchanged"}
    assert len(service.calls("UpdateImage")) == 5


def test_a_declared_role_is_read_by_describe(run: Run, service: Service) -> None:
    """ListImages gives no role: only who declares one is described, and only a new one is sent."""
    fleet(service, 3)
    same = service.images["image-0"]["RoleArn"]
    manifest = lines(
        {"ImageName": "image-0", "RoleArn": same},
        {"ImageName": "image-1", "RoleArn": ROLE},
        {"ImageName": "image-2", "Description": "new"},
    )
    result = run("apply", "--yes", "-o", "json", "--wait", stdin=manifest)
    assert {name: record["Outcome"] for name, record in records(result.stdout).items()} == {
        "image-0": "unchanged",
        "image-1": "updated",
        "image-2": "updated",
    }
    assert {"ImageName": "image-1", "RoleArn": ROLE} in service.calls("UpdateImage")
    assert len(service.calls("UpdateImage")) == 2


def test_no_other_image_is_described(run: Run, service: Service) -> None:
    """One ListImages says all that is asked of images whose role is left alone."""
    fleet(service, 3)
    manifest = lines(
        {"ImageName": "image-0", "Description": "new"},
        {"ImageName": "image-1", "RoleArn": ROLE},
        {"ImageName": "image-2", "DisplayName": "New"},
    )
    assert run("apply", "-", "--yes", stdin=manifest).code == 0
    assert service.calls("DescribeImage") == [{"ImageName": "image-1"}]
    assert service.operations.count("ListImages") == 1


def test_records_are_updates_with_their_line(run: Run, service: Service) -> None:
    """The JSON contract: one object per line for every image, `Error` where it failed."""
    fleet(service, 1)
    manifest = lines(
        {"ImageName": "image-0", "Description": "new"}, {"ImageName": "none"}, {"ImageName": "my-image"}
    )
    result = run("apply", "--yes", "-o", "json", stdin=manifest)
    found = records(result.stdout)
    assert found["image-0"] == {
        "ImageArn": service.arn("image-0"),
        "ImageName": "image-0",
        "Region": "us-east-1",
        "Outcome": "requested",
        "Changes": [{"Property": "Description", "Before": "old", "After": "new"}],
        "Line": 1,
    }
    assert (found["my-image"]["Outcome"], found["my-image"]["Changes"], found["my-image"]["Line"]) == (
        "unchanged",
        [],
        3,
    )
    assert found["none"]["Error"]["Kind"] == "not-found"
    assert (found["none"]["Outcome"], found["none"]["Line"], "ImageArn" in found["none"]) == (
        "not-applied",
        2,
        False,
    )
    assert result.code == 7
    assert json.loads(result.stderr.splitlines()[-1])["Error"]["Kind"] == "partial"


def test_queries_select_from_each_record(run: Run, service: Service) -> None:
    fleet(service, 2)
    result = run("apply", "--yes", "--query", "ImageName", stdin=renamed(2))
    assert sorted(result.stdout.splitlines()) == ['"image-0"', '"image-1"']


def test_names_are_those_of_changed_images(run: Run, service: Service) -> None:
    fleet(service, 2)
    manifest = renamed(2) + lines({"ImageName": "my-image"})
    assert sorted(run("apply", "--dry-run", "-o", "name", stdin=manifest).stdout.split()) == [
        "image-0",
        "image-1",
    ]
    assert sorted(run("apply", "--yes", "-o", "name", stdin=manifest).stdout.split()) == [
        "image-0",
        "image-1",
    ]


def test_a_dry_run_shows_the_plan_and_sends_nothing(run: Run, service: Service) -> None:
    fleet(service, 2)
    result = run("apply", "--dry-run", "--detailed-exitcode", stdin=renamed(2))
    assert result.code == 10
    assert result.stdout == (
        "image-0 (us-east-1)\n- Description: old\n+ Description: new\n"
        "image-1 (us-east-1)\n- Description: old\n+ Description: new\n"
    )
    assert result.stderr == "imagectl: 2 images: 2 to change; nothing was changed\n"
    assert service.operations == ["ListImages"]
    assert run("apply", "--dry-run", stdin=renamed(2)).code == 0
    assert run("apply", "--detailed-exitcode", "--yes", stdin=renamed(2)).code == 2


def test_quiet_says_nothing_but_errors(run: Run, service: Service) -> None:
    result = run("apply", "--yes", "-q", stdin=lines({"ImageName": "my-image", "Description": "x"}))
    assert (result.code, result.stderr) == (0, "")


def test_an_arn_that_is_written_in_lower_case_finds_its_image(run: Run, service: Service) -> None:
    service.add("My-Image")
    manifest = lines({"ImageArn": service.arn("my-image"), "Description": "x"}).replace(
        b"my-image", b"my-IMAGE"
    )
    service.images.pop("my-image")
    assert run("apply", "--yes", stdin=manifest).code == 0
    assert service.calls("UpdateImage") == [{"ImageName": "My-Image", "Description": "x"}]


# What is refused as a whole.


def test_an_arn_of_another_account_stops_everything(run: Run, service: Service) -> None:
    """UpdateImage takes a name: sent, it would change this account's image of that name."""
    fleet(service, 2)
    manifest = renamed(2) + lines({"ImageArn": service.arn("my-image").replace(ACCOUNT, "999999999999")})
    result = run("apply", "--yes", "-o", "json", stdin=manifest)
    assert (result.code, result.stdout) == (4, "")
    assert json.loads(result.stderr)["Error"]["Problems"][0]["Line"] == 3
    assert "UpdateImage" not in service.operations


def test_an_arn_of_another_account_stops_everything_where_no_such_image_is_here(
    run: Run, service: Service
) -> None:
    """The account of the credentials is known from the other images."""
    arn = service.arn("elsewhere").replace(ACCOUNT, "999999999999")
    manifest = lines({"ImageName": "my-image", "Description": "x"}, {"ImageArn": arn, "Description": "x"})
    result = run("apply", "--yes", "-o", "json", stdin=manifest)
    failed = json.loads(result.stderr)["Error"]
    assert (result.code, failed["Kind"], failed["Problems"][0]["Line"]) == (4, "access", 2)
    assert failed["Message"] == "1 ARN is of another account than the credentials, nothing was sent"
    assert "UpdateImage" not in service.operations


def test_an_arn_of_another_partition_is_not_said_to_be_of_another_account(run: Run, service: Service) -> None:
    arn = service.arn("my-image").replace("arn:aws:", "arn:aws-cn:")
    result = run("apply", "--yes", "-o", "json", stdin=lines({"ImageArn": arn, "Description": "x"}))
    failed = json.loads(result.stderr)["Error"]
    assert (result.code, "account" in failed["Message"]) == (4, False)
    assert "UpdateImage" not in service.operations


def test_the_same_image_by_another_way_is_the_same_image(run: Run, service: Service) -> None:
    """What only the connection shows (this is the default region) stops everything too."""
    manifest = lines(
        {"ImageName": "my-image", "Region": "us-east-1"}, {"ImageName": "my-image", "Description": "x"}
    )
    part = next(p for p in ("1/3", "2/3", "3/3") if run("apply", "--yes", "--shard", p, stdin=manifest).code)
    assert part  # both are in the same one
    result = run("apply", "--yes", stdin=manifest)
    assert result.code == 2
    assert "line 2: ImageName: 'my-image' is already declared in line 1" in result.stderr
    assert service.received == []


def test_a_failure_of_the_reading_is_the_runs_own(run: Run, service: Service) -> None:
    service.answer("ListImages", error("AccessDeniedException", "no"), times=3)
    result = run("apply", "--yes", stdin=lines({"ImageName": "my-image", "Description": "x"}))
    assert (result.code, result.stdout) == (4, "")
    assert "UpdateImage" not in service.operations


def test_profiles_that_cannot_log_in_are_named_with_their_line(run: Run, service: Service) -> None:
    """Each of them, before anything is sent; as data each is a problem of its own."""
    manifest = lines(
        {"ImageName": "my-image", "Description": "x"},
        {"ImageName": "my-image", "Profile": "none"},
        {"ImageName": "other", "Profile": "none"},
        {"ImageName": "my-image", "Profile": "neither"},
    )
    result = run("apply", "--yes", stdin=manifest)
    assert (result.code, service.received) == (4, [])
    assert [line.split("'")[0] for line in result.stderr.splitlines() if "error:" in line] == [
        "imagectl: error: line 2: Profile: ",
        "imagectl: error: line 4: Profile: ",
    ]
    assert "--profile" not in result.stderr  # nobody gave that
    one = run("apply", "--yes", "-o", "json", stdin=lines({"ImageName": "my-image", "Profile": "none"}))
    failed = json.loads(one.stderr)["Error"]
    assert (one.code, failed["Kind"], failed["Problems"][0]["Line"]) == (4, "access", 1)


@pytest.fixture
def accounts(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Service]:
    """Two profiles, `one` and `two`, each of an account of its own."""
    there = {"one": service, "two": Service(account="222222222222")}
    there["two"].add("my-image", Description="of two")
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"[profile {name}]\nendpoint_url = {at.url}\nregion = us-east-1\n"
            "aws_access_key_id = A\naws_secret_access_key = B\n"
            for name, at in there.items()
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER")
    return there


def test_images_of_several_accounts_are_told_apart(run: Run, accounts: dict[str, Service]) -> None:
    """In the plan, in records and in errors; where there is one profile, nothing is said of it."""
    manifest = lines(
        *({"ImageName": "my-image", "Description": "x", "Profile": name} for name in accounts),
        {"ImageName": "none", "Profile": "two"},
    )
    plan = run("apply", "--dry-run", stdin=manifest)
    assert "my-image (us-east-1, profile one, account 123456789012)\n" in plan.stdout
    assert "my-image (us-east-1, profile two, account 222222222222)\n" in plan.stdout
    assert "line 3: none (us-east-1, profile two, account 222222222222): no image 'none'" in plan.stderr
    found = [
        json.loads(line) for line in run("apply", "--yes", "-o", "json", stdin=manifest).stdout.splitlines()
    ]
    assert sorted((one["ImageName"], one["Profile"]) for one in found) == [
        ("my-image", "one"),
        ("my-image", "two"),
        ("none", "two"),
    ]
    alone = run("apply", "--dry-run", stdin=lines({"ImageName": "none", "Profile": "two"}))
    assert "no image 'none' in us-east-1\n" in alone.stderr


def test_a_rollback_file_undoes_by_itself_what_a_profile_did(
    run: Run, accounts: dict[str, Service], tmp_path: Path
) -> None:
    """`--profile` is in it: the same command without that option reaches the same account."""
    undo = tmp_path / "undo.jsonl"
    manifest = lines({"ImageName": "my-image", "Description": "x"})
    assert run("apply", "--yes", "--profile", "two", "--rollback-file", str(undo), stdin=manifest).code == 0
    assert accounts["two"].images["my-image"]["Description"] == "x"
    assert run("apply", "--yes", str(undo)).code == 0
    assert accounts["two"].images["my-image"]["Description"] == "of two"
    assert accounts["one"].calls("UpdateImage") == []


def test_profiles_log_in_once_and_only_where_they_are_needed(
    run: Run, accounts: dict[str, Service], tmp_path: Path
) -> None:
    """A shard without an entry of a profile asks nothing of it."""
    log = tmp_path / "logins"
    config = Path(os.environ["AWS_CONFIG_FILE"])
    config.write_text(
        "".join(
            f"[profile {name}]\nendpoint_url = {at.url}\nregion = us-east-1\n"
            f"credential_process = sh -c 'echo {name} >>{log};"
            ' echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"A\\", \\"SecretAccessKey\\": \\"B\\"}"\'\n'
            for name, at in accounts.items()
        )
    )
    places = [(name, region) for name in accounts for region in ("us-east-1", "us-west-2")]
    manifest = lines(*({"ImageName": "my-image", "Profile": p, "Region": r} for p, r in places))
    for part in (1, 2):
        log.write_text("")
        run("apply", "--dry-run", "--shard", f"{part}/2", stdin=manifest)
        here = [p for p, r in places if Shard(part, 2).has(entry_of("my-image", profile=p), r)]
        assert sorted(log.read_text().split()) == sorted(set(here))


def test_a_code_is_asked_for_one_by_one_and_before_the_others_log_in() -> None:
    """Two profiles that ask at the same time would take each other's codes."""
    threads, order = set(), []

    class Asking(NamedTuple):
        profile: str | None
        region: str | None = None
        account: str | None = None

        @property
        def asks(self) -> bool:
            return (self.profile or "").startswith("mfa")

        def service(self, region: str | None) -> nouns.Service:
            threads.add((self.asks, threading.get_ident()))
            order.append(self.asks)
            return Memory({})

    entries = [entry_of("a", profile=profile) for profile in ("x", "mfa-1", "y", "mfa-2")] + [
        entry_of("b", profile="x")
    ]
    assert len(locate(entries, Asking, Shard(), size=3)) == 5
    assert order == [True, True, False, False]
    assert [thread for asks, thread in threads if asks] == [threading.get_ident()]


# Expected.


def test_an_image_that_is_not_as_expected_is_not_touched(run: Run, service: Service) -> None:
    """It is an error that says what differs, exit 7; the others are done, and --ignore-expected does all."""
    fleet(service, 3, DisplayName="shown")
    guards = [
        {"Description": "old", "DisplayName": "shown"},
        {"Description": "other", "DisplayName": None, "RoleArn": ROLE},
        {},
    ]
    manifest = lines(
        *({"ImageName": f"image-{n}", "Description": "new", "Expected": e} for n, e in enumerate(guards))
    )
    result = run("apply", "--yes", "-o", "json", stdin=manifest)
    found = records(result.stdout)
    assert result.code == 7
    assert {name: one["Outcome"] for name, one in found.items()} == {
        "image-0": "requested",
        "image-1": "not-applied",
        "image-2": "requested",
    }
    failed = found["image-1"]["Error"]
    assert (failed["Code"], failed["Outcome"]) == ("NotAsExpected", "not-applied")
    assert "Description is 'old', expected was 'other'" in failed["Message"]
    assert "DisplayName is 'shown', expected was not there" in failed["Message"]
    assert "RoleArn is" in failed["Message"]
    assert service.state()["image-1"][0] == "old"
    assert run("apply", "--yes", "--ignore-expected", stdin=manifest).code == 0
    assert service.state()["image-1"][0] == "new"


def test_what_is_as_declared_needs_no_guard(run: Run, service: Service) -> None:
    """Nothing would be overwritten: so the same undo again is its resume."""
    fleet(service, 1)
    manifest = lines({"ImageName": "image-0", "Description": "old", "Expected": {"Description": "else"}})
    assert run("apply", "--yes", stdin=manifest).code == 0


def test_an_undo_leaves_what_somebody_else_changed_since(run: Run, service: Service, tmp_path: Path) -> None:
    """It restores what still is as the run left it; of the others it says who differs how."""
    fleet(service, 3)
    undo = tmp_path / "undo.jsonl"
    assert run("apply", "--yes", "--rollback-file", str(undo), stdin=renamed(3, DisplayName="New")).code == 0
    service.images["image-1"]["Description"] = "by a stranger"
    result = run("apply", str(undo), "--yes", "-o", "json")
    assert result.code == 7
    assert [name for name, one in records(result.stdout).items() if "Error" in one] == ["image-1"]
    assert [service.state()[f"image-{n}"][:2] for n in range(3)] == [
        ("old", None),
        ("by a stranger", "New"),
        ("old", None),
    ]
    assert run("apply", str(undo), "--yes", "--ignore-expected").code == 0
    assert service.state()["image-1"][:2] == ("old", None)


@pytest.mark.parametrize("age", [0, 10])
def test_a_guard_is_checked_again_before_the_update(age: int) -> None:
    """Where the reading is older than a few seconds: a stranger's change in between is not overwritten."""
    memory = Memory({name: {"RoleArn": ROLE, "Description": "old"} for name in ("a", "b")})
    now = 0.0

    def before(operation: str, name: str) -> None:
        nonlocal now
        if operation == "ListImages":
            now += age
        if operation == "DescribeImage" and name == "b":
            memory.images["b"]["Description"] = "by a stranger"

    memory.before = before
    entries = lines(
        *({"ImageName": name, "Description": "new", "Expected": {"Description": "old"}} for name in "ab")
    )
    _, told = applied(entries, memory, clock=Clock(now=lambda: now))
    assert memory.calls.count("DescribeImage") == (2 if age else 0)
    found = {outcome.name: outcome for outcome in told}
    assert found["a"].result == "requested"
    assert memory.images["b"]["Description"] == ("by a stranger" if age else "new")
    if age:
        assert found["b"].error
        assert (found["b"].result, found["b"].error.code) == ("not-applied", "NotAsExpected")
    assert [update.name for update in memory.sent] == (["a"] if age else ["a", "b"])


def test_most_unsettled_needs_a_wait(run: Run, service: Service) -> None:
    """The count is of images that are waited for."""
    fleet(service, 3)
    assert run("apply", "--yes", "--max-unsettled", "1", stdin=renamed(3)).code == 2
    assert run("apply", "--yes", "--max-unsettled", "1", "--wait", stdin=renamed(3)).code == 0
    service.fail_updates, service.updating_reads = "a bad value", 2
    more = ("--wait", "--max-unsettled", "1", "--max-failures", "1")
    result = run("apply", "--yes", *more, stdin=renamed(3, DisplayName="x"))
    assert (result.code, len(service.calls("UpdateImage"))) == (7, 4)
    assert "1 failed, 2 not sent; stopped: 1 failed" in result.stderr


def test_rollback_lines_of_older_versions_still_undo(run: Run, service: Service) -> None:
    line = {"Rollback": True, "ImageArn": service.arn("my-image"), "Region": "us-east-1", "Description": "x"}
    assert run("apply", "--yes", stdin=lines(line)).code == 0
    assert service.state()["my-image"][0] == "x"


# Failures of single images.


def test_each_failure_is_told_with_its_own_error(run: Run, service: Service) -> None:
    """Exit 7; the others are done."""
    fleet(service, 2)
    service.answer("UpdateImage", error("AccessDeniedException", "User is not authorized"))
    result = run("apply", "--yes", "--concurrency", "1", stdin=renamed(2))
    assert result.code == 7
    assert result.stdout == service.arn("image-1") + "\n"
    assert result.stderr.splitlines()[0] == (
        "imagectl: error: line 1: image-0: User is not authorized (AccessDeniedException)"
    )
    assert result.stderr.splitlines()[-1] == "imagectl: error: 2 images: 1 requested, 1 failed"
    assert result.stderr.count("2 images") == 1


def test_max_failures_stops_sending(run: Run, service: Service) -> None:
    """After N failures nothing new is sent; each image still has its record."""
    fleet(service, 20)
    service.answer("UpdateImage", error("ValidationException", "no"), times=20)
    result = run(
        "apply", "--yes", "-o", "json", "--max-failures", "3", "--concurrency", "2", stdin=renamed(20)
    )
    assert result.code == 7
    found = records(result.stdout)
    failed = [record for record in found.values() if "Error" in record]
    assert len(found) == 20
    assert 3 <= len(failed) <= 4  # the other thread's was under way
    assert len(service.calls("UpdateImage")) == len(failed)
    assert {r["Outcome"] for r in found.values()} == {"not-applied"}
    assert "stopped: 3 failed" in result.stderr


@pytest.mark.parametrize(("flags", "most"), [((), 8), (("--concurrency", "3"), 3)])
def test_so_many_calls_are_made_at_a_time(
    run: Run, service: Service, flags: tuple[str, ...], most: int
) -> None:
    """--concurrency: no more, and no fewer."""
    fleet(service, 3 * most)
    together, lock, there, seen = threading.Barrier(most), threading.Lock(), 0, 0

    def on_update() -> None:
        nonlocal there, seen
        with lock:
            there += 1
            seen = max(seen, there)
        together.wait(30)
        with lock:
            there -= 1

    service.on_update = on_update
    assert run("apply", "--yes", *flags, stdin=renamed(3 * most)).code == 0
    assert seen == most


def test_each_image_is_told_as_it_is_done(program: list[str], service: Service, tmp_path: Path) -> None:
    """In completion order: while one still waits for its reply, the other has its record."""
    fleet(service, 2)
    manifest, answer, asked = tmp_path / "m.jsonl", threading.Event(), itertools.count()
    manifest.write_bytes(renamed(2))

    def on_update() -> None:
        if next(asked) == 0:
            answer.wait(30)

    service.on_update = on_update
    session = Session([*program, "apply", str(manifest), "--yes"], terminals=())
    session.read_until(lambda output: b"\n" in output["stdout"])
    told = session.output["stdout"].decode().splitlines()
    answer.set()
    code, out, _ = session.finish()
    assert (code, len(told), out.splitlines()[:1]) == (0, 1, told)
    assert sorted(out.splitlines()) == [service.arn(f"image-{n}") for n in range(2)]


@pytest.mark.parametrize(
    "replies",
    [
        [DROPPED],
        [DROPPED, error("InternalFailure", status=500)],
        [error("InternalFailure", status=500)],
        [IN_USE],
        [THROTTLED],
        [THROTTLED] * 5,
        [IN_USE, THROTTLED],
    ],
    ids=["dropped", "dropped, 500", "500", "busy", "throttled", "throttled often", "busy, throttled"],
)
def test_what_passes_is_repeated(replies: list[Any], run: Run, service: Service) -> None:
    """Each image is brought to its state once, whatever came between."""
    fleet(service, 3)
    service.answer("UpdateImage", *replies)
    result = run("apply", "--yes", stdin=renamed(3))
    assert result.code == 0
    assert {service.state()[f"image-{n}"][0] for n in range(3)} == {"new"}
    assert len(service.calls("UpdateImage")) == 3 + len(replies)


def test_a_lost_reply_is_looked_up(run: Run, service: Service) -> None:
    fleet(service, 2)
    service.answer("UpdateImage", LOST)
    result = run("apply", "--yes", "-o", "json", stdin=renamed(2))
    assert result.code == 0
    assert len(service.calls("UpdateImage")) == 2


def test_an_earlier_run_of_ours_is_waited_for(run: Run, service: Service) -> None:
    """After a kill, what is still UPDATING is not sent again if it turns out as declared."""
    fleet(service, 1)
    service.updating_reads = 3
    assert run("apply", "--yes", stdin=renamed(1)).code == 0
    result = run("apply", "--yes", "-o", "json", stdin=renamed(1))
    assert records(result.stdout)["image-0"]["Outcome"] == "unchanged"
    assert len(service.calls("UpdateImage")) == 1


# Waiting.


def test_waiting_polls_by_pages(run: Run, service: Service) -> None:
    """Two hundred images are watched by ListImages, not by two hundred DescribeImages a look."""
    fleet(service, 200)
    service.updating_reads = 2
    result = run("apply", "--yes", "--wait", "-o", "json", stdin=renamed(200))
    assert result.code == 0
    assert {record["Outcome"] for record in records(result.stdout).values()} == {"updated"}
    assert service.operations.count("DescribeImage") + service.operations.count("ListImages") < 40


def test_waiting_tells_who_failed_and_who_is_late(run: Run, service: Service) -> None:
    fleet(service, 2)
    service.fail_updates, service.updating_reads = "no such base image", 2
    result = run("apply", "--yes", "--wait", "-o", "json", stdin=renamed(2))
    assert result.code == 7
    assert "no such base image" in records(result.stdout)["image-0"]["Error"]["Message"]
    service.fail_updates, service.updating_reads = None, 10_000
    fleet(service, 3)
    late = run("apply", "--yes", "--wait", "--timeout", "0.3s", "-o", "json", stdin=renamed(2))
    assert late.code == 8
    assert {r["Error"]["Kind"] for r in records(late.stdout).values()} == {"pending"}
    assert {r["Outcome"] for r in records(late.stdout).values()} == {"applied"}
    last = renamed(3).splitlines(keepends=True)[-1]
    both = run("apply", "--yes", "--wait", "--timeout", "0.3s", stdin=last + lines({"ImageName": "none"}))
    assert both.code == 7
    assert "2 images: 1 failed, 1 not settled in time" in both.stderr


# The rollback file.


def test_rollback_lines_are_on_disk_before_the_request(run: Run, service: Service, tmp_path: Path) -> None:
    """Private, one line for each image that is sent, and its apply restores all."""
    fleet(service, 12)
    service.add("bare")
    before = service.state()
    undo = tmp_path / "undo.jsonl"
    unseen: list[str] = []

    def on_update() -> None:
        sent = {body["ImageName"] for body in service.calls("UpdateImage")}  # before the file is read
        names = {json.loads(line)["ImageArn"].rpartition("/")[2] for line in undo.read_text().splitlines()}
        unseen.extend(sent - names)

    service.on_update = on_update
    manifest = renamed(12, RoleArn=ROLE) + lines(
        {"ImageName": "bare", "Description": "new"}, {"ImageName": "my-image", "DisplayName": None}
    )
    assert run("apply", "--yes", "--rollback-file", str(undo), stdin=manifest).code == 0
    assert stat.S_IMODE(undo.stat().st_mode) == 0o600
    assert len(undo.read_text().splitlines()) == 14
    service.on_update = lambda: None
    assert unseen == []
    assert service.state() != before
    assert run("apply", str(undo), "--yes").code == 0
    assert service.state() == before


def test_an_existing_rollback_file_is_refused(run: Run, service: Service, tmp_path: Path) -> None:
    """Before any call, and also where it is a link that leads nowhere."""
    existing, link = tmp_path / "undo", tmp_path / "link"
    existing.write_text("precious")
    link.symlink_to(tmp_path / "nowhere")
    for path in (existing, link, tmp_path / "no" / "directory"):
        assert (
            run("apply", "--yes", "--rollback-file", str(path), stdin=lines({"ImageName": "my-image"})).code
            == 2
        )
    assert existing.read_text() == "precious"
    assert service.received == []


def test_no_rollback_line_no_request(run: Run, service: Service, monkeypatch: Any, tmp_path: Path) -> None:
    """A full disk stops the run: what was sent is told, nothing is sent that could not be undone."""
    fleet(service, 10)
    real = os.fsync
    count = iter(range(1000))

    def fsync(fd: int) -> None:
        if next(count) >= 4:  # the first is the directory's
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    undo = tmp_path / "undo"
    result = run(
        "apply", "--yes", "--concurrency", "1", "-o", "json", "--rollback-file", str(undo), stdin=renamed(10)
    )
    assert result.code == 1
    assert len(service.calls("UpdateImage")) == 3
    assert Counter(r["Outcome"] for r in records(result.stdout).values()) == {
        "requested": 3,
        "not-applied": 7,
    }
    last = json.loads(result.stderr.splitlines()[-1])["Error"]
    assert "No space left on device" in last["Message"]
    assert "3 requested" in last["Message"]


class Disk:
    """The real files, but for the calls that `fail` says fail, each with its errno."""

    def __init__(self, fail: Mapping[str, int]) -> None:
        self._fail, self.opened = fail, set[int]()

    def _check(self, call: str) -> None:
        if call in self._fail:
            raise OSError(self._fail[call], os.strerror(self._fail[call]))

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        self._check("opendir" if flags & os.O_DIRECTORY else "open")
        fd = os.open(path, flags, mode)
        self.opened.add(fd)
        return fd

    def write(self, fd: int, data: memoryview, /) -> int:
        self._check("write")
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        self._check("syncdir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "fsync")
        os.fsync(fd)

    def close(self, fd: int) -> None:
        self.opened.remove(fd)
        os.close(fd)
        self._check("close")

    def unlink(self, path: str) -> None:
        Path(path).unlink()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_a_file_system_that_syncs_no_directory_will_do(code: int, tmp_path: Path) -> None:
    """CIFS, FUSE: the file is made, and its lines are as durable as they can be."""
    disk = Disk({"syncdir": code})
    file = RollbackFile(str(tmp_path / "undo"), disk=disk)
    file.add({"n": 1})
    file.close()
    assert (tmp_path / "undo").read_text() == '{"n": 1}\n'
    assert disk.opened == set()


@pytest.mark.parametrize("call", ["open", "opendir", "syncdir"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.ENOSPC, errno.EDQUOT])
def test_a_rollback_file_that_can_not_be_made_is_not_left(call: str, code: int, tmp_path: Path) -> None:
    """Whatever fails: no file stays that a second try would meet, and no descriptor."""
    disk = Disk({call: code})
    with pytest.raises(ImagectlError) as failure:
        RollbackFile(str(tmp_path / "undo"), disk=disk)
    assert (failure.value.kind, list(tmp_path.iterdir()), disk.opened) == ("usage", [], set())
    assert os.strerror(code) in failure.value.message


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    """Lines that wait for one fsync go together, none torn, none lost, each durable when `add` returns."""
    path = tmp_path / "undo"
    file = RollbackFile(str(path))

    def write(thread: int) -> None:
        for number in range(50):
            file.add({"n": [thread, number], "x": "y" * 700})
            assert f"[{thread}, {number}]" in path.read_text()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    found = [tuple(json.loads(line)["n"]) for line in path.read_text().splitlines()]
    assert sorted(found) == [(t, n) for t in range(6) for n in range(50)]


# Shards.


def entry_of(name: str, **more: Any) -> Entry:
    return Entry(1, ImageUpdate(name, {}), **({"region": "us-east-1"} | more))


@given(st.integers(1, 9), st.sets(st.from_regex(r"\A[a-zA-Z0-9]{1,9}\Z"), max_size=30))
def test_each_image_is_in_one_shard(of: int, names: set[str]) -> None:
    for name in names:
        parts = [part for part in range(1, of + 1) if Shard(part, of).has(entry_of(name), "us-east-1")]
        assert len(parts) == 1
        assert Shard(parts[0], of).has(entry_of(name.swapcase()), "us-east-1")


def test_shards_part_accounts_too() -> None:
    """One name in forty accounts is forty images: each part has about as many of them."""
    arns = [ImageArn("aws", "us-east-1", f"{number:012}", "my-image") for number in range(40)]
    for entries in (
        [entry_of("my-image", profile=f"account-{number}") for number in range(40)],
        [entry_of("my-image", arn=arn) for arn in arns],
        [entry_of("my-image", region=f"region-{number}") for number in range(40)],
    ):
        parts = [
            sum(Shard(part, 4).has(entry, entry.region or "") for entry in entries) for part in range(1, 5)
        ]
        assert sum(parts) == 40
        assert min(parts) >= 4


def test_the_shard_of_an_image_never_changes() -> None:
    """Runners of different versions may do one manifest together."""
    assert [Shard(1, 4).has(entry_of(f"image-{n}"), "us-east-1") for n in range(8)] == SHARD_OF_4


SHARD_OF_4 = [False, True, False, False, False, False, False, True]


def test_shards_send_each_image_exactly_once(run: Run, service: Service) -> None:
    fleet(service, 40)
    for part in ("1/3", "2/3", "3/3", "3/3"):
        assert run("apply", "--yes", "--shard", part, stdin=renamed(40)).code == 0
    sent = Counter(body["ImageName"] for body in service.calls("UpdateImage"))
    assert sent == {f"image-{n}": 1 for n in range(40)}


def test_an_empty_shard_is_done(run: Run, service: Service) -> None:
    fleet(service, 1)
    codes = [run("apply", "--yes", "--shard", f"{part}/3", stdin=renamed(1)).code for part in (1, 2, 3)]
    assert codes == [0, 0, 0]


# Regions and profiles.


def test_regions_and_profiles_are_each_connected_once(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    west = Service(region="us-west-2")
    west.add("west", Description="old")
    fleet(service, 2)
    config = tmp_path / "config"
    config.write_text(
        f"[profile far]\nendpoint_url = {west.url}\nregion = us-west-2\n"
        "aws_access_key_id = A\naws_secret_access_key = B\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER")
    config.write_text(
        f"{config.read_text()}[profile near]\nendpoint_url = {service.url}\n"
        "aws_access_key_id = A\naws_secret_access_key = B\n"
    )
    manifest = lines(
        {"ImageName": "image-0", "Description": "new", "Profile": "near"},
        {"ImageName": "west", "Description": "new", "Profile": "far", "Region": "us-west-2"},
        {"ImageArn": service.arn("image-1"), "Description": "new", "Profile": "near"},
    )
    undo = tmp_path / "undo"
    try:
        result = run("apply", "--yes", "-o", "json", "--rollback-file", str(undo), stdin=manifest)
        assert result.code == 0
        assert {name: r["Region"] for name, r in records(result.stdout).items()} == {
            "image-0": "us-east-1", "image-1": "us-east-1", "west": "us-west-2",
        }  # fmt: skip
        assert (service.operations.count("ListImages"), west.operations.count("ListImages")) == (1, 1)
        assert run("apply", "--yes", str(undo)).code == 0
        assert (west.state()["west"][0], service.state()["image-0"][0]) == ("old", "old")
    finally:
        west.close()


# Asking.


def test_without_a_terminal_yes_is_needed(run: Run, service: Service, tmp_path: Path) -> None:
    """A usage error before any call, rather than a question that nobody sees."""
    result = run("apply", stdin=lines({"ImageName": "my-image", "Description": "x"}))
    assert (result.code, service.received) == (2, [])
    assert "--yes: is needed where there is no terminal to ask on" in result.stderr


@pytest.mark.parametrize("answer", ["y\n", "YES\n", "\n", "n\n", "\x04"])
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_on_a_terminal_it_asks(
    answer: str, source: str, program: list[str], service: Service, tmp_path: Path
) -> None:
    """The plan, then a question; also where standard input is the manifest. Nothing but yes is yes."""
    code, sent = (0, 2) if "y" in answer.lower() else (130, 0)
    fleet(service, 2)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(2))
    command = " ".join(program)
    shell = f"{command} apply {manifest}" if source == "file" else f"cat {manifest} | {command} apply"
    child = pexpect.spawn("/bin/sh", ["-c", shell], encoding="utf-8", timeout=20)
    child.expect_exact("2 images: 2 to change, in account 123456789012, region us-east-1\r\nApply? [y/N] ")
    assert "- Description:" in child.before.replace("\x1b[31m", "")
    assert "UpdateImage" not in service.operations
    child.send(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, len(service.calls("UpdateImage"))) == (code, sent)


def test_what_was_typed_ahead_is_no_answer(program: list[str], service: Service, tmp_path: Path) -> None:
    """A line that was typed before the question stood there is not read as its answer."""
    fleet(service, 2)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(2))
    child = pexpect.spawn(program[0], [*program[1:], "apply", str(manifest)], encoding="utf-8", timeout=20)
    child.send("y\n")
    child.expect_exact("Apply? [y/N] ")
    child.send("n\n")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, service.calls("UpdateImage")) == (130, [])


@pytest.mark.parametrize(
    "answer", [b"\xff\n", None], ids=["bytes that are no text", "a terminal that is gone"]
)
def test_what_is_no_answer_is_no_yes(
    answer: bytes | None, program: list[str], service: Service, tmp_path: Path
) -> None:
    """Exit 130, nothing sent: nobody said yes."""
    fleet(service, 2)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(2))
    session = Session(
        [*program, "apply", str(manifest)],
        terminals=["stdin", "stderr"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},  # as in most locales, but for C and POSIX
    )
    session.read_until(lambda output: b"Apply? [y/N] " in output["stderr"])
    if answer:
        session.write(answer)
        session.read_until()
    code, out, err = session.finish()
    assert (code, out, service.calls("UpdateImage")) == (130, "", [])
    assert "not confirmed; nothing was sent" in err


def test_nothing_to_change_nothing_to_ask(program: list[str], service: Service, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(lines({"ImageName": "my-image"}))
    child = pexpect.spawn(program[0], [*program[1:], "apply", str(manifest)], encoding="utf-8", timeout=20)
    child.expect_exact("1 image: 1 unchanged")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_bar_on_a_terminal_and_not_one_escape_without_colour(
    program: list[str], service: Service, tmp_path: Path
) -> None:
    """Records are whole lines between two drawings of the bar."""
    fleet(service, 30)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(30))
    for color, escapes in (("auto", True), ("never", False)):
        for image in service.images.values():
            image["Description"] = "old"
        argv = [*program[1:], "apply", str(manifest), "--yes", "--color", color]
        child = pexpect.spawn(program[0], argv, encoding="utf-8", timeout=20)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        assert ("\x1b" in child.before) == ("] 30/30" in child.before) == escapes
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\r", child.before)
        assert (
            sum(line.split("\r")[-1].startswith("arn:") for line in text.replace("\r\n", "\n").split("\n"))
            == 30
        )


# Readers that go away.


def test_a_reader_that_has_read_enough_stops_nothing(
    program: list[str], service: Service, tmp_path: Path
) -> None:
    fleet(service, 200)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(200))
    shell = f"({' '.join(program)} apply {manifest} --yes; echo $? > {tmp_path}/code) | head -1"
    child = pexpect.spawn("/bin/sh", ["-c", shell], encoding="utf-8", timeout=30)
    child.expect(pexpect.EOF)
    child.close()
    assert (tmp_path / "code").read_text() == "0\n"
    assert len(service.calls("UpdateImage")) == 200


def test_an_output_that_is_full_stops_sending(program: list[str], service: Service, tmp_path: Path) -> None:
    fleet(service, 200)
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(renamed(200))
    shell = f"{' '.join(program)} apply {manifest} --yes > /dev/full"
    child = pexpect.spawn("/bin/sh", ["-c", shell], encoding="utf-8", timeout=30)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert len(service.calls("UpdateImage")) < 200
    assert "the output could not be written" in child.before
    assert "requested" in child.before


# The rate.


class Bucket:
    """Admits `rate` requests a second and as many at once."""

    def __init__(self, rate: float) -> None:
        self.rate = self.tokens = rate
        self.last = 0.0

    def admit(self, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.last) * self.rate)
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def paced(count: int, bucket: Bucket, latency: float, threads: int = 8) -> tuple[float, int]:
    """`count` updates at the pace that is found, in made-up time: seconds taken, and requests sent."""
    pace, now, sent, done = Pace(), 0.0, 0, 0
    free, flying = min(threads, count), list[tuple[float, float, bool]]()
    left = count - free
    while done < count:
        if free and not pace.delay(now):
            pace.sent(now)
            flying.append((now + latency, now, bucket.admit(now)))
            sent, free = sent + 1, free - 1
            continue
        times = [end for end, *_ in flying] + ([now + pace.delay(now)] if free else [])
        now = min(times)
        for flight in [flight for flight in flying if flight[0] <= now]:
            flying.remove(flight)
            _, start, admitted = flight
            if admitted:
                pace.admitted(now)
                done += 1
                free += left > 0
                left -= left > 0
            else:
                pace.throttled(start, now)
                free += 1
    return now, sent


@pytest.mark.parametrize("latency", [0.005, 0.1])
@pytest.mark.parametrize("rate", [2, 5, 20, 50])
@pytest.mark.parametrize("count", [200, 2000])
def test_the_admitted_rate_is_found(rate: float, count: int, latency: float) -> None:
    """At least 0.95 of what a token bucket admits after its burst, with at most 1.5 requests per update."""
    seconds, sent = paced(count, Bucket(rate), latency)
    assert (count - rate) / seconds >= 0.95 * rate
    assert sent <= 1.5 * count


def test_without_throttles_there_is_no_pace() -> None:
    seconds, sent = paced(1000, Bucket(1e9), 0.1, threads=10)
    assert (round(seconds, 3), sent) == (10.0, 1000)


def test_a_rate_that_changes_is_followed() -> None:
    """Down at once, up within the run."""
    bucket = Bucket(50)
    paced(300, bucket, 0.01)
    pace, now = Pace(), 0.0
    for interval in (0.05, 0.5, 0.05):
        now += pace.delay(now)
        due = now
        for _ in range(400):
            now += pace.delay(now)
            pace.sent(now)
            if now >= due:
                pace.admitted(now)
                due = max(due + interval, now - interval)
            else:
                pace.throttled(now, now)
        assert interval * 0.7 < pace.interval < interval * 1.3


def test_a_throttling_service_gets_each_image_once(run: Run, service: Service) -> None:
    """Over real HTTP: all are applied once, and few requests are wasted."""
    import time

    bucket = Bucket(40)
    start = time.monotonic()
    service.admit = lambda: bucket.admit(time.monotonic() - start)
    fleet(service, 120)
    result = run("apply", "--yes", "-o", "json", stdin=renamed(120))
    assert result.code == 0
    assert {r["Outcome"] for r in records(result.stdout).values()} == {"requested"}
    assert {service.state()[f"image-{n}"][0] for n in range(120)} == {"new"}
    assert len(service.calls("UpdateImage")) <= 1.5 * 120


# For all fleets.


one_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20)
values = one_line.filter(lambda text: text == text.strip())
roles = st.sampled_from([f"arn:aws:iam::{ACCOUNT}:role/a", f"arn:aws:iam::{ACCOUNT}:role/b"])
images = st.fixed_dictionaries({"RoleArn": roles}, optional={"Description": values, "DisplayName": values})
wishes = st.fixed_dictionaries(
    {}, optional={"Description": st.none() | values, "DisplayName": st.none() | values, "RoleArn": roles}
)
names = st.sampled_from(["a", "b", "C", "d.e", "f-g"])


@given(
    fleet=st.dictionaries(names, images),
    manifests=st.lists(st.dictionaries(names, wishes), min_size=1, max_size=3),
    waits=st.sampled_from([False] * 5 + [True]),
)
@settings(deadline=None, max_examples=80)
def test_apply_then_rollback_is_the_identity(
    fleet: dict[str, dict[str, str]],
    manifests: list[dict[str, dict[str, str | None]]],
    waits: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever a fleet is and a manifest declares: applied it is so, and the rollback file restores it.

    Several runs, rolled back newest first, restore what was before the first.
    """
    directory = tmp_path_factory.mktemp("undo")
    memory = Memory({name: dict(image) for name, image in fleet.items()})
    for number, manifest in enumerate(manifests):
        entries = lines(*({"ImageName": name, **wanted} for name, wanted in manifest.items())) or b"[]"
        tally, told = applied(entries, memory, rollback_file=str(directory / str(number)), wait=waits)
        missing = set(manifest) - set(fleet)
        assert {outcome.name for outcome in told if outcome.error} == missing
        assert isinstance(tally.verdict(), ImagectlError) == bool(missing)
        for name in set(manifest) - missing:
            for key, value in manifest[name].items():
                assert memory.images[name].get(key) == value
        sent = len(memory.sent)
        applied(entries, memory)
        assert len(memory.sent) == sent
    for number in reversed(range(len(manifests))):
        applied((directory / str(number)).read_bytes() or b"[]", memory)
    assert memory.images == fleet


def test_a_listed_image_whose_arn_names_another_is_not_touched(run: Run, service: Service) -> None:
    """No update is sent by a name that the list itself contradicts, and no rollback line could restore it."""
    for arn in (service.arn("other"), "nonsense"):
        service.add("img")
        service.images["img"]["ImageArn"] = arn
        assert run("apply", "--yes", stdin=b'{"ImageName": "img", "DisplayName": "x"}').code == 7
    assert service.calls("UpdateImage") == []


def test_names_that_differ_in_case_are_different_images(run: Run, service: Service) -> None:
    """Only the image of that very name is changed; an ARN's name may be in lower case."""
    service.images.clear()
    service.add("img")
    service.add("IMG")
    assert run("apply", "--yes", stdin=b'{"ImageName": "img", "DisplayName": "x"}').code == 0
    assert [call["ImageName"] for call in service.calls("UpdateImage")] == ["img"]
    assert run("apply", "--dry-run", stdin=run("list", "-o", "json").stdout.encode()).code == 0
    del service.images["img"]
    assert run("apply", "--yes", stdin=b'{"ImageName": "img", "DisplayName": "y"}').code == 7
    by_arn = json.dumps({"ImageArn": service.arn("img"), "DisplayName": "y"}).encode()
    assert run("apply", "--yes", stdin=by_arn).code == 0
    assert service.images["IMG"]["DisplayName"] == "y"


def test_services_take_turns(run: Run, accounts: dict[str, Service]) -> None:
    """An account that admits little doesn't hold up the others; each one's images are done in order."""
    for at in accounts.values():
        fleet(at, 4)
    names = [f"image-{number}" for number in range(4)]
    manifest = lines(*({"ImageName": n, "Description": "new", "Profile": p} for p in accounts for n in names))
    result = run("apply", "--yes", "-o", "json", "--concurrency", "1", stdin=manifest)
    order = [json.loads(line)["Line"] for line in result.stdout.splitlines()]
    assert order == [1, 5, 2, 6, 3, 7, 4, 8]
