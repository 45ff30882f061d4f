"""From a world that breaks a promise to a smaller one that breaks it too: one thing less at a time."""

from collections.abc import Callable, Iterator
from typing import Any

from .backend import Nature
from .events import STRANGERS
from .setup import Setup

_PLAIN = Nature()


def shrunk(setup: Setup, breaks: Callable[[Setup], bool]) -> Setup:
    """`setup` without what it breaks its promise without, as far as trying one thing at a time goes."""
    while True:
        smaller = next((tried for tried in _simpler(setup) if breaks(tried)), None)
        if smaller is None:
            return setup
        setup = smaller


def _simpler(setup: Setup) -> Iterator[Setup]:  # noqa: C901, PLR0912 - a list of ways, each a loop
    for index in range(len(setup.events)):
        yield setup._replace(events=setup.events[:index] + setup.events[index + 1 :])
    if len(setup.targets) > 1:
        for index in range(len(setup.targets)):
            yield _without(setup, index)
    for index, event in enumerate(setup.events):
        later = (event._replace(at=event.at // 2), event._replace(at=event.at - 1))
        for less in (event._replace(times=event.times // 2), *later):
            if less.at > 0 and less.times:
                yield setup._replace(events=(*setup.events[:index], less, *setup.events[index + 1 :]))
    for key in _PLAIN._fields:
        plain = getattr(_PLAIN, key)
        if getattr(setup.nature, key) != plain:
            yield setup._replace(nature=setup.nature._replace(**{key: plain}))
    plainer: dict[str, Any] = {"others": 0, "stall": 0.0, "at_once": False, "preempt": 0.02}
    for key, plain in plainer.items():
        if getattr(setup, key) != plain:
            yield setup._replace(**{key: plain})
    for key, value in setup.options.items():
        plain = {"concurrency": 1, "timeout": value, "max_failures": None, "max_unsettled": None}.get(
            key, False
        )
        if value != plain:
            yield setup._replace(options={**setup.options, key: plain})
    if setup.network.attempts > 1:
        yield setup._replace(network=setup.network._replace(attempts=setup.network.attempts - 1))


def _without(setup: Setup, index: int) -> Setup:
    """The same without one image, and what happens to it."""
    events = tuple(
        event._replace(which=event.which - (event.which > index)) if event.kind in STRANGERS else event
        for event in setup.events
        if event.kind not in STRANGERS or event.which != index
    )
    return setup._replace(targets=setup.targets[:index] + setup.targets[index + 1 :], events=events)
