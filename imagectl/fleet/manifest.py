"""A manifest: text -> entries, each with its line, and all that is wrong with it.

Owns which keys an entry may have and what they mean. Reads no files and asks no service: an entry's region
and profile are what the manifest says, not what they turn out to be.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagectl.constraints import violations
from imagectl.errors import Problem
from imagectl.fleet.documents import Item, Odd
from imagectl.fleet.documents import read as read_documents
from imagectl.fleet.rollback import AGAIN, MARK, is_torn
from imagectl.image import DELETABLE, PROPERTIES, ImageArn, ImageUpdate, is_region
from imagectl.text import quote

# What the API returns of an image and nobody can set: passed over, so that its replies are manifests.
READ_ONLY = frozenset(("CreationTime", "FailureReason", "ImageStatus", "LastModifiedTime"))
_IDENTITY = ("ImageName", "ImageArn", "Region", "Profile")
_DELETE, _EXPECTED = "DeleteProperties", "Expected"
_WRITTEN = (*_IDENTITY, *PROPERTIES, _DELETE, _EXPECTED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image's declaration: what is wanted of it, and as far as it says so, where and how it is now."""

    line: int
    update: ImageUpdate
    arn: ImageArn | None = None
    region: str | None = None  # its own, or its ARN's
    profile: str | None = None
    expected: Mapping[str, str | None] = field(default_factory=dict)  # of None the image has none


@dataclass(frozen=True, slots=True)
class Manifest:
    """All entries of a manifest. `torn`: the line that a crash cut off, in a rollback file."""

    entries: tuple[Entry, ...] = ()
    torn: int | None = None
    sha256: str = ""  # of its bytes


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
    entries: list[Entry] = []
    again: dict[Any, int] = {}  # the number of the entry that takes the place of those before it
    for item in read_documents(text, found):
        if entry := _entry(item, region, found):
            if item.value.get(MARK) == AGAIN:
                again[_identity(entry)] = len(entries)
            entries.append(entry)
    entries = [entry for n, entry in enumerate(entries) if n >= again.get(_identity(entry), 0)]
    found += repeated((e.line, *_identity(e)) for e in entries)
    problems += sorted(found, key=lambda problem: problem.line or 0)
    return Manifest(tuple(entries), torn)


def _identity(entry: Entry) -> tuple[str, Any]:
    """Which image an entry means, as far as it says so: its name, and where that is."""
    return entry.update.name, (entry.profile, entry.region)


def repeated(images: Iterable[tuple[int, str, Any]]) -> list[Problem]:
    """A problem for each image that is declared again; an image is its line, its name and where it is."""
    first: dict[Any, int] = {}
    found = []
    for line, name, place in images:
        if (place, name) in first:
            message = f"{quote(name)} is already declared in line {first[place, name]}"
            found.append(Problem("ImageName", message, line))
        first.setdefault((place, name), line)
    return found


def _entry(item: Item, region_flag: str | None, problems: list[Problem]) -> Entry | None:
    """What an item declares; None, and the problems told, where it is no valid entry."""
    if not item.is_object:
        what = f"an image must be an object with the key ImageName, not {_in_words(item.value)}"
        problems.append(Problem("", what, item.line))
        return None
    wrong = [Problem(key, "is given twice", item.line_of(key)) for key in item.repeated]
    wrong += _unknown(item, {*_WRITTEN, *READ_ONLY, MARK}, suggest=_WRITTEN)
    identity = {key: text for key, text in _texts(item, _IDENTITY, wrong).items() if text is not None}
    wanted = _texts(item, PROPERTIES, wrong)
    wanted |= _deleted(item, wanted, wrong)
    expected = _expected(item, wrong)
    arn = _arn(item, identity, wrong)
    region = identity.get("Region", arn.region if arn else None)
    wrong += _wrong_region(item, region, region_flag)
    name = identity.get("ImageName", arn.name if arn else None)
    if "ImageName" not in item.value and "ImageArn" not in item.value:
        wrong.append(Problem("", "has neither ImageName nor ImageArn", item.line))
    update = ImageUpdate(name or "unknown", wanted)
    if name is not None or wanted:
        # "Nothing to change" has no field and is no problem: that is an image which stays as it is.
        wrong += (
            problem._replace(line=item.line_of(problem.field))
            for problem in violations(update)
            if problem.field
        )
    problems += wrong
    return None if wrong else Entry(item.line, update, arn, region, identity.get("Profile"), expected)


def _unknown(
    item: Item, known: Collection[str], *, suggest: Sequence[str], of: str = ""
) -> Iterator[Problem]:
    for key in item.value:
        if key not in known:
            yield Problem(quote(key), f"is not known{of}{_meant(key, suggest)}", item.line_of(key))


def _texts(
    item: Item, keys: Iterable[str], problems: list[Problem], *, of: str = ""
) -> dict[str, str | None]:
    """The values of `keys`, as far as they are text or, of a property, null. `of` is what they stand in."""
    found: dict[str, str | None] = {}
    for key in filter(item.value.__contains__, keys):
        value = item.value[key]
        wrong = _wrong_text(value, nullable=key in PROPERTIES, null=_NULL_EXPECTED if of else _NULL_DELETES)
        if wrong:
            problems.append(Problem(f"{of}{key}", wrong, item.line_of(key)))
        else:
            found[key] = value
    return found


_NULL_DELETES = "null deletes, leaving out the key leaves alone"
_NULL_EXPECTED = "null is for a property that the image does not have"


def _wrong_text(value: str | Odd | None, *, nullable: bool, null: str) -> str:
    if isinstance(value, Odd) or (value is None and not nullable):
        return f"must be text{' or null' if nullable else ''}, not {_in_words(value)}"
    if value == "":
        return f"is empty: {null}" if nullable else "is empty"
    return ""


def _deleted(item: Item, wanted: Mapping[str, str | None], problems: list[Problem]) -> dict[str, None]:
    """What DeleteProperties names, as the API's own request has it."""
    names = _inside(item, _DELETE, list, "a list of properties", problems)
    deleted: dict[str, None] = {}
    for name in names.value if names else ():
        if name not in DELETABLE:
            meant = _meant(name, DELETABLE) if isinstance(name, str) else ""
            wrong = f"can delete {' or '.join(DELETABLE)}, not {_in_words(name)}{meant}"
        elif name in wanted or name in deleted:
            wrong = f"{name} is {'both set and deleted' if wanted.get(name) is not None else 'deleted twice'}"
        else:
            deleted[name] = None
            continue
        problems.append(Problem(_DELETE, wrong, item.line_of(_DELETE)))
    return deleted


def _expected(item: Item, problems: list[Problem]) -> dict[str, str | None]:
    """The guard: how the image has to be now, so that it is touched at all."""
    guard = _inside(item, _EXPECTED, dict, "an object of properties", problems)
    if guard is None:
        return {}
    problems += [
        Problem(f"{_EXPECTED}.{key}", "is given twice", guard.line_of(key)) for key in guard.repeated
    ]
    problems += _unknown(guard, PROPERTIES, suggest=PROPERTIES, of=f" in {_EXPECTED}")
    return _texts(guard, PROPERTIES, problems, of=f"{_EXPECTED}.")


def _inside(item: Item, key: str, kind: type, words: str, problems: list[Problem]) -> Item | None:
    """What stands in the value of `key`, which must be a list or an object."""
    if key not in item.value:
        return None
    value = item.value[key]
    if isinstance(value, Odd) and value.read and isinstance((inside := value.read()).value, kind):
        return inside
    problems.append(Problem(key, f"must be {words}, not {_in_words(value)}", item.line_of(key)))
    return None


def _arn(item: Item, identity: Mapping[str, str], problems: list[Problem]) -> ImageArn | None:
    """The entry's ARN, if it has one; it must agree with what else the entry says."""
    text = identity.get("ImageArn")
    arn = ImageArn.parse(text) if text is not None else None
    wrong = []
    if arn:
        name, region = identity.get("ImageName", arn.name), identity.get("Region", arn.region)
        if name.casefold() != arn.name.casefold():
            wrong.append(f"is of {quote(arn.name)}, but ImageName is {quote(name)}")
        if region != arn.region:
            wrong.append(f"is of {quote(arn.region)}, but Region is {quote(region)}")
    elif text is not None:
        wrong.append(f"is no image's ARN: {quote(text)}")
    problems += [Problem("ImageArn", one, item.line_of("ImageArn")) for one in wrong]
    return arn


def _wrong_region(item: Item, region: str | None, flag: str | None) -> Iterator[Problem]:
    if region is None:
        return
    if not is_region(region):
        yield Problem("Region", f"is no region's name: {quote(region)}", item.line_of("Region"))
    elif "Region" not in item.value and flag and region != flag:
        text = f"is of {quote(region)}, but --region is {quote(flag)}"
        yield Problem("ImageArn", text, item.line_of("ImageArn"))


def _in_words(value: str | Odd | list[Any] | None) -> str:
    if isinstance(value, Odd):
        return value.words
    return "null" if value is None else quote(value) if isinstance(value, str) else "a list"


def _meant(key: str, known: Sequence[str]) -> str:
    """The name that may have been meant: the most similar one, however it is written."""
    from difflib import get_close_matches  # here: most keys are spelt right

    folded = {name.casefold(): name for name in known}
    close = get_close_matches(key.replace("-", "").replace("_", "").casefold(), folded, n=1, cutoff=0.75)
    return f"; did you mean {folded[close[0]]}?" if close else ""
