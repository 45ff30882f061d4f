"""The nouns: what an image is, what is wanted of it, what differs, what came of it.

Frozen values and pure functions. Knows nothing of flags, files, AWS libraries or terminals. Values that are
made at every start are named tuples: those take a third of a dataclass's time to define.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from imagectl.errors import Applied, ImagectlError

# What UpdateImage can set, in the order in which it is shown; what it can delete.
PROPERTIES = ("Description", "DisplayName", "RoleArn")
DELETABLE = ("Description", "DisplayName")

STATUSES = ("CREATING", "CREATED", "CREATE_FAILED", "UPDATING", "UPDATE_FAILED", "DELETING", "DELETE_FAILED")
MOVING = frozenset({"CREATING", "UPDATING"})  # states that pass
# States that no waiting turns into CREATED.
DEAD_ENDS = frozenset({"CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED", "DELETING"})

PAGE = 100  # images in a page of ListImages, at most
LOOK = 10.0  # seconds that a look among many may take: what fails is looked at again anyway

# Compiled where they are used: most runs see no ARN and no region before botocore does.
_REGION = r"(?![0-9]+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ARN = (
    r"arn:(?P<partition>aws(?:-\w+)*):sagemaker:(?P<region>[^:]+):(?P<account>[0-9]{12}):image/"
    r"(?P<name>[a-zA-Z0-9](?:[-.]?[a-zA-Z0-9])*)"
)

Result = Literal["requested", "updated", "unchanged", "planned"] | Applied


def is_region(text: str) -> bool:
    """Whether `text` could be a region's name, known to this version or not."""
    return re.fullmatch(_REGION, text) is not None


class ImageArn(NamedTuple):
    """An image's ARN, taken apart. The pattern is that of ImageArn in the API's UpdateImage page."""

    partition: str
    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "ImageArn | None":
        """Take `text` apart; None where it is no image ARN as a whole."""
        match = re.fullmatch(_ARN, text, re.ASCII) if len(text) <= 256 else None
        return cls(**match.groupdict()) if match else None

    def __str__(self) -> str:
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:image/{self.name}"

    def same_image(self, other: "ImageArn") -> bool:
        """Whether both name one image. SageMaker writes some ARNs in lower case, so case is no difference."""
        return str(self).casefold() == str(other).casefold()


class Image(NamedTuple):
    """One image as DescribeImage or ListImages returns it; `fields` is that reply, by the API's names.

    `age` is how many seconds ago it was last modified, by the service's own clock, where the reply tells.
    """

    fields: Mapping[str, Any]
    age: float | None = None

    @property
    def name(self) -> str:
        return str(self.fields.get("ImageName", ""))

    @property
    def arn(self) -> str:
        return str(self.fields.get("ImageArn", ""))

    @property
    def status(self) -> str:
        return str(self.fields.get("ImageStatus", ""))

    @property
    def failure_reason(self) -> str | None:
        return self.fields.get("FailureReason")

    def get(self, name: str) -> str | None:
        """The value of a property, None where the image has none."""
        return self.fields.get(name)


@dataclass(frozen=True, slots=True)
class ImageUpdate:
    """What is wanted of one image: a property's new value, or None to delete it. Absent is left alone."""

    name: str
    wanted: Mapping[str, str | None]

    def request(self) -> dict[str, Any]:
        """The parameters of UpdateImage: just what was asked for."""
        deleted = [name for name, value in self.wanted.items() if value is None]
        set_ = {name: value for name, value in self.wanted.items() if value is not None}
        return {"ImageName": self.name, **set_, **({"DeleteProperties": deleted} if deleted else {})}

    def shown(self) -> "tuple[Change, ...]":
        """The changes asked for, where the image as it was has not been read."""
        return tuple(Change(name, self.wanted[name]) for name in PROPERTIES if name in self.wanted)


class Change(NamedTuple):
    """One property's way from `before` to `after`; None is a property that isn't there."""

    name: str
    after: str | None
    before: str | None = None
    read: bool = False  # whether `before` was read from the service; where not, it says nothing

    def as_json(self) -> dict[str, Any]:
        before = {"Before": self.before} if self.read else {}
        return {"Property": self.name, **before, "After": self.after}


def diff(current: Image, update: ImageUpdate) -> tuple[Change, ...]:
    """What `update` would change of `current`: the one comparison behind preview, skip, wait and rollback."""
    return tuple(
        Change(name, update.wanted[name], before=current.get(name), read=True)
        for name in PROPERTIES
        if name in update.wanted and update.wanted[name] != current.get(name)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one update: the one value that text and JSON are computed from."""

    result: Result
    name: str
    region: str
    arn: str | None = None
    changes: tuple[Change, ...] = ()
    status: str = ""  # of the image, when it was read for the plan
    line: int | None = None  # of the manifest
    profile: str | None = None  # by which a fleet's image is reached
    whose: str = ""  # in words, where several accounts are in play
    error: ImagectlError | None = None

    @property
    def place(self) -> str:
        """Where the image is, in words."""
        return f"{self.region}, {self.whose}" if self.whose else self.region

    @classmethod
    def expected(cls, update: ImageUpdate, *, read: bool) -> "Outcome":
        """What may come of `update`, for what has to be found before it is sent; only its shape is true."""
        changes = update.shown()
        if read:
            changes = tuple(change._replace(before="-", read=True) for change in changes)
        return cls(result="requested", name=update.name, region="-", arn="-", changes=changes)

    def as_json(self) -> dict[str, Any]:
        """By the contract's names: a script that reads UpdateImage's reply reads this unchanged."""
        return {
            **({"ImageArn": self.arn} if self.arn else {}),
            "ImageName": self.name,
            "Region": self.region,
            **({"Profile": self.profile} if self.profile else {}),
            "Outcome": self.result,
            "Changes": [change.as_json() for change in self.changes],
            **({"Line": self.line} if self.line is not None else {}),
            **({"Error": self.error.as_json()} if self.error else {}),
        }


@dataclass(slots=True)
class Progress:
    """What is known of one update while it is under way: what to say when a signal or a full disk ends us.

    The only value here that changes: whoever carries the update out moves `outcome` on as facts arrive.
    """

    outcome: Applied | None = None  # None: nothing was to be sent
    doubts: int = 0  # how many attempts are not known to have been turned away
    name: str = ""
    resume: str = ""  # the command that finds out, or goes on
    known: str = ""  # of many updates: what is known, in words

    @property
    def several(self) -> bool:
        """Whether more than one attempt may have been carried out: one tells nothing of the others."""
        return self.doubts > 1


class Page(NamedTuple):
    """One page of ListImages, and the token of the next; None where there is none."""

    images: Sequence[Image]
    token: str | None = None


class Service(Protocol):
    """The service as the verbs see it. Every method raises ImagectlError and nothing else."""

    region: str
    attempts: int  # how often a call is tried in all

    def once(self) -> "Service":
        """The same service, each call tried once: for a caller that paces and repeats calls itself."""

    def describe(self, name: str, *, within: float | None = None) -> Image:
        """Read one image; `within` makes it one look among many: one attempt of so many seconds at most."""

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        """Send one UpdateImage and return the ARN; `progress` says from when on it may have arrived."""

    def page(self, token: str | None = None, *, within: float | None = None, **filters: Any) -> Page:
        """A page of the images that match ListImages' parameters: the first, or the one of a token.

        `within` makes it one attempt of so many seconds at most.
        """


def all_images(
    service: Service, left: Callable[[], float | None] = lambda: None, **filters: Any
) -> Iterator[Image]:
    """All images that match ListImages' parameters, page after page as they are asked for.

    `left` is how many seconds the next page may take.
    """
    token, seen = None, set()
    while True:
        page = service.page(token, within=left(), **filters)
        yield from page.images
        token = page.token
        if not token:
            return
        if token in seen:
            raise ImagectlError("refused", "the service's page tokens go in a circle", operation="ListImages")
        seen.add(token)
