"""Lists of words, as every shell reads them."""

import shlex
from collections.abc import Iterable

from imagectl.completion.commands import Commands


def listed(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def case(words: Iterable[str]) -> str:
    return "|".join(word or "''" for word in words)


def wrapped(words: Iterable[str], indent: str) -> str:
    """A list over several lines, none too long to be read."""
    from textwrap import wrap

    lines = wrap(listed(words), 100, break_long_words=False, break_on_hyphens=False)
    return lines[0] if len(lines) == 1 else "".join(f"\n{indent}  {line}" for line in lines) + f"\n{indent}"


def passed(tree: Commands) -> dict[str, str]:
    return {"PASSED_VALUED": case(tree.passed_valued), "PASSED_FLAGS": case(tree.passed_flags)}
