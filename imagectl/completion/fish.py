"""The fish half: what fills template.fish."""

from imagectl.completion.commands import Commands, Option, Value
from imagectl.completion.words import listed


def fill(tree: Commands) -> dict[str, str]:
    lines = [
        f"complete -c imagectl -n '__imagectl_in \"\"' -a {name} -d {_fish_text(summary)}"
        for name, summary in tree.summaries.items()
    ]
    for command, value in tree.arguments.items():
        where = f"{command} --" if value.kind == "command" else command
        words = _fish_words(value)
        offer = "-F" if value.kind == "files" else f"-a {_fish_text(words)}" if words else "-f"
        whether = "__imagectl_in" if command in tree.repeated else "__imagectl_first_of"
        lines.append(f"complete -c imagectl -n '{whether} {where}' {offer}")
    for commands, group in tree.groups.items():
        where = " ".join(command or '""' for command in commands)
        lines += [f"complete -c imagectl -n '__imagectl_in {where}' {_fish_option(o)}" for o in group]
    return {
        "COMPLETE": "\n".join(lines),
        "VALUED": listed(name for names in tree.valued.values() for name in names),
        "WRAPPING": listed(command for command, value in tree.arguments.items() if value.kind == "command"),
        "PASSED_VALUED": listed(tree.passed_valued),
        "PASSED_FLAGS": listed(tree.passed_flags),
    }


def _fish_option(option: Option) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.value is not None:
        words = _fish_words(option.value)
        parts.append("-r -F" if option.value.kind == "files" else "-x")
        parts += [f"-a {_fish_text(words)}"] if words else []
    return " ".join([*parts, f"-d {_fish_text(option.help)}"])


def _fish_words(value: Value) -> str:
    own = {
        "profiles": "(__imagectl_profiles)",
        "images": "(__imagectl_images)",
        "command": "(__imagectl_wrapped)",
    }
    return own.get(value.kind) or " ".join(value.words)


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
