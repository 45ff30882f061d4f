"""How long imagectl takes for one call and to start, beside AWS CLI v2, boto3 and the bare interpreter.

    python -m tests.bench [--rounds N] [--quick] [--clean] [--plot FILE]

Whole processes, run in turn against one endpoint on loopback. Prints Markdown for the README: medians,
ratios and targets, peak memory, what was measured and where. Tells what it finds and judges nothing: a
slow machine is no failure. tests/test_imports.py holds what makes it fast.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from .measure import (
    AwsCli,
    Command,
    Environment,
    Measured,
    Panel,
    clean_environment,
    clean_install,
    endpoint,
    find_aws_cli,
    home,
    in_turn,
    machine,
    markdown,
    plot,
    tell,
    this_environment,
    versions,
)

IMAGECTL, AWS, BOTO3, PYTHON = "imagectl", "AWS CLI v2", "boto3", "python"
UPDATE, SHOW, LIST = "update", "show", "list"
COLD = "update, cold"
REJECTED, VERSION, HELP = "rejected input", "--version", "--help"
BARE = "nothing"

CALLS = {
    UPDATE: (
        ("update", "bench-0", "--description", "x"),
        ("update-image", "--image-name", "bench-0", "--description", "x"),
        "client.update_image(ImageName='bench-0', Description='x')",
    ),
    SHOW: (
        ("show", "bench-0"),
        ("describe-image", "--image-name", "bench-0"),
        "client.describe_image(ImageName='bench-0')",
    ),
    LIST: (("list",), ("list-images",), "client.list_images()"),
}
# What needs no call, and its exit code; of AWS CLI v2 its own start, `aws --version`, stands beside all.
STARTS: dict[str, tuple[tuple[str, ...], int]] = {
    REJECTED: (("update", "a_b", "--description", "x"), 2),
    VERSION: (("--version",), 0),
    HELP: (("update", "--help"), 0),
}
# At most that share of AWS CLI v2's time, and of the time of three lines of boto3.
TARGETS: dict[str, tuple[float, float | None]] = {
    **dict.fromkeys(CALLS, (0.40, 0.70)),
    **dict.fromkeys(STARTS, (0.15, None)),
}
COLD_TARGET = 1.10  # of the time in a home where it ran before


class Key(NamedTuple):
    """A task, and which program does it."""

    task: str
    program: str


Results = Mapping[Key, Measured]


def commands(environment: Environment, aws: AwsCli | None, url: str) -> list[Command]:
    """All that is measured."""
    found = [Command(BARE, PYTHON, (environment.python, "-c", "pass"))]
    for task, (ours, theirs, line) in {**CALLS, COLD: CALLS[UPDATE]}.items():
        cold = task == COLD
        found.append(Command(task, IMAGECTL, (environment.imagectl, *ours), cold=cold))
        script = f"import boto3\nclient = boto3.client('sagemaker')\n{line}"
        found.append(Command(task, BOTO3, (environment.python, "-c", script), cold=cold))
        if aws:
            call = (aws.path, "sagemaker", *theirs, "--endpoint-url", url)
            found.append(Command(task, AWS, call, cold=cold))
    for task, (ours, code) in STARTS.items():
        found.append(Command(task, IMAGECTL, (environment.imagectl, *ours), code))
    if aws:
        found.append(Command(VERSION, AWS, (aws.path, "--version")))
    return found


def beside(results: Results, task: str, program: str) -> Measured | None:
    """What imagectl's `task` is compared with."""
    own = results.get(Key(task, program))
    return own or (results.get(Key(VERSION, program)) if task in STARTS else None)


def report(results: Results) -> str:
    """The medians and their ratios with the targets; the first run on a machine; then the peak memory."""
    times, memory = [], []
    for task, targets in TARGETS.items():
        ours = results[Key(task, IMAGECTL)]
        row, peaks = [f"`{task}`" if task != REJECTED else task, _ms(ours)], [_mib(ours)]
        for program, target in zip((AWS, BOTO3), targets, strict=True):
            other = beside(results, task, program)
            row += [_ms(other), _ratio(ours, other, target)]
            peaks.append(_mib(other))
        times.append(row)
        memory.append([row[0], *peaks])
    bare = results[Key(BARE, PYTHON)]
    times.append(["the bare interpreter", _ms(bare), "", "", "", ""])
    memory.append(["the bare interpreter", _mib(bare), "", ""])
    headings = ["", IMAGECTL, AWS, "ratio (target)", BOTO3, "ratio (target)"]
    return "\n".join(
        (
            markdown(headings, times),
            "",
            markdown(["`update`", "warm", "cold: in an empty home", "ratio (target)"], _colds(results)),
            "",
            markdown(["peak memory", IMAGECTL, AWS, BOTO3], memory),
        )
    )


def _colds(results: Results) -> list[list[str]]:
    rows = []
    for program in (IMAGECTL, AWS, BOTO3):
        warm, cold = results.get(Key(UPDATE, program)), results.get(Key(COLD, program))
        if warm and cold:
            target = COLD_TARGET if program == IMAGECTL else None
            rows.append([program, _ms(warm), _ms(cold), _ratio(cold, warm, target)])
    return rows


def _ms(measured: Measured | None) -> str:
    return f"{measured.seconds * 1000:.0f} ms" if measured else ""


def _mib(measured: Measured | None) -> str:
    return f"{measured.peak:.0f} MiB" if measured else ""


def _ratio(ours: Measured, other: Measured | None, target: float | None) -> str:
    if other is None:
        return ""
    goal = f" (≤ {target:.2f})" if target else ""
    return f"{ours.seconds / other.seconds:.2f}{goal}"


def missed(results: Results) -> list[str]:
    """The targets that these results don't reach."""
    found = []
    for task, targets in TARGETS.items():
        ours = results[Key(task, IMAGECTL)]
        for program, target in zip((AWS, BOTO3), targets, strict=True):
            other = beside(results, task, program)
            if other and target and ours.seconds > target * other.seconds:
                ratio = ours.seconds / other.seconds
                found.append(f"{task}: {ratio:.2f} of {program}, to be at most {target:.2f}")
    cold, warm = results[Key(COLD, IMAGECTL)].seconds, results[Key(UPDATE, IMAGECTL)].seconds
    if cold > COLD_TARGET * warm:
        found.append(f"{COLD}: {cold / warm:.2f} of warm, to be at most {COLD_TARGET:.2f}")
    ours, lines = results[Key(UPDATE, IMAGECTL)], results[Key(UPDATE, BOTO3)]
    if ours.peak >= lines.peak:
        found.append(f"update: {ours.peak:.0f} MiB, to be below {BOTO3}'s {lines.peak:.0f} MiB")
    return found


def panels(results: Results) -> list[Panel]:
    """The results as charts: time, and peak memory of the calls."""
    shown = dict.fromkeys(CALLS, (IMAGECTL, BOTO3, AWS)) | dict.fromkeys(STARTS, (IMAGECTL, AWS))
    times: dict[str, dict[str, tuple[float, tuple[float, float]]]] = {}
    memory: dict[str, dict[str, tuple[float, tuple[float, float]]]] = {}
    for task, programs in shown.items():
        for program in programs:
            found = beside(results, task, program)
            if found is None:
                continue
            low, high = found.spread
            times.setdefault(task, {})[program] = found.seconds * 1000, (low * 1000, high * 1000)
            if task in CALLS:
                memory.setdefault(task, {})[program] = found.peak, (found.peak, found.peak)
    bare = results[Key(BARE, PYTHON)]
    low, high = bare.spread
    times["bare interpreter"] = {PYTHON: (bare.seconds * 1000, (low * 1000, high * 1000))}
    memory["bare interpreter"] = {PYTHON: (bare.peak, (bare.peak, bare.peak))}
    return [Panel("Time, from start to end of the process", "ms", times), Panel("Peak memory", "MiB", memory)]


def caption(environment: Environment, aws: AwsCli | None, rounds: int) -> str:
    """What was measured, on what, and when."""
    found = versions(environment.python, "imagectl", "botocore", "boto3", "typer")
    if aws:
        found[AWS] = aws.version
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    note = ", and stand beside `aws --version`" if aws else ""
    return (
        f"{datetime.now(tz=UTC):%Y-%m-%d}; {listed}; {machine()}. Medians of {rounds} rounds run in turn,"
        f" whole processes, against one endpoint on loopback. {BOTO3}: three lines of Python."
        f" A {REJECTED}, {VERSION} and {HELP} make no call{note}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=21, metavar="N", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="3 rounds: a look, no measurement")
    parser.add_argument("--clean", action="store_true", help="install a wheel into a new environment first")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the result: .svg or .png")
    asked = parser.parse_args()
    rounds = 3 if asked.quick else asked.rounds
    if rounds < 1:
        parser.error("--rounds: at least 1")
    if asked.plot and asked.plot.suffix not in {".svg", ".png"}:
        parser.error("--plot: a .svg or .png file")

    with ExitStack() as stack:
        place = stack.enter_context(home())
        environment = clean_install(Path(place, "venv")) if asked.clean else this_environment()
        if not Path(environment.imagectl).exists():
            parser.error("imagectl is not installed in this environment: install it, or use --clean")
        aws = find_aws_cli()
        if aws is None:
            tell(f"{AWS} is not on PATH: left out\n")
        url = stack.enter_context(endpoint())
        measured = in_turn(
            commands(environment, aws, url), rounds=rounds, environment=clean_environment(place, url)
        )
        about = caption(environment, aws, rounds)
    results = {Key(command.task, command.program): found for command, found in measured.items()}
    print(report(results))
    print(f"\n{about}\n")
    short = missed(results)
    print("All targets are reached." if not short else "\n".join(("Targets not reached:", *short)))
    if asked.plot:
        try:
            plot(asked.plot, "imagectl beside what else updates an image", panels(results), about)
        except ModuleNotFoundError as exc:
            tell(f"no plot: {exc}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
