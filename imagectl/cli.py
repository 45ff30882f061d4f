"""The command line: flags -> a request. One function per command.

It reads and checks all that it was given, adds what is wrong to `problems`, and returns a `Request`: what to
run. What carries that out is imported when it runs: a rejected input never pays for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from imagectl import VERSION_LINE, tree
from imagectl.aws.connection import Connection
from imagectl.constraints import violations, wrong
from imagectl.errors import EXIT_CHANGES_PENDING, EXIT_CODES, ImagectlError, Problem
from imagectl.image import LOOK, PAGE, STATUSES, Image, ImageUpdate, Outcome, Progress, Service, all_images
from imagectl.options import (
    CONNECTION,
    COUNT,
    DURATION,
    EXAMPLES,
    FILE,
    GROUPS,
    IMAGE,
    OUTPUT,
    PART,
    PROGRAM,
    SORT_KEYS,
    SORT_ORDERS,
    TEXT,
    TIME,
    TIMEOUT,
    TIMES,
    Connections,
    ImageArgument,
    Manner,
    Wanted,
    choice,
    choice_of,
    count_of,
    read_manifest,
    seconds_of,
    shard_of,
    target,
    terminal_of,
    time_of,
    typed,
)
from imagectl.pages import Rows
from imagectl.render import Face, Presentation
from imagectl.text import quote
from imagectl.topics import TOPICS
from imagectl.tree import Argument, Command, HelpWanted, Layout, Option

if TYPE_CHECKING:
    from imagectl.aws.sagemaker import SageMaker


class Request(NamedTuple):
    """What was asked for, checked: `run` carries it out and returns the exit code."""

    presentation: Presentation
    run: Callable[[Face, Progress], int]


COMMANDS: dict[str, Command] = {}
HIDDEN: dict[str, Command] = {}  # for our own scripts: in no list and on no page


def _command(
    name: str, page: str, *, to: dict[str, Command] = COMMANDS
) -> Callable[[Callable[..., Request]], Callable[..., Request]]:
    """Enter a function as the command `name`, with its page as data: Python's -OO drops docstrings."""

    def enter(function: Callable[..., Request]) -> Callable[..., Request]:
        to[name] = Command(function, page)
        return function

    return enter


# The commands.


@_command(
    "update",
    """\
Change an image's description, display name or role.

Examples:
  imagectl update my-image --description 'PyTorch 2.4, CUDA 12.4'
  imagectl update my-image --display-name PyTorch --dry-run
  imagectl update my-image --delete-property Description --wait

Prints the image's ARN. Sends one UpdateImage and nothing else, unless an option asks for more. An image
given by its ARN is looked at before, where the credentials don't tell whose account they are of.
""",
)
def update(
    *,
    image: ImageArgument,
    wanted: Wanted,
    manner: Manner,
    if_changed: Annotated[bool, Option("Look first; send nothing if nothing would change.")] = False,
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    name, arn = target(image, connection, problems)
    wanted_update = ImageUpdate(name, wanted)
    if not (wanted or problems):
        problems.append(Problem("", _NOTHING))
    problems += violations(wanted_update)
    expected = Outcome.expected(wanted_update, read=manner.dry_run or if_changed)
    problems += presentation.misfits(expected.as_json())

    def run(face: Face, progress: Progress) -> int:
        from imagectl.aws.connect import connect
        from imagectl.update import Clock, Options
        from imagectl.update import run as update_image

        options = Options(
            dry_run=manner.dry_run, if_changed=if_changed, wait=manner.wait, timeout=manner.timeout
        )
        progress.name, progress.resume = name, f"imagectl wait {name}"
        service = connect(connection, arn=arn, log=face.log)
        progress.resume = _wait_command(name, connection, service.region)
        with _helpful(service, progress), face.spinner(name, on=manner.wait) as watch:
            outcome = update_image(
                service,
                wanted_update,
                options,
                progress=progress,
                clock=Clock(),
                watch=watch,
                announce=face.show_changes,
            )
        if manner.dry_run:
            face.preview(outcome)
        else:
            face.outcome(outcome)
        if outcome.result == "requested":
            face.note(f"update of {name} requested; to wait until it is settled:", command=progress.resume)
        else:
            face.note(
                {
                    "planned": f"nothing was changed; without --dry-run {name} would be",
                    "updated": f"{name} is updated",
                    "unchanged": f"nothing to change: {name} is as asked for",
                }[outcome.result]
            )
        return EXIT_CHANGES_PENDING if manner.detailed_exitcode and outcome.changes else 0

    return Request(presentation, run)


_NOTHING = (
    "nothing to change: give "
    "--description, --description-file, --display-name, --role-arn or --delete-property"
)


@_command(
    "show",
    """\
Show one image: all that DescribeImage returns.

Examples:
  imagectl show my-image
  description=$(imagectl show my-image --query Description -o text)
""",
)
def show(
    *, image: ImageArgument, connection: Connection, presentation: Presentation, problems: list[Problem]
) -> Request:
    name, arn = target(image, connection, problems)
    problems += wrong("ImageName", name)

    def run(face: Face, progress: Progress) -> int:
        from imagectl.aws.connect import connect

        service = connect(connection, arn=arn, log=face.log)
        progress.name = name
        with _helpful(service, progress):
            face.image(service.describe(name))
        return 0

    return Request(presentation, run)


@_command(
    "list",
    """\
List the images of a region.

Examples:
  imagectl list
  imagectl list --name-contains pytorch --modified-after 30d -o name
  imagectl list -o json | imagectl apply --dry-run
  imagectl list --region us-east-1 --region eu-west-1 --profile prod

A table on a terminal. In a pipe one line per image, by tabs: name, status, time of the last change,
display name, description. --region and --profile are repeatable here: all places are read at once, with
Region and Profile for each image; exit 7 where one of them could not be read.
""",
)
def list_(
    *,
    name_contains: Annotated[str | None, Option("Only names that contain TEXT.", TEXT, without="all")] = None,
    status: Annotated[
        list[str] | None,
        Option(
            "Only images in STATUS (CREATED, UPDATE_FAILED, ...); repeatable.",
            choice(*STATUSES, name="STATUS"),
            without="all",
        ),
    ] = None,
    sort_by: Annotated[
        str | None,
        Option(
            f"What the images are in the order of: {', '.join(typed(SORT_KEYS))}.",
            choice(*typed(SORT_KEYS), name="KEY"),
            without=typed(SORT_KEYS)[0],
        ),
    ] = None,
    sort_order: Annotated[
        str | None,
        Option(
            "ascending or descending.",
            choice(*typed(SORT_ORDERS), name="ORDER"),
            without="names from A, times from the newest",
        ),
    ] = None,
    created_after: Annotated[
        str | None, Option(f"Only images made after TIME: {TIMES}.", TIME, without="all")
    ] = None,
    created_before: Annotated[
        str | None, Option("Only images made before TIME.", TIME, without="all")
    ] = None,
    modified_after: Annotated[
        str | None, Option("Only images changed after TIME.", TIME, without="all")
    ] = None,
    modified_before: Annotated[
        str | None, Option("Only images changed before TIME.", TIME, without="all")
    ] = None,
    limit: Annotated[str | None, Option("At most N images.", COUNT, without="all")] = None,
    connections: Connections,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    if name_contains is not None:
        problems += [Problem("--name-contains", text) for _, text, _ in wrong("NameContains", name_contains)]
    statuses = {choice_of("--status", given, STATUSES, problems) for given in status or []}
    key = choice_of("--sort-by", sort_by, SORT_KEYS, problems) if sort_by else None
    order = choice_of("--sort-order", sort_order, SORT_ORDERS, problems) if sort_order else None
    now = datetime.now(UTC)
    filters = {
        "NameContains": name_contains,
        "SortBy": key,
        "SortOrder": order or ("ASCENDING" if key == "IMAGE_NAME" else None),
        "CreationTimeAfter": time_of("--created-after", created_after, problems, now),
        "CreationTimeBefore": time_of("--created-before", created_before, problems, now),
        "LastModifiedTimeAfter": time_of("--modified-after", modified_after, problems, now),
        "LastModifiedTimeBefore": time_of("--modified-before", modified_before, problems, now),
    }
    most = count_of("--limit", limit, problems)

    def run(face: Face, _progress: Progress) -> int:
        from imagectl.aws.connect import Logins, connect

        asked: dict[str, Any] = {key: value for key, value in filters.items() if value is not None}
        if most and not statuses:
            asked["MaxResults"] = min(most, PAGE)

        def read(service: Service) -> Iterator[Image]:
            return (
                image for image in all_images(service, **asked) if not statuses or image.status in statuses
            )

        if len(connections) == 1:
            face.images(islice(read(connect(connections[0], log=face.log)), most))
            return 0
        from imagectl.fleet.survey import survey  # here: most lists are of one place

        logins = Logins(face.log)
        images, failure = survey(connections, lambda there: logins.login(there).service(there.region), read)
        face.images(_in_order(images, asked)[:most])
        if failure:
            raise failure
        return 0

    return Request(presentation, run)


def _in_order(images: Iterable[Image], asked: Mapping[str, Any]) -> list[Image]:
    """Images of several places as one place would list them."""
    key = {"LAST_MODIFIED_TIME": "LastModifiedTime", "IMAGE_NAME": "ImageName"}.get(
        asked.get("SortBy", ""), "CreationTime"
    )
    descending = asked.get("SortOrder", "DESCENDING") == "DESCENDING"
    return sorted(images, key=lambda image: (key in image.fields, image.fields.get(key)), reverse=descending)


@_command(
    "wait",
    """\
Wait until images are settled.

Examples:
  imagectl wait my-image
  imagectl wait my-image --timeout 1h && echo ready
  imagectl wait my-image pandas-notebook -o name

Settled is CREATED, or a state that can't become it. Prints each image's ARN as it settles. Exit 8 if the
time ran out, 5 if the image failed, with the service's reason; of several images 7 if any failed.
""",
)
def wait(
    *,
    images: Annotated[list[str], Argument("Images' names or ARNs.", IMAGE, "IMAGE...")],
    timeout: Annotated[str, Option(f"How long to wait: {EXAMPLES}.", DURATION)] = TIMEOUT,
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    typed = {target(image, connection, problems): image for image in images}
    for name, _ in typed:
        problems += wrong("ImageName", name)
    patience = seconds_of("--timeout", timeout, problems)

    def one(face: Face, progress: Progress) -> int:
        from imagectl.aws.connect import connect
        from imagectl.update import Clock, Judge, settle

        ((name, arn),) = typed
        progress.name, progress.resume = name, f"imagectl wait {name}"
        service = connect(connection, arn=arn, log=face.log)
        progress.resume = _wait_command(name, connection, service.region)
        progress.known = f"{name} was not seen settled"
        with _helpful(service, progress), face.spinner(name, on=True) as watch:
            judge, clock = Judge(ImageUpdate(name, {}), service.region), Clock()
            settled = settle(service, judge, start=clock.now(), timeout=patience, clock=clock, watch=watch)
        face.settled(settled)
        return 0

    def several(face: Face, progress: Progress) -> int:
        from imagectl.aws.connect import Login
        from imagectl.fleet.waiting import wait as wait_for_all
        from imagectl.update import Clock

        login = Login(connection, face.log)
        services: dict[tuple[str, str] | None, SageMaker] = {}
        waiting: dict[SageMaker, list[str]] = {}
        for name, arn in typed:
            place = arn and (arn.region, arn.account)
            service = services.get(place) or login.service(arn.region if arn else connection.region, arn)
            services[place] = service
            waiting.setdefault(service, []).append(name)

        def resume(names: Sequence[str]) -> str:
            words = [image for (name, _), image in typed.items() if name in names]
            flags = connection.flags(service.region)
            return " ".join(["imagectl wait", *words, *(flags if len(services) == 1 else flags[1:])])

        return wait_for_all(list(waiting.items()), resume, face, progress, timeout=patience, clock=Clock())

    return Request(presentation, one if len(typed) == 1 else several)


@_command(
    "apply",
    """\
Bring many images to the state that a manifest declares.

Examples:
  imagectl apply fleet.yaml --dry-run
  imagectl list -o yaml > fleet.yaml   # edit it, and apply it
  imagectl apply fleet.jsonl --yes --rollback-file undo.jsonl
  imagectl list --name-contains torch --query \\
    'Images[].{ImageName: ImageName, Description: `Team A`}' | imagectl apply

A manifest is JSON Lines, JSON or YAML: ImageName or ImageArn, and Description, DisplayName, RoleArn,
of which null deletes and absent leaves alone. Images that are as declared are not sent: after any
failure, the same command again goes on. Prints the ARNs of changed images, as JSON one record for each.
""",
)
def apply(
    *,
    file: Annotated[
        str,
        Argument("The manifest; standard input where it is - or absent.", FILE, "[FILE]"),
    ] = "-",
    yes: Annotated[bool, Option("Don't ask.", names=("-y", "--yes"), without="ask on a terminal")] = False,
    manner: Manner,
    rollback_file: Annotated[
        str | None,
        Option("A new file, to undo the run by applying it.", FILE, without="none"),
    ] = None,
    record_file: Annotated[
        str | None,
        Option("A new file, for what came of each image.", FILE, ("--record",), without="none"),
    ] = None,
    ignore_expected: Annotated[
        bool,
        Option("Apply entries whose image is not as Expected, too."),
    ] = False,
    concurrency: Annotated[str, Option("API calls at a time.", COUNT)] = "8",
    max_failures: Annotated[
        str | None,
        Option("Send nothing new after N failures.", COUNT, without="go on"),
    ] = None,
    max_unsettled: Annotated[
        str | None,
        Option("With --wait: at most N images are unsettled at any moment.", COUNT, without="no limit"),
    ] = None,
    shard: Annotated[
        str | None,
        Option("Only the K-th of N parts, from 1 on.", PART, without="all"),
    ] = None,
    connection: Connection,
    presentation: Presentation,
    problems: list[Problem],
) -> Request:
    # Here: no other command needs these.
    from imagectl.fleet import newfile, record, rollback
    from imagectl.fleet.apply import ApplyOptions
    from imagectl.fleet.apply import apply as apply_manifest
    from imagectl.fleet.plan import Shard
    from imagectl.fleet.sender import FleetOptions

    manifest = read_manifest(file, connection, problems)
    if max_unsettled is not None and not manner.wait:
        problems.append(Problem("--max-unsettled", "needs --wait"))
    terminal = None if yes or manner.dry_run else terminal_of(of_stdin=file != "-")
    if not (yes or manner.dry_run or terminal):
        problems.append(Problem("--yes", "is needed where there is no terminal to ask on"))
    for option, path in ((rollback.OPTION, rollback_file), (record.OPTION, record_file)):
        problems += newfile.problems(option, path) if path is not None else []
    if record_file is not None and record_file == rollback_file:
        problems.append(Problem(record.OPTION, f"must be another file than {rollback.OPTION}"))
    options = ApplyOptions(
        manifest=manifest,
        profile=connection.profile,
        region=connection.region,
        shard=Shard(*shard_of(shard, problems)),
        ignore_expected=ignore_expected,
        dry_run=manner.dry_run,
        detailed_exitcode=manner.detailed_exitcode,
        terminal=terminal,
        rollback_file=rollback_file,
        record_file=record_file,
        fleet=FleetOptions(
            concurrency=count_of("--concurrency", concurrency, problems, most=256) or 1,
            max_failures=count_of("--max-failures", max_failures, problems),
            max_unsettled=count_of("--max-unsettled", max_unsettled, problems),
            wait=manner.wait,
            timeout=manner.timeout,
        ),
    )
    for entry in manifest.entries[:1]:
        expected = replace(Outcome.expected(entry.update, read=True), line=entry.line)
        problems += presentation.misfits(expected.as_json())

    def run(face: Face, progress: Progress) -> int:
        import gc

        from imagectl.aws.connect import Logins
        from imagectl.update import Clock

        gc.enable()  # what short commands do without

        logins = Logins(face.log)
        return apply_manifest(
            options,
            lambda profile: logins.login(replace(connection, profile=profile)),
            face,
            progress,
            Clock(),
        )

    return Request(presentation, run)


@_command(
    "sandbox",
    """\
Serve SageMaker images on loopback, no AWS account needed.

Examples:
  imagectl sandbox -- imagectl update my-image --description hello --wait
  imagectl sandbox -- bash
  imagectl sandbox

With a command: runs it with the environment that points every AWS client at the sandbox, and exits
with its status. Without: prints that environment as export lines and serves until Ctrl-C. Images with
a magic name give a failure on demand, for testing how a script takes it.
""",
)
def sandbox(
    *,
    command: Annotated[
        list[str] | None,
        Argument("What to run in the sandbox.", PROGRAM, "[-- COMMAND ...]"),
    ] = None,
    update_seconds: Annotated[
        str,
        Option("How long an update takes.", DURATION),
    ] = "1s",
    problems: list[Problem],
) -> Request:
    seconds = seconds_of("--update-seconds", update_seconds, problems)

    def run(face: Face, _progress: Progress) -> int:
        from imagectl import sandbox as server

        if command:
            return server.run_command(command, update_seconds=seconds, note=face.note)
        server.serve_forever(face.line, update_seconds=seconds, note=face.note)
        return 0

    return Request(Presentation(), run)


@_command(
    "completion",
    """\
Print the completion script for bash, zsh or fish.

Examples:
  eval "$(imagectl completion bash)"   # in ~/.bashrc
  eval "$(imagectl completion zsh)"    # in ~/.zshrc, after compinit
  imagectl completion fish | source    # in ~/.config/fish/config.fish

The script starts no program, but imagectl itself where a name of your images is asked for.
""",
)
def completion(
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        Argument("bash, zsh or fish.", choice("bash", "zsh", "fish", name="SHELL")),
    ],
    problems: list[Problem],  # noqa: ARG001 - every command has it
) -> Request:

    def run(face: Face, _progress: Progress) -> int:
        from imagectl.completion import script

        face.line(script(shell, the_tree()).removesuffix("\n"))
        return 0

    return Request(Presentation(), run)


@_command("__images", "Print the account's image names for TAB: at once, silent whatever fails.", to=HIDDEN)
def complete_images(
    *,
    prefix: Annotated[str, Argument("What the names begin with.", IMAGE, "[PREFIX]")] = "",
    # With the program's start some two seconds between TAB and the answer, if there is one.
    patience: Annotated[str, Option("How long TAB waits.", DURATION)] = "1.7s",
    connection: Connection,
    problems: list[Problem],
) -> Request:
    seconds = seconds_of("--patience", patience, problems)
    wrong_line = bool(problems)
    problems.clear()  # the command shows them when it is run, not at TAB

    def run(face: Face, _progress: Progress) -> int:
        from imagectl.aws.connect import connect

        if wrong_line:
            return 0
        from imagectl.cache import cache_dir
        from imagectl.completion.names import image_names, whose

        def fetch(contained: str) -> Iterator[str]:
            asked = {"NameContains": contained} if contained else {}
            return (image.name for image in connect(connection).list(within=LOOK, **asked))

        directory = cache_dir()
        for name in image_names(prefix, fetch, key=whose(connection), directory=directory, patience=seconds):
            face.line(name)
        return 0

    return Request(Presentation(), run)


_HELPFUL = [*COMMANDS, "help", *TOPICS]  # what there is help for


@_command(
    "help",
    """\
Show the help of a command, or of a topic: exit-codes, manifest, environment, output, rate, connection.

Examples:
  imagectl help update
  imagectl help exit-codes
""",
)
def help_(
    *,
    about: Annotated[
        str, Argument("What to show the help of.", choice(*_HELPFUL, name="COMMAND"), "[COMMAND|TOPIC]")
    ] = "",
    problems: list[Problem],
) -> Request:
    if about in TOPICS:
        return _page(_topic(about), Presentation())
    if about and about not in _HELPFUL:
        from difflib import get_close_matches  # here: most names are typed right

        close = "".join(f"; did you mean {name!r}?" for name in get_close_matches(about, _HELPFUL, n=1))
        problems.append(Problem("", f"no command and no topic: {quote(about)}{close}"))
        return _page("", Presentation())
    return _page(the_tree().page(about), Presentation())


# Pages.


def _page(text: str, presentation: Presentation, *, asked_for: bool = True) -> Request:
    def run(face: Face, _progress: Progress) -> int:
        face.page(text, asked_for=asked_for)
        return 0 if asked_for else EXIT_CODES["usage"]

    return Request(presentation, run)


def _topic(name: str) -> str:
    """A topic's page, with the options that are brief on the commands' pages."""
    whole = {"connection": CONNECTION, "output": OUTPUT}
    options = {f"{whole[name]} options": the_tree().section("show", whole[name])} if name in whole else {}
    return TOPICS[name].page(options)


# What several commands do around a call.


def _wait_command(name: str, connection: Connection, region: str) -> str:
    return " ".join(["imagectl wait", name, *connection.flags(region)])


@contextmanager
def _helpful(service: "SageMaker", progress: Progress) -> Iterator[None]:
    """Add to an error what this command knows: how to go on waiting, which name was meant."""
    try:
        yield
    except ImagectlError as error:
        if error.kind == "pending" and error.hint is None:
            raise error.but(hint=f"to go on waiting:\n{progress.resume}") from error.__cause__
        looked = error.operation != "UpdateImage" and error.kind not in {"pending", "refused"}
        if error.outcome == "applied" and looked:  # it was the look that failed
            words, *commands = (error.hint or "").split("\n")
            hint = "\n".join([f"{words}; to go on waiting:".removeprefix("; "), progress.resume, *commands])
            raise error.but(hint=hint) from error.__cause__
        if error.kind == "not-found":
            close = _did_you_mean(service, progress.name)
            if close:
                raise error.but(hint=f"did you mean {quote(close)}?") from error.__cause__
        raise


def _did_you_mean(service: "SageMaker", name: str) -> str | None:
    """The account's image of the most similar name. Best effort, for a second: no failure of it is told."""
    from difflib import get_close_matches
    from threading import Thread

    names: list[str] = []

    def read() -> None:
        with suppress(ImagectlError):
            names.extend(image.name for image in service.list(within=_PATIENCE))

    reader = Thread(target=read, daemon=True)
    with suppress(RuntimeError, MemoryError):  # no thread, no suggestion
        reader.start()
        reader.join(_PATIENCE)
    return next(iter(get_close_matches(name, list(names), n=1)), None)


_PATIENCE = 1.0  # seconds that a suggestion is worth


def _magic_names() -> tuple[str, Rows]:
    from imagectl.sandbox.service import MAGIC

    return "Magic names", [(name, magic.says) for name, magic in MAGIC.items()]


# The door to the whole command line.


_ABOUT = """\
Update Amazon SageMaker images: checked before, previewed, certain after.

Examples:
  imagectl update my-image --description 'PyTorch 2.4' --wait
  imagectl list --name-contains pytorch
  imagectl sandbox -- imagectl update my-image --display-name Hello
"""


def root(
    *, version: Annotated[bool, Option("Show the version.", without="")] = False, problems: list[Problem]
) -> Request | None:
    problems.clear()
    return _page(VERSION_LINE, Presentation()) if version else None


def the_tree() -> tree.Tree:
    """All commands, as Typer parses and as completion knows them."""
    return tree.tree(
        Command(root, _ABOUT),
        COMMANDS,
        hidden=HIDDEN,
        groups=GROUPS,
        runners={"sandbox"},
        layout=Layout(
            brief={CONNECTION: "imagectl help connection", OUTPUT: "imagectl help output"},
            more={"sandbox": _magic_names},
        ),
    )


def _presentation_alone(*, presentation: Presentation, problems: list[Problem]) -> Presentation:
    """What is read of a line whose command is not known."""
    problems.clear()
    return presentation


class CommandLine:
    """One command line: what it asks for and, be it wrong, how it wants to be answered."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self._tree = the_tree()

    @property
    def presentation(self) -> Presentation:
        """The options of presentation, as far as they can be read."""
        name, *words = self._argv or [""]
        command = self._tree.get_command(None, name)
        if command is None:
            command, words = self._tree.build("", Command(_presentation_alone, "")), self._argv
        values = command.lenient(words)
        given = {name: values.get(name) for name in Presentation._fields}
        return Presentation(**{name: value for name, value in given.items() if value is not None})

    def request(self) -> Request:
        """What is asked for. Raises ImagectlError (`usage`)."""
        try:
            request: Request | None = self._tree.read(self._argv)
        except HelpWanted as wanted:
            return _page(self._tree.page(wanted.command), self.presentation)
        except ImagectlError as error:
            if error.hint:  # what Typer refused: perhaps it is what another program takes
                raise error.but(hint=self._advice() or error.hint) from error.__cause__
            raise
        return request or _page(self._tree.page(), self.presentation, asked_for=False)

    def _advice(self) -> str | None:
        from imagectl.habits import advice

        name = next((word for word in self._argv if word in COMMANDS), None)
        command = name and self._tree.get_command(None, name)
        known = [option for param in command.params for option in param.opts] if command else []
        return advice(self._argv, COMMANDS, known)
