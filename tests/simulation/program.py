"""The played `imagectl update` and `imagectl apply`: what cli and __main__ do around the verbs.

The verbs themselves are the real ones. What becomes of a failure or a signal is done here as it is there.
"""

import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

from imagectl import update as verb
from imagectl.errors import EXIT_CODES, ImagectlError, Terminated
from imagectl.image import ImageUpdate, Outcome, Progress

if TYPE_CHECKING:
    from .world import Run, World

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupted(KeyboardInterrupt):
    pass


def main(world: "World", run: "Run", manifest: bytes | None) -> None:
    """One process; what comes of it goes to `run`, what it says of images to `world`."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    if world.setup.verb == "update":
        run.code = _update(world, run)
    else:
        raise NotImplementedError


def _update(world: "World", run: "Run") -> int:
    target = world.setup.targets[0]
    options, progress = verb.Options(**world.setup.options), Progress()
    if run.calm:
        idle = run.purpose == "idle"
        options = options._replace(if_changed=idle, wait=True, dry_run=False, timeout=600.0)
    place, failed = target.place, None
    try:
        service = world.connect(target.profile, target.region)
        outcome = verb.run(
            service,
            ImageUpdate(target.name, target.wanted),
            options,
            progress=progress,
            clock=world.scheduler.clock(),
            watch=lambda _status: None,
        )
    except ImagectlError as error:
        run.error, failed = error, error.outcome or progress.outcome
    except KeyboardInterrupt as stop:
        kind: Any = "terminated" if isinstance(stop, Terminated) else "interrupted"
        run.error, failed = ImagectlError(kind, kind), progress.outcome or "not-applied"
    else:
        world.tell(place, outcome)
        return 0
    claim: Any = failed or "not-applied"
    world.tell(place, Outcome(result=claim, name=target.name, region=target.region, error=run.error))
    return EXIT_CODES[run.error.kind]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
