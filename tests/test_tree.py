"""How a command line is read: what it wants, be it good or broken, by the same definitions."""

import itertools
import shlex
from typing import Any

import pytest
from conftest import Run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from service import Service

from imagectl import cli
from imagectl.errors import ImagectlError
from imagectl.render import Presentation

TREE = cli.the_tree()
COMMANDS = list(TREE.entries)


LENIENT = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}


def options(command: str) -> list[Any]:
    built = TREE.get_command(None, command)
    return [
        p for p in built.get_params(built.make_context("", [], **LENIENT)) if p.param_type_name == "option"
    ]


SHOWING = [name for name in COMMANDS if any("--output" in option.opts for option in options(name))]


# What a broken line wanted of presentation.


def presentation(*argv: str) -> Presentation:
    return cli.CommandLine(argv).presentation


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("update a_b -qo json --description x", Presentation(output="json", quiet=True)),
        ("update a_b -qojson", Presentation(output="json", quiet=True)),
        ("update a_b --output=json --nonsense", Presentation(output="json")),
        ("update a_b --nonsense -o json", Presentation(output="json")),
        ("update a_b --description -ojson", Presentation()),
        ("update a_b --display-name --debug", Presentation()),
        ("update a_b --description", Presentation()),
        ("update a_b -o json --description", Presentation(output="json")),
        ("update a_b -o", Presentation()),
        ("update a_b -o name -o json", Presentation(output="json")),
        ("update a_b -o nonsense --query x --color nonsense", Presentation(query="x")),
        ("update --nonsense -- -o json", Presentation()),
        ("sandbox --nonsense imagectl -o json", Presentation()),
        ("frobnicate -o json --color=never", Presentation(output="json", color="never")),
        ("frobnicate -- -o json", Presentation()),
        ("--debug update a_b", Presentation(debug=True)),
        ("-o json", Presentation(output="json")),
        ("", Presentation()),
    ],
)
def test_what_a_broken_line_wants_of_presentation(line: str, wanted: Presentation) -> None:
    """An option is one where the parser takes it for one: not as another's value, and not behind `--`."""
    assert presentation(*line.split()) == wanted


VALUES = {
    "--output": ["text", "json", "name"],
    "--color": ["auto", "always", "never"],
    "--query": ["a", "b.c"],
}


@st.composite
def spelled(draw: st.DrawFn, command: str) -> list[str]:
    """One option of `command`, in one of the ways to type it."""
    option = draw(st.sampled_from([o for o in options(command) if "--help" not in o.opts]))
    name = draw(st.sampled_from(option.opts))
    if option.is_flag:
        return [name]
    value = draw(st.sampled_from(VALUES.get(max(option.opts, key=len), ["x", "-x", "- o", "=", "a -o json"])))
    separate = st.just([name, value])
    if name.startswith("--"):
        return draw(separate | st.just([f"{name}={value}"]))
    return draw(separate | st.just([name + value]) | st.just([f"-q{name[1:]}{value}"]))


BREAKS: dict[str, list[str]] = {
    "an unknown option": ["--nonsense"],
    "an unknown option with a value": ["--nonsense=-o"],
    "an unknown short option": ["-Z"],
    "too many arguments": ["a", "b", "c"],
    "a bad value": ["--timeout=soon"],
}


@given(st.data())
@example(None)
@settings(deadline=None)
def test_a_broken_line_wants_what_the_same_line_mended_wants(data: st.DataObject | None) -> None:
    """Whatever is wrong with a line and wherever, its options of presentation are read as if it weren't."""
    if data is None:
        command, good, breaks, at = "update", [["-qo", "json"], ["--debug"]], ["--nonsense"], 1
    else:
        command = data.draw(st.sampled_from(SHOWING))
        good = data.draw(st.lists(spelled(command), max_size=6))
        breaks = BREAKS[data.draw(st.sampled_from(sorted(BREAKS)))]
        at = data.draw(st.integers(0, len(good)))
    mended = list(itertools.chain.from_iterable(good))
    broken = [*itertools.chain.from_iterable(good[:at]), *breaks, *itertools.chain.from_iterable(good[at:])]
    # Typer's own reading of the good line is the judge.
    read = TREE.get_command(None, command).make_context(
        "", mended and [*mended, "image"], resilient_parsing=True
    )
    wanted = Presentation(**{name: read.params[name] for name in Presentation._fields})
    assert presentation(command, *mended, "image") == wanted
    assert presentation(command, *broken) == wanted
    unfinished = data and data.draw(st.sampled_from(["--region", "--query", "-o"]))
    if unfinished:
        assert presentation(command, *mended, unfinished) == wanted


# A forgotten value.


def refused(command: str, *words: str) -> list[tuple[str, str]]:
    """The problems of a line that is refused before its values are looked at."""
    with pytest.raises(ImagectlError) as error:
        TREE.get_command(None, command).make_context(command, list(words))
    assert error.value.exit_code == 2
    return [(problem.field, problem.message) for problem in error.value.problems]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_the_value_of_another(command: str) -> None:
    """Every option that has a value, before every option in every spelling: refused, both named, and how to
    say it after all.
    """
    every = options(command)
    words = ["--", "--output=json", "-qojson"] if command in SHOWING else ["--"]
    for option in every:
        words += option.opts
        words += [
            f"{name}{'=' if name.startswith('--') else ''}x" for name in option.opts if not option.is_flag
        ]
        words += [max(option.opts, key=len)[:-1]]
    for option, word in itertools.product([o for o in every if not o.is_flag], words):
        flag = max(option.opts, key=len)
        for name in option.opts:
            ((field, message),) = refused(command, name, word)
            assert field == flag
            assert f"'{word}' looks like an option" in message
            assert message.endswith(f": {flag}={shlex.quote(word)}")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_stands_behind_the_equals_sign_is_the_value(command: str) -> None:
    """`--option=--other` is said on purpose, and so is a word that only begins with a dash."""
    built = TREE.get_command(None, command)
    for option in options(command):
        if option.is_flag or getattr(option.type, "choices", None):
            continue
        for name in option.opts:
            if not name.startswith("--"):
                continue
            for words, value in (
                *(([f"{name}={v}"], v) for v in ("--help", "--", "-h", "-ojson")),
                *(([name, v], v) for v in ("-", "-5", "- a", "-- a", "---", "--nonsense", "plain")),
            ):
                read = built.make_context("", [*words, "--", "x"], allow_extra_args=True).params[option.name]
                assert read == ((value,) if option.multiple else value)


@pytest.mark.parametrize(
    "line",
    [
        "update my-image --description --dry-run",
        "update my-image --description -q",
        "update my-image --description --description new",
        "update --description -- my-image",
        "apply - --yes --rollback-file --dry-run",
        "__images --profile --region us-east-1",
    ],
)
def test_a_forgotten_value_sends_nothing(run: Run, service: Service, line: str) -> None:
    """What an empty variable leaves of a command changes nothing: exit 2 and no call."""
    result = run(*line.split(), stdin=b'{"ImageName": "my-image", "Description": "new"}')
    assert (result.code, result.stdout, service.received) == (2, "", [])
    assert "looks like an option" in result.stderr


def test_all_forgotten_values_are_told() -> None:
    """Not only the first."""
    problems = refused("update", "x", "--description", "--wait", "--role-arn", "-q", "--description", "-h")
    assert [field for field, _ in problems] == ["--description", "--description", "--role-arn"]
