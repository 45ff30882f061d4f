"""Have it done: results come out one at a time in one thread, and whatever stops a run lets what is
under way finish. How one image is sent is sender.py's.
"""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty
from types import FrameType
from typing import Any, Self

from imagectl.errors import ENDING, ImagectlError
from imagectl.fleet.newfile import Disk
from imagectl.fleet.pool import THREADS, Pool, Queue, Threads
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
    rollback = RollbackFile(rollback_file, threads=threads, disk=disk) if rollback_file is not None else None
    results = threads.queue()
    sender = Sender(options, rollback=rollback, clock=clock, threads=threads, put=results.put)
    desk = _Desk(jobs, results, sender, tell, beat)
    tally = desk.tally
    with _Signals(results.put, clock) as signals:
        caught = None
        try:
            pool = Pool(sender.send, sender.in_turn(jobs), min(options.concurrency, len(jobs)), threads)
            signals.wait = pool.size > 0
            while desk.untold:
                signals.listened = clock.now()
                # Without threads a signal is there only where it came while they were to be started.
                number = None if pool.size else desk.take_what_is_there()
                if number is None and (pool.size or not pool.one()):
                    number = desk.wait(pool)
                if number is None:
                    continue
                if caught is not None:
                    sender.close(())
                    desk.take_what_is_there()
                    signals.resume(number)
                caught = number
                sender.stop(wait=False)
                note("nothing new is sent; what is under way is finished (again to leave at once)")
        except KeyboardInterrupt:
            names = sender.close(desk.untold)
            if not signals.wait:
                desk.take_what_is_there()
                names = sender.in_doubt(desk.untold)
            progress.known = _abandoned(names, len(desk.untold))
            raise
        finally:
            sender.stop(wait=False)
        if rollback:
            rollback.close()
        tally.error = tally.error or sender.fatal
        tally.stopped = tally.stopped or sender.why
        progress.known = str(tally)
        if caught is not None:
            signals.resume(caught)
    return tally


class _Desk:
    """Where the outcomes come in, in one thread: each is counted and told, once."""

    def __init__(
        self,
        jobs: Sequence[Job],
        results: Queue,
        sender: Sender,
        tell: Callable[[Outcome], None],
        beat: Callable[[int, int], None],
    ) -> None:
        self.tally, self.untold = Tally(len(jobs)), dict.fromkeys(jobs)
        self._results, self._sender, self._tell, self._beat = results, sender, tell, beat

    def wait(self, pool: Pool) -> int | None:
        """Take the next outcome; a signal that came instead."""
        try:
            result = self._results.get(timeout=0.2)
        except Empty:
            self._beat(self.tally.done, self.tally.total)
            self._sender.expire()
            if pool.is_over() and not self._sender.waits():
                # Each that is left was put a moment ago, or its thread died.
                number = self.take_what_is_there()
                for job in list(self.untold):
                    self._take(job, self._sender.lost(job))
                return number
            return None
        if isinstance(result, int):
            return result
        self._take(*result)
        return None

    def take_what_is_there(self) -> int | None:
        number = None
        with suppress(Empty):
            while True:
                result = self._results.get(timeout=0)
                if isinstance(result, int):
                    number = result
                else:
                    self._take(*result)
        return number

    def _take(self, job: Job, outcome: Outcome) -> None:
        if job not in self.untold:
            return
        self.tally.add(outcome)
        try:
            self._tell(outcome)  # also where the one before failed: a record may have room that stdout hasn't
        except ImagectlError as full:
            self.tally.error = self.tally.error or full
            self.tally.stopped = "the output could not be written"
            self._sender.stop(wait=True)
        del self.untold[job]
        self._beat(self.tally.done, self.tally.total)


def _abandoned(names: Sequence[str], left: int) -> str:
    if not names:
        return f"nothing that was sent is in doubt; {images_in_words(left)} not done"
    return f"whether these were updated is not known: {', '.join(names)}"


_DEAF = 1.0  # seconds without a look at what came in


class _Signals:
    """While a record is printed, a signal must not tear it: it is queued with the results instead.

    `resume` lets a signal do after all what it did before. The second does so by itself where nobody has
    `listened` for a while, as where a full pipe is written to; a third does in any case. So does the first
    where there is nobody to `wait` for: then the second lets what is known be told.
    """

    def __init__(self, put: Callable[[int], None], clock: Clock) -> None:
        self._put, self._clock = put, clock
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._seen = 0
        self.wait, self.listened = True, clock.now()

    def __enter__(self) -> Self:
        with suppress(ValueError):  # not in the main thread, where only tests are
            for number in ENDING:
                handler = signal.getsignal(number)
                # Ignored stays ignored (nohup), and what ends the process at once goes on doing so.
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._seen += 1
        match self._seen:
            case 1:
                at_once = not self.wait
            case 2:
                at_once = self.wait and self._clock.now() - self.listened > _DEAF
            case _:
                at_once = True
        if at_once:
            self._before[number](number, frame)
        self._put(number)

    def resume(self, number: int) -> None:
        self._before[number](number, None)
