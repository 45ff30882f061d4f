"""Threads, clock and signals of one played process: greenlets, of which the seed chooses the next.

Every operation of a door (a lock, a queue, the clock, the service, the disk) is a step, at which another
thread may go on instead. Time moves only when no thread can: then to the next timer. Where there is none
either, the process hangs, which is what this is meant to find.
"""

import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from queue import Empty
from random import Random
from typing import Any, ClassVar

from greenlet import getcurrent, greenlet

from imagectl.fleet.pool import Threads
from imagectl.update import Clock

LONGEST_STALL = 8.0  # seconds


class Killed(BaseException):
    """The process is no more: raised at every step that one of its threads still tries to take."""


class BugError(Exception):
    """What a thread meets that nobody foresaw."""


class Death(BaseException):
    """The same, where nobody catches it: the thread is no more."""


@dataclass(slots=True, eq=False)
class _Thread:
    name: str
    greenlet: greenlet
    sleeps: int = 0  # how often it slept: an alarm for an earlier sleep is for nobody


class Scheduler:
    """Virtual time, which outlives processes, and the one process that runs."""

    running: ClassVar["Scheduler | None"] = None
    most_steps: ClassVar[int] = 60_000  # of a process: more than any takes that ends

    def __init__(self, random: Random, *, preempt: float, log: Callable[..., None]) -> None:
        self.now, self.steps = 0.0, 0
        self._random, self._preempt, self._log = random.random, preempt, log
        # What is to come: of the world (a function), or of a thread that sleeps (with the sleep's number).
        self._timers: list[tuple[float, int, Callable[[], None] | None, _Thread | None, int]] = []
        self._count = 0
        self._ready: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._hub = getcurrent()
        self._main = self._current = _Thread("", self._hub)
        self._signals: deque[int] = deque()
        self._stall = 0.0
        self._of_world = False
        self.dead = "nothing ran yet"  # why the process is no more
        self.crashes: list[BaseException] = []  # of threads: each is a bug
        self.alarm, self.on_alarm = 0, _nothing  # the step at which something happens; 0: none
        self.unstartable: Callable[[int], bool] = lambda _number: False

    # The world.

    def at(self, when: float, happens: Callable[[], None]) -> None:
        """Have something happen, whatever becomes of the process."""
        self._count += 1
        heappush(self._timers, (when, self._count, happens, None, 0))

    def pass_until(self, when: float) -> None:
        """Nothing runs until then."""
        while self._timers and self._timers[0][0] <= when:
            self.now, _, happens, _, _ = heappop(self._timers)
            if happens:
                happens()
        self.now = max(self.now, when)

    def pass_all(self) -> None:
        """Nothing runs until all that was to come has come."""
        while self._timers:
            self.pass_until(self._timers[0][0])

    # The process.

    def run(self, main: Callable[[], Any], *, stall: float = 0.0) -> Any:
        """Play a process to its end; what `main` returns, or None where it did not come to that (see `dead`).

        `stall`: how likely a thread gets no processor for a while.
        """
        self.dead, self.steps, self._stall = "", 0, stall
        self._threads, self._ready = [], []
        self._signals.clear()
        result: list[Any] = []
        self._hub = getcurrent()
        self._main = self._spawn("main", lambda: result.append(main()))
        Scheduler.running = self
        while not self._main.greenlet.dead:
            chosen = self._choose()
            if chosen:
                self._current = chosen
                chosen.greenlet.switch()
            else:
                self._current = self._main
                self._main.greenlet.throw(Killed)
        self.dead = self.dead or "ended"
        for thread in self._threads:  # daemons die with the process
            while thread.greenlet:  # begun and not over
                self._current = thread
                thread.greenlet.throw(Killed)
        Scheduler.running = None
        self._timers = [timer for timer in self._timers if timer[2]]
        heapify(self._timers)
        return result[0] if result else None

    def start(self, work: Callable[[], Any]) -> bool:
        """Start a thread, if there is one to be had."""
        self.step()
        number = len(self._threads)
        if self.unstartable(number):
            self._log("no thread")
            return False
        self._spawn(f"thread {number}", work)
        return True

    def kill(self, why: str) -> None:
        """End the process here and now. Returns to nobody: raises in the thread that runs."""
        self._log(why)
        self.dead = why
        raise Killed

    def interrupt(self, number: int) -> None:
        """A signal comes: its handler runs in the main thread, as soon as that can."""
        self._log("signal", signal.Signals(number).name)
        self._signals.append(number)
        if (self._of_world or self._current is not self._main) and self._main not in self._ready:
            self._main.sleeps += 1
            self._ready.append(self._main)

    def step(self) -> None:
        """Another thread may be given the turn here."""
        if self.dead:
            raise Killed
        self.steps += 1
        if 0 < self.alarm <= self.steps:
            self.on_alarm()
        if self._stall and self._random() < self._stall:
            self._log("stall")
            self.sleep(self._random() * LONGEST_STALL)
        elif self._ready and self._random() < self._preempt:
            self._ready.append(self._current)
            self._yield()
        if self._signals and self._current is self._main:
            self._handle_signals()
        if self.steps > self.most_steps:
            self.kill("goes on for ever")

    def wait(self, timeout: float | None, queue: list[_Thread]) -> bool:
        """Stand in `queue` until `wake` is called for it; False where the time ran out first."""
        end = None if timeout is None else self.now + timeout
        me = self._current
        if self._signals and me is self._main:
            self._handle_signals()
        while True:
            me.sleeps += 1
            mark = me.sleeps
            queue.append(me)
            if end is not None:
                self._count += 1
                heappush(self._timers, (end, self._count, None, me, mark))
            self._yield()
            woken = me not in queue
            if not woken:
                queue.remove(me)
            if self._signals and me is self._main:
                try:
                    self._handle_signals()
                except BaseException:
                    if woken:  # it was for somebody who goes on
                        self.wake(queue)
                    raise
                if not woken and (end is None or self.now < end):
                    continue
            return woken

    def wake(self, queue: list[_Thread]) -> None:
        """Let one go on that stands in `queue`, if any does: the seed says which."""
        if queue:
            thread = _taken(queue, self._random())
            thread.sleeps += 1
            if thread not in self._ready:
                self._ready.append(thread)

    def sleep(self, seconds: float) -> None:
        if self.dead:
            raise Killed
        self.wait(max(seconds, 0.0), [])

    def jitter(self) -> float:
        """What the process takes for chance."""
        return self._random()

    def threads(self) -> Threads:
        return Threads(
            start=self.start,
            lock=lambda: Lock(self),
            event=lambda: Event(self),
            queue=lambda: Queue(self),
        )

    def clock(self) -> Clock:
        return Clock(now=self._look_at_clock, sleep=self._pause, random=self.jitter)

    def _look_at_clock(self) -> float:
        self.step()
        return self.now

    def _pause(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.step()
        self.sleep(seconds)

    def _spawn(self, name: str, work: Callable[[], Any]) -> _Thread:
        def guarded() -> None:
            try:
                work()
            except (Killed, BugError, Death):
                pass
            except BaseException as crash:  # noqa: BLE001 - told as a broken invariant
                self.crashes.append(crash)

        thread = _Thread(name, greenlet(guarded, self._hub))
        self._threads.append(thread)
        self._ready.append(thread)
        return thread

    def _choose(self) -> _Thread | None:
        """Whose turn it is: the seed says, of those that can run; else the next timer's. None: the end."""
        while not self._ready and not self.dead:
            if not self._timers:
                self._log("hangs")
                self.dead = "hangs"
                break
            self.now, _, happens, thread, mark = heappop(self._timers)
            if happens:
                self._of_world = True
                happens()
                self._of_world = False
            elif thread and thread.sleeps == mark and not thread.greenlet.dead:
                self._ready.append(thread)
        return None if self.dead else _taken(self._ready, self._random())

    def _yield(self) -> None:
        """Let whose turn it is go on; return when it is this thread's again."""
        me, chosen = self._current, self._choose()
        if chosen is None:
            raise Killed
        if chosen is not me:
            self._current = chosen
            chosen.greenlet.switch()
            if self.dead:
                raise Killed

    def _handle_signals(self) -> None:
        while self._signals:
            number = self._signals.popleft()
            handler = signal.getsignal(number)
            if callable(handler):
                handler(number, None)

    @property
    def is_main(self) -> bool:
        """Whether the main thread runs."""
        return self._current is self._main

    @property
    def who(self) -> str:
        """The thread that runs, if one does."""
        return "" if self._of_world else self._current.name


def _nothing() -> None:
    pass


def _taken(threads: list[_Thread], chance: float) -> _Thread:
    index = int(chance * len(threads))
    thread, last = threads[index], threads.pop()
    if index < len(threads):
        threads[index] = last
    return thread


class Lock:
    """As threading's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._held, self._queue = scheduler, False, list[_Thread]()

    def __enter__(self) -> bool:
        self._scheduler.step()
        while self._held:
            self._scheduler.wait(None, self._queue)
        self._held = True
        return True

    def __exit__(self, *_: object) -> None:
        self._held = False
        if self._queue:
            self._scheduler.wake(self._queue)


class Event:
    """As threading's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._set, self._queue = scheduler, False, list[_Thread]()

    def set(self) -> None:
        self._scheduler.step()
        self._set = True
        while self._queue:
            self._scheduler.wake(self._queue)

    def is_set(self) -> bool:
        self._scheduler.step()
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        self._scheduler.step()
        if not self._set:
            self._scheduler.wait(timeout, self._queue)
        return self._set


class Queue:
    """As queue.SimpleQueue."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._items, self._queue = scheduler, deque[Any](), list[_Thread]()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._scheduler.wake(self._queue)
        self._scheduler.step()

    def get(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        self._scheduler.step()
        end = None if timeout is None else self._scheduler.now + timeout
        while not self._items:
            left = None if end is None else end - self._scheduler.now
            if not self._scheduler.wait(left, self._queue) and not self._items:
                raise Empty
        return self._items.popleft()
