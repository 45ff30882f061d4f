"""Typer, made to build only the command that is run, and help pages that read well in a pipe.

Owns how functions with groups of options become commands. Knows no command and no option itself.
"""

import inspect
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from imagectl.errors import Problem, usage
from imagectl.text import quote

Function = Callable[..., Any]
Details = Callable[[], tuple[str, Mapping[str, str]]]  # a heading and its rows

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
_LENIENT: dict[str, Any] = {
    "resilient_parsing": True,
    "ignore_unknown_options": True,
    "allow_extra_args": True,
}


def tree(
    root: Function,
    commands: Mapping[str, Function],
    *,
    hidden: Mapping[str, Function],
    groups: Mapping[Any, Function],
    runners: Collection[str],
    details: Mapping[str, Details],
) -> "Tree":
    """The command line of `commands` below `root`; `hidden` ones work, but are in no list.

    `groups` gives for the type of a parameter the function that makes it of options of its own. `runners` are
    the commands that run another command line: what follows its first word is not ours to read. `details`
    gives for a command what makes one more section of its help page.
    """
    app = typer.Typer(cls=Tree, add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS)
    app.callback()(root)
    tree: Tree = typer.main.get_command(app)  # type: ignore[assignment]
    tree.functions, tree.listed, tree.groups = {**commands, **hidden}, commands, groups
    tree.runners, tree.details, tree.built = runners, details, {}
    tree.commands = dict.fromkeys(commands, tree)  # for "did you mean": the names alone matter
    return tree


class _Page:
    """A help page: usage, what it does, examples, then the options by group."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        summary, _, rest = inspect.cleandoc(self.help or "").partition("\n\n")
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)))  # type: ignore[attr-defined]
        formatter.write_paragraph()
        formatter.write_text(summary)
        for paragraph in filter(None, rest.split("\n\n")):
            formatter.write_paragraph()
            heading, _, lines = paragraph.partition("\n")
            if heading == "Examples:":
                formatter.write(f"{heading}\n{lines}\n")
            else:
                formatter.write_text(paragraph.replace("\n", " "))
        self.format_options(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            record = param.get_help_record(ctx)
            if record is not None:
                group = "Arguments" if param.param_type_name == "argument" else "Options"
                sections.setdefault(param.rich_help_panel or group, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def get_help(self, ctx: Any) -> str:
        page: str = super().get_help(ctx)  # type: ignore[misc]
        if ctx.color:
            page = re.sub(r"^(\S[^\n]*?:)(?=\s)", "\x1b[1m\\1\x1b[0m", page, flags=re.MULTILINE)
            page = re.sub(r"(?<=\s)(--?[a-z][a-z-]*)", "\x1b[36m\\1\x1b[0m", page)
        return page


class _Word(str):
    """A word of the command line, whole. What stands behind a `=` or in a cluster like -ojson is no _Word."""

    __slots__ = ()


class _Command(_Page, TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        problems = [] if ctx.resilient_parsing else self._forgotten(args)
        if problems:
            raise usage(problems)
        return super().parse_args(ctx, args)

    def lenient(self, words: Sequence[str]) -> dict[str, Any]:
        """The values of a line that may be wrong: what can't be read is passed over."""
        return self.make_context(self.name, list(words), **_LENIENT).params

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

    def format_options(self, ctx: Any, formatter: Any) -> None:
        super().format_options(ctx, formatter)
        details = ctx.parent.command.details if ctx.parent else {}
        if self.name in details:
            heading, rows = details[self.name]()
            with formatter.section(heading):
                formatter.write_dl(list(rows.items()))


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

    functions: Mapping[str, Function]
    listed: Mapping[str, Function]
    groups: Mapping[Any, Function]
    runners: Collection[str]
    details: Mapping[str, Details]
    built: dict[str, _Command]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self.listed)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in self.functions:
            return None
        if cmd_name not in self.built:
            self.built[cmd_name] = self.build(cmd_name, self.functions[cmd_name])
        return self.built[cmd_name]

    def build(self, name: str, function: Function) -> _Command:
        """`function` as a command: also one that is in no list."""
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        settings = {**_SETTINGS, "allow_interspersed_args": name not in self.runners}
        one.command(name, cls=_Command, context_settings=settings)(_flat(function, self.groups))
        command: _Command = typer.main.get_command(one)  # type: ignore[assignment]
        return command

    def format_options(self, ctx: Any, formatter: Any) -> None:
        summaries = [(name, inspect.getdoc(f) or "") for name, f in self.listed.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(name, doc.split("\n", 1)[0]) for name, doc in summaries])
        super().format_options(ctx, formatter)


def _flat(function: Function, groups: Mapping[Any, Function]) -> Function:
    """`function` with each group's parameter replaced by the group's options, as Typer wants them.

    What is wrong with any of them is raised as one error, once the function has had its say.
    """
    own = _parameters(function)
    makers = {name: groups[p.annotation] for name, p in own.items() if p.annotation in groups}
    options = {name: _parameters(make) for name, make in makers.items()}
    flat = [p for name, p in own.items() if name not in makers]
    flat += [option for group in options.values() for option in group.values()]

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

    parsed.__doc__ = function.__doc__
    parsed.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return parsed


def _parameters(function: Function) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "problems"}
