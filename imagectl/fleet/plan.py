"""Before anything is sent: where each image is, how it is now, what would change."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.fleet.manifest import Entry, repeated
from imagectl.fleet.pool import THREADS, Threads, do_all
from imagectl.fleet.sender import Job
from imagectl.image import PROPERTIES, Image, ImageArn, Outcome, Service
from imagectl.text import quote
from imagectl.update import plan

Connect = Callable[[str | None, str | None], Service]  # profile, region -> the service there

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


def locate(entries: Sequence[Entry], connect: Connect, shard: Shard) -> list[tuple[Entry, Service]]:
    """The entries of the shard, each with its service: one connection per profile and region."""
    asked: dict[tuple[str | None, str | None], Service] = {}
    services: dict[tuple[str | None, str], Service] = {}
    for key in dict.fromkeys((entry.profile, entry.region) for entry in entries):
        service = connect(*key)
        asked[key] = services.setdefault((key[0], service.region), service)
    located = [(entry, asked[entry.profile, entry.region]) for entry in entries]
    _refuse(repeated((e.line, e.update.name, (e.profile, service.region)) for e, service in located))
    return [(e, service) for e, service in located if shard.has(service.region, e.update.name)]


def look(located: Sequence[tuple[Entry, Service]], size: int, *, threads: Threads = THREADS) -> list[Job]:
    """Each entry with its image as it is and the plan for it: one sweep of ListImages per service.

    Roles are not listed, so an image that declares one is read by itself.
    """
    sought: defaultdict[Service, _Sought] = defaultdict(_Sought)
    for entry, service in located:
        sought[service].add(entry)

    def sweep(service: Service) -> None:
        for image in service.list():
            sought[service].see(image)

    def describe(at: tuple[Entry, Service]) -> None:
        entry, service = at
        image = sought[service].find(entry)
        if image is not None:
            sought[service].found[image.name] = _cut(service.describe(image.name))

    do_all(sweep, list(sought), size, threads=threads)
    states = [(entry, service, sought[service].find(entry)) for entry, service in located]
    _refuse_other_accounts(states)
    _refuse(repeated((entry.line, image.arn, ()) for entry, _, image in states if image))
    do_all(describe, [(e, i) for e, i in located if "RoleArn" in e.update.wanted], size, threads=threads)
    return [_job(e, service, sought[service].find(e), sought[service].size) for e, service in located]


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


def _job(entry: Entry, service: Service, current: Image | None, size: int) -> Job:
    if current is not None:
        update = replace(entry.update, name=current.name)
        outcome = replace(plan(current, update, service.region), line=entry.line)
        return Job(entry, service, size, current, outcome)
    error = ImagectlError(
        "not-found",
        f"no image {quote(entry.update.name)} in {service.region}",
        code="ResourceNotFound",
        operation="ListImages",
        image_name=entry.update.name,
        region=service.region,
        outcome="not-applied",
    )
    missing = Outcome(
        result="not-applied", name=entry.update.name, region=service.region, line=entry.line, error=error
    )
    return Job(entry, service, size, Image({}), missing)


def _cut(image: Image) -> Image:
    return Image({key: image.fields[key] for key in _KEPT if key in image.fields})


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise usage(problems)


def _refuse_other_accounts(states: Iterable[tuple[Entry, Service, Image | None]]) -> None:
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
