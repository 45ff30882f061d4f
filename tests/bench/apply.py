"""Bench: `imagectl apply` against loops over single calls, against a throttling service, and as fleets grow.

    python tests/bench/apply.py [--quick] [--only SECTION] [--plot FILE.svg] [--json FILE.json] [--aws PATH]

All against a small service on loopback, in a process of its own. Its replies take no time, so what is
measured is the client. Figures of one machine say little about another: what is compared is measured side
by side.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ACCOUNT = "123456789012"
IMAGECTL = [sys.executable, "-m", "imagectl"]


class Run(NamedTuple):
    """One measured command."""

    seconds: float
    code: int
    peak_mb: float
    cpu: float  # seconds of one core, which a busy machine doesn't lengthen


# The service, when this file is run with `serve`.


class Bucket:
    """What one account admits in one region: `rate` a second, and as many at once from full."""

    def __init__(self, rate: float) -> None:
        self.rate = self.tokens = rate
        self.last = 0.0

    def admits(self) -> bool:
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.rate, self.tokens + (now - (self.last or now)) * self.rate)
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Place:
    """One account's images in one region, by number, its token bucket, and counts."""

    def __init__(self, account: str, region: str, images: int, rate: float) -> None:
        prefix = f"arn:aws:sagemaker:{region}:{account}:image/"
        self.names = [f"image-{number}" for number in range(images)]
        self.images = {name: self._image(prefix, name) for name in self.names}
        self.bucket = Bucket(rate)
        self.applied: Counter[str] = Counter()

    def _image(self, prefix: str, name: str) -> dict[str, Any]:
        return {
            "ImageName": name,
            "ImageArn": f"{prefix}{name}",
            "ImageStatus": "CREATED",
            "CreationTime": 1750000000.0,
            "LastModifiedTime": 1750000000.0,
            "Description": f"{name} as it was",
        }


class Images:
    """All places. Whose request it is and where it goes is read off its signature."""

    def __init__(self) -> None:
        self.reset({})

    def reset(self, how: dict[str, Any]) -> None:
        self.images, self.rate = how.get("images", 0), float(how.get("rate", 0))
        self.places: dict[tuple[str, str], Place] = {}
        self.calls: Counter[str] = Counter()
        self.first, self.done = 0.0, 0.0

    def answer(
        self, operation: str, body: dict[str, Any], whose: tuple[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if whose not in self.places:
            self.places[whose] = Place(*whose, self.images, self.rate)
        place = self.places[whose]
        self.calls[operation] += 1
        if operation == "ListImages":
            start, size = int(body.get("NextToken", 0)), body.get("MaxResults", 10)
            more = {"NextToken": str(start + size)} if start + size < len(place.names) else {}
            return 200, {"Images": [place.images[n] for n in place.names[start : start + size]], **more}
        image = place.images[body["ImageName"]]
        if operation == "DescribeImage":
            return 200, image
        self.first = self.first or time.monotonic()
        if not place.bucket.admits():
            return 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}
        image["Description"] = body["Description"]
        place.applied[image["ImageName"]] += 1
        self.done = time.monotonic()
        return 200, {"ImageArn": image["ImageArn"]}

    def figures(self) -> dict[str, Any]:
        once = all(
            len(place.applied) == self.images and set(place.applied.values()) <= {1}
            for place in self.places.values()
        )
        requests = self.calls["UpdateImage"]
        return {
            "requests": requests,
            "reads": self.calls.total() - requests,
            "seconds": self.done - self.first,
            "once": once,
        }


def _whose(authorization: str) -> tuple[str, str]:
    """Account and region of a signed request: an access key of these benches ends in its account."""
    key, _, region, *_ = authorization.partition("credential=")[2].split("/")
    return key[-12:] if key[-12:].isdecimal() else ACCOUNT, region


async def _serve() -> None:
    images = Images()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                data = await reader.readexactly(int(headers.get("content-length", 0)))
                target = headers.get("x-amz-target", "")
                body = json.loads(data or b"{}")
                if target:
                    name = {"l": "ListImages", "d": "DescribeImage", "u": "UpdateImage"}[
                        target.split(".")[1][0]
                    ]
                    status, reply = images.answer(name, body, _whose(headers["authorization"]))
                elif head.startswith("post /reset"):
                    images.reset(body)
                    status, reply = 200, {}
                else:
                    status, reply = 200, images.figures()
                text = json.dumps(reply).encode()
                writer.write(
                    b"HTTP/1.1 %d OK\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: r\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (status, len(text), text)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# What is measured.


class Bench:
    """A running service, and commands pointed at it."""

    def __init__(self, url: str, directory: Path, aws: str | None) -> None:
        self.url, self.directory, self.aws = url, directory, aws
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCH0",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_SAGEMAKER": url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self, images: int, rate: float = 0) -> Path:
        """A fresh fleet; the manifest that changes all of it."""
        self._ask("/reset", {"images": images, "rate": rate})
        manifest = self.directory / "manifest.jsonl"
        entries = ({"ImageName": f"image-{n}", "Description": f"PyTorch 2.4 for {n}"} for n in range(images))
        manifest.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
        return manifest

    def figures(self) -> Any:
        return self._ask("/figures")

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data) as reply:
            return json.load(reply)

    def run(self, argv: Sequence[str]) -> Run:
        start = time.monotonic()
        with (self.directory / "out").open("wb") as out:
            process = subprocess.Popen(argv, env=self.env, stdout=out, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        seconds, process.returncode = time.monotonic() - start, os.waitstatus_to_exitcode(status)
        return Run(seconds, process.returncode, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)

    def apply(self, manifest: Path, *more: str) -> Run:
        return self.run([*IMAGECTL, "apply", str(manifest), "--yes", *more])

    def fleets(self, accounts: int, regions: int, images: int, rate: float) -> Path:
        """A fleet in every region of every account; the manifest of them all, account by account."""
        self._ask("/reset", {"images": images, "rate": rate})
        numbers = [f"{number:012}" for number in range(1, accounts + 1)]
        config = self.directory / "config"
        config.write_text(
            "".join(
                f"[profile p{n}]\naws_access_key_id = AKIA{n}\naws_secret_access_key = s\n" for n in numbers
            )
        )
        self.env["AWS_CONFIG_FILE"] = str(config)
        manifest = self.directory / "fleets.jsonl"
        with manifest.open("w") as file:
            for n in numbers:
                for region in range(regions):
                    there = {"Profile": f"p{n}", "Region": f"us-east-{region + 1}", "Description": "new"}
                    for image in range(images):
                        file.write(f"{json.dumps({'ImageName': f'image-{image}', **there})}\n")
        return manifest

    def parted(self, manifest: Path, of: int) -> list[list[str]]:
        """What so many processes are given, each with whole accounts: a manifest of its own."""
        lines, parts = manifest.read_text().splitlines(keepends=True), []
        for part in range(of):
            path = self.directory / f"part-{part}.jsonl"
            path.write_text("".join(lines[part * len(lines) // of : (part + 1) * len(lines) // of]))
            parts.append([str(path)])
        return parts

    def together(self, parts: Sequence[Sequence[str]], *more: str) -> list[Run]:
        """An apply of each part, side by side; the seconds are of all."""
        start, processes = time.monotonic(), []
        for part in parts:
            argv = [*IMAGECTL, "apply", *part, "--yes", *more]
            processes.append(subprocess.Popen(argv, env=self.env, stdout=subprocess.DEVNULL))
        ended = [os.wait4(process.pid, 0) for process in processes]
        seconds, runs = time.monotonic() - start, []
        for process, (_, status, usage) in zip(processes, ended, strict=True):
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu = usage.ru_utime + usage.ru_stime
            runs.append(Run(seconds, process.returncode, usage.ru_maxrss / 1024, cpu))
        return runs

    def loop(self, images: int, parallel: int, command: str) -> Run:
        """`xargs -P` around one command per image; {} is the name."""
        names = f"seq -f 'image-%.0f' 0 {images - 1}"
        return self.run(["/bin/sh", "-c", f"{names} | xargs -P {parallel} -I{{}} {command}"])


def compare(bench: Bench, images: int) -> list[dict[str, Any]]:
    """All images of a fleet, by one apply and by loops over single calls."""
    one = f"{' '.join(IMAGECTL)} update {{}} --description 'PyTorch 2.4'"
    ways = {f"xargs -P {n}, imagectl update": (n, one) for n in (2, 8)}
    if bench.aws:
        call = "sagemaker update-image --image-name {} --description 'PyTorch 2.4'"
        aws = f"{bench.aws} --endpoint-url {bench.url} {call}"
        ways = {f"xargs -P {n}, AWS CLI": (n, aws) for n in (2, 8)} | ways
    found = []
    for what, (parallel, command) in ways.items():
        bench.reset(images)
        found.append(_row(what, images, bench.loop(images, parallel, command), bench.figures()))
    for more in ((), ("--rollback-file",)):
        manifest = bench.reset(images)
        undo = bench.directory / "undo"
        undo.unlink(missing_ok=True)
        run = bench.apply(manifest, *more, *([str(undo)] if more else []))
        found.append(_row(" ".join(["imagectl apply", *more]), images, run, bench.figures()))
    return found


def _row(what: str, images: int, run: Run, figures: dict[str, Any]) -> dict[str, Any]:
    assert figures["once"], f"{what}: not every image was updated exactly once"
    return {"what": what, "images": images, "seconds": run.seconds, "per second": images / run.seconds}


_LOOP = """
import sys
from concurrent.futures import ThreadPoolExecutor
import boto3, botocore.config
mode, attempts, images = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = botocore.config.Config(retries={"mode": mode, "total_max_attempts": attempts})
client = boto3.client("sagemaker", config=config)
def update(n):
    try:
        client.update_image(ImageName=f"image-{n}", Description=f"PyTorch 2.4 for {n}")
    except client.exceptions.ClientError:
        pass
with ThreadPoolExecutor(8) as pool:
    list(pool.map(update, range(images)))
"""


def throttled(bench: Bench, rates: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Against a token bucket that admits `rate` a second and as many at once, from full."""
    found = []
    for rate in rates:
        images = round(rate * seconds)
        ways = {
            "imagectl apply": None,
            "botocore, adaptive, 3 attempts": ("adaptive", "3"),
            "botocore, adaptive, 10 attempts": ("adaptive", "10"),
            "botocore, standard, 10 attempts": ("standard", "10"),
        }
        for what, retries in ways.items():
            manifest = bench.reset(images, rate)
            if retries is None:
                bench.apply(manifest)
            else:
                bench.run([sys.executable, "-c", _LOOP, *retries, str(images)])
            figures = bench.figures()
            found.append(
                {
                    "what": what,
                    "admitted per second": rate,
                    "images": images,
                    # Of what the bucket admits after its burst, from the first request to the last admitted.
                    "share of the admitted rate": (images - rate) / rate / figures["seconds"],
                    "requests per update": figures["requests"] / images,
                    "each once": figures["once"],
                }
            )
    return found


def growth(bench: Bench, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Time, memory and requests as fleets grow, with everything to change and then with nothing."""
    found = []
    for size in sizes:
        manifest = bench.reset(size)
        first, once = bench.apply(manifest), bench.figures()
        again, twice = bench.apply(manifest), bench.figures()
        assert (first.code, again.code, twice["once"]) == (0, 0, True)
        row = {"images": size, "seconds": first.seconds, "per second": size / first.seconds}
        row |= {"CPU ms per update": 1000 * first.cpu / size, "peak MB": first.peak_mb}
        row |= {"updates": once["requests"], "reads": once["reads"]}
        found.append({**row, "seconds, unchanged": again.seconds, "peak MB, unchanged": again.peak_mb})
    return found


def accounts(
    bench: Bench, accounts: int, regions: int, images: int, rate: float, ways: Sequence[tuple[int, str]]
) -> list[dict[str, Any]]:
    """A fleet in each region of each account, all of which admit `rate` a second; by so many processes.

    They part it by `--shard`, so that each place is shared by all, or by account, so that it is one's alone.
    """
    found = []
    for of, how in ways:
        manifest = bench.fleets(accounts, regions, images, rate)
        shards = [[str(manifest), "--shard", f"{part}/{of}"] for part in range(1, of + 1)]
        parts = bench.parted(manifest, of) if how == "by account" else shards
        runs = bench.together(parts, "--concurrency", "64")
        figures = bench.figures()
        assert not any(run.code for run in runs), runs
        places = accounts * regions
        found.append(
            {
                "processes": of,
                "how": how,
                "places": places,
                "images": places * images,
                "seconds": runs[0].seconds,
                "CPU ms per update": 1000 * sum(run.cpu for run in runs) / (places * images),
                # From the first update to the last, of what is admitted after the burst in all buckets.
                "share of the admitted rate": (images - rate) / rate / figures["seconds"],
                "updates": figures["requests"],
                "each once": figures["once"],
                "peak MB of a process": max(run.peak_mb for run in runs),
            }
        )
    return found


# What is shown.


def table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"\n{title}\n")
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, line in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 100
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def plot(path: str, results: dict[str, list[dict[str, Any]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    panels = {"compare": _bars, "throttled": _shares, "growth": _curves, "accounts": _processes}
    drawn = [name for name in panels if results.get(name)]
    figure, axes = plt.subplots(
        1, len(drawn), figsize=(5 * len(drawn), 4.2), layout="constrained", squeeze=False
    )
    for name, axis in zip(drawn, axes[0], strict=True):
        panels[name](axis, results[name])
    figure.savefig(path)


def _bars(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    bars = axis.barh([row["what"] for row in rows], [row["seconds"] for row in rows], color="#4c72b0")
    axis.bar_label(bars, fmt="%.1f s", padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set(title=f"{rows[0]['images']} updates", xlabel="seconds")


def _shares(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    for what in dict.fromkeys(row["what"] for row in rows):
        mine = [row for row in rows if row["what"] == what]
        rates = [row["admitted per second"] for row in mine]
        axis.plot(rates, [row["share of the admitted rate"] for row in mine], marker="o", label=what)
    axis.axhline(0.95, color="grey", linestyle=":")
    axis.set(title="Throttled", xlabel="requests per second that are admitted", ylabel="share achieved")
    axis.set(ylim=(0, 1.05))
    axis.legend(fontsize="small")


def _curves(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    sizes = [row["images"] for row in rows]
    for key, label, style in (
        ("seconds", "all change, s", {"marker": "o"}),
        ("seconds, unchanged", "none changes, s", {"marker": "o"}),
        ("peak MB", "peak, MB", {"marker": "s", "color": "grey"}),
    ):
        axis.plot(sizes, [row[key] for row in rows], label=label, **style)
    axis.set(title="Growth", xlabel="images", xscale="log", yscale="log")
    axis.legend(fontsize="small")


def _processes(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    what = [f"{row['processes']} {row['how']}" for row in rows]
    bars = axis.bar(what, [row["share of the admitted rate"] for row in rows], color="#4c72b0")
    axis.bar_label(bars, fmt="%.2f", padding=3)
    axis.axhline(0.95, color="grey", linestyle=":")
    axis.set(title=f"{rows[0]['places']} places, {rows[0]['images']} images", xlabel="processes")
    axis.set(ylabel="share of the admitted rate", ylim=(0, 1.05))


@contextmanager
def service() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small fleets: to see that all works")
    parser.add_argument(
        "--only", metavar="SECTION", action="append", help="compare, throttled, growth, accounts"
    )
    parser.add_argument("--plot", metavar="FILE", help="SVG or PNG")
    parser.add_argument("--json", metavar="FILE", help="the figures")
    parser.add_argument("--aws", default=shutil.which("aws"), help="the AWS CLI to compare with")
    options = parser.parse_args()
    with service() as url, tempfile.TemporaryDirectory() as directory:
        bench = Bench(url, Path(directory), options.aws)
        bench.apply(bench.reset(1))  # leaves the cut service model, as on any machine in use
        quick, ways = options.quick, ((1, ""), (2, "--shard"), (2, "by account"))
        sections: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
            "compare": (
                "One apply, and loops over single calls",
                lambda: compare(bench, 8 if quick else 100),
            ),
            "throttled": (
                "Against a token bucket",
                lambda: throttled(bench, (20,) if quick else (5, 20, 50), 3 if quick else 20),
            ),
            "growth": (
                "As fleets grow",
                lambda: growth(bench, (10, 100) if quick else (100, 1000, 10_000, 100_000)),
            ),
            "accounts": (
                "Many accounts and regions, each with a token bucket",
                lambda: accounts(bench, *((2, 2, 10, 5, ways) if quick else (10, 10, 100, 10, ways))),
            ),
        }
        results = {}
        for name in options.only or sections:
            title, measure = sections[name]
            results[name] = measure()
            table(title, results[name])
    if options.json:
        Path(options.json).write_text(f"{json.dumps(results, indent=2)}\n")
    if options.plot:
        plot(options.plot, results)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(_serve())
    else:
        main()
