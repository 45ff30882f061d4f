"""Before anything is sent: where each image is and in whose account, how it is now, what would change."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple, Protocol

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.fleet.guard import unexpected
from imagectl.fleet.manifest import Entry, repeated
from imagectl.fleet.paced import Paced
from imagectl.fleet.pool import THREADS, Threads, do_all
from imagectl.fleet.sender import Job
from imagectl.image import MOVING, PROPERTIES, Image, ImageArn, Outcome, Service, all_images
from imagectl.text import quote
from imagectl.update import Clock, plan


class Login(Protocol):
    """The identity of one profile, and the services that it reaches."""

    @property
    def region(self) -> str | None:
        """The region that is configured."""

    @property
    def asks(self) -> bool:
        """Whether it may ask for a code on the terminal."""

    @property
    def account(self) -> str | None:
        """Whose account it is, once a service was had and as far as AWS itself names it."""

    def service(self, region: str | None) -> Service: ...


LogIn = Callable[[str | None], Login]  # by a profile; this alone asks for nothing


class Located(NamedTuple):
    """An entry and the service that its image is in."""

    entry: Entry
    service: Service
    account: str | None  # whose service it is, where that is known by now


# Of a listed image, what is compared, shown and waited by: ten thousand whole replies are not kept.
_KEPT = (*PROPERTIES, "ImageName", "ImageArn", "ImageStatus", "FailureReason", "LastModifiedTime")


class Shard(NamedTuple):
    """The `part`-th of `of` parts, counted from 1."""

    part: int = 1
    of: int = 1

    def has(self, entry: Entry, region: str) -> bool:
        """Whether an entry is in this part: the same answer on every machine, whatever else is declared.

        `region` is the entry's own, or else the one it will have.
        """
        whose = entry.profile or (entry.arn.account if entry.arn else "")
        text = "\0".join((*filter(None, [whose]), region, entry.update.name.casefold()))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % self.of == self.part - 1

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"


def locate(
    entries: Sequence[Entry],
    log_in: LogIn,
    shard: Shard,
    *,
    profile: str | None = None,
    region: str | None = None,
    size: int = 1,
    threads: Threads = THREADS,
) -> list[Located]:
    """The entries of the shard, each with its service: one login per profile, one connection per region.

    `profile` and `region` are those of entries which name none. Only profiles that the shard has an entry
    of log in: those that may ask for a code one by one, then up to `size` others at the same time.
    """
    logins = _Logins(log_in, profile, region)
    here = entries if shard.of == 1 else [e for e in entries if shard.has(e, logins.region(e))]
    logins.check()
    of_profile: defaultdict[str | None, dict[str | None, Entry]] = defaultdict(dict)
    for entry in here:
        of_profile[entry.profile].setdefault(entry.region, entry)

    def connect(firsts: Mapping[str | None, Entry]) -> None:
        for entry in firsts.values():
            logins.connect(entry)

    together = []
    for firsts in of_profile.values():
        if logins.asks(next(iter(firsts.values()))):
            connect(firsts)
        else:
            together.append(firsts)
    do_all(connect, together, size, threads=threads)
    logins.check()
    located = [logins.located(entry) for entry in here]
    _refuse(repeated((e.line, e.update.name, (e.profile, service.region)) for e, service, _ in located))
    return located


class _Logins:
    """The profiles of a manifest, each logged in once, and what kept some from it."""

    def __init__(self, log_in: LogIn, profile: str | None, region: str | None) -> None:
        self._log_in, self._profile, self._region = log_in, profile, region
        self._logins: dict[str | None, Login | None] = {}
        self._services: dict[tuple[str | None, str | None], Service] = {}
        self._failures: list[tuple[Entry, ImagectlError]] = []

    def region(self, entry: Entry) -> str:
        named = entry.region or self._region
        login = None if named else self._login(entry)
        return named or (login and login.region) or ""

    def asks(self, entry: Entry) -> bool:
        login = self._login(entry)
        return login is not None and login.asks

    def connect(self, entry: Entry) -> None:
        """Have the service of an entry, unless its profile has failed already."""
        login, whose = self._login(entry), entry.profile or self._profile
        if login is None:
            return
        try:
            service = login.service(entry.region or self._region)
        except ImagectlError as error:
            self._logins[whose] = None
            self._failures.append((entry, error))
        else:
            # A region may be asked for by its name, and as the one that is configured.
            service = self._services.setdefault((whose, service.region), service)
            self._services[whose, entry.region] = service

    def located(self, entry: Entry) -> Located:
        whose = entry.profile or self._profile
        service, login = self._services[whose, entry.region], self._logins[whose]
        if entry.profile != whose:
            entry = replace(entry, profile=whose)
        return Located(entry, service, login.account if login else None)

    def check(self) -> None:
        """Raise where a profile could not log in."""
        if self._failures:
            raise _no_logins(self._failures)

    def _login(self, entry: Entry) -> Login | None:
        whose = entry.profile or self._profile
        if whose not in self._logins:
            try:
                self._logins[whose] = self._log_in(whose)
            except ImagectlError as error:
                self._logins[whose] = None
                self._failures.append((entry, error))
        return self._logins[whose]


def _no_logins(failures: list[tuple[Entry, ImagectlError]]) -> ImagectlError:
    """What kept profiles from logging in, each with the first line that asks for it."""
    failures.sort(key=lambda failure: failure[0].line)
    first = failures[0][1]
    if len(failures) == 1 and failures[0][0].profile is None:
        return first
    problems = [
        Problem("Profile", f"{quote(entry.profile)}: {error.message}", entry.line)
        if entry.profile
        else Problem("", error.message)
        for entry, error in failures
    ]
    whole = str(problems[0]) if len(problems) == 1 else f"{len(problems)} profiles could not log in"
    return first.but(message=whole, problems=problems, outcome="not-applied")


def read_states(
    located: Sequence[Located], size: int, *, clock: Clock, threads: Threads = THREADS
) -> list[Job]:
    """Each entry with its image as it is and the plan for it: one sweep of ListImages per service.

    Roles are not listed, so an image of which one is declared or expected is read by itself. From here on,
    all calls keep the pace that their service admits.
    """
    start = clock.now()
    services = dict.fromkeys(service for _, service, _ in located)
    paced = {service: Paced(service, clock=clock, threads=threads) for service in services}
    there = [(entry, paced[service], account) for entry, service, account in located]
    sought: defaultdict[Paced, _Sought] = defaultdict(_Sought)
    for entry, service, _ in there:
        sought[service].add(entry)

    def sweep(service: Paced) -> None:
        for image in all_images(service):
            sought[service].see(image)

    def describe(at: tuple[Entry, Paced]) -> None:
        entry, service = at
        image = sought[service].find(entry)
        if image is not None:
            sought[service].found[image.name] = _compared(service.describe(image.name))

    do_all(sweep, list(sought), size, threads=threads)
    accounts = _Accounts()
    for entry, service, account in there:
        accounts.add(entry.profile, account or sought[service].account)
    states = [(entry, sought[service].find(entry)) for entry, service, _ in there]
    _refuse_other_accounts((entry, image, accounts.of(entry.profile)) for entry, image in states)
    _refuse(repeated((entry.line, image.arn, ()) for entry, image in states if image))
    do_all(describe, [(e, service) for e, service, _ in there if _needs_role(e)], size, threads=threads)
    return [
        _job(
            e,
            service,
            sought[service].find(e),
            read=start,
            size=sought[service].size,
            whose=accounts.words(e.profile),
        )
        for e, service, _ in there
    ]


def _needs_role(entry: Entry) -> bool:
    return "RoleArn" in entry.update.wanted or "RoleArn" in entry.expected


def by_turns(jobs: Sequence[Job]) -> list[Job]:
    """Each service's jobs in their order, the services by turns: none waits for the pace of another."""
    of_service: defaultdict[Service, list[Job]] = defaultdict(list)
    for job in jobs:
        of_service[job.service].append(job)
    rounds = zip_longest(*of_service.values())
    return [job for jobs_of_a_round in rounds for job in jobs_of_a_round if job is not None]


class _Accounts:
    """Whose images the entries are about, by the profile: its account, as far as any image has told it."""

    def __init__(self) -> None:
        self._of: dict[str | None, str | None] = {}

    def add(self, profile: str | None, account: str | None) -> None:
        self._of[profile] = self._of.get(profile) or account

    def of(self, profile: str | None) -> str | None:
        return self._of[profile]

    def words(self, profile: str | None) -> str:
        """What tells an image from the one of the same name elsewhere; nothing where there is one profile."""
        if len(self._of) == 1:
            return ""
        account = self._of[profile]
        name = f"profile {profile}" if profile else "default profile"
        return f"{name}, account {account}" if account else name


class _Sought:
    """The images of one service that entries are about, as the sweep found them; `size` counts all."""

    def __init__(self) -> None:
        self.size = 0
        self.account: str | None = None
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
        self.account = arn.account
        alike = self._folded.get(image.name.casefold())
        if alike is not None:
            alike.append(image.name)
        if alike is not None or image.name in self._names:
            self.found[image.name] = _compared(image)

    def find(self, entry: Entry) -> Image | None:
        """The entry's image: by its very name, or for an ARN by the only one that is alike but for case."""
        name = entry.update.name
        if name not in self.found and entry.arn:
            name, *others = self._folded[name.casefold()] or [name]
            if others:
                return None
        return self.found.get(name)


def _job(entry: Entry, service: Paced, current: Image | None, *, read: float, size: int, whose: str) -> Job:
    if current is not None:
        planned = plan(current, replace(entry.update, name=current.name), service.region)
        # What is being changed is judged when that is over.
        error = (
            unexpected(entry, current, service.region)
            if planned.changes and current.status not in MOVING
            else None
        )
    else:
        planned = Outcome(result="not-applied", name=entry.update.name, region=service.region)
        error = ImagectlError(
            "not-found",
            f"no image {quote(entry.update.name)} in {service.region}",
            code="ResourceNotFound",
            operation="ListImages",
            image_name=entry.update.name,
            region=service.region,
            outcome="not-applied",
        )
    outcome = replace(planned, line=entry.line, profile=entry.profile, whose=whose, error=error)
    if error:
        outcome = replace(outcome, result="not-applied")
    return Job(entry, service, size, current or Image({}), read, outcome)


def _compared(image: Image) -> Image:
    return Image({key: image.fields[key] for key in _KEPT if key in image.fields})


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise usage(problems)


def _refuse_other_accounts(states: Iterable[tuple[Entry, Image | None, str | None]]) -> None:
    """UpdateImage takes a name only: with another account's credentials, it changes that account's image.

    An image that is not there still has an account: that of the credentials, as other images told it.
    """
    problems, others = [], 0
    for entry, image, account in states:
        if entry.arn is None:
            continue
        found = ImageArn.parse(image.arn) if image else None
        if (found and not entry.arn.same_image(found)) or (account and account != entry.arn.account):
            whose = found or f"account {account}"
            problems.append(
                Problem("ImageArn", f"is {entry.arn}, but the credentials are for {whose}", entry.line)
            )
            others += entry.arn.account != (found.account if found else account)
    if not problems:
        return
    count = "1 ARN is" if len(problems) == 1 else f"{len(problems)} ARNs are"
    what = (
        "of another account than the credentials"
        if others == len(problems)
        else "of another image than the one here"
    )
    raise ImagectlError(
        "access",
        f"{count} {what}, nothing was sent",
        hint="choose the profile of the ARN's account: --profile, or Profile in the manifest"
        if others
        else None,
        outcome="not-applied",
        problems=problems,
    )
