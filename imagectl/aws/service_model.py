"""The cut service model, for a fast start.

botocore's model of SageMaker has some 400 operations, its endpoints.json some 300 services; parsing them is
most of a client's creation. What imagectl uses of them is cut out once, unaltered, and kept on disk.
Nothing may depend on the cut: what it lacks comes from botocore's own files, one that isn't wholly trusted
is not read, and where none can be kept all works as without it.
"""

import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagectl import __version__
from imagectl.cache import cache_dir, read_private, write_private

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session

OPERATIONS = ("DescribeImage", "ListImages", "UpdateImage")
MODELS = ("service-2", "endpoint-rule-set-1")
DATA = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
# Of endpoints.json: SageMaker and what botocore's credential providers call, with their names there.
SERVICES = {
    "sagemaker": "api.sagemaker",
    "signin": "signin",
    "sso": "portal.sso",
    "sso-oidc": "oidc",
    "sts": "sts",
}

# More than one, or two environments used in turn would delete each other's entry at every run.
ENTRIES_KEPT = 4


def install(session: "Session", *, directory: Path | None = None) -> None:
    """Have `session` load its models from the cut if one can be trusted, else leave one for next time.

    `directory` is `cache_dir()` by default. Nothing is read before a client is made: what botocore has to
    say about its configuration it says there, as without the cut.
    """
    session.lazy_register_component("data_loader", lambda: _loader(session, directory or cache_dir()))


def _loader(session: "Session", directory: Path | None) -> "Loader":
    import botocore
    from botocore.exceptions import DataNotFoundError
    from botocore.loaders import create_loader

    data_path = session.get_config_variable("data_path")
    full = create_loader(data_path)
    # The user's own models win. Path.is_dir would raise where ~/.aws can't be searched; botocore doesn't.
    if directory is None or data_path or os.path.isdir(full.CUSTOMER_DATA_PATH):  # noqa: PTH112
        return full

    versions = f"{botocore.__version__}-{__version__}"
    key = json.dumps([versions, OPERATIONS, MODELS, DATA, SERVICES]).encode()
    path = directory / f"model-{versions}.json"
    entry = read_private(path) or b""
    _, _, payload = entry.partition(b"\n")
    if entry == _sealed(payload, key):
        return _cut_loader(json.loads(payload))

    # `full` remembers what it parses here, so the client about to be made doesn't parse it again. Data that
    # is not installed, as in a botocore stripped for a container, may not be needed: that isn't said here.
    with suppress(DataNotFoundError):
        payload = json.dumps(_cut(full), separators=(",", ":")).encode()
        if write_private(path, _sealed(payload, key)):
            _keep_newest(directory)
    return full


def _keep_newest(directory: Path) -> None:
    with suppress(OSError):  # another process may be deleting them too
        for old in sorted(directory.glob("model-*"), key=lambda old: old.stat().st_mtime)[:-ENTRIES_KEPT]:
            old.unlink()


def _sealed(payload: bytes, key: bytes) -> bytes:
    """`payload` after its digest, which covers the key: a stale entry is no better than a damaged one."""
    from hashlib import sha256  # here, as botocore has imported it and completion needs none

    return sha256(key + payload).hexdigest().encode() + b"\n" + payload


def _cut(full: "Loader") -> dict[str, Any]:
    models = {kind: full.load_service_model("sagemaker", kind) for kind in MODELS}
    service, shapes = models["service-2"], models["service-2"]["shapes"]
    operations = _only(OPERATIONS, service["operations"])
    # All errors, as botocore recognises also those that the operation doesn't name.
    names = {name for name, shape in shapes.items() if shape.get("exception")}
    _reach([operations, _only(names, shapes)], shapes, names)
    models["service-2"] = {**service, "operations": operations, "shapes": _only(names, shapes)}

    data = {name: full.load_data(name) for name in DATA}
    partitions = [
        {**partition, "services": _only(SERVICES.values(), partition["services"])}
        for partition in data["endpoints"]["partitions"]
    ]
    data["endpoints"] = {**data["endpoints"], "partitions": partitions}
    return {"models": models, "data": data}


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


def _cut_loader(cut: dict[str, Any]) -> "Loader":
    from botocore.loaders import Loader

    models, data = cut["models"], cut["data"]

    class CutLoader(Loader):
        """Answers from the cut what lies in it, all else from botocore's files."""

        def load_service_model(
            self, service_name: str, type_name: str, api_version: str | None = None
        ) -> Any:
            held = models["service-2"]["metadata"]["apiVersion"]
            if service_name == "sagemaker" and type_name in MODELS and api_version in {None, held}:
                return models[type_name]
            if service_name not in SERVICES:  # its endpoints are not in the cut
                whole, _ = super().load_data_with_path("endpoints")
                for partition, source in zip(
                    data["endpoints"]["partitions"], whole["partitions"], strict=True
                ):
                    partition["services"] = source["services"]
            return super().load_service_model(service_name, type_name, api_version)

        def load_data_with_path(self, name: str) -> Any:
            if name in DATA:  # the path says to botocore that they are its own
                return data[name], str(Path(self.BUILTIN_DATA_PATH, name))
            return super().load_data_with_path(name)

    return CutLoader()
