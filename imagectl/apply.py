"""Many images: where each is, how it is now, what would change. And then `run`, which has it done.

Owns the order of things: the whole state is read before anything is sent, results come out one at a time in
one thread, and whatever stops a run lets what is under way finish. How one image is sent is sender.py's.
Speaks to the service through `Images`, and to people through what it is given.
"""

import hashlib
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.image import PROPERTIES, Image, ImageArn, Images, Outcome, Progress
from imagectl.manifest import Entry, repeated
from imagectl.rollback import RollbackFile
from imagectl.sender import FleetOptions, Job, Sender, start
from imagectl.text import quote
from imagectl.update import Clock, plan

Connect = Callable[[str | None, str | None], Images]  # profile, region -> the service there

# Of a listed image, what is compared, shown and waited by: ten thousand whole replies are not kept.
_KEPT = (*PROPERTIES, "ImageName", "ImageArn", "ImageStatus", "FailureReason", "LastModifiedTime")


@dataclass(frozen=True, slots=True)
class Shard:
    """The `part`-th of `of` parts, counted from 1."""

    part: int = 1
    of: int = 1

    def has(self, region: str, name: str) -> bool:
        """Whether an image is in this part: the same answer on every machine, whatever else is declared."""
        if self.of == 1:
            return True
        digest = hashlib.sha256(f"{region}\0{name.casefold()}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.part - 1


@dataclass(slots=True)
class Tally:
    """How many images came to what. `stopped` says why nothing new was sent, where that happened."""

    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    error: ImagectlError | None = None  # what concerns the whole run

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> "Tally":
        """What the plan comes to."""
        return cls(len(jobs), Counter(_counted(job.outcome) for job in jobs))

    def add(self, outcome: Outcome) -> None:
        self.counts[_counted(outcome)] += 1

    @property
    def changes(self) -> int:
        return self.counts["to change"]

    @property
    def done(self) -> int:
        return self.counts.total()

    def __str__(self) -> str:
        said = [f"{count} {what}" for what in _WORDS if (count := self.counts[what])]
        stopped = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"{images_in_words(self.total)}: {', '.join(said) or 'nothing to do'}{stopped}"

    def verdict(self) -> ImagectlError | None:
        """The error of the whole run, if it has one."""
        if self.error:
            self.error.message += f"; {self}"
            self.error.outcome = None  # of many: each has its own
            return self.error
        failed, late = self.counts["failed"], self.counts["not settled in time"]
        unsent = self.counts["not sent"]
        if failed or unsent:
            more = {"not settled in time": late, "not sent": unsent}
            rest = "".join(f", {count} {what}" for what, count in more.items() if count)
            return ImagectlError("partial", f"{failed} of {images_in_words(self.total)} failed{rest}")
        if late:
            return ImagectlError("pending", f"{late} of {images_in_words(self.total)} not settled in time")
        return None


_WORDS = ("updated", "requested", "to change", "unchanged", "failed", "not settled in time", "not sent")


def _counted(outcome: Outcome) -> str:
    if outcome.error:
        return "not settled in time" if outcome.error.kind == "pending" else "failed"
    return {"planned": "to change", "not-applied": "not sent"}.get(outcome.result, outcome.result)


def images_in_words(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


# Before: nothing is sent.


def locate(entries: Sequence[Entry], connect: Connect, shard: Shard) -> list[tuple[Entry, Images]]:
    """The entries of the shard, each with its service: one connection per profile and region."""
    asked: dict[tuple[str | None, str | None], Images] = {}
    services: dict[tuple[str | None, str], Images] = {}
    for key in dict.fromkeys((entry.profile, entry.region) for entry in entries):
        images = connect(*key)
        asked[key] = services.setdefault((key[0], images.region), images)
    located = [(entry, asked[entry.profile, entry.region]) for entry in entries]
    _refuse(repeated((e.line, e.update.name, (e.profile, images.region)) for e, images in located))
    return [(e, images) for e, images in located if shard.has(images.region, e.update.name)]


def look(located: Sequence[tuple[Entry, Images]], threads: int) -> list[Job]:
    """Each entry with its image as it is and the plan for it: one sweep of ListImages per service.

    Roles are not listed, so an image that declares one is read by itself.
    """
    sought: defaultdict[Images, _Sought] = defaultdict(_Sought)
    for entry, images in located:
        sought[images].add(entry)

    def sweep(images: Images) -> None:
        for image in images.list():
            sought[images].see(image)

    def describe(at: tuple[Entry, Images]) -> None:
        entry, images = at
        image = sought[images].find(entry)
        if image is not None:
            sought[images].found[image.name] = _cut(images.describe(image.name))

    _all(sweep, list(sought), threads)
    states = [(entry, images, sought[images].find(entry)) for entry, images in located]
    _refuse_other_accounts(states)
    _refuse(repeated((entry.line, image.arn, ()) for entry, _, image in states if image))
    _all(describe, [(e, i) for e, i in located if "RoleArn" in e.update.wanted], threads)
    return [_job(e, images, sought[images].find(e), sought[images].size) for e, images in located]


class _Sought:
    """The images of one service that entries are about, as the sweep found them; `size` counts all."""

    def __init__(self) -> None:
        self.size = 0
        self.found: dict[str, Image] = {}
        self._names: set[str] = set()
        self._folded: dict[str, list[str]] = {}  # by an ARN, which the service may write in lower case

    def add(self, entry: Entry) -> None:
        self._names.add(entry.update.name)
        if entry.arn:
            self._folded[entry.update.name.casefold()] = []

    def see(self, image: Image) -> None:
        self.size += 1
        arn = ImageArn.parse(image.arn)
        if arn is None or arn.name.casefold() != image.name.casefold():
            return  # whatever that is, it is nothing to send an update to
        alike = self._folded.get(image.name.casefold())
        if alike is not None:
            alike.append(image.name)
        if alike is not None or image.name in self._names:
            self.found[image.name] = _cut(image)

    def find(self, entry: Entry) -> Image | None:
        """The entry's image: by its very name, or for an ARN by the only one that is alike but for case."""
        name = entry.update.name
        if name not in self.found and entry.arn:
            name, *others = self._folded[name.casefold()] or [name]
            if others:
                return None
        return self.found.get(name)


def _job(entry: Entry, images: Images, current: Image | None, size: int) -> Job:
    if current is not None:
        update = replace(entry.update, name=current.name)
        outcome = replace(plan(current, update, images.region), line=entry.line)
        return Job(entry, images, size, current, outcome)
    error = ImagectlError(
        "not-found",
        f"no image {quote(entry.update.name)} in {images.region}",
        code="ResourceNotFound",
        operation="ListImages",
        image_name=entry.update.name,
        region=images.region,
        outcome="not-applied",
    )
    missing = Outcome(
        result="not-applied", name=entry.update.name, region=images.region, line=entry.line, error=error
    )
    return Job(entry, images, size, Image({}), missing)


def _cut(image: Image) -> Image:
    return Image({key: image.fields[key] for key in _KEPT if key in image.fields})


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise usage(problems)


def _refuse_other_accounts(states: Iterable[tuple[Entry, Images, Image | None]]) -> None:
    """UpdateImage takes a name only: with another account's credentials, it changes that account's image."""
    problems = []
    for entry, _, image in states:
        arn = ImageArn.parse(image.arn) if image else None
        if arn and entry.arn and not entry.arn.same_image(arn):
            message = f"is {entry.arn}, but the credentials are for {arn}"
            problems.append(Problem("ImageArn", message, entry.line))
    if problems:
        raise ImagectlError(
            "access",
            f"{len(problems)} ARNs are of another account than the credentials, nothing was sent",
            hint="choose the profile of the ARNs' account: --profile, or Profile in the manifest",
            outcome="not-applied",
            problems=problems,
        )


def _all(work: Callable[[Any], None], items: Sequence[Any], threads: int) -> None:
    """Do `work` for all items; the first failure is raised, and then nothing more is begun."""
    results: SimpleQueue[Any] = SimpleQueue()
    stop = threading.Event()

    def one(item: Any) -> BaseException | None:
        try:
            if not stop.is_set():
                work(item)
        except BaseException as exc:  # noqa: BLE001 - raised in the main thread
            return exc
        return None

    start(one, items, threads, results.put)
    try:
        for _ in items:
            failure = results.get()
            if isinstance(failure, BaseException):
                raise failure
    finally:
        stop.set()


# Then: sending.


def run(
    jobs: Sequence[Job],
    options: FleetOptions,
    *,
    rollback_file: str | None,
    progress: Progress,
    tell: Callable[[Outcome], None],
    beat: Callable[[int, int], None],
    note: Callable[[str], None],
    clock: Clock,
) -> Tally:
    """Bring all images to what they should be: `tell` gets each outcome as it comes, `beat` their count.

    What stops a run (a signal, too many failures, a rollback file or an output that can't be written) stops
    what is not sent yet; the rest is finished and told. A signal is raised again when all that is done; a
    second one at once.
    """
    results: SimpleQueue[Outcome | int] = SimpleQueue()
    rollback = RollbackFile(rollback_file) if rollback_file is not None else None
    sender = Sender(options, rollback=rollback, clock=clock, put=results.put)
    tally = Tally(len(jobs))
    with _signals(results.put) as resume:
        start(sender.send, jobs, options.concurrency, lambda _: None)
        caught = None
        while tally.done < tally.total:
            try:
                result = results.get(timeout=0.2)
            except Empty:
                beat(tally.done, tally.total)
                continue
            if isinstance(result, int):
                if caught is not None:
                    progress.known = _abandoned(sender.unknown(), tally)
                    resume(result)
                caught, tally.stopped = result, "interrupted"
                sender.stop(wait=False)
                note("nothing new is sent; what is under way is finished (again to leave at once)")
                continue
            tally.add(result)
            try:
                if tally.error is None:
                    tell(result)
            except ImagectlError as full:
                tally.error, tally.stopped = full, "the output could not be written"
                sender.stop(wait=True)
            beat(tally.done, tally.total)
        if rollback:
            rollback.close()
        tally.error = tally.error or sender.fatal
        tally.stopped = tally.stopped or sender.why
        progress.known = f"{tally}; to go on: the same command"
        if caught is not None:
            resume(caught)
    return tally


def _abandoned(names: Sequence[str], tally: Tally) -> str:
    left = tally.total - tally.done
    if not names:
        return (
            f"nothing that was sent is in doubt; {images_in_words(left)} not done; to go on: the same command"
        )
    return f"whether these were updated is not known: {', '.join(names)}; to go on: the same command"


@contextmanager
def _signals(put: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """While a record is printed, a signal must not tear it: it is queued with the results instead.

    Yields what lets a signal do after all what it did before. A third one does so by itself: whoever is
    stuck in a write to a full pipe can still be ended.
    """
    before: dict[signal.Signals, Any] = {}
    seen = 0

    def on_signal(number: int, frame: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > 2:
            before[signal.Signals(number)](number, frame)
        put(number)

    def resume(number: int) -> None:
        before[signal.Signals(number)](number, None)

    with suppress(ValueError):  # not in the main thread, where only tests are
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):  # ignored stays ignored (nohup)
                before[number] = handler
                signal.signal(number, on_signal)
    try:
        yield resume
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
