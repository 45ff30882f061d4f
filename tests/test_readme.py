"""The README: what it shows works, and its tables say what the code does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imagectl import cli, sandbox
from imagectl.aws.failures import CODES
from imagectl.errors import EXIT_CHANGES_PENDING, EXIT_CODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def section(heading: str) -> str:
    return README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The cells of a section's tables, headings and rules left out."""
    table = re.findall(r"^\|(.*)\|$", section(heading), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in table]


@pytest.fixture(scope="module")
def shell_environment() -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    return {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}


@pytest.mark.parametrize("heading", re.findall(r"^## (.*)$", README, re.MULTILINE))
def test_what_the_readme_shows_is_what_happens(
    shell_environment: dict[str, str], tmp_path: Path, heading: str
) -> None:
    """Every `$ ` line of a section, run in one sandbox in their order, prints what stands below it."""
    # A block that begins with a file's name is that file.
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    steps = [
        step
        for block in blocks("console", section(heading))
        for step in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    if not steps:
        return
    with sandbox.serve(update_seconds=0.2) as server:
        env = server.applied_to(shell_environment) | {"AWS_MAX_ATTEMPTS": "1"}
        for command, expected in steps:
            done = subprocess.run(
                ["bash", "-c", command],
                env=env,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            pattern = ".*".join(map(re.escape, expected.split("…")))
            assert re.fullmatch(pattern, done.stdout), f"$ {command}\n{done.stdout}"


def test_the_script_runs(shell_environment: dict[str, str], tmp_path: Path) -> None:
    """The shell script under Usage does what its comments say, under set -euo pipefail."""
    script = next(block for block in blocks("bash") if "set -euo pipefail" in block)
    with sandbox.serve(update_seconds=0.2) as server:
        done = subprocess.run(
            ["bash", "-c", script],
            env=server.applied_to(shell_environment) | {"AWS_MAX_ATTEMPTS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "updated arn:aws:sagemaker:us-east-1:123456789012:image/my-image",
        "try again later",
    ]


def test_one_command_each() -> None:
    """`Try it` and `Run the tests` are one block of one line, and CI takes the latter from here."""
    for heading in ("Try it", "Run the tests"):
        (block,) = blocks("sh", section(heading))
        assert block.count("\n") == 1
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_the_table_of_exit_codes_is_the_code_s() -> None:
    """Each kind has its row with its exit code, and there is no other row."""
    table = {row[0]: row[1].strip("`") for row in rows("Exit codes") if row[0].isdigit() and len(row) == 3}
    assert table == {
        "0": "",
        str(EXIT_CHANGES_PENDING): "",
        **{str(c): kind for kind, c in EXIT_CODES.items()},
    }


def test_the_table_of_error_codes_is_the_code_s() -> None:
    """Each error code of the service stands in the row of its kind."""
    table = {
        code: row[0]
        for row in rows("Exit codes")
        if row[0].startswith("`")
        for code in re.findall(r"\w+", row[1])
    }
    assert table == {code: f"`{row.kind}`" for code, row in CODES.items()}


def test_every_command_has_its_permissions_and_its_place() -> None:
    """Each command is in the table of permissions."""
    table = {name for row in rows("Permissions") for name in re.findall(r"`([a-z]+)`", row[0])}
    assert table == set(cli.COMMANDS)


def test_the_keys_of_an_error_are_all_documented() -> None:
    """The JSON section names every key of an error."""
    import inspect

    from imagectl.errors import ImagectlError

    for key in re.findall(r'^\s+"(\w+)":', inspect.getsource(ImagectlError.as_json), re.MULTILINE):
        assert f'"{key}"' in section("JSON")


def test_nothing_is_left_to_fill_in() -> None:
    """No line of the page is a placeholder."""
    assert not re.search(r"^[A-Z]+$", README, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    """Anchors are headings, files are there."""
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target
