"""A terminal's screen, as pyte draws it: what somebody sees of what was written."""

import pyte


class Screen:
    """A window of `columns` by `rows`."""

    def __init__(self, columns: int, rows: int = 24) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._screen.set_mode(pyte.modes.LNM)  # as a terminal driver makes \r\n of \n
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> "Screen":
        self._stream.feed(text)
        return self

    def resize(self, columns: int) -> None:
        self._screen.resize(columns=columns)

    @property
    def lines(self) -> list[str]:
        """The lines from the first on, without the empty ones at the end."""
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    @property
    def cursor(self) -> tuple[int, int]:
        return self._screen.cursor.y, self._screen.cursor.x

    @property
    def cursor_is_hidden(self) -> bool:
        return bool(self._screen.cursor.hidden)
