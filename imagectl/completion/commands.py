"""The command tree as the scripts need it. Knows no command by name."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import typer

from imagectl.tree import Kind

IMAGES = "__images"  # the hidden command that a script starts

# Where SageMaker is, by botocore's endpoints.json; a test tells which are missing.
REGIONS = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1"),
    *("cn-northwest-1", "eu-central-1", "eu-central-2", "eu-isoe-west-1", "eu-north-1", "eu-south-1"),
    *("eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1"),
    *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2"),
    *("us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "us-isof-east-1"),
    *("us-isof-south-1", "us-west-1", "us-west-2"),
)


class Value(NamedTuple):
    """What stands behind an option, or as an argument."""

    kind: Literal["words", "files", "profiles", "images", "command", "any"]
    name: str
    words: tuple[str, ...] = ()


class Option(NamedTuple):
    names: tuple[str, ...]
    help: str
    value: Value | None  # None for a flag
    repeatable: bool


class Commands:
    """The command tree as the scripts need it. The root's own options are those of the command ''."""

    def __init__(self, root: Any) -> None:
        context = typer.Context(root, info_name="imagectl")
        named = {name: root.get_command(context, name) for name in root.list_commands(context)}
        named = {name: command for name, command in named.items() if not command.hidden}
        self.summaries = {name: (c.help or "").strip().split("\n", 1)[0] for name, c in named.items()}
        self.arguments: dict[str, Value] = {}
        self.repeated: set[str] = set()  # the commands whose argument can be given again and again
        owners: dict[Option, list[str]] = {}
        for name, command in {"": root, **named}.items():
            for param in command.get_params(typer.Context(command, **command.context_settings)):
                if param.param_type_name == "argument":
                    self.arguments[name] = _value(command.definitions[param.name].kind)
                    if param.nargs == -1 and self.arguments[name].kind != "command":
                        self.repeated.add(name)
                elif not param.hidden:
                    owners.setdefault(_option(param, command.definitions), []).append(name)
        # Options that the same commands have, as one group: the scripts say each once.
        self.groups: dict[tuple[str, ...], list[Option]] = {}
        for option, commands in owners.items():
            self.groups.setdefault(tuple(commands), []).append(option)
        self.valued: dict[Value, list[str]] = {}
        for option in owners:
            if option.value:
                names = self.valued.setdefault(option.value, [])
                names += [name for name in option.names if name not in names]
        flags = {name for option in owners if not option.value for name in option.names}
        known = [*flags, *(name for names in self.valued.values() for name in names)]
        if len(known) != len(set(known)):
            raise ValueError("an option takes the same value in all commands, or none in all")
        hidden = root.get_command(context, IMAGES)
        passed = {name for param in hidden.params if param.param_type_name == "option" for name in param.opts}
        self.passed_valued = sorted(passed.intersection(known) - flags)
        self.passed_flags = sorted(passed & flags)


def _option(param: Any, definitions: Mapping[str, Any]) -> Option:
    # "Default: ..." is for the help page, if there is anything else to say.
    text = (param.help or "").partition(" Default: ")[0].removesuffix(".")
    value = None if param.is_flag else _value(definitions[param.name].kind)
    # By length, as Typer's own --help has its names in no order.
    names = sorted((*param.opts, *param.secondary_opts), key=len)
    return Option(tuple(names), text, value, param.multiple)


def _value(kind: Kind) -> Value:
    if kind.offers == "regions":
        return Value("words", kind.name, REGIONS)
    return Value(kind.offers, kind.name, kind.words)
