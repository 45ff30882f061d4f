"""What a seed makes of a world, as a value: its images, what is wanted of them, its service, its events.

A value, so that what breaks a promise can be shrunk: the same without this event or that image.
"""

from collections.abc import Iterable
from random import Random
from typing import Any, NamedTuple

from imagectl.image import PAGE

from .backend import Nature, Place
from .client import Network
from .events import BUGS, DISKS, ENDS, FATES, SIGNALS, STRANGERS, THREADS, Event

ACCOUNTS = {"default": "111111111111", "production": "222222222222"}
FOREIGN = "333333333333"  # nobody's
REGIONS = ("us-east-1", "eu-west-1")
OPERATIONS = ("UpdateImage", "DescribeImage", "ListImages")

Values = dict[str, str | None]


class Target(NamedTuple):
    """One image: where it is, what it has, what is wanted of it, and if it is guarded, what is expected."""

    profile: str
    region: str
    name: str
    has: dict[str, str]
    wanted: Values
    by_arn: bool = False
    expected: Values | None = None

    @property
    def place(self) -> Place:
        return Place(ACCOUNTS[self.profile], self.region)


class Setup(NamedTuple):
    """A world before anything happened in it."""

    verb: str
    targets: tuple[Target, ...]
    nature: Nature
    network: Network
    options: dict[str, Any]
    events: tuple[Event, ...]
    others: int = 0  # images in each place that nobody means
    preempt: float = 0.2
    stall: float = 0.0
    foreign: bool = False  # an ARN is of another account than the credentials are
    at_once: bool = False  # whether the same command is run again before the world has calmed down


class Dice(Random):
    """A seed's chance. By `random` alone, which is the same in every Python."""

    def one_of(self, choices: Iterable[Any]) -> Any:
        choices = tuple(choices)
        return choices[int(self.random() * len(choices))]

    def upto(self, most: int) -> int:
        """From 1 to `most`, small ones more often."""
        return int((most + 1) ** self.random())

    def whether(self, chance: float) -> bool:
        return self.random() < chance


def draw(seed: int) -> Setup:
    dice = Dice(seed)
    verb = dice.one_of(("update", "apply", "apply"))
    targets = _targets(dice, 1 if verb == "update" else dice.upto(10))
    trimmed = targets[0].name if dice.whether(0.05) else ""
    options = _options(dice, verb)
    if trimmed:  # it asks for what the service won't keep, so it never settles
        targets = (targets[0]._replace(wanted={"Description": "new "}), *targets[1:])
        options.pop("max_unsettled", None)
    nature = _nature(dice, verb)
    others = dice.one_of((0, 1, 3, 150)) if nature.page == PAGE else dice.one_of((0, 1, 3))
    return Setup(
        verb=verb,
        targets=targets,
        nature=nature._replace(trims=frozenset([trimmed] if trimmed else [])),
        network=_network(dice),
        options=options,
        events=_events(dice, verb, len(targets)),
        others=others,
        preempt=dice.one_of((0.02, 0.2, 0.5)),
        stall=dice.one_of((0, 0, 0, 0.01)),
        foreign=verb == "apply" and dice.whether(0.02),
        at_once=dice.whether(0.3),
    )


def _targets(dice: Dice, count: int) -> tuple[Target, ...]:
    spread = dice.one_of((1, 1, 2, 4))
    places = [(profile, region) for profile in ACCOUNTS for region in REGIONS][:spread]
    return tuple(_target(dice, f"image-{number}", *dice.one_of(places)) for number in range(count))


def _target(dice: Dice, name: str, profile: str, region: str) -> Target:
    role = f"arn:aws:iam::{ACCOUNTS[profile]}:role/"
    has = {"RoleArn": f"{role}old"}
    if dice.whether(0.6):
        has["Description"] = dice.one_of(("old", "new"))
    if dice.whether(0.5):
        has["DisplayName"] = dice.one_of(("Old", "New"))
    wanted: Values = {}
    if dice.whether(0.8):
        wanted["Description"] = dice.one_of(("new", "new", "newer", None))
    if dice.whether(0.3):
        wanted["DisplayName"] = dice.one_of(("New", None))
    if dice.whether(0.2) or not wanted:
        wanted["RoleArn"] = f"{role}new"
    expected: Values | None = None
    if dice.whether(0.1):
        expected = {"Description": dice.one_of((has.get("Description"), "something else"))}
    return Target(profile, region, name, has, wanted, by_arn=dice.whether(0.3), expected=expected)


def _nature(dice: Dice, verb: str) -> Nature:
    rates = {}
    for operation in OPERATIONS:
        if dice.whether(0.25):
            rates[operation] = dice.one_of((0.5, 1.0, 2.0, 5.0, 10.0) if verb == "apply" else (2.0, 5.0))
    return Nature(
        rates=rates,
        takes=dice.one_of(((0.0, 0.1), (0.5, 3.0), (0.5, 3.0), (5.0, 25.0))),
        stale=dice.one_of((0.0, 0.0, 1.0, 4.0)),
        shows_early=dice.whether(0.3),
        failing=frozenset([dice.upto(5)] if dice.whether(0.1) else []),
        page=dice.one_of((PAGE, PAGE, 3)),
    )


def _network(dice: Dice) -> Network:
    return Network(
        latency=dice.one_of((0.01, 0.1, 1.0)),
        late=dice.one_of((2.0, 8.0, 30.0, 90.0)),
        attempts=dice.one_of((1, 2, 3, 3, 5)),
    )


def _options(dice: Dice, verb: str) -> dict[str, Any]:
    options: dict[str, Any] = {"wait": dice.whether(0.5), "timeout": dice.one_of((5.0, 20.0, 60.0))}
    if verb == "update":
        return {**options, "if_changed": dice.whether(0.2), "dry_run": dice.whether(0.05)}
    return {
        **options,
        "concurrency": dice.one_of((1, 2, 4, 8)),
        "max_failures": dice.one_of((None, None, 1, 2)),
        "max_unsettled": dice.one_of((None, None, None, 1, 2)),
        "rollback": dice.whether(0.7),
    }


def _events(dice: Dice, verb: str, targets: int) -> tuple[Event, ...]:
    places = [_fate] * 6 + [_stranger] * 2 + [_signal, _end]
    if verb == "apply":
        places += [_disk, _thread, _bug, _output]
    return tuple(dice.one_of(places)(dice, verb, targets) for _ in range(dice.upto(8) - 1))


def _fate(dice: Dice, verb: str, targets: int) -> Event:
    operation = dice.one_of(OPERATIONS[:2] if verb == "update" else (*OPERATIONS, "UpdateImage"))
    kind = dice.one_of([kind for kind in FATES if kind != "own"])
    return Event(kind, dice.upto(3 + 2 * targets), operation, times=dice.one_of((1, 1, 1, 2, 3, 10, 50)))


def _stranger(dice: Dice, verb: str, targets: int) -> Event:
    return Event(dice.one_of(STRANGERS), dice.upto(60) - 1, "second", which=int(dice.random() * targets))


def _signal(dice: Dice, verb: str, targets: int) -> Event:
    kind = dice.one_of(SIGNALS)
    if dice.whether(0.5):
        return Event(kind, *_moment(dice, verb))
    return Event(kind, dice.upto(40) - 1, "second", times=dice.one_of((1, 2, 3)))


def _end(dice: Dice, verb: str, targets: int) -> Event:
    return Event(dice.one_of(ENDS), *_moment(dice, verb))


def _moment(dice: Dice, verb: str) -> tuple[int, str]:
    doors = ("step", "step", "UpdateImage", "DescribeImage")
    door = dice.one_of(doors if verb == "update" else (*doors, "ListImages", "write", "sync"))
    return dice.upto(600 if door == "step" else 10), door


def _disk(dice: Dice, verb: str, targets: int) -> Event:
    kind = dice.one_of(DISKS)
    return Event(kind, dice.upto(targets), DISKS[kind])


def _thread(dice: Dice, verb: str, targets: int) -> Event:
    return Event(dice.one_of(THREADS), dice.upto(10) - 1, "thread")


def _bug(dice: Dice, verb: str, targets: int) -> Event:
    return Event(dice.one_of(BUGS), dice.upto(600), "step")


def _output(dice: Dice, verb: str, targets: int) -> Event:
    return Event("output fails", dice.upto(targets), "record")
