"""Expected: whether an image is as its entry was written for, so that no later change is overwritten."""

from imagectl.errors import ImagectlError
from imagectl.fleet.manifest import Entry
from imagectl.image import PROPERTIES, Image
from imagectl.text import quote


def unexpected(entry: Entry, image: Image, region: str) -> ImagectlError | None:
    """The error of an image that is otherwise than the entry expects. It names all that differs."""
    differs = [
        f"{name} is {_shown(image.get(name))}, expected was {_shown(entry.expected[name])}"
        for name in PROPERTIES
        if name in entry.expected and image.get(name) != entry.expected[name]
    ]
    if not differs:
        return None
    return ImagectlError(
        "refused",
        f"not touched, because it is not as expected: {'; '.join(differs)}",
        hint="look who changed it; --ignore-expected applies the entry all the same",
        code="NotAsExpected",
        image_name=image.name,
        region=region,
        outcome="not-applied",
    )


def _shown(value: str | None) -> str:
    return "not there" if value is None else quote(value)
