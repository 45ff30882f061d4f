"""How a command finds the sandbox: the variables, this `imagectl` before others, a mark in a shell's prompt.

Knows nothing of the server but its address.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# Variables of AWS's that choose how a client behaves, not whom it speaks to.
_KEPT = frozenset({"AWS_DEFAULT_OUTPUT", "AWS_MAX_ATTEMPTS", "AWS_PAGER", "AWS_RETRY_MODE"})
# What leads away from the sandbox, and may be set in another shell than the one that started it.
_ASTRAY = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CA_BUNDLE"),
    *("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    "AWS_ENDPOINT_URL_STS",
)

# A shell that is started by its bare name reads these files in place of the user's. They read the user's
# first: what those set of AWS's leads astray, and the prompt is theirs to begin with.
_BASHRC = """\
[ -f ~/.bashrc ] && . ~/.bashrc
{exports}
PS1="(sandbox) $PS1"
"""
_ZSHENV = """\
ZDOTDIR={zdotdir}
[[ -f $ZDOTDIR/.zshenv ]] && . $ZDOTDIR/.zshenv
ZDOTDIR={ours}
"""
_ZSHRC = """\
ZDOTDIR={zdotdir}
[[ -f $ZDOTDIR/.zshrc ]] && . $ZDOTDIR/.zshrc
{exports}
PROMPT="(sandbox) $PROMPT"
"""
_FISH = """\
{exports}
functions -q fish_prompt; and functions -c fish_prompt __sandbox_prompt
function fish_prompt
    echo -n '(sandbox) '
    functions -q __sandbox_prompt; and __sandbox_prompt; or echo -n '> '
end
"""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox, and how a client finds it."""

    endpoint_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables to set; `applied_to` also takes away those that lead elsewhere."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,  # every other service too: nothing may leave loopback
            "AWS_ENDPOINT_URL_SAGEMAKER": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "SANDBOX0NOT0A0SECRET",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",  # clients differ in which of the two they read
        }

    def applied_to(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` with all of AWS in it replaced by the sandbox."""
        others = {
            name: value for name, value in environ.items() if not name.startswith("AWS_") or name in _KEPT
        }
        env = others | self.environment
        direct = environ.get("no_proxy") or environ.get("NO_PROXY")
        if direct:  # a lone * covers all already, and means nothing within a list
            env["NO_PROXY"] = env["no_proxy"] = direct if direct == "*" else f"{direct},127.0.0.1"
        return env

    def exports(self, environ: Mapping[str, str]) -> list[str]:
        """The same as lines that a shell has to read."""
        env = self.applied_to(environ)
        lines = [f"export {name}={shlex.quote(env[name])}" for name in self.environment]
        # A name may hold anything but a `=`; one that is no name to a shell isn't set there either.
        gone = {name for name in {*_ASTRAY, *environ} - env.keys() if name.isascii() and name.isidentifier()}
        return [*lines, f"unset {' '.join(sorted(gone))}"]

    @contextmanager
    def entered(
        self, command: Sequence[str], environ: Mapping[str, str]
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        """`command` and its environment, for as long as it runs."""
        with TemporaryDirectory(prefix="imagectl-sandbox-") as name:
            ours = Path(name)
            # A directory with this program alone: beside it may lie another python than the user's.
            _put_program(ours / "bin" / "imagectl")
            path = os.pathsep.join([str(ours / "bin"), environ.get("PATH", os.defpath)])
            env = self.applied_to(environ) | {"PATH": path}
            # Once more for a shell, whose own start file may have put others before it.
            first = f'export PATH={shlex.quote(str(ours / "bin"))}:"$PATH"'
            yield _marked(list(command), env, ours, [*self.exports(environ), first])


def _marked(
    command: list[str], env: dict[str, str], ours: Path, exports: list[str]
) -> tuple[list[str], dict[str, str]]:
    """A shell that is to read what the user types, with `(sandbox)` in its prompt."""
    shell = Path(command[0]).name if len(command) == 1 else ""
    lines = "\n".join(exports)
    if shell == "bash":
        (ours / "bashrc").write_text(_BASHRC.format(exports=lines))
        return [*command, "--rcfile", str(ours / "bashrc")], env
    if shell == "zsh":
        theirs = shlex.quote(env.get("ZDOTDIR") or env.get("HOME", "/"))
        (ours / ".zshenv").write_text(_ZSHENV.format(zdotdir=theirs, ours=shlex.quote(str(ours))))
        (ours / ".zshrc").write_text(_ZSHRC.format(zdotdir=theirs, exports=lines))
        return command, env | {"ZDOTDIR": str(ours)}
    if shell == "fish":
        lines = re.sub("(?m)^unset ", "set -e ", lines)
        (ours / "init.fish").write_text(_FISH.format(exports=lines))
        return [*command, "-C", f"source {shlex.quote(str(ours / 'init.fish'))}"], env
    return command, env


def _put_program(path: Path) -> None:
    path.parent.mkdir()
    script = Path(sys.executable).with_name("imagectl")
    if script.exists():
        path.symlink_to(script)
    else:
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imagectl "$@"\n')
        path.chmod(0o755)
