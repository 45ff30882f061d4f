"""Plays worlds by their seeds, and says what was seen and what promise was broken.

    python -m tests.simulation [--seeds N] [--from S] [--verb update|apply] [--most N] [--trace] [--stop]

For a promise that is broken: the seed, and the trace of a smaller world that breaks it too. `--trace` prints
the trace of each seed's own world.
"""

import argparse
import time
from collections import Counter
from functools import partial

from .invariants import broken
from .setup import Setup, draw
from .shrink import shrunk
from .world import Seen, World


def play(setup: Setup, seed: int) -> Seen:
    return World(setup, seed).play()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first (default: 0)")
    parser.add_argument("--verb", choices=("update", "apply"), help="worlds of this verb only")
    parser.add_argument("--most", type=int, default=3, help="shrink this many of each promise (default: 3)")
    parser.add_argument("--stop", action="store_true", help="stop where a promise is broken, for mutants")
    parser.add_argument("--trace", action="store_true", help="print what happens in each world")
    asked = parser.parse_args()
    happened, claims, promises = Counter[str](), Counter[str](), Counter[str]()
    told: set[tuple[str, ...]] = set()
    worlds, began = 0, time.process_time()
    for seed in range(asked.first, asked.first + asked.seeds):
        setup = draw(seed)
        if asked.verb not in {None, setup.verb}:
            continue
        worlds += 1
        seen = play(setup, seed)
        happened += seen.happened
        claims.update(said.result for said in seen.told)
        if asked.trace:
            print(setup, *traced(seen), sep="\n")
        found = broken(seen)
        if found and asked.stop:
            print(f"seed {seed}:", *found, sep="\n")
            return 1
        for promise, text in found:
            promises[promise] += 1
            if promises[promise] <= asked.most:
                smaller = shrunk(setup, partial(_breaks, seed, promise))
                kind = (promise, *(event.kind for event in smaller.events))
                if kind not in told:
                    told.add(kind)
                    print(f"\nseed {seed} breaks {promise}: {text}")
                    print(described(smaller), *traced(play(smaller, seed)), sep="\n")
    seconds = time.process_time() - began
    print(
        f"\n{worlds} worlds in {seconds:.1f} s of one processor, {worlds / max(seconds, 1e-9):.0f} a second"
    )
    print("seen:", _counted(happened))
    print("said:", _counted(claims))
    print("broken:", _counted(promises) or "nothing")
    return bool(promises)


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
