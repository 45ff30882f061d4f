"""How a run behaves on the way: what it sends and how often, when it stops, how soon it says what it knows.

Like `invariants`, whose second half this is: each promise yields a line where it is broken.
"""

import re
from collections import Counter
from collections.abc import Iterator

from imagectl.errors import EXIT_CODES
from imagectl.image import PAGE

from .backend import Request
from .events import BUGS, PLAIN
from .world import Run, Seen, Told

_MOMENT = 0.5  # seconds in which what is known gets about
_DEAF = 1.0  # seconds after which a run that is stuck hears signals no more, and so ends at the second
_THROTTLES = frozenset(("throttled", "429"))
_COUNTS = r"(\d+) (updated|requested|unchanged|failed|not settled in time)"
_STOPPED_BY_DISK = frozenset(("full", "write fails", "sync fails"))


def a_signal_is_heard(seen: Seen) -> Iterator[str]:
    """After the first nothing new is sent, and nothing waited for. The next one ends the run at once."""
    for run in _ended(seen):
        signals, patience = seen.signals(run), seen.stalled(run) + _MOMENT
        if not signals:
            continue
        for name, sent in _first_sent(seen, run).items():
            if sent > signals[0] + patience:
                yield f"run {run.number} began with {name} {sent - signals[0]:.1f} s after a signal"
        stuck = _stuck(seen, run)
        if run.ended > signals[0] + _finishing(seen, run) + patience and stuck is None:
            yield f"run {run.number} went on for {run.ended - signals[0]:.1f} s after a signal"
        last = [at for at in signals[1:2] if stuck is None or at > stuck + _DEAF] or signals[2:]
        if last and run.ended > last[0] + patience:
            yield f"run {run.number} went on for {run.ended - last[0]:.1f} s after another signal"


def the_first_signal_lets_finish(seen: Seen) -> Iterator[str]:
    """What is under way is finished and told, if threads do it. No record is torn, by a second one either,
    unless it comes when nobody has listened for a while.
    """
    for run in _ended(seen):
        signals, alone = seen.signals(run), any(what == "no thread" for _, what in seen.events(run))
        finished = {told.name for told in _told(seen, run)}
        left = ", ".join(name for name in _first_sent(seen, run) if name not in finished)
        for told in _told(seen, run):
            requests = [r for r in seen.requests(run) if r.name == told.name]
            answered = max((r.sent for r in requests), default=0.0) + 2 * seen.setup.network.latency
            if told.result == "requested" and signals and not alone and _stuck(seen, run) is None:
                plain = all(r.fate == "own" for r in requests)
                if plain and told.when > max(answered, signals[0]) + seen.stalled(run) + _MOMENT:
                    yield f"run {run.number} waited for {told.name} after a signal"
        if len(signals) == 1 and left and not alone:
            yield f"run {run.number} did not finish {left} after the first signal"
        if run.torn and len(signals) < (2 if seen.stalled(run) else 3) and not alone:
            yield f"run {run.number} tore a record"
        if run.deaf:
            yield f"run {run.number} hears no signal any more"


def an_interrupted_run_says_so(seen: Seen) -> Iterator[str]:
    """Exit 130 or 143 where a signal came, and only there."""
    for run in _ended(seen):
        signalled = {what for _, what in seen.events(run) if what.startswith("signal ")}
        codes = {130 if what == "signal SIGINT" else 143 for what in signalled}
        if run.code in {130, 143} and run.code not in codes:
            yield f"run {run.number}: exit {run.code} after {signalled or 'no signal'}"
        unsent = any(told.error is None and told.result == "not-applied" for told in _told(seen, run))
        if signalled and unsent and run.code not in codes and not _stops(seen, run):
            yield f"run {run.number}: exit {run.code}, though a signal kept it from sending all"


def what_is_in_doubt_is_named(seen: Seen) -> Iterator[str]:
    """And nothing else: an image is named only where it was sent, and its answer has not come long since."""
    for run in _ended(seen):
        unsent = set(_named(run)) - _first_sent(seen, run).keys()
        if len(unsent) > seen.setup.options["concurrency"]:  # each thread may be about to send one
            yield f"run {run.number} doubts whether {', '.join(unsent)} were updated, which it never sent"
        for name in _named(run) if _stuck(seen, run) is None else []:
            requests = [r for r in seen.requests(run) if r.name == name]
            turned_away = all(r.carried is None and r.fate in PLAIN for r in requests)
            if requests and turned_away and not _dies(seen, run):
                answered = max(r.sent for r in requests) + 2 * seen.setup.network.latency + 5
                if run.ended > answered + seen.stalled(run):
                    yield f"run {run.number} doubts whether {name} was updated, which was always turned away"
            told = [one.result for one in _told(seen, run) if one.name == name]
            # A signal that ends it in whatever it is doing may come between a record and its being noted.
            at_once = len(seen.signals(run)) > 2 or seen.stalled(run)
            if told and not at_once:
                yield f"run {run.number} doubts whether {name} was updated, and says {told[0]}"
            answered = max((r.sent for r in requests), default=0.0) + 2 * seen.setup.network.latency
            if _is_plain(seen, run) and not run.timeout and run.ended > answered + _MOMENT:
                yield f"run {run.number} doubts whether {name} was updated, which it was told"


def a_wait_waits(seen: Seen) -> Iterator[str]:
    """With --wait each image that was accepted is seen settled or late, but after a signal; else none is."""
    for run in _ended(seen):
        for told in _told(seen, run):
            if told.result == "requested" and run.timeout and not seen.signals(run):
                yield f"run {run.number} didn't wait for {told.name}"
            if (told.result == "updated" or _is_late(told)) and not run.timeout:
                yield f"run {run.number} waited for {told.name}"


def a_wait_takes_its_time(seen: Seen) -> Iterator[str]:
    """An image is late after --timeout since its update was accepted, not before, and not long after."""
    for run in _ended(seen):
        for told in _told(seen, run):
            requests = [r for r in seen.requests(run) if r.name == told.name]
            accepted = [r.carried for r in requests if r.carried is not None and r.fate == "own"]
            if not _is_late(told) or len(accepted) != len(requests):
                continue
            if told.when < min(accepted) + run.timeout - 0.01:
                yield f"run {run.number} gave {told.name} only {told.when - min(accepted):.1f} s"
            # After its time a look has a second, and the pause before it may be longer.
            failing = _requests_of_a_look(seen, told) if run.number in seen.reads_failed else 0
            most = run.timeout + 2 + _looking(seen, told) + failing
            slowed = seen.setup.nature.rates or seen.stalled(run) or _dies(seen, run)
            if not slowed and told.when > max(accepted) + most:
                yield f"run {run.number} gave {told.name} {told.when - max(accepted):.1f} s"


def what_is_settled_is_told(seen: Seen) -> Iterator[str]:
    """The first look comes in under a second, others every two, and however long they take."""
    for run in _ended(seen):
        for told in _told(seen, run):
            requests = [r for r in seen.requests(run) if r.name == told.name]
            plain = _is_plain(seen, run) or _is_after_bug(seen, run, requests)
            if (
                told.result != "updated"
                or not requests
                or (told.place, told.name) in seen.meddled
                or not plain
            ):
                continue
            late = told.when - max(r.ends for r in requests)
            alone = len(_first_sent(seen, run)) == 1
            took = requests[-1].ends - requests[-1].sent + seen.setup.nature.stale
            patience = min(2.0, 0.5 + took / 2) if alone else 2.0
            if late > patience + seen.setup.nature.stale + _looking(seen, told):
                yield f"run {run.number} said that {told.name} is updated {late:.1f} s too late"


def a_wait_looks_now_and_then(seen: Seen) -> Iterator[str]:
    """Less and less often; each time one request an image, or one a page of all images, what is fewer."""
    nature, places = seen.setup.nature, {target.place for target in seen.setup.targets}
    if nature.page != PAGE or nature.rates or len(places) > 1 or seen.setup.network.latency > 0.05:
        return
    backend = seen.backends[places.pop()]
    pages = -(-len(backend.images) // PAGE)
    for run in _ended(seen):
        requests = seen.requests(run)
        if not run.timeout or not requests or not _is_plain(seen, run) or run.purpose == "undo":
            continue
        if run.purpose == "same again":  # it also looks at what the run before is changing still
            continue
        if any(r.carried is None for r in requests) or any(t.expected for t in seen.setup.targets):
            continue
        accepted = [r.carried for r in requests if r.carried is not None]
        looks = [w for w, what in seen.events(run) if what.startswith(("List", "Desc")) and w > min(accepted)]
        rounds = [look for look, before in zip(looks, [-1.0, *looks], strict=False) if look > before + 0.25]
        for began, end in zip(rounds, [*rounds[1:], run.ended + 1], strict=False):
            waiting = {r.name for r in requests if r.sent < began + 0.25}
            waiting -= {t.name for t in _told(seen, run) if t.when < began - 0.05}
            roles = sum("RoleArn" in r.values for r in requests if r.name in waiting)
            new = sum(began - 0.25 < when < began + 0.25 for when in accepted)
            count = sum(began <= look < end for look in looks)
            if count > (1 + new) * (min(len(waiting), pages) + roles):
                yield f"run {run.number} asked {count} times at {began:.1f} how {len(waiting)} images are"
        if len(rounds) > 8 * len(accepted) + (run.ended - min(accepted)) / 1.1:
            yield f"run {run.number} looked {len(rounds)} times"


def a_wait_holds_nobody_up(seen: Seen) -> Iterator[str]:
    """An accepted update is no call any more: --concurrency lets the next one be sent."""
    for run in _ended(seen):
        requests, sent = seen.requests(run), sorted(_first_sent(seen, run).values())
        alone = any(what == "no thread" for _, what in seen.events(run))
        limited = seen.setup.options.get("max_unsettled") or alone or any(r.carried is None for r in requests)
        if sent and not limited and _is_plain(seen, run) and not seen.signals(run):
            if any(target.expected for target in seen.setup.targets) or seen.meddled or run.purpose == "undo":
                continue
            if _is_busy_still(seen, run):
                continue
            if sent[-1] > sent[0] + len(sent) * (2 * seen.setup.network.latency) + _MOMENT:
                yield f"run {run.number} took {sent[-1] - sent[0]:.1f} s to send {len(sent)} images"


def _is_busy_still(seen: Seen, run: Run) -> bool:
    """Whether what an earlier run sent may still be changing an image that this one sends."""
    earlier = (
        request for other in seen.runs if other.number < run.number for request in seen.requests(other)
    )
    names, takes = set(_first_sent(seen, run)), seen.setup.nature.takes[1]
    return any(r.name in names and r.carried is not None and r.carried + takes > run.started for r in earlier)


def nothing_is_left_unsent_without_a_reason(seen: Seen) -> Iterator[str]:
    """Some are not sent where a run is stopped, and the reason is said. Else all are."""
    for run in _ended(seen):
        unsent = [t.name for t in _told(seen, run) if t.error is None and t.result == "not-applied"]
        if not unsent:
            continue
        if not (_stops(seen, run) or seen.signals(run)):
            yield f"run {run.number} did not send {', '.join(unsent)}"
        if run.error and run.code == EXIT_CODES["partial"] and "; stopped: " not in run.error.message:
            yield f"run {run.number} doesn't say why it stopped: {run.error.message}"


def so_many_failures_stop_it(seen: Seen) -> Iterator[str]:
    """After --max-failures nothing new is sent."""
    for run in _ended(seen):
        stops = _most_failures(seen, run)
        if stops is None:
            continue
        for name, sent in _first_sent(seen, run).items():
            if sent > stops + seen.stalled(run) + _MOMENT:
                yield f"run {run.number} began with {name} {sent - stops:.1f} s after so many had failed"


def a_file_that_fails_stops_it(seen: Seen) -> Iterator[str]:
    """Where a rollback line or a record can't be written, that is the run's error, and it is stopped."""
    for run in _ended(seen):
        failed = [when for when, what in seen.events(run) if what in {*_STOPPED_BY_DISK, "output fails"}]
        bugs = {when for when, what in seen.events(run) if what in BUGS}
        if not failed:
            continue
        # A bug in the same moment is told instead.
        if run.code not in {EXIT_CODES["internal"], 130, 143} and failed[0] not in bugs:
            yield f"run {run.number}: exit {run.code}, though it could not write"
        for name, sent in _first_sent(seen, run).items():
            if sent > failed[0] + seen.stalled(run) + _MOMENT:
                yield f"run {run.number} began with {name} {sent - failed[0]:.1f} s after it could not write"


def what_fails_in_passing_is_repeated(seen: Seen) -> Iterator[str]:
    """Up to --max-attempts times, throttles aside, and no more."""
    most = seen.setup.network.attempts
    for run in _ended(seen):
        counts = Counter(
            r.name
            for r in seen.requests(run)
            if r.fate not in _THROTTLES and (r.fate != "own" or r.carried is not None)
        )
        for name, count in counts.items():
            if count > most:
                yield f"run {run.number} sent {name} {count} times"
        stopped = _stops(seen, run) or seen.signals(run)
        for told in _told(seen, run):
            error = told.error
            if error is None or error.is_throttle or error.operation != "UpdateImage" or stopped:
                continue
            if error.kind == "transient":
                tries = sum(
                    r.name == told.name and not (r.throttled and r.fate == "own") for r in seen.requests(run)
                )
                if tries < most:
                    yield f"run {run.number} gave {told.name} up after {tries} of {most} attempts"


def a_guard_is_fresh(seen: Seen) -> Iterator[str]:
    """What is guarded is sent only where the image was as expected a few seconds before."""
    nature = seen.setup.nature
    for run in _ended(seen):
        if "DescribeImage" in nature.rates or seen.stalled(run) or run.number in seen.reads_failed:
            continue
        for target in seen.setup.targets if run.purpose != "undo" else ():
            history, expected = seen.image(target).history, target.expected or {}
            for sent in [r.sent for r in seen.requests(run) if r.name == target.name]:
                since = sent - 5 - 4 * seen.setup.network.latency - nature.stale
                ends = [when for when, _ in history[1:]] + [float("inf")]
                if not any(
                    began <= sent
                    and end > since
                    and all((fields or {}).get(k) == v for k, v in expected.items())
                    for (began, fields), end in zip(history, ends, strict=True)
                ):
                    yield f"run {run.number} sent {target.name}, which was not as expected for long"


def a_wait_needs_no_list(seen: Seen) -> Iterator[str]:
    """An image that waits fails by what becomes of it, not because the list of all is denied."""
    for run in _ended(seen):
        for told in _told(seen, run):
            if told.error and told.error.is_denied and told.error.operation == "ListImages":
                yield f"run {run.number} gave {told.name} up, as the list is denied"


def nothing_is_repeated_at_once(seen: Seen) -> Iterator[str]:
    """But for throttles, which have a pace of their own."""
    for run in _ended(seen):
        last: dict[str, Request] = {}
        for request in sorted(seen.requests(run), key=lambda request: request.sent):
            before = last.get(request.name)
            last[request.name] = request
            throttled = before is None or before.throttled or before.fate in _THROTTLES
            if before and not throttled and request.sent < before.sent + 0.3:
                yield f"run {run.number} sent {request.name} again at once"


def a_change_by_somebody_else_is_waited_for(seen: Seen) -> Iterator[str]:
    """And one that takes half a minute makes no image fail, but where there is one attempt only."""
    for run in [] if seen.setup.network.attempts == 1 or seen.setup.nature.stale else _ended(seen):
        slow = _stops(seen, run) or seen.signals(run) or run.number in seen.reads_failed
        for told in [] if slow else _told(seen, run):
            plain = all(r.fate == "own" for r in seen.requests(run) if r.name == told.name)
            there = seen.backends[told.place].images[told.name].last is not None
            if told.error and told.error.is_busy and plain and there:
                yield f"run {run.number} gave {told.name} up, which somebody else changed"


def a_throttled_image_is_sent_again(seen: Seen) -> Iterator[str]:
    """It fails after ten times, or where nothing at all is admitted. Others don't wait for one that fails."""
    for run in _ended(seen):
        if _stops(seen, run) or seen.signals(run):
            continue
        for told in _told(seen, run):
            requests = [r for r in seen.requests(run) if r.name == told.name]
            count = sum(r.throttled or r.fate in _THROTTLES for r in requests)
            failed = told.error and told.error.is_throttle and told.error.operation == "UpdateImage"
            begun = [r.sent for r in seen.backends[told.place].requests if r.run == run.number]
            first = min(begun, default=told.when)
            if failed and count < 10 and told.when < first + 120:
                yield f"run {run.number} gave {told.name} up after {count} throttles"
        hopeless = seen.setup.nature.turned_away
        given_up = max((told.when for told in _told(seen, run) if told.name in hopeless), default=0.0)
        others = [told.when for told in _told(seen, run) if told.changes and told.name not in hopeless]
        if len(others) > 20 and given_up > max(others):
            yield f"run {run.number} goes on with what is always turned away"


def what_is_not_needed_is_not_read(seen: Seen) -> Iterator[str]:
    """DescribeImage, where nothing is waited for, is for roles, for what is guarded, and for what fails."""
    for run in _ended(seen):
        before = seen.run(run.number - 1).ended if run.number else -100.0
        # What an earlier run began may not be over.
        if (
            run.timeout
            or run.purpose == "undo"
            or run.number in seen.reads_failed
            or before > run.started - 40
        ):
            continue
        for place, backend in seen.backends.items():
            requests = [r for r in backend.requests if r.run == run.number]
            failed = any(r.fate != "own" or (r.carried is None and not r.throttled) for r in requests)
            if (
                failed
                or "DescribeImage" in backend.nature.rates
                or any(at == place for at, _ in seen.meddled)
            ):
                continue
            there = [target for target in seen.setup.targets if target.place == place]
            roles = sum("RoleArn" in {*t.wanted, *(t.expected or {})} for t in there)
            guarded = [t.name for t in there if t.expected]
            again = [r.name for r in requests if r.name in guarded and r.sent > run.started + 2]
            again += guarded if run.ended > run.started + 2 else []
            asked = backend.asked[run.number, "DescribeImage"]
            if asked > roles + len(again):
                yield f"run {run.number} described {asked} images in {place}"


def only_what_differs_is_sent(seen: Seen) -> Iterator[str]:
    """A role that stays needs no right to pass it."""
    for run in _ended(seen):
        for target in seen.setup.targets:
            image, since = seen.image(target), run.started - seen.setup.nature.stale
            for request in seen.requests(run):
                if request.name != target.name:
                    continue
                for key, value in request.values.items():
                    ends = [when for when, _ in image.history[1:]] + [float("inf")]
                    seen_so = [
                        fields
                        for (began, fields), end in zip(image.history, ends, strict=True)
                        if began <= request.sent and end > since and fields is not None
                    ]
                    if all(fields.get(key) == value for fields in seen_so):
                        yield f"run {run.number} sent {key} of {target.name}, which was so already"


def one_after_the_other_is_in_order(seen: Seen) -> Iterator[str]:
    """With --max-unsettled 1, as the manifest has them."""
    for run in _ended(seen):
        if seen.setup.options.get("max_unsettled") == 1 and run.purpose != "undo" and run.timeout:
            order = [target.name for target in seen.setup.targets]
            sent = sorted((when, order.index(name)) for name, when in _first_sent(seen, run).items())
            if [index for _, index in sent] != sorted(index for _, index in sent):
                yield f"run {run.number} sent {', '.join(order[index] for _, index in sent)}, in that order"


def a_failure_says_whose_it_is(seen: Seen) -> Iterator[str]:
    """Each failed image's error names it, and the region that it is in."""
    for run in _ended(seen):
        for told in _told(seen, run):
            error = told.error
            if error and (error.image_name, error.region) != (told.name, told.place.region):
                yield f"run {run.number} says of {told.name}: {error.image_name} in {error.region}"


def the_summary_counts_what_was_told(seen: Seen) -> Iterator[str]:
    for run in _ended(seen):
        counted = Counter(map(_counted, _told(seen, run)))
        text = run.error.message if run.error else ""
        for number, what in re.findall(_COUNTS, text):
            if int(number) != counted[what] and f"stopped: {number} {what}" not in text:
                yield f"run {run.number} says {number} {what}, which are {counted[what]}"


CONDUCT = (
    a_signal_is_heard,
    the_first_signal_lets_finish,
    an_interrupted_run_says_so,
    what_is_in_doubt_is_named,
    a_wait_waits,
    a_wait_takes_its_time,
    what_is_settled_is_told,
    a_wait_looks_now_and_then,
    a_wait_holds_nobody_up,
    nothing_is_left_unsent_without_a_reason,
    so_many_failures_stop_it,
    a_file_that_fails_stops_it,
    what_fails_in_passing_is_repeated,
    a_guard_is_fresh,
    a_wait_needs_no_list,
    nothing_is_repeated_at_once,
    a_change_by_somebody_else_is_waited_for,
    a_throttled_image_is_sent_again,
    what_is_not_needed_is_not_read,
    only_what_differs_is_sent,
    one_after_the_other_is_in_order,
    a_failure_says_whose_it_is,
    the_summary_counts_what_was_told,
)


def _ended(seen: Seen) -> list[Run]:
    """The runs of `apply` that were not killed."""
    return [run for run in seen.runs if run.dead == "ended" and seen.setup.verb == "apply"]


def _told(seen: Seen, run: Run) -> list[Told]:
    return [told for told in seen.told if told.run == run.number]


def _first_sent(seen: Seen, run: Run) -> dict[str, float]:
    first: dict[str, float] = {}
    for request in sorted(seen.requests(run), key=lambda request: request.sent):
        first.setdefault(request.name, request.sent)
    return first


def _stuck(seen: Seen, run: Run) -> float | None:
    """Since when nobody reads what it prints."""
    return next((when for when, what in seen.events(run) if what == "output is stuck"), None)


def _is_late(told: Told) -> bool:
    return told.error is not None and told.error.kind == "pending"


def _failures(seen: Seen, run: Run) -> list[Told]:
    return [told for told in _told(seen, run) if told.error is not None and not _is_late(told)]


def _most_failures(seen: Seen, run: Run) -> float | None:
    """When so many had failed as may."""
    most = None if run.calm else seen.setup.options["max_failures"]
    failed = sorted(told.when for told in _failures(seen, run))
    return failed[most - 1] if most and len(failed) >= most else None


def _stops(seen: Seen, run: Run) -> bool:
    """Whether a run had to stop by itself: failures, a file, a thread, images that may never settle."""
    unsettled = sum(t.result in {"requested", "applied", "unknown"} for t in _told(seen, run))
    most = seen.setup.options.get("max_unsettled") if run.timeout else None
    failed = {*_STOPPED_BY_DISK, "output fails"} & {what for _, what in seen.events(run)}
    return bool(run.bugs or failed or _most_failures(seen, run) is not None or (most and unsettled >= most))


def _is_plain(seen: Seen, run: Run) -> bool:
    """Whether nothing of its own made the run slow."""
    plain = all(r.fate == "own" for r in seen.requests(run))
    slowed = seen.setup.nature.rates or run.bugs or seen.stalled(run) or run.number in seen.reads_failed
    return plain and not slowed


def _finishing(seen: Seen, run: Run) -> float:
    """Seconds until the answers are there of what is under way: a look and a request, or all that can be."""
    return 4 * seen.setup.network.latency if _is_plain(seen, run) else 130.0


def _looking(seen: Seen, told: Told) -> float:
    """Seconds that two looks take, each at all images of a place."""
    return 4 * seen.setup.network.latency * _requests_of_a_look(seen, told)


def _requests_of_a_look(seen: Seen, told: Told) -> int:
    pages = -(-len(seen.backends[told.place].images) // seen.setup.nature.page)
    return pages + sum(target.place == told.place for target in seen.setup.targets)


def _dies(seen: Seen, run: Run) -> bool:
    return any(what == "a thread dies" for _, what in seen.events(run))


def _is_after_bug(seen: Seen, run: Run, requests: list[Request]) -> bool:
    """Whether an image was sent when whatever met a bug was over: somebody else goes on."""
    plain = all(r.fate == "own" for r in requests) and run.number not in seen.reads_failed
    slowed = seen.setup.nature.rates or seen.stalled(run) or _dies(seen, run) or not requests
    bugs = [when for when, what in seen.events(run) if what == "a bug"]
    return bool(plain and not slowed and bugs and requests[0].sent > bugs[0] + _MOMENT)


def _named(run: Run) -> list[str]:
    """The images that a run which two signals ended names as in doubt."""
    return re.findall(r"image-\d+", run.error.message) if run.error and run.code in {130, 143} else []


def _counted(told: Told) -> str:
    if told.error is not None:
        return "not settled in time" if _is_late(told) else "failed"
    return told.result
