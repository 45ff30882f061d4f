"""Typer, made to build only the command that is run. The only user of Typer, and the only reader of command
lines, also of those that are wrong.

Owns how functions with groups of options become commands. Knows no command and no option itself.
"""

import inspect
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.pages import Rows, page
from imagectl.text import quote

Function = Callable[..., Any]

_SETTINGS = {"help_option_names": ["-h", "--help"]}
_LENIENT: dict[str, Any] = {
    "resilient_parsing": True,
    "ignore_unknown_options": True,
    "allow_extra_args": True,
}


# What a command's parameters are annotated with.


class Kind(NamedTuple):
    """What a value is: its name on help pages, and what completion offers for it."""

    name: str
    offers: Literal["any", "words", "files", "profiles", "regions", "images", "command"] = "any"
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """An option: what it is, its value's kind (None: a flag), and what happens without it, where the
    default value doesn't say that.
    """

    help: str
    kind: Kind | None = None
    names: tuple[str, ...] = ()
    without: str | None = None
    group: str = "Options"

    def typer(self, name: str, default: object) -> Any:
        names = self.names or (f"--{name.replace('_', '-')}",)
        without = ("off" if default is False else default) if self.without is None else self.without
        return typer.Option(
            *names,
            metavar=self.kind and self.kind.name,
            help=f"{self.help} Default: {without}." if without else self.help,
            rich_help_panel=self.group,
            show_default=False,
        )


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument: what it is, its kind, and how the usage line has it, where that isn't the kind's name."""

    help: str
    kind: Kind
    usage: str = ""

    def typer(self, _name: str, _default: object) -> Any:
        return typer.Argument(metavar=self.usage or self.kind.name, help=self.help, show_default=False)


class Command(NamedTuple):
    """A command: what runs it, and its help page: a sentence, examples, paragraphs."""

    function: Function
    help: str

    @property
    def summary(self) -> str:
        return self.help.strip().partition("\n")[0]


class Layout(NamedTuple):
    """What the help pages have beside what the commands say themselves.

    A section of `brief` has only names on a command's page, and its heading says where it is whole. `more`
    gives for a command one more section.
    """

    brief: Mapping[str, str]
    more: Mapping[str, Callable[[], tuple[str, Rows]]]


def tree(
    root: Command,
    commands: Mapping[str, Command],
    *,
    hidden: Mapping[str, Command],
    groups: Mapping[Any, Function],
    runners: Collection[str],
    layout: Layout,
) -> "Tree":
    """The command line of `commands` below `root`; `hidden` ones work, but are in no list.

    `groups` gives for the type of a parameter the function that makes it of options of its own. `runners` are
    the commands that run another command line: what follows its first word is not ours to read.
    """
    app = typer.Typer(cls=Tree, add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS)
    app.callback(invoke_without_command=True, help=root.help)(_flat(root.function, groups))
    tree: Tree = typer.main.get_command(app)  # type: ignore[assignment]
    tree.entries, tree.listed, tree.groups = {**commands, **hidden}, commands, groups
    tree.runners, tree.layout, tree.built = runners, layout, {}
    tree.function = root.function
    tree.commands = dict.fromkeys(commands, tree)  # for "did you mean": the names alone matter
    return tree


class _Page:
    """A help page: usage, what it does, examples, then the options by group."""

    help: str | None
    function: Function
    groups: Mapping[Any, Function]

    @property
    def definitions(self) -> dict[str, Option | Argument]:
        """What the parameters were annotated with, by their names: the kinds of their values."""
        return {name: _definition(p) for name, p in _flattened(self.function, self.groups).items()}

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]  # type: ignore[attr-defined]
        return ["[OPTIONS]", *(param.metavar for param in arguments)]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option:  # Typer's own prints at once: nobody could choose its colour, or bear with a closed pipe
            option.callback = _ask_for_help
        return option

    def get_help(self, ctx: Any) -> str:
        line = f"Usage: {ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}"
        return page(f"{line}\n\n{self.help or ''}", self.sections(ctx))

    def sections(self, ctx: Any) -> dict[str, Any]:
        """The rows below each heading, or words only."""
        sections: dict[str, Any] = {}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            argument = param.param_type_name == "argument"
            record = (param.metavar, param.help) if argument else param.get_help_record(ctx)
            if record is not None:
                group = "Arguments" if argument else param.rich_help_panel or "Options"
                sections.setdefault(group, []).append(record)
        return sections


class HelpWanted(Exception):  # noqa: N818 - no error
    """A line asks for a help page: a command's, or the first one ('')."""

    def __init__(self, command: str) -> None:
        super().__init__(command)
        self.command = command


def _ask_for_help(ctx: Any, _param: object, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        raise HelpWanted(ctx.info_name if ctx.parent else "")


class _Word(str):
    """A word of the command line, whole. What stands behind a `=` or in a cluster like -ojson is no _Word."""

    __slots__ = ()


class _Command(_Page, TyperCommand):
    name: str
    layout: Layout

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        problems = [] if ctx.resilient_parsing else self._forgotten(args)
        if problems:
            raise usage(problems)
        return super().parse_args(ctx, args)

    def lenient(self, words: Sequence[str]) -> dict[str, Any]:
        """The values of a line that may be wrong: what can't be read is passed over."""
        return self.make_context(self.name, list(words), **_LENIENT).params

    def sections(self, ctx: Any) -> dict[str, Rows | str]:
        sections: dict[str, Rows | str] = {}
        for heading, rows in super().sections(ctx).items():
            if heading in self.layout.brief:
                names = (re.findall(r"--[a-z-]+", name)[0] for name, _ in rows)
                sections[f"{heading} ({self.layout.brief[heading]})"] = " ".join(names)
            else:
                sections[heading] = rows
        if self.name in self.layout.more:
            heading, rows = self.layout.more[self.name]()
            sections[heading] = rows
        return sections

    def _forgotten(self, words: Sequence[str]) -> list[Problem]:
        """The options whose value looks like an option: the variable that was to give the value is empty."""
        context = typer.Context(self, **{**self.context_settings, **_LENIENT})
        options: list[Any] = [p for p in self.get_params(context) if p.param_type_name == "option"]
        valued = [option for option in options if not option.is_flag]
        parser = self.make_parser(context)
        for option in valued:  # to have all of its values, not the last one only
            parser.add_option(option, option.opts, option.name, action="append")
        values, _, _ = parser.parse_args([_Word(word) for word in words])
        looks_like_option = _looks_like_option_of(options)
        return [
            Problem(
                flag := max(option.opts, key=len),
                f"needs a value, and {quote(value)} looks like an option; "
                f"if it is the value: {flag}={shlex.quote(value)}",
            )
            for option in valued
            for value in values.get(option.name, ())
            if isinstance(value, _Word) and looks_like_option(value)
        ]


def _looks_like_option_of(options: Collection[Any]) -> Callable[[str], bool]:
    """Whether a word is one of `options`: alone, with its value, shortened, or in a cluster."""
    names = {name: option.is_flag for option in options for name in option.opts}
    short = [name for name in names if not name.startswith("--")]
    flags = "".join(name[1] for name in short if names[name])
    valued = "".join(name[1] for name in short if not names[name])
    cluster = re.compile(f"-[{flags}]*([{flags}]" + (f"|[{valued}].*)" if valued else ")"), re.DOTALL)

    def looks_like_option(word: str) -> bool:
        if word.startswith("--"):  # alone it ends the options, and begins each
            shortened = word.partition("=")[0]
            return any(name.startswith(shortened) for name in names)
        return cluster.fullmatch(word) is not None

    return looks_like_option


class Tree(_Page, TyperGroup):
    """The program's commands, each built when it is asked for: no run pays for the others."""

    entries: Mapping[str, Command]
    listed: Mapping[str, Command]
    groups: Mapping[Any, Function]
    runners: Collection[str]
    layout: Layout
    built: dict[str, _Command]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(self.listed)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        if cmd_name not in self.entries:
            return None
        if cmd_name not in self.built:
            self.built[cmd_name] = self.build(cmd_name, self.entries[cmd_name])
        return self.built[cmd_name]

    def build(self, name: str, entry: Command) -> _Command:
        """`entry` as a command: also one that is in no list."""
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        settings = {**_SETTINGS, "allow_interspersed_args": name not in self.runners}
        flat = _flat(entry.function, self.groups)
        one.command(name, cls=_Command, context_settings=settings, help=entry.help)(flat)
        command: _Command = typer.main.get_command(one)  # type: ignore[assignment]
        command.function, command.groups, command.layout = entry.function, self.groups, self.layout
        return command

    def page(self, name: str = "") -> str:
        """The help page of a command, or the first one."""
        top = typer.Context(self, info_name="imagectl", **self.context_settings)
        if not name:
            return self.get_help(top)
        command = self.get_command(top, name)
        context = typer.Context(command, parent=top, info_name=name, **command.context_settings)
        return str(command.get_help(context))

    def section(self, name: str, heading: str) -> Rows:
        """All of a section that is brief on the page of the command `name`."""
        command = self.get_command(None, name)
        rows: Rows = _Page.sections(command, typer.Context(command, **command.context_settings))[heading]
        return rows

    def invoke(self, ctx: Any) -> Any:
        """The root's function may answer by itself."""
        return ctx.invoke(self.callback, **ctx.params) or super().invoke(ctx)

    def read(self, argv: Sequence[str]) -> Any:
        """What the command's function makes of `argv`; None where there is no command.

        Raises HelpWanted, and ImagectlError (`usage`).
        """
        try:
            # Calling the tree itself would take Ctrl-C for its own, and a variable for a call to complete.
            with self.make_context("imagectl", list(argv)) as context:
                return context.command.invoke(context)
        except typer.TyperException as exc:
            where = " ".join(["imagectl", *(word for word in argv[:1] if word in self.listed)])
            message = " ".join(exc.format_message().split()).removesuffix(".")
            raise ImagectlError(
                "usage",
                message,
                hint=f"for all that it takes:\n{where} --help",
                outcome="not-applied",
                problems=[Problem("", message)],
            ) from exc

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return ["COMMAND [OPTIONS] ..."]

    def sections(self, ctx: Any) -> dict[str, Rows | str]:
        return {"Commands": [(name, c.summary) for name, c in self.listed.items()], **super().sections(ctx)}


def _flat(function: Function, groups: Mapping[Any, Function]) -> Function:
    """`function` with each group's parameter replaced by the group's options, as Typer wants them.

    What is wrong with any of them is raised as one error, once the function has had its say.
    """
    own = _parameters(function)
    makers = {name: groups[p.annotation] for name, p in own.items() if p.annotation in groups}
    options = {name: list(_parameters(make)) for name, make in makers.items()}

    def parsed(**values: Any) -> Any:
        problems: list[Problem] = []
        made = {
            name: make(problems=problems, **{option: values.pop(option) for option in options[name]})
            for name, make in makers.items()
        }
        result = function(problems=problems, **made, **values)
        if problems:
            raise usage(problems)
        return result

    parameters = [_as_typer(p) for p in _flattened(function, groups).values()]
    parsed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return parsed


def _flattened(function: Function, groups: Mapping[Any, Function]) -> dict[str, inspect.Parameter]:
    """The parameters with those of a group in its place."""
    flat: dict[str, inspect.Parameter] = {}
    for name, p in _parameters(function).items():
        flat |= _parameters(groups[p.annotation]) if p.annotation in groups else {name: p}
    return flat


@cache
def _parameters(function: Function) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "problems"}


def _definition(parameter: inspect.Parameter) -> Any:
    return parameter.annotation.__metadata__[0]


def _as_typer(parameter: inspect.Parameter) -> inspect.Parameter:
    made = _definition(parameter).typer(parameter.name, parameter.default)
    return parameter.replace(annotation=Annotated[parameter.annotation.__origin__, made])
