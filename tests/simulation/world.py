"""A world played from beginning to end: the run that things happen to, the runs after it, the undo.

Puts together what the other modules play, has events happen when their time has come, and keeps what was
said. Judges nothing: that is for `invariants`.
"""

import json
import signal
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple

from imagectl.errors import ImagectlError
from imagectl.fleet.pool import Threads
from imagectl.image import Change, Outcome
from imagectl.update import Clock

from . import program
from .backend import Backend, Place, PlayedImage, Request
from .client import Client
from .disk import Disk
from .events import BUGS, DISKS, ENDS, FATES, OUTPUTS, SIGNALS, STRANGERS, THREADS, Event, Fate
from .scheduler import LONGEST_STALL, BugError, Death, Scheduler
from .setup import ACCOUNTS, FOREIGN, REGIONS, Setup, Target, Values


class Told(NamedTuple):
    """What a run said of one image, and when."""

    run: int
    place: Place
    name: str
    result: str
    when: float
    changes: tuple[Change, ...] = ()
    error: ImagectlError | None = None


@dataclass(slots=True)
class Run:
    """One process: what it was, what came of it."""

    number: int
    purpose: str  # "first", "same again", "calm", "idle", "undo"
    started: float
    ended: float = 0.0
    code: int | None = None
    dead: str = ""
    error: ImagectlError | None = None  # what it ended with, on the whole
    calm: bool = False
    torn: bool = False  # a record, by a signal
    deaf: bool = False  # to signals, when it was over
    bugs: int = 0  # 1 where one of its threads met one
    given_up: bool = False  # an image that the service turned away again and again
    timeout: float = 0.0  # as it was asked for, where it waits
    undo: str = ""  # the path of its rollback file
    wanted: dict[tuple[Place, str], Values] = field(default_factory=dict)  # of which images


@dataclass(slots=True)
class Seen:
    """What `invariants` judge by."""

    setup: Setup
    backends: dict[Place, Backend]
    told: list[Told] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    meddled: Counter[tuple[Place, str]] = field(default_factory=Counter)  # how often, by somebody else
    unrecorded: list[str] = field(default_factory=list)  # what was sent without being in a rollback file
    reads_failed: set[int] = field(default_factory=set)  # the runs

    def image(self, target: Target) -> PlayedImage:
        return self.backends[target.place].images[target.name]

    def run(self, number: int) -> Run:
        return self.runs[number]

    def requests(self, run: Run) -> list[Request]:
        """The updates that a run sent."""
        return [r for backend in self.backends.values() for r in backend.requests if r.run == run.number]

    def events(self, run: Run) -> list[tuple[float, str]]:
        """What happened in a run, and when."""
        return [
            (when, " ".join(map(str, what))) for when, number, _, *what in self.trace if number == run.number
        ]

    def signals(self, run: Run) -> list[float]:
        """When a run got any."""
        return [when for when, what in self.events(run) if what.startswith("signal ")]

    def stalled(self, run: Run) -> float:
        """The seconds at most for which threads of a run got no processor."""
        return LONGEST_STALL * sum(what == "stall" for _, what in self.events(run))


class World:
    def __init__(self, setup: Setup, seed: int) -> None:
        self.setup = setup
        self._random = Random(f"service {seed}").random
        self.scheduler = Scheduler(Random(f"schedule {seed}"), preempt=setup.preempt, log=self.log)
        self.seen = Seen(setup, self._backends())
        self.disk = Disk(self._disk_event, self.scheduler.step)
        self._counts: Counter[str] = Counter()
        self._due: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
        self._lasting: tuple[str, Fate] | None = None
        self._threads_left: set[int] | None = None
        self.calm = False

    def play(self) -> Seen:
        self.play_first()
        if self.setup.at_once:
            # What failed less than a read's lag ago can't be told from what fails now: nobody is that quick.
            failures = [r.ends for b in self.seen.backends.values() for r in b.requests if r.failed]
            self.scheduler.pass_until(max(self.scheduler.now, *failures, 0) + self.setup.nature.stale)
            self._process("same again")
        self._calm_down()
        last = self._until_done("calm")
        if last.code == 0:
            self._process("idle")
        if self.setup.verb == "apply":
            for run in reversed(self.seen.runs[:]):
                if run.undo and (written := self.disk.read(run.undo)):
                    self._until_done("undo", manifest=written)
        self.scheduler.pass_all()
        return self.seen

    def play_first(self) -> Seen:
        """The first run alone."""
        self._prepare()
        self._process("first")
        return self.seen

    # What the played processes are given. To plant a fault, another one is given.

    def clock(self) -> Clock:
        return self.scheduler.clock()

    def threads(self) -> Threads:
        return self.scheduler.threads()

    def place(self, profile: str | None, region: str | None) -> Place:
        return Place(ACCOUNTS[profile or "default"], region or REGIONS[0])

    def connect(self, profile: str | None, region: str | None) -> Client:
        return Client(self.backend(profile, region), self.setup.network, self.scheduler, self)

    def log_in(self, profile: str | None) -> "Login":
        return Login(self, profile)

    def backend(self, profile: str | None, region: str | None) -> Backend:
        return self.seen.backends[self.place(profile, region)]

    def sends(self, backend: Backend, request: Request) -> None:
        """An update leaves the process."""
        backend.requests.append(request)
        if undo := self.seen.runs[-1].undo:
            arn, lines = f'"{backend.arn(request.name)}"'.encode(), self.disk.synced(undo).splitlines()
            written = [json.loads(line)["Expected"] for line in lines if arn in line]
            if not written or written[-1] != request.values:
                self.seen.unrecorded.append(f"run {request.run} sent {request.name}")

    @property
    def run(self) -> int:
        return len(self.seen.runs) - 1

    def tell(self, place: Place, outcome: Outcome) -> None:
        told = Told(
            self.run,
            place,
            outcome.name,
            outcome.result,
            self.scheduler.now,
            outcome.changes,
            outcome.error,
        )
        self.seen.told.append(told)
        self.log("says", outcome.name, outcome.result, outcome.error.message if outcome.error else "")

    def record(self, place: Place, outcome: Outcome) -> None:
        """A record is printed, and kept in a file."""
        events = self._count("record")
        try:
            self.scheduler.step()
        except KeyboardInterrupt:
            self.seen.runs[-1].torn = True
            raise
        self.tell(place, outcome)
        for event in events:
            self.seen.happened[event.kind] += 1
            self.log(event.kind)
            if event.kind == "output is stuck":
                self.scheduler.wait(None, [])
            raise ImagectlError("internal", "the output could not be written")

    def log(self, *what: Any) -> None:
        self.seen.trace.append((self.scheduler.now, self.run, self.scheduler.who, *what))

    # What happens.

    def fate(self, operation: str) -> tuple[str, Fate]:
        """What becomes of the next request."""
        kind = "own"
        for event in self._count(operation):
            kind = event.kind
        label, fate = (kind, FATES[kind]) if kind != "own" or not self._lasting else self._lasting
        if fate.lasting and not self._lasting:
            self._lasting = label, fate
        if label != "own":
            self.seen.happened[label] += 1
            if operation != "UpdateImage":
                self.read_failed()
        self.log(operation, label)
        return label, fate

    def read_failed(self) -> None:
        self.seen.reads_failed.add(self.run)

    def _count(self, what: str) -> list[Event]:
        """Those of the events whose count this is that are for who counts; all others happen here."""
        if self.calm:
            return []
        self._counts[what] += 1
        due = self._due.get((what, self._counts[what]))
        if not due:
            return []
        for event in due:
            self._happen(event)
        return [event for event in due if event.kind in {*FATES, *DISKS, *OUTPUTS}]

    def _happen(self, event: Event) -> None:
        if event.kind in SIGNALS:
            self.seen.happened[event.kind] += 1
            self.scheduler.interrupt(signal.Signals[SIGNALS[event.kind]])
        elif event.kind in ENDS:
            self.seen.happened[event.kind] += 1
            self.scheduler.kill(event.kind)
        elif event.kind in BUGS and not self.seen.runs[-1].bugs:  # one a run: what counts the dead may live
            self.seen.happened[event.kind] += 1
            self.seen.runs[-1].bugs += 1
            self.log(event.kind)
            raise BugError(event.kind) if event.kind == "a bug" else Death

    def _happen_to_process(self, event: Event) -> None:
        if Scheduler.running and not self.calm:
            self._happen(event)

    def _disk_event(self, operation: str) -> str:
        kinds = [event.kind for event in self._count(operation)]
        for kind in kinds[:1]:  # nothing more can come of what fails already
            self.seen.happened[kind] += 1
            self.log(kind)
        return kinds[0] if kinds else ""

    def _step_event(self) -> None:
        scheduler = self.scheduler
        due = self._steps.pop(0)
        if due.kind in BUGS and scheduler.is_main:
            self._steps.insert(0, due._replace(at=due.at + 1))
            scheduler.alarm += 1
            return
        scheduler.alarm = self._steps[0].at if self._steps else 0
        if not self.calm:
            self._happen(due)

    def _meddle(self, event: Event) -> None:
        target = self.setup.targets[event.which]
        if self.calm or not self.seen.backends[target.place].meddle(event.kind, target.name, target.wanted):
            return
        self.seen.happened[event.kind] += 1
        self.seen.meddled[target.place, target.name] += 1

    def _unstartable(self, number: int) -> bool:
        for event in self.setup.events:
            if event.kind in THREADS and not self.calm:
                one = event.kind == "one thread can't start"
                if number == event.at if one else number >= event.at:
                    self.seen.happened[event.kind] += 1
                    return True
        return False

    # How it goes.

    def _prepare(self) -> None:
        self._steps = sorted(
            (event for event in self.setup.events if event.what == "step"), key=lambda event: event.at
        )
        for event in self.setup.events:
            if event.kind in STRANGERS:
                self.scheduler.at(event.at + self._random(), partial(self._meddle, event))
            elif event.what == "second":
                for number in range(event.times):
                    when = event.at + self._random() + number
                    self.scheduler.at(when, partial(self._happen_to_process, event))
            for number in range(event.at, event.at + event.times):
                self._due[event.what, number].append(event)
        self.scheduler.on_alarm = self._step_event
        self.scheduler.unstartable = self._unstartable

    def _backends(self) -> dict[Place, Backend]:
        backends = {
            Place(account, region): Backend(
                Place(account, region),
                self.setup.nature,
                now=lambda: self.scheduler.now,
                chance=self._random,
                log=self.log,
            )
            for account in ACCOUNTS.values()
            for region in REGIONS
        }
        for target in self.setup.targets:
            backends[target.place].add(target.name, target.has)
        for backend in backends.values():
            for number in range(self.setup.others):
                backend.add(f"other-{number}", {"RoleArn": "arn:aws:iam::111111111111:role/old"})
        return backends

    def _process(self, purpose: str, *, manifest: bytes = b"") -> Run:
        if self.calm:
            self._come_to_rest()
        run = Run(len(self.seen.runs), purpose, self.scheduler.now, calm=self.calm)
        self.seen.runs.append(run)
        # Steps are each process's own; what is counted else goes on from run to run.
        self.scheduler.alarm = self._steps[0].at if self._steps and not self.calm else 0
        before = {number: signal.getsignal(number) for number in program.SIGNALS}
        signal.pthread_sigmask(signal.SIG_BLOCK, program.SIGNALS)  # a real one waits: it is not for who plays
        try:
            self.scheduler.run(
                lambda: program.main(self, run, manifest or manifest_of(self.setup)),
                stall=0 if self.calm else self.setup.stall,
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, program.SIGNALS)
        run.dead, run.ended = self.scheduler.dead, self.scheduler.now
        self.log("exit", run.code, run.dead)
        if run.dead == "power":
            self.disk.lose_power(self._random())
        for crash in self.scheduler.crashes:
            self.seen.crashes.append(f"run {run.number}: {type(crash).__name__}: {crash}")
        self.scheduler.crashes.clear()
        return run

    def _until_done(self, purpose: str, *, manifest: bytes = b"") -> Run:
        """The same again, where an image was turned away for the rate until it was given up."""
        for _ in range(3):
            run = self._process(purpose, manifest=manifest)
            errors = [told.error for told in self.seen.told if told.run == run.number]
            run.given_up = any(error and error.is_throttle for error in errors)
            if not run.given_up:
                break
        return run

    def _calm_down(self) -> None:
        self.calm, self._lasting = True, None
        self.scheduler.pass_all()
        for backend in self.seen.backends.values():
            backend.nature = backend.nature._replace(failing=frozenset())

    def _come_to_rest(self) -> None:
        """All that changes is changed, and is there to be read."""
        ends = [
            image.history[-1][0] for each in self.seen.backends.values() for image in each.images.values()
        ]
        self.scheduler.pass_until(max(self.scheduler.now, *ends) + 10)


def manifest_of(setup: Setup) -> bytes:
    """What is declared, as JSON Lines."""
    lines = []
    for number, target in enumerate(setup.targets):
        place = {"Profile": target.profile} if target.profile != "default" else {}
        foreign = setup.foreign and not number
        if target.by_arn or foreign:
            account, region = target.place if not foreign else (FOREIGN, target.region)
            named = {"ImageArn": f"arn:aws:sagemaker:{region}:{account}:image/{target.name}"}
        else:
            named = {"ImageName": target.name, "Region": target.region}
        guard = {"Expected": target.expected} if target.expected else {}
        lines.append(json.dumps({**named, **place, **target.wanted, **guard}) + "\n")
    return "".join(lines).encode()


class Login(NamedTuple):
    """One profile's login, as the plan needs it."""

    world: World
    profile: str | None
    region: str | None = None
    asks: bool = False
    account: str | None = None

    def service(self, region: str | None) -> Client:
        return self.world.connect(self.profile, region)
