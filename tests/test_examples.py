"""What lies in examples/ and the workflows of the documentation: well formed, and they do what they say."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
import yaml
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from service import Service

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
WORKFLOWS = {path.name: path.read_text() for path in sorted(EXAMPLES.glob("*.yml"))} | {
    f"{path.name}, {number}": text
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, text in enumerate(re.findall(r"(?ms)^```yaml\n(.*?)^```$", path.read_text()))
    if "\njobs:" in text
}
_CONTEXTS = {"github", "matrix", "strategy", "vars"}
_FUNCTIONS = {"always", "failure"}


def texts(value: Any) -> Iterator[str]:
    """All text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def wrong_expression(expression: str, matrix: set[str]) -> str | None:
    """What is wrong with an expression of a workflow: a context, a function or a key that isn't there."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", expression)
    for function in re.findall(r"\b(\w+)\(", bare):
        if function not in _FUNCTIONS:
            return f"no function {function}"
    for context, key in re.findall(r"(?<![\w.-])([a-z_]+)\.([\w-]+)", bare):
        if context not in _CONTEXTS or (context == "matrix" and key not in matrix):
            return f"no {context}.{key}"
    if not re.fullmatch(r"(?:[\w.()-]|''|\s|&&|\|\||[=!]=|!)+", bare):
        return f"no expression: {expression}"
    return None


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_are_well_formed(name: str) -> None:
    """Steps run or use something, by a version; expressions name what there is."""
    workflow = yaml.safe_load(WORKFLOWS[name])
    assert workflow.keys() <= {"name", True, "concurrency", "permissions", "defaults", "jobs"}  # `on` is true
    assert workflow["permissions"]["id-token"] == "write"
    for job in workflow["jobs"].values():
        matrix = set(job.get("strategy", {}).get("matrix", ()))
        for text in texts(job):
            for expression in re.findall(r"\$\{\{(.*?)\}\}", text):
                assert wrong_expression(expression, matrix) is None
            assert text.count("${{") == len(re.findall(r"\$\{\{(.*?)\}\}", text))
        for step in job["steps"]:
            assert len({"uses", "run"} & step.keys()) == 1
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
            assert wrong_expression(step.get("if", "always()"), matrix) is None


def test_what_is_wrong_with_an_expression_is_found() -> None:
    for expression in ("secret.A", "matrix.part", "now()", "github.ref = 'x'", "vars.A | vars.B"):
        assert wrong_expression(expression, {"shard"})
    assert wrong_expression("github.event_name == 'push' && vars.A || matrix.shard", {"shard"}) is None


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint on the path")
@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_finds_nothing(name: str) -> None:
    command = ["actionlint", "-no-color", "-"]
    done = subprocess.run(
        command, input=WORKFLOWS[name].encode(), capture_output=True, timeout=60, check=False
    )
    assert done.stdout.decode() == ""


def commands(name: str) -> list[str]:
    steps = [step for job in yaml.safe_load(WORKFLOWS[name])["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "imagectl apply" in step.get("run", "")]


@pytest.fixture
def fleet(service: Service, tmp_path: Path) -> Service:
    """Twelve images, and the manifest that changes all of them; each step runs as a runner would run it."""
    entries = [{"ImageName": f"image-{number}", "Description": "new"} for number in range(12)]
    for entry in entries:
        service.add(entry["ImageName"], Description="old")
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump(entries))
    return service


def shell(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **env: str) -> int:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return subprocess.run(["bash", "-ec", command], cwd=tmp_path, timeout=60, check=False).returncode


def test_the_drift_job_fails_where_something_differs(
    fleet: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no more than ListImages; what differs is in its file."""
    (command,) = commands("drift.yml")
    assert shell(command, tmp_path, monkeypatch) == 10
    planned = [json.loads(line) for line in (tmp_path / "drift.jsonl").read_text().splitlines()]
    assert {one["Outcome"] for one in planned} == {"planned"}
    for image in fleet.images.values():
        image["Description"] = "new"
    assert shell(command, tmp_path, monkeypatch) == 0
    assert set(fleet.operations) == {"ListImages"}


def test_the_matrix_does_each_image_once(
    fleet: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = commands("shards.yml")
    matrix = yaml.safe_load(WORKFLOWS["shards.yml"])["jobs"]["apply"]["strategy"]["matrix"]["shard"]
    for shard in matrix:
        known = {"matrix.shard": shard, "strategy.job-total": len(matrix)}
        line = re.sub(r"\$\{\{ (.*?) \}\}", lambda found, known=known: str(known[found[1]]), command)  # type: ignore[misc]
        (tmp_path / str(shard)).mkdir()
        shutil.copy(tmp_path / "fleet.yaml", tmp_path / str(shard))
        assert shell(line, tmp_path / str(shard), monkeypatch) == 0
        assert (tmp_path / str(shard) / "record.jsonl").exists()
    assert sorted(Counter(body["ImageName"] for body in fleet.calls("UpdateImage")).values()) == [1] * 12


def test_the_batch_job_is_one_that_batch_takes(
    fleet: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the service's own model; as an array its parts do each image once."""
    definition = json.loads((EXAMPLES / "batch-job-definition.json").read_text())
    model = ServiceModel(botocore.loaders.create_loader().load_service_model("batch", "service-2"))
    shape: Any = model.operation_model("RegisterJobDefinition").input_shape
    assert ParamValidator().validate(definition, shape).generate_report() == ""
    container = definition["containerProperties"]
    assert container.keys() <= shape.members["containerProperties"].members.keys()
    *_, command = container["command"]
    for index in range(3):
        here = {"AWS_BATCH_JOB_ARRAY_INDEX": str(index), "AWS_BATCH_JOB_ARRAY_SIZE": "3"}
        assert shell(command, tmp_path, monkeypatch, **here) == 0
    assert sorted(Counter(body["ImageName"] for body in fleet.calls("UpdateImage")).values()) == [1] * 12
