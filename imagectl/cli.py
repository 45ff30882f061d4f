"""The command line: flags -> a request. One short function per command; nothing is called or printed here.

A command's function checks all that it was given, raises one `usage` error for all that is wrong, and
returns a `Request`. What carries it out is imported when it runs: a rejected input never pays for it.
Options that several commands share are defined once, in the groups below.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import imagectl
from imagectl.constraints import violations, wrong
from imagectl.errors import EXIT_CHANGES_PENDING, ImagectlError, Problem, usage
from imagectl.image import DELETABLE, STATUSES, ImageArn, ImageUpdate, Progress
from imagectl.render import Color, Face, Output, Presentation
from imagectl.sagemaker import Connection, SageMaker, connect
from imagectl.text import quote


class Request(NamedTuple):
    """What was asked for, checked: `run` carries it out and returns the exit code."""

    presentation: Presentation
    run: Callable[[Face, Progress], int]


# The door to the whole command line.


def parse(argv: Sequence[str], *, color: bool) -> Request | int:
    """The request in `argv`, or the exit code where the command line itself was the answer (--help).

    Raises ImagectlError (`usage`). `color` is for help pages.
    """
    try:
        parsed: Request | int | None = typer.main.get_command(app)(
            list(argv), prog_name="imagectl", standalone_mode=False, color=color
        )
    except typer.TyperException as exc:
        context = getattr(exc, "ctx", None)
        where = context.command_path if context else "imagectl"
        message = exc.format_message()
        raise ImagectlError(
            "usage",
            message,
            hint=f"see {where} --help",
            outcome="not-applied",
            problems=[Problem(getattr(exc, "option_name", ""), message)],
        ) from exc
    return parsed or 0


# Groups of options, each defined once. A command that has a parameter of a group's type has its options.

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
            metavar="NAME",
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
        connect_timeout=_seconds("--connect-timeout", connect_timeout, problems, least=0.001),
        read_timeout=_seconds("--read-timeout", read_timeout, problems, least=0.001),
        max_attempts=_count("--max-attempts", max_attempts, problems),
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
            metavar="text|json|name",
            help="The format of the result. Default: text.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="JMESPATH",
            help="Select from the JSON result. Default: all of it.",
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


_GROUPS: dict[Any, Callable[..., Any]] = {
    Wanted: _wanted,
    Connection: _connection,
    Presentation: _presentation,
}

Timeout = Annotated[
    str,
    typer.Option(
        metavar="DURATION", help="How long to wait: 90, 90s, 10m, 1h. Default: 10m.", show_default=False
    ),
]
ImageArgument = Annotated[
    str, typer.Argument(metavar="IMAGE", help="An image's name or ARN.", show_default=False)
]


# The commands.


def update(
    *,
    image: ImageArgument,
    wanted: Wanted,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would change, as a diff; change nothing. Default: off."),
    ] = False,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", help="With --dry-run: exit 10 if something would change. Default: off."
        ),
    ] = False,
    if_changed: Annotated[
        bool,
        typer.Option("--if-changed", help="Look first; send nothing if nothing would change. Default: off."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the image is as asked for. Default: off.")
    ] = False,
    timeout: Timeout = "10m",
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    """Change an image's description, display name or role, or delete properties.

    Examples:
      imagectl update my-image --description 'PyTorch 2.4, CUDA 12.4'
      imagectl update my-image --display-name PyTorch --dry-run
      imagectl update my-image --delete-property Description --wait

    Prints the image's ARN. Sends one UpdateImage and nothing else, unless an option asks for more.
    """
    name, arn = _target(image, connection, problems)
    wanted_update = ImageUpdate(name, wanted)
    if wanted or not problems:
        problems += violations(wanted_update)
    if detailed_exitcode and not dry_run:
        problems.append(Problem("--detailed-exitcode", "needs --dry-run"))
    patience = _seconds("--timeout", timeout, problems)

    def run(face: Face, progress: Progress) -> int:
        from imagectl import update as verb

        options = verb.Options(dry_run=dry_run, if_changed=if_changed, wait=wait, timeout=patience)
        images = connect(connection, arn=arn, log=face.log)
        progress.name, progress.resume = name, _wait_command(name, connection, images.region)
        with _helpful(face, images, progress), face.spinner(name, on=wait) as watch:
            outcome = verb.run(
                images, wanted_update, options, progress=progress, clock=verb.Clock(), watch=watch
            )
        if dry_run:
            face.preview(outcome)
        else:
            face.outcome(outcome)
            face.show_changes(outcome)
        face.note(
            {
                "planned": f"nothing was changed; without --dry-run {name} would be",
                "requested": f"update of {name} requested; to wait until it is settled: {progress.resume}",
                "updated": f"{name} is updated",
                "unchanged": f"nothing to change: {name} is as asked for",
            }[outcome.result]
        )
        return EXIT_CHANGES_PENDING if detailed_exitcode and outcome.changes else 0

    return Request(presentation, run)


def show(
    *, image: ImageArgument, connection: Connection, presentation: Presentation, problems: list[Problem]
) -> Request:
    """Show one image: all that DescribeImage returns.

    Examples:
      imagectl show my-image
      imagectl show my-image --query ImageStatus
    """
    name, arn = _target(image, connection, problems)
    problems += wrong("ImageName", name)

    def run(face: Face, progress: Progress) -> int:
        images = connect(connection, arn=arn, log=face.log)
        progress.name = name
        with _helpful(face, images, progress):
            face.image(images.describe(name))
        return 0

    return Request(presentation, run)


def list_(
    *,
    name_contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only names that contain TEXT. Default: all.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATUS", help="Only images in STATUS; repeatable. Default: all."),
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="creation-time, last-modified-time or image-name. Default: creation-time."
        ),
    ] = None,
    sort_order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="ascending or descending. Default: descending.")
    ] = None,
    limit: Annotated[str | None, typer.Option(metavar="N", help="At most N images. Default: all.")] = None,
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    """List the images of a region.

    Examples:
      imagectl list
      imagectl list --name-contains pytorch --status CREATED -o name
      imagectl list -o json | imagectl apply --dry-run

    A table on a terminal. In a pipe one line per image, by tabs: name, status, time of the last change,
    display name, description.
    """
    if name_contains is not None:
        problems += [Problem("--name-contains", text) for _, text, _ in wrong("NameContains", name_contains)]
    statuses = {_choice("--status", given, STATUSES, problems) for given in status or []}
    filters = {
        "NameContains": name_contains,
        "SortBy": sort_by and _choice("--sort-by", sort_by, SORT_KEYS, problems),
        "SortOrder": sort_order and _choice("--sort-order", sort_order, SORT_ORDERS, problems),
    }
    most = _count("--limit", limit, problems)

    def run(face: Face, _progress: Progress) -> int:
        asked: dict[str, Any] = {key: value for key, value in filters.items() if value is not None}
        if most and not statuses:
            asked["MaxResults"] = min(most, 100)
        images = connect(connection, log=face.log).list(**asked)
        face.images(islice((image for image in images if not statuses or image.status in statuses), most))
        return 0

    return Request(presentation, run)


SORT_KEYS = ("CREATION_TIME", "LAST_MODIFIED_TIME", "IMAGE_NAME")
SORT_ORDERS = ("ASCENDING", "DESCENDING")


def wait(
    *,
    image: ImageArgument,
    timeout: Timeout = "10m",
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    """Wait until an image is settled: CREATED, or in a state that can't become it.

    Examples:
      imagectl wait my-image
      imagectl wait my-image --timeout 1h && echo ready

    Prints the image's ARN. Exit 8 if the time ran out, 5 if the image failed, with the service's reason.
    """
    name, arn = _target(image, connection, problems)
    problems += wrong("ImageName", name)
    patience = _seconds("--timeout", timeout, problems)

    def run(face: Face, progress: Progress) -> int:
        from imagectl import update as verb

        images = connect(connection, arn=arn, log=face.log)
        progress.name, progress.resume = name, _wait_command(name, connection, images.region)
        with _helpful(face, images, progress), face.spinner(name, on=True) as watch:
            settled = verb.settle(
                images, ImageUpdate(name, {}), timeout=patience, clock=verb.Clock(), watch=watch
            )
        face.settled(settled)
        return 0

    return Request(presentation, run)


def sandbox(
    *,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND ...]", help="What to run in the sandbox.", show_default=False),
    ] = None,
    update_seconds: Annotated[
        str,
        typer.Option(metavar="DURATION", help="How long an update takes. Default: 1s.", show_default=False),
    ] = "1s",
    problems: list[Problem],
) -> Request:
    """Serve SageMaker images on loopback, no AWS account needed.

    Examples:
      imagectl sandbox -- imagectl update my-image --description hello --wait
      imagectl sandbox -- bash
      imagectl sandbox

    With a command: runs it with the environment that points every AWS client at the sandbox, and exits
    with its status. Without: prints that environment as export lines and serves until Ctrl-C.

    Some images give a failure on demand, for testing how a script takes it:
    """
    seconds = _seconds("--update-seconds", update_seconds, problems)

    def run(face: Face, _progress: Progress) -> int:
        from imagectl import sandbox as server

        if command:
            return server.run_command(command, update_seconds=seconds)
        server.serve_forever(face.line, update_seconds=seconds)
        return 0

    return Request(Presentation(), run)


_COMMANDS: dict[str, Callable[..., Request]] = {
    "update": update,
    "show": show,
    "list": list_,
    "wait": wait,
    "sandbox": sandbox,
}


# How flags are read.


def _target(image: str, connection: Connection, problems: list[Problem]) -> tuple[str, ImageArn | None]:
    """IMAGE as a name, and as an ARN where it was one."""
    if not image.startswith("arn:"):
        return image, None
    arn = ImageArn.parse(image)
    if arn is None:
        problems.append(Problem("IMAGE", f"is no image's ARN: {quote(image)}"))
        return "unknown", None
    if connection.region and connection.region != arn.region:
        problems.append(Problem("--region", f"is {connection.region}, but the ARN is of {arn.region}"))
    return arn.name, arn


def _read_description(path: str, problems: list[Problem]) -> str | None:
    """The text of a description file, one final line ending dropped."""
    most = 1 << 20  # bytes: far above any description, far below what would hurt
    try:
        if path == "-":
            data = sys.stdin.buffer.read(most)
        else:
            with open(path, "rb") as file:  # noqa: PTH123 - as typed, no Path needed
                data = file.read(most)
        text = data.decode("utf-8")
    except OSError as exc:
        problems.append(Problem("--description-file", f"can't be read: {quote(path)} ({exc.strerror})"))
    except UnicodeDecodeError as exc:
        problems.append(Problem("--description-file", f"is not UTF-8 at byte {exc.start}: {quote(path)}"))
    else:
        return re.sub(r"(?:\r\n|\n|\r)\Z", "", text)
    return None


def _seconds(flag: str, text: str, problems: list[Problem], *, least: float = 0) -> float:
    """A DURATION in seconds: a number, with s, m or h behind it."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)", text)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else -1
    if seconds < least:
        problems.append(Problem(flag, f"must be a duration like 90, 90s, 10m or 1h: {quote(text)}"))
    return seconds


def _count(flag: str, text: str | None, problems: list[Problem]) -> int | None:
    if text is None or re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        return int(text) if text else None
    problems.append(Problem(flag, f"must be a whole number from 1 on: {quote(text)}"))
    return None


def _choice(flag: str, text: str, choices: Sequence[str], problems: list[Problem]) -> str:
    """One of the API's words, also in the command line's spelling: `image-name` for IMAGE_NAME."""
    word = text.upper().replace("-", "_")
    if word not in choices:
        problems.append(Problem(flag, f"must be one of {', '.join(choices)}: {quote(text)}"))
    return word


# What several commands do around a call.


def _wait_command(name: str, connection: Connection, region: str) -> str:
    return " ".join(["imagectl wait", name, *connection.flags(region)])


@contextmanager
def _helpful(face: Face, images: SageMaker, progress: Progress) -> Iterator[None]:
    """Add to an error what this command knows: how to go on waiting, which name was meant."""
    try:
        yield
    except ImagectlError as error:
        if error.kind == "pending":
            error.hint = f"to go on waiting: {progress.resume}"
        elif error.kind == "not-found" and face.err_is_terminal:
            close = _did_you_mean(images, progress.name)
            error.hint = f"did you mean {quote(close)}?" if close else error.hint
        raise


def _did_you_mean(images: SageMaker, name: str) -> str | None:
    """The account's image of the most similar name. Best effort: its failure changes nothing."""
    from difflib import get_close_matches

    try:
        names = [image.name for image in islice(images.list(glance=True), 100)]
    except ImagectlError:
        return None
    return next(iter(get_close_matches(name, names, n=1)), None)


# Typer, made to build only the command that is run, and help pages that read well in a pipe.


def _flat(function: Callable[..., Request]) -> Callable[..., Request]:
    """`function` with each group's parameter replaced by the group's options, as Typer wants them."""
    own = inspect.signature(function).parameters
    groups = {name: _GROUPS[p.annotation] for name, p in own.items() if p.annotation in _GROUPS}
    options = {name: _parameters(build) for name, build in groups.items()}
    flat = [p for name, p in _parameters(function).items() if name not in groups]
    flat += [option for group in options.values() for option in group.values()]

    def parsed(**values: Any) -> Request:
        problems: list[Problem] = []
        built = {
            name: build(problems=problems, **{option: values.pop(option) for option in options[name]})
            for name, build in groups.items()
        }
        request = function(problems=problems, **built, **values)
        if problems:
            raise usage(problems)
        return request

    parsed.__doc__ = function.__doc__
    parsed.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return parsed


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "problems"}


class _Page:
    """A help page: usage, what it does, examples, then the options by group."""

    help: str | None
    params: list[Any]

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


class _Command(_Page, TyperCommand):
    pass


class _Group(_Page, TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return build(cmd_name) if cmd_name in _COMMANDS else None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        summaries = [(name, inspect.getdoc(f) or "") for name, f in _COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(name, doc.split("\n", 1)[0]) for name, doc in summaries])
        super().format_options(ctx, formatter)


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


def build(name: str) -> Any:
    """The command called `name`, as Typer parses it."""
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command(name, cls=_Command, context_settings=_SETTINGS)(_flat(_COMMANDS[name]))
    return typer.main.get_command(one)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"imagectl {imagectl.__version__}")
        raise typer.Exit


app = typer.Typer(cls=_Group, add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS)


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version.")
    ] = False,
) -> None:
    """Update Amazon SageMaker images: checked before, previewed, certain after.

    Examples:
      imagectl update my-image --description 'PyTorch 2.4' --wait
      imagectl list --name-contains pytorch
      imagectl sandbox -- imagectl update my-image --display-name Hello
    """
