"""Every setting that decides where and as whom to call: valid, empty, nonsense, with a line end.

What is not valid is exit 4 and names the variable, or the profile and its key, and never a secret. The table
of `pytest tests/aws/test_settings.py --table -m ''` shows what each came to.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run
from identity import World
from service import ROLE, Service

NONSENSE = "non sense!"
Cell = Callable[[str, object], None]


# Variables. Nonsense that does no harm is as good as a value: botocore takes it for false, say.
VARIABLES = {
    "AWS_ACCOUNT_ID": ("123456789012", {"nonsense", "line end"}),
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": ("disabled", set()),
    "AWS_CA_BUNDLE": ("CA", set()),
    "AWS_CONFIG_FILE": ("CONFIG", {"nonsense", "line end"}),
    "AWS_CREDENTIAL_EXPIRATION": ("2099-01-01T00:00:00Z", {"line end"}),
    "AWS_DEFAULTS_MODE": ("standard", set()),
    "AWS_DEFAULT_PROFILE": ("default", set()),
    "AWS_DEFAULT_REGION": ("us-east-1", set()),
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": ("http://127.0.0.1:9", set()),
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": ("IPv4", set()),
    "AWS_ENDPOINT_URL": ("URL", {"nonsense", "line end"}),  # that of SageMaker alone wins
    "AWS_ENDPOINT_URL_SAGEMAKER": ("URL", set()),
    "AWS_MAX_ATTEMPTS": ("2", {"line end"}),
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": ("2", {"line end"}),
    "AWS_METADATA_SERVICE_TIMEOUT": ("2", {"line end"}),
    "AWS_PROFILE": ("default", set()),
    "AWS_REGION": ("us-east-1", set()),
    "AWS_REQUEST_CHECKSUM_CALCULATION": ("when_required", set()),
    "AWS_RESPONSE_CHECKSUM_VALIDATION": ("when_required", set()),
    "AWS_RETRY_MODE": ("adaptive", set()),
    "AWS_SECRET_ACCESS_KEY": ("secret", {"nonsense"}),
    "AWS_SESSION_TOKEN": ("token", {"nonsense"}),
    "AWS_SHARED_CREDENTIALS_FILE": ("CONFIG", {"nonsense", "line end"}),
    "AWS_STS_REGIONAL_ENDPOINTS": ("legacy", set()),
    "AWS_USE_DUALSTACK_ENDPOINT": ("false", {"nonsense", "line end"}),
    "AWS_USE_FIPS_ENDPOINT": ("false", {"nonsense", "line end"}),
    "REQUESTS_CA_BUNDLE": ("CA", set()),
}
SECRETS = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


@pytest.fixture
def places(tmp_path: Path, service: Service) -> dict[str, str]:
    """What stands for a path or an address in the tables."""
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-1\n")
    ca = tmp_path / "ca.pem"
    ca.write_text(Path(certificates()).read_text())
    return {"CONFIG": str(config), "CA": str(ca), "URL": service.url}


def certificates() -> str:
    from botocore.httpsession import where

    return str(where())


@pytest.mark.parametrize(
    "case", [pytest.param("valid", marks=pytest.mark.slow), "empty", "nonsense", "line end"]
)
@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable(
    run: Run,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    places: dict[str, str],
    record_property: Cell,
    name: str,
    case: str,
) -> None:
    """An empty one is an unset one. What is not valid names the variable; a secret is never quoted."""
    valid, harmless = VARIABLES[name]
    valid = places.get(valid, valid)
    if case == "empty" and name.endswith(("_REGION", "_PROFILE")):
        # What would come next in the order is the profile's.
        monkeypatch.delenv("AWS_REGION")
        monkeypatch.setenv("AWS_CONFIG_FILE", places["CONFIG"])
    if name == "AWS_DEFAULT_REGION":
        monkeypatch.delenv("AWS_REGION", raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", places["CONFIG"])
    if name.endswith("_PROFILE"):
        monkeypatch.setenv("AWS_CONFIG_FILE", places["CONFIG"])
    values = {"valid": valid, "empty": "", "nonsense": NONSENSE, "line end": f"{valid}\n"}
    monkeypatch.setenv(name, values[case])
    result = run("show", "my-image", "--max-attempts", "1", "-o", "json")
    error = json.loads(result.stderr)["Error"] if result.stderr else {}
    record_property("cell", [name, case, result.code, error.get("Message", "")])
    if case == "valid" or case in harmless:
        assert result.code == 0, error
    elif case == "empty":
        unset = 4 if name == "AWS_SECRET_ACCESS_KEY" else 0
        unset = 6 if name == "AWS_ENDPOINT_URL_SAGEMAKER" else unset  # there is no network here
        assert result.code == unset, error
    else:
        assert (result.code, error["Kind"], service.received) == (4, "access", [])
        assert (name in error["Message"]) or name in SECRETS
        assert error["Outcome"] == "not-applied"
        assert name not in SECRETS or values[case] not in result.stderr


# Settings of a profile; what stands beside each so that it is used at all. Its values have no line ends.

BASE = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = canary\n"
KEYS = "aws_access_key_id = AKIAKEYS\naws_secret_access_key = canary\n"
OF_ROLE = f"role_arn = {ROLE}\nsource_profile = base\n"
BY_TOKEN = f"role_arn = {ROLE}\nweb_identity_token_file = TOKEN\n"
OF_SSO = "sso_account_id = 123456789012\nsso_role_name = deploy\n"
SSO_SESSION = "sso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n"
SETTINGS = {
    # name: (what is valid, what is beside it, in which cases nothing is wrong but what is valid)
    "aws_access_key_id": ("AKIA", KEYS, {"nonsense"}),
    "aws_secret_access_key": ("canary", KEYS, {"nonsense"}),
    "ca_bundle": ("CA", KEYS, {"empty"}),
    "credential_process": ("sh PROCESS", "", set()),
    "credential_source": ("EcsContainer", f"role_arn = {ROLE}\n", set()),
    "defaults_mode": ("standard", KEYS, {"empty"}),
    "duration_seconds": ("900", OF_ROLE, {"empty"}),
    "external_id": ("an-id", OF_ROLE, {"nonsense"}),  # STS judges it
    "max_attempts": ("2", KEYS, {"empty"}),
    "metadata_service_timeout": ("2", KEYS, {"empty"}),
    "region": ("us-east-1", KEYS, set()),
    "retry_mode": ("adaptive", KEYS, {"empty"}),
    "role_arn": (ROLE, OF_ROLE, set()),
    "role_session_name": ("session", OF_ROLE, {"nonsense"}),  # STS judges it
    "source_profile": ("base", OF_ROLE, set()),
    "sso_account_id": ("123456789012", f"{OF_SSO}sso_session = corp\n", {"nonsense"}),  # SSO judges it
    "sso_role_name": ("deploy", f"{OF_SSO}sso_session = corp\n", {"nonsense"}),  # SSO judges it
    "sso_session": ("corp", OF_SSO, set()),
    "sts_regional_endpoints": ("legacy", OF_ROLE, {"empty"}),
    "web_identity_token_file": ("TOKEN", BY_TOKEN, set()),
}
TOO_SHORT = {"role_arn": "admin", "role_session_name": "x", "external_id": "x", "duration_seconds": "60"}


def of_profile(world: World, name: str, value: str) -> str:
    """A configuration whose default profile has one setting, beside what makes it count."""
    _, beside, _ = SETTINGS[name]
    kept = [line for line in beside.splitlines() if not line.startswith(f"{name} =")]
    text = "\n".join(["[default]", *kept, f"{name} = {value}", "[sso-session corp]", SSO_SESSION, BASE])
    token = world.home / "token"
    token.write_text("canary-jwt")
    return text.replace("TOKEN", str(token)).replace("PROCESS", str(world.home / "process"))


@pytest.fixture
def everybody(world: World) -> World:
    """A world in which all that a profile may build upon is there."""
    world.setenv(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{world.identity.url}/container")
    world.token("sso", "corp", accessToken="canary-sso", expiresAt=world.in_an_hour())
    world.process({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "canary"})
    return world


@pytest.mark.parametrize(
    ("name", "case"),
    [pytest.param(name, "valid", marks=pytest.mark.slow) for name in SETTINGS]
    + [(name, case) for name in SETTINGS for case in ("empty", "nonsense")]
    + [(name, "too short") for name in TOO_SHORT],
)
def test_a_setting_of_a_profile(
    run: Run,
    everybody: World,
    places: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Cell,
    name: str,
    case: str,
) -> None:
    """What is not valid names the profile and its key: never a parameter of somebody's API, never a bug.

    An empty one that decides who we are is not passed over: without it we might be somebody else.
    """
    if name == "region":
        monkeypatch.delenv("AWS_REGION")
    valid, _, harmless = SETTINGS[name]
    values = {"valid": places.get(valid, valid), "empty": "", "nonsense": NONSENSE}
    everybody.config(of_profile(everybody, name, values.get(case, TOO_SHORT.get(name, ""))))
    result = run("show", "my-image", "--max-attempts", "1", "-o", "json")
    error = json.loads(result.stderr)["Error"] if result.stderr else {}
    record_property("cell", [name, case, result.code, error.get("Message", "")])
    if case == "valid" or case in harmless:
        assert result.code == 0, error
        return
    assert (result.code, error["Kind"], everybody.service.received) == (4, "access", []), error
    if name != "region":  # without one, nobody names a region
        assert "profile 'default'" in error["Message"].replace('"', "'")
        assert name.replace("_", " ") in error["Message"].replace("_", " ")
    assert "canary" not in result.stderr


# Files.

FILES: dict[str, tuple[bytes, int | None, str]] = {
    # what is in it, the line that is named, what is said of it
    "byte order mark": (b"\xef\xbb\xbf[default]\n", 1, "byte order mark"),
    "UTF-16": ("[default]\nregion = x\n".encode("utf-16"), None, "UTF-16"),
    "UTF-16 without a mark": ("[default]\nregion = x\n".encode("utf-16-le"), None, "UTF-16"),
    "Latin-1": ("[default]\nregion = é\n".encode("latin-1"), None, "not UTF-8"),
    "section twice": (b"[default]\nregion = x\n\n[default]\n", 4, "[default] is there twice"),
    "key twice": (b"[default]\nregion = x\nregion = y\n", 3, "region is set twice in [default]"),
    "no equals sign": (
        b"[default]\naws_secret_access_key canary\n",
        2,
        "neither a [section] nor NAME = VALUE",
    ),
    "no section": (b"aws_secret_access_key = canary\n", 1, "before the first [section]"),
    "open bracket": (b"[default\nregion = x\n", 1, "before the first [section]"),
    "nested": (b"[default]\ns3 =\n  canary\n", None, "neither a [section] nor NAME = VALUE"),
}


@pytest.mark.parametrize("variable", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_can_t_be_parsed(
    run: Run,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    record_property: Cell,
    fault: str,
    variable: str,
) -> None:
    """The file, the line and what is wrong there. The line itself isn't quoted: it may be a secret."""
    path = tmp_path / "file"
    content, line, said = FILES[fault]
    path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    result = run("show", "my-image", "-o", "json")
    error = json.loads(result.stderr)["Error"]
    record_property("cell", [f"{variable}: {fault}", "", result.code, error["Message"]])
    assert (result.code, error["Kind"], service.received) == (4, "access", [])
    assert f"'{path}'" in error["Message"]
    assert said in error["Message"]
    assert line is None or f", line {line}: " in error["Message"]
    assert "canary" not in result.stderr


@pytest.mark.parametrize("what", ["absent", "directory", "pipe", "empty", "comments"])
def test_a_file_that_says_nothing_is_none(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    """As for boto3."""
    path = tmp_path / "file"
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what != "absent":
        path.write_text("# nothing\n" if what == "comments" else "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    assert run("show", "my-image").code == 0


# The profile's order.


@pytest.mark.parametrize(
    ("argv", "variables", "chosen"),
    [
        ((), {}, "default"),
        ((), {"AWS_PROFILE": "one"}, "one"),
        ((), {"AWS_DEFAULT_PROFILE": "two"}, "two"),
        ((), {"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": "two"}, "one"),
        ((), {"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "two"}, "two"),
        ((), {"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": ""}, "default"),
        (("--profile", "three"), {"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": "two"}, "three"),
    ],
)
@pytest.mark.parametrize("keys", [False, True])
def test_the_profile_s_order(
    run: Run, world: World, argv: tuple[str, ...], variables: dict[str, str], chosen: str, keys: bool
) -> None:
    """--profile, AWS_PROFILE, AWS_DEFAULT_PROFILE, default; keys in the environment win over variables."""
    names = ("default", "one", "two", "three")
    head = {name: "default" if name == "default" else f"profile {name}" for name in names}
    world.config("".join(f"[{head[name]}]\n{KEYS.replace('AKIAKEYS', f'AKIA-{name}')}" for name in names))
    world.setenv(**variables)
    if keys:
        world.setenv(AWS_ACCESS_KEY_ID="AKIA-environment", AWS_SECRET_ACCESS_KEY="canary")
        chosen = chosen if argv else "environment"
    assert run("show", "my-image", *argv).code == 0
    assert f"Credential=AKIA-{chosen}/" in world.service.received[0].headers["Authorization"]


def test_no_credentials_says_which_ways_there_are(run: Run, world: World) -> None:
    """`aws login` among them; and that a variable which was meant to say something is empty."""
    world.setenv(AWS_PROFILE="")
    result = run("show", "my-image")
    assert result.code == 4
    assert "no AWS credentials found" in result.stderr
    for way in ("AWS_PROFILE is empty", "aws login", "aws sso login", "AWS_ACCESS_KEY_ID"):
        assert way in result.stderr


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_REGION", "AWS_RETRY_MODE"])
def test_a_url_in_the_wrong_variable_shows_no_password(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy's URL that got into another variable is told without its password."""
    monkeypatch.setenv(name, "http://user:canary@127.0.0.1:9/")
    code, _, err = run("show", "my-image")
    assert (code, service.received) == (4, [])
    assert "canary" not in err
    assert name in err
