"""Have it done: results come out one at a time in one thread, and whatever stops a run lets what is
under way finish. How one image is sent is sender.py's.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty
from typing import Any

from imagectl.errors import ENDING, ImagectlError
from imagectl.fleet.newfile import Disk
from imagectl.fleet.pool import THREADS, Pool, Threads
from imagectl.fleet.rollback import RollbackFile
from imagectl.fleet.sender import FleetOptions, Job, Sender
from imagectl.fleet.tally import Tally, images_in_words
from imagectl.image import Outcome, Progress
from imagectl.update import Clock


def run(
    jobs: Sequence[Job],
    options: FleetOptions,
    *,
    rollback_file: str | None,
    progress: Progress,
    tell: Callable[[Outcome], None],
    beat: Callable[[int, int], None],
    note: Callable[[str], None],
    clock: Clock,
    threads: Threads = THREADS,
    disk: Disk = os,
) -> Tally:
    """Bring all images to what they should be: `tell` gets each outcome as it comes, `beat` their count.

    What stops a run (a signal, too many failures, a rollback file or an output that can't be written) stops
    what is not sent yet; the rest is finished and told. A signal is raised again when all that is done; a
    second one at once.
    """
    results = threads.queue()
    rollback = RollbackFile(rollback_file, threads=threads, disk=disk) if rollback_file is not None else None
    sender = Sender(options, rollback=rollback, clock=clock, threads=threads, put=results.put)
    tally = Tally(len(jobs))
    with _signals(results.put) as resume:
        pool = Pool(sender.send, jobs, options.concurrency, threads)
        caught = None
        while tally.done < tally.total:
            if not pool.size:
                pool.one()
            try:
                result = results.get(timeout=0.2)
            except Empty:
                beat(tally.done, tally.total)
                continue
            if isinstance(result, int):
                if caught is not None:
                    progress.known = _abandoned(sender.unknown(), tally)
                    resume(result)
                caught = result
                sender.stop(wait=False)
                note("nothing new is sent; what is under way is finished (again to leave at once)")
                continue
            tally.add(result)
            try:
                if tally.error is None:
                    tell(result)
            except ImagectlError as full:
                tally.error, tally.stopped = full, "the output could not be written"
                sender.stop(wait=True)
            beat(tally.done, tally.total)
        if rollback:
            rollback.close()
        tally.error = tally.error or sender.fatal
        tally.stopped = tally.stopped or sender.why
        progress.known = f"{tally}; to go on: the same command"
        if caught is not None:
            resume(caught)
    return tally


def _abandoned(names: Sequence[str], tally: Tally) -> str:
    left = tally.total - tally.done
    if not names:
        return (
            f"nothing that was sent is in doubt; {images_in_words(left)} not done; to go on: the same command"
        )
    return f"whether these were updated is not known: {', '.join(names)}; to go on: the same command"


@contextmanager
def _signals(put: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """While a record is printed, a signal must not tear it: it is queued with the results instead.

    Yields what lets a signal do after all what it did before. A third one does so by itself: whoever is
    stuck in a write to a full pipe can still be ended.
    """
    before: dict[signal.Signals, Any] = {}
    seen = 0

    def on_signal(number: int, frame: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > 2:
            before[signal.Signals(number)](number, frame)
        put(number)

    def resume(number: int) -> None:
        before[signal.Signals(number)](number, None)

    with suppress(ValueError):  # not in the main thread, where only tests are
        for number in ENDING:
            handler = signal.getsignal(number)
            if callable(handler):  # ignored stays ignored (nohup)
                before[number] = handler
                signal.signal(number, on_signal)
    try:
        yield resume
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
