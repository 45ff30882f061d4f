"""Waits: one line at every width on a terminal's own screen; told where they can't be drawn."""

import io
import os
import signal
import sys
import threading

import pytest
from conftest import Run
from screen import Screen
from service import Service
from terminal import Session

from imagectl.render import Face, Presentation
from imagectl.render.live import Waiting, bar_line, clock_time, frame_of
from imagectl.text import width

WIDTHS = range(201)
IMAGECTL = [sys.executable, "-m", "imagectl"]
UPDATE = [*IMAGECTL, "update", "my-image", "--description", "new", "--wait"]


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("status", ["", "UPDATING", "\x1b[2J\n"])
@pytest.mark.parametrize("text", ["my-image", "n" * 63, "训练" * 30, ""])
def test_the_spinner_fits_every_width(text: str, status: str) -> None:
    """One line, and as long as there is room with the status and the time."""
    waiting = Waiting(text, 0)
    waiting.see(status)
    for columns in WIDTHS:
        line = waiting.line("⠋", 65, columns)
        assert width(line) <= columns
        assert columns < 24 or line.endswith("1:05")
        assert columns < 24 or status != "UPDATING" or "UPDATING" in line
        assert "\n" not in line


def test_the_bar_fits_every_width() -> None:
    """One line, and as long as there is room with how many are done."""
    for done, total, seconds in ((0, 5, 0.0), (3, 7, 90.0), (99_999, 100_000, 3e5)):
        for columns in WIDTHS:
            line = bar_line(done, total, seconds, columns)
            assert width(line) <= columns
            assert columns < 14 or f"{done}/{total}" in line
    assert bar_line(120, 200, 4, 80) == " [==============          ] 120/200, 30/s, 0:03 left"
    assert bar_line(2780, 9000, 1, 80).endswith(" 2780/9000, 2,780/s")


@pytest.mark.parametrize("columns", [2, 5, 20, 40, 80])
def test_what_is_drawn_is_one_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Whatever is drawn and printed: at the end the screen holds what was printed, and nothing else."""
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal, clock = _Terminal(), _Clock()
    face = Face(Presentation(), stdout=terminal, stderr=terminal, clock=clock)
    with face.spinner("n" * 63, on=True) as seen:
        for status in ("UPDATING", "CREATED"):
            clock.now += 1
            seen(status)
            face.line(f"arn of {status}"[:columns])
    with face.bar() as beat:
        for done in range(5):
            clock.now += 1
            beat(done, 5)
            face.note("ok")
    screen = Screen(columns, 60).write(terminal.getvalue())
    assert screen.lines == [line[:columns] for line in ("arn of UPDATING", "arn of CREATED")] + [
        piece for _ in range(5) for piece in _wrapped("imagectl: ok", columns)
    ]
    assert not screen.cursor_is_hidden


def _wrapped(text: str, columns: int) -> list[str]:
    return [text[at : at + columns].rstrip() for at in range(0, len(text), columns)]


@pytest.mark.parametrize("resized", [10, 30, 200])
def test_after_a_resize(monkeypatch: pytest.MonkeyPatch, resized: int) -> None:
    """A window that becomes narrower or wider under the bar keeps one line of it, and what stands above."""
    terminal, clock = _Terminal(), _Clock()
    screen = Screen(80).write("$ imagectl apply\n")
    monkeypatch.setenv("COLUMNS", "80")
    face = Face(Presentation(), stdout=io.StringIO(), stderr=terminal, clock=clock)
    with face.bar() as beat:
        clock.now = 10
        beat(1, 10)
        screen.write(terminal.getvalue())
        screen.resize(resized)
        monkeypatch.setenv("COLUMNS", str(resized))
        drawn = len(terminal.getvalue())
        beat(2, 10)
        screen.write(terminal.getvalue()[drawn:])
        assert len(screen.lines) == 2
        assert "2/10" in screen.lines[1]
        drawn = len(terminal.getvalue())
    screen.write(terminal.getvalue()[drawn:])
    assert screen.lines == ["$ imagectl apply"[:resized].rstrip()]


def test_no_thread_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had, the line is drawn when there is news, and the command goes on."""

    def none(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    terminal = _Terminal()
    face = Face(Presentation(), stdout=io.StringIO(), stderr=terminal)
    with face.spinner("my-image", on=True) as seen:
        seen("UPDATING")
    assert "my-image: UPDATING" in terminal.getvalue()
    assert Screen(80).write(terminal.getvalue()).lines == []


def test_what_a_wait_says() -> None:
    """A status that is new, once; that it goes on, every 30 s; nothing of an image at rest."""
    waiting = Waiting("my-image", 0)
    said = []
    for second in range(100):
        waiting.see("UPDATING" if 5 <= second < 95 else "CREATED")
        news = waiting.news(second)
        said += [(second, news)] if news else []
    assert said == [
        (5, "my-image: UPDATING"),
        (35, "my-image: still waiting (UPDATING, 0:35)"),
        (65, "my-image: still waiting (UPDATING, 1:05)"),
        (95, "my-image: CREATED"),
    ]


@pytest.mark.parametrize("output", ["text", "yaml", "name", "json"])
@pytest.mark.parametrize("command", ["update", "wait"])
def test_a_wait_that_is_not_drawn_is_told(run: Run, service: Service, command: str, output: str) -> None:
    """In a pipe each new status is a line on stderr; beside JSON, and with --quiet, there is none."""
    service.updating_reads = 2
    argv = ["update", "my-image", "--description", "new", "--wait", "-o", output]
    if command == "wait":
        run(*argv[:-3])
        argv = ["wait", "my-image", "-o", output]
    told = "" if output == "json" else "imagectl: my-image: UPDATING\nimagectl: my-image: CREATED\n"
    result = run(*argv)
    assert (result.code, result.stderr) == (0, told)
    assert run(*argv, "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("env", "draws"),
    [
        ({}, True),
        ({"CI": "true"}, False),
        ({"CI": "1"}, False),
        ({"CI": "false"}, True),
        ({"CI": "", "NO_COLOR": "", "TERM": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": "1"}, False),
    ],
)
def test_where_nothing_is_drawn(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], draws: bool
) -> None:
    """No line is drawn over in CI, without colour or on a dumb terminal, also if it is one: it is told."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    service.updating_reads = 1
    stderr = run(*UPDATE[3:], terminal=["stderr"]).stderr
    assert ("\r" in stderr) == draws
    assert ("imagectl: my-image: UPDATING\n" in stderr) != draws


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_clean_terminal(service: Service, number: signal.Signals) -> None:
    """The spinner is gone, the cursor is there, and the last lines are the message's."""
    service.updating_reads = 10_000
    session = Session(UPDATE, terminals=["stderr"], env={**os.environ, "COLUMNS": "80"})
    session.read_until(lambda output: b"UPDATING" in output["stderr"])
    session.signal(number)
    code, out, err = session.finish()
    assert (code, out) == (128 + number, "")
    screen = Screen(80).write(err)
    assert not screen.cursor_is_hidden
    assert "\x1b[?25l" not in err
    assert not any("UPDATING" in line for line in screen.lines)
    assert screen.lines[-1].strip()


def test_frames() -> None:
    """The spinner turns with time, and is ASCII where the stream is."""
    assert len({frame_of(tick / 10 + 0.05, "UTF-8") for tick in range(10)}) == 10
    assert all(frame_of(tick / 10 + 0.05, "latin-1").isascii() for tick in range(10))


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_a_clock(seconds: float, shown: str) -> None:
    assert clock_time(seconds) == shown
