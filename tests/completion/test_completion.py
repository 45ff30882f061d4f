"""Completion: TAB pressed in the real shells, against a service that may say anything."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import botocore.session
import pexpect
import pytest
import typer
from conftest import Run
from service import Reply, Service, error

from imagectl import cli
from imagectl.completion import script
from imagectl.completion.commands import REGIONS
from imagectl.completion.names import FRESH, MOST, image_names
from imagectl.tree import Command, Kind, Layout, Option
from imagectl.tree import tree as tree_of

COMPLETIONS = Path(__file__).parents[2] / "completions"
FILES = {"bash": "imagectl.bash", "zsh": "_imagectl", "fish": "imagectl.fish"}
PACKAGE = Path("/usr/share/bash-completion/bash_completion")
HOSTILE = (
    "$(touch PWN)",
    "`touch PWN`",
    "; touch PWN",
    "x;touch PWN",
    "my-$(touch PWN)",
    "my-`touch PWN`",
    "my-'; touch PWN; '",
    'my-"; touch PWN; "',
    "my-\ntouch PWN",
    "my-\x1b]0;PWN\x07",
    "my-\x1b[2J",
    "my-a b",
    "my-${PWN}",
    "my-é",
    "my--x",
    "-my",
    "my-\tdescription",
    "my-\u202ename",
    "m" * 64,
    "(touch PWN)",
    "my-) ; touch PWN ; x=(",
    "my-[x]:y",
)


class Pressed(NamedTuple):
    """What TAB came to: what was shown below the line, and the line itself."""

    shown: str
    line: str


class Terminal:
    """A real shell on a real terminal. `press` types a line and TAB, and reads what comes of it.

    ^U clears the line and ^T tells it, by the shell's own means: the terminal itself must not take ^U for
    its own while the shell is between two lines (`stty kill undef`).
    """

    def __init__(self, argv: list[str], env: dict[str, str], cwd: Path) -> None:
        self._child = pexpect.spawn(
            argv[0], argv[1:], env=env, cwd=str(cwd), encoding="utf-8", dimensions=(200, 220), timeout=20
        )
        self._child.delaybeforesend = None
        self._child.expect("READY> ")

    def press(self, line: str, *expected: str) -> Pressed:
        """Type `line` and TAB. `expected` is waited for: a shell may draw late, and not at all if hurried."""
        seen = ""
        self._child.send(f"\x15{line}\t")
        missing = list(expected)
        while missing:
            found = self._child.expect_exact(missing)
            seen += self._child.before + missing.pop(found)
            missing = [text for text in missing if text not in _plain(seen)]
        self._child.send("\x14")
        self._child.expect("<<(.*?)>>")
        seen += self._child.before
        match = self._child.match
        assert match
        return Pressed(_plain(seen), _plain(match[1]))

    def close(self) -> None:
        self._child.close(force=True)


def _plain(text: str) -> str:
    return re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|\][^\x07]*\x07|[=>])|\r|\x0f", "", text)


class Shells:
    """The shells of one test, and what they started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cwd = home / "cwd"
        self.log = home / "started"
        self.cwd.mkdir()
        (home / "bin").mkdir()
        (home / "bin/imagectl").write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >>{self.log}\nexec {sys.executable} -m imagectl "$@"\n'
        )
        (home / "bin/imagectl").chmod(0o755)
        self._open: list[Terminal] = []

    @property
    def started(self) -> list[str]:
        """The command lines of each `imagectl` that a shell started."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def start(self, name: str, settings: str = "") -> Terminal:
        """A shell that has the completions; `settings` are the last lines of its start file."""
        shell = name.partition("-")[0]
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        file = COMPLETIONS / FILES[shell]
        env = {**os.environ, "PATH": f"{self.home}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        env["TERM"] = "xterm" if shell == "fish" else "dumb"
        argv = getattr(self, f"_{shell}")(name, file, env, settings)
        terminal = Terminal(argv, env, self.cwd)
        self._open.append(terminal)
        return terminal

    def close(self) -> None:
        for terminal in self._open:
            terminal.close()

    def _bash(self, name: str, file: Path, env: dict[str, str], settings: str) -> list[str]:
        if name == "bash-package":
            if not PACKAGE.exists():
                pytest.skip("the bash-completion package is not installed")
            data = self.home / "data"
            (data / "bash-completion/completions").mkdir(parents=True)
            (data / "bash-completion/completions/imagectl").symlink_to(file)
            env["XDG_DATA_HOME"] = str(data)
            source = str(PACKAGE)
        else:
            source = str(file)
        (self.home / "bashrc").write_text(
            f"""
            source {source}
            stty kill undef
            bind 'set bell-style none' 'set enable-bracketed-paste off' 'set show-all-if-ambiguous on'
            bind 'set page-completions off' 'set completion-query-items 0' 'set show-mode-in-prompt off'
            dump() {{ printf '<<%s>>\\n' "$READLINE_LINE"; }}
            bind -x '"\\C-t": dump'
            PS1='READY> '
            {settings}
            """
        )
        return ["bash", "--rcfile", str(self.home / "bashrc"), "-i"]

    def _zsh(self, name: str, file: Path, env: dict[str, str], settings: str) -> list[str]:
        env["ZDOTDIR"] = str(self.home)
        before, after = (f"fpath=({file.parent} $fpath)", "")
        if name == "zsh-eval":
            before, after = "", f'eval "$(<{file})"'
        (self.home / ".zshrc").write_text(
            f"""
            {before}
            autoload -Uz compinit; compinit -u -D
            {after}
            stty kill undef
            unsetopt beep prompt_cr prompt_sp list_ambiguous; LISTMAX=0
            dump() {{ zle -I; print -r -- "<<$BUFFER>>" }}
            zle -N dump; bindkey '^T' dump; bindkey '^U' kill-whole-line
            PS1='READY> '
            {settings}
            """
        )
        return ["zsh", "-d", "-i"]

    def _fish(self, _name: str, file: Path, env: dict[str, str], settings: str) -> list[str]:
        # Else a fish that is started for the first time reads all man pages of the machine, behind our back.
        env["XDG_DATA_HOME"] = str(self.home / "data")
        (self.home / "data/fish/generated_completions").mkdir(parents=True)
        (self.home / "init.fish").write_text(
            f"""
            stty kill undef
            function fish_prompt; echo 'READY> '; end
            function fish_greeting; end
            set -g fish_autosuggestion_enabled 0
            set -g fish_handle_reflow 0
            bind \\ct 'printf "<<%s>>\\n" (commandline)'
            bind \\cu cancel kill-whole-line
            source {file}
            {settings}
            """
        )
        return ["fish", "--no-config", "-i", "-C", f"source {self.home}/init.fish"]


@pytest.fixture
def shells(tmp_path: Path) -> Iterator[Shells]:
    shells = Shells(tmp_path)
    yield shells
    shells.close()


EACH = pytest.mark.parametrize("shell", ["bash", "bash-package", "zsh", "zsh-eval", "fish"])
ONE_OF_EACH = pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])


def tree() -> dict[str, Any]:
    """The commands by name, the root's as ''."""
    root = cli.the_tree()
    return {"": root, **{name: root.get_command(None, name) for name in root.list_commands(None)}}


def options_of(command: Any) -> list[str]:
    context = typer.Context(command, **command.context_settings)
    params = (param for param in command.get_params(context) if param.param_type_name == "option")
    return [name for param in params if not param.hidden for name in (*param.opts, *param.secondary_opts)]


# The scripts.


@pytest.mark.parametrize("shell", FILES)
def test_the_committed_script_is_what_is_printed(run: Run, shell: str) -> None:
    """After a change of the commands: `python -m tests.generate`."""
    result = run("completion", shell)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == (COMPLETIONS / FILES[shell]).read_text()


def test_an_unknown_shell_is_a_usage_error(run: Run) -> None:
    result = run("completion", "tcsh")
    assert (result.code, result.stdout) == (2, "")
    assert "'fish'" in result.stderr


CHECKS = {
    "bash": ["bash -n", "shellcheck --severity=style", "bash --posix -n"],
    "zsh": ["zsh -n"],
    "fish": ["fish -n"],
}


@pytest.mark.parametrize("text", ["template", "script"])
@pytest.mark.parametrize(("shell", "check"), [(shell, check) for shell in FILES for check in CHECKS[shell]])
def test_template_and_script_are_the_shell_s_language(shell: str, check: str, text: str) -> None:
    """By the shell's own word, and shellcheck's: also before the template is filled."""
    command = check.split()
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    template = Path(str(files("imagectl.completion") / f"template.{shell}"))
    file = template if text == "template" else COMPLETIONS / FILES[shell]
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", FILES)
def test_every_option_of_every_command_is_there(shell: str) -> None:
    """And nothing that is hidden."""
    text = (COMPLETIONS / FILES[shell]).read_text()
    for name, command in tree().items():
        assert re.search(rf"\b{name}\b", text)
        for option in options_of(command):
            if shell == "fish":
                option = f"-{'l' if option.startswith('--') else 's'} {option.lstrip('-')}"  # noqa: PLW2901
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), option
    assert "__images" not in text.replace("command imagectl __images", "").replace("`imagectl __images`", "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_evaluates_nothing(shell: str) -> None:
    """None of the words by which a shell runs text as a program; comments may speak of them."""
    code = re.sub(r"(?m)^\s*#.*$", "", (COMPLETIONS / FILES[shell]).read_text())
    assert not re.search(r"\beval\b|\bcompgen -W|\bsource\b|\$\{\(e\)|\(e:|\bsh -c", code)


def test_an_option_means_the_same_in_every_command() -> None:
    """The scripts say each option's value once; a command that breaks this can't be completed."""

    def a(*, x: Annotated[bool, Option("A flag.")] = False) -> None: ...

    def b(*, x: Annotated[str, Option("A value.", Kind("X"))] = "") -> None: ...

    def c() -> None: ...

    commands = {"a": Command(a, ""), "b": Command(b, "")}
    hidden = {"__images": Command(c, "")}
    built = tree_of(Command(c, ""), commands, hidden=hidden, groups={}, runners=(), layout=Layout({}, {}))
    with pytest.raises(ValueError, match="same value"):
        script("bash", built)


def test_all_regions_of_sagemaker_are_offered() -> None:
    """What fails here is a new region: add it to REGIONS. All are of the form that AWS's partitions have."""
    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    known = {r for p in partitions for r in session.get_available_regions("sagemaker", partition_name=p)}
    assert known <= set(REGIONS)
    patterns = [p["regionRegex"] for p in session.get_data("endpoints")["partitions"]]
    assert all(any(re.fullmatch(pattern, region) for pattern in patterns) for region in REGIONS)
    assert list(REGIONS) == sorted(set(REGIONS))


def test_typers_own_completion_is_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its options nor its environment variable do anything."""
    monkeypatch.setenv("_IMAGECTL_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "imagectl ")
    assert run("--version").stdout.startswith("imagectl ")
    assert run("--install-completion").code == 2


# TAB.


@EACH
def test_tab_completes_commands_options_and_values(shells: Shells, shell: str) -> None:
    """All from the script: no program is started, `imagectl` neither."""
    terminal = shells.start(shell)
    commands = [name for name in tree() if name]
    pressed = terminal.press("imagectl ", *commands)
    assert "__images" not in pressed.shown
    for name in commands:
        assert terminal.press(f"imagectl {name[:-1]}").line == f"imagectl {name} "
    long = [option for option in options_of(tree()["update"]) if option.startswith("--")]
    terminal.press("imagectl update x --", *long)
    terminal.press("imagectl --", "--version", "--help")

    for typed, completed in {
        "update x --dis": "update x --display-name ",
        "--vers": "--version ",
        "list --outp": "list --output ",
        "list --output j": "list --output json ",
        "list --output=j": "list --output=json ",
        "list -o n": "list -o name ",
        "list --region eu-north": "list --region eu-north-1 ",
        "list --region=eu-north": "list --region=eu-north-1 ",
        "list --color al": "list --color always ",
        "list --status CREATI": "list --status CREATING ",
        "list --sort-by im": "list --sort-by image-name ",
        "list --sort-order asc": "list --sort-order ascending ",
        "update x --delete-property Di": "update x --delete-property DisplayName ",
        "update x --display-name list --delete-property=De": (
            "update x --display-name list --delete-property=Description "
        ),
        "list --endpoint-url http://localhost:4566 --color=ne": (
            "list --endpoint-url http://localhost:4566 --color=never "
        ),
        "completion z": "completion zsh ",
        "sandbox --upd": "sandbox --update-seconds ",
        # Nothing fits: the line stays as it is.
        "update x --description Des": "update x --description Des",
        "show x --dry": "show x --dry",
        "nothing --reg": "nothing --reg",
        "list --output q": "list --output q",
        "wait x --timeout 1": "wait x --timeout 1",
    }.items():
        line = terminal.press(f"imagectl {typed}").line
        # zsh puts an `=` behind an option that takes a value, and takes it away again for a space.
        assert line.rstrip(" =") == f"imagectl {completed}".rstrip(), typed
    assert shells.started == []


MOODS = {
    "bash": [
        "set -e",
        "set -u",
        "set -eEuo pipefail; trap 'touch TRAPPED' ERR DEBUG",
        "set -o posix",
        "set -f; IFS=-",
        "shopt -s nullglob dotglob extglob nocaseglob nocasematch",
        "shopt -s failglob",
        "COMP_WORDBREAKS=' '",
        "COMP_WORDBREAKS=$' \\t\\n\"><=;|&(:-.@'",
        "unset HOME; set -u",
        "alias local=false command=false case=false",
    ],
    "zsh": [
        "setopt err_exit",
        "setopt no_unset err_return pipe_fail",
        "setopt ksh_arrays sh_word_split",
        "setopt no_glob null_glob ksh_glob",
        "setopt csh_null_glob complete_in_word always_to_end",
        "unset HOME; setopt no_unset; IFS=-",
        "alias -g my=yours; alias local=false",
    ],
    "fish": ["set -e HOME", "set -g IFS -; set -g fish_trace ''"],
}


@pytest.mark.parametrize(("shell", "mood"), [(shell, mood) for shell in MOODS for mood in MOODS[shell]])
def test_a_tab_works_in_every_mood_of_a_shell(
    shells: Shells, service: Service, shell: str, mood: str
) -> None:
    """What `set`, `setopt` and variables say changes neither what is completed nor that the shell lives."""
    service.add("sandbox-x")
    terminal = shells.start(shell, mood)
    for typed, completed in {
        "upd": "update",
        "list --output=j": "list --output=json",
        "list --region eu-central-": "list --region eu-central-",
        "show sandbox-": "show sandbox-x",
        "nothing --reg": "nothing --reg",
        "update x --description Des": "update x --description Des",
        "list --profile x": "list --profile x",
    }.items():
        line = terminal.press(f"imagectl {typed}").line
        assert line.rstrip(" =") == f"imagectl {completed}", typed
    assert not (shells.cwd / "TRAPPED").exists() or "DEBUG" in mood


@EACH
def test_a_quoted_name_completes(shells: Shells, service: Service, shell: str) -> None:
    """As one that isn't quoted."""
    terminal = shells.start(shell)
    for quote in "'\"":
        assert terminal.press(f"imagectl show {quote}my-i").line.rstrip() in {
            f"imagectl show {quote}my-image{quote}",
            f"imagectl show {quote}my-image",
        }


@EACH
def test_what_stands_before_the_command_is_honoured(shells: Shells, service: Service, shell: str) -> None:
    """Never another account's names, though bash tells a completion nothing of what stands there."""
    other = Service()
    other.add("my-other")
    there = f"AWS_ENDPOINT_URL_SAGEMAKER={other.url}"
    terminal = shells.start(shell, "alias im=imagectl")
    honoured = {
        f"{there} imagectl show my-": "my-other",
        f"true && {there} LC_ALL=C imagectl show my-": "my-other",
        f"echo $({there} imagectl show my-": "my-other",
        f"AWS_ENDPOINT_URL_SAGEMAKER='{other.url}' imagectl show my-": "my-other",
        "im show my-": "my-image",
        "true; imagectl show my-": "my-image",
        f"{there} true; imagectl show my-": "my-image",
        "echo $(imagectl show my-": "my-image",
    }
    for line, name in {} if shell.startswith("bash") else honoured.items():
        assert terminal.press(line).line.removeprefix(line).rstrip() == name.removeprefix("my-"), line
    # Where it isn't certain nothing is offered.
    for line in (
        "AWS_ENDPOINT_URL_SAGEMAKER=$NOWHERE true; AWS_PROFILE=$(x) imagectl show my-",
        f"env {there} imagectl show my-",
        f"env -u AWS_PROFILE {there} imagectl show my-",
        "sudo imagectl show my-",
    ):
        if not shell.startswith("zsh") and line.startswith("AWS"):  # the shells keep it to themselves
            continue
        assert terminal.press(line).line.removeprefix(line).rstrip() in {"", "other"}, line
    other.close()


@EACH
def test_files_complete_where_files_go(shells: Shells, shell: str) -> None:
    """And only there."""
    (shells.cwd / "text with spaces.md").touch()
    (shells.cwd / "folder").mkdir()
    (shells.cwd / "folder/ca.pem").touch()
    (shells.cwd / "$(touch PWN)").touch()
    terminal = shells.start(shell)
    line = terminal.press("imagectl update x --description-file te").line
    assert line.rstrip() == r"imagectl update x --description-file text\ with\ spaces.md"
    line = terminal.press("imagectl list --ca-bundle folder/c").line
    assert line.rstrip() == "imagectl list --ca-bundle folder/ca.pem"
    line = terminal.press("imagectl list --ca-bundle=folder/c").line
    assert line.rstrip() == "imagectl list --ca-bundle=folder/ca.pem"
    line = terminal.press("imagectl update x --description-file '$(t").line
    assert line.rstrip() == "imagectl update x --description-file '$(touch PWN)'"
    assert terminal.press("imagectl update x --display-name te").line.rstrip().endswith(" te")
    assert terminal.press("imagectl list te").line.rstrip().endswith(" te")
    assert not (shells.cwd / "PWN").exists()
    assert shells.started == []


@EACH
def test_profiles_come_from_the_configuration_files(shells: Shells, shell: str) -> None:
    """By name, from wherever AWS's variables say; what else stands in them is not touched."""
    aws = Path(os.environ["HOME"]) / ".aws"
    aws.mkdir()
    (aws / "config").write_text(
        "[default]\nregion=eu-west-1\n[profile prod-eu]\nx = [profile no]\n [profile indented]\n"
        "[profile $(touch PWN)]\n[profile a b]\n[sso-session sso]\n[profile `touch PWN`]\n[profile last]"
    )
    (aws / "credentials").write_text("[prod-us]\naws_secret_access_key = SECRET[x]\n[default]\n")
    terminal = shells.start(shell)
    pressed = terminal.press("imagectl list --profile ", "default", "prod-eu", "prod-us", "last")
    for never in ("touch", "sso", "indented", "SECRET", " no", "a b"):
        assert never not in pressed.shown
    assert terminal.press("imagectl list --profile=la").line.rstrip() == "imagectl list --profile=last"
    assert not (shells.cwd / "PWN").exists()
    assert shells.started == []


@EACH
def test_image_names_come_from_the_account(shells: Shells, service: Service, shell: str) -> None:
    """One ListImages and no more, with what the line says of profile, region and endpoint."""
    service.add("my-other")
    service.add("your.image")
    terminal = shells.start(shell)
    terminal.press("imagectl update my-", "my-image", "my-other")
    assert [list(call) for call in service.calls()] == [["MaxResults", "NameContains"]]
    assert terminal.press("imagectl show my-i").line == "imagectl show my-image "
    assert terminal.press("imagectl show you").line == "imagectl show your.image "
    assert terminal.press("imagectl wait my-image you").line == "imagectl wait my-image your.image "
    asked = len(shells.started)
    # Not an argument, or not the first.
    for line in (
        "show my-image my-o",
        "list my-o",
        "show arn:aws:sagemaker:us-east-1:1",
        "update --description my-",
    ):
        assert terminal.press(f"imagectl {line}").line.rstrip() == f"imagectl {line}"
    assert len(shells.started) == asked

    other = Service(region="eu-west-1")
    other.add("elsewhere")
    aws = Path(os.environ["HOME"]) / ".aws"
    aws.mkdir()
    (aws / "config").write_text(
        '[profile "two words"]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=x\nregion=eu-west-1\n'
    )
    try:
        line = f"imagectl wait --profile 'two words' --quiet -o json --endpoint-url={other.url} "
        assert terminal.press(line + "else").line == line + "elsewhere "
        options = f"--endpoint-url={other.url} --profile=two words"
        given = shells.started[-1].removeprefix("__images ").removesuffix(" -- else")
        assert given in {options, f"--profile=two words --endpoint-url={other.url}"}
        assert "AKIAOTHER" in other.received[-1].headers["Authorization"]
        line = f"imagectl wait --endpoint-url {other.url} --region us-west-2 "
        assert terminal.press(line + "else").line == line + "elsewhere "
        assert "/us-west-2/" in other.received[-1].headers["Authorization"]
    finally:
        other.close()


@ONE_OF_EACH
def test_what_must_be_evaluated_is_not_guessed(shells: Shells, service: Service, shell: str) -> None:
    """A profile behind `$(...)` may be anybody's: no names then, and nothing is run to find out."""
    terminal = shells.start(shell)
    for value in ("$(touch PWN)", "`touch PWN`", "$HOME", '"$(touch PWN)"', "{a,b}"):
        for option in (f"--region {value}", f"--region={value}"):
            line = f"imagectl show {option} my-i"
            assert terminal.press(line).line.rstrip() == line
    assert not (shells.cwd / "PWN").exists()
    assert shells.started == []
    assert service.received == []


@EACH
def test_what_follows_sandbox_completes_as_any_command(shells: Shells, service: Service, shell: str) -> None:
    """With the completion of that command: here our own, and files."""
    (shells.cwd / "afile").touch()
    (shells.home / "bin/zz-command").write_text("#!/bin/sh\n")
    (shells.home / "bin/zz-command").chmod(0o755)
    terminal = shells.start(shell)
    for start in ("imagectl sandbox -- ", "imagectl sandbox --update-seconds 2 -- ", "imagectl sandbox "):
        for typed, completed in {
            "zz-com": "zz-command",
            "zz-command af": "zz-command afile",
            "imagectl upd": "imagectl update",
            "imagectl update x --dis": "imagectl update x --display-name",
            "imagectl list --output=j": "imagectl list --output=json",
            "imagectl show my-i": "imagectl show my-image",
        }.items():
            assert terminal.press(start + typed).line.rstrip(" =") == start + completed


@EACH
def test_nothing_hostile_is_run_or_offered(shells: Shells, service: Service, shell: str) -> None:
    """Whatever the service calls its images, whatever it says of them: names by the API's pattern only."""
    for name in HOSTILE:
        service.add(name, Description=f"{name} $(touch PWN)", DisplayName="`touch PWN`")
        service.images[name]["ImageArn"] = service.arn("$(touch PWN)")
    service.add("my-good", Description="); touch PWN; x=(", DisplayName="z\\`touch PWN`")
    terminal = shells.start(shell)
    pressed = terminal.press("imagectl update ", "my-image", "my-good")
    for part in ("touch", "PWN", "é", "my--", "my-a", "-my", "description", "\u202e", "mm", "[x]", "$"):
        assert part not in pressed.shown
    assert terminal.press("imagectl update my-g").line == "imagectl update my-good "
    for start in ("$(", "'; ", "`", "my-$", "(", "\x1b"):
        terminal.press(f"imagectl update {start}")
    assert not list(shells.home.rglob("PWN"))


@ONE_OF_EACH
@pytest.mark.parametrize("failure", ["refused", "denied", "nobody", "prompt", "nowhere", "portal"])
def test_failure_is_silent(
    shells: Shells, service: Service, shell: str, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to offer, nothing said, nothing asked: the line is as it was."""
    if failure == "refused":
        service.close()
    elif failure == "denied":
        service.answer("ListImages", error("AccessDeniedException", "$(touch PWN)"), times=9)
    elif failure == "portal":
        service.answer("ListImages", Reply(200, {"Images": [None, 1, {"ImageName": ["x"]}]}), times=9)
    elif failure == "nowhere":
        (shells.home / "bin/imagectl").unlink()
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
    else:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if failure == "prompt":
        aws = Path(os.environ["HOME"]) / ".aws"
        aws.mkdir()
        (aws / "config").write_text(
            "[default]\nrole_arn=arn:aws:iam::123456789012:role/x\nsource_profile=base\nmfa_serial=mfa\n"
            "[profile base]\naws_access_key_id=AKIA\naws_secret_access_key=x\n"
        )
    terminal = shells.start(shell)
    line = "imagectl update my-i"
    pressed = terminal.press(line)
    assert pressed.line.rstrip() == line
    assert "rror" not in pressed.shown
    assert "MFA" not in pressed.shown
    # The terminal is still the shell's.
    assert terminal.press("imagectl upd").line == "imagectl update "
    if failure == "nowhere":
        assert shells.started == []


# The hidden command.


@pytest.fixture
def names(run: Run) -> Run:
    """The hidden command, with time enough for a machine that is busy."""
    return partial(run, "__images", "--patience", "8s")


def cache() -> list[Path]:
    return sorted(path for path in Path(os.environ["HOME"]).rglob("names-*") if path.is_file())


def test_the_hidden_command_is_hidden(run: Run) -> None:
    """On no page, in no suggestion."""
    assert "__images" not in run("--help").stdout
    assert "__images" not in run("__imag").stderr


def test_names_begin_with_what_is_typed(names: Run, service: Service) -> None:
    """One line each, in order; NameContains keeps a big account's list short."""
    for name in ("zeta", "my-zeta", "alpha", "not-my-alpha"):
        service.add(name)
    assert names("--", "my-") == (0, "my-image\nmy-zeta\n", "")
    assert service.calls("ListImages") == [{"MaxResults": 100, "NameContains": "my-"}]
    assert names() == (0, "alpha\nmy-image\nmy-zeta\nnot-my-alpha\nzeta\n", "")
    assert service.calls("ListImages")[1] == {"MaxResults": 100}


def test_what_no_name_begins_with_asks_nobody(names: Run, service: Service) -> None:
    for prefix in ("arn:aws", "$(", "-x", "a b", ".", "é", "a\n"):
        assert names("--", prefix) == (0, "", "")
    assert service.received == []


def test_the_number_of_names_is_bounded(names: Run, service: Service) -> None:
    for number in range(MOST + 200):
        service.add(f"n{number}")
    assert len(names("--", "n").stdout.splitlines()) == MOST
    # An answer that was cut off is no answer for a longer beginning.
    assert names("--", f"n{MOST + 100}").stdout == f"n{MOST + 100}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ("--region", "??"),
        ("--profile", "missing"),
        ("--endpoint-url", "http://example.com"),
        ("--ca-bundle", "/missing"),
        ("--max-attempts", "x"),
        ("--region", ""),
    ],
)
def test_a_wrong_line_is_silent(names: Run, service: Service, argv: tuple[str, ...]) -> None:
    """What is wrong is told when the line is run; another connection's names are never a substitute."""
    assert names(*argv) == (0, "", "")
    assert service.received == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(cut="reset"),
        Reply(cut="truncate", carry_out=True),
        Reply(500, b"oops"),
        Reply(200, b"<html>"),
        Reply(200, {"Images": "x"}),
    ],
)
def test_a_broken_reply_is_silent(names: Run, service: Service, reply: Reply) -> None:
    service.answer("ListImages", reply, times=3)
    assert names() == (0, "", "")
    assert len(service.received) == 1
    assert cache() == []


def test_it_ends_in_time(names: Run, service: Service) -> None:
    """With what has come by then: here the first of two pages."""
    for number in range(120):
        service.add(f"n{number}")
    service.answer("ListImages", Reply(carry_out=True), Reply(carry_out=True, delay=30))
    start = time.monotonic()
    result = names()
    assert time.monotonic() - start < 20
    assert (result.code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 100


def test_a_thread_that_cannot_be_had_is_silent(
    names: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a container limits them: no names, and no error either."""

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", start)
        assert names() == (0, "", "")
    assert cache() == []


def test_a_credential_process_that_hangs_does_not_hold_the_line(
    spawn: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what it says: a script's own text is nothing to offer."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    aws = Path(os.environ["HOME"]) / ".aws"
    aws.mkdir()
    (aws / "config").write_text("[default]\ncredential_process = sh -c 'echo hello >&2; exec sleep 30'\n")
    start = time.monotonic()
    assert spawn("__images") == (0, "", "")
    assert time.monotonic() - start < 20


def test_names_are_kept_privately_for_a_minute(names: Run, service: Service) -> None:
    """Another TAB asks nobody; of credentials there is nothing in the file or in its name."""
    assert names().stdout == "my-image\n"
    service.add("my-new")
    assert names("--", "my").stdout == "my-image\n"
    assert len(service.received) == 1
    (path,) = cache()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for secret in ("AKIATEST", "secret-of-the-tests"):
        assert secret not in path.read_text() + path.name

    since, *rest = json.loads(path.read_text())
    path.write_text(json.dumps([since - FRESH - 1, *rest]))
    assert names("--", "my").stdout == "my-image\nmy-new\n"
    assert len(service.received) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o666),
        lambda path: path.parent.chmod(0o777),
        lambda path: path.write_bytes(b"\xff{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("7"),
        lambda path: path.write_text(json.dumps([time.time(), "", True, ["$(touch PWN)"]])),
        lambda path: path.write_text(json.dumps([time.time(), "", True, [7]])),
        lambda path: path.write_text(json.dumps([time.time(), "", True, 7])),
        lambda path: path.write_text(json.dumps([time.time() + 999, "", True, ["future"]])),
        lambda path: path.write_text(json.dumps(["x", "", True, ["text"]])),
    ],
)
def test_a_cache_that_others_may_have_written_is_not_read(
    names: Run, service: Service, spoil: Callable[[Path], object]
) -> None:
    """Nor one that is damaged: as if there were none."""
    names()
    (path,) = cache()
    spoil(path)
    assert names() == (0, "my-image\n", "")
    assert len(service.received) == 2


def test_names_of_different_places_are_kept_apart(
    names: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each region, endpoint, profile and identity has its own; old ones are deleted."""
    names()
    names("--region", "eu-west-1")
    names("--endpoint-url", service.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    names()
    assert len(service.received) == len(cache()) == 4
    old = cache()[0]
    os.utime(old, (1, 1))
    names("--region", "eu-west-2")
    assert old not in cache()


def test_it_works_without_a_cache(tmp_path: Path) -> None:
    """A home that can't be written to costs time, not names."""
    (tmp_path / "file").touch()
    for directory in (None, tmp_path / "file/below"):
        found = image_names("a", lambda _: ["ab", "b", "a;b"], key="", directory=directory, patience=8)
        assert list(found) == ["ab"]


def test_an_answer_from_the_cache_is_cheap(service: Service, run: Run, names: Run) -> None:
    """The SDK is not even imported: this runs at every TAB."""
    names()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "imagectl", "__images"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "my-image\n"
    assert "imagectl.completion.names" in done.stderr
    assert not re.search(r"\b(botocore|boto3|urllib3|rich|moto)\b", done.stderr)
