"""All that is generated and committed, each file with what makes it.

    python -m tests.generate

writes them anew: after a change of commands, options or help, of the lock, or of what the model is cut to.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as pytest has it

import cut_model
import manpage

from imagectl import cli, completion

ROOT = Path(__file__).parents[1]


def _completion(shell: completion.Shell) -> str:
    return completion.script(shell, cli.the_tree())


GENERATED: dict[str, Callable[[], str]] = {
    "completions/imagectl.bash": lambda: _completion("bash"),
    "completions/_imagectl": lambda: _completion("zsh"),
    "completions/imagectl.fish": lambda: _completion("fish"),
    "imagectl/aws/model.json": cut_model.cut,
    "man/imagectl.1": lambda: manpage.page(cli.the_tree()),
}

if __name__ == "__main__":
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print("written:", name)
