"""`imagectl list` of several regions and profiles."""

import json
import os
from pathlib import Path

import pytest
from conftest import Run
from service import Service, error


@pytest.fixture
def accounts(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Service]:
    """Two profiles, each of an account of its own; `two` logs in by a program that notes it."""
    there = {"one": service, "two": Service(account="222222222222")}
    there["two"].add("theirs", Description="of two", CreationTime=1760000000.0)
    keys = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "B"}
    (tmp_path / "keys").write_text(json.dumps(keys))
    program = f"sh -c 'echo >>{tmp_path}/logins; cat {tmp_path}/keys'"
    config = tmp_path / "config"
    config.write_text(
        f"[profile one]\nendpoint_url = {service.url}\naws_access_key_id = A\naws_secret_access_key = B\n"
        f"[profile two]\nendpoint_url = {there['two'].url}\ncredential_process = {program}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL_SAGEMAKER")
    return there


BOTH = ("list", "--profile", "one", "--profile", "two")


def test_each_image_says_where_it_is(run: Run, accounts: dict[str, Service]) -> None:
    """As data by the manifest's keys, in a pipe at the end of the line; the newest of all comes first."""
    found = json.loads(run(*BOTH, "-o", "json").stdout)["Images"]
    assert [(one["ImageName"], one["Region"], one["Profile"]) for one in found] == [
        ("theirs", "us-east-1", "two"),
        ("my-image", "us-east-1", "one"),
    ]
    rows = [line.split("\t") for line in run(*BOTH).stdout.splitlines()]
    assert [(row[0], *row[5:]) for row in rows] == [
        ("theirs", "us-east-1", "two"),
        ("my-image", "us-east-1", "one"),
    ]
    assert run(
        *BOTH, "--sort-by", "image-name", "--sort-order", "ascending", "-o", "name"
    ).stdout.split() == [
        "my-image",
        "theirs",
    ]
    assert run(*BOTH, "--limit", "1", "-o", "name").stdout == "theirs\n"
    alone = run("list", "--profile", "one", "--region", "us-east-1", "-o", "json").stdout
    assert "Profile" not in alone


def test_the_list_is_a_manifest(run: Run, accounts: dict[str, Service]) -> None:
    """Of all the places, each image where it is."""
    listed = run(*BOTH, "-o", "json").stdout.replace("of two", "new").encode()
    assert run("apply", "--yes", stdin=listed).code == 0
    assert accounts["two"].calls("UpdateImage") == [{"ImageName": "theirs", "Description": "new"}]
    assert accounts["one"].calls("UpdateImage") == []


def test_a_place_that_fails_leaves_the_others(run: Run, accounts: dict[str, Service]) -> None:
    """Exit 7; each that failed is named with what it said."""
    accounts["two"].answer("ListImages", error("AccessDeniedException", "not you"), times=9)
    result = run(*BOTH, "--profile", "none")
    assert (result.code, result.stdout.split("\t")[0]) == (7, "my-image")
    said = [line for line in result.stderr.splitlines() if "error:" in line]
    assert len(said) == 2
    assert "us-east-1, profile two: not you" in said[0]
    assert "profile none: " in said[1]
    failed = json.loads(run(*BOTH, "--profile", "none", "-o", "json").stderr)["Error"]
    assert (failed["Kind"], len(failed["Problems"])) == ("partial", 2)


def test_a_profile_logs_in_once_for_all_its_regions(
    run: Run, accounts: dict[str, Service], tmp_path: Path
) -> None:
    regions = ("--region", "us-east-1", "--region", "us-west-2", "--region", "eu-west-1")
    assert run("list", "--profile", "two", *regions, "-o", "name").stdout.split() == ["theirs"] * 3
    assert (tmp_path / "logins").read_text().count("\n") == 1
    assert os.environ.get("AWS_PROFILE") is None


def test_what_is_wrong_is_told_once(run: Run, service: Service) -> None:
    """An option that all places share is wrong once, a region by itself."""
    result = run(
        "list", "--region", "A_B", "--region", "us-east-1", "--endpoint-url", "nowhere", "-o", "json"
    )
    problems = json.loads(result.stderr)["Error"]["Problems"]
    assert (result.code, service.received) == (2, [])
    assert [problem["Field"] for problem in problems] == ["--region", "--endpoint-url"]
