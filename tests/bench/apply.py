"""Bench: `imagectl apply` against loops over single calls, against a throttling service, and as fleets grow.

    python tests/bench/apply.py [--quick] [--plot FILE.svg] [--json FILE.json] [--aws PATH]

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
from collections.abc import Iterator, Sequence
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


# The service, when this file is run with `serve`.


class Images:
    """Images by number, a token bucket, and counts."""

    def __init__(self) -> None:
        self.reset({})

    def reset(self, how: dict[str, Any]) -> None:
        names = [f"image-{number}" for number in range(how.get("images", 0))]
        self.images = {name: self._image(name) for name in names}
        self.names = names
        self.rate = self.tokens = float(how.get("rate", 0))
        self.last = 0.0
        self.applied: Counter[str] = Counter()
        self.requests, self.first, self.done = 0, 0.0, 0.0

    def _image(self, name: str) -> dict[str, Any]:
        return {
            "ImageName": name,
            "ImageArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:image/{name}",
            "ImageStatus": "CREATED",
            "CreationTime": 1750000000.0,
            "LastModifiedTime": 1750000000.0,
            "Description": f"{name} as it was",
        }

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

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "ListImages":
            start, size = int(body.get("NextToken", 0)), body.get("MaxResults", 10)
            more = {"NextToken": str(start + size)} if start + size < len(self.names) else {}
            return 200, {"Images": [self.images[n] for n in self.names[start : start + size]], **more}
        image = self.images[body["ImageName"]]
        if operation == "DescribeImage":
            return 200, image
        self.requests += 1
        self.first = self.first or time.monotonic()
        if not self.admits():
            return 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}
        image["Description"] = body["Description"]
        self.applied[image["ImageName"]] += 1
        self.done = time.monotonic()
        return 200, {"ImageArn": image["ImageArn"]}

    def figures(self) -> dict[str, Any]:
        once = len(self.applied) == len(self.images) and set(self.applied.values()) <= {1}
        return {"requests": self.requests, "seconds": self.done - self.first, "once": once}


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
                    status, reply = images.answer(name, body)
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
        return Run(seconds, process.returncode, usage.ru_maxrss / 1024)

    def apply(self, manifest: Path, *more: str) -> Run:
        return self.run([*IMAGECTL, "apply", str(manifest), "--yes", *more])

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
    """Time and memory as fleets grow, with everything to change and then with nothing."""
    found = []
    for size in sizes:
        manifest = bench.reset(size)
        first, again = bench.apply(manifest), bench.apply(manifest)
        assert (first.code, again.code, bench.figures()["once"]) == (0, 0, True)
        row = {"images": size, "seconds": first.seconds, "per second": size / first.seconds}
        found.append({**row, "peak MB": first.peak_mb, "seconds, unchanged": again.seconds})
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
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    rows = results["compare"]
    bars = left.barh([row["what"] for row in rows], [row["seconds"] for row in rows], color="#4c72b0")
    left.bar_label(bars, fmt="%.1f s", padding=3)
    left.invert_yaxis()
    left.margins(x=0.15)
    left.set(title=f"{rows[0]['images']} updates", xlabel="seconds")
    for what in dict.fromkeys(row["what"] for row in results["throttled"]):
        mine = [row for row in results["throttled"] if row["what"] == what]
        rates = [row["admitted per second"] for row in mine]
        middle.plot(rates, [row["share of the admitted rate"] for row in mine], marker="o", label=what)
    middle.axhline(0.95, color="grey", linestyle=":")
    middle.set(title="Throttled", xlabel="requests per second that are admitted", ylabel="share achieved",
               ylim=(0, 1.05))  # fmt: skip
    middle.legend(fontsize="small")
    sizes = [row["images"] for row in results["growth"]]
    right.plot(sizes, [row["seconds"] for row in results["growth"]], marker="o", label="all change, s")
    right.plot(
        sizes, [row["seconds, unchanged"] for row in results["growth"]], marker="o", label="none changes, s"
    )
    right.plot(
        sizes, [row["peak MB"] for row in results["growth"]], marker="s", color="grey", label="peak, MB"
    )
    right.set(title="Growth", xlabel="images", xscale="log", yscale="log")
    right.legend(fontsize="small")
    figure.savefig(path)


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
    parser.add_argument("--plot", metavar="FILE", help="SVG or PNG")
    parser.add_argument("--json", metavar="FILE", help="the figures")
    parser.add_argument("--aws", default=shutil.which("aws"), help="the AWS CLI to compare with")
    options = parser.parse_args()
    with service() as url, tempfile.TemporaryDirectory() as directory:
        bench = Bench(url, Path(directory), options.aws)
        bench.apply(bench.reset(1))  # leaves the cut service model, as on any machine in use
        quick = options.quick
        results = {
            "compare": compare(bench, 8 if quick else 100),
            "throttled": throttled(bench, (20,) if quick else (5, 20, 50), 3 if quick else 20),
            "growth": growth(bench, (10, 100) if quick else (100, 300, 1000, 3000, 10_000)),
        }
    table("One apply, and loops over single calls", results["compare"])
    table("Against a token bucket", results["throttled"])
    table("As fleets grow", results["growth"])
    if options.json:
        Path(options.json).write_text(f"{json.dumps(results, indent=2)}\n")
    if options.plot:
        plot(options.plot, results)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(_serve())
    else:
        main()
