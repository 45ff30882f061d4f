"""JSON and YAML text -> the items in it, each with its line. Knows nothing of what an item means.

Owns the shapes a manifest may have: items one after another (JSON Lines, what jq prints, YAML documents),
lists of them, and objects with the key `Images`. Whatever is wrong with the text itself becomes a Problem;
nothing is raised. PyYAML is imported only for text that can't be JSON: it is many times slower.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, NamedTuple

from imagectl.errors import Problem
from imagectl.text import quote

_OUTER = frozenset(("Images", "NextToken", "ResponseMetadata"))  # of the replies that hold a list
_DEEPEST = 50  # levels; a manifest has three. libyaml's recursion would end the process, not raise


class Item(NamedTuple):
    """One item as it stands. `value` is a dict with all that could be an entry's in it, or something else."""

    line: int
    value: Any
    repeated: tuple[str, ...]  # keys that stand there twice
    line_of: Callable[[str], int]  # the line of a key; of one that isn't there the item's


class Odd(NamedTuple):
    """A value that is neither text nor null, in words: no number is converted, huge or NaN."""

    words: str


def read(text: str, problems: list[Problem]) -> Iterator[Item]:
    """The items of `text` in order; `problems` takes what is wrong with it."""
    # What may open a JSON document and is no YAML flow collection without quotes, like {ImageName: a}.
    is_json = re.match(r'\s*[\[{][\[{\s]*(?:["\]}]|\Z)', text)
    yield from (_Json(text, problems).items() if is_json else _yaml(text, problems))


# JSON.


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it was given twice."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "_Object":
        self = cls(pairs)
        if len(self) < len(pairs):
            keys = [key for key, _ in pairs]
            self.repeated = tuple(key for key in self if keys.count(key) > 1)
        return self


def _number(text: str) -> Odd:
    return Odd(f"the number {quote(text, 20)}")


class _Json:
    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._text, self._problems = text, problems
        self._at, self._line = 0, 1
        self._skip = re.compile(r"[ \t\r\n]*").match
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_Object.of, parse_int=_number, parse_float=_number, parse_constant=_number
        )

    def items(self) -> Iterator[Item]:
        """Document after document. Broken JSON Lines are gone on with at the next line, to find all."""
        position = self._after_space(0)
        while position < len(self._text):
            try:
                position = self._after_space((yield from self._document(position)))
            except _BrokenError as broken:
                self._problems.append(Problem("", str(broken), self._line_at(broken.position)))
                following = self._text.find("\n{", position)
                if self._text[position] == "[" or following < 0:
                    return
                position = following + 1

    def _document(self, start: int) -> Generator[Item, None, int]:
        if self._text[start] == "[":
            return (yield from self._array(start))
        value, end = self._value(start)
        if isinstance(value, _Object) and "Images" in value:
            line = self._line_at(start)
            self._problems += [Problem(key, "is given twice", line) for key in value.repeated] + _wrong_outer(
                value, line
            )
            if isinstance(value["Images"], list):
                yield from self._array(self._images(start))
            else:
                self._problems.append(Problem("Images", "must be a list", line))
        else:
            yield self._item(start, end, value)
        return end

    def _array(self, start: int) -> Generator[Item, None, int]:
        position = self._after_space(start + 1)
        if self._text.startswith("]", position):
            return position + 1
        while True:
            value, end = self._value(position)
            yield self._item(position, end, value)
            position = self._after_space(end)
            if self._text.startswith("]", position):
                return position + 1
            if not self._text.startswith(",", position):
                raise _BrokenError("',' or ']' expected", position)
            position = self._after_space(position + 1)

    def _images(self, start: int) -> int:
        """Where the list of the key Images begins, in an object that is known to be well formed."""
        position, found = start, 0
        while not self._text.startswith("}", position):
            key, end = self._value(self._after_space(position + 1))
            position = self._after_space(self._after_space(end) + 1)
            if key == "Images":
                found = position
            _, end = self._value(position)
            position = self._after_space(end)
        return found

    def _value(self, position: int) -> tuple[Any, int]:
        try:
            return self._decoder.raw_decode(self._text, position)
        except json.JSONDecodeError as exc:
            raise _BrokenError(f"{exc.msg} (column {exc.colno})", exc.pos) from None
        except RecursionError:
            raise _BrokenError("nested too deep", position) from None

    def _item(self, start: int, end: int, value: Any) -> Item:
        line = self._line_at(start)
        repeated = value.repeated if isinstance(value, _Object) else ()
        return Item(line, _plain(value), repeated, partial(self._line_of, start, end, line))

    def _line_of(self, start: int, end: int, line: int, key: str) -> int:
        found = list(re.finditer(f"{re.escape(json.dumps(key))}\\s*:", self._text[start:end]))
        # The last: of a key that is there twice, the one too many.
        return line + self._text.count("\n", start, start + found[-1].start()) if found else line

    def _line_at(self, position: int) -> int:
        if position < self._at:
            self._at, self._line = 0, 1
        self._line += self._text.count("\n", self._at, position)
        self._at = position
        return self._line

    def _after_space(self, position: int) -> int:
        match = self._skip(self._text, position)
        return match.end() if match else position


class _BrokenError(Exception):
    """The text breaks off, or can't be read on from `position`."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(f"is no JSON: {what}")
        self.position = position


def _plain(value: Any) -> Any:
    """A value of an entry, as text, None, Odd or a dict of these."""
    if isinstance(value, dict):
        return {key: one if one is None or type(one) is str else _odd(one) for key, one in value.items()}
    return value if value is None or type(value) is str else _odd(value)


def _odd(value: Any) -> Odd:
    if isinstance(value, Odd):
        return value
    if isinstance(value, bool):
        return Odd("true" if value else "false")
    return Odd("a list" if isinstance(value, list) else "an object")


def _wrong_outer(keys: Any, line: int) -> list[Problem]:
    return [Problem(quote(key), "is not known beside Images", line) for key in keys if key not in _OUTER]


# YAML.


def _yaml(text: str, problems: list[Problem]) -> Iterator[Item]:
    import yaml  # the door: only who writes YAML pays for it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        event: Any
        for event in yaml.parse(text, loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                problems.append(Problem("", "is no YAML: nested too deep", event.start_mark.line + 1))
                return
        for node in yaml.compose_all(text, loader):
            yield from _document(node, problems)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        what = ", ".join(filter(None, (exc.context, exc.problem)))
        problems.append(Problem("", f"is no YAML: {what}", mark.line + 1 if mark else None))
    except yaml.YAMLError as exc:  # a character that YAML does not allow
        line = text.count("\n", 0, getattr(exc, "position", 0)) + 1
        problems.append(Problem("", f"is no YAML: {str(exc).partition(chr(10))[0]}", line))


def _document(node: Any, problems: list[Problem]) -> Iterator[Item]:
    items = [node]
    if node.id == "sequence":
        items = node.value
    elif node.id == "scalar" and not node.value:
        items = []  # nothing between two ---
    elif node.id == "mapping":
        top = _mapping(node, problems)
        if "Images" not in top.nodes:
            yield top.item()
            return
        problems += [Problem(key, "is given twice", top.line_of(key)) for key in top.repeated]
        problems += _wrong_outer(top.nodes, top.line)
        items = top.nodes["Images"].value
        if top.nodes["Images"].id != "sequence":
            problems.append(Problem("Images", "must be a list", top.line_of("Images")))
            return
    for item in items:
        if item.id == "mapping":
            yield _mapping(item, problems).item()
        else:
            line = item.start_mark.line + 1
            yield Item(line, _scalar(item), (), lambda _key, line=line: line)  # type: ignore[misc]


class _Mapping(NamedTuple):
    line: int
    nodes: dict[str, Any]
    lines: dict[str, int]
    repeated: list[str]

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)

    def item(self) -> Item:
        values = {key: _scalar(node) for key, node in self.nodes.items()}
        return Item(self.line, values, tuple(self.repeated), self.line_of)


def _mapping(node: Any, problems: list[Problem], *, merged: bool = False) -> _Mapping:
    """The keys of a mapping; what it merges (`<<`) as far as it has no such key itself."""
    found = _Mapping(node.start_mark.line + 1, {}, {}, [])
    merges: list[Any] = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            problems.append(Problem("", "a key must be text", line))
        elif key.tag == "tag:yaml.org,2002:merge":
            merges += value.value if value.id == "sequence" else [value]
            if merged or any(one.id != "mapping" for one in merges):
                problems.append(Problem("<<", "must merge mappings that merge nothing themselves", line))
                merges = []
        else:
            if key.value in found.nodes:
                found.repeated.append(key.value)
            found.nodes[key.value], found.lines[key.value] = value, line
    for other in merges:
        below = _mapping(other, problems, merged=True)
        for key, value in below.nodes.items():
            found.nodes.setdefault(key, value)
    return found


_YAML_ODD = {
    "bool": "'{}', which YAML takes for true or false",
    "timestamp": "'{}', which YAML takes for a date",
}
_YAML_ODD |= dict.fromkeys(("int", "float"), "{}, which YAML takes for a number")


def _scalar(node: Any) -> str | Odd | None:
    """A value: text, None, or what else YAML takes it for. An empty value is no None: that would delete."""
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    if node.id != "scalar":
        return Odd("a list" if node.id == "sequence" else "a mapping")
    if tag == "null":
        return None if node.value else Odd("nothing (null deletes, leaving out the key leaves alone)")
    if tag == "str":
        return str(node.value)
    said = _YAML_ODD.get(tag)
    if said:
        return Odd(f"{said.format(quote(node.value, 20)[1:-1])}: put it in quotes")
    return Odd(f"of the type {quote(node.tag, 60)}")
