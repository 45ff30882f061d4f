"""The images of several regions and profiles at once: what was read, and what could not be."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

from imagectl.errors import ImagectlError, Problem
from imagectl.fleet.pool import THREADS, Threads, do_all
from imagectl.image import Image, Service

_AT_ONCE = 32  # places that are read at the same time


class Place(Protocol):
    """One region by one profile, as they were asked for."""

    @property
    def profile(self) -> str | None: ...

    @property
    def region(self) -> str | None: ...


P = TypeVar("P", bound=Place)


class Survey(NamedTuple):
    """The images, each with its Region and, where one was named, its Profile; and what kept from others."""

    images: list[Image]
    failure: ImagectlError | None


def survey(
    places: Sequence[P],
    connect: Callable[[P], Service],
    read: Callable[[Service], Iterable[Image]],
    *,
    threads: Threads = THREADS,
) -> Survey:
    """Read all places at the same time. One that fails leaves the others as they are."""
    services: dict[P, Service] = {}
    images: dict[P, list[Image]] = {}
    failures: dict[P, ImagectlError] = {}

    def of_profile(there: Sequence[P]) -> None:
        for place in there:
            with _kept(failures, place):
                services[place] = connect(place)

    def look(place: P) -> None:
        with _kept(failures, place):
            images[place] = [_named(image, place, services[place]) for image in read(services[place])]

    profiles: defaultdict[str | None, list[P]] = defaultdict(list)
    for place in places:
        profiles[place.profile].append(place)
    # One after the other by one profile: it logs in once.
    do_all(of_profile, list(profiles.values()), _AT_ONCE, threads=threads)
    do_all(look, list(services), _AT_ONCE, threads=threads)
    found = [image for place in places for image in images.get(place, ())]
    problems = [
        Problem(_words(place, failures[place]), failures[place].message)
        for place in places
        if place in failures
    ]
    if not problems:
        return Survey(found, None)
    message = f"{len(problems)} of {len(places)} places could not be read"
    return Survey(found, ImagectlError("partial", message, operation="ListImages", problems=problems))


@contextmanager
def _kept(failures: dict[P, ImagectlError], place: P) -> Iterator[None]:
    try:
        yield
    except ImagectlError as error:
        failures[place] = error


def _named(image: Image, place: Place, service: Service) -> Image:
    profile = {"Profile": place.profile} if place.profile else {}
    return Image({**image.fields, "Region": service.region, **profile})


def _words(place: Place, failure: ImagectlError) -> str:
    region = place.region or failure.region or "the default region"
    return f"{region}, profile {place.profile}" if place.profile else region
