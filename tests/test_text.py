"""`safe`: nothing foreign moves a cursor, reorders a line, or opens a second one."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from imagectl.text import quote, safe

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]),
        st.sampled_from("\x1b\x9b\r\n\t\x00\x7f\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069"),
    )
)


def dangerous(char: str) -> bool:
    """By Unicode's own data, not by our list."""
    return (
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(char) in BIDI
        or char in "\u061c\u200e\u200f"
    )


@given(HOSTILE)
def test_nothing_dangerous_passes(text: str) -> None:
    """No C0, DEL, C1, bidirectional control, line separator or lone surrogate is left."""
    assert not any(map(dangerous, safe(text)))
    assert not any(map(dangerous, quote(text)))


def test_every_single_character_of_unicode() -> None:
    """The same, exhaustively: each code point alone is safe or made visible, and what is harmless stays."""
    for code in range(0x110000):
        char = chr(code)
        shown = safe(char)
        assert (shown == char) == (not dangerous(char)), hex(code)


@given(HOSTILE)
def test_safe_twice_is_safe_once(text: str) -> None:
    """What was made visible stays as it is."""
    assert safe(safe(text)) == safe(text)


def test_what_is_made_visible_reads_as_what_it_was() -> None:
    """Control characters show as the escapes that programmers know."""
    assert safe("a\x1b[31mb\r\n\u202ec\x9d\t") == "a\\x1b[31mb\\r\\n\\u202ec\\x9d\\t"
    assert safe("[bold]é 🧪[/x]") == "[bold]é 🧪[/x]"


def test_a_quoted_value_is_cut() -> None:
    """A message names a value in a bounded number of characters."""
    assert quote("x" * 1000, 20) == f"'{'x' * 19}…'"


def test_a_quoted_value_shows_no_password() -> None:
    """A URL that got into a setting of another kind is still without what authenticates."""
    assert quote("http://user:secret@proxy:3128/") == "'http://[redacted]@proxy:3128/'"
    assert quote("see https://example.com") == "'see https://example.com'"
