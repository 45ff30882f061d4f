"""What must be true of every world, whatever happened in it. Each yields a line where it isn't."""

from collections.abc import Callable, Iterator

from imagectl.errors import EXIT_CODES
from imagectl.image import PROPERTIES

from .backend import Fields, Request
from .setup import Target, Values
from .world import Run, Seen, Told

Invariant = Callable[[Seen], Iterator[str]]


def broken(seen: Seen) -> list[tuple[str, str]]:
    """Each promise that is broken, by its name, and what breaks it."""
    return [(promise.__name__, text) for promise in PROMISES for text in promise(seen)]


def every_run_ends(seen: Seen) -> Iterator[str]:
    for run in seen.runs:
        if run.dead not in {"ended", "kill -9", "power"}:
            yield f"run {run.number} ({run.purpose}) {run.dead}"


def no_thread_dies(seen: Seen) -> Iterator[str]:
    yield from seen.crashes


def not_applied_is_never_applied(seen: Seen) -> Iterator[str]:
    for told in seen.told:
        if told.result == "not-applied" and told.run < len(seen.runs):
            for request in _requests(seen, told):
                if request.applied:
                    yield f"{_said(told)}, but {_done(request)}"


def what_is_told_as_accepted_is(seen: Seen) -> Iterator[str]:
    """`requested`, `applied`: the service accepted it, or the image was as asked for by itself."""
    for told in seen.told:
        if told.result in {"requested", "applied"}:
            accepted = any(r.carried is not None and r.carried <= told.when for r in _requests(seen, told))
            if not accepted and not _was_as_wanted(seen, told, at_rest=False):
                yield f"{_said(told)}, but it was never accepted"


def updated_is_settled(seen: Seen) -> Iterator[str]:
    for told in seen.told:
        at_rest = told.result == "updated"
        if told.result in {"updated", "unchanged"} and not _was_as_wanted(seen, told, at_rest=at_rest):
            yield f"{_said(told)}, but it never was{' CREATED and' if at_rest else ''} as asked for"


def unknown_is_what_nobody_can_know(seen: Seen) -> Iterator[str]:
    """`unknown` is said only where a request's fate can't be seen in time."""
    for told in seen.told:
        if told.result != "unknown" or _interrupted(seen.run(told.run)):
            continue
        requests = _requests(seen, told)
        doubtful = [r for r in requests if r.fate not in _PLAIN]
        if not doubtful:
            yield f"{_said(told)}, but every request had its answer"
        elif told.run not in seen.reads_failed and not seen.setup.nature.rates.get("DescribeImage"):
            late = [r for r in doubtful if r.fate in _LATE]
            long = seen.setup.nature.takes[1] > 10 or (told.place, told.name) in seen.meddled
            if not late and not long:
                yield f"{_said(told)}, but a look says more"


def exit_codes_follow_the_table(seen: Seen) -> Iterator[str]:
    for run in seen.runs:
        if run.dead == "ended" and run.error and run.code != EXIT_CODES[run.error.kind]:
            yield f"run {run.number}: exit {run.code} for {run.error.kind}"
        if run.error and run.error.kind == "internal" and run.error.message.startswith("unexpected"):
            yield f"run {run.number}: {run.error.message}"


def a_calm_run_converges(seen: Seen) -> Iterator[str]:
    """The same command again, when nothing happens any more, brings all images to what is declared."""
    for run in seen.runs:
        if run.purpose in {"calm", "idle"}:
            able = [t for t in seen.setup.targets if seen.image(t).last is not None]
            able = [t for t in able if t.name not in seen.setup.nature.trims]
            if len(able) == len(seen.setup.targets) and run.code != 0:
                why = run.error.message if run.error else ""
                yield f"run {run.number} ({run.purpose}) is not done: exit {run.code}, {why}"
            for target in able:
                fields = seen.image(target).at(run.ended)
                if fields is None or not _is_as(fields, target.wanted):
                    yield f"{target.name} is not as declared after run {run.number} ({run.purpose})"
        if run.purpose == "idle":
            for place, backend in seen.backends.items():
                for request in backend.requests:
                    if request.run == run.number:
                        yield f"run {run.number} had nothing to do, but sent {request.name} in {place}"


def only_what_is_declared_is_sent(seen: Seen) -> Iterator[str]:
    declared = {(target.place, target.name) for target in seen.setup.targets}
    for place, backend in seen.backends.items():
        for request in backend.requests:
            if (place, request.name) not in declared:
                yield f"{request.name} was sent to {place}"


PROMISES: tuple[Invariant, ...] = (
    every_run_ends,
    no_thread_dies,
    not_applied_is_never_applied,
    what_is_told_as_accepted_is,
    updated_is_settled,
    unknown_is_what_nobody_can_know,
    exit_codes_follow_the_table,
    a_calm_run_converges,
    only_what_is_declared_is_sent,
)

# Fates after which nobody can doubt.
_PLAIN = frozenset(
    (
        "own",
        "connection refused",
        "connect timeout",
        "403 with a page",
        "throttled",
        "429",
        "denied",
        "expired",
        "no credentials",
        "invalid",
        "unheard of",
        "in use",
    )
)
_LATE = frozenset(("timeout before", "timeout after", "timeout, carried out late"))


def _requests(seen: Seen, told: Told) -> list[Request]:
    return [r for r in seen.backends[told.place].requests if r.run == told.run and r.name == told.name]


def _wanted(seen: Seen, told: Told) -> Values:
    if told.changes:
        return {change.name: change.after for change in told.changes}
    return next(t.wanted for t in seen.setup.targets if (t.place, t.name) == (told.place, told.name))


def _was_as_wanted(seen: Seen, told: Told, *, at_rest: bool) -> bool:
    """Whether the image was so at a moment that a look of this run may have seen."""
    wanted = _wanted(seen, told)
    since = seen.run(told.run).started - seen.setup.nature.stale
    history = seen.backends[told.place].images[told.name].history
    ends = [when for when, _ in history[1:]] + [float("inf")]
    return any(
        began <= told.when
        and until > since
        and fields is not None
        and _is_as(fields, wanted)
        and (fields["ImageStatus"] == "CREATED" or not at_rest)
        for (began, fields), until in zip(history, ends, strict=True)
    )


def _is_as(fields: Fields, wanted: Values) -> bool:
    return all(fields.get(key) == wanted[key] for key in PROPERTIES if key in wanted)


def _interrupted(run: Run) -> bool:
    return run.error is not None and run.error.kind in {"interrupted", "terminated"}


def _said(told: Told) -> str:
    return f"run {told.run} said {told.name} is {told.result} at {told.when:.1f}"


def _done(request: Request) -> str:
    return f"its request ({request.fate}) was carried out at {request.carried:.1f}"


def _target(seen: Seen, told: Told) -> Target:
    return next(t for t in seen.setup.targets if (t.place, t.name) == (told.place, told.name))
