"""Every promise holds in every played world; the same seed plays the same world everywhere."""

import hashlib
import os
import subprocess
import sys

import pytest
from simulation.__main__ import described, play, traced
from simulation.backend import Nature
from simulation.client import Network
from simulation.invariants import broken
from simulation.setup import Setup, Target, draw
from simulation.world import World

SEEDS, PART = 2000, 250  # a part is a test, so that they are shared out to all workers


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_every_promise_holds(first: int) -> None:
    """Whatever happens: no run hangs, no claim is false, nothing is sent that must not be."""
    for seed in range(first, first + PART):
        setup = draw(seed)
        seen = play(setup, seed)
        found = [text for _, text in broken(seen)]
        assert not found, "\n".join([f"seed {seed}", *found, described(setup), *traced(seen)])


def test_a_seed_is_the_same_world_everywhere() -> None:
    """Traces don't depend on hashes or on anything else that differs between two processes."""
    program = f"import {__name__} as test; print(test.digest(range(100)))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def digest(seeds: range) -> str:
    whole = hashlib.sha256()
    for seed in seeds:
        whole.update("\n".join(traced(play(draw(seed), seed))).encode())
    return whole.hexdigest()


@pytest.mark.parametrize(("rate", "count", "most"), [(5.0, 100, 1.21), (20.0, 400, 1.12), (50.0, 1000, 1.10)])
def test_the_rate_of_the_readme_is_found(rate: float, count: int, most: float) -> None:
    """Against a token bucket: all of what it admits is used, for the README's requests per update."""
    names = [f"image-{number}" for number in range(count)]
    setup = Setup(
        verb="apply",
        targets=tuple(Target("default", "us-east-1", name, {}, {"Description": "new"}) for name in names),
        nature=Nature(rates={"UpdateImage": rate}),
        network=Network(latency=0.01),
        options={"wait": False, "timeout": 60, "concurrency": 8, "max_failures": None, "rollback": False},
        events=(),
    )
    shares, costs = [], []
    for seed in range(4):
        seen = World(setup, seed).play_first()
        assert seen.runs[0].code == 0
        costs.append(seen.backends[setup.targets[0].place].asked[0, "UpdateImage"] / count)
        shares.append((count - rate) / rate / seen.runs[0].ended)  # a full bucket is there to begin with
    assert sum(costs) / len(costs) < most + 0.03
    assert sum(shares) / len(shares) > 0.97
