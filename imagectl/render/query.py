"""The language of --query: whether an expression is one, what it selects, and that as bare text.

Pure functions, and the only jmespath.
"""

import json
from collections.abc import Iterator
from shlex import quote as shell_quote
from typing import Any

from imagectl.errors import ImagectlError, Problem, usage
from imagectl.render.data import to_json
from imagectl.text import quote, safe

# JMESPath's own errors are ValueErrors, and not all of its failures are its own.
_ERRORS = (ValueError, TypeError, RecursionError)


def problems(query: str) -> list[Problem]:
    """What keeps `query` from selecting anything from any result."""
    import jmespath  # the door: only a query needs its language

    wrong = Problem("--query", f"is no JMESPath expression: {quote(query)}")
    try:
        expression = jmespath.compile(query)
    except _ERRORS:
        return [wrong]
    try:
        expression.search({})
    except (jmespath.exceptions.UnknownFunctionError, jmespath.exceptions.ArityError):
        return [wrong]
    except _ERRORS:
        pass  # it may fit the result, if not an empty one
    return []


def select(data: Any, query: str) -> Any:
    """What `query` selects from `data`. Raises `usage` where it doesn't fit."""
    import jmespath  # as above

    try:
        selected = jmespath.search(query, json.loads(to_json(data)))
        json.dumps(selected)  # some expressions give what is no JSON
    except _ERRORS as exc:
        raise _misfit(f"does not fit the result: {exc}") from exc
    return selected


def to_text(selected: Any, query: str) -> Iterator[str]:
    """What was selected as bare lines: a scalar, one for each item of a list, the items of a list in it by
    tabs. Nothing at all for null. Raises `usage` for what has no such form.
    """
    if selected is None:
        return
    for row in selected if isinstance(selected, list) else [selected]:
        cells = row if isinstance(row, list) else [row]
        for cell in cells:
            if isinstance(cell, list):
                raise _misfit(
                    "selects lists within the rows of a list; as text rows hold values: see -o json"
                )
            if isinstance(cell, dict):
                ask = _values_query(query, cell, of_list=isinstance(selected, list))
                raise _misfit(f"selects an object; as text there are only values: ask for {ask}, or -o json")
        yield "\t".join(map(_bare, cells))


def _bare(value: Any) -> str:
    if value is None:
        return ""
    return safe(value if isinstance(value, str) else json.dumps(value))


def _values_query(query: str, found: dict[str, Any], *, of_list: bool) -> str:
    """The option that selects the values of the object that `query` found, as it is typed."""
    keys = [key for key, value in found.items() if key.isidentifier() and not isinstance(value, dict | list)]
    values = f"{'[].' if of_list else ''}[{', '.join(keys)}]"
    return f"--query {shell_quote(f'{query} | {values}')}"


def _misfit(what: str) -> ImagectlError:
    return usage([Problem("--query", what)]).but(outcome=None)
