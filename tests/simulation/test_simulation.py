"""Every promise holds in every played world; the same seed plays the same world everywhere."""

import hashlib
import os
import subprocess
import sys

import pytest
from simulation.__main__ import described, play, traced
from simulation.invariants import broken
from simulation.setup import draw

SEEDS, PART = 2000, 250  # a part is a test, so that they are shared out to all workers


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_every_promise_holds(first: int) -> None:
    """Whatever happens: no run hangs, no claim is false, nothing is sent that must not be."""
    for seed in range(first, first + PART):
        setup = draw(seed)
        seen = play(setup, seed)
        found = [text for name, text in broken(seen) if name not in _OPEN]
        assert not found, "\n".join([f"seed {seed}", *found, described(setup), *traced(seen)])


# What is not kept yet.
_OPEN = {
    "not_applied_is_never_applied",
    "a_calm_run_converges",
    "every_image_that_was_sent_is_told",
    "unknown_is_what_nobody_can_know",
    "requests_keep_the_rate",
    "the_undo_restores_what_was_changed",
}


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
