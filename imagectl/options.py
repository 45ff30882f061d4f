"""The options: each defined once, with its help, and how the text of each is read.

A group of options becomes one value (`Connection`, `Presentation`, `Wanted`), and a command that has a
parameter of that type has its options. Whoever reads a flag appends what is wrong with it to `problems`.
"""

import errno
import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NamedTuple, TextIO, get_args

from imagectl.aws.connection import Connection
from imagectl.errors import Problem
from imagectl.image import DELETABLE, STATUSES, ImageArn, is_region
from imagectl.render import Color, Output, Presentation
from imagectl.text import WHOLE, quote
from imagectl.tree import Argument, Kind, Option

if TYPE_CHECKING:
    from imagectl.fleet.manifest import Manifest

# The kinds of values.
TEXT, ARN, URL, JMESPATH = Kind("TEXT"), Kind("ARN"), Kind("URL"), Kind("JMESPATH")
DURATION, TIME, COUNT, PART = Kind("DURATION"), Kind("TIME"), Kind("N"), Kind("K/N")
FILE, PROFILE, REGION = Kind("FILE", "files"), Kind("PROFILE", "profiles"), Kind("REGION", "regions")
IMAGE, PROGRAM = Kind("IMAGE", "images"), Kind("-- COMMAND ...", "command")


def choice(*words: str, name: str = "") -> Kind:
    return Kind(name or "|".join(words), "words", words)


def typed(words: Sequence[str]) -> tuple[str, ...]:
    """The API's words as they are typed, the inverse of `choice_of`."""
    return tuple(word.lower().replace("_", "-") for word in words)


TIMES = "2026-11-26T08:00:00Z, 2026-11-26, or ago: 30d, 12h"
TIMEOUT, EXAMPLES = "10m", "90, 90s, 10m, 1h"

CHANGES, CONNECTION, OUTPUT = "Changes", "Connection", "Output"


class Wanted(dict[str, str | None]):
    """The changes asked for: an `ImageUpdate`'s `wanted`."""


def _wanted(
    *,
    description: Annotated[
        str | None, Option("The new description.", TEXT, without="left alone", group=CHANGES)
    ] = None,
    description_file: Annotated[
        str | None,
        Option(
            "A file that holds the new description; - is standard input.", FILE, without="none", group=CHANGES
        ),
    ] = None,
    display_name: Annotated[
        str | None, Option("The new display name.", TEXT, without="left alone", group=CHANGES)
    ] = None,
    role_arn: Annotated[
        str | None, Option("The new IAM role.", ARN, without="left alone", group=CHANGES)
    ] = None,
    delete_property: Annotated[
        list[str] | None,
        Option(
            "Delete Description or DisplayName; repeatable.",
            choice(*DELETABLE, name="PROPERTY"),
            without="none",
            group=CHANGES,
        ),
    ] = None,
    problems: list[Problem],
) -> Wanted:
    for flag, value in {"--description": description, "--display-name": display_name}.items():
        if value is not None and value.startswith(("file://", "fileb://")):  # as `aws` reads a file
            path = shlex.quote(value.partition("://")[2])
            said = "takes the text itself; a description is read from a file with"
            problems.append(Problem(flag, f"{said} --description-file {path}"))
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


_UNSAID = Connection()  # whose defaults are those of the options


class Manner(NamedTuple):
    """How changes are carried out. `timeout` in seconds."""

    dry_run: bool
    detailed_exitcode: bool
    wait: bool
    timeout: float


def _manner(
    *,
    dry_run: Annotated[bool, Option("Show what would change, as a diff; change nothing.")] = False,
    detailed_exitcode: Annotated[bool, Option("With --dry-run: exit 10 if something would change.")] = False,
    wait: Annotated[bool, Option("Return when all is as asked for.")] = False,
    timeout: Annotated[
        str | None, Option(f"How long --wait waits: {EXAMPLES}.", DURATION, without=TIMEOUT)
    ] = None,
    problems: list[Problem],
) -> Manner:
    if detailed_exitcode and not dry_run:
        problems.append(Problem("--detailed-exitcode", "needs --dry-run"))
    before = len(problems)
    seconds = seconds_of("--timeout", TIMEOUT if timeout is None else timeout, problems)
    if timeout is not None and not (wait or dry_run) and len(problems) == before:
        problems.append(Problem("--timeout", "needs --wait"))
    return Manner(dry_run, detailed_exitcode, wait, seconds)


_profile = Option(
    "The profile of the AWS configuration.", PROFILE, without="AWS_PROFILE, then 'default'", group=CONNECTION
)
_region = Option(
    "The AWS region.",
    REGION,
    without="the ARN's, AWS_REGION, AWS_DEFAULT_REGION, the profile's",
    group=CONNECTION,
)
_EndpointUrl = Annotated[
    str | None,
    Option(
        "Where SageMaker is called.",
        URL,
        without="AWS_ENDPOINT_URL_SAGEMAKER, AWS_ENDPOINT_URL, the profile's, the region's",
        group=CONNECTION,
    ),
]
_CaBundle = Annotated[
    str | None,
    Option(
        "Certificates of a private CA, as PEM.",
        FILE,
        without="AWS_CA_BUNDLE, the profile's",
        group=CONNECTION,
    ),
]
_ConnectTimeout = Annotated[
    str, Option("How long to wait for a connection, up to the end of TLS.", DURATION, group=CONNECTION)
]
_ReadTimeout = Annotated[
    str,
    Option(
        "How long to wait for a reply, and for each part of it; the whole may take twice that.",
        DURATION,
        group=CONNECTION,
    ),
]
_MaxAttempts = Annotated[
    str | None,
    Option(
        "How often a call is tried in all.",
        COUNT,
        without="AWS_MAX_ATTEMPTS, the profile's, 3",
        group=CONNECTION,
    ),
]
_AllowHttp = Annotated[bool, Option("Allow a plain http:// endpoint that is not loopback.", group=CONNECTION)]


def _connection(
    *,
    profile: Annotated[str | None, _profile] = None,
    region: Annotated[str | None, _region] = None,
    endpoint_url: _EndpointUrl = None,
    ca_bundle: _CaBundle = None,
    connect_timeout: _ConnectTimeout = f"{_UNSAID.connect_timeout:g}s",
    read_timeout: _ReadTimeout = f"{_UNSAID.read_timeout:g}s",
    max_attempts: _MaxAttempts = None,
    allow_http: _AllowHttp = False,
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


class Connections(tuple[Connection, ...]):
    """Where to look: each region by each profile, in the order in which they were given."""

    __slots__ = ()


def _connections(
    *,
    profile: Annotated[list[str] | None, _profile] = None,
    region: Annotated[list[str] | None, _region] = None,
    endpoint_url: _EndpointUrl = None,
    ca_bundle: _CaBundle = None,
    connect_timeout: _ConnectTimeout = f"{_UNSAID.connect_timeout:g}s",
    read_timeout: _ReadTimeout = f"{_UNSAID.read_timeout:g}s",
    max_attempts: _MaxAttempts = None,
    allow_http: _AllowHttp = False,
    problems: list[Problem],
) -> Connections:
    found: list[Problem] = []
    connections = Connections(
        _connection(
            profile=one_profile,
            region=one_region,
            endpoint_url=endpoint_url,
            ca_bundle=ca_bundle,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_attempts=max_attempts,
            allow_http=allow_http,
            problems=found,
        )
        for one_profile in dict.fromkeys(profile or (None,))
        for one_region in dict.fromkeys(region or (None,))
    )
    problems += dict.fromkeys(found)  # what all share is wrong once
    return connections


def _presentation(
    *,
    output: Annotated[
        Output | None,
        Option(
            "The format of the result.",
            choice(*get_args(Output)),
            ("-o", "--output"),
            without="text; json with --query",
            group=OUTPUT,
        ),
    ] = None,
    query: Annotated[
        str | None,
        Option(
            "Select from the result, as JSON; with -o text as bare values.",
            JMESPATH,
            without="all of it",
            group=OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool, Option("Nothing on stderr but errors.", names=("-q", "--quiet"), group=OUTPUT)
    ] = False,
    color: Annotated[
        Color,
        Option(
            "Whether there is colour; auto: by NO_COLOR, FORCE_COLOR, TERM and the stream.",
            choice(*get_args(Color)),
            group=OUTPUT,
        ),
    ] = "auto",
    debug: Annotated[
        bool, Option("Show requests and replies on stderr, credentials left out.", group=OUTPUT)
    ] = False,
    problems: list[Problem],
) -> Presentation:
    presentation = Presentation(output=output, query=query, quiet=quiet, color=color, debug=debug)
    problems += presentation.problems()
    return presentation


GROUPS: dict[Any, Callable[..., Any]] = {
    Wanted: _wanted,
    Manner: _manner,
    Connection: _connection,
    Connections: _connections,
    Presentation: _presentation,
}

ImageArgument = Annotated[str, Argument("An image's name or ARN.", IMAGE)]

SORT_KEYS = ("CREATION_TIME", "LAST_MODIFIED_TIME", "IMAGE_NAME")
SORT_ORDERS = ("ASCENDING", "DESCENDING")


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
        problems.append(
            Problem("--description-file", f"can't be read: {quote(path, WHOLE)} ({exc.strerror})")
        )
    except UnicodeDecodeError as exc:
        problems.append(
            Problem("--description-file", f"is not UTF-8 at byte {exc.start}: {quote(path, WHOLE)}")
        )
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
        problems.append(Problem("FILE", f"can't be read: {quote(path, WHOLE)} ({exc.strerror})"))
    else:
        if len(data) <= most:
            found = manifest.parse(b"[]" if nothing else data, problems, region=connection.region)
            return replace(found, sha256=sha256(data).hexdigest())
        problems.append(Problem("FILE", f"is larger than {most >> 20} MiB: {quote(path, WHOLE)}"))
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


# Stricter than Python's ISO 8601, which also takes weeks, and numbers without dashes.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)


def time_of(flag: str, text: str | None, problems: list[Problem], now: datetime) -> datetime | None:
    """A TIME: RFC 3339, a date (its first moment), or an age before `now`. Where no zone is said, UTC."""
    if text is None:
        return None
    age = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    try:
        if age:
            seconds = int(age[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[age[2]]
            return now - timedelta(seconds=seconds)
        if _TIME.fullmatch(text):
            time = datetime.fromisoformat(text.upper())
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # such a day there is not
        pass
    problems.append(Problem(flag, f"must be a time like {TIMES}: {quote(text)}"))
    return None


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
        spelled = choices if choices is STATUSES else typed(choices)
        problems.append(Problem(flag, f"must be one of {', '.join(spelled)}: {quote(text)}"))
    return word
