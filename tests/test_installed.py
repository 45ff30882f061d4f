"""How an extra is added: by the way the program was installed, as its installer's own files say."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagectl.installed import EXTRAS, NAME, adding

ROOT = Path(__file__).parents[1]
Installed = Callable[..., str]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """The command that adds the sandbox to an installation that looks like this."""

    def installed(
        *, url: dict[str, Any] | None = None, installer: str = "pip", receipt: str = "", has: str = ""
    ) -> str:
        left = tmp_path / f"{NAME.replace('-', '_')}-1.dist-info"
        left.mkdir()
        (left / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {NAME}\nVersion: 1\n")
        (left / "INSTALLER").write_text(f"{installer}\n")
        if url:
            (left / "direct_url.json").write_text(json.dumps(url))
        if receipt:
            (tmp_path / receipt).touch()
        if has:
            (tmp_path / f"{has}.py").touch()
        return adding("sandbox", prefix=str(tmp_path), python="/venv/bin/python", path=[str(tmp_path)])

    return installed


@pytest.mark.parametrize(
    ("installer", "receipt", "command"),
    [
        ("pip", "", "/venv/bin/python -m pip install"),
        ("uv", "", "uv pip install --python /venv/bin/python"),
        ("pip", "pipx_metadata.json", "pipx install --force"),
        ("uv", "pipx_metadata.json", "pipx install --force"),
        ("uv", "uv-receipt.toml", "uv tool install"),
    ],
)
def test_the_installer_is_the_one_that_was_used(
    installed: Installed, installer: str, receipt: str, command: str
) -> None:
    assert installed(installer=installer, receipt=receipt) == f"{command} '{NAME}[sandbox]'"


def test_what_was_installed_is_what_is_installed_again(installed: Installed, tmp_path: Path) -> None:
    """A checkout or a wheel, by its path: no index may have it."""
    wheel = tmp_path / "a wheel.whl"
    wheel.touch()
    assert installed(url={"url": wheel.as_uri(), "archive_info": {}}).endswith(f"install '{wheel}[sandbox]'")


def test_a_checkout_stays_editable(installed: Installed, tmp_path: Path) -> None:
    checkout = tmp_path / "it's {mine}"
    checkout.mkdir()
    command = installed(url={"url": checkout.as_uri(), "dir_info": {"editable": True}})
    assert command.endswith(f"""pip install -e '{tmp_path}/it'"'"'s {{mine}}[sandbox]'""")


def test_what_is_gone_is_named_by_its_name(installed: Installed) -> None:
    command = installed(url={"url": "file:///nothing/here.whl", "archive_info": {}})
    assert command.endswith(f" '{NAME}[sandbox]'")


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (
            {"url": "ssh://git@host/a.git", "vcs_info": {"vcs": "git", "requested_revision": "v1"}},
            "git+ssh://git@host/a.git@v1",
        ),
        (
            {"url": "https://me:SECRET@host/a.git", "vcs_info": {"vcs": "git"}},
            "git+https://me@host/a.git",
        ),
        ({"url": "https://host/a.whl?token=SECRET", "archive_info": {}}, "https://host/a.whl"),
    ],
)
def test_an_address_is_named_without_what_is_secret_in_it(
    installed: Installed, url: dict[str, Any], source: str
) -> None:
    assert installed(url=url).endswith(f" '{NAME}[sandbox] @ {source}'")


def test_other_extras_are_kept(installed: Installed) -> None:
    """To install anew with one extra would take the other away."""
    assert installed(has="awscrt").endswith(f"'{NAME}[login,sandbox]'")


def test_run_from_its_source_it_is_installed_from_there(tmp_path: Path) -> None:
    command = adding("login", prefix=str(tmp_path), python="python", path=[str(tmp_path)])
    assert command == f"python -m pip install -e '{ROOT}[login]'"


def test_the_extras_are_the_project_s() -> None:
    """The name and the extras for users are those of pyproject."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == NAME
    assert set(project["optional-dependencies"]) == {*EXTRAS, "dev"}
