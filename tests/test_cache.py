"""The user's cache: private files, no trust in what others may write, and no harm where there is none."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import imagectl
from imagectl.cache import LARGEST, cache_dir, read_private, write_private

CACHE = "Library/Caches/imagectl" if sys.platform == "darwin" else ".cache/imagectl"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache directory that doesn't exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def path(cache: Path) -> Path:
    """A file in it as `write_private` leaves it."""
    assert write_private(cache / "names", b"own")
    return cache / "names"


def test_private_files_come_back_as_written(cache: Path) -> None:
    """What is put there is had again, also over an old one; unless it is too large."""
    path = cache / "names"
    assert read_private(path) is None
    for data in (b"one", b"", b"\x00" * LARGEST):
        assert write_private(path, data)
        assert read_private(path) == data
    assert write_private(path, b"\x00" * (LARGEST + 1))
    assert read_private(path) is None
    assert list(cache.iterdir()) == [path]


def test_files_are_private(cache: Path) -> None:
    """Directory 0700 and file 0600, whatever the umask, and nothing else left beside it."""
    before = os.umask(0)
    try:
        assert write_private(cache / "names", b"own")
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in cache.iterdir()] == [0o600]


# Distrust


def symlink(path: Path) -> None:
    real = path.rename(path.parent.parent / "real")
    path.symlink_to(real)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def group_writable(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def world_writable(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def large(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(LARGEST + 1)


def foreign(path: Path) -> None:
    os.chown(path, 4242, -1)


def in_a_group_writable_directory(path: Path) -> None:
    group_writable(path.parent)


def in_a_foreign_directory(path: Path) -> None:
    foreign(path.parent)


def in_a_linked_directory(path: Path) -> None:
    real = path.parent.rename(path.parent.with_name("real"))
    path.parent.symlink_to(real)


@pytest.mark.parametrize(
    "spoil",
    [
        *(symlink, dangling, fifo, group_writable, world_writable, large),
        pytest.param(foreign, marks=AS_ROOT),
    ],
)
def test_a_file_that_others_may_have_written_is_not_read(path: Path, spoil: Callable[[Path], None]) -> None:
    """It is as if there were none, and a new one can take its place."""
    spoil(path)
    assert read_private(path) is None
    assert write_private(path, b"new")
    assert read_private(path) == b"new"
    assert stat.S_ISREG(path.lstat().st_mode)


def directory_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def file_for_a_directory(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.touch(0o600)


@pytest.mark.parametrize(
    "spoil",
    [
        *(directory_in_its_place, file_for_a_directory, in_a_linked_directory, in_a_group_writable_directory),
        pytest.param(in_a_foreign_directory, marks=AS_ROOT),
    ],
)
def test_a_directory_that_is_not_private_is_left_alone(path: Path, spoil: Callable[[Path], None]) -> None:
    """Nothing is read from there and nothing written."""
    spoil(path)
    before = sorted(path.parent.parent.rglob("*"))
    assert read_private(path) is None
    assert not write_private(path, b"new")
    assert sorted(path.parent.parent.rglob("*")) == before


# Homes


def test_the_cache_lies_where_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under XDG_CACHE_HOME where it is set, else in the home; asking for it makes nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / CACHE
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_dir() == tmp_path / "x/imagectl"
    assert not list(tmp_path.iterdir())


def without_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody(_: int) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)


def home_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))


def home_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "not/there"))


def home_that_nobody_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Not even root, whom permissions don't stop.
    home = Path("/proc") if sys.platform == "linux" else tmp_path / "closed"
    if sys.platform != "linux":
        home.mkdir(0o500)
    monkeypatch.setenv("HOME", str(home))


def cache_of_another_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 4242, -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "home",
    [
        *(without_home, home_that_is_a_file, home_that_is_not_there, home_that_nobody_writes),
        pytest.param(cache_of_another_user, marks=AS_ROOT),
    ],
)
def test_without_a_usable_home_there_is_no_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Callable[[pytest.MonkeyPatch, Path], None]
) -> None:
    """A missing, read-only or foreign home: nothing is made there, and nothing raised."""
    monkeypatch.setenv("HOME", str(tmp_path))
    home(monkeypatch, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    directory = cache_dir()
    assert directory is None or not write_private(directory / "names", b"own")
    assert sorted(tmp_path.rglob("*")) == before


WRITE = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from imagectl.cache import write_private
print(write_private(Path(sys.argv[1]), bytes(2000)))
"""


def test_a_full_disk_leaves_nothing_behind(cache: Path) -> None:
    """Where a file can't be written whole, no part of it stays."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(cache / "names")],
        env={"PYTHONPATH": str(Path(imagectl.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
    assert not list(cache.iterdir())
