r"""Completion: the command tree -> scripts for bash, zsh and fish.

The scripts are static. A TAB starts one program only, `imagectl __images`, and where the next word is an
image. Nothing that was typed, or came from the service or a file, may ever be evaluated by a shell.
"""

import re
from pathlib import Path
from typing import Any, Literal

from imagectl.completion import bash, fish, zsh
from imagectl.completion.commands import Commands

Shell = Literal["bash", "zsh", "fish"]


def script(shell: Shell, root: Any) -> str:
    """The completion script of `root`, a command tree."""
    commands = Commands(root)
    text = Path(__file__).with_name(f"template.{shell}").read_text(encoding="utf-8")
    parts = {"bash": bash, "zsh": zsh, "fish": fish}[shell].fill(commands)
    # A comment of its own stands for whole lines.
    return re.sub(r"(?m)^ *# @(\w+)@$|@(\w+)@", lambda found: parts[found[1] or found[2]], text)
