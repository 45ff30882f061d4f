"""`imagectl apply` ended before its time: by kill -9, by signals, and beside another one.

The program runs as a process of its own; what must hold afterwards is read from the service and the files.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from service import Reply, Service

Start = Callable[..., "subprocess.Popen[bytes]"]

PROPERTIES = ("Description", "DisplayName", "RoleArn")


@pytest.fixture
def start(program: list[str], tmp_path: Path) -> Iterator[Start]:
    """`imagectl ARGS` in the background, its output in files of the given name."""
    running = []

    def start(*argv: str, name: str = "run") -> "subprocess.Popen[bytes]":
        with (tmp_path / f"{name}.out").open("wb") as out, (tmp_path / f"{name}.err").open("wb") as err:
            process = subprocess.Popen([*program, *argv], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def mixed_fleet(service: Service, count: int) -> dict[str, dict[str, Any]]:
    """Images with every mixture of properties; what a manifest declares of them."""
    wanted: dict[str, dict[str, Any]] = {}
    for number in range(count):
        name = f"image-{number}"
        service.add(
            name,
            **({"Description": "old"} if number % 2 else {}),
            **({"DisplayName": "Old"} if number % 3 else {}),
        )
        wanted[name] = {"Description": "new"}
        if number % 3:
            wanted[name]["DisplayName"] = None
        if not number % 5:
            wanted[name]["RoleArn"] = "arn:aws:iam::123456789012:role/new"
    return wanted


def write(path: Path, wanted: dict[str, dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps({'ImageName': name, **one})}\n" for name, one in wanted.items()))
    return str(path)


def is_as_declared(service: Service, name: str, wanted: dict[str, Any]) -> bool:
    return all(service.images[name].get(key) == value for key, value in wanted.items())


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


def whole_records(path: Path) -> list[dict[str, Any]]:
    """The records of a run that was ended: none is torn."""
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def has_sent(service: Service, count: int, process: "subprocess.Popen[bytes]") -> bool:
    return len(service.calls("UpdateImage")) >= count or process.poll() is not None


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
def test_kill_and_resume_and_undo(
    seed: int, start: Start, run: Run, service: Service, tmp_path: Path
) -> None:
    """Killed at random moments, ten runs in each of six rounds. Then the same command once more.

    The state is as declared; nothing was sent again that was already as declared; and the rollback files
    of all runs, newest first, restore every image.
    """
    chance = random.Random(seed)
    wanted = mixed_fleet(service, 90)
    manifest, before = write(tmp_path / "manifest.jsonl", wanted), service.state()
    service.updating_reads = seed % 2
    again: list[str] = []
    unrecorded: list[str] = []

    def admit() -> bool:
        name = service.received[-1].body["ImageName"]
        if is_as_declared(service, name, wanted[name]):
            again.append(name)
        written = "".join(path.read_text() for path in tmp_path.glob("undo-*"))
        if f'image/{name}"' not in written:
            unrecorded.append(name)
        return True

    service.admit = admit
    killed = 0
    for number in range(10):
        moment, sent = chance.randrange(8), len(service.calls("UpdateImage"))
        undo = str(tmp_path / f"undo-{number}")
        argv = ("--yes", "--concurrency", "4", "-o", "json", "--rollback-file", undo)
        process = start("apply", manifest, *argv, name=f"run-{number}")
        if moment:  # a while after so many updates, else at any time
            wait_for(partial(has_sent, service, sent + moment, process))
            time.sleep(chance.random() * 0.01)
        else:
            time.sleep(chance.random() * 0.5)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        whole_records(tmp_path / f"run-{number}.out")
    last = run("apply", manifest, "--yes", "--rollback-file", str(tmp_path / "undo-10"))
    assert last.code == 0, last.stderr
    assert all(is_as_declared(service, name, one) for name, one in wanted.items())
    assert (again, unrecorded) == ([], [])
    assert killed >= 9
    service.admit = lambda: True
    for number in range(10, -1, -1):
        if (tmp_path / f"undo-{number}").exists():
            undone = run("apply", str(tmp_path / f"undo-{number}"), "--yes", "--wait")
            assert undone.code == 0, undone.stderr
    assert service.state() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_the_first_signal_drains(
    number: signal.Signals, code: int, start: Start, service: Service, tmp_path: Path
) -> None:
    """Nothing new is sent; what is under way is finished and reported; every image has its record."""
    wanted = mixed_fleet(service, 60)
    manifest = write(tmp_path / "manifest.jsonl", wanted)
    service.answer("UpdateImage", Reply(carry_out=True, delay=0.05), times=60)
    process = start("apply", manifest, "--yes", "--concurrency", "4", "-o", "json")
    service.on_update = lambda: (
        process.send_signal(number) if len(service.calls("UpdateImage")) == 9 else None
    )
    assert process.wait(20) == code
    records = whole_records(tmp_path / "run.out")
    counts = Counter(record["Outcome"] for record in records)
    sent = {body["ImageName"] for body in service.calls("UpdateImage")}
    assert {record["ImageName"] for record in records if record["Outcome"] == "requested"} == sent
    assert 9 <= len(sent) < 20
    assert counts == {"requested": len(sent), "not-applied": 60 - len(sent)}
    said = json.loads((tmp_path / "run.err").read_text().splitlines()[-1])["Error"]
    assert said["ExitCode"] == code
    assert f"{len(sent)} requested" in said["Message"]
    assert said["Hint"] == "to go on, run the same command again"
    assert ("interrupted" in said["Message"], "terminated" in said["Message"]) == (code == 130, code == 143)


def test_the_second_signal_ends_at_once(start: Start, service: Service, tmp_path: Path) -> None:
    """And names the images whose update is on its way."""
    manifest = write(tmp_path / "manifest.jsonl", mixed_fleet(service, 20))
    service.answer("UpdateImage", Reply(carry_out=True, delay=30), times=20)
    process = start("apply", manifest, "--yes", "--concurrency", "3", "-o", "json")

    wait_for(lambda: len(service.calls("UpdateImage")) == 3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # or the two would be one
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    said = json.loads((tmp_path / "run.err").read_text().splitlines()[-1])["Error"]["Message"]
    assert "not known" in said
    assert all(body["ImageName"] in said for body in service.calls("UpdateImage"))


def test_a_signal_ends_a_wait(start: Start, service: Service, tmp_path: Path) -> None:
    """What was accepted is reported as requested; nobody waits for it any longer."""
    wanted = mixed_fleet(service, 3)
    manifest = write(tmp_path / "manifest.jsonl", wanted)
    service.updating_reads = 10_000
    process = start("apply", manifest, "--yes", "--wait", "-o", "json")
    wait_for(lambda: service.operations.count("ListImages") == 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert {record["Outcome"] for record in whole_records(tmp_path / "run.out")} == {"requested"}


def test_a_signal_before_anything_was_sent(start: Start, service: Service, tmp_path: Path) -> None:
    manifest = write(tmp_path / "manifest.jsonl", mixed_fleet(service, 3))
    service.answer("ListImages", Reply(carry_out=True, delay=30))
    process = start("apply", manifest, "--yes")
    wait_for(lambda: bool(service.received))
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    first = (tmp_path / "run.err").read_text().splitlines()[0]
    assert first == "imagectl: error: interrupted; nothing was sent"


@pytest.mark.parametrize("updating", [0, 2])
def test_two_at_the_same_time(updating: int, start: Start, service: Service, tmp_path: Path) -> None:
    """Two applies of one manifest end in the declared state, and both say so."""
    wanted = mixed_fleet(service, 40)
    manifest = write(tmp_path / "manifest.jsonl", wanted)
    service.updating_reads = updating
    first, second = (start("apply", manifest, "--yes", "-o", "json", name=name) for name in ("one", "two"))
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert all(is_as_declared(service, name, one) for name, one in wanted.items())
    for name in ("one", "two"):
        assert {record["ImageName"] for record in whole_records(tmp_path / f"{name}.out")} == set(wanted)


def test_shards_at_the_same_time(start: Start, service: Service, tmp_path: Path) -> None:
    """Runners of a matrix do one manifest together: each image is sent exactly once."""
    manifest = write(tmp_path / "manifest.jsonl", mixed_fleet(service, 60))
    processes = [start("apply", manifest, "--yes", "--shard", f"{k}/3", name=str(k)) for k in (1, 2, 3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert Counter(body["ImageName"] for body in service.calls("UpdateImage")) == {
        f"image-{n}": 1 for n in range(60)
    }


def test_a_signal_that_is_ignored_stays_so(program: list[str], service: Service, tmp_path: Path) -> None:
    """As under nohup, where a Ctrl-C is meant for others."""
    manifest = write(tmp_path / "manifest.jsonl", mixed_fleet(service, 20))
    service.answer("UpdateImage", Reply(carry_out=True, delay=0.02), times=20)
    process = subprocess.Popen(
        [*program, "apply", manifest, "--yes"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - no threads use it
        env=dict(os.environ),
    )
    service.on_update = lambda: (
        process.send_signal(signal.SIGINT) if len(service.calls("UpdateImage")) == 5 else None
    )
    assert process.wait(20) == 0
    assert len(service.calls("UpdateImage")) == 20
