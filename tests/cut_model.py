"""Cuts imagectl/aws/model.json from the botocore that is installed, for tests/generate.py."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader

OPERATIONS = ("DescribeImage", "ListImages", "UpdateImage")
# Of endpoints.json: SageMaker and what botocore's credential providers call, with their names there.
SERVICES = {
    "sagemaker": "api.sagemaker",
    "signin": "signin",
    "sso": "portal.sso",
    "sso-oidc": "oidc",
    "sts": "sts",
}


def is_locked() -> bool:
    """Whether the botocore that is installed is the one that the lock names, be it with extras."""
    lock = (Path(__file__).parents[1] / "requirements-dev.txt").read_text()
    locked = re.search(r"^botocore(?:\[[^]]*\])?==(\S+)", lock, re.MULTILINE)
    assert locked
    return locked[1] == botocore.__version__


def cut() -> str:
    """What model.json has to be."""
    loader = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    endpoints = loader.load_data("endpoints")
    partitions = [
        {**partition, "services": _only(SERVICES.values(), partition["services"])}
        for partition in endpoints["partitions"]
    ]
    found = {
        "service-2": _service(loader.load_service_model("sagemaker", "service-2")),
        "services": list(SERVICES),
        "endpoints": {**endpoints, "partitions": partitions},
        "partitions": loader.load_data("partitions"),
    }
    return json.dumps(found, indent=1) + "\n"


def _service(model: dict[str, Any]) -> dict[str, Any]:
    operations, shapes = _only(OPERATIONS, model["operations"]), model["shapes"]
    # All errors, as botocore recognises also those that the operation doesn't name.
    names = {name for name, shape in shapes.items() if shape.get("exception")}
    _reach([operations, _only(names, shapes)], shapes, names)
    whole = {**model, "operations": operations, "shapes": _only(names, shapes)}
    return _undocumented(whole)  # type: ignore[no-any-return]  # what it is given is an object


def _only(names: Collection[str], mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name in names}


def _reach(node: Any, shapes: dict[str, Any], names: set[str]) -> None:
    """Add to `names` each shape that `node` refers to, directly or through others."""
    if isinstance(node, dict):
        name = node.get("shape")
        if isinstance(name, str) and name not in names:  # a member of that name is no text
            names.add(name)
            _reach(shapes[name], shapes, names)
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        _reach(inner, shapes, names)


def _undocumented(node: Any) -> Any:
    if isinstance(node, list):
        return [_undocumented(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _undocumented(value)
        for key, value in node.items()
        if key != "documentation" or not isinstance(value, str)  # a member of that name is no text
    }
