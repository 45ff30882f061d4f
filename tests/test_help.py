"""Help pages: examples first, every option with its default, and nothing wider than a terminal."""

import re
import subprocess
import sys
from typing import Any

import pytest
from conftest import Run

from imagectl import cli, options
from imagectl.topics import TOPICS

TREE = cli.the_tree()
PAGES = [[], *([name] for name in TREE.list_commands(None))]
BRIEF = {options.CONNECTION, options.OUTPUT}


def headings(page: str) -> list[str]:
    return re.findall(r"^([A-Z].*):$", page, re.MULTILINE)


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_a_page_reads_well_in_a_pipe(run: Run, command: list[str]) -> None:
    """80 columns, no word broken, no escape; `-h`, `--help` and `help` are the same; examples come first."""
    page = run(*command, "--help").stdout
    assert run(*command, "-h").stdout == run("help", *command).stdout == page
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= 80
    assert page.index("Examples:\n  ") < page.index("\n  -h, --help")
    if command:
        words = set(page.split())
        for param in TREE.get_command(None, *command).params:
            if getattr(param, "rich_help_panel", None) not in BRIEF:
                assert all(word in words for word in param.help.split()), param.name


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_what_is_told_lines_up_on_all_of_a_page(run: Run, command: list[str]) -> None:
    """One column for the names of all sections, one for the texts."""
    rows = run(*command, "--help").stdout.partition("\nExamples:\n")[2].partition("\n\n")[2]
    assert len({len(match[0]) for match in re.finditer(r"(?m)^  \S+(?: \S+)*  +(?=\S)", rows)}) == 1


@pytest.mark.parametrize("width", [20, 50, 60, 79, 80, 200])
def test_a_page_on_a_terminal_of_any_width(run: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Never wider than 80 columns, nor than the terminal, as long as that is one."""
    monkeypatch.setenv("COLUMNS", str(width))
    page = run("apply", "--help").stdout
    prose = re.sub(r"Examples:\n(  .*\n)+", "", page)
    assert max(map(len, prose.splitlines())) <= min(max(width, 50), 80)


def test_the_first_page_fits_a_screen(run: Run) -> None:
    """`imagectl --help` leaves a terminal of 24 lines one for the prompt, and names commands and topics."""
    page = run("--help").stdout
    assert page.count("\n") <= 23
    assert all(f"\n  {name} " in page for name in TREE.list_commands(None))
    assert all(topic in page for topic in TOPICS)


def test_who_types_the_name_alone_sees_the_first_page(run: Run) -> None:
    """Nothing was asked for, so it is talk, and exit 2."""
    assert run() == (2, "", run("--help").stdout)
    assert "\x1b[1mUsage:" in run(terminal=["stderr"]).stderr


def test_changes_come_first_and_what_all_commands_have_is_short(run: Run) -> None:
    """`update --help` begins with what it is for; connection and output are names, told whole by `help`."""
    page = run("update", "--help").stdout
    assert headings(page) == [
        "Examples",
        "Arguments",
        "Changes",
        "Options",
        "Connection (imagectl help connection)",
        "Output (imagectl help output)",
    ]
    assert page.startswith("Usage: imagectl update [OPTIONS] IMAGE\n")
    for topic, heading in (("connection", options.CONNECTION), ("output", options.OUTPUT)):
        whole = run("help", topic).stdout
        for param in TREE.get_command(None, "update").params:
            if getattr(param, "rich_help_panel", None) == heading:
                assert param.opts[-1] in page
                assert param.help not in page
                assert param.help in " ".join(whole.split())


def test_wait_speaks_of_no_option_that_it_lacks(run: Run) -> None:
    """Every option that a command's page names is the command's."""
    for command in TREE.list_commands(None):
        page = run(command, "--help").stdout
        own = {name for p in TREE.get_command(None, command).params for name in p.opts} | {"--help"}
        told = re.sub(r"Examples:\n(  .*\n)+", "", page)
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]+", told)) <= own, command


@pytest.mark.parametrize("command", PAGES[1:], ids=" ".join)
def test_every_option_says_what_it_is_and_then_its_default(command: list[str]) -> None:
    """No option leaves open what happens without it, or what it is at all."""
    for param in TREE.get_command(None, *command).params:
        if param.param_type_name == "option":
            assert re.fullmatch(r"(?!Default).+?\. Default: .+\.", param.help), param.name


@pytest.mark.parametrize(
    ("page", "option", "default"),
    [
        ("update", "--timeout", "10m"),
        ("wait", "--timeout", "10m"),
        ("apply", "--timeout", "10m"),
        ("apply", "--concurrency", "8"),
        ("sandbox", "--update-seconds", "1s"),
        ("connection", "--connect-timeout", "5s"),
        ("connection", "--read-timeout", "30s"),
        ("connection", "--max-attempts", "AWS_MAX_ATTEMPTS, the profile's, 3"),
    ],
)
def test_what_scripts_rely_on_without_saying_it(run: Run, page: str, option: str, default: str) -> None:
    """These defaults stay what they are."""
    told = " ".join(run("help", page).stdout.split()).split(f" {option} ", 1)[1]
    assert re.search(r"\. Default: (.+?)\.(?= |$)", told)[1] == default  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("0.5s", 0.5), ("10m", 600), ("1h", 3600), ("720h", 2592000)],
)
def test_a_duration(text: str, seconds: float) -> None:
    """A number of seconds, or one with its unit."""
    problems: list[Any] = []
    assert (options.seconds_of("--timeout", text, problems), problems) == (seconds, [])


def test_options_name_the_environment_variables_of_aws(run: Run) -> None:
    """What AWS defines a variable for says so."""
    page = " ".join(run("help", "connection").stdout.split())
    for flag, variable in {
        "--profile": "AWS_PROFILE",
        "--region": "AWS_REGION, AWS_DEFAULT_REGION",
        "--endpoint-url": "AWS_ENDPOINT_URL_SAGEMAKER, AWS_ENDPOINT_URL",
        "--ca-bundle": "AWS_CA_BUNDLE",
        "--max-attempts": "AWS_MAX_ATTEMPTS",
    }.items():
        assert variable in page.split(f" {flag} ", 1)[1][:200]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_reads_well(run: Run, topic: str) -> None:
    """As a page does: 80 columns, plain text without markup."""
    code, page, err = run("help", topic)
    assert (code, err) == (0, "")
    assert max(map(len, page.splitlines())) <= 80
    assert "`" not in page
    assert page.count("\n") > 5


def test_no_such_topic(run: Run) -> None:
    """What isn't there is a usage error that names what there is."""
    code, out, err = run("help", "exitcodes")
    assert (code, out) == (2, "")
    assert "no command and no topic: 'exitcodes'" in err
    assert "did you mean 'exit-codes'?" in err


@pytest.mark.parametrize("argv", ["--help", "help output", "update --help", "--version"])
def test_python_without_docstrings_loses_nothing(run: Run, spawn: Run, argv: str) -> None:
    """PYTHONOPTIMIZE=2 drops docstrings and asserts: the pages are none of them."""
    assert spawn(*argv.split(), env={"PYTHONOPTIMIZE": "2"}) == run(*argv.split())


def test_a_page_that_nobody_reads_to_its_end() -> None:
    """`imagectl --help | true` is no failure."""
    for argv in ("--help", "update --help", "help output"):
        command = f"set -o pipefail; {sys.executable} -m imagectl {argv} | true"
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_page_on_a_terminal_is_coloured(run: Run) -> None:
    """Headings and options stand out, and the text is the same."""
    for argv in (["update", "--help"], ["help", "connection"], ["--help"]):
        coloured = run(*argv, terminal=["stdout"]).stdout
        assert re.search(r"(?m)^\x1b\[1m[A-Z][^\n]*:\x1b\[0m$", coloured)
        assert "\x1b[38;5;63m--" in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == run(*argv).stdout
    assert "\x1b" not in run("update", "--help", "--color", "never", terminal=["stdout"]).stdout
