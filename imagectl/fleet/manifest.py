"""A manifest: text -> entries, each with its line, and all that is wrong with it.

Owns which keys an entry may have and what they mean. Reads no files and asks no service: an entry's region
and profile are what the manifest says, not what they turn out to be.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from imagectl.constraints import violations
from imagectl.errors import Problem
from imagectl.fleet.documents import Item, Odd
from imagectl.fleet.documents import read as read_documents
from imagectl.fleet.rollback import MARK, is_torn
from imagectl.image import PROPERTIES, ImageArn, ImageUpdate, is_region
from imagectl.text import quote

# What the API returns of an image and nobody can set: passed over, so that its replies are manifests.
READ_ONLY = frozenset(("CreationTime", "FailureReason", "ImageStatus", "LastModifiedTime"))
_IDENTITY = ("ImageName", "ImageArn", "Region", "Profile")
_KNOWN = frozenset((*PROPERTIES, *_IDENTITY, *READ_ONLY, MARK))


@dataclass(frozen=True, slots=True)
class Entry:
    """One image's declaration: what is wanted of it, and as far as it says so, where it is."""

    line: int
    update: ImageUpdate
    arn: ImageArn | None = None
    region: str | None = None  # its own, or its ARN's
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """All entries of a manifest. `torn`: the line that a crash cut off, in a rollback file."""

    entries: tuple[Entry, ...] = ()
    torn: int | None = None


def parse(data: bytes, problems: list[Problem], *, region: str | None = None) -> Manifest:
    """The manifest in `data`; `problems` takes all that is wrong. `region` is an explicit --region.

    An empty list says that nothing is declared. Text with nothing in it says nothing: most often, that
    the command which was to write it failed.
    """
    found: list[Problem] = []
    try:
        text = data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        problems.append(Problem("", f"is not {exc.encoding.upper()} at byte {exc.start}", line))
        return Manifest()
    head, newline, tail = text.rpartition("\n")
    torn = None
    if is_torn(head, tail):
        text, torn = head + newline, head.count("\n") + bool(newline) + 1
    elif not text.strip():
        found.append(Problem("", "the manifest is empty"))
    entries = [entry for item in read_documents(text, found) if (entry := _entry(item, region, found))]
    found += repeated((e.line, e.update.name, (e.profile, e.region)) for e in entries)
    problems += sorted(found, key=lambda problem: problem.line or 0)
    return Manifest(tuple(entries), torn)


def repeated(images: Iterable[tuple[int, str, Any]]) -> list[Problem]:
    """A problem for each image that is declared again; an image is its line, its name and where it is."""
    first: dict[Any, int] = {}
    found = []
    for line, name, place in images:
        # SageMaker writes some ARNs in lower case, so names that differ in case alone are one image's.
        before = first.setdefault((place, name), line)
        if before != line:
            found.append(Problem("ImageName", f"{quote(name)} is already declared in line {before}", line))
    return found


def _entry(item: Item, region_flag: str | None, problems: list[Problem]) -> Entry | None:
    """What an item declares; None, and the problems told, where it is no valid entry."""
    wrong: list[Problem] = []

    def complain(key: str, message: str) -> None:
        wrong.append(Problem(key, message, item.line_of(key)))

    members = item.value
    if not isinstance(members, dict):
        what = members.words if isinstance(members, Odd) else "null" if members is None else quote(members)
        problems.append(
            Problem("", f"an image must be an object with the key ImageName, not {what}", item.line)
        )
        return None
    for key in item.repeated:
        complain(key, "is given twice")
    wanted: dict[str, str | None] = {}
    identity: dict[str, str] = {}
    for key, value in members.items():
        if key in READ_ONLY or key == MARK:
            continue
        if key not in _KNOWN:
            wrong.append(Problem(quote(key), f"is not known{_meant(key)}", item.line_of(key)))
        elif isinstance(value, Odd):
            complain(key, f"must be text{' or null' if key in PROPERTIES else ''}, not {value.words}")
        elif value == "":
            complain(
                key,
                "is empty: null deletes, leaving out the key leaves alone"
                if key in PROPERTIES
                else "is empty",
            )
        elif key in PROPERTIES:
            wanted[key] = value
        elif value is None:
            complain(key, "must be text, not null")
        else:
            identity[key] = value
    arn = _arn(identity, complain)
    region = identity.get("Region", arn.region if arn else None)
    if region is not None and not is_region(region):
        complain("Region", f"is no region's name: {quote(region)}")
    elif "Region" not in identity and region_flag and region and region != region_flag:
        complain("ImageArn", f"is of {quote(region)}, but --region is {quote(region_flag)}")
    name = identity.get("ImageName", arn.name if arn else None)
    if name is None and not any(key in members for key in ("ImageName", "ImageArn")):
        complain("", "has neither ImageName nor ImageArn")
    update = ImageUpdate(name or "unknown", wanted)
    if name is not None or wanted:
        for problem in violations(update):
            if problem.field:  # not "nothing to change": here that is an image which stays as it is
                complain(problem.field, problem.message)
    problems += wrong
    return None if wrong else Entry(item.line, update, arn, region, identity.get("Profile"))


def _arn(identity: dict[str, str], complain: Callable[[str, str], None]) -> ImageArn | None:
    """The entry's ARN, if it has one and it agrees with what else the entry says."""
    text = identity.get("ImageArn")
    if text is None:
        return None
    arn = ImageArn.parse(text)
    if arn is None:
        complain("ImageArn", f"is no image's ARN: {quote(text)}")
        return None
    name, region = identity.get("ImageName", arn.name), identity.get("Region", arn.region)
    if name.casefold() != arn.name.casefold():
        complain("ImageArn", f"is of {quote(arn.name)}, but ImageName is {quote(name)}")
    if region != arn.region:
        complain("ImageArn", f"is of {quote(arn.region)}, but Region is {quote(region)}")
    return arn


def _meant(key: str) -> str:
    """The key that may have been meant: one that differs in how it is written alone."""
    plain = {known.casefold(): known for known in (*_IDENTITY, *PROPERTIES)}
    close = plain.get(key.replace("-", "").replace("_", "").casefold())
    return f"; did you mean {close}?" if close else ""
