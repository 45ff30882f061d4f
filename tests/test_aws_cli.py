"""A second AWS client reads from the sandbox what imagectl changed, and imagectl what it changed."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from conftest import Run

from imagectl import sandbox


def aws_cli() -> str | None:
    """The first AWS CLI on the path that runs."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("aws", path=folder)
        if found and not subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
            return found
    return None


ROLE = "arn:aws:iam::123456789012:role"
AWS = aws_cli()
pytestmark = pytest.mark.skipif(AWS is None, reason="no AWS CLI is installed")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[sandbox.Sandbox]:
    with sandbox.serve(update_seconds=0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def aws(served: sandbox.Sandbox, *argv: str) -> dict[str, str]:
    command = [AWS or "", "sagemaker", *argv, "--output", "json", "--endpoint-url", served.endpoint_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    reply: dict[str, str] = json.loads(done.stdout)
    return reply


def test_each_reads_what_the_other_changed(served: sandbox.Sandbox, run: Run) -> None:
    """Description, display name, role and deletions, in both directions; both print the same ARN."""
    role = "arn:aws:iam::123456789012:role/Other"
    ours = run("update", "my-image", "--description", "by imagectl 🧪", "--role-arn", role, "-o", "json")
    seen = aws(served, "describe-image", "--image-name", "my-image")
    assert (seen["Description"], seen["RoleArn"]) == ("by imagectl 🧪", role)

    flags = ["--display-name", "by the AWS CLI", "--delete-properties", "Description"]
    theirs = aws(served, "update-image", "--image-name", "my-image", *flags)
    assert theirs["ImageArn"] == json.loads(ours.stdout)["ImageArn"]
    shown = json.loads(run("show", "my-image", "-o", "json").stdout)
    assert shown["DisplayName"] == "by the AWS CLI"
    assert "Description" not in shown

    listed = {image["ImageName"] for image in json.loads(run("list", "-o", "json").stdout)["Images"]}
    assert listed == {image["ImageName"] for image in aws(served, "list-images")["Images"]}  # type: ignore[index]


def test_a_filled_in_skeleton_is_a_manifest(served: sandbox.Sandbox, run: Run) -> None:
    """What `--generate-cli-skeleton` prints: filled in, it is applied; unfilled, each line is wrong."""
    printed = subprocess.run(
        [AWS or "", "sagemaker", "update-image", "--generate-cli-skeleton"],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    unfilled = run("apply", "--yes", "-o", "json", stdin=printed)
    problems = json.loads(unfilled.stderr)["Error"]["Problems"]
    assert unfilled.code == 2
    assert [problem["Field"] for problem in problems] == list(json.loads(printed))
    assert len({problem["Line"] for problem in problems}) == len(problems)
    wanted = {"ImageName": "my-image", "DisplayName": "filled in", "RoleArn": f"{ROLE}/Other"}
    filled = {**json.loads(printed), **wanted, "DeleteProperties": ["Description"]}
    del filled["Description"]
    assert run("apply", "--yes", stdin=json.dumps(filled).encode()).code == 0
    seen = json.loads(run("show", "my-image", "-o", "json").stdout)
    assert {key: seen.get(key) for key in (*wanted, "Description")} == {**wanted, "Description": None}
