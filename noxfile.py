"""The suite on each Python that is found here, and with the oldest and the newest dependencies admitted: the
oldest on the Python that nox itself runs on, 3.11 where the project's own environment is used.

`nox` runs it all, `nox -s python-3.13` one. A Python that isn't here is named and passed over.
"""

import os
import shutil
import subprocess

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False

if shutil.which("pyenv"):
    # Its commands `python3.12` and so on work for the chosen versions only: this chooses all.
    command = ["pyenv", "versions", "--bare"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 all is written here
    os.environ["PYENV_VERSION"] = ":".join(v for v in reversed(listed.stdout.split()) if v[0] == "3")

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
NEWEST = next((version for version in reversed(PYTHONS) if shutil.which(f"python{version}")), None)

# What no interpreter and no library changes: the project's own files and pictures, shells, what kill -9
# leaves, another AWS client, and all of the played worlds but the draws. The usual suite runs all of it.
LEFT_OUT = (
    "tests/test_lock.py",
    "tests/test_readme.py",
    "tests/test_pictures.py",
    "tests/completion",
    "tests/fleet/test_apply_crash.py",
    "tests/test_aws_cli.py",
    "tests/simulation/test_exact.py",
    "tests/simulation/test_found.py",
    "tests/simulation/test_looks.py",
    "tests/simulation/test_pace.py",
    "tests/simulation/test_planted.py",
    "tests/simulation/test_torn.py",
)


def suite(session: nox.Session) -> None:
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    session.run("python", "-m", "pytest", "-q", "-n", "4", *ignored, *session.posargs)


@nox.session(python=PYTHONS, download_python="never")
def python(session: nox.Session) -> None:
    """The fast part of the suite, with the locked dependencies."""
    session.install("--require-hashes", "-r", "requirements-dev.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")
    suite(session)


@nox.session
def lowest(session: nox.Session) -> None:
    """The same with the oldest dependencies that pyproject admits; the tools may not ask for newer ones."""
    lowest = f"{session.create_tmp()}/lowest.txt"
    extras = ("--extra", "sandbox", "--extra", "login")
    compiling = ("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", *extras)
    session.run_install(*compiling, "pyproject.toml", "--output-file", lowest)
    session.install("--constraint", lowest, "-e", ".[dev]")
    suite(session)


@nox.session(python=NEWEST, download_python="never")
def newest(session: nox.Session) -> None:
    """The same with the newest dependencies that pyproject admits, unlocked, on the newest Python found."""
    session.install("-e", ".[dev]")
    suite(session)
