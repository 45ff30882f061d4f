"""Help pages: examples first, every option with its default, and nothing wider than a terminal."""

import pytest
from conftest import Run

from imagectl import cli

TREE = cli.the_tree()
PAGES = [[], *([name] for name in TREE.list_commands(None))]


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_a_page_reads_well_in_a_pipe(run: Run, command: list[str]) -> None:
    """80 columns, no word broken, no escape; `-h` and `--help` are the same; examples come before options."""
    page = run(*command, "--help").stdout
    assert run(*command, "-h").stdout == page
    assert "\x1b" not in page
    assert max(map(len, page.splitlines())) <= 80
    assert page.index("Examples:\n  ") < page.index("\n  -h, --help")
    if command:
        words = set(page.split())
        for param in TREE.get_command(None, *command).params:
            assert all(word in words for word in (param.help or "").split()), param.name


def test_the_first_page_fits_a_screen(run: Run) -> None:
    """`imagectl --help` is 24 lines at most, and names every command."""
    page = run("--help").stdout
    assert page.count("\n") <= 24
    assert all(f"\n  {name} " in page for name in TREE.list_commands(None))


@pytest.mark.parametrize("command", PAGES[1:], ids=" ".join)
def test_every_option_says_its_default(command: list[str]) -> None:
    """No option leaves open what happens without it."""
    for param in TREE.get_command(None, *command).params:
        assert param.param_type_name == "argument" or "Default: " in param.help, param.name


def test_options_name_the_environment_variables_of_aws(run: Run) -> None:
    """What AWS defines a variable for says so."""
    page = " ".join(run("update", "--help").stdout.split())
    for flag, variable in {
        "--profile": "AWS_PROFILE",
        "--region": "AWS_REGION, AWS_DEFAULT_REGION",
        "--endpoint-url": "AWS_ENDPOINT_URL_SAGEMAKER, AWS_ENDPOINT_URL",
        "--ca-bundle": "AWS_CA_BUNDLE",
        "--max-attempts": "AWS_MAX_ATTEMPTS",
    }.items():
        assert variable in page.split(f" {flag} ", 1)[1][:200]


def test_a_page_on_a_terminal_is_coloured(run: Run) -> None:
    """Headings and options stand out, and the text is the same."""
    import re

    coloured = run("update", "--help", terminal=["stdout"]).stdout
    assert "\x1b[1mExamples:\x1b[0m" in coloured
    assert "\x1b[36m--description\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == run("update", "--help").stdout
