"""The verb behind `imagectl apply`: read, plan, ask, carry out, and say what came of it.

Joins the other rooms of the fleet and owns the order of their steps. It knows neither flags nor AWS: where
images are is told by the logins, and how things look by the face.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, TextIO

from imagectl.errors import EXIT_CHANGES_PENDING, ImagectlError
from imagectl.fleet.manifest import Manifest
from imagectl.fleet.newfile import Disk
from imagectl.fleet.plan import LogIn, Shard, by_turns, locate, read_states
from imagectl.fleet.pool import THREADS, Threads
from imagectl.fleet.record import About, recorded
from imagectl.fleet.run import run
from imagectl.fleet.sender import FleetOptions, Job
from imagectl.fleet.tally import Tally
from imagectl.image import ImageArn, Outcome, Progress
from imagectl.update import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """What is asked of `apply`."""

    manifest: Manifest
    profile: str | None = None  # of entries that name none, likewise the region
    region: str | None = None
    shard: Shard
    ignore_expected: bool = False
    dry_run: bool = False
    detailed_exitcode: bool = False
    terminal: TextIO | None = None  # where to ask whether to go on; None: nobody is asked
    rollback_file: str | None = None
    record_file: str | None = None
    fleet: FleetOptions


class Face(Protocol):
    """Where results and talk go on the way."""

    def record(self, outcome: Outcome) -> None: ...

    def note(self, text: str, *, always: bool = False) -> None: ...

    def plan(self, outcomes: Sequence[Outcome]) -> None: ...

    def confirm(self, plan: str, question: str, terminal: TextIO) -> bool: ...

    def spinner(self, text: str, *, on: bool) -> AbstractContextManager[Callable[[str], None]]: ...

    def bar(self) -> AbstractContextManager[Callable[[int, int], None]]: ...


def apply(
    options: ApplyOptions,
    log_in: LogIn,
    face: Face,
    progress: Progress,
    clock: Clock,
    *,
    threads: Threads = THREADS,
    disk: Disk = os,
) -> int:
    """Bring the images of a manifest to their state; the exit code. Raises what concerns the whole run."""
    progress.known = "nothing was sent"
    jobs = _read(options, log_in, face, clock, threads)
    plan = Tally.of(jobs)
    if options.terminal and plan.changes:
        face.plan([job.outcome for job in jobs])
        if not face.confirm(f"{plan}, in {_where(jobs)}", "Apply?", options.terminal):
            raise ImagectlError("interrupted", "not confirmed; nothing was sent", outcome="not-applied")
    about = About(options.manifest.sha256, str(options.shard), options.dry_run, len(jobs))
    with recorded(options.record_file, about, disk=disk) as record:

        def tell(outcome: Outcome) -> None:
            record.add(outcome)
            face.record(outcome)

        if options.dry_run:
            return _preview(jobs, options, tell, face)
        with face.bar() as beat:
            tally = run(
                jobs if options.fleet.max_unsettled else by_turns(jobs),
                options.fleet,
                rollback_file=options.rollback_file,
                progress=progress,
                tell=tell,
                beat=beat,
                note=face.note,
                clock=clock,
                threads=threads,
                disk=disk,
            )
        _end(face, tally)
    return 0


def _preview(jobs: Sequence[Job], options: ApplyOptions, tell: Callable[[Outcome], None], face: Face) -> int:
    plan = Tally.of(jobs)
    for job in jobs:
        tell(job.outcome)
    _end(face, plan, "; nothing was changed")
    return EXIT_CHANGES_PENDING if options.detailed_exitcode and plan.changes else 0


def _read(options: ApplyOptions, log_in: LogIn, face: Face, clock: Clock, threads: Threads) -> list[Job]:
    """The entries as they are asked for, each with its image as it is."""
    entries, size = options.manifest.entries, options.fleet.concurrency
    if options.manifest.torn:
        line = options.manifest.torn
        face.note(f"line {line} is cut off, its update was never sent: passed over", always=True)
    if options.ignore_expected:
        entries = tuple(replace(entry, expected={}) for entry in entries)
    # Not behind a spinner: a profile may ask for a code.
    located = locate(
        entries,
        log_in,
        options.shard,
        profile=options.profile,
        region=options.region,
        size=size,
        threads=threads,
    )
    with face.spinner("reading the images", on=True):
        return read_states(located, size, clock=clock, threads=threads)


def _where(jobs: Sequence[Job]) -> str:
    """Where the images are that would be changed: what there is one of by its name, else how many."""
    changing = [job for job in jobs if job.outcome.changes]
    arns = [ImageArn.parse(job.current.arn) for job in changing]
    return ", ".join(
        filter(
            None,
            (
                _named("account", {arn.account for arn in arns if arn}),
                _named("region", {job.service.region for job in changing}),
                _named("profile", {job.entry.profile for job in changing if job.entry.profile}),
            ),
        )
    )


def _named(what: str, names: set[str]) -> str:
    return f"{len(names)} {what}s" if len(names) > 1 else "".join(f"{what} {name}" for name in names)


def _end(face: Face, tally: Tally, more: str = "") -> None:
    """Say what the run came to, once: as its error where it has one."""
    error = tally.verdict()
    if error:
        raise error.but(message=f"{error.message}{more}")
    face.note(f"{tally}{more}", always=True)
