"""The zsh half: what fills template.zsh."""

import re
import shlex

from imagectl.completion.commands import Commands, Option, Value
from imagectl.completion.words import case, passed


def fill(tree: Commands) -> dict[str, str]:
    options = (
        "\n".join((f"  case $command in ({case(commands)}) specs+=(", *map(_zsh_spec, group), "  ) ;; esac"))
        for commands, group in tree.groups.items()
    )
    # The command itself is the root's argument.
    arguments = [
        "    ('') specs+=(':command:_imagectl_commands') ;;",
        *(
            f"    ({command}) argument={value.kind}"
            + (f" specs+=({shlex.quote(_zsh_argument(tree, command))})" if value.kind != "command" else "")
            + " ;;"
            for command, value in tree.arguments.items()
        ),
    ]
    commands = (shlex.quote(f"{name}:{_zsh_text(summary)}") for name, summary in tree.summaries.items())
    return {
        "OPTIONS": "\n".join(options),
        "ARGUMENTS": "\n".join(arguments),
        "COMMANDS": "\n".join(f"    {command}" for command in commands),
        "VALUED": case(name for names in tree.valued.values() for name in names),
        **passed(tree),
    }


def _zsh_argument(tree: Commands, command: str) -> str:
    return f"{'*' if command in tree.repeated else ''}:{_zsh_value(tree.arguments[command])}"


def _zsh_spec(option: Option) -> str:
    lines = []
    for name in option.names:
        others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
        more = "*" if option.repeatable else others
        glue = "" if option.value is None else "=" if name.startswith("--") else "+"
        text = f"[{_zsh_text(option.help)}]"
        value = f":{_zsh_value(option.value)}" if option.value else ""
        lines.append(f"    {shlex.quote(f'{more}{name}{glue}{text}{value}')}")
    return "\n".join(lines)


def _zsh_value(value: Value) -> str:
    action = {
        "words": f"({' '.join(value.words)})",
        "files": "_files",
        "profiles": "_imagectl_profiles",
        "images": "_imagectl_images",
        "command": " ",
        "any": " ",
    }[value.kind]
    return f"{_zsh_text(value.name)}:{action}"


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)
