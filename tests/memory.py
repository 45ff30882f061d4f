"""A service in memory: the protocol without a wire, for what needs many runs, threads that misbehave, or a
failure at one call of many.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from service import ACCOUNT

from imagectl.errors import ImagectlError
from imagectl.fleet.manifest import parse
from imagectl.fleet.plan import Shard, locate, read_states
from imagectl.fleet.pool import THREADS, Threads
from imagectl.fleet.run import run
from imagectl.fleet.sender import FleetOptions
from imagectl.fleet.tally import Tally
from imagectl.image import PAGE, Image, ImageUpdate, Outcome, Page, Progress
from imagectl.update import Clock

_OPTIONS = {"max_failures": None, "max_unsettled": None, "wait": False, "timeout": 600.0}
THROTTLED = ImagectlError("transient", "Rate exceeded", code="ThrottlingException", http_status=400)


class Memory:
    """Images in a dictionary. `before` is called with an operation and a name, and may raise in its place."""

    region, attempts = "us-east-1", 3

    def __init__(self, images: dict[str, dict[str, str]]) -> None:
        self.images = images
        self.sent: list[ImageUpdate] = []
        self.calls: list[str] = []
        self.before: Callable[[str, str], None] = lambda _operation, _name: None
        self._lock = threading.Lock()

    def once(self) -> "Memory":
        return self

    def _call(self, operation: str, name: str = "") -> None:
        with self._lock:
            self.calls.append(operation)
        self.before(operation, name)
        if name and name not in self.images:
            raise ImagectlError("not-found", f"no image '{name}'", code="ResourceNotFound")

    def _image(self, name: str, *, role: bool) -> Image:
        arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:image/{name}"
        fields = {"ImageName": name, "ImageArn": arn, "ImageStatus": "CREATED", **self.images[name]}
        return Image({key: value for key, value in fields.items() if role or key != "RoleArn"})

    def describe(self, name: str, *, within: float | None = None) -> Image:
        self._call("DescribeImage", name)
        return self._image(name, role=True)

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        progress.outcome = "unknown"
        try:
            self._call("UpdateImage", update.name)
        except ImagectlError as error:
            progress.outcome = error.outcome
            raise
        self.sent.append(update)
        for key, value in update.wanted.items():
            if value is None:
                del self.images[update.name][key]  # deleting what is not there would be our mistake
            else:
                self.images[update.name][key] = value
        progress.outcome = "applied"
        return self._image(update.name, role=True).arn

    def page(self, token: str | None = None, *, within: float | None = None, **filters: Any) -> Page:
        self._call("ListImages")
        start, names = int(token or 0), list(self.images)
        images = [self._image(name, role=False) for name in names[start : start + PAGE]]
        return Page(images, str(start + PAGE) if len(names) > start + PAGE else None)


class Login(NamedTuple):
    """The login to it."""

    memory: Memory
    region: str | None = None
    asks: bool = False
    account: str | None = None

    def service(self, _region: str | None) -> Memory:
        return self.memory


def applied(
    data: bytes,
    memory: Memory,
    *,
    rollback_file: str | None = None,
    threads: Threads = THREADS,
    clock: Clock = Clock(),  # noqa: B008 - a value
    **options: Any,
) -> tuple[Tally, list[Outcome]]:
    """What `imagectl apply` comes to: the tally, and each outcome as it was told."""
    problems: list[Any] = []
    manifest = parse(data, problems)
    assert problems == []
    concurrency = options.get("concurrency", 2)
    located = locate(manifest.entries, lambda _profile: Login(memory), Shard())
    jobs = read_states(located, concurrency, clock=clock, threads=threads)
    told: list[Outcome] = []
    tally = run(
        jobs,
        FleetOptions(**{**_OPTIONS, "concurrency": concurrency, **options}),
        rollback_file=rollback_file,
        progress=Progress(),
        tell=told.append,
        beat=lambda _done, _total: None,
        note=lambda _text: None,
        clock=clock,
        threads=threads,
    )
    return tally, told
