"""What the benchmarks share: commands run in turn, their medians and peak memory, tables and plots.

Whole processes are measured, as who types the command waits for them: from their start to their end.
"""

import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120  # seconds for one command: far above any, so that nothing hangs for ever

# Runs one command and prints its seconds, peak memory and exit code. It is a bare interpreter, because a
# process's peak memory counts that of the process which spawned it, and ours is a larger one.
_LAUNCHER = """
import posix, sys, time
actions = [
    (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
    (posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0),
]
start = time.perf_counter()
pid = posix.posix_spawn(sys.argv[1], sys.argv[1:], posix.environ, file_actions=actions)
_, status, usage = posix.wait4(pid, 0)
seconds = time.perf_counter() - start
print(seconds, usage.ru_maxrss, posix.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to be measured: what it does, who does it, and the exit code that it has to give."""

    task: str
    program: str
    argv: tuple[str, ...]
    code: int = 0
    cold: bool = False  # with a home of its own, in which nothing was ever kept


class Sample(NamedTuple):
    """One run: seconds from start to end, and peak memory in MiB."""

    seconds: float
    peak: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a command's runs."""

    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        """The median of the runs."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The seconds between which the middle half of the runs lies."""
        if len(self.samples) < 2:
            return self.seconds, self.seconds
        low, _, high = statistics.quantiles((s.seconds for s in self.samples), n=4, method="inclusive")
        return low, high

    @property
    def peak(self) -> float:
        """The median of the runs' peak memory in MiB."""
        return statistics.median(sample.peak for sample in self.samples)


def run_once(command: Command, environment: Mapping[str, str]) -> Sample:
    """Run `command`, without input and its output dropped. Raises RuntimeError where it exits otherwise."""
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command.argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=environment["HOME"],
        start_new_session=True,
        text=True,
    )
    try:
        out, err = launcher.communicate(timeout=TIMEOUT)
    except BaseException:
        os.killpg(launcher.pid, signal.SIGKILL)  # the command too, not only who launched it
        launcher.communicate()
        raise
    if launcher.returncode:
        raise RuntimeError(f"{' '.join(command.argv)} could not be run\n{err}")
    seconds, peak, code = out.split()
    if int(code) != command.code:
        raise RuntimeError(f"{' '.join(command.argv)} exited with {code}, not {command.code}\n{err}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Sample(float(seconds), int(peak) / unit)


def in_turn(
    commands: Sequence[Command], *, rounds: int, environment: Mapping[str, str]
) -> dict[Command, Measured]:
    """Measure `commands` side by side: each once per round, each round beginning with another one.

    A first round is not counted: it leaves byte code and caches as a user's second run finds them.
    """
    samples: dict[Command, list[Sample]] = {command: [] for command in commands}

    def sample(command: Command) -> Sample:
        if not command.cold:
            return run_once(command, environment)
        with home() as fresh:
            return run_once(command, {**environment, "HOME": fresh})

    for number in range(-1, rounds):
        first = max(number, 0) % len(commands)
        for command in (*commands[first:], *commands[:first]):
            found = sample(command)
            if number >= 0:
                samples[command].append(found)
        if sys.stderr.isatty():
            tell(f"\rround {number + 1} of {rounds}{'' if number + 1 < rounds else chr(10)}")
    return {command: Measured(tuple(all_)) for command, all_ in samples.items()}


def tell(text: str) -> None:
    """Something for who waits, beside the result."""
    sys.stderr.write(text)
    sys.stderr.flush()


def clean_environment(home: str, endpoint_url: str) -> dict[str, str]:
    """A user's environment without this machine's settings, which calls the loopback endpoint."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": home,
        "AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCH0",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-benchmarks",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SAGEMAKER": endpoint_url,
    }


@contextmanager
def endpoint(*, images: int = 1, delay: float = 0) -> Iterator[str]:
    """The URL of an endpoint on loopback with `bench-0` and so on, which takes `delay` seconds to reply."""
    program = [sys.executable, str(Path(__file__).with_name("endpoint.py"))]
    with subprocess.Popen(
        [*program, "--images", str(images), "--delay", str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()  # which is what it waits for


@contextmanager
def home() -> Iterator[str]:
    """A home directory for as long as it takes."""
    with tempfile.TemporaryDirectory(prefix="imagectl-bench-") as directory:
        yield directory


class AwsCli(NamedTuple):
    """AWS CLI v2, where it was found."""

    path: str
    version: str


def find_aws_cli() -> AwsCli | None:
    """The first `aws` on PATH that says of itself that it is version 2."""
    for directory in os.get_exec_path():
        path = shutil.which("aws", path=directory)
        if path is None:
            continue
        try:
            told = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        name, _, version = told.stdout.partition(" ")[0].partition("/")
        if name == "aws-cli" and version.startswith("2."):
            return AwsCli(path, version)
    return None


class Environment(NamedTuple):
    """A Python environment that holds imagectl."""

    python: str
    imagectl: str


def this_environment() -> Environment:
    """The one that this program runs in."""
    return Environment(sys.executable, str(Path(sysconfig.get_path("scripts"), "imagectl")))


def clean_install(directory: Path) -> Environment:
    """A new one in `directory` with nothing but imagectl, from a wheel as users install it."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = directory / "wheel"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for arguments in (["wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)], ["install"]):
        if arguments == ["install"]:
            arguments += [str(wheel) for wheel in wheels.iterdir()]
        subprocess.run([*pip, *arguments], env=environment, check=True)
    return Environment(str(python), str(directory / "bin" / "imagectl"))


def versions(python: str, *packages: str) -> dict[str, str]:
    """The versions of `packages` in the environment of `python`, those that are there, and its own."""
    script = (
        "import sys, platform, importlib.metadata as m\n"
        "print('Python', platform.python_version())\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    told = subprocess.run(
        [python, "-c", script, *packages], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    return dict(line.split(" ", 1) for line in told.stdout.splitlines())


def machine() -> str:
    """What it was measured on, without this machine's name."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are aligned to the right."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [headings, rule, *rows]
    return "\n".join(
        f"| {' | '.join(c.rjust(w) if n else c.ljust(w) for n, (c, w) in enumerate(cells))} |"
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: for each task, for each program the value and between what it varies."""

    title: str
    unit: str
    tasks: Mapping[str, Mapping[str, tuple[float, tuple[float, float]]]]


# Colours that people with any colour vision can tell apart (Okabe and Ito's).
COLORS = {"imagectl": "#0072B2", "boto3": "#E69F00", "AWS CLI v2": "#999999", "python": "#DDDDDD"}


def plot(file: Path, title: str, panels: Sequence[Panel], caption: str) -> None:
    """Draw `panels` below each other as horizontal bars from zero, SVG or PNG by the file's suffix.

    Raises ModuleNotFoundError without matplotlib. Not before all is measured: it makes this process large.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "imagectl"  # the same measures give the same file
    from matplotlib import pyplot as plt

    bars = [sum(len(programs) + 1 for programs in panel.tasks.values()) for panel in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(9, 0.22 * sum(bars) + 1.1 * len(panels) + 0.6),
        height_ratios=bars,
        layout="constrained",
        squeeze=False,
    )
    legend: dict[str, Any] = {}
    for panel, (axis,) in zip(panels, axes, strict=True):
        _draw(axis, panel)
        legend.update(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    figure.legend(
        legend.values(),
        legend.keys(),
        loc="outside upper right",
        ncols=len(legend),
        fontsize=9,
        handlelength=1,
        columnspacing=1.2,
        frameon=False,
    )
    figure.text(0.01, -0.01, caption, ha="left", va="top", size=8, color="#444444", wrap=True)
    metadata = {"Date": None} if file.suffix == ".svg" else None
    figure.savefig(file, dpi=150, bbox_inches="tight", metadata=metadata)
    plt.close(figure)


def _draw(axis: Any, panel: Panel) -> None:
    position, ticks = 0.0, []
    for task, programs in panel.tasks.items():
        ticks.append((position + (len(programs) - 1) / 2, task))
        for program, (value, (low, high)) in programs.items():
            axis.barh(position, value, height=0.9, color=COLORS.get(program, "#009E73"), label=program)
            axis.plot([low, high], [position, position], color="#222222", linewidth=1)
            axis.annotate(
                f"{value:.0f} {panel.unit}",
                (max(value, high), position),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                size=8,
            )
            position += 1
        position += 1
    axis.set_yticks([at for at, _ in ticks], [task for _, task in ticks])
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.margins(x=0.1, y=0.01)
    axis.set_xlim(left=0)
    axis.set_xlabel(panel.unit)
    axis.set_title(panel.title, loc="left", size=10)
    axis.spines[["top", "right", "left"]].set_visible(False)
