"""The README's pictures show what they are there for."""

import html
import re
from pathlib import Path

import pytest
from pictures import PICTURES, RUNS

README = (Path(__file__).parent.parent / "README.md").read_text()
SHOWN = {
    "update": ["- Description:", "+ Description:", ":image/my-image", "my-image is updated"],
    "error": ["no image 'pytorch-trainig'", "hint: did you mean 'pytorch-training'?"],
    "list": ["ImageName", "UPDATE_FAILED", "month ago"],
    "apply": ["3 to change", "Apply? [y/N] y", "2/3", "left"],
    "applied": ["Apply? [y/N] y", "3 images: 3 updated"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_picture(name: str) -> None:
    """It is in the README, and shows its command and what that says, from top to bottom."""
    assert f".github/pictures/{name}.svg" in README
    drawn = re.findall(r'<text class="[^"]*-r\d+"[^>]*>(.*?)</text>', (PICTURES / f"{name}.svg").read_text())
    text = re.sub(r"\s+", " ", html.unescape(" ".join(drawn)).replace("\xa0", " "))
    assert RUNS[name].command in text
    places = [text.find(words) for words in SHOWN[name]]
    assert -1 not in places
    assert places == sorted(places)
