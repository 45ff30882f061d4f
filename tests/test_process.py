"""The whole process: signals, closed pipes, full disks, terminals."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from conftest import Run
from service import ACCOUNT, Reply, Service
from terminal import Session

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:image/my-image\n"
UPDATE = [sys.executable, "-m", "imagectl", "update", "my-image", "--description", "new"]
SIGNALS = [
    (signal.SIGINT, 130, "interrupted"),
    (signal.SIGTERM, 143, "terminated"),
    (signal.SIGHUP, 143, "terminated"),
]
AGAIN = "to go on, run the same command again"
WAIT = "imagectl wait my-image --region us-east-1"


def start(*argv: str, **env: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*UPDATE, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
        start_new_session=True,
    )


def end(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def told(err: str) -> bool:
    """Whether `err` is one error with its hint, and no more."""
    return re.fullmatch(r"imagectl: error: .*\n(hint: .*\n(imagectl wait .*\n)?)?", err) is not None


# Signals.


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_while_the_request_is_under_way(
    service: Service, number: signal.Signals, code: int, word: str
) -> None:
    """Sent, no reply yet: not known, and the command that finds out."""
    service.answer("UpdateImage", Reply(delay=3, carry_out=True))
    arrived = threading.Event()
    service.on_update = arrived.set
    process = start()
    assert arrived.wait(30)
    process.send_signal(number)
    said = "the update of my-image was sent, whether it is applied is not known"
    assert end(process) == (code, "", f"imagectl: error: {word}; {said}\nhint: to go on:\n{WAIT}\n")


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_while_waiting(service: Service, number: signal.Signals, code: int, word: str) -> None:
    """Accepted, not settled yet: said so, and the command that goes on."""
    service.updating_reads = 1000
    session = Session([*UPDATE, "--wait"], terminals=["stderr"])
    session.read_until(lambda output: b"UPDATING" in output["stderr"])
    session.signal(number)
    status, out, err = session.finish()
    assert (status, out) == (code, "")
    assert f"{word}; the update of my-image was accepted\r\nhint: to go on:\r\n{WAIT}\r\n" in err
    # The terminal is as it was: the spinner is gone, and the cursor was never hidden.
    assert err.rindex("\r\x1b[J") > err.rindex("UPDATING")
    assert "\x1b[?25" not in err


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_while_one_only_waits(service: Service, number: signal.Signals, code: int, word: str) -> None:
    """`imagectl wait` speaks of no update, as it sent none."""
    service.images["my-image"]["ImageStatus"] = "UPDATING"
    session = Session([*UPDATE[:3], "wait", "my-image"], terminals=())
    session.read_until(lambda output: b"UPDATING" in output["stderr"])
    session.signal(number)
    status, out, err = session.finish()
    assert (status, out) == (code, "")
    said = f"imagectl: error: {word}; my-image was not seen settled\nhint: to go on:\n{WAIT}\n"
    assert err == f"imagectl: my-image: UPDATING\n{said}"


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_before_anything_was_sent(
    service: Service, tmp_path: Path, number: signal.Signals, code: int, word: str
) -> None:
    """While credentials are fetched: nothing was sent, and the same command goes on."""
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = sh -c 'echo > {fifo}; sleep 60'\n")
    process = start(AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    fifo.read_text()
    os.killpg(process.pid, number)
    assert end(process) == (
        code,
        "",
        f"imagectl: error: {word}; no update of my-image was sent\nhint: {AGAIN}\n",
    )
    assert service.received == []


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more: its end to read, and the one to write."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"\n")
    os.set_blocking(write, True)
    return read, write


def test_a_second_signal_leaves_it_told(service: Service) -> None:
    """As make sends one after a Ctrl-C: the first is told, with what is known of the update."""
    service.answer("UpdateImage", Reply(delay=3, carry_out=True))
    arrived = threading.Event()
    service.on_update = arrived.set
    read, write = full_pipe()  # so the first is being told when the second comes
    process = subprocess.Popen(UPDATE, stdout=subprocess.DEVNULL, stderr=write)
    os.close(write)
    assert arrived.wait(30)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read().strip()
    assert process.wait(30) == 130
    known = "the update of my-image was sent, whether it is applied is not known"
    assert said == f"imagectl: error: interrupted; {known}\nhint: to go on:\n{WAIT}"


def test_signals_of_one_moment_leave_it_told(service: Service) -> None:
    """All kinds of them at once, as at a shutdown: one error, with what is known of the update."""
    service.answer("UpdateImage", Reply(delay=3, carry_out=True))
    arrived = threading.Event()
    service.on_update = arrived.set
    process = start("-o", "json")
    assert arrived.wait(30)
    process.send_signal(signal.SIGSTOP)
    for number, _, _ in SIGNALS:
        process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    code, out, err = end(process)
    error = json.loads(err)["Error"]
    assert (error["ExitCode"], error["Outcome"], out) == (code, "unknown", "")
    assert error["Message"].endswith("; the update of my-image was sent, whether it is applied is not known")


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
@pytest.mark.parametrize("full", ["stdout", "both"])
def test_a_full_pipe_keeps_nobody_from_ending(
    service: Service, full: str, number: signal.Signals, code: int, word: str
) -> None:
    """One signal ends it, though nobody reads the result; where the error can be told, it is."""
    arrived = threading.Event()
    service.on_update = arrived.set
    read, write = full_pipe()
    process = subprocess.Popen(UPDATE, stdout=write, stderr=write if full == "both" else subprocess.PIPE)
    assert arrived.wait(30)
    time.sleep(0.5)  # now it is stuck
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    os.close(read)
    os.close(write)
    assert process.returncode == code
    if full == "stdout":
        said = f"imagectl: error: {word}; the update of my-image was accepted\nhint: to go on:\n{WAIT}\n"
        assert err.decode() == said


def test_a_full_pipe_keeps_the_second_signal_of_a_run_from_nothing(service: Service, tmp_path: Path) -> None:
    """The first lets finish what is under way; the second ends it, and names what has no record."""
    sent = threading.Event()
    service.on_update = lambda: sent.set() if len(service.calls("UpdateImage")) == 40 else None
    manifest = tmp_path / "manifest.jsonl"
    with manifest.open("w") as lines:
        for number in range(40):
            service.add(f"image-{number}")
            lines.write(json.dumps({"ImageName": f"image-{number}", "Description": "x" * 512}) + "\n")
    read, write = full_pipe()
    run = [*UPDATE[:3], "apply", str(manifest), "--yes", "-o", "json"]
    process = subprocess.Popen(run, stdout=write, stderr=subprocess.PIPE)
    assert sent.wait(30)
    time.sleep(1.5)  # now it is stuck, and has been for a while
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)  # or the two would be one
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    os.close(read)
    os.close(write)
    assert process.returncode == 130
    assert all(f"image-{number}" in json.loads(err)["Error"]["Message"] for number in range(40))


@pytest.mark.parametrize("number", [number for number, _, _ in SIGNALS])
def test_an_ignored_signal_stays_ignored(service: Service, number: signal.Signals) -> None:
    """As under nohup: what the caller ignores ends nothing."""
    service.answer("UpdateImage", Reply(delay=1, carry_out=True))
    arrived = threading.Event()
    service.on_update = arrived.set
    process = subprocess.Popen(
        ["bash", "-c", f'trap "" {number}; exec "$@"', "-", *UPDATE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert arrived.wait(30)
    process.send_signal(number)
    assert end(process) == (0, ARN, "")


def test_a_terminal_that_is_closed_ends_a_wait(service: Service) -> None:
    """Its SIGHUP leaves no process behind, though nothing can be said any more."""
    service.updating_reads = 10_000
    child = pexpect.spawn(UPDATE[0], [*UPDATE[1:], "--wait"], timeout=30)
    child.expect("UPDATING")
    child.close(force=False)
    assert child.exitstatus == 143


HALF_MADE = """
import os, signal, socket
from imagectl.__main__ import run
class HalfMade:
    def __del__(self): self.file.close()
def makefile(*_, **__):
    made = HalfMade()
    os.kill(os.getpid(), signal.SIGTERM)
    made.file = None
socket.socket.makefile = makefile
run()
"""


def test_what_a_signal_leaves_half_made_says_nothing_at_its_end(service: Service) -> None:
    """An object whose `__init__` was left is no news: nobody but the signal has anything to tell."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_MADE, *UPDATE[3:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (143, "")
    assert told(done.stderr)


def test_at_any_moment(service: Service) -> None:
    """Exit 130 with one line, or done; never a traceback, and never a claim that isn't so."""
    moments = random.Random(4)
    for number in range(25):
        name = f"New {number}"  # by it, as what the one before sent may come in late
        process = start("--display-name", name)
        try:
            process.wait(0.02 + moments.random() * 0.35)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        code, out, err = end(process)
        sent = [request for request in service.received if request.body.get("DisplayName") == name]
        if "in run\n" not in err and ("Traceback" in err or code == -signal.SIGINT):
            assert not sent  # the interpreter was starting, before the program's first line
            continue
        assert "Traceback" not in err
        assert (code, out, err) == (0, ARN, "") or (code == 130 and told(err)), (code, out, err)
        if code == 130:
            assert "no update" not in err or not sent
            assert "accepted" not in err or len(sent) == 1


# Streams that are closed, full, or of another encoding.


def shell(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "plumbing",
    ["| true", ">&-", "2>&-", ">&- 2>&-", "<&-", "2>/dev/full", "| head -c 1"],
)
def test_a_closed_stream_changes_no_exit_code(service: Service, plumbing: str) -> None:
    """Who doesn't listen doesn't turn a success into a failure, nor is anything said of it."""
    done = shell(f"set -o pipefail; {' '.join(UPDATE)} {plumbing}")
    assert (done.returncode, done.stderr) == (0, "")
    assert service.operations == ["UpdateImage"]


def test_a_closed_pipe_hides_no_exit_code(service: Service) -> None:
    """Changes that are pending are exit 10 whether or not somebody reads them."""
    done = shell(f"set -o pipefail; {' '.join(UPDATE)} --dry-run --detailed-exitcode | true")
    assert (done.returncode, done.stderr) == (10, "")


@pytest.mark.parametrize("argv", ["update my-image --description-file -", "apply --yes"])
def test_a_closed_standard_input_that_is_wanted(service: Service, argv: str) -> None:
    """It is told as what it is, exit 2."""
    done = shell(f"{sys.executable} -m imagectl {argv} <&-")
    assert done.returncode == 2
    assert "standard input is closed" in done.stderr


@pytest.mark.parametrize("output", ["text", "json", "yaml", "name"])
def test_a_full_disk_is_told_with_what_is_known(service: Service, output: str) -> None:
    """Exit 1: the output could not be written, but the update was applied."""
    done = shell(f"{' '.join(UPDATE)} -o {output} >/dev/full")
    assert done.returncode == 1
    assert "the output could not be written: No space left on device; the update was applied" in done.stderr
    assert service.images["my-image"]["Description"] == "new"
    if output == "json":
        assert json.loads(done.stderr)["Error"]["Outcome"] == "applied"


def test_a_failure_that_nobody_hears_has_its_exit_code(service: Service) -> None:
    """With stderr full or closed the exit code still tells."""
    for plumbing in ("2>/dev/full", "2>&-", ">&- 2>&-"):
        assert shell(f"{sys.executable} -m imagectl show nope {plumbing}").returncode == 3


def test_an_encoding_that_lacks_letters(service: Service) -> None:
    """In a C locale a letter is escaped, not a crash."""
    service.add("my-image", Description="Zürich 🧪")
    done = shell(f"PYTHONUTF8=0 PYTHONIOENCODING=ascii {sys.executable} -m imagectl show my-image")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Description\tZ\\xfcrich \\U0001f9ea" in done.stdout


# Terminals.


@pytest.mark.parametrize(
    "terminals",
    [names for n in range(4) for names in itertools.combinations(("stdin", "stdout", "stderr"), n)],
    ids=lambda names: "+".join(names) or "none",
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_the_square_of_streams(service: Service, terminals: tuple[str, ...], output: str) -> None:
    """The result is the same bytes wherever it goes; talk and escapes are for a terminal alone."""
    service.updating_reads = 1
    code, out, err = Session([*UPDATE, "--wait", "-o", output], terminals=terminals).finish()
    out = out.replace("\r\n", "\n")
    assert code == 0
    assert out == ARN if output == "text" else json.loads(out)["Outcome"] == "updated"
    assert "\x1b" not in out
    if "stderr" in terminals:
        assert "my-image is updated" in err
        assert "\x1b[J" in err
    else:
        waited = "imagectl: my-image: UPDATING\nimagectl: my-image: CREATED\n"
        assert err == (waited if output == "text" else "")


def test_an_update_on_a_terminal(service: Service) -> None:
    """The diff, in which what was not read is `~`; then the status, drawn; then the ARN."""
    service.updating_reads = 1
    argv = [*UPDATE[1:], "--delete-property", "DisplayName", "--wait"]
    child = pexpect.spawn(UPDATE[0], argv, encoding="utf-8", timeout=30)
    for said in ("my-image (us-east-1)", "~ Description:", "new", "- DisplayName", "UPDATING", ARN[:-1]):
        child.expect_exact(said)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.before) == (0, "\r\nimagectl: my-image is updated\r\n")


@pytest.mark.parametrize("terminals", [(), ("stderr", "stdin", "stdout")])
def test_quiet_is_the_result_alone(service: Service, terminals: tuple[str, ...]) -> None:
    """With --quiet no diff, no spinner, no word on stderr: on a terminal neither."""
    service.updating_reads = 1
    code, out, err = Session([*UPDATE, "--wait", "--quiet"], terminals=terminals).finish()
    assert (code, out.replace("\r\n", "\n"), err) == (0, ARN, "")


WATCHED = """
import sys
from imagectl.__main__ import run
out = open(sys.argv.pop(1), "w", buffering=1)
STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
def hook(event, args):
    if event in STARTS or event == "socket.connect":
        print(event, args[-1], file=out)
sys.addaudithook(hook)
run()
"""


@pytest.mark.parametrize(
    "line",
    ["list", "show my-image", "update my-image --description new --wait", "update --help", "help output"],
)
def test_nobody_else_is_called_and_no_program_is_started(service: Service, tmp_path: Path, line: str) -> None:
    """No pager, no update check, no telemetry: on a terminal too, one connection to the service is all."""
    log = tmp_path / "log"
    argv = [sys.executable, "-c", WATCHED, str(log), *line.split()]
    code, _, _ = Session(argv, env={**os.environ, "PAGER": "less", "AWS_PAGER": "less"}).finish()
    calls = f"socket.connect ('127.0.0.1', {service.url.rpartition(':')[2]})\n" if "help" not in line else ""
    assert (code, log.read_text()) == (0, calls)


@pytest.mark.parametrize(
    ("env", "flags"),
    [
        ({"NO_COLOR": "1"}, []),
        ({"TERM": "dumb"}, []),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, []),
        ({"FORCE_COLOR": "1"}, ["--color", "never"]),
    ],
)
@pytest.mark.parametrize(
    "argv",
    [
        ["update", "my-image", "--description", "new", "--wait"],
        ["update", "my-image", "--description", "new", "--dry-run"],
        ["update", "nope", "--description", "new"],
        ["update", "a_b", "--description", "new"],
        ["update", "--nonsense"],
        ["update", "--help"],
        ["list"],
        ["show", "my-image"],
    ],
    ids=" ".join,
)
def test_with_colour_off_not_one_escape(
    service: Service, env: dict[str, str], flags: list[str], argv: list[str]
) -> None:
    """On a terminal with colour off: results, talk, help and errors without an escape byte."""
    session = Session([sys.executable, "-m", "imagectl", *argv, *flags], env={**os.environ, **env})
    _, out, err = session.finish()
    assert "\x1b" not in out + err
    assert out + err


@pytest.mark.parametrize("ci", ["GITHUB_ACTIONS", "CI"])
def test_no_escape_in_a_ci_log(service: Service, spawn: Run, ci: str) -> None:
    """CI variables force nothing: help, errors and results in a pipe are plain."""
    for argv in (
        ["--help"],
        ["update", "-h"],
        ["update"],
        ["update", "nope", "--description", "x"],
        ["list"],
    ):
        result = spawn(*argv, env={ci: "true"})
        assert "\x1b" not in result.stdout + result.stderr


def test_forced_colour_in_a_pipe(service: Service, spawn: Run) -> None:
    """--color always and FORCE_COLOR colour what a person reads, wherever it goes; JSON never."""
    argv = ["update", "my-image", "--description", "PyTorch 2.4 for training", "--dry-run"]
    for flags, env in (
        (["--color", "always"], {}),
        ([], {"FORCE_COLOR": "1"}),
        ([], {"CLICOLOR_FORCE": "1"}),
    ):
        assert "PyTorch 2.\x1b[1;4;38;5;29m4\x1b[0m for training" in spawn(*argv, *flags, env=env).stdout
        assert "\x1b" not in spawn(*argv, *flags, "-o", "json", env=env).stdout
    assert "\x1b[1mUsage:" in spawn("update", "--help", "--color", "always").stdout


def test_the_diff_on_a_terminal_marks_words(service: Service) -> None:
    """Added, removed and changed, within a long text down to the words; in a pipe plain lines."""
    argv = [*UPDATE[:-1], "PyTorch 2.4 for training", "--delete-property", "DisplayName", "--dry-run"]
    _, out, err = Session(argv).finish()
    assert "PyTorch 2.\x1b[1;4;38;5;131m3\x1b[0m for training" in out
    assert "PyTorch 2.\x1b[1;4;38;5;29m4\x1b[0m for training" in out
    assert "\x1b[38;5;131m- DisplayName:\x1b[0m" in out
    assert "nothing was changed" in err
    _, out, err = Session(argv, terminals=[]).finish()
    assert out.splitlines() == [
        "my-image (us-east-1)",
        "- Description: PyTorch 2.3 for training",
        "+ Description: PyTorch 2.4 for training",
        "- DisplayName: PyTorch",
    ]
    assert err == ""


HOSTILE = "\x1b]0;owned\x07[bold]x[/nope]\r\n\u202eabc\u2028\x9b31m"


def is_harmless(seen: str) -> bool:
    return not re.search(r"\x1b\]|\x07|\u202e|\u2028|\x9b|\r(?!\n)", seen)


def test_nothing_hostile_reaches_a_terminal(service: Service) -> None:
    """Whatever the service, the command line or the environment say: visible, on its line, no markup."""
    evil = HOSTILE
    service.add("my-image", Description=evil, DisplayName=evil, FailureReason=evil)
    service.answer("UpdateImage", Reply(400, {"__type": evil, "message": evil}, headers={}), times=3)
    for argv in (
        ["show", "my-image"],
        ["list"],
        ["update", "my-image", "--description", "x", "--dry-run"],
        ["update", "my-image", "--description", "x"],
        ["update", evil, "--description", evil],
        ["update", "my-image", f"--{evil}"],
        [evil],
        ["show", "my-image", "--endpoint-url", evil],
        ["show", "my-image", "--profile", evil],
    ):
        session = Session([sys.executable, "-m", "imagectl", *argv])
        _, out, err = session.finish()
        seen = out + err
        assert is_harmless(seen), (argv, seen)
        assert argv[0] != "show" or "[bold]x[/nope]" in seen or "nope" not in seen


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("show my-image -o json", 0),
        ("show my-image -o yaml", 0),
        ("list -o json", 0),
        ("show my-image --query Description", 0),
        ("show my-image --query Description -o text", 0),
        ("wait my-image -q", 5),
        ("wait my-image -q -o json", 5),
        ("update my-image --description x", 5),
        ("update my-image --description x -o json", 5),
        ("update my-image --description x --debug", 5),
        ("apply good --dry-run -q", 0),
        ("apply good --dry-run -q -o json", 0),
        ("apply good --yes -q", 7),
        ("apply good --yes -q -o json", 7),
        ("apply guarded --yes -q", 7),
        ("apply bad --yes", 2),
        ("apply bad --yes -o json", 2),
        ("apply profile --yes", 4),
    ],
)
def test_nor_does_it_as_data_or_from_a_manifest(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, code: int
) -> None:
    """In every format; what a manifest says, and what is said of each of its images."""
    evil = HOSTILE
    service.add(
        "my-image", Description=evil, DisplayName=evil, FailureReason=evil, ImageStatus="UPDATE_FAILED"
    )
    service.answer("UpdateImage", Reply(400, {"__type": evil, "message": evil}, headers={}))
    manifests: dict[str, dict[str, object]] = {
        "good": {"Description": "x"},
        "guarded": {"Description": "x", "Expected": {"DisplayName": "y"}},
        "bad": {"Description": evil, evil: evil, "Region": evil, "Expected": {evil: evil}},
        "profile": {"Description": "x", "Profile": evil},
    }
    for name, entry in manifests.items():
        (tmp_path / name).write_text(json.dumps({"ImageName": "my-image", **entry}))
    monkeypatch.chdir(tmp_path)
    result = run(*line.split(), terminal=["stdout", "stderr"])
    assert result.code == code
    assert "owned" in result.stdout + result.stderr
    assert is_harmless(result.stdout + result.stderr)


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_REGION", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_SAGEMAKER"])
def test_nor_does_what_a_variable_says(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is quoted in the message, made visible."""
    monkeypatch.setenv(name, HOSTILE)
    result = run("show", "my-image", terminal=["stdout", "stderr"])
    assert result.code == 4
    assert "owned" in result.stderr
    assert is_harmless(result.stderr)


def test_a_command_that_is_suggested_stays_whole(run: Run, service: Service, tmp_path: Path) -> None:
    """On its one line, whatever was typed."""
    bundle = tmp_path / HOSTILE.replace("/", "")
    bundle.write_text(f"{'-' * 5}BEGIN CERTIFICATE{'-' * 5}")
    service.images["my-image"]["ImageStatus"] = "UPDATING"
    flags = ("--timeout", "0", "--ca-bundle", str(bundle), "-q")
    result = run("wait", "my-image", *flags, terminal=["stdout", "stderr"])
    assert result.code == 8
    assert result.stderr.splitlines()[1:] == ["hint: to go on waiting:", f"{WAIT} --ca-bundle ..."]


def test_did_you_mean(run: Run, service: Service) -> None:
    """A name that isn't there: the nearest one of all images; what goes wrong with it changes nothing."""
    for number in range(250):
        service.images = {f"other-{number}": service.images["my-image"], **service.images}
    for terminal in ([], ["stdout", "stderr"]):
        result = run("show", "my-imgae", terminal=terminal)
        assert (result.code, result.stdout) == (3, "")
        assert result.stderr.splitlines()[1] == "hint: did you mean 'my-image'?"
    for reply in (Reply(cut="reset"), Reply(200, b"<html>"), Reply(400, {"__type": "AccessDeniedException"})):
        service.answer("ListImages", reply)
        result = run("show", "my-imgae")
        assert (result.code, result.stdout) == (3, "")
        assert "no image 'my-imgae' in us-east-1" in result.stderr
        assert "did you mean" not in result.stderr


def test_a_suggestion_takes_a_second_at_most(run: Run, service: Service) -> None:
    """A list that doesn't come is not waited for."""
    service.answer("ListImages", Reply(delay=20, carry_out=True))
    start = time.monotonic()
    assert "did you mean" not in run("show", "my-imgae").stderr
    assert time.monotonic() - start < 10


# An installation that is broken.


@pytest.mark.parametrize("missing", ["ssl", "botocore.session", "imagectl.aws.wire"])
def test_what_cannot_be_imported_is_told(service: Service, missing: str) -> None:
    """As with a Python that was built without TLS: a fault of the installation, and nothing was sent."""
    program = (
        "import sys; from imagectl.__main__ import run\n"
        "class Missing:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {missing!r}: raise ImportError('it is not there')\n"
        "sys.meta_path.insert(0, Missing); run()"
    )
    argv = [sys.executable, "-c", program, *UPDATE[3:]]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch("imagectl: error: unexpected ImportError: .*\n", done.stderr)
    assert service.received == []
