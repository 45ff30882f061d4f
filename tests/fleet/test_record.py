"""The record of a run: what it holds, that it is private and whole, and what it tells after a kill."""

import errno
import hashlib
import json
import os
import random
import stat
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from service import Service

from imagectl import __version__
from imagectl.errors import ImagectlError
from imagectl.fleet.record import About, recorded
from imagectl.image import Outcome


def manifest_of(count: int, path: Path) -> Path:
    entries = ({"ImageName": f"image-{n}", "Description": "new"} for n in range(count))
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def fleet(service: Service) -> Service:
    for number in range(5):
        service.add(f"image-{number}", Description="old")
    return service


def test_it_says_what_was_run_and_what_came_of_it(run: Run, fleet: Service, tmp_path: Path) -> None:
    """Between its first and its last line it is what `-o json` prints; only its owner may read it."""
    manifest, record = manifest_of(7, tmp_path / "fleet.jsonl"), tmp_path / "record.jsonl"
    result = run("apply", str(manifest), "--yes", "-o", "json", "--shard", "1/1", "--record", str(record))
    first, *images, last = lines(record)
    about = first["Run"]
    assert datetime.fromisoformat(about.pop("Time")).tzinfo is not None
    assert about == {
        "Version": __version__,
        "ManifestSha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "Shard": "1/1",
        "DryRun": False,
        "Images": 7,
    }
    assert images == [json.loads(line) for line in result.stdout.splitlines()]
    summary = last["Summary"]
    assert summary["Counts"] == {"requested": 5, "failed": 2}
    assert (summary["Error"]["ExitCode"], result.code) == (7, 7)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_what_exists_is_never_overwritten(run: Run, fleet: Service, tmp_path: Path) -> None:
    """Nor may two files of a run be one; nothing is sent then."""
    manifest, record = str(manifest_of(5, tmp_path / "fleet.jsonl")), tmp_path / "record"
    record.write_text("mine")
    assert run("apply", manifest, "--yes", "--record", str(record)).code == 2
    assert record.read_text() == "mine"
    both = str(tmp_path / "both")
    assert run("apply", manifest, "--yes", "--record", both, "--rollback-file", both).code == 2
    assert not Path(both).exists()
    assert fleet.received == []


def test_a_preview_is_recorded_as_one(run: Run, fleet: Service, tmp_path: Path) -> None:
    manifest, record = str(manifest_of(5, tmp_path / "fleet.jsonl")), tmp_path / "record"
    options = ("--dry-run", "--detailed-exitcode", "--record", str(record))
    assert run("apply", manifest, *options).code == 10
    first, *images, last = lines(record)
    assert (first["Run"]["DryRun"], last["Summary"]["Counts"]) == (True, {"to change": 5})
    assert {image["Outcome"] for image in images} == {"planned"}


def test_a_link_is_no_new_file(run: Run, fleet: Service, tmp_path: Path) -> None:
    manifest, link = str(manifest_of(5, tmp_path / "fleet.jsonl")), tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert run("apply", manifest, "--yes", "--record", str(link)).code == 2
    assert (fleet.received, (tmp_path / "elsewhere").exists()) == ([], False)


class Disk:
    """A disk that is full after some lines."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.open, self.fsync, self.close, self.unlink = os.open, os.fsync, os.close, os.unlink

    def write(self, fd: int, data: memoryview) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)


def test_a_full_disk_is_an_error_that_names_the_record(tmp_path: Path) -> None:
    """And what stopped a run is told, not that this could not be recorded any more."""
    outcome = Outcome(result="requested", name="a", region="us-east-1")
    about = About("", "1/1", dry_run=False, images=1)
    with (
        pytest.raises(ImagectlError, match=r"record1") as full,
        recorded(str(tmp_path / "record1"), about, disk=Disk(1)) as record,
    ):
        record.add(outcome)
    assert full.value.kind == "internal"
    denied = ImagectlError("access", "denied")
    with pytest.raises(ImagectlError) as told, recorded(str(tmp_path / "2"), about, disk=Disk(1)):
        raise denied
    assert told.value is denied
    with (
        pytest.raises(ImagectlError, match=r"could not be written"),
        recorded(str(tmp_path / "3"), about, disk=Disk(1)),
    ):
        pass


def test_a_full_output_leaves_the_record_whole(program: list[str], fleet: Service, tmp_path: Path) -> None:
    """What was under way when stdout failed is in the record; it says what failed."""
    manifest, record = str(manifest_of(5, tmp_path / "fleet.jsonl")), tmp_path / "record"
    argv = [*program, "apply", manifest, "--yes", "--record", str(record)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    _, *images, last = lines(record)
    assert done.returncode == 1
    assert {image["ImageName"] for image in images} == {f"image-{n}" for n in range(5)}
    asked = {body["ImageName"] for body in fleet.calls("UpdateImage") if body}  # a torn request has none
    assert {image["ImageName"] for image in images if image["Outcome"] == "requested"} == asked
    assert "output could not be written" in last["Summary"]["Error"]["Message"]


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_leaves_the_state_of_every_image(
    seed: int, program: list[str], fleet: Service, tmp_path: Path
) -> None:
    """An image in the record is as that says; with a rollback line alone it may be so or as before.

    One with neither is as it was before: nothing of it was sent.
    """
    chance = random.Random(seed)
    for number in range(120):
        fleet.add(f"image-{number}", Description="old")
    manifest = str(manifest_of(120, tmp_path / "fleet.jsonl"))
    record, undo = tmp_path / "record", tmp_path / "undo"
    argv = ["apply", manifest, "--yes", "--record", str(record), "--rollback-file", str(undo)]
    process = subprocess.Popen([*program, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end, sent = time.monotonic() + 30, chance.randrange(1, 100)
    while len(fleet.calls("UpdateImage")) < sent and process.poll() is None:
        assert time.monotonic() < end
    process.kill()
    process.wait()
    first, *images = lines(record)
    assert first["Run"]["Images"] == 120
    recorded = {image["ImageName"]: image["Outcome"] for image in images if "ImageName" in image}
    undoable = {line["ImageArn"].rpartition("/")[2] for line in lines(undo)}
    asked = {body["ImageName"] for body in fleet.calls("UpdateImage") if body}  # a torn request has none
    assert {name for name, outcome in recorded.items() if outcome == "requested"} <= asked <= undoable
    for name in (f"image-{number}" for number in range(120)):
        now = fleet.images[name]["Description"]
        if recorded.get(name) == "requested":
            assert now == "new"
        elif name not in undoable:
            assert (now, name in asked) == ("old", False)
