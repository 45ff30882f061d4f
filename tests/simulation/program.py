"""The played `imagectl update` and `imagectl apply`: what cli and __main__ do around the verbs.

The verbs themselves are the real ones. What becomes of a failure or a signal is done here as it is there.
"""

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from imagectl import update as verb
from imagectl.errors import EXIT_CODES, ImagectlError, Problem, Terminated, usage
from imagectl.fleet.apply import ApplyOptions, apply
from imagectl.fleet.manifest import parse
from imagectl.fleet.plan import Shard
from imagectl.fleet.sender import FleetOptions
from imagectl.image import ImageUpdate, Outcome, Progress

if TYPE_CHECKING:
    from .world import Run, World

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupted(KeyboardInterrupt):
    pass


def main(world: "World", run: "Run", manifest: bytes) -> None:
    """One process; what comes of it goes to `run`, what it says of images to `world`."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    progress = Progress()
    try:
        if world.setup.verb == "update":
            _update(world, run, progress)
        elif world.setup.verb == "wait":
            _wait(world, run)
        else:
            _apply(world, run, progress, manifest)
        run.code = 0
    except ImagectlError as error:
        run.error = error if error.outcome else error.but(outcome=progress.outcome)
    except KeyboardInterrupt as stop:
        kind: Any = "terminated" if isinstance(stop, Terminated) else "interrupted"
        run.error = ImagectlError(kind, f"{kind}; {progress.known}", outcome=progress.outcome)
    if run.error:
        run.code = EXIT_CODES[run.error.kind]
        if world.setup.verb != "apply":
            target = world.setup.targets[0]
            said = run.error.outcome or "not-applied"
            world.tell(
                target.place, Outcome(result=said, name=target.name, region=target.region, error=run.error)
            )


def _update(world: "World", run: "Run", progress: Progress) -> None:
    target = world.setup.targets[0]
    run.wanted = {(target.place, target.name): target.wanted}
    options = verb.Options(**world.setup.options)
    if run.calm:
        idle = run.purpose == "idle"
        options = options._replace(if_changed=idle, wait=True, dry_run=False, timeout=120.0)
    run.timeout = options.timeout if options.wait else 0.0
    outcome = verb.run(
        world.connect(target.profile, target.region),
        ImageUpdate(target.name, target.wanted),
        options,
        progress=progress,
        clock=world.clock(),
        watch=lambda _status: None,
    )
    world.tell(target.place, outcome)


def _wait(world: "World", run: "Run") -> None:
    """Of one image."""
    target = world.setup.targets[0]
    run.wanted = {(target.place, target.name): {}}
    run.timeout, clock = world.setup.options["timeout"], world.clock()
    verb.settle(
        world.connect(target.profile, target.region),
        verb.Judge(ImageUpdate(target.name, {}), target.region),
        start=clock.now(),
        timeout=run.timeout,
        clock=clock,
        watch=lambda _status: None,
    )
    world.tell(target.place, Outcome(result="updated", name=target.name, region=target.region))


def _apply(world: "World", run: "Run", progress: Progress, manifest: bytes) -> None:
    asked, problems = world.setup.options, list[Problem]()
    fleet = FleetOptions(
        concurrency=asked["concurrency"],
        max_failures=None if run.calm else asked["max_failures"],
        wait=asked["wait"] or run.calm,
        timeout=120.0 if run.calm else asked["timeout"],
        max_unsettled=asked.get("max_unsettled"),
    )
    run.timeout = fleet.timeout if fleet.wait else 0.0
    if asked["rollback"] and run.purpose != "undo":
        run.undo = f"undo-{run.number}.jsonl"
    parsed = parse(manifest, problems)
    if problems:
        raise usage(problems)
    places = {entry.line: world.place(entry.profile, entry.region) for entry in parsed.entries}
    run.wanted = {(places[e.line], e.update.name): dict(e.update.wanted) for e in parsed.entries}
    options = ApplyOptions(manifest=parsed, shard=Shard(), rollback_file=run.undo or None, fleet=fleet)
    face = _Face(lambda outcome: world.record(places[outcome.line or 0], outcome))
    try:
        apply(options, world.log_in, face, progress, world.clock(), threads=world.threads(), disk=world.disk)
    finally:
        run.deaf = any(signal.getsignal(number) not in {_interrupt, _terminate} for number in SIGNALS)


class _Face(NamedTuple):
    """What is printed and drawn: of that, the records count."""

    record: Callable[[Outcome], None]

    def note(self, text: str, *, always: bool = False) -> None: ...

    def plan(self, outcomes: Sequence[Outcome]) -> None: ...

    def confirm(self, plan: str, question: str, terminal: TextIO) -> bool:
        return True

    def spinner(self, text: str, *, on: bool) -> AbstractContextManager[Callable[[str], None]]:
        return nullcontext(lambda _text: None)

    def bar(self) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda _done, _total: None)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
