"""Makes the README's pictures anew, from real runs against the sandbox, by `python tests/pictures.py`.

Each is the screen of a terminal of 92 columns at a moment of a command's run, or at its end.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from imagectl import sandbox

PICTURES = Path(__file__).parent.parent / ".github" / "pictures"
COLUMNS, ROWS = 92, 24
CHANGES = {
    "my-image": {"DisplayName": "Data tools 2026"},
    "pytorch-training": {"Description": "PyTorch 2.4 for training, with CUDA 12.4"},
    "pandas-notebook": {"DisplayName": "JupyterLab"},
}


class Run(NamedTuple):
    """A command, what is typed where it asks, and what is seen when the picture is taken: else its end."""

    command: str
    typed: str = ""
    moment: str = ""


RUNS = {
    "update": Run("imagectl update my-image --description 'Python 3.12 with data tools' --if-changed --wait"),
    "error": Run("imagectl update pytorch-trainig --display-name PyTorch"),
    "list": Run("imagectl list --sort-by last-modified-time --limit 6"),
    "apply": Run("imagectl apply fleet.yaml --wait --concurrency 1", typed="y", moment=r"2/3[^\r]*\r"),
    "applied": Run("imagectl apply fleet.yaml --wait", typed="y"),
}


def take(name: str, env: Mapping[str, str]) -> str:
    """Run a command in a terminal, save what is seen as a picture, and return its text."""
    run = RUNS[name]
    child = pexpect.spawn(
        "bash", ["-c", run.command], env=dict(env), dimensions=(ROWS, COLUMNS), encoding="utf-8", timeout=60
    )
    shown = ""
    if run.typed:
        child.expect(r"\[y/N\] ")
        shown += child.before + child.after
        child.sendline(run.typed)
    child.expect(run.moment or pexpect.EOF)
    shown += child.before + (child.after if run.moment else "")
    lines = screen(shown)
    child.expect(pexpect.EOF)
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), run.command))
    for line in lines:
        console.print(line)
    console.save_svg(
        str(PICTURES / f"{name}.svg"), title="imagectl", theme=MONOKAI, unique_id=f"imagectl-{name}"
    )
    return "\n".join(line.plain for line in lines)


def style_of(char: pyte.screens.Char) -> Style:
    color = None if char.fg == "default" else f"#{char.fg}"
    return Style(color=color, bold=char.bold, underline=char.underscore)


def screen(written: str) -> list[Text]:
    """The lines that a terminal shows, with their colours."""
    terminal = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(terminal).feed(written)
    lines = []
    for y in range(ROWS):
        line = Text()
        for style, chars in groupby((terminal.buffer[y][x] for x in range(COLUMNS)), key=style_of):
            line.append("".join(char.data for char in chars), style)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sandbox.serve(update_seconds=1.0) as server:
        os.chdir(folder)
        env = server.applied_to(os.environ) | {"TERM": "xterm-256color"}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        for name in ("CI", "COLUMNS", "NO_COLOR"):
            env.pop(name, None)
        failing = ["imagectl", "update", "sandbox-update-failed", "--display-name", "Legacy", "--wait", "-q"]
        subprocess.run(failing, env=env, check=False, capture_output=True)  # for the list
        for name in RUNS:
            entries = [{"ImageName": image, **wanted} for image, wanted in CHANGES.items()]
            if name == "applied":  # what the run before left is back
                entries = [{**entry, next(reversed(entry)): "Once more"} for entry in entries]
            Path("fleet.yaml").write_text(json.dumps(entries))
            sys.stdout.write(f"{name}\n{take(name, env)}\n\n")


if __name__ == "__main__":
    main()
