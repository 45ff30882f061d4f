"""How this program was installed, read from what its installer left, so that a hint fits it.

Owns the way to one more extra. Changes nothing, runs nothing, and is used only where something is missing.
"""

import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from importlib.metadata import Distribution

NAME = "sagemaker-imagectl"
EXTRAS = {"login": "awscrt", "sandbox": "moto"}  # each with a module that it brings


def adding(
    extra: str, *, prefix: str = sys.prefix, python: str = sys.executable, path: Sequence[str] | None = None
) -> str:
    """The command line that adds `extra` to this installation, and keeps the extras that it has.

    `prefix`, `python` and `path` say which installation is meant.
    """
    from importlib.machinery import PathFinder
    from importlib.metadata import distributions  # slow, and seldom needed

    path = sys.path if path is None else path
    found = next(iter(distributions(name=NAME, path=list(path))), None)
    has = {name for name, module in EXTRAS.items() if PathFinder.find_spec(module, path)}
    source, editable = _source(found)
    what = shlex.quote(source.format(extras=",".join(sorted(has | {extra}))))
    if Path(prefix, "pipx_metadata.json").exists():
        return f"pipx install --force {what}"
    if Path(prefix, "uv-receipt.toml").exists():
        return f"uv tool install {what}"
    option = "-e " if editable else ""
    if found and (found.read_text("INSTALLER") or "").strip() == "uv":
        return f"uv pip install --python {shlex.quote(python)} {option}{what}"
    return f"{shlex.quote(python)} -m pip install {option}{what}"


def _source(found: "Distribution | None") -> tuple[str, bool]:
    """What an installer has to be given, with a place for the extras, and whether it is edited in place."""
    named = f"{NAME}[{{extras}}]"
    if found is None:  # run from its source
        checkout = Path(__file__).parents[1]
        return (_place(checkout), True) if (checkout / "pyproject.toml").exists() else (named, False)
    origin: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    url = urlsplit(origin.get("url", ""))
    if url.scheme == "file":
        place = Path(unquote(url.path))
        editable = origin.get("dir_info", {}).get("editable") is True
        return (_place(place), editable) if place.exists() else (named, False)
    if url.scheme:
        vcs = origin.get("vcs_info", {})
        kind = f"{vcs['vcs']}+" if vcs else ""
        revision = f"@{vcs['requested_revision']}" if "requested_revision" in vcs else ""
        # A password and a signature stay where they are.
        where = re.sub(r":[^@/]*@", "@", url.netloc)
        address = urlunsplit((url.scheme, where, url.path, "", "")) + revision
        return f"{named} @ {kind}{_literal(address)}", False
    return named, False


def _place(path: Path) -> str:
    return f"{_literal(str(path))}[{{extras}}]"


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
