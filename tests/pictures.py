"""Makes the README's pictures anew, from real runs against the sandbox: python tests/pictures.py

Each is what a terminal of 92 columns shows of one command at a moment of its run, drawn by rich.
"""

import json
import os
import re
import sys
import tempfile
from io import StringIO
from pathlib import Path

import boto3
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from terminal import Session

from imagectl import sandbox

PICTURES = Path(__file__).parent.parent / ".github" / "pictures"
COLUMNS, ROWS = 92, 12
FLEET = [f"notebook-{number:03}" for number in range(200)]
# The command, and what is to be seen when the picture is taken; nothing: its end.
RUNS = {
    "update": (
        "imagectl update my-image --description 'Python 3.12 with data tools' --if-changed --wait",
        "",
    ),
    "apply": ("imagectl apply fleet.jsonl --yes", "120/200"),
    "error": ("imagectl update pytorch-trainig --display-name PyTorch", ""),
}


def screen(written: str) -> str:
    """The lines that a terminal would show: what was erased or written over is gone."""
    lines, row = [""], 0
    control = r"\x1b\[\d*[AK]|\x1b\[\?25[hl]|\r|\n"
    for part in re.findall(rf"{control}|(?:(?!{control}).)+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row = max(0, row - int(part[2:-1] or 1))
        elif re.fullmatch(r"\x1b\[\d*K", part):
            lines[row] = ""
        elif part != "\r" and "?25" not in part:
            lines[row] += part
    return "\n".join("\n".join(lines).rstrip().split("\n")[-ROWS:])


def take(name: str, env: dict[str, str]) -> None:
    command, moment = RUNS[name]
    # One terminal for both streams, as in life.
    session = Session(["bash", "-c", f"stty cols {COLUMNS}; exec {command} >&2"], env=env)
    session.read_until(lambda output: bool(moment) and moment.encode() in output["stderr"])
    shown = session.output["stderr"].decode()
    session.read_until()
    session.process.wait()
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), command))
    console.print(Text.from_ansi(screen(shown)))
    path = PICTURES / f"{name}.svg"
    console.save_svg(str(path), title="imagectl", theme=MONOKAI, unique_id=f"imagectl-{name}")


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sandbox.serve(update_seconds=1.0) as server:
        os.chdir(folder)
        env = server.applied_to(os.environ) | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        client = boto3.client(
            "sagemaker",
            region_name=env["AWS_REGION"],
            endpoint_url=server.endpoint_url,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )
        entries = []
        for name in FLEET:
            client.create_image(ImageName=name, RoleArn="arn:aws:iam::123456789012:role/SageMakerImages")
            entries.append(json.dumps({"ImageName": name, "DisplayName": f"Team notebook {name[-3:]}"}))
        Path("fleet.jsonl").write_text("\n".join(entries))
        for name in RUNS:
            take(name, env)


if __name__ == "__main__":
    main()
