"""What people type who come from `aws` and `kubectl`: the answer is the line to type here."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
from conftest import Run
from service import Service

from imagectl import cli
from imagectl.habits import HABITS

TREE = cli.the_tree()


def known(command: str) -> set[str]:
    return {name for param in TREE.get_command(None, command).params for name in param.opts} | {
        "-h",
        "--help",
    }


def answered(run: Run, *argv: str) -> list[str]:
    """The commands that the hint of a refused line has, each on its own line."""
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    _, _, commands = err.partition("\nhint: ")[2].partition("\n")
    return commands.splitlines()


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("update --image-name x --description 'a b'", "imagectl update x --description 'a b'"),
        ("update --image-name=x --wait", "imagectl update x --wait"),
        ("--region us-east-1 update x --wait", "imagectl update x --wait --region us-east-1"),
        ("-q list", "imagectl list -q"),
        ("sagemaker list-images --max-items 5", "imagectl list --max-items 5"),
        ("list --max-items 5", "imagectl list --limit 5"),
        (
            "update x --delete-properties Description DisplayName --wait",
            "imagectl update x --wait --delete-property=Description --delete-property=DisplayName",
        ),
        (
            "update x --tags K=a",
            'aws sagemaker add-tags --resource-arn "$(imagectl show x --query ImageArn -o text)" --tags K=a',
        ),
        ("update --cli-input-json file://x.json", "imagectl apply x.json"),
        ("show x --no-verify-ssl", "imagectl show x --ca-bundle FILE"),
        ("list --no-cli-pager --name-contains x", "imagectl list --name-contains x"),
        ("list --creation-time-after 2026-01-01", "imagectl list --created-after 2026-01-01"),
        ("describe x", "imagectl show x"),
        ("describe-image --image-name x", "imagectl show x"),
        ("update-image --image-name x --description d", "imagectl update x --description d"),
        ("get x -q", "imagectl show x -q"),
        ("edit x", "imagectl update x --description TEXT"),
        ("version", "imagectl --version"),
        ("apply -f fleet.yaml --dry-run", "imagectl apply fleet.yaml --dry-run"),
        ("wait image-updated --image-name x", "imagectl wait x"),
    ],
)
def test_the_answer_is_the_line_to_type(run: Run, typed: str, answer: str) -> None:
    """Made of what was typed, alone on its line."""
    assert answered(run, *shlex.split(typed)) == [answer]


@pytest.mark.parametrize(("word", "answer"), HABITS.items())
def test_every_answer_is_a_line_that_is_understood(word: str, answer: str) -> None:
    """No answer names a command or an option that isn't there."""
    program, command, *words = answer.rpartition("\n")[2].split()
    assert program in {"imagectl", "aws"}
    assert not any(word in known(name) for name in cli.COMMANDS if command in {name, "{command}"})
    if program == "imagectl" and command != "--version":
        commands = cli.COMMANDS if command == "{command}" else [command]
        options = {word for word in words if word.startswith("-")}
        assert any(options <= known(name) for name in commands)


def test_every_option_of_the_aws_cli_is_answered(run: Run) -> None:
    """What `aws sagemaker` takes for an image is an option here, or has its answer."""
    aws = shutil.which("aws", path=os.pathsep.join(["/usr/bin", os.environ["PATH"]]))
    walked = 0
    for theirs, ours in {"update-image": "update", "describe-image": "show", "list-images": "list"}.items():
        assert theirs in HABITS
        if not aws:
            continue
        env = {**os.environ, "PAGER": "cat", "AWS_PAGER": "", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}
        command = [aws, "sagemaker", theirs, "help"]
        page = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=60, check=False
        ).stdout
        found = set(re.findall(r"(?m)^ +(--[a-z][a-z0-9-]+) \(", re.sub(".\b", "", page)))
        walked += len(found)
        for option in found - known(ours) | ({"--image-name"} if ours != "list" else set()):
            assert answered(run, ours, option, "x"), option
    if not walked:
        pytest.skip("no AWS CLI here has help pages")


@pytest.mark.parametrize("flag", ["--description", "--display-name"])
@pytest.mark.parametrize("scheme", ["file://", "fileb://"])
def test_a_file_is_not_stored_as_its_name(run: Run, service: Service, flag: str, scheme: str) -> None:
    """`--description file://x` is a usage error that says how a description is read from a file."""
    code, out, err = run("update", "my-image", flag, f"{scheme}a b")
    assert (code, out, service.received) == (2, "", [])
    assert f"{flag}: takes the text itself" in err
    assert "--description-file 'a b'" in err


def test_what_must_not_be_shown_is_not_answered(run: Run) -> None:
    """A password in a URL, and what would move the cursor, are left out of the line."""
    (answer,) = answered(run, "--endpoint-url", "https://u:secret@h", "list", "--name-contains", "\x1b[2J\n")
    assert "secret" not in answer
    assert answer == "imagectl list --name-contains ... --endpoint-url ..."


def test_a_good_line_s_values_are_no_habits(run: Run, service: Service) -> None:
    """Words of the table as values, or behind `--`, are what they are."""
    assert run("update", "my-image", "--description", "get", "--display-name=--tags").code == 0
    assert "add-tags" not in run("show", "--nonsense", "--", "--tags").stderr
