"""JSON and YAML text -> the items in it, each with its line. Knows nothing of what an item means.

Owns the shapes a manifest may have: items one after another (JSON Lines, what jq prints, YAML documents),
lists of them, and replies, which are objects with the key `Images`, alone or in a list. Whatever is wrong
with the text itself becomes a Problem; nothing is raised. PyYAML is imported only for text that can't be
JSON: it is many times slower.
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
    """An object with its keys, a list, text or None as it stands; what is in it is text, None or Odd."""

    line: int  # where it begins; in JSON, of an item in another, where that one begins
    value: Any
    repeated: tuple[str, ...]  # keys that stand there twice
    line_of: Callable[[str], int]  # the line of a key; of one that isn't there the item's

    @property
    def is_object(self) -> bool:
        return isinstance(self.value, dict)


class Odd(NamedTuple):
    """A value that is neither text nor null, in words: no number is converted, huge or NaN.

    A list or an object is read only by who wants to know what is in it: a template may hold anything.
    """

    words: str
    read: Callable[[], Item] | None = None


def read(text: str, problems: list[Problem]) -> Iterator[Item]:
    """The items of `text` in order; `problems` takes what is wrong with it."""
    text = _without_marks(text, problems)
    # What may open a JSON document and is no YAML flow collection without quotes, like {ImageName: a}.
    is_json = re.match(r'\s*[\[{][\[{\s]*(?:["\]}]|\Z)', text)
    yield from (_Json if is_json else _Yaml)(text, problems).items()


def _without_marks(text: str, problems: list[Problem]) -> str:
    """The text without byte order marks at the beginning of lines, where files were put together."""
    if _MARK not in text:
        return text
    marks = re.finditer(f"^{_MARK}", text, re.MULTILINE)
    problems += [Problem("", _MARKED, text.count("\n", 0, mark.start()) + 1) for mark in marks]
    return re.sub(f"^{_MARK}", "", text, flags=re.MULTILINE)


_MARK = "\ufeff"
_MARKED = "a byte order mark (U+FEFF) stands in mid-file, as where files were put together"


# A reply: one rule for both languages.


def _is_reply(item: Item) -> bool:
    return item.is_object and "Images" in item.value


def _wrong_reply(item: Item) -> Iterator[Problem]:
    """What is wrong with an object that holds images, beside the images themselves.

    A key that begins with `x-` is the writer's own: templates for YAML's anchors, as Compose files have them.
    """
    for key in item.repeated:
        yield Problem(key, "is given twice", item.line_of(key))
    for key, value in item.value.items():
        if key not in _OUTER and not key.startswith("x-"):
            yield Problem(quote(key), "is not known beside Images", item.line_of(key))
        elif key == "Images" and not (isinstance(value, Odd) and value.words == _LIST):
            yield Problem(key, "must be a list", item.line_of(key))


_LIST, _OBJECT = "a list", "an object"


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
                is_list = self._text[position] == "["
                document = (
                    self._list(position, self._item_or_reply) if is_list else self._item_or_reply(position)
                )
                position = self._after_space((yield from document))
            except _BrokenError as broken:
                self._problems.append(Problem("", str(broken), self._line_at(broken.position)))
                following = self._text.find("\n{", position)
                if self._text[position] == "[" or following < 0:
                    return
                position = following + 1

    # Each of these yields the items from a position on, and returns the position behind them.

    def _list(self, start: int, read_one: "_ReadOne") -> Generator[Item, None, int]:
        position = self._after_space(start + 1)
        if self._text.startswith("]", position):
            return position + 1
        while True:
            position = self._after_space((yield from read_one(position)))
            if self._text.startswith("]", position):
                return position + 1
            if not self._text.startswith(",", position):
                raise self._broken("',' or ']' expected", position)
            position = self._after_space(position + 1)

    def _item_or_reply(self, start: int) -> Generator[Item, None, int]:
        value, end = self._value(start)
        item = self._item_of(value, start)
        if not _is_reply(item):
            yield item
            return end
        self._problems += _wrong_reply(item)
        if isinstance(value["Images"], list):
            yield from self._list(self._keys(start)["Images"][1], self._item)
        return end

    def _item(self, start: int) -> Generator[Item, None, int]:
        value, end = self._value(start)
        yield self._item_of(value, start)
        return end

    def _item_of(self, value: Any, start: int) -> Item:
        line = self._line_at(start)
        return self._as_item(value, line, partial(self._line_of, start, line))

    def _as_item(self, value: Any, line: int, line_of: Callable[[str], int]) -> Item:
        """`value` and what is in it, as text, None or Odd."""
        if isinstance(value, _Object):
            members = {key: self._plain(one, line, line_of, key) for key, one in value.items()}
            return Item(line, members, value.repeated, line_of)
        if isinstance(value, list):
            return Item(line, [self._plain(one, line, line_of, "") for one in value], (), line_of)
        return Item(line, self._plain(value, line, line_of, ""), (), line_of)

    def _plain(self, value: Any, line: int, line_of: Callable[[str], int], key: str) -> str | Odd | None:
        if value is None or type(value) is str:
            return value
        if isinstance(value, Odd):
            return value
        if isinstance(value, bool):
            return Odd("true" if value else "false")
        # What stands in a value of an item is found at the value: its own keys may be written elsewhere too.
        inner = partial(self._as_item, value, line, lambda _key: line_of(key))
        return Odd(_LIST if isinstance(value, list) else _OBJECT, inner)

    def _keys(self, start: int) -> dict[str, tuple[int, int]]:
        """Where each key and its value begin, in an object that is known to be well formed.

        The last of a key that is there twice: the one too many, and the one that counts.
        """
        found, position = {}, start
        while not self._text.startswith("}", position):
            at = self._after_space(position + 1)
            if self._text.startswith("}", at):  # nothing in it
                break
            key, end = self._value(at)
            value_at = self._after_space(self._after_space(end) + 1)
            found[key] = (at, value_at)
            _, end = self._value(value_at)
            position = self._after_space(end)
        return found

    def _line_of(self, start: int, line: int, key: str) -> int:
        at, _ = self._keys(start).get(key, (start, start)) if self._text[start] == "{" else (start, start)
        return line + self._text.count("\n", start, at)

    def _value(self, position: int) -> tuple[Any, int]:
        try:
            return self._decoder.raw_decode(self._text, position)
        except json.JSONDecodeError as exc:
            raise self._broken(f"{exc.msg} (column {exc.colno})", exc.pos) from None
        except RecursionError:
            raise self._broken("nested too deep", position) from None

    def _broken(self, what: str, position: int) -> "_BrokenError":
        return _BrokenError(
            _MARKED if self._text.startswith(_MARK, position) else f"is no JSON: {what}", position
        )

    def _line_at(self, position: int) -> int:
        if position < self._at:
            self._at, self._line = 0, 1
        self._line += self._text.count("\n", self._at, position)
        self._at = position
        return self._line

    def _after_space(self, position: int) -> int:
        match = self._skip(self._text, position)
        return match.end() if match else position


_ReadOne = Callable[[int], Generator[Item, None, int]]


class _BrokenError(Exception):
    """The text breaks off, or can't be read on from `position`."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


# YAML.


class _Mapping(NamedTuple):
    nodes: dict[str, Any]
    lines: dict[str, int]
    repeated: list[str]


class _Yaml:
    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._text, self._problems = text, problems
        self._mappings: dict[Any, _Mapping] = {}  # what was read: aliases of aliases are read once
        self._open: list[Any] = []  # mappings that are being read, the outermost first

    def items(self) -> Iterator[Item]:
        import yaml  # the door: only YAML needs it

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            depth = 0
            event: Any
            for event in yaml.parse(self._text, loader):
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > _DEEPEST:
                    self._complain("is no YAML: nested too deep", event.start_mark.line + 1)
                    return
            for node in yaml.compose_all(self._text, loader):
                yield from self._document(node)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            what = ", ".join(filter(None, (exc.context, exc.problem)))
            self._complain(f"is no YAML: {what}", mark.line + 1 if mark else None)
        except yaml.YAMLError as exc:  # a character that YAML does not allow
            line = self._text.count("\n", 0, getattr(exc, "position", 0)) + 1
            self._complain(f"is no YAML: {str(exc).partition(chr(10))[0]}", line)

    def _complain(self, message: str, line: int | None, field: str = "") -> None:
        self._problems.append(Problem(field, message, line))

    def _document(self, node: Any) -> Iterator[Item]:
        if node.id == "sequence":
            for one in node.value:
                yield from self._item_or_reply(one)
        elif node.id != "scalar" or node.value:  # else there is nothing between two ---
            yield from self._item_or_reply(node)

    def _item_or_reply(self, node: Any) -> Iterator[Item]:
        item = self._item(node)
        if not _is_reply(item):
            yield item
            return
        self._problems += _wrong_reply(item)
        images = self._mapping(node).nodes["Images"]
        if images.id == "sequence":
            yield from map(self._item, images.value)

    def _item(self, node: Any) -> Item:
        line = node.start_mark.line + 1
        if node.id == "mapping":
            found = self._mapping(node)
            members = {key: self._plain(one) for key, one in found.nodes.items()}
            return Item(line, members, tuple(found.repeated), lambda key: found.lines.get(key, line))
        value = [self._plain(one) for one in node.value] if node.id == "sequence" else self._plain(node)
        return Item(line, value, (), lambda _key: line)

    def _mapping(self, node: Any) -> _Mapping:
        """The keys of a mapping; what it merges (`<<`) as far as it has no such key itself."""
        if node not in self._mappings:
            self._open.append(node)
            self._mappings[node] = self._read_mapping(node)
            self._open.pop()
        return self._mappings[node]

    def _read_mapping(self, node: Any) -> _Mapping:
        found = _Mapping({}, {}, [])
        merges: list[Any] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar":
                self._complain("a key must be text", line)
            elif key.tag == "tag:yaml.org,2002:merge":
                merges += self._merged(value, line)
            else:
                if key.value in found.nodes:
                    found.repeated.append(key.value)
                found.nodes[key.value], found.lines[key.value] = value, line
        for other in merges:
            for key, value in self._mapping(other).nodes.items():
                found.nodes.setdefault(key, value)
        return found

    def _merged(self, node: Any, line: int) -> list[Any]:
        """The mappings that stand behind `<<`; none, and the problem noted, where something else does."""
        merged = node.value if node.id == "sequence" else [node]
        if any(one.id != "mapping" for one in merged):
            self._complain("must merge mappings", line, "<<")
        elif any(one in self._open for one in merged):
            self._complain("merges what it stands in", line, "<<")
        elif len(self._open) > _DEEPEST:
            self._complain("merges too many levels", line, "<<")
        else:
            return list(merged)
        return []

    def _plain(self, node: Any) -> str | Odd | None:
        """A value: text, None, or what else YAML takes it for. An empty one is no None: that would delete."""
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if node.id != "scalar":
            return Odd(_LIST if node.id == "sequence" else _OBJECT, partial(self._item, node))
        if tag == "null":
            return None if node.value else Odd("nothing (null deletes, leaving out the key leaves alone)")
        if tag == "str":
            return str(node.value)
        said = _YAML_ODD.get(tag)
        if said:
            return Odd(f"{said.format(quote(node.value, 20)[1:-1])}: put it in quotes")
        return Odd(f"of the type {quote(node.tag, 60)}")


_YAML_ODD = {
    "bool": "'{}', which YAML takes for true or false",
    "timestamp": "'{}', which YAML takes for a date",
}
_YAML_ODD |= dict.fromkeys(("int", "float"), "{}, which YAML takes for a number")
_YAML_ODD |= dict.fromkeys(("merge", "value", "yaml"), "'{}', which YAML takes for a sign of its own")
