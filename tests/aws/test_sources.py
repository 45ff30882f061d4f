"""Every source of credentials, and all that can become of it: exit code, and who is named for it.

`pytest tests/aws/test_sources.py --table -m ''` prints what each came to.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pexpect
import pytest
import trustme
from conftest import Run
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from identity import ROLE_ACCOUNT, Answer, Identity, World, refusal
from service import error
from terminal import Session

ROLE = f"arn:aws:iam::{ROLE_ACCOUNT}:role/deploy"
LOGIN = f"arn:aws:iam::{ROLE_ACCOUNT}:user/me"


def explicitly(world: World) -> None:
    """Name the profile: else keys in the environment win over it."""
    world.env.setattr(world, "argv", ("--profile", "default"))


Change = Callable[[World], None]


@dataclass(frozen=True)
class Source:
    """A source of credentials: what sets it up, what a failure of it names, and what can become of it."""

    set_up: Change
    says: str
    refused: Change
    down: Change | None
    expired: Change
    broken: Change
    absent: Change
    renewed: Change = lambda _: None
    endless: Change | None = None  # for those that answer at once
    codes: dict[str, int] = field(default_factory=dict)  # where they aren't the usual ones


# Keys at rest: only SageMaker can judge them.

KEYS = "aws_access_key_id = AKIAKEYS\naws_secret_access_key = canary\n"


def says_sagemaker(code: str) -> Change:
    def change(world: World) -> None:
        for operation in ("UpdateImage", "DescribeImage"):
            world.service.answer(operation, error(code, "no"), times=9)

    return change


def keys(set_up: Change, broken: Change, absent: Change) -> Source:
    return Source(
        set_up,
        says="",
        refused=says_sagemaker("UnrecognizedClientException"),
        down=None,
        expired=says_sagemaker("ExpiredTokenException"),
        broken=broken,
        absent=absent,
    )


def environment_keys(world: World) -> None:
    world.setenv(AWS_ACCESS_KEY_ID="AKIAENVIRONMENT", AWS_SECRET_ACCESS_KEY="canary")


def without(*names: str) -> Change:
    def change(world: World) -> None:
        for name in names:
            world.env.delenv(name)

    return change


def file(name: str, text: str) -> Change:
    def change(world: World) -> None:
        (world.home / name).write_text(text.replace("HOME", str(world.home)))

    return change


# What is asked over the network.


def asked(set_up: Change, call: str, variable: str, says: str, **more: Any) -> Source:
    """A source that asks `call`, of the endpoint that `variable` names."""
    return Source(
        set_up,
        says=says,
        refused=lambda world: world.identity.answer(call, refusal(call, "AccessDenied", "No access", 403)),
        down=lambda world: world.identity.answer(call, refusal(call, "InternalFailure", "oops", 503)),
        expired=more.pop("expired", lambda world: setattr(world.identity, "lifetime", -timedelta(hours=1))),
        broken=lambda world: world.identity.answer(call, Answer(200, b"<html>log in</html>")),
        endless=lambda world: world.identity.answer(call, Answer(endless=True)),
        absent=lambda world: world.setenv(**{variable: "http://127.0.0.1:9/container"}),
        codes={"absent": 6, **more.pop("codes", {})},
        **more,
    )


def both(*changes: Change) -> Change:
    def change(world: World) -> None:
        for each in changes:
            each(world)

    return change


def role(settings: str, *before: Change) -> Source:
    set_up = both(*before, file("config", f"[default]\nrole_arn = {ROLE}\n{settings}"))

    return asked(set_up, "sts:AssumeRole", "AWS_ENDPOINT_URL_STS", "the role of profile 'default'")


BASE = f"[profile base]\n{KEYS}"
MIDDLE = "arn:aws:iam::210987654321:role/middle"
CHAIN = f"""source_profile = middle
external_id = outer-id
role_session_name = outer-session
duration_seconds = 900
[profile middle]
role_arn = {MIDDLE}
source_profile = base
external_id = inner-id
{BASE}"""


def instance(world: World) -> None:
    world.env.delenv("AWS_EC2_METADATA_DISABLED")
    world.setenv(AWS_EC2_METADATA_SERVICE_ENDPOINT=world.identity.url)


def container(world: World) -> None:
    world.setenv(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{world.identity.url}/container")


def process(world: World) -> None:
    file("config", "[default]\ncredential_process = sh HOME/process\n")(world)
    world.process(process_output(world))


def process_output(world: World, hours: float = 1) -> dict[str, Any]:
    return {
        "Version": 1,
        "AccessKeyId": "AKIAPROCESS",
        "SecretAccessKey": "canary",
        "SessionToken": "canary",
        "Expiration": world.in_an_hour(hours),
    }


def web_identity(world: World) -> None:
    file("token", "canary-jwt")(world)
    file("config", f"[default]\nrole_arn = {ROLE}\nweb_identity_token_file = HOME/token\n")(world)


def web_identity_of_environment(world: World) -> None:
    file("token", "canary-jwt")(world)
    world.setenv(AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(world.home / "token"))


START = "https://example.awsapps.com/start"
SSO = f"sso_account_id = {ROLE_ACCOUNT}\nsso_role_name = deploy\n"
SSO_SESSION = f"sso_region = us-east-1\nsso_start_url = {START}\n"
REGISTERED = {"refreshToken": "canary-r", "clientId": "client", "clientSecret": "canary-c"}


def sso(world: World, hours: float = 8, **more: str) -> None:
    file("config", f"[default]\n{SSO}sso_session = corp\n[sso-session corp]\n{SSO_SESSION}")(world)
    world.token("sso", "corp", accessToken="canary-sso", expiresAt=world.in_an_hour(hours), **more)


def sso_refreshed(world: World) -> None:
    sso(world, hours=-1, registrationExpiresAt=world.in_an_hour(999), **REGISTERED)


def sso_legacy(world: World, hours: float = 8) -> None:
    file("config", f"[default]\n{SSO}{SSO_SESSION}")(world)
    world.token("sso", START, accessToken="canary-sso", expiresAt=world.in_an_hour(hours))


def login(world: World, hours: float = 1) -> None:
    file("config", f"[default]\nlogin_session = {LOGIN}\n")(world)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    world.token(
        "login",
        LOGIN,
        accessToken={
            "accessKeyId": "AKIALOGIN",
            "secretAccessKey": "canary",
            "sessionToken": "canary",
            "accountId": ROLE_ACCOUNT,
            "expiresAt": world.in_an_hour(hours),
        },
        refreshToken="canary-r",
        dpopKey=pem,
        clientId="arn:aws:signin:::devtools/same-device",
    )


LOGIN_TOKEN = {
    "accessToken": {
        "accessKeyId": "a",
        "secretAccessKey": "canary",
        "sessionToken": "canary",
        "accountId": ROLE_ACCOUNT,
        "expiresAt": "2000-01-01T00:00:00Z",
    },
    "refreshToken": "canary",
    "dpopKey": "canary",
    "clientId": "x",
}
SOURCES = {
    "environment": keys(
        environment_keys,
        broken=without("AWS_SECRET_ACCESS_KEY"),
        absent=without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ),
    "credentials file": keys(
        file("credentials", f"[default]\n{KEYS}"),
        broken=file("credentials", "[default]\naws_access_key_id = AKIAKEYS\n"),
        absent=file("credentials", ""),
    ),
    "config file": keys(
        file("config", f"[default]\n{KEYS}"),
        broken=file("config", "[default]\naws_access_key_id = AKIAKEYS\n"),
        absent=file("config", ""),
    ),
    "credential_process": Source(
        process,
        says="credential_process of profile 'default'",
        refused=lambda world: world.process("", code=1),
        down=None,
        expired=lambda world: world.process(process_output(world, hours=-1)),
        broken=lambda world: world.process("<html>"),
        absent=lambda world: (world.home / "process").unlink(),
        renewed=lambda world: world.process(process_output(world)),
        endless=file("process", "exec sleep 60\n"),
    ),
    "role of a profile": role(f"source_profile = base\n{BASE}"),
    "role of a process": role(
        "source_profile = base\n[profile base]\ncredential_process = sh HOME/process\n",
        lambda world: world.process({**process_output(world), "Expiration": None}),
    ),
    "role of the environment": role("credential_source = Environment\n", environment_keys, explicitly),
    "role of the instance": role("credential_source = Ec2InstanceMetadata\n", instance),
    "role of the container": role("credential_source = EcsContainer\n", container),
    "chain of roles": role(CHAIN),
    "web identity": asked(
        web_identity,
        "sts:AssumeRoleWithWebIdentity",
        "AWS_ENDPOINT_URL_STS",
        "the web identity of profile 'default': sts:AssumeRoleWithWebIdentity",
    ),
    "web identity by variables": asked(
        web_identity_of_environment,
        "sts:AssumeRoleWithWebIdentity",
        "AWS_ENDPOINT_URL_STS",
        "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE: sts:AssumeRoleWithWebIdentity",
    ),
    "SSO": asked(
        sso,
        "sso:GetRoleCredentials",
        "AWS_ENDPOINT_URL_SSO",
        "the SSO login of profile 'default'",
        expired=lambda world: sso(world, hours=-1),
    ),
    "SSO, refreshed": asked(
        sso_refreshed,
        "sso-oidc:CreateToken",
        "AWS_ENDPOINT_URL_SSO_OIDC",
        "the SSO login of profile 'default': sso-oidc:CreateToken",
        expired=lambda world: world.identity.answer(
            "sso-oidc:CreateToken", refusal("sso-oidc:CreateToken", "InvalidGrantException", "expired")
        ),
        codes={"ends": 0},  # the token that was just renewed serves on
    ),
    "SSO, legacy": asked(
        sso_legacy,
        "sso:GetRoleCredentials",
        "AWS_ENDPOINT_URL_SSO",
        "the SSO login of profile 'default'",
        expired=lambda world: sso_legacy(world, hours=-1),
    ),
    "aws login": asked(
        lambda world: login(world, hours=-1),  # so that it is refreshed
        "signin:CreateOAuth2Token",
        "AWS_ENDPOINT_URL_SIGNIN",
        "the login session of profile 'default': signin:CreateOAuth2Token",
    ),
    "instance": asked(
        instance,
        "imds:credentials",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "no AWS credentials found",
        # botocore can't tell what is wrong with it from its absence, and believes in expired keys.
        codes={"down": 4, "absent": 4, "expired": 0},
    ),
    "container": asked(
        container,
        "container:credentials",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "the container's credentials",
    ),
}

UPDATE = ["update", "my-image", "--description", "new", "-o", "json", "--max-attempts", "1", "--wait"]
CODES = {"works": 0, "renewed": 0, "refused": 4, "down": 6, "expired": 4, "ends": 4, "broken": 4, "absent": 4}


IN_THE_CLEAR = {
    "role of a profile": "STS",
    "web identity": "STS",
    "SSO": "SSO",
    "SSO, refreshed": "SSO_OIDC",
    "aws login": "SIGNIN",
}


@pytest.mark.parametrize("way", ["own variable", "AWS_ENDPOINT_URL", "profile", "services"])
@pytest.mark.parametrize("name", IN_THE_CLEAR)
def test_who_is_asked_for_credentials_is_not_asked_in_the_clear(
    run: Run, world: World, name: str, way: str
) -> None:
    """However its endpoint is configured: no token and no secret of a role goes over plain http."""
    source, variable = SOURCES[name], IN_THE_CLEAR[name]
    (world.home / "config").write_text("[default]\n")
    source.set_up(world)
    if name == "aws login":
        source.renewed(world)
        world.time.ahead += timedelta(hours=2)
    for each in ("STS", "SSO", "SSO_OIDC", "SIGNIN"):
        world.env.delenv(f"AWS_ENDPOINT_URL_{each}", raising=False)
    config, url = (world.home / "config").read_text(), "http://identity.example"
    if way == "own variable":
        world.setenv(**{f"AWS_ENDPOINT_URL_{variable}": url})
    elif way == "AWS_ENDPOINT_URL":
        world.setenv(AWS_ENDPOINT_URL=url)
    elif way == "profile":
        config = config.replace("[default]", f"[default]\nendpoint_url = {url}")
    else:
        config = config.replace("[default]", "[default]\nservices = mine")
        config += f"\n[services mine]\n{variable.lower()} =\n  endpoint_url = {url}\n"
    (world.home / "config").write_text(config)
    result = run(*UPDATE, *world.argv)
    error = json.loads(result.stderr)["Error"]
    assert (result.code, error["Outcome"]) == (4, "not-applied"), result.stderr
    assert "would send credentials in the clear: 'http://identity.example/" in error["Message"]
    assert "canary" not in result.stderr
    assert (world.identity.asked, world.service.operations) == ([], [])


@pytest.mark.parametrize(
    ("name", "case"),
    [
        # What is renewed has worked.
        pytest.param(name, case, marks=[pytest.mark.slow] if case == "works" else [])
        for name, source in SOURCES.items()
        for case in CODES
        if case != "down" or source.down
    ],
)
def test_a_source_of_credentials(
    run: Run, world: World, name: str, case: str, record_property: Callable[[str, object], None]
) -> None:
    """What a source says is never SageMaker's word, nor a bug of ours; it is named, and nothing of it leaks.

    `ends`: it is refused when the keys have to be renewed in the middle of the wait.
    """
    source = SOURCES[name]
    source.set_up(world)

    def hours_pass() -> None:
        world.time.ahead += timedelta(hours=2)
        (source.renewed if case == "renewed" else source.refused)(world)

    if case in {"renewed", "ends"}:
        world.service.on_update = hours_pass
    elif case != "works":
        getattr(source, case)(world)
    result = run(*UPDATE, *world.argv)
    error = json.loads(result.stderr)["Error"] if result.stderr else {}
    record_property("cell", [name, case, result.code, error.get("Message", "")])
    assert result.code == source.codes.get(case, CODES[case]), result.stderr
    assert "canary" not in result.stdout + result.stderr
    if result.code:
        assert error["Outcome"] == ("applied" if case == "ends" else "not-applied")
        assert source.says in error["Message"] or case in {"absent", "ends"}
        assert error["Hint"]
        assert case != "ends" or "to go on waiting: imagectl wait my-image" in error["Hint"]
        sent = world.service.operations
        assert sent == [] or source.says == "" or (case == "ends" and sent[0] == "UpdateImage")


ENDLESS = {name: source for name, source in SOURCES.items() if source.endless}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_source_that_never_ends_is_not_waited_for_without_end(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Exit 6, and who it is that did not end; only patience is shorter here."""
    for module in ("credentials", "process"):
        monkeypatch.setattr(f"imagectl.aws.{module}._LONGEST", 1.0)
    source = ENDLESS[name]
    source.set_up(world)
    source.endless(world)  # type: ignore[misc]
    result = run(*UPDATE, *world.argv, "--read-timeout", "0.2")
    error = json.loads(result.stderr)["Error"]
    assert (result.code, error["Outcome"], world.service.operations) == (6, "not-applied", []), error
    assert source.says.partition(":")[0] in error["Message"] or name == "instance"
    assert error["Hint"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name in {"credential_process", "container", "SSO"} else pytest.mark.slow
        )
        for name in ENDLESS
        if name != "SSO, refreshed"  # which serves on with what it has
    ],
)
def test_the_timeout_ends_a_wait_whose_credentials_never_come(run: Run, world: World, name: str) -> None:
    """Keys that have to be renewed in the middle of it: the update was accepted, and did not settle."""
    source = ENDLESS[name]
    source.set_up(world)
    world.service.updating_reads = 99

    def hours_pass() -> None:
        world.time.ahead += timedelta(hours=2)
        source.endless(world)  # type: ignore[misc]

    world.service.on_update = hours_pass
    result = run(*UPDATE, *world.argv, "--timeout", "1")
    error = json.loads(result.stderr)["Error"]
    assert (result.code, error["Outcome"], world.service.operations) == (8, "applied", ["UpdateImage"]), error


@pytest.mark.parametrize("endless", ["yes", "yes >&2", "while sleep 0.1; do echo; done", "sleep 60 & exit"])
def test_a_credential_process_is_read_to_a_bound(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch, endless: str
) -> None:
    """Of what it says, and of how long it takes, whoever of its children still holds its output."""
    monkeypatch.setattr("imagectl.aws.process._LONGEST", 0.5)
    process(world)
    file("process", f"echo $$ >HOME/pid\n{endless}\n")(world)
    result = run("show", "my-image", "-o", "json")
    error = json.loads(result.stderr)["Error"]
    too_much = endless.startswith("yes")
    assert (result.code, error["Outcome"]) == (4 if too_much else 6, "not-applied")
    said = "it says too much" if too_much else "no answer in time"
    assert error["Message"] == f"credential_process of profile 'default': {said}"
    with pytest.raises(ProcessLookupError):  # it was ended
        os.kill(int((world.home / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("kind", "set_up"),
    {
        "web_identity_token_file": web_identity,
        "AWS_WEB_IDENTITY_TOKEN_FILE": web_identity_of_environment,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": container,
    }.items(),
)
@pytest.mark.parametrize("special", ["pipe", "device"])
def test_a_token_is_read_of_a_file_that_ends(
    run: Run, world: World, kind: str, set_up: Change, special: str
) -> None:
    """A pipe that nobody writes to is waited for by botocore, a device is read until memory ends."""
    path = world.home / "token"
    set_up(world)
    path.unlink(missing_ok=True)
    if special == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    if kind.startswith("AWS_"):
        world.setenv(**{kind: str(path)})
    result = run("show", "my-image")
    assert (result.code, world.identity.calls, world.service.received) == (4, [], [])
    assert f"{kind} is no regular file: '{path}'" in result.stderr


# More than one cell says.


def test_a_chain_of_roles_is_called_as_it_is_configured(run: Run, world: World) -> None:
    """Each role with its own external id, session name and duration, the outer with the inner's keys."""
    SOURCES["chain of roles"].set_up(world)
    assert run("show", "my-image").code == 0
    inner, outer = world.identity.asked
    assert (inner.params["RoleArn"], inner.params["ExternalId"]) == (MIDDLE, "inner-id")
    assert (outer.params["RoleArn"], outer.params["ExternalId"]) == (ROLE, "outer-id")
    assert (outer.params["RoleSessionName"], outer.params["DurationSeconds"]) == ("outer-session", "900")
    assert "AKIAKEYS" in inner.headers["authorization"]
    assert outer.headers["x-amz-security-token"] == f"session-of-{MIDDLE}"
    assert world.service.received[0].headers["X-Amz-Security-Token"] == f"session-of-{ROLE}"


def test_sso_is_asked_with_the_token_that_was_renewed(run: Run, world: World) -> None:
    """And the renewed token is kept for the next command."""
    sso_refreshed(world)
    assert run("show", "my-image").code == 0
    assert world.identity.calls == ["sso-oidc:CreateToken", "sso:GetRoleCredentials"]
    assert world.identity.asked[1].headers["x-amz-sso_bearer_token"] == "fresh"
    assert run("show", "my-image").code == 0
    assert world.identity.calls[2:] == ["sso:GetRoleCredentials"]


def test_a_login_that_still_holds_is_not_renewed(run: Run, world: World) -> None:
    login(world)
    assert run("show", "my-image").code == 0
    assert world.identity.calls == []
    assert "AKIALOGIN" in world.service.received[0].headers["Authorization"]


def test_a_web_identity_s_token_is_sent_and_the_call_not_signed(run: Run, world: World) -> None:
    web_identity(world)
    assert run("show", "my-image").code == 0
    (asked,) = world.identity.asked
    assert asked.params["WebIdentityToken"] == "canary-jwt"
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("minutes", [60, 14, 9, 1])
def test_a_credential_process_runs_once(run: Run, world: World, minutes: int) -> None:
    """However soon its keys end: it may be slow, or ask somebody for something."""
    process(world)
    world.process(process_output(world, hours=minutes / 60))
    assert run("update", "my-image", "--description", "x", "--wait").code == 0
    assert world.runs() == 1


@pytest.mark.parametrize("account", [ROLE_ACCOUNT, int(ROLE_ACCOUNT), 7, None])
def test_the_account_that_a_process_names_may_be_a_number(run: Run, world: World, account: object) -> None:
    """It is no proof either way: the image's own ARN is."""
    process(world)
    world.process({**process_output(world), "AccountId": account})
    assert run("update", world.service.arn("my-image"), "--description", "x").code == 0
    assert world.service.operations == ["DescribeImage", "UpdateImage"]


@pytest.mark.parametrize("of", ["role of a profile", "SSO", "aws login"])
def test_an_account_that_aws_names_needs_no_look(run: Run, world: World, of: str) -> None:
    """Where STS, SSO or sign-in say whose keys these are, that decides."""
    SOURCES[of].set_up(world)
    arn = world.service.arn("my-image")
    assert run("update", arn, "--description", "x").code == 0
    assert world.service.operations == ["UpdateImage"]
    result = run("update", arn.replace(ROLE_ACCOUNT, "210987654321"), "--description", "y")
    assert (result.code, len(world.service.received)) == (4, 1)
    assert f"the credentials are of account {ROLE_ACCOUNT}" in result.stderr


BROKEN = {
    "empty": b"",
    "page": b"<html><body>log in</body></html>",
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "numbers": b'{"AccessKeyId": 1, "SecretAccessKey": 2, "Token": 3, "Expiration": 4, "Version": 1}',
    "nulls": b'{"Version":1,"AccessKeyId":null,"SecretAccessKey":null,"Token":null,"Expiration":null}',
    "no date": b'{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"soon"}',
    "line ends": b'{"Version":1,"AccessKeyId":"a\\n","SecretAccessKey":"b\\n","Token":"c\\n"}',
    "bytes": b"\xff\xfe\x00\x80",
    "cut": b'{"Version": 1, "AccessKeyId": "canary',
    "xml": b"<AssumeRoleResponse/>",
    "xml without keys": b"<R><AssumeRoleResult><AssumedRoleUser/></AssumeRoleResult></R>",
    "xml without end": b"<R><AssumeRoleResult><Credentials><AccessKeyId>canary</AccessKeyId>"
    b"<SecretAccessKey>canary</SecretAccessKey><SessionToken>canary</SessionToken></Credentials>"
    b"</AssumeRoleResult></R>",
    "sso": b'{"roleCredentials": {"accessKeyId": "canary"}}',
    "sso without date": b'{"roleCredentials": {"accessKeyId": "a", "secretAccessKey": "b",'
    b'"sessionToken": "c", "expiration": null}}',
}


USUAL = {"page", "numbers", "xml without end", "sso without date"}


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=[] if shape in USUAL else [pytest.mark.slow]) for shape in BROKEN]
)
def test_an_answer_of_any_shape_is_nobody_s_bug_but_the_source_s(run: Run, world: World, shape: str) -> None:
    """Exit 4, a whole sentence that names the source, and nothing of what it said."""
    names = ["role of a profile", "SSO", "SSO, refreshed", "aws login", "container", "credential_process"]
    calls = ["sts:AssumeRole", "sso:GetRoleCredentials", "sso-oidc:CreateToken", "signin:CreateOAuth2Token"]
    for call in [*calls, "container:credentials"]:
        world.identity.answer(call, Answer(200, BROKEN[shape]))
    for name in names:
        with pytest.MonkeyPatch.context() as patched:
            world.env = patched
            SOURCES[name].set_up(world)
            if name == "credential_process":
                (world.home / "output").write_bytes(BROKEN[shape])
            result = run("show", "my-image", "-o", "json", "--max-attempts", "1")
        (world.home / "config").unlink(missing_ok=True)
        error = json.loads(result.stderr)["Error"]
        assert (result.code, error["Kind"], result.stdout) == (4, "access", ""), (name, error)
        assert "canary" not in result.stderr
        assert SOURCES[name].says.partition(":")[0] in error["Message"]
    assert world.service.received == []


# Without awscrt, as most are installed.
WITHOUT_CRT = "import sys; sys.modules['awscrt'] = None; from imagectl.__main__ import run; run()"


@pytest.mark.parametrize("as_source", [False, True], ids=["itself", "as a source"])
def test_without_awscrt_a_login_says_how_to_add_it(world: World, as_source: bool) -> None:
    """Exit 4 and the command that adds the extra; anybody else is served as ever."""
    role = (
        f"[default]\nrole_arn = {ROLE}\nsource_profile = me\n[profile me]\n" if as_source else "[default]\n"
    )
    world.config(f"{role}login_session = {LOGIN}\n[profile keys]\n{KEYS}")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CRT, "show", "my-image"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, world.service.received) == (4, "", [])
    assert "'default'" in done.stderr.splitlines()[0]
    assert re.search(r"^.*install .*\[.*login.*\]", done.stderr.splitlines()[-1])
    argv = [sys.executable, "-c", WITHOUT_CRT, "show", "my-image", "--profile", "keys"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("profile", "needed"),
    [("default", False), ("me", True), ("through", True), ("by-credentials-file", True), ("keys", False)],
)
def test_awscrt_is_imported_for_a_login_only(world: World, profile: str, needed: bool) -> None:
    """Botocore imports it wherever it is installed, and a start takes 33 ms longer."""
    login(world)
    config = (world.home / "config").read_text().replace("[default]", "[profile me]")
    world.config(
        f"[default]\n{KEYS}{config}[profile keys]\n{KEYS}"
        f"[profile through]\nrole_arn = {ROLE}\nsource_profile = me\n"
    )
    file("credentials", f"[by-credentials-file]\nlogin_session = {LOGIN}\n")(world)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "imagectl", "show", "my-image", "--profile", profile],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert (" awscrt\n" in done.stderr) == needed


def process_line(line: str) -> Change:
    return file("config", f"[default]\ncredential_process = {line}\n")


def container_at(**variables: str) -> Change:
    def change(world: World) -> None:
        container(world)
        names = {f"AWS_CONTAINER_{name}": value for name, value in variables.items()}
        world.setenv(**{name: value.replace("HOME", str(world.home)) for name, value in names.items()})

    return change


def with_token(set_up: Change, kind: str, text: str) -> Change:
    """As set up, but the token that is kept holds `text`."""

    def change(world: World) -> None:
        set_up(world)
        paths = [world.home / "token"] if kind == "web" else (world.home / kind).iterdir()
        for path in paths:
            path.write_bytes(text.encode("latin-1"))

    return change


BY_HAND: dict[str, tuple[Change, str]] = {
    "no such program": (process_line("no-such-program"), "'no-such-program': No such file"),
    "no program": (process_line("/"), "'/': Permission denied"),
    "open quotes": (process_line("sh 'x"), "profile 'default': credential_process can't be taken apart"),
    "another version": (
        both(process, lambda world: world.process({**process_output(world), "Version": 2})),
        "credential_process of profile 'default'",
    ),
    "container elsewhere": (container_at(CREDENTIALS_FULL_URI="http://example.com/x"), "'example.com'"),
    "container nowhere": (container_at(CREDENTIALS_FULL_URI="non sense!"), "the container's credentials"),
    "container's token's file": (
        container_at(AUTHORIZATION_TOKEN_FILE="HOME/none"),
        "/none': No such file",
    ),
    "container's token with a line end": (
        container_at(AUTHORIZATION_TOKEN="canary\n"),
        "not a legal header",
    ),
    "SSO's token isn't JSON": (with_token(sso, "sso", "canary"), "the token that is kept of it"),
    "SSO's token is a list": (with_token(sso, "sso", "[]"), "SSO login of profile 'default'"),
    "SSO's token has no date": (
        with_token(sso, "sso", '{"accessToken": "canary", "expiresAt": "soon"}'),
        "the token that is kept of it is not of the form",
    ),
    "login's token isn't JSON": (with_token(login, "login", "canary"), "the token that is kept of it"),
    "login's token lacks keys": (with_token(login, "login", "{}"), "login session of profile 'default'"),
    "login's key is none": (
        both(login, lambda world: world.token("login", LOGIN, **LOGIN_TOKEN)),
        "login session of profile 'default'",
    ),
    "web identity's token is empty": (
        with_token(web_identity, "web", ""),
        "not valid: the token in web_identity_token_file",
    ),
    "web identity's token is no text": (
        with_token(web_identity, "web", "\xff\xfe"),
        "the token in web_identity_token_file is not of the form",
    ),
    "web identity's role by a variable": (
        both(web_identity_of_environment, lambda world: world.setenv(AWS_ROLE_ARN="admin")),
        "not valid: AWS_ROLE_ARN",
    ),
    "web identity's session by a variable": (
        both(web_identity_of_environment, lambda world: world.setenv(AWS_ROLE_SESSION_NAME="x")),
        "not valid: AWS_ROLE_SESSION_NAME",
    ),
    "web identity's file by a variable": (
        both(web_identity_of_environment, lambda world: world.setenv(AWS_WEB_IDENTITY_TOKEN_FILE="/none\n")),
        "AWS_WEB_IDENTITY_TOKEN_FILE: '/none\\n': No such file",
    ),
    "web identity without a role": (
        both(web_identity_of_environment, lambda world: world.setenv(AWS_ROLE_ARN="")),
        "AWS_ROLE_ARN",
    ),
    "roles in a circle": (
        file(
            "config",
            f"[default]\nrole_arn={ROLE}\nsource_profile=b\n"
            f"[profile b]\nrole_arn={ROLE}\nsource_profile=default\n",
        ),
        "the role of profile 'default'",
    ),
    "role of two sources": (
        role("source_profile = base\ncredential_source = Environment\n" + BASE).set_up,
        "the role of profile 'default'",
    ),
    "role of no source": (role("").set_up, "source_profile or credential_source is missing"),
    "role of a source without keys": (
        role("source_profile = base\n[profile base]\nregion = us-east-1\n").set_up,
        "the role of profile 'default'",
    ),
    "SSO without a region": (
        file("config", f"[default]\n{SSO}sso_start_url = {START}\n"),
        "sso_region",
    ),
}


@pytest.mark.parametrize("fault", BY_HAND)
def test_what_people_get_wrong(
    run: Run, world: World, record_property: Callable[[str, object], None], fault: str
) -> None:
    """Is exit 4, says whose fault it is, and quotes no secret."""
    set_up, said = BY_HAND[fault]
    set_up(world)
    result = run("show", "my-image", "-o", "json", "--max-attempts", "1")
    error = json.loads(result.stderr)["Error"]
    record_property("cell", [fault, "", result.code, error["Message"]])
    assert (result.code, error["Kind"], world.service.received) == (4, "access", [])
    assert said in error["Message"]
    assert "canary" not in result.stderr


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("InvalidIdentityToken", 400, 4),
        ("ValidationError", 400, 4),
        ("PackedPolicyTooLarge", 400, 4),
        ("MalformedPolicyDocument", 400, 4),
        ("RegionDisabledException", 403, 4),
        ("ExpiredTokenException", 403, 4),
        ("InvalidClientTokenId", 403, 4),
        ("SignatureDoesNotMatch", 403, 4),
        ("ResourceNotFoundException", 404, 4),
        ("ResourceInUse", 400, 4),
        ("SomethingNew", 418, 4),
        ("IDPCommunicationError", 400, 6),
        ("Throttling", 400, 6),
        ("TooManyRequestsException", 429, 6),
        ("ServiceUnavailable", 503, 6),
        ("SomethingNew", 500, 6),
    ],
)
@pytest.mark.parametrize("name", ["role of a profile", "SSO"])
def test_a_code_of_another_service_is_not_sagemaker_s(
    run: Run, world: World, name: str, code: str, status: int, exit_code: int
) -> None:
    """Nothing of theirs is an image that isn't there, or a change that was refused."""
    SOURCES[name].set_up(world)
    call = {"role of a profile": "sts:AssumeRole", "SSO": "sso:GetRoleCredentials"}[name]
    world.identity.answer(call, refusal(call, code, "it says so", status))
    result = run("update", "my-image", "--description", "x", "-o", "json", "--max-attempts", "1")
    error = json.loads(result.stderr)["Error"]
    assert (result.code, error["ExitCode"], error["Operation"]) == (exit_code, exit_code, call)
    assert (error["Outcome"], error["Code"], error["HTTPStatusCode"]) == ("not-applied", code, status)
    assert f"{call}: it says so ({code})" in error["Message"]
    assert "'default'" in error["Message"]
    assert world.service.received == []


# What is given for SageMaker's calls holds for the others', too.


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("name", ["role of a profile", "web identity", "SSO", "SSO, refreshed", "aws login"])
def test_max_attempts_is_that_of_every_call(run: Run, world: World, name: str, attempts: int) -> None:
    source = SOURCES[name]
    source.set_up(world)
    assert source.down
    source.down(world)
    assert run("show", "my-image", "--max-attempts", str(attempts)).code == 6
    assert len(world.identity.calls) == attempts


def test_the_timeouts_are_those_of_every_call(run: Run, world: World) -> None:
    SOURCES["role of a profile"].set_up(world)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.setenv(AWS_ENDPOINT_URL_STS=f"http://127.0.0.1:{silent.getsockname()[1]}")
        result = run("show", "my-image", "--max-attempts", "1", "--read-timeout", "0.1")
    assert result.code == 6
    assert "sts:AssumeRole" in result.stderr


@pytest.mark.parametrize("by", ["flag", "variable", "profile"])
def test_the_ca_bundle_is_that_of_every_call(run: Run, world: World, by: str, tmp_path: Path) -> None:
    """A private CA in front of STS."""
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    secure = Identity(world.time.now, context)
    ca_bundle = f"ca_bundle = {bundle}\n" if by == "profile" else ""
    role(f"source_profile = base\n{ca_bundle}{BASE}").set_up(world)
    world.setenv(AWS_ENDPOINT_URL_STS=secure.url)
    if by == "variable":
        world.setenv(AWS_CA_BUNDLE=str(bundle))
    result = run("show", "my-image", *(["--ca-bundle", str(bundle)] if by == "flag" else []))
    secure.close()
    assert result.code == 0, result.stderr
    assert secure.calls == ["sts:AssumeRole"]


MFA = f"""[default]
role_arn = {ROLE}
source_profile = base
mfa_serial = arn:aws:iam::{ROLE_ACCOUNT}:mfa/me
{BASE}"""


def test_without_a_terminal_an_mfa_code_is_not_asked_for(program: list[str], world: World) -> None:
    """Not read from a pipe either, and one line says what is missing: no warning of Python's."""
    world.config(MFA)
    session = Session([*program, "show", "my-image"], terminals=())
    code, stdout, stderr = session.finish()
    assert (code, stdout, world.identity.calls) == (4, "", [])
    first, hint, _ = stderr.splitlines()
    assert "the role of profile 'default': an MFA code is needed, and there is no terminal" in first
    assert hint.startswith("hint: get a session first")


def test_an_mfa_code_is_asked_for_once_for_all_regions(
    program: list[str], world: World, tmp_path: Path
) -> None:
    """A code is good once: the regions of a profile share its login. No spinner wipes the question."""
    world.config(MFA)
    manifest = tmp_path / "images.jsonl"
    regions = ("us-east-1", "us-west-2", "eu-west-1")
    for region in regions:
        world.service.add(f"in-{region}")
    lines = [{"ImageName": f"in-{region}", "Region": region, "Description": "x"} for region in regions]
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pexpect.spawn(program[0], [*program[1:], "apply", str(manifest), "--yes"], timeout=60) as terminal:
        terminal.expect_exact("MFA code")
        terminal.sendline("123456")
        terminal.expect(pexpect.EOF)
    assert terminal.wait() == 0, terminal.before
    assert terminal.before.count(b"MFA code") == 0
    (asked,) = world.identity.asked
    assert asked.params["TokenCode"] == "123456"
    assert world.service.operations.count("UpdateImage") == len(regions)


@pytest.mark.parametrize("typed", ["\r", "\x04"], ids=["nothing", "end of input"])
def test_an_mfa_code_that_is_not_given(program: list[str], world: World, typed: str) -> None:
    """Is told as that."""
    world.config(MFA)
    with pexpect.spawn(program[0], [*program[1:], "show", "my-image"], timeout=60) as terminal:
        terminal.expect_exact("MFA code")
        terminal.send(typed)
        terminal.expect("default': .*MFA code")
        terminal.expect(pexpect.EOF)
    assert terminal.wait() == 4
    assert world.identity.calls == []
