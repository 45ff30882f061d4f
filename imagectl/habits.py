"""What people who come from `aws` and `kubectl` type, and what to type here.

One table and how it is read. It is imported where a line turned out to be wrong.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Sequence

_TAGS = 'aws sagemaker add-tags --resource-arn "$(imagectl show {image} --query ImageArn -o text)" --tags '

# What is typed there: what to type here, with a reason above it where it isn't plain. {image} is the image
# that was typed, {value} and {values} what stands behind the word, {path} the same without file://, {rest}
# the rest of the line.
HABITS = {
    # Commands.
    "describe": "imagectl show {image} {rest}",
    "describe-image": "imagectl show {image} {rest}",
    "get": "imagectl show {image} {rest}",
    "list-images": "imagectl list {rest}",
    "ls": "imagectl list {rest}",
    "update-image": "imagectl update {image} {rest}",
    "edit": "imagectl update {image} --description TEXT",
    "set": "imagectl update {image} --description TEXT",
    "patch": "imagectl update {image} --description TEXT",
    "diff": "imagectl apply FILE --dry-run",
    "plan": "imagectl apply FILE --dry-run",
    "version": "imagectl --version",
    "configure": "settings are AWS's:\naws configure",
    "login": "credentials are AWS's:\naws login",
    "create": "imagectl changes images that are there:\naws sagemaker create-image help",
    "create-image": "imagectl changes images that are there:\naws sagemaker create-image {rest}",
    "delete": "imagectl deletes no image:\naws sagemaker delete-image --image-name {image}",
    "delete-image": "imagectl deletes no image:\naws sagemaker delete-image --image-name {image}",
    "add-tags": "tags are another API's:\n" + _TAGS + "Key=KEY,Value=VALUE",
    # Options of `aws sagemaker`.
    "--image-name": "the image is an argument:\nimagectl {command} {value} {rest}",
    "--image-arn": "the image is an argument:\nimagectl {command} {value} {rest}",
    "--delete-properties": "each property is an option:\nimagectl {command} {rest} {deletions}",
    "--tags": "tags are another API's:\n" + _TAGS + "{values}",
    "--cli-input-json": "what its skeleton makes is a manifest:\nimagectl apply {path}",
    "--cli-input-yaml": "what its skeleton makes is a manifest:\nimagectl apply {path}",
    "--generate-cli-skeleton": "what changes many images is a manifest:\nimagectl help manifest",
    "--creation-time-after": "imagectl {command} {rest} --created-after {value}",
    "--creation-time-before": "imagectl {command} {rest} --created-before {value}",
    "--last-modified-time-after": "imagectl {command} {rest} --modified-after {value}",
    "--last-modified-time-before": "imagectl {command} {rest} --modified-before {value}",
    "--max-items": "imagectl {command} {rest} --limit {value}",
    "--max-results": "imagectl {command} {rest} --limit {value}",
    "--page-size": "all pages are read:\nimagectl {command} {rest}",
    "--starting-token": "all pages are read:\nimagectl {command} {rest}",
    "--next-token": "all pages are read:\nimagectl {command} {rest}",
    "--no-paginate": "all pages are read, unless there is a limit:\nimagectl list --limit 100",
    "--cli-read-timeout": "imagectl {command} {rest} --read-timeout {value}",
    "--cli-connect-timeout": "imagectl {command} {rest} --connect-timeout {value}",
    "--cli-error-format": "errors are JSON where the result is:\nimagectl {command} {rest} -o json",
    "--v2-debug": "imagectl {command} {rest} --debug",
    "--no-verify-ssl": "certificates are checked, by:\nimagectl {command} {rest} --ca-bundle FILE",
    "--no-sign-request": "every request is signed; without an account there is:\nimagectl sandbox",
    "--no-cli-pager": "there is no pager:\nimagectl {command} {rest}",
    "--cli-auto-prompt": "TAB completes:\nimagectl completion SHELL",
    "--no-cli-auto-prompt": "nothing prompts:\nimagectl {command} {rest}",
    "--cli-binary-format": "nothing is binary:\nimagectl {command} {rest}",
    "--version": "imagectl --version",
    # Options of `kubectl`.
    "-f": "the manifest is an argument:\nimagectl apply {path} {rest}",
    "--filename": "the manifest is an argument:\nimagectl apply {path} {rest}",
    "-w": "imagectl wait {image}",
    "--watch": "imagectl wait {image}",
}
_VALUED = ("{value}", "{values}", "{path}", "{deletions}")
_WAITERS = {"image-updated", "image-created"}
_PASSED_OVER = {"--page-size", "--starting-token", "--next-token", "--cli-binary-format"}  # and their value


def advice(argv: Sequence[str], commands: Collection[str], known: Collection[str]) -> str | None:
    """What to type instead of `argv`, as a hint: a reason, and the command on a line of its own.

    `known` are the options of its command. None where nothing in it is a known habit.
    """
    argv = list(argv[1:] if argv[:1] == ["sagemaker"] else argv)
    early = next((number for number, word in enumerate(argv) if word in commands), 0)
    if early and argv[0].startswith("-"):
        return _hint(f"options come after the command:\nimagectl {_joined([*argv[early:], *argv[:early]])}")
    if argv[:1] and argv[0] in HABITS and argv[0] not in commands:
        return _told(argv[0], argv[1:], [], "COMMAND", argv[1:])
    words = argv[: argv.index("--")] if "--" in argv else argv
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name.startswith("-") and name in HABITS and name not in known:
            after = [value] if equals else list(_values(words[number + 1 :]))
            valued = name in _PASSED_OVER or any(field in HABITS[name] for field in _VALUED)
            end = number + 1 + (len(after) if valued and not equals else 0)
            rest = [*argv[1:number], *argv[end:]]
            return _told(name, argv[1:], after, argv[0] if argv[0] in commands else "COMMAND", rest)
    return None


def _told(typed: str, words: list[str], values: list[str], command: str, rest: list[str]) -> str:
    image = "IMAGE"
    if words[:1] and not words[0].startswith("-"):
        image = words[0]
        if "{image}" in HABITS[typed]:
            rest = rest[1:] if rest[:1] == [image] else rest
    if "--image-name" in words[:-1]:
        at = words.index("--image-name")
        image = words[at + 1]
        rest = [*rest[:at], *rest[at + 2 :]] if rest == words else rest
    rest = [word for word in rest if word not in _WAITERS]
    fields = {
        "image": _joined([image]),
        "command": command,
        "value": _joined(values[:1] or ["VALUE"]),
        "values": _joined(values or ["VALUE"]),
        "path": _joined([values[0].partition("://")[2] or values[0]] if values else ["FILE"]),
        "deletions": _joined(f"--delete-property={value}" for value in values or ["PROPERTY"]),
        "rest": _joined(rest),
    }
    return _hint(HABITS[typed].format(**fields))


def _hint(text: str) -> str:
    reason, _, command = text.rpartition("\n")
    return f"{reason or 'here that is:'}\n{command.replace('  ', ' ').rstrip()}"


def _values(words: Sequence[str]) -> Iterable[str]:
    for word in words:
        if word.startswith("-"):
            return
        yield word


def _joined(words: Iterable[str]) -> str:
    """As they are typed in a shell, but for what must not be shown: passwords in URLs, control characters."""
    return shlex.join("..." if re.search(r"://[^/]*@", w) or not w.isprintable() else w for w in words)
