"""What must be true of every world, whatever happened in it. Each yields a line where it isn't."""

import re
from collections.abc import Callable, Iterator
from itertools import islice

from imagectl.errors import EXIT_CODES
from imagectl.image import MOVING, PROPERTIES

from .backend import Fields, Place, PlayedImage, Request
from .conduct import CONDUCT
from .events import FATES, LATE, PLAIN
from .setup import Target, Values
from .world import Run, Seen, Told

Invariant = Callable[[Seen], Iterator[str]]


def broken(seen: Seen) -> list[tuple[str, str]]:
    """Each promise that is broken, by its name, and what breaks it."""
    return [(promise.__name__, text) for promise in PROMISES for text in promise(seen)]


# Seconds that a run may take beside its --timeout: to read the images, each call to its last attempt;
# after the last update was sent, to have its reply, and to look what became of it.
_READING, _FINISHING = 400.0, 130.0


def every_run_ends(seen: Seen) -> Iterator[str]:
    """By itself, and in time."""
    for run in seen.runs:
        if run.dead not in {"ended", "kill -9", "power"}:
            yield f"run {run.number} ({run.purpose}) {run.dead}"
        sent = [request.sent for request in seen.requests(run)]
        end = max(sent) + run.timeout + _FINISHING if sent else run.started + _READING
        if run.number in seen.reads_failed and any(target.expected for target in seen.setup.targets):
            # It is read once more before it is sent, in all its attempts.
            end += seen.setup.network.attempts * seen.setup.network.read_timeout
        if run.ended > end and run.ended > end + seen.stalled(run):
            yield f"run {run.number} ({run.purpose}) ended {run.ended - end:.0f} s too late"


def no_thread_dies(seen: Seen) -> Iterator[str]:
    yield from seen.crashes


def not_applied_is_never_applied(seen: Seen) -> Iterator[str]:
    """But where others changed the image meanwhile, once if reads lag, else twice: nobody sees that."""
    few = 1 if seen.setup.nature.stale else 2
    for told in seen.told:
        if told.result == "not-applied" and seen.meddled[told.place, told.name] < few:
            for request in _requests(seen, told):
                if request.applied:
                    yield f"{_said(told)}, but {_done(request)}"


def what_is_told_as_accepted_is(seen: Seen) -> Iterator[str]:
    """`requested`, `applied`: the service accepted it, or the image was as asked for by itself.

    And it did not fail, where it was told that an update did.
    """
    for told in seen.told:
        if told.result in {"requested", "applied"}:
            saw_failure = told.error is not None and told.error.code == "UPDATE_FAILED"
            accepted = any(
                r.carried is not None and r.carried <= told.when and not (saw_failure and r.failed)
                for r in _requests(seen, told)
            )
            if not accepted and not _was_as_wanted(seen, told, since=seen.run(told.run).started):
                yield f"{_said(told)}, but it was never accepted"


def updated_is_settled(seen: Seen) -> Iterator[str]:
    """`unchanged` too, where one waits. Of a single image it is what the last look showed."""
    for told in seen.told:
        run, alone = seen.run(told.run), seen.setup.verb != "apply"
        if told.result not in {"updated", "unchanged"}:
            continue
        planned = seen.setup.options.get("dry_run")
        at_rest = told.result == "updated" or (alone and run.timeout > 0 and not planned)
        since = told.when - seen.setup.network.latency if alone and not seen.setup.stall else run.started
        if not _was_as_wanted(seen, told, at_rest=at_rest, since=since):
            yield f"{_said(told)}, but it was not{' CREATED and' if at_rest else ''} as asked for"


def unknown_is_what_nobody_can_know(seen: Seen) -> Iterator[str]:
    """`unknown` is said only where a request's fate can't be seen in time, or whoever knew it met a bug."""
    for run in seen.runs:
        yield from islice(_knowable(seen, run), run.bugs, None)


def _knowable(seen: Seen, run: Run) -> Iterator[str]:
    for told in seen.told:
        if told.run != run.number or told.result != "unknown" or _interrupted(run):
            continue
        requests = _requests(seen, told)
        doubtful = [r for r in requests if r.fate not in PLAIN]
        if not doubtful and told.name not in seen.setup.nature.trims:
            yield f"{_said(told)}, but every request had its answer"
        elif told.run not in seen.reads_failed and not seen.setup.nature.rates.get("DescribeImage"):
            late = [r for r in doubtful if r.fate in LATE]
            long = seen.setup.nature.takes[1] > 10 or (told.place, told.name) in seen.meddled
            blind = seen.setup.stall or told.name in seen.setup.nature.trims  # looked late, or in vain
            # One that failed doesn't say whether another was carried out, and overwritten since.
            failed = {r for r in requests if r.failed}
            mixed = failed and len(failed.union(doubtful)) > 1
            if not (late or long or blind or mixed):
                yield f"{_said(told)}, but a look says more"


def every_image_that_was_sent_is_told(seen: Seen) -> Iterator[str]:
    """In one record; or by name where two signals ended the run, unless the service turned it away.

    A third signal ends it at once, in whatever it is doing.
    """
    for run in seen.runs:
        if run.dead != "ended" or len(seen.signals(run)) > 2:
            continue
        sent = {
            (place, request.name)
            for place, backend in seen.backends.items()
            for request in backend.requests
            if request.run == run.number and (request.carried is not None or request.fate not in PLAIN)
        }
        told = [(told.place, told.name) for told in seen.told if told.run == run.number]
        named = set(re.findall(r"image-\d+", run.error.message)) if run.error and _interrupted(run) else set()
        for place, name in sorted(sent):
            if (place, name) not in told and name not in named:
                yield f"run {run.number} sent {name}, and says nothing of it"
        for one in dict.fromkeys(told):
            if told.count(one) > 1:
                yield f"run {run.number} says {told.count(one)} times what came of {one[1]}"


def what_is_sent_can_be_undone(seen: Seen) -> Iterator[str]:
    """The line that restores an image is on disk before its update is sent."""
    yield from seen.unrecorded


def the_undo_restores_what_was_changed(seen: Seen) -> Iterator[str]:
    """But for what somebody else changed, and what the service wrote its own way: that is not as expected."""
    if not any(run.purpose == "undo" for run in seen.runs):
        return
    for target in seen.setup.targets:
        fields, others = seen.image(target).last, target.name in seen.setup.nature.trims
        if fields and not others and (target.place, target.name) not in seen.meddled:
            left = {key: fields[key] for key in PROPERTIES if key in fields}
            if left != target.has:
                yield f"{target.name} was {target.has}, after the undo it is {left}"


def a_rollback_file_is_read(seen: Seen) -> Iterator[str]:
    """Whatever a crash left of it, if anything was sent by then."""
    for run in seen.runs:
        if run.purpose == "undo" and run.code == EXIT_CODES["usage"]:
            message = run.error.message if run.error else ""
            if not message.startswith("line 1: is no JSON"):  # with no whole line nothing was sent
                yield f"run {run.number} can't read a rollback file: {message}"


def an_undo_overwrites_nobody_else(seen: Seen) -> Iterator[str]:
    """It changes back what a run of ours had set, and nothing else."""
    targets = {(target.place, target.name): target for target in seen.setup.targets}
    for told in seen.told:
        if seen.run(told.run).purpose == "undo":
            target = targets[told.place, told.name]
            for change in told.changes:
                ours = target.wanted.get(change.name, target.has.get(change.name))
                if ours is not None and target.name in seen.setup.nature.trims:
                    ours = ours.strip()
                if told.result != "not-applied" and change.before != ours:
                    yield f"{_said(told)}: {change.name} was {change.before!r}, which is not of ours"


def a_single_update_does_what_its_options_say(seen: Seen) -> Iterator[str]:
    """A dry run sends nothing and alone says `planned`; `unchanged` is said by who was to look first."""
    options = seen.setup.options
    for run in seen.runs:
        if seen.setup.verb != "update":
            return
        dry, first = options["dry_run"] and not run.calm, options["if_changed"] or run.purpose == "idle"
        for told in seen.told:
            looked = {"planned": dry, "unchanged": dry or first}.get(told.result, True)
            if told.run == run.number and not (looked and (told.error or not dry or told.result in _LOOKED)):
                yield f"{_said(told)}, with {options}"
        if dry and seen.requests(run):
            yield f"run {run.number} is a dry run, and sent {len(seen.requests(run))} requests"


def a_refusal_is_final(seen: Seen) -> Iterator[str]:
    """What the service refuses, but for the rate and a change under way, is not repeated.

    A single update that doesn't wait is refused by a change under way, too.
    """
    for run in seen.runs:
        waits = run.timeout or seen.setup.verb == "apply"
        final = _FINAL if waits else _FINAL | {"in use"}
        refused: dict[tuple[Place, str], str] = {}
        for place, backend in seen.backends.items():
            for request in backend.requests:
                if request.run == run.number:
                    if before := refused.get((place, request.name)):
                        yield f"run {run.number} repeated {request.name}, which got {before!r}"
                    if request.fate in final:
                        refused[place, request.name] = request.fate


def a_wait_has_its_time(seen: Seen) -> Iterator[str]:
    """`pending`, and an image that is busy all the time, are said when --timeout has run out, and then soon.

    Later where the last update went out, or its fate was looked up, when the time had run out already.
    """
    slack = 1.1 + 4 * seen.setup.network.latency
    for run in _single_waits(seen):
        error, sent, end = run.error, seen.requests(run), run.started + run.timeout
        busy = error and error.is_busy and error.outcome == "not-applied" and not _looked_up(sent)
        if error and (error.kind == "pending" or busy) and run.ended < end - 0.001:
            yield f"run {run.number} gave up {end - run.ended:.1f} s too early: {error.message}"
        blind = run.number in seen.reads_failed or seen.setup.stall
        if busy and not blind and sent[-1].sent < run.ended - 4 - slack and _rests(seen, run.ended - 4):
            yield f"run {run.number} sent nothing to an image that was at rest for a while"
        slow = any(FATES[request.fate].slow for request in sent)
        if sent and not _looked_up(sent) and not slow and sent[0].sent < run.started + 1:
            late = run.ended - max(end, sent[-1].sent)
            if late > slack and not seen.setup.stall:
                yield f"run {run.number} waited {late:.1f} s longer than it was to"


def news_is_soon_told(seen: Seen) -> Iterator[str]:
    """An update that settled is told within two seconds of when a look shows it."""
    nature, latency = seen.setup.nature, seen.setup.network.latency
    for run in _single_waits(seen):
        sent = seen.requests(run)
        blind = run.number in seen.reads_failed or "DescribeImage" in nature.rates or seen.setup.stall
        if run.code != 0 or blind or not sent or _looked_up(sent) or seen.meddled or not sent[-1].ends:
            continue
        there = max(sent[-1].ends + nature.stale, sent[-1].sent)
        if run.ended > there + 2 + 4 * latency:
            yield f"run {run.number} told {run.ended - there:.1f} s later that the image is settled"


def looks_are_few(seen: Seen) -> Iterator[str]:
    """No more than one in a second or so."""
    for run in seen.runs:
        asked = sum(backend.asked[run.number, "DescribeImage"] for backend in seen.backends.values())
        looked = run.ended - run.started
        if seen.setup.verb != "apply" and asked > 25 + looked:
            yield f"run {run.number} looked {asked} times in {looked:.0f} s"


def what_is_said_of_an_image_is_true(seen: Seen) -> Iterator[str]:
    """Its status, its values, and what became of the update, in the message as in the outcome."""
    for told in seen.told:
        message = told.error.message if told.error else ""
        if not told.error or _interrupted(seen.run(told.run)):
            continue
        image = seen.backends[told.place].images[told.name]
        since = seen.run(told.run).started - seen.setup.nature.stale
        found = re.search(r"\(status (\w+)\)", message)
        if found and not _was(image, {}, since, told.when, status=found[1]):
            yield f"{_said(told)}: {message}"
        if found := re.search(r" is at rest after .*?: (.*)", message):
            is_so = re.findall(r"(\w+) is (not there|'.*?'), not (not there|'.*?')(?:, |;|$)", found[1])
            has = {name: _plain(value) for name, value, _ in is_so}
            wanted = {name: _plain(value) for name, _, value in is_so}
            asked = seen.run(told.run).wanted[told.place, told.name]
            true = _was(image, has, since, told.when, at_rest=True)
            if not (is_so and true and wanted.items() <= asked.items()):
                yield f"{_said(told)}: {message}"
        if told.error.code == "UPDATE_FAILED" and "it is so" not in message:
            yield f"{_said(told)} without the service's reason: {message}"
        for words, outcomes in _IN_WORDS.items():
            if words in message and told.error.outcome not in outcomes:
                yield f"{_said(told)}, which is {told.error.outcome}: {message}"


def exit_codes_follow_the_table(seen: Seen) -> Iterator[str]:
    for run in seen.runs:
        if run.dead == "ended" and run.error and run.code != EXIT_CODES[run.error.kind]:
            yield f"run {run.number}: exit {run.code} for {run.error.kind}"
        for error in [run.error, *(told.error for told in seen.told if told.run == run.number)]:
            if error and error.kind == "internal" and "unexpected" in error.message and not run.bugs:
                yield f"run {run.number}: {error.message}"
        if seen.setup.verb == "apply" and run.dead == "ended":
            yield from _wrong_verdict(run, [told for told in seen.told if told.run == run.number])


def _wrong_verdict(run: Run, told: list[Told]) -> Iterator[str]:
    """Exit 0, 7 and 8 say what the records say."""
    late = sum(one.error is not None and one.error.kind == "pending" for one in told)
    failed = sum(one.error is not None for one in told) - late
    unsent = sum(one.error is None and one.result == "not-applied" for one in told)
    right = {
        0: not (late or failed or unsent),
        7: bool(failed or unsent),
        8: bool(late and not failed and not unsent),
    }
    if run.code in right and not right[run.code]:
        yield f"run {run.number}: exit {run.code} with {failed} failed, {late} late, {unsent} not sent"


def a_calm_run_converges(seen: Seen) -> Iterator[str]:
    """The same command again, when nothing happens any more, brings all images to what is declared."""
    for run in seen.runs:
        if run.purpose in {"calm", "idle"} and not (seen.setup.foreign or run.given_up):
            able = [t for t in seen.setup.targets if seen.image(t).last is not None]
            able = [t for t in able if t.name not in seen.setup.nature.trims and not _is_guarded(seen, t)]
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
    """And that to its own account and region; nothing at all, where an ARN is another account's."""
    declared = {(t.place, t.name) for t in seen.setup.targets if not seen.setup.foreign}
    for place, backend in seen.backends.items():
        for request in backend.requests:
            if (place, request.name) not in declared:
                yield f"{request.name} was sent to {place}"
        for name, image in backend.images.items():
            if (place, name) not in declared | seen.meddled.keys() and len(image.history) > 1:
                yield f"{name} in {place} was changed, which nobody asked for"


def what_is_guarded_is_not_touched(seen: Seen) -> Iterator[str]:
    """An update is sent only where a look of its run may have seen the image as it is expected."""
    for target in seen.setup.targets:
        if not _is_guarded(seen, target):
            continue
        for request in seen.backends[target.place].requests:
            run = seen.run(request.run)
            if request.name == target.name and run.purpose != "undo":
                since = run.started - seen.setup.nature.stale
                if not _was(seen.image(target), target.expected or {}, since, request.sent):
                    yield f"run {run.number} sent {target.name}, which never was as expected"


def few_enough_are_unsettled(seen: Seen) -> Iterator[str]:
    """With --max-unsettled N, never more than N images are being changed at a time, as far as reads tell.

    Where an update was given up and sent again, nobody sees that the first is carried out once more, later.
    """
    most = seen.setup.options.get("max_unsettled")
    for run in seen.runs:
        if not most or not seen.setup.options["wait"] or seen.setup.nature.stale:
            continue
        carried = sorted(
            (r for r in seen.requests(run) if r.carried is not None), key=lambda r: r.carried or 0
        )
        first = {r.name: r for r in reversed(carried)}
        seen_again = [r for r in carried if r.fate not in LATE or first[r.name] is r]
        changing = [(r.carried or 0, r.ends) for r in seen_again]
        for moment, _ in changing:
            count = sum(began <= moment < end for began, end in changing)
            if count > most:
                yield f"run {run.number}: {count} images are unsettled at {moment:.1f}, {most} may be"


def requests_keep_the_rate(seen: Seen) -> Iterator[str]:
    """Of a paced run few requests are turned away: those that find the rate, and then one in ten or so.

    More, where a reply takes as long as it takes to admit another: it comes too late to say when that is.
    Single updates aren't paced: botocore repeats them.
    """
    if seen.setup.verb != "apply":
        return
    nature, latency = seen.setup.nature, seen.setup.network.latency
    for place, backend in seen.backends.items():
        for (run, operation), throttled in backend.throttled.items():
            asked = backend.asked[run, operation]
            share = 1 / 5 if latency * nature.rates[operation] < 0.3 else 2 / 5
            if throttled > 10 + 4 * seen.setup.options["concurrency"] + share * asked:
                yield f"run {run}: {throttled} of {asked} {operation} in {place} were throttled"


PROMISES: tuple[Invariant, ...] = (
    every_run_ends,
    no_thread_dies,
    not_applied_is_never_applied,
    what_is_told_as_accepted_is,
    updated_is_settled,
    unknown_is_what_nobody_can_know,
    every_image_that_was_sent_is_told,
    what_is_sent_can_be_undone,
    the_undo_restores_what_was_changed,
    a_rollback_file_is_read,
    an_undo_overwrites_nobody_else,
    a_single_update_does_what_its_options_say,
    a_refusal_is_final,
    a_wait_has_its_time,
    news_is_soon_told,
    looks_are_few,
    what_is_said_of_an_image_is_true,
    exit_codes_follow_the_table,
    a_calm_run_converges,
    only_what_is_declared_is_sent,
    what_is_guarded_is_not_touched,
    few_enough_are_unsettled,
    requests_keep_the_rate,
    *CONDUCT,
)


# After which an update is not sent again.
_FINAL = PLAIN - {"own", "connection refused", "connect timeout", "throttled", "429", "in use"}
_LOOKED = frozenset(("planned", "unchanged"))
# What a message says of the update, and the outcomes that say the same.
_IN_WORDS: dict[str, set[str | None]] = {
    "the update was accepted": {"applied"},
    "the update was not applied": {"not-applied"},
    "whether the update was applied could not be found out": {"unknown"},
    "what came of an earlier attempt": {"unknown"},
}


def _single_waits(seen: Seen) -> list[Run]:
    """The runs of one image that waited and were not stopped."""
    return [
        run
        for run in seen.runs
        if seen.setup.verb != "apply" and run.timeout and run.dead == "ended" and not _interrupted(run)
    ]


def _looked_up(sent: list[Request]) -> bool:
    """Whether a reply was lost, so that what became of the update was looked up first."""
    return any(request.fate not in PLAIN for request in sent)


def _plain(quoted: str) -> str | None:
    return None if quoted == "not there" else quoted[1:-1]


def _requests(seen: Seen, told: Told) -> list[Request]:
    return [r for r in seen.backends[told.place].requests if r.run == told.run and r.name == told.name]


def _wanted(seen: Seen, told: Told) -> Values:
    if told.changes:
        return {change.name: change.after for change in told.changes}
    return seen.run(told.run).wanted[told.place, told.name]


def _was_as_wanted(seen: Seen, told: Told, *, since: float, at_rest: bool = False) -> bool:
    """Whether the image was so at a moment that a look since then may have seen."""
    image = seen.backends[told.place].images[told.name]
    since -= seen.setup.nature.stale
    return _was(image, _wanted(seen, told), since, told.when, at_rest=at_rest)


def _rests(seen: Seen, when: float) -> bool:
    fields = seen.image(seen.setup.targets[0]).at(when)
    return fields is not None and fields["ImageStatus"] not in MOVING


def _was(
    image: PlayedImage, wanted: Values, since: float, until: float, *, at_rest: bool = False, status: str = ""
) -> bool:
    status = status or ("CREATED" if at_rest else "")
    ends = [when for when, _ in image.history[1:]] + [float("inf")]
    return any(
        began <= until
        and ended > since
        and fields is not None
        and _is_as(fields, wanted)
        and status in {"", fields["ImageStatus"]}
        for (began, fields), ended in zip(image.history, ends, strict=True)
    )


def _is_guarded(seen: Seen, target: Target) -> bool:
    return target.expected is not None and seen.setup.verb == "apply"


def _is_as(fields: Fields, wanted: Values) -> bool:
    return all(fields.get(key) == wanted[key] for key in PROPERTIES if key in wanted)


def _interrupted(run: Run) -> bool:
    return run.error is not None and run.error.kind in {"interrupted", "terminated"}


def _said(told: Told) -> str:
    return f"run {told.run} said {told.name} is {told.result} at {told.when:.1f}"


def _done(request: Request) -> str:
    return f"its request ({request.fate}) was carried out at {request.carried:.1f}"
