"""Plays worlds by their seeds, and says what was seen and what promise was broken.

    python -m tests.simulation [--seeds N] [--from S] [--jobs N] [--verb update|apply] [--most N] [--trace]
        [--stop]

For a promise that is broken: the seed, and the trace of a smaller world that breaks it too. `--trace` prints
the trace of each seed's own world.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

from .invariants import broken
from .setup import Setup, draw
from .shrink import shrunk
from .world import Seen, World

_CHUNK = 100  # seeds that a process plays before it tells


def play(setup: Setup, seed: int) -> Seen:
    return World(setup, seed).play()


@dataclass
class _Heard:
    """What some worlds came to."""

    worlds: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str, str]] = field(default_factory=list)  # seed, promise, text
    traces: list[str] = field(default_factory=list)

    def add(self, other: "_Heard") -> None:
        self.worlds += other.worlds
        self.happened += other.happened
        self.claims += other.claims


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first (default: 0)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--verb", choices=("update", "apply"), help="worlds of this verb only")
    parser.add_argument("--most", type=int, default=3, help="shrink this many of each promise (default: 3)")
    parser.add_argument("--stop", action="store_true", help="stop where a promise is broken, for mutants")
    parser.add_argument("--trace", action="store_true", help="print what happens in each world")
    asked = parser.parse_args()
    total, promises, told, began = _Heard(), Counter[str](), set[tuple[str, ...]](), time.monotonic()
    for heard in _played(range(asked.first, asked.first + asked.seeds), asked):
        total.add(heard)
        print(*heard.traces, sep="", end="")
        for seed, promise, text in heard.broken:
            if asked.stop:
                print(f"seed {seed} breaks {promise}: {text}")
                return 1
            promises[promise] += 1
            if promises[promise] <= asked.most:
                _tell(seed, promise, text, told)
    seconds = time.monotonic() - began
    speed = total.worlds / max(seconds, 1e-9)
    print(f"\n{total.worlds} worlds in {seconds:.1f} s, {speed:.0f} a second in {asked.jobs} processes")
    print("seen:", _counted(total.happened))
    print("said:", _counted(total.claims))
    print("broken:", _counted(promises) or "nothing")
    return bool(promises)


def _played(seeds: range, asked: argparse.Namespace) -> Iterable[_Heard]:
    """The worlds of the seeds, in their order, some at a time."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    one = partial(_some, verb=asked.verb, trace=asked.trace)
    if asked.jobs < 2:
        yield from map(one, chunks)
        return
    # Forked, so that what `fine` changed is changed there too.
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("fork")) as pool:
        try:
            yield from pool.map(one, chunks)
        finally:
            pool.shutdown(cancel_futures=True)


def _some(seeds: range, *, verb: str | None, trace: bool) -> _Heard:
    heard = _Heard()
    for seed in seeds:
        setup = draw(seed)
        if verb not in {None, setup.verb}:
            continue
        seen = play(setup, seed)
        heard.worlds += 1
        heard.happened += seen.happened
        heard.claims.update(said.result for said in seen.told)
        heard.broken += [(seed, promise, text) for promise, text in broken(seen)]
        if trace:
            heard.traces += [f"{line}\n" for line in (setup, *traced(seen))]
    return heard


def _tell(seed: int, promise: str, text: str, told: set[tuple[str, ...]]) -> None:
    """Say what was broken by a smaller world, unless one of the same events was `told` already."""
    smaller = shrunk(draw(seed), partial(_breaks, seed, promise))
    kind = (promise, *(event.kind for event in smaller.events))
    if kind not in told:
        told.add(kind)
        print(f"\nseed {seed} breaks {promise}: {text}")
        print(described(smaller), *traced(play(smaller, seed)), sep="\n")


def described(setup: Setup) -> str:
    lines = [f"{setup.verb} {setup.options}, {setup.nature}, {setup.network}"]
    lines += [f"{t.name} in {'/'.join(t.place)}: {t.has} -> {t.wanted}" for t in setup.targets]
    return "\n".join([*lines, *map(str, setup.events)])


def traced(seen: Seen) -> list[str]:
    return [
        f"{when:9.3f} run {run} {who:9} {' '.join(map(str, what))}" for when, run, who, *what in seen.trace
    ]


def _breaks(seed: int, promise: str, setup: Setup) -> bool:
    return any(name == promise for name, _ in broken(play(setup, seed)))


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counter.most_common())


if __name__ == "__main__":
    raise SystemExit(main())
