"""The bash half: what fills template.bash."""

from imagectl.completion.commands import Commands, Value
from imagectl.completion.words import case, listed, passed, wrapped


def fill(tree: Commands) -> dict[str, str]:
    options = (
        f"  case $command in {case(commands)})"
        f" options+=({wrapped((name for o in group for name in o.names), '    ')}) ;; esac"
        for commands, group in tree.groups.items()
    )
    arguments = (
        f"    {command}) argument='{value.kind}'"
        + (f" argument_choices=({listed(value.words)})" if value.words else "")
        + (" repeated=1" if command in tree.repeated else "")
        + " ;;"
        for command, value in tree.arguments.items()
    )
    merged: dict[str, list[str]] = {}
    for value, names in tree.valued.items():
        merged.setdefault(_bash_value(value), []).extend(names)
    values = (f"    {case(names)}) {what} ;;" for what, names in merged.items())
    return {
        "OPTIONS": "\n".join(options),
        "ARGUMENTS": "\n".join(arguments),
        "VALUES": "\n".join(values),
        "COMMANDS": listed(tree.summaries),
        **passed(tree),
    }


def _bash_value(value: Value) -> str:
    return f"choices=({wrapped(value.words, '      ')})" if value.words else f"kind={value.kind}"
