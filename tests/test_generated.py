"""What is generated and committed is what its source says, and readable to those it is made for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cut_model import is_locked
from generate import GENERATED

from imagectl import cli
from imagectl.completion.commands import Commands

ROOT = Path(__file__).parents[1]
MAN = ROOT / "man" / "imagectl.1"


@pytest.mark.parametrize("name", GENERATED)
def test_what_is_committed_is_what_is_generated(name: str) -> None:
    """Where it isn't, `python -m tests.generate` writes all of it anew."""
    if name.endswith("model.json") and not is_locked():
        pytest.skip("the cut is made from the locked botocore")
    same = (ROOT / name).read_text(encoding="utf-8") == GENERATED[name]()
    assert same, f"{name} is not of this source: python -m tests.generate"


@pytest.mark.parametrize(
    "reader", [("mandoc", "-T", "lint"), ("man", "--warnings", "-l"), ("groff", "-mandoc", "-ww", "-z")]
)
def test_the_man_page_is_read_without_a_complaint(reader: tuple[str, ...]) -> None:
    if not shutil.which(reader[0]):
        pytest.skip(f"{reader[0]} is not installed")
    done = subprocess.run([*reader, MAN], capture_output=True, text=True, timeout=60, check=False)
    complaints = done.stdout if "lint" in reader else ""
    assert (done.returncode, complaints, done.stderr) == (0, "", "")


def test_the_man_page_has_all_commands_and_options() -> None:
    """As a reader sees it: no macro swallows a word."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    reading = ["mandoc", "-T", "ascii", "-O", "width=1000", str(MAN)]
    done = subprocess.run(reading, capture_output=True, text=True, timeout=60, check=True)
    shown = " ".join(re.sub(".\b", "", done.stdout).split())
    commands = Commands(cli.the_tree())
    for name, summary in commands.summaries.items():
        assert f" imagectl {name} {summary} " in shown
    for options in commands.groups.values():
        for option in options:
            assert " ".join(option.help.split()) in shown
            for flag in option.names:
                assert re.search(rf" {flag}[ ,]", shown), flag
