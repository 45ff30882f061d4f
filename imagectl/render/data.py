"""Results as data: JSON and YAML. Pure functions, and the owner of writing YAML."""

import json
import re
from typing import Any

from imagectl.render.lines import rfc3339
from imagectl.text import safe

_LONG = 1 << 30  # columns: no line is folded


def to_json(data: Any, *, indent: int | None = 2) -> str:
    return json.dumps(data, default=rfc3339, indent=indent)


def to_yaml(data: Any) -> str:
    """`data` as YAML that people edit. What is not fit for a terminal is an escape in double quotes."""
    import yaml  # the door: only YAML needs it

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> Any:
        # Other readers of YAML take more texts for numbers (1e3) than this one does.
        style = '"' if safe(value) != value else "'" if re.match(r"[-+.\d]", value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    written = yaml.dump(
        json.loads(to_json(data)), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=_LONG
    )
    # What is unsafe stands in double quotes, where YAML reads our escapes as what they stand for.
    return "\n".join(map(safe, written.removesuffix("\n").removesuffix("\n...").split("\n")))
