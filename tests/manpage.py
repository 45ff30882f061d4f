"""The command tree -> man/imagectl.1, in mdoc, the macros that both groff and mandoc know.

Says nothing of its own that the help pages say. Knows no command and no option by name.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any, NamedTuple

import typer

from imagectl import VERSION_LINE
from imagectl.topics import EXIT_CODES, TOPICS, Topic

DATE = "November 26, 2026"  # when it was last worth reading anew


class _Option(NamedTuple):
    """An option as the help page has it; equal options of several commands are one."""

    names: str
    help: str


class _Command(NamedTuple):
    name: str
    synopsis: str
    help: str
    sections: dict[str, list[_Option]]


def page(root: Any) -> str:
    """The man page of `root`, a Typer group."""
    context = typer.Context(root, info_name="imagectl", **root.context_settings)
    commands = [_command(context, name) for name in root.list_commands(context)]
    top = _Command("imagectl", "COMMAND ...", root.help or "", _options(root, context))
    summary, *rest = _paragraphs(top.help)
    return "\n".join(
        (
            '.\\" Written by `python -m tests.generate`. Not for editing.',
            f".Dd {DATE}",
            ".Dt IMAGECTL 1",
            ".Os",
            ".Sh NAME",
            ".Nm imagectl",
            f".Nd {_text(summary.removesuffix('.'))}",
            ".Sh SYNOPSIS",
            *(line for command in commands for line in _synopsis(command)),
            ".Sh DESCRIPTION",
            *_without_first_break(_prose(rest)),
            *_list(option for section in top.sections.values() for option in section),
            ".Sh COMMANDS",
            *(line for command in commands for line in _described(command, _shared(commands))),
            *_shared_sections(commands),
            ".Sh TOPICS",
            *(line for name, topic in TOPICS.items() if name != "exit-codes" for line in _topic(name, topic)),
            ".Sh EXIT STATUS",
            *_list(_Option(code, f"{kind and kind + ': '}{when}.") for code, kind, when in EXIT_CODES),
            ".Sh VERSION",
            f"This page is of {VERSION_LINE}.",
            "",
        )
    )


def _command(parent: Any, name: str) -> _Command:
    command = parent.command.get_command(parent, name)
    context = typer.Context(command, parent=parent, info_name=name, **command.context_settings)
    pieces = command.collect_usage_pieces(context)
    sections = _options(command, context)
    if name in parent.command.layout.more:
        heading, rows = parent.command.layout.more[name]()
        sections[heading] = [_Option(*row) for row in rows]
    synopsis = " ".join(piece.strip("{}").replace("[OPTIONS]", "[options]") for piece in pieces)
    return _Command(name, synopsis, command.help or "", sections)


def _options(command: Any, context: Any) -> dict[str, list[_Option]]:
    """The rows of the help page, by section; --help is on every page."""
    sections: dict[str, list[_Option]] = {}
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record and (param.name != "help" or context.parent is None):
            group = "Arguments" if param.param_type_name == "argument" else "Options"
            option = _Option(record[0], re.sub(r" *\[required\]$", "", record[1]))
            sections.setdefault(param.rich_help_panel or group, []).append(option)
    return sections


def _shared(commands: Iterable[_Command]) -> dict[str, list[_Option]]:
    """The sections that several commands have alike, told once."""
    found: dict[str, list[_Option]] = {}
    twice: dict[str, list[_Option]] = {}
    for command in commands:
        for heading, options in command.sections.items():
            if heading not in {"Arguments", "Options"}:
                (twice if found.get(heading) == options else found)[heading] = options
    return twice


def _shared_sections(commands: list[_Command]) -> Iterator[str]:
    for heading, options in _shared(commands).items():
        names = [command.name for command in commands if command.sections.get(heading) == options]
        yield f".Sh {heading.upper()} OPTIONS"
        yield f"Of {', '.join(names[:-1])} and {names[-1]}."
        yield from _list(options)


def _topic(name: str, topic: Topic) -> Iterator[str]:
    yield f".Ss {name}"
    yield from _sentences(topic.summary.replace("`", ""))
    yield from _prose(_paragraphs(topic.text.replace("`", "")))
    if topic.rows:
        yield from (".Pp", f"{_text(topic.heading)}:")
        yield from _list(_Option(row, told.replace("`", "")) for row, told in topic.rows)


def _described(command: _Command, shared: dict[str, list[_Option]]) -> Iterator[str]:
    yield f".Ss imagectl {command.name}"
    yield from _without_first_break(_prose(_paragraphs(command.help)))
    for heading, options in command.sections.items():
        if heading not in shared:
            if heading not in {"Arguments", "Options"}:
                yield from (".Pp", f"{_text(heading)}:")
            yield from _list(options)
    also = [heading for heading in command.sections if heading in shared]
    if also:
        yield ".Pp"
        yield f"And the options of {' and '.join(also)}, below."


def _synopsis(command: _Command) -> Iterator[str]:
    yield ".Nm"
    yield f"{command.name} {_text(command.synopsis)}"
    yield ".br"


def _prose(paragraphs: Iterable[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        heading, _, lines = paragraph.partition("\n")
        if heading in {"Example:", "Examples:"}:
            yield from (".Pp", heading, ".Bd -literal -offset indent")
            yield from (_text(line) for line in inspect.cleandoc(lines).splitlines())
            yield ".Ed"
        else:
            yield ".Pp"
            yield from _sentences(paragraph)


def _without_first_break(lines: Iterable[str]) -> Iterator[str]:
    """For the beginning of a section, which is a paragraph by itself."""
    lines = iter(lines)
    first = next(lines, ".Pp")
    yield from () if first == ".Pp" else (first,)
    yield from lines


def _list(options: Iterable[_Option]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for option in options:
        yield f".It {_words(option.names)}"
        yield from _sentences(option.help)
    yield ".El"


def _paragraphs(text: str) -> list[str]:
    return [paragraph for paragraph in inspect.cleandoc(text).split("\n\n") if paragraph]


def _sentences(text: str) -> Iterator[str]:
    """One on each line, as mdoc asks for."""
    for sentence in re.split(r"(?<=[.!?]) (?=\S)", " ".join(text.split())):
        yield from wrap(_text(sentence), 79, break_long_words=False, break_on_hyphens=False)


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    # What is typed, or has capitals within, stays in one piece.
    whole = re.sub(r"(?<!\S)(?=\S*(?:\\-\\-|[a-z][A-Z]|_))", r"\\%", escaped)
    return re.sub(r"^\.", "\\\\&.", whole)


def _words(text: str) -> str:
    """As the words behind a macro, none of which is a macro itself."""
    return " ".join(f'"{word}"' if word.startswith("[") else f"\\&{word}" for word in _text(text).split())
