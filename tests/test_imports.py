"""What is imported when, and who may import whom: the start's speed and the design's floors.

Nothing is timed here: what makes the start fast is what is not imported, and that is certain.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from service import Service

import imagectl
from imagectl import cli

# Commands as real processes.

COMMANDS = cli.the_tree().list_commands(None)
GOOD = ("my-image", "--description", "x")

HEAVY = {"boto3", "moto", "pydantic", "rich", "yaml"}
# Whatever is wrong with a command line is found without these.
SDK = {
    "botocore",
    "imagectl.aws.connect",
    "imagectl.aws.model",
    "jmespath",
    "platformdirs",
    "s3transfer",
    "urllib3",
}
# Of the standard library: each takes as long as several modules of ours.
SLOW = {"asyncio", "concurrent.futures", "email", "http.client", "importlib.metadata", "ssl", "unittest"}


def imported(*argv: str, code: int = 0) -> set[str]:
    """The modules that `imagectl ARGV` imports, packages too; its output goes to pipes."""
    found, exited = _imported("-m", "imagectl", *argv)
    assert exited == code
    assert "imagectl.cli" in found or argv == ("--version",)
    return found - _imported("-c", "pass")[0]  # what this environment's .pth files bring is not ours


def _imported(*argv: str) -> tuple[set[str], int]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    lines = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
    modules = {fields[-1].strip() for fields in lines}
    return modules | {name.partition(".")[0] for name in modules}, done.returncode


REJECTED = {
    "name": ("update", "a_b", "--description", "x"),
    "nothing to change": ("update", "my-image"),
    "role": ("update", "my-image", "--role-arn", "me"),
    "ARN": ("show", "arn:aws:sagemaker:us-east-1:1:image/x"),
    "endpoint": ("update", *GOOD, "--endpoint-url", "http://example.com"),
    "duration": ("wait", "my-image", "--timeout", "soon"),
    "status": ("list", "--status", "FINE"),
    "no such option": ("show", "my-image", "--nothing"),
    "no such command": ("nothing",),
    "output": ("list", "--output", "xml"),
    "as json": ("update", "a_b", "--description", "x", "--output", "json"),
}


@pytest.mark.parametrize("argv", REJECTED.values(), ids=REJECTED)
def test_rejected_input_imports_nothing_heavy(argv: tuple[str, ...]) -> None:
    """What is wrong is told without the SDK, and without what draws on terminals."""
    assert not imported(*argv, code=2) & (HEAVY | SDK | SLOW)


def test_a_rejected_query_imports_its_language_only() -> None:
    found = imported("show", "my-image", "--query", "]", code=2)
    assert "jmespath" in found
    assert not found & (HEAVY | SDK | SLOW) - {"jmespath"}


@pytest.mark.parametrize(
    "argv", [("--version",), ("--help",), *((command, "--help") for command in COMMANDS)], ids=" ".join
)
def test_version_and_help_import_nothing_heavy(argv: tuple[str, ...]) -> None:
    """The version and every help page are there without the SDK, moto or rich."""
    assert not imported(*argv) & (HEAVY | SDK | SLOW)


@pytest.mark.parametrize("output", ["text", "json", "name"])
@pytest.mark.parametrize(
    "argv",
    [
        ("update", *GOOD),
        ("update", *GOOD, "--wait"),
        ("update", *GOOD, "--dry-run"),
        ("show", "my-image"),
        ("list",),
        ("wait", "my-image"),
    ],
    ids=" ".join,
)
def test_calls_import_the_sdk_only(argv: tuple[str, ...], output: str, service: Service) -> None:
    """Output in a pipe needs no rich; a call needs botocore, not boto3's layer above it."""
    found = imported(*argv, "--output", output)
    assert "botocore" in found
    assert not found & HEAVY
    assert service.received


def test_apply_rejects_a_manifest_without_the_sdk(tmp_path: Path) -> None:
    manifest = tmp_path / "images.jsonl"
    manifest.write_text('{"ImageName": "a_b", "Description": "x"}\n')
    assert not imported("apply", str(manifest), code=2) & (HEAVY | {"botocore", "jmespath", "platformdirs"})


@pytest.mark.parametrize("output", ["text", "json", "name"])
def test_apply_imports_yaml_for_yaml_only(output: str, service: Service, tmp_path: Path) -> None:
    """JSON Lines need no YAML, and records in a pipe no rich."""
    manifest = tmp_path / "images.jsonl"
    manifest.write_text('{"ImageName": "my-image", "Description": "x"}\n')
    found = imported("apply", str(manifest), "--dry-run", "--output", output)
    assert "botocore" in found
    assert not found & HEAVY
    assert service.received


def test_a_completion_script_needs_no_sdk() -> None:
    assert not imported("completion", "bash") & (HEAVY | {"botocore", "jmespath", "platformdirs"})


# The house: who may import whom, read from the sources.

# The rooms from the roof down, as the package's own picture shows them.
ROOMS = [
    room
    for floor in re.findall(r"^    floor \d   (.+)$", imagectl.__doc__ or "", re.MULTILINE)
    for room in floor.split(", ")
]
# Each outside library, and where it may be imported.
OWNERS = {
    "boto3": set[str](),
    "botocore": {
        "aws.connect",
        "aws.credentials",
        "aws.sagemaker",
        "aws.model",
        "aws.dialing",
        "aws.process",
        "aws.routes",
        "aws.wire",
        "sandbox.service",
    },  # the sandbox judges by the service's own model
    "jmespath": {"render.query"},
    "moto": {"sandbox"},
    "platformdirs": {"cache"},
    "typer": {"completion.commands", "tree"},
    "urllib3": {"aws.dialing"},
    "werkzeug": {"sandbox"},
    "yaml": {"fleet.documents", "render.data"},
}

# What is imported only where a library is needed anyway may import it as it likes.
BEHIND_DOORS = {"aws.transport", "aws.dialing", "aws.process", "aws.routes", "aws.wire"}

PACKAGE = Path(imagectl.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)


class Import(NamedTuple):
    """One import: of a module of ours, or of an outside library; `lazy` if not made by loading the file."""

    of: str
    ours: bool
    lazy: bool
    line: int


@cache
def imports(module: str) -> tuple[Import, ...]:
    """All imports of `module`, in functions and for types too; the standard library left out."""
    return tuple(_imports(ast.parse(_source(module).read_bytes())))


def _source(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(node: ast.AST, *, lazy: bool = False) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = ".".join(filter(None, ["imagectl" if node.level else "", node.module]))
        names = [f"{base}.{alias.name}" for alias in node.names]
    else:
        lazy |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        lazy |= isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, lazy=lazy)
        return
    for name in names:
        top, _, rest = name.partition(".")
        if top == "imagectl":
            inner = rest if rest in MODULES else rest.rpartition(".")[0]
            yield Import(inner if inner in MODULES else "__init__", ours=True, lazy=lazy, line=node.lineno)
        elif top not in sys.stdlib_module_names:
            yield Import(top, ours=False, lazy=lazy, line=node.lineno)


def room(module: str) -> str:
    return module.partition(".")[0]


WINGS = {room(module) for module in MODULES if "." in module}


def test_each_room_is_in_the_picture_once() -> None:
    """What the package says of its layout is what is there."""
    assert sorted(ROOMS) == sorted({room(module) for module in MODULES} - {"__init__"})


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__"])
def test_each_module_imports_what_stands_behind_it(module: str) -> None:
    """Data flows one way, and no wing knows another."""
    below = [*ROOMS[ROOMS.index(room(module)) + 1 :], "__init__"]
    if room(module) in WINGS | {"update"}:
        below = [room for room in below if room not in WINGS]
    wrong = [
        f"imagectl/{module}.py:{found.line} imports {found.of}"
        for found in imports(module)
        if found.ours and room(found.of) not in {*below, room(module)}
    ]
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_each_outside_library_has_its_owners(module: str) -> None:
    wrong = [
        f"imagectl/{module}.py:{found.line} imports {found.of}"
        for found in imports(module)
        if not found.ours and module not in OWNERS.get(found.of, set())
    ]
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_outside_libraries_are_imported_at_the_doors(module: str) -> None:
    """Loading a module loads no library but typer: the others are imported by what needs them."""
    eager = {found.of for found in imports(module) if not found.ours and not found.lazy}
    assert eager <= {"typer", *(["botocore"] if module in BEHIND_DOORS else [])}


@pytest.mark.parametrize("module", sorted(BEHIND_DOORS))
def test_what_stands_behind_a_door_is_imported_there(module: str) -> None:
    """A module that loads a library is loaded by functions only, or by another such module."""
    importers = {other: found for other in MODULES for found in imports(other) if found.of == module}
    assert importers
    assert all(found.lazy or other in BEHIND_DOORS for other, found in importers.items())


def test_no_imports_go_in_a_circle() -> None:
    graph = {module: {found.of for found in imports(module) if found.ours} - {module} for module in MODULES}
    list(TopologicalSorter(graph).static_order())
