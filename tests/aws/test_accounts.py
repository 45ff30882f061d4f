"""One apply over three accounts: by assumed roles, by shards, and back again. And a clock that is wrong."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Run
from identity import World
from service import Service, error

ACCOUNTS = {"dev": "111111111111", "test": "222222222222", "prod": "333333333333"}
BASE = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = canary\n"
ROLE = f"[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n{BASE}"
NAMES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def accounts(world: World) -> Iterator[dict[str, Service]]:
    """A service for each account, reached by a profile that assumes a role there; the same names in each."""
    services = {name: Service(account=account) for name, account in ACCOUNTS.items()}
    world.env.delenv("AWS_ENDPOINT_URL_SAGEMAKER")
    config = BASE
    for name, service in services.items():
        for image in NAMES:
            service.add(image, Description=f"{image} of {name}")
        config += (
            f"[profile {name}]\nsource_profile = base\nservices = {name}\nexternal_id = of-{name}\n"
            f"role_arn = arn:aws:iam::{service.account}:role/deploy\n"
            f"[services {name}]\nsagemaker =\n  endpoint_url = {service.url}\n"
        )
    world.config(config)
    yield services
    for service in services.values():
        service.close()


@pytest.fixture
def manifest(accounts: dict[str, Service], tmp_path: Path) -> str:
    """Every image of every account: those of `dev` by their ARNs."""
    path = tmp_path / "fleet.jsonl"
    with path.open("w") as file:
        for profile, service in accounts.items():
            for name in NAMES:
                image = {"ImageArn": service.arn(name)} if profile == "dev" else {"ImageName": name}
                file.write(json.dumps({**image, "Profile": profile, "Description": "new"}) + "\n")
    return str(path)


def descriptions(accounts: dict[str, Service]) -> set[str]:
    return {image["Description"] for service in accounts.values() for image in service.images.values()}


def test_three_accounts_by_their_roles_and_back(
    run: Run, world: World, accounts: dict[str, Service], manifest: str, tmp_path: Path
) -> None:
    """One role is assumed per account, each is signed for with its keys, and the undo goes to each again."""
    before, undo = descriptions(accounts), tmp_path / "undo.jsonl"
    result = run("apply", manifest, "--yes", "--wait", "--rollback-file", str(undo))
    assert (result.code, len(result.stdout.splitlines())) == (0, 12)
    assert descriptions(accounts) == {"new"}
    assert sorted(asked.params["ExternalId"] for asked in world.identity.asked) == [
        f"of-{name}" for name in sorted(ACCOUNTS)
    ]
    for service in accounts.values():
        tokens = {received.headers["X-Amz-Security-Token"] for received in service.received}
        assert tokens == {f"session-of-arn:aws:iam::{service.account}:role/deploy"}
    assert run("apply", str(undo), "--yes").code == 0
    assert descriptions(accounts) == before


def test_shards_of_three_accounts_do_each_image_once(
    run: Run, accounts: dict[str, Service], manifest: str
) -> None:
    """However the parts fall: all twelve, none twice, and none in the wrong account."""
    for part in ("1/3", "2/3", "3/3"):
        assert run("apply", manifest, "--yes", "--shard", part).code == 0
    for service in accounts.values():
        assert sorted(call["ImageName"] for call in service.calls("UpdateImage")) == sorted(NAMES)


def test_a_role_that_is_refused_names_its_profile_and_stops_all(
    run: Run, world: World, accounts: dict[str, Service], manifest: str
) -> None:
    """Nothing is sent anywhere: a fleet is looked at as a whole before it is changed."""
    text = (world.home / "config").read_text()
    world.config(text.replace(f"arn:aws:iam::{ACCOUNTS['test']}:role/deploy", "admin"))
    result = run("apply", manifest, "--yes")
    assert (result.code, result.stdout) == (4, "")
    assert "profile 'test'" in result.stderr
    assert "role_arn" in result.stderr
    assert not any(service.calls("UpdateImage") for service in accounts.values())


@pytest.mark.slow
def test_a_role_of_somebody_else_s_sts(spawn: Run, tmp_path: Path) -> None:
    """What moto's STS gives is taken, and tells the account: no look is needed, another's ARN is refused."""
    config = tmp_path / "config"
    config.write_text(ROLE)
    script = (
        f"export AWS_CONFIG_FILE={config} AWS_SHARED_CREDENTIALS_FILE=/dev/null\n"
        "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n"
        "imagectl update arn:aws:sagemaker:us-east-1:123456789012:image/my-image --description x || exit 1\n"
        "imagectl update arn:aws:sagemaker:us-east-1:210987654321:image/my-image --description x"
    )
    result = spawn("sandbox", "--", "sh", "-c", script)
    assert (result.code, result.stdout) == (4, "arn:aws:sagemaker:us-east-1:123456789012:image/my-image\n")
    assert "the credentials are of account 123456789012" in result.stderr


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_jumps_in_the_middle_of_a_wait(run: Run, world: World, hours: int) -> None:
    """Keys that seem to have ended are renewed, and the wait goes on to its end."""
    world.config(ROLE)
    world.service.updating_reads = 2

    def jump() -> None:
        world.time.ahead += timedelta(hours=hours)

    world.service.on_update = jump
    assert run("update", "my-image", "--description", "x", "--wait").code == 0
    assert len(world.identity.calls) == (2 if hours > 0 else 1)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_wrong_all_the_time(run: Run, world: World, hours: int) -> None:
    """Keys of an hour seem to have ended when they come: exit 4, and the clock is suspected."""
    world.identity.clock = type(world.time)().now
    world.time.ahead = timedelta(hours=hours)
    world.config(ROLE)
    result = run("update", "my-image", "--description", "x")
    if hours < 0:
        assert result.code == 0
    else:
        assert (result.code, world.service.received) == (4, [])
        assert "clock" in result.stderr


def test_a_request_that_is_signed_at_the_wrong_time(run: Run, service: Service) -> None:
    """Is told as the clock's fault, once botocore's own correction didn't help."""
    service.answer("UpdateImage", error("InvalidSignatureException", "Signature expired"), times=9)
    result = run("update", "my-image", "--description", "x", "--max-attempts", "1")
    assert result.code == 4
    assert "clock" in result.stderr
