"""A rollback file that a crash cut off, at each of its bytes; and what is no such file, cut the same way."""

from simulation.test_found import world
from simulation.world import World

from imagectl.errors import Problem
from imagectl.fleet.manifest import Manifest, parse

KEY = b'{"Rollback": '  # by it, says the documentation, such a file is known


def written(images: int) -> bytes:
    """The rollback file of a run that changed so many images."""
    played = World(world("apply", images=images, wait=False), 1)
    played.play_first()
    file = played.disk.read("undo-0.jsonl")
    assert file is not None
    assert file.count(b"\n") == images
    return file


def read(data: bytes) -> tuple[Manifest, list[Problem]]:
    problems: list[Problem] = []
    return parse(data, problems), problems


def test_a_line_that_a_crash_cut_off_is_passed_over() -> None:
    """Wherever it was cut, all lines before it are read; a line that only lacks its end is whole."""
    file = written(3)
    lines = file.splitlines()
    for cut in range(len(KEY), len(file) + 1):
        left = file[:cut]
        manifest, problems = read(left)
        last = left.rpartition(b"\n")[2]
        whole = not last or last in lines
        assert problems == []
        assert manifest.torn == (None if whole else left.count(b"\n") + 1)
        assert len(manifest.entries) == left.count(b"\n") + (whole and bool(last))


def test_text_that_never_reached_the_disk_is_passed_over() -> None:
    """A crash of the machine may leave NULs where the last line was to be."""
    whole = written(2)
    for line in (b"\0" * 40, KEY + b"\0" * 40):
        manifest, problems = read(whole + line)
        assert (len(manifest.entries), manifest.torn, problems) == (2, 3, [])
    manifest, problems = read(KEY + b"\0" * 40)
    assert (len(manifest.entries), manifest.torn, problems) == (0, 1, [])


def test_a_damaged_manifest_is_an_error() -> None:
    """What is not known by the key is not half carried out; nor is a rollback file damaged before its end."""
    file = written(2)
    manifest = file.replace(b'"Rollback": true, ', b"")
    lines = manifest.splitlines()
    for cut in range(1, len(manifest)):
        left = manifest[:cut]
        parsed, problems = read(left)
        assert parsed.torn is None
        assert bool(problems) == (left.rpartition(b"\n")[2] not in {b"", *lines})
    for cut in range(1, file.index(b"\n")):
        assert read(file[:cut] + b"\n" + file)[1]
    for cut in range(1, len(KEY)):
        assert read(file[:cut])[1]


def test_a_manifest_after_a_rollback_file_is_read() -> None:
    """A last line that is whole is no rest, whatever it is."""
    manifest, problems = read(written(1) + b'{"ImageName": "another", "Description": "new"}')
    assert (len(manifest.entries), manifest.torn, problems) == (2, None, [])
