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
from imagectl.topics import TOPICS

ROOT = Path(__file__).parent.parent
PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README = PAGES[ROOT / "README.md"]
REFERENCE = PAGES[ROOT / "docs/reference.md"]


def headings(page: str) -> list[str]:
    return re.findall(r"^## (.*)$", page, re.MULTILINE)


def section(heading: str, page: str = README) -> str:
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(heading: str, page: str = README) -> list[list[str]]:
    """The cells of a section's tables, headings and rules left out."""
    table = re.findall(r"^\|(.*)\|$", section(heading, page), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in table]


def anchors(page: str) -> set[str]:
    return {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }


@pytest.fixture(scope="module")
def shell_environment() -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    return {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}


@pytest.mark.parametrize("heading", headings(README))
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
        for step in re.findall(r"^\$ (.*(?:\n> .*)*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    if not steps:
        return
    with sandbox.serve(update_seconds=0.2) as server:
        env = server.applied_to(shell_environment) | {"AWS_MAX_ATTEMPTS": "1"}
        for command, expected in steps:
            done = subprocess.run(
                ["bash", "-c", command.replace("\n> ", "\n")],
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


def test_the_sandbox_in_the_background(shell_environment: dict[str, str], tmp_path: Path) -> None:
    """The lines that serve for a shell find the sandbox, take back what they set, and end it."""
    (lines,) = blocks("bash", section("The sandbox"))
    variables = "env | grep -c '^AWS_\\|^NO_PROXY' || true"
    done = subprocess.run(
        ["bash", "-c", f"set -m\n{lines}\n{variables}\nwait %1 2>/dev/null; echo $?"],
        env=shell_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "my-image\n0\n143\n"


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
        for row in rows("Error codes", REFERENCE)
        if row[0].startswith("`")
        for code in re.findall(r"\w+", row[1])
    }
    assert table == {code: f"`{row.kind}`" for code, row in CODES.items()}


def test_every_command_has_its_permissions_and_its_place() -> None:
    """Each command is in the table of permissions."""
    table = {name for row in rows("Permissions", REFERENCE) for name in re.findall(r"`([a-z]+)`", row[0])}
    assert table == set(cli.COMMANDS)


def test_the_keys_of_an_error_are_all_documented() -> None:
    """The JSON section names every key of an error."""
    import inspect

    from imagectl.errors import ImagectlError

    for key in re.findall(r'^\s+"(\w+)":', inspect.getsource(ImagectlError.as_json), re.MULTILINE):
        assert f'"{key}"' in section("JSON", REFERENCE)


def _words(text: str) -> str:
    """What a reader sees: without markup, links and the ends of lines."""
    plain = re.sub(r"[`*|]|^- ", "", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", plain).split())


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_of_help_says_what_the_pages_say(name: str) -> None:
    """Word for word: what is changed here is changed there."""
    pages = _words("\n".join(PAGES.values()))
    for paragraph in TOPICS[name].text.split("\n\n"):
        if not paragraph.startswith("Example:"):
            assert all(sentence in pages for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", _words(paragraph)))
    for _, told in TOPICS[name].rows:
        assert _words(told) in pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(path: Path) -> None:
    """No line of the page is a placeholder."""
    assert not re.search(r"^[A-Z]+$", PAGES[path], re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Anchors are headings, files are there."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[path]):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        leads_to = (path.parent / file).resolve() if file else path
        assert leads_to.exists(), target
        assert not anchor or anchor in anchors(PAGES[leads_to]), target


def test_the_readme_is_read_in_one_go() -> None:
    """Under 300 lines: what only some need has a page below docs/."""
    assert README.count("\n") < 300
