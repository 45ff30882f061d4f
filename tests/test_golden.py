"""Each row of the contract's error table, reached from the command line, whole: code, stdout, stderr.

UPDATE_GOLDEN=1 writes the expected outputs anew; what changed is then for the diff's reader to judge.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run
from service import DROPPED, IN_USE, PORTAL, ROLE, THROTTLED, Reply, Service, error

GOLDEN = Path(__file__).parent / "golden"
UPDATE = ["update", "my-image", "--description", "new", "--max-attempts", "1"]


def denied(action: str, resource: str) -> Reply:
    who = "arn:aws:sts::123456789012:assumed-role/Dev/me"
    why = f"because no identity-based policy allows the {action} action"
    return error(
        "AccessDeniedException",
        f"User: {who} is not authorized to perform: {action} on resource: {resource} {why}",
    )


def answer(*replies: Reply, operation: str = "UpdateImage") -> Callable[[Service], None]:
    return lambda service: service.answer(operation, *replies)


def settling(**state: object) -> Callable[[Service], None]:
    def prepare(service: Service) -> None:
        for name, value in state.items():
            setattr(service, name, value)

    return prepare


def lost_for_good(service: Service) -> None:
    service.answer("UpdateImage", DROPPED)
    service.answer("DescribeImage", denied("sagemaker:DescribeImage", "*"))


def nothing(_service: Service) -> None:
    pass


CASES: dict[str, tuple[list[str], Callable[[Service], None]]] = {
    "0-requested": (UPDATE, nothing),
    "0-updated": ([*UPDATE, "--wait"], nothing),
    "0-unchanged": (["update", "my-image", "--display-name", "PyTorch", "--if-changed"], nothing),
    "0-planned": ([*UPDATE, "--dry-run", "--delete-property", "DisplayName"], nothing),
    "0-show": (["show", "my-image"], nothing),
    "0-list": (["list"], nothing),
    "0-wait": (["wait", "my-image"], nothing),
    "2-query": ([*UPDATE, "--query", "abs(ImageName)"], nothing),
    "2-values": (["update", "a_b", "--description", "", "--role-arn", "x"], nothing),
    "2-flags": (
        ["update", "my-image", "--delete-property", "RoleArn", "--wait", "--timeout", "soon"],
        nothing,
    ),
    "2-parse": (["update", "my-image", "--descripton", "x"], nothing),
    "3-not-found": (["update", "no-such", "--description", "x"], nothing),
    "4-denied": (
        UPDATE,
        answer(denied("sagemaker:UpdateImage", "arn:aws:sagemaker:us-east-1:123456789012:image/my-image")),
    ),
    "4-pass-role": (["update", "my-image", "--role-arn", ROLE], answer(denied("iam:PassRole", ROLE))),
    "4-expired": (
        UPDATE,
        answer(error("ExpiredTokenException", "The security token included in the request is expired")),
    ),
    "4-profile": ([*UPDATE, "--profile", "nope"], nothing),
    "5-validation": (UPDATE, answer(error("ValidationException", "Image my-image is in an invalid state."))),
    "5-update-failed": (
        [*UPDATE, "--wait"],
        settling(fail_updates="The role can't be assumed", updating_reads=1),
    ),
    "5-foreign": (["show", "my-image"], answer(PORTAL, operation="DescribeImage")),
    "6-in-use": (UPDATE, answer(IN_USE)),
    "6-throttled": (UPDATE, answer(THROTTLED)),
    "6-unavailable": (
        ["show", "my-image"],
        answer(*[error("ServiceUnavailable", "", 503)] * 3, operation="DescribeImage"),
    ),
    "6-unknown": (
        UPDATE,
        lost_for_good,
    ),
    "8-pending": ([*UPDATE, "--wait", "--timeout", "1"], settling(updating_reads=100)),
    "10-detailed-exitcode": ([*UPDATE, "--dry-run", "--detailed-exitcode"], nothing),
}


FORMATS = ("text", "json", "yaml", "name")
# Of what failed, names and YAML say what text says: one of a kind shows it.
SQUARE = [
    (case, output)
    for case in CASES
    for output in FORMATS
    if output in {"text", "json"} or case.startswith("0-") or case in {"2-values", "3-not-found"}
]


@pytest.mark.parametrize(("case", "output"), SQUARE)
def test_golden(run: Run, service: Service, case: str, output: str) -> None:
    """The whole answer is the one on record."""
    argv, prepare = CASES[case]
    prepare(service)
    result = run(*argv, "-o", output)
    assert result.code == int(case.partition("-")[0])
    command = f"$ imagectl {' '.join(argv)} -o {output}"
    whole = f"{command}\nexit {result.code}\n-- stdout\n{result.stdout}-- stderr\n{result.stderr}"
    whole = whole.replace(service.url, "http://SERVICE")
    path = GOLDEN / f"{case}.{output}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(whole)
    assert whole == path.read_text()


def test_network_failure(run: Run) -> None:
    """Nobody listens there: exit 6, not applied, one line and a hint."""
    result = run(*UPDATE, "--endpoint-url", "http://127.0.0.1:9")
    assert (result.code, result.stdout) == (6, "")
    assert "Could not connect to the endpoint URL" in result.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_no_region_and_no_credentials(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    """Configuration that is missing is exit 4, and says what to set."""
    monkeypatch.delenv("AWS_REGION")
    result = run(*UPDATE, "-o", output)
    assert (result.code, result.stdout) == (4, "")
    assert "no region is set" in result.stderr
    assert "--region or AWS_REGION" in result.stderr
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = run(*UPDATE, "-o", output)
    assert (result.code, result.stdout, service.received) == (4, "", [])
    assert "no AWS credentials found" in result.stderr
    assert "aws sso login" in result.stderr


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"AWS_MAX_ATTEMPTS": "abc"}, "abc"),
        ({"AWS_RETRY_MODE": "eager"}, "eager"),
        ({"AWS_CA_BUNDLE": "/no/such.pem"}, "/no/such.pem"),
        ({"AWS_ENDPOINT_URL_SAGEMAKER": "nonsense"}, "nonsense"),
        ({"AWS_CONFIG_FILE": "BROKEN"}, "BROKEN"),
        ({"AWS_CONFIG_FILE": "LATIN1"}, "LATIN1' is not UTF-8"),
        ({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY is missing"),
        (
            {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/no/token", "AWS_ACCESS_KEY_ID": ""},
            "/no/token",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_broken_configuration(
    run: Run,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    env: dict[str, str],
    said: str,
) -> None:
    """Whatever is wrong in the environment or a file is exit 4 and names it; nothing is sent."""
    (tmp_path / "BROKEN").write_text("this is no configuration")
    (tmp_path / "LATIN1").write_bytes("[default]\nregion = Zürich\n".encode("latin-1"))
    for name, value in env.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value.isupper() and len(value) > 5 else value)
    result = run(*UPDATE[:-2])
    assert (result.code, result.stdout, service.received) == (4, "", []), result
    assert said in result.stderr
    assert "Traceback" not in result.stderr
