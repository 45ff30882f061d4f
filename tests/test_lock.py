"""The lock and the bounds of pyproject: what a newcomer installs works with every pip, whatever comes out."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements-dev.txt").read_text()


def pins() -> dict[NormalizedName, Requirement]:
    """Each locked package, with the extras that it is pinned with."""
    found = [Requirement(line) for line in re.findall(r"^([a-z][^\\\n]*?) *\\?$", LOCK, re.MULTILINE)]
    return {canonicalize_name(pin.name): pin for pin in found}


def requirements(pin: Requirement) -> Iterator[Requirement]:
    """What a locked package requires here, by the metadata of its installed version."""
    try:
        texts = distribution(pin.name).requires or []
    except PackageNotFoundError:  # another platform's
        return
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": extra}) for extra in ("", *pin.extras)):
            yield requirement


def own() -> list[Requirement]:
    """What the project itself requires, for those who build it."""
    extras = PROJECT["optional-dependencies"]
    found = map(Requirement, [*PROJECT["dependencies"], *extras["sandbox"], *extras["dev"]])
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


def test_a_package_is_pinned_in_the_form_it_is_required_in() -> None:
    """A pip before 23.3 looks past a pin with other extras, at the newest release, and stops at its hash."""
    locked = pins()
    required = [*own(), *(each for pin in locked.values() for each in requirements(pin))]
    missing = {
        str(requirement)
        for requirement in required
        if (pin := locked.get(canonicalize_name(requirement.name))) and requirement.extras != pin.extras
    }
    assert not missing


def test_the_lock_is_within_the_bounds() -> None:
    """Each dependency of the project is locked, at a version that pyproject admits."""
    locked = pins()
    for requirement in own():
        (pinned,) = locked[canonicalize_name(requirement.name)].specifier
        assert pinned.operator == "=="
        assert requirement.specifier.contains(pinned.version), requirement


def test_the_lock_names_no_index() -> None:
    """Where packages come from is each machine's own setting."""
    assert not re.search(r"https?://|^\s*--(?!hash)", LOCK, re.MULTILINE)
