"""Makes the README's pictures anew, from real runs against the sandbox: python tests/pictures.py

Each is what a terminal of 92 columns shows of one command, read from a pseudo-terminal and drawn by rich.
"""

import os
import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from terminal import Session

from imagectl import sandbox

PICTURES = Path(__file__).parent.parent / ".github" / "pictures"
COLUMNS = 92
MANIFEST = "\n".join(
    f'{{"ImageName": "{name}", "DisplayName": "{shown}"}}'
    for name, shown in {
        "my-image": "Data tools 2026.11",
        "pytorch-training": "PyTorch 2.4",
        "pandas-notebook": "pandas 3",
    }.items()
)
RUNS = {
    "update": "imagectl update my-image --description 'Python 3.12 with data tools' --if-changed --wait",
    "apply": "imagectl apply images.jsonl --yes --wait",
    "error": "imagectl update pytorch-trainig --display-name PyTorch",
}


def screen(written: str) -> str:
    """What is left to see: lines that were erased or written over are gone."""
    lines, row = [""], 0
    for part in re.findall(
        r"\x1b\[\d*[AK]|\x1b\[\?25[hl]|\r|\n|(?:(?!\x1b\[\d*[AK]|\x1b\[\?25[hl])[^\r\n])+", written
    ):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b["):
            row = max(0, row - int(part[2:-1] or 1))
        elif part.endswith("K") and part.startswith("\x1b["):
            lines[row] = ""
        elif part != "\r" and not part.startswith("\x1b[?25"):
            lines[row] = part if not lines[row] else lines[row] + part
    return "\n".join(lines).rstrip()


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / "imagectl-pictures"
    folder.mkdir(exist_ok=True)
    (folder / "images.jsonl").write_text(MANIFEST)
    os.chdir(folder)
    with sandbox.serve(update_seconds=1.0) as server:
        env = server.applied_to(os.environ) | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        env["PATH"] = str(Path(sys.executable).parent) + os.pathsep + env["PATH"]
        for name, command in RUNS.items():
            session = Session(["bash", "-c", f"stty cols {COLUMNS}; exec {command}"], env=env)
            session.read_until()
            # One terminal in life: what went to stderr was talk before and after the result.
            written = session.output["stderr"] + session.output["stdout"]
            console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor")
            console.print(Text.assemble(("$ ", "bold green"), command))
            console.print(Text.from_ansi(screen(written.decode())))
            console.save_svg(
                str(PICTURES / f"{name}.svg"), title="imagectl", theme=MONOKAI, unique_id=f"imagectl-{name}"
            )
            session.process.wait()


if __name__ == "__main__":
    main()
