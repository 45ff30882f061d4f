"""The cut service model: what imagectl uses of botocore's data, in model.json beside this file.

botocore's model of SageMaker has some 400 operations, its endpoints.json some 300 services; parsing them is
most of a client's creation. model.json is cut from them, unaltered but for the documentation (by
tests/cut_model.py). Nothing may depend on the cut: the user's own models win, and what the cut lacks or
can't know comes from botocore's own files, whichever botocore is installed.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session


def install(session: "Session") -> None:
    """Have `session` load from the cut what lies in it.

    Nothing is read before a client is made: what botocore has to say about its configuration it says there,
    as without the cut.
    """
    session.lazy_register_component("data_loader", lambda: _loader(session))


def _loader(session: "Session") -> Any:
    from botocore.loaders import create_loader  # here, as botocore is imported at the door only

    data_path = session.get_config_variable("data_path")
    full = create_loader(data_path)
    # Path.is_dir would raise where ~/.aws can't be searched; botocore doesn't.
    if data_path or os.path.isdir(full.CUSTOMER_DATA_PATH):  # noqa: PTH112 - see above
        return full
    return _CutLoader(full, json.loads(Path(__file__).with_name("model.json").read_bytes()))


class _CutLoader:
    """Answers from the cut what lies in it, all else as `full` does."""

    def __init__(self, full: "Loader", cut: dict[str, Any]) -> None:
        self._full = full
        self._cut = cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._full, name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        version = self._cut["service-2"]["metadata"]["apiVersion"]
        if service_name == "sagemaker" and api_version in {None, version}:
            if type_name == "service-2":
                return self._cut["service-2"]
            if type_name == "endpoint-rule-set-1":  # botocore's own, without its walk through all services
                return self._full.load_data(f"sagemaker/{version}/{type_name}")
        if service_name not in self._cut["services"]:
            self._complete()
        return self._full.load_service_model(service_name, type_name, api_version)

    def load_data(self, name: str) -> Any:
        return self.load_data_with_path(name)[0]

    def load_data_with_path(self, name: str) -> Any:
        # A botocore that knows another map of the world has other endpoints too. The map is a small file.
        if name == "endpoints" and self._full.load_data("partitions") == self._cut["partitions"]:
            # The path says to botocore that they are its own.
            return self._cut["endpoints"], str(Path(self._full.BUILTIN_DATA_PATH, name))
        return self._full.load_data_with_path(name)

    def _complete(self) -> None:
        """Add the endpoints of all services to those of the cut, which botocore may hold already."""
        whole = {found["partition"]: found for found in self._full.load_data("endpoints")["partitions"]}
        for partition in self._cut["endpoints"]["partitions"]:
            partition.update(whole.get(partition["partition"], {}))
