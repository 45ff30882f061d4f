"""The options: each defined once, with its help, and how the text of each is read.

A group of options becomes one value (`Connection`, `Presentation`, `Wanted`), and a command that has a
parameter of that type has its options. Whoever reads a flag appends what is wrong with it to `problems`.
"""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TextIO

import typer

from imagectl.aws.connection import Connection
from imagectl.errors import Problem
from imagectl.image import DELETABLE, STATUSES, ImageArn, is_region
from imagectl.render import Color, Output, Presentation
from imagectl.text import quote

if TYPE_CHECKING:
    from imagectl.fleet.manifest import Manifest

_CHANGES, _CONNECTION, _OUTPUT = "Changes", "Connection", "Output"


class Wanted(dict[str, str | None]):
    """The changes asked for: an `ImageUpdate`'s `wanted`."""


def _wanted(
    *,
    description: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The new description. Default: left alone.", rich_help_panel=_CHANGES
        ),
    ] = None,
    description_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file that holds the new description; - is standard input. Default: none.",
            rich_help_panel=_CHANGES,
        ),
    ] = None,
    display_name: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The new display name. Default: left alone.", rich_help_panel=_CHANGES
        ),
    ] = None,
    role_arn: Annotated[
        str | None,
        typer.Option(metavar="ARN", help="The new IAM role. Default: left alone.", rich_help_panel=_CHANGES),
    ] = None,
    delete_property: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROPERTY",
            help="Delete Description or DisplayName; repeatable. Default: none.",
            rich_help_panel=_CHANGES,
        ),
    ] = None,
    problems: list[Problem],
) -> Wanted:
    if description_file is not None and description is not None:
        problems.append(Problem("--description-file", "can't be given beside --description"))
    elif description_file is not None:
        description = _read_description(description_file, problems)
    values = {"Description": description, "DisplayName": display_name, "RoleArn": role_arn}
    wanted = Wanted({key: value for key, value in values.items() if value is not None})
    for given in delete_property or []:
        name = _DELETABLE.get(given)
        if name is None:
            choices = " or ".join(DELETABLE)
            problems.append(Problem("--delete-property", f"can delete {choices}, not {quote(given)}"))
        elif name in wanted:
            what = "deleted twice" if wanted[name] is None else "both set and deleted"
            problems.append(Problem("--delete-property", f"{name} is {what}"))
        else:
            wanted[name] = None
    return wanted


_DELETABLE = {name: name for name in DELETABLE} | {
    "description": "Description",
    "display-name": "DisplayName",
}


def _connection(
    *,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            help="The profile of the AWS configuration. Default: AWS_PROFILE, then 'default'.",
            rich_help_panel=_CONNECTION,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="Default: the ARN's, AWS_REGION, AWS_DEFAULT_REGION, the profile's.",
            rich_help_panel=_CONNECTION,
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Default: AWS_ENDPOINT_URL_SAGEMAKER, AWS_ENDPOINT_URL, the profile's, the region's.",
            rich_help_panel=_CONNECTION,
        ),
    ] = None,
    ca_bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Certificates of a private CA, as PEM. Default: AWS_CA_BUNDLE, the profile's.",
            rich_help_panel=_CONNECTION,
        ),
    ] = None,
    connect_timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long to wait for a connection. Default: 5s.",
            rich_help_panel=_CONNECTION,
            show_default=False,
        ),
    ] = "5s",
    read_timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long to wait for a reply. Default: 30s.",
            rich_help_panel=_CONNECTION,
            show_default=False,
        ),
    ] = "30s",
    max_attempts: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="How often a call is tried in all. Default: AWS_MAX_ATTEMPTS, the profile's, 3.",
            rich_help_panel=_CONNECTION,
        ),
    ] = None,
    allow_http: Annotated[
        bool,
        typer.Option(
            "--allow-http",
            help="Allow a plain http:// endpoint that is not loopback. Default: refused.",
            rich_help_panel=_CONNECTION,
        ),
    ] = False,
    problems: list[Problem],
) -> Connection:
    connection = Connection(
        profile=profile,
        region=region,
        endpoint_url=endpoint_url,
        ca_bundle=ca_bundle,
        connect_timeout=seconds_of("--connect-timeout", connect_timeout, problems, least=0.001),
        read_timeout=seconds_of("--read-timeout", read_timeout, problems, least=0.001),
        max_attempts=count_of("--max-attempts", max_attempts, problems),
        allow_http=allow_http,
    )
    problems += connection.problems()
    return connection


def _presentation(
    *,
    output: Annotated[
        Output | None,
        typer.Option(
            "-o",
            "--output",
            metavar="text|json|yaml|name",
            help="The format of the result. Default: text.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="JMESPATH",
            help="Select from the result, as JSON; with -o text as bare values. Default: all of it.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q", "--quiet", help="Nothing on stderr but errors. Default: off.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    color: Annotated[
        Color,
        typer.Option(
            metavar="auto|always|never",
            help="Default: auto, by NO_COLOR, FORCE_COLOR, TERM and the stream.",
            rich_help_panel=_OUTPUT,
            show_default=False,
        ),
    ] = "auto",
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show requests and replies on stderr, credentials left out. Default: off.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    problems: list[Problem],
) -> Presentation:
    presentation = Presentation(output=output, query=query, quiet=quiet, color=color, debug=debug)
    problems += presentation.problems()
    return presentation


GROUPS: dict[Any, Callable[..., Any]] = {
    Wanted: _wanted,
    Connection: _connection,
    Presentation: _presentation,
}

DetailedExitcode = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="With --dry-run: exit 10 if something would change. Default: off."
    ),
]
Timeout = Annotated[
    str,
    typer.Option(
        metavar="DURATION", help="How long --wait waits: 90, 90s, 10m, 1h. Default: 10m.", show_default=False
    ),
]
ImageArgument = Annotated[
    str, typer.Argument(metavar="IMAGE", help="An image's name or ARN.", show_default=False)
]


SORT_KEYS = ("CREATION_TIME", "LAST_MODIFIED_TIME", "IMAGE_NAME")
SORT_ORDERS = ("ASCENDING", "DESCENDING")


def _typed(words: Sequence[str]) -> list[str]:
    """The API's words as they are typed, the inverse of `choice_of`."""
    return [word.lower().replace("_", "-") for word in words]


# The choices behind a metavar, for completion.
WORDS = {
    "PROPERTY": DELETABLE,
    "STATUS": STATUSES,
    "KEY": _typed(SORT_KEYS),
    "ORDER": _typed(SORT_ORDERS),
}


# How flags are read.


def target(image: str, connection: Connection, problems: list[Problem]) -> tuple[str, ImageArn | None]:
    """IMAGE as a name, and as an ARN where it was one."""
    if not image.startswith("arn:"):
        return image, None
    arn = ImageArn.parse(image)
    if arn is None:
        problems.append(Problem("IMAGE", f"is no image's ARN: {quote(image)}"))
        return "unknown", None
    if not is_region(arn.region):
        problems.append(Problem("IMAGE", f"is of no region: {quote(image)}"))
    elif connection.region and connection.region != arn.region:
        problems.append(Problem("--region", f"is {connection.region}, but the ARN is of {arn.region}"))
    return arn.name, arn


def _read_description(path: str, problems: list[Problem]) -> str | None:
    """The text of a description file, one final line ending dropped."""
    most = 1 << 20  # bytes: far above any description, far below what would hurt
    try:
        if path == "-":
            data = _stdin().read(most)
        else:
            with open(path, "rb") as file:  # noqa: PTH123 - as typed, no Path needed
                data = file.read(most)
        text = data.decode("utf-8-sig")
    except OSError as exc:
        problems.append(Problem("--description-file", f"can't be read: {quote(path)} ({exc.strerror})"))
    except UnicodeDecodeError as exc:
        problems.append(Problem("--description-file", f"is not UTF-8 at byte {exc.start}: {quote(path)}"))
    else:
        return re.sub(r"(?:\r\n|\n|\r)\Z", "", text)
    return None


def _stdin() -> BinaryIO:
    """Standard input's bytes. Raises OSError where the caller closed it (`<&-`)."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer


def read_manifest(path: str, connection: Connection, problems: list[Problem]) -> "Manifest":
    """What a manifest declares; what is wrong with it is told beside what is wrong with the flags."""
    from dataclasses import replace  # these are only apply's
    from hashlib import sha256

    from imagectl.fleet import manifest

    most = 1 << 26  # bytes: some 200,000 images; what is larger is no manifest
    try:
        with nullcontext(_stdin()) if path == "-" else open(path, "rb") as file:  # noqa: PTH123 - as typed
            data = file.read(most + 1)
            # The rollback file of a run that sent nothing is empty. From a pipe, nothing means that what
            # was to write the manifest failed.
            nothing = not data and path != "-" and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError as exc:
        problems.append(Problem("FILE", f"can't be read: {quote(path)} ({exc.strerror})"))
    else:
        if len(data) <= most:
            found = manifest.parse(b"[]" if nothing else data, problems, region=connection.region)
            return replace(found, sha256=sha256(data).hexdigest())
        problems.append(Problem("FILE", f"is larger than {most >> 20} MiB: {quote(path)}"))
    return manifest.Manifest()


def terminal_of(*, of_stdin: bool) -> TextIO | None:
    """Where a question can be answered: standard input, or beside a manifest in it the terminal itself."""
    if not sys.stderr.isatty():
        return None
    if of_stdin:
        return sys.stdin if sys.stdin and sys.stdin.isatty() else None
    try:
        return open("/dev/tty", encoding="utf-8", errors="replace")  # noqa: PTH123 - until the end
    except OSError:
        return None


def shard_of(text: str | None, problems: list[Problem]) -> tuple[int, int]:
    match = re.fullmatch(r"0*([1-9][0-9]{0,5})/0*([1-9][0-9]{0,5})", "1/1" if text is None else text)
    if match and int(match[1]) <= int(match[2]):
        return int(match[1]), int(match[2])
    problems.append(Problem("--shard", f"must be K/N, K from 1 to N: {quote(text)}"))
    return 1, 1


_LONGEST = 30 * 86400.0  # seconds: longer ones overflow in the C library


def seconds_of(flag: str, text: str, problems: list[Problem], *, least: float = 0) -> float:
    """A DURATION in seconds: a number, with s, m or h behind it. Thirty days at most."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)", text)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else -1
    if not least <= seconds <= _LONGEST:
        problems.append(Problem(flag, f"must be a duration like 90, 90s, 10m or 1h: {quote(text)}"))
    return seconds


def count_of(flag: str, text: str | None, problems: list[Problem], *, most: int = 10**9) -> int | None:
    """A whole number from 1 to `most`, None where nothing was given."""
    if text is None or (re.fullmatch(r"[0-9]{1,10}", text) and 1 <= int(text) <= most):
        return int(text) if text else None
    problems.append(Problem(flag, f"must be a whole number from 1 to {most}: {quote(text)}"))
    return None


def choice_of(flag: str, text: str, choices: Sequence[str], problems: list[Problem]) -> str:
    """One of the API's words, also in the command line's spelling: `image-name` for IMAGE_NAME."""
    word = text.upper().replace("-", "_")
    if word not in choices:
        spelled = choices if choices is STATUSES else _typed(choices)
        problems.append(Problem(flag, f"must be one of {', '.join(spelled)}: {quote(text)}"))
    return word
