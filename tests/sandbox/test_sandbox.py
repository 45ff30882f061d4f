"""The sandbox, over real HTTP as any AWS client meets it."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pexpect
import pytest
from conftest import Run
from moto.sagemaker.responses import SageMakerResponse
from service import ROLE

from imagectl import VERSION_LINE
from imagectl.errors import ImagectlError
from imagectl.installed import adding
from imagectl.sandbox import Sandbox, run_command, serve
from imagectl.sandbox.service import MAGIC, ORDINARY

ARN = "arn:aws:sagemaker:us-east-1:123456789012:image/"
SECONDS = 5.0
NAME_PATTERN = "[a-zA-Z0-9]([-.]?[a-zA-Z0-9]){0,62}"
ROLE_PATTERN = r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
NO_POLICY = "because no identity-based policy allows the"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@cache
def session() -> boto3.session.Session:
    """One for all: each would read the service model anew."""
    return boto3.session.Session()


@contextmanager
def connected(sandbox: Sandbox, region: str = "us-east-1", service: str = "sagemaker") -> Iterator[Any]:
    """A client that neither retries nor checks anything itself."""
    client = session().client(
        service,
        region_name=region,
        endpoint_url=sandbox.endpoint_url,
        aws_access_key_id="SANDBOX0NOT0A0SECRET",
        aws_secret_access_key="sandbox",
        config=botocore.config.Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, max_pool_connections=50
        ),
    )
    yield client
    client.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with serve(update_seconds=SECONDS, clock=clock) as served:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Any]:
    with connected(sandbox) as client:
        yield client


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    """The HTTP status, code and message with which the service refuses a call."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**parameters)
    reply = caught.value.response
    return reply["ResponseMetadata"]["HTTPStatusCode"], reply["Error"]["Code"], reply["Error"]["Message"]


def names(reply: dict[str, Any]) -> list[str]:
    return [image["ImageName"] for image in reply["Images"]]


# The operations.


def test_an_ordinary_image_is_there_at_once(client: Any) -> None:
    """A fresh sandbox describes my-image, with every property that an image can have."""
    reply = client.describe_image(ImageName="my-image")
    assert reply["ImageArn"] == ARN + "my-image"
    assert reply["ImageStatus"] == "CREATED"
    assert reply["Description"] == "Python 3.11 with the team's data tools"
    assert reply["DisplayName"] == "My image"
    assert reply["RoleArn"] == "arn:aws:iam::123456789012:role/service-role/SageMakerImages"
    assert "FailureReason" not in reply


def test_a_created_image_is_creating_first(client: Any, clock: Clock) -> None:
    """CreateImage gives CREATING, then CREATED, with the properties that were asked for."""
    tags = [{"Key": "team", "Value": "data"}]
    reply = client.create_image(ImageName="new", RoleArn=ROLE, DisplayName="New", Tags=tags)
    assert reply["ImageArn"] == ARN + "new"
    assert client.describe_image(ImageName="new")["ImageStatus"] == "CREATING"
    clock.advance(SECONDS)
    image = client.describe_image(ImageName="new")
    assert (image["ImageStatus"], image["DisplayName"], image["RoleArn"]) == ("CREATED", "New", ROLE)
    assert "Description" not in image


def test_a_name_is_taken_once(client: Any) -> None:
    """CreateImage of a name that is there is refused in the service's words."""
    assert refusal(client.create_image, ImageName="my-image", RoleArn=ROLE) == (
        400,
        "ResourceInUse",
        "The Image with ImageName my-image already exists. Please use a different ImageName.",
    )


def test_an_update_shows_the_old_values_until_it_is_done(client: Any, clock: Clock) -> None:
    """UPDATING comes with the properties as they were; CREATED with the new ones."""
    old = client.describe_image(ImageName="my-image")
    reply = client.update_image(ImageName="my-image", Description="new", DisplayName="New", RoleArn=ROLE)
    assert reply["ImageArn"] == ARN + "my-image"
    clock.advance(SECONDS - 0.1)
    under_way = client.describe_image(ImageName="my-image")
    assert under_way["ImageStatus"] == "UPDATING"
    assert [under_way[key] for key in ("Description", "DisplayName", "RoleArn")] == [
        old[key] for key in ("Description", "DisplayName", "RoleArn")
    ]
    clock.advance(0.1)
    done = client.describe_image(ImageName="my-image")
    assert done["ImageStatus"] == "CREATED"
    assert (done["Description"], done["DisplayName"], done["RoleArn"]) == ("new", "New", ROLE)


def test_the_time_of_modification_moves(client: Any, clock: Clock) -> None:
    """LastModifiedTime moves when an update begins and again when it ends; CreationTime stays."""
    old = client.describe_image(ImageName="my-image")
    client.update_image(ImageName="my-image", Description="new")
    under_way = client.describe_image(ImageName="my-image")
    clock.advance(2 * SECONDS)
    done = client.describe_image(ImageName="my-image")
    assert under_way["LastModifiedTime"] - old["LastModifiedTime"] > timedelta(days=8)
    assert done["LastModifiedTime"] - under_way["LastModifiedTime"] == timedelta(seconds=SECONDS)
    assert done["CreationTime"] == old["CreationTime"]


def test_properties_are_deleted(client: Any, clock: Clock) -> None:
    """DeleteProperties takes away just what it names, together with a change of another property."""
    client.update_image(ImageName="my-image", DeleteProperties=["Description"], DisplayName="New")
    clock.advance(SECONDS)
    image = client.describe_image(ImageName="my-image")
    assert "Description" not in image
    assert image["DisplayName"] == "New"
    client.update_image(ImageName="my-image", DeleteProperties=["Description", "DisplayName"])
    clock.advance(SECONDS)
    assert not {"Description", "DisplayName"} & client.describe_image(ImageName="my-image").keys()


def test_a_property_is_not_set_and_deleted_at_once(client: Any) -> None:
    """The same property set and deleted in one request is a ValidationException, and nothing changes."""
    status, code, message = refusal(
        client.update_image, ImageName="my-image", Description="x", DeleteProperties=["Description"]
    )
    assert (status, code) == (400, "ValidationException")
    assert "Description" in message
    assert client.describe_image(ImageName="my-image")["ImageStatus"] == "CREATED"


@pytest.mark.parametrize("busy", ["CREATING", "UPDATING", "DELETING"])
def test_a_busy_image_is_left_alone(client: Any, busy: str) -> None:
    """An image that is being changed takes no update and no deletion."""
    if busy == "CREATING":
        client.create_image(ImageName="image", RoleArn=ROLE)
    name = "image" if busy == "CREATING" else "my-image"
    if busy == "UPDATING":
        client.update_image(ImageName=name, Description="first")
    if busy == "DELETING":
        client.delete_image(ImageName=name)
    assert client.describe_image(ImageName=name)["ImageStatus"] == busy
    in_use = (400, "ResourceInUse", "Resource was modified concurrently")
    assert refusal(client.update_image, ImageName=name, Description="second") == in_use
    assert refusal(client.delete_image, ImageName=name) == in_use


def test_a_deleted_image_goes(client: Any, clock: Clock) -> None:
    """DeleteImage gives DELETING, then nothing; the name is free again."""
    client.delete_image(ImageName="my-image")
    assert client.describe_image(ImageName="my-image")["ImageStatus"] == "DELETING"
    clock.advance(SECONDS)
    assert refusal(client.describe_image, ImageName="my-image")[1] == "ResourceNotFound"
    client.create_image(ImageName="my-image", RoleArn=ROLE)


@pytest.mark.parametrize("operation", ["describe_image", "update_image", "delete_image"])
def test_an_image_that_is_not_there(client: Any, operation: str) -> None:
    """Every operation on an unknown image gives the service's ResourceNotFound."""
    assert refusal(getattr(client, operation), ImageName="my-imgae") == (
        400,
        "ResourceNotFound",
        f"Image with ARN {ARN}my-imgae does not exist",
    )


# Validation.


PATTERN = "satisfy regular expression pattern:"
LONGEST = "have length less than or equal to"
SHORTEST = "have length greater than or equal to"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("ImageName", "a_b", f"{PATTERN} {NAME_PATTERN}"),
        ("ImageName", "my-image\n", f"{PATTERN} {NAME_PATTERN}"),
        ("ImageName", "a" + "-a" * 32, f"{LONGEST} 63"),
        ("Description", "é" * 513, f"{LONGEST} 512"),
        ("Description", "", f"{SHORTEST} 1"),
        ("Description", "a\u2028b", f"{PATTERN} .*"),
        ("DisplayName", " x", rf"{PATTERN} \S(.*\S)?"),
        ("DisplayName", "x" * 129, f"{LONGEST} 128"),
        ("RoleArn", "arn:aws:iam::1:role/images", f"{PATTERN} {ROLE_PATTERN}"),
        ("RoleArn", f"{ROLE}{'x' * 2048}", f"{LONGEST} 2048"),
    ],
)
def test_an_invalid_value(client: Any, field: str, value: str, rule: str) -> None:
    """What breaks a limit of the API is refused in the service's words."""
    at = (
        f"Value '{value}' at '{field[0].lower()}{field[1:]}' failed to satisfy constraint: Member must {rule}"
    )
    expected = (400, "ValidationException", f"1 validation error detected: {at}")
    assert refusal(client.update_image, **{"ImageName": "my-image", field: value}) == expected


@pytest.mark.parametrize(
    ("properties", "rule"),
    [
        (
            ["RoleArn"],
            (
                f"satisfy constraint: [Member must {LONGEST} 11, Member must {SHORTEST} 1,"
                f" Member must {PATTERN} (^DisplayName$)|(^Description$)]"
            ),
        ),
        (["Description", "DisplayName", "Description"], f"{LONGEST} 2"),
    ],
)
def test_invalid_deletions(client: Any, properties: list[str], rule: str) -> None:
    """A list is held to its own limits, and each of its members to the members'."""
    shown = ", ".join(properties)
    at = f"Value '[{shown}]' at 'deleteProperties' failed to satisfy constraint: Member must {rule}"
    expected = (400, "ValidationException", f"1 validation error detected: {at}")
    assert refusal(client.update_image, ImageName="my-image", DeleteProperties=properties) == expected


def test_several_problems_are_one_message(client: Any) -> None:
    """All that is wrong with a request is told at once, and counted."""
    _, _, message = refusal(client.create_image, ImageName="-", DisplayName=" x")
    first, second, third = message.split("; ")
    assert first.startswith("3 validation errors detected: Value ' x' at 'displayName' failed to")
    assert (
        second
        == f"Value '-' at 'imageName' failed to satisfy constraint: Member must {PATTERN} {NAME_PATTERN}"
    )
    assert third == "Value null at 'roleArn' failed to satisfy constraint: Member must not be null"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("MaxResults", 101, "have value less than or equal to 100"),
        ("MaxResults", 0, "have value greater than or equal to 1"),
        ("SortOrder", "Up", "satisfy enum value set: [ASCENDING, DESCENDING]"),
        ("NameContains", "a b", rf"{PATTERN} [a-zA-Z0-9\-.]+"),
    ],
)
def test_an_invalid_list(client: Any, field: str, value: object, rule: str) -> None:
    """ListImages' parameters are held to their limits too."""
    at = (
        f"Value '{value}' at '{field[0].lower()}{field[1:]}' failed to satisfy constraint: Member must {rule}"
    )
    expected = (400, "ValidationException", f"1 validation error detected: {at}")
    assert refusal(client.list_images, **{field: value}) == expected


def test_values_of_another_type(client: Any) -> None:
    """A number where a string belongs is the SerializationException that the service gives."""
    answer = refusal(client.update_image, ImageName="my-image", Description=["no", "string"])
    assert answer[:2] == (400, "SerializationException")


# ListImages.


def test_all_pages_hold_each_image_once(client: Any) -> None:
    """Pages of any size add up to the whole list; ten is the size where none is asked for."""
    for number in range(12):
        client.create_image(ImageName=f"extra-{number}", RoleArn=ROLE)
    whole = names(client.list_images(MaxResults=100))
    assert len(whole) == len(set(whole)) == 12 + 3 + len(MAGIC) - 1
    assert len(names(client.list_images())) == 10
    pages = client.get_paginator("list_images").paginate(MaxResults=7)
    assert [name for page in pages for name in names(page)] == whole


@pytest.mark.parametrize("token", ["x", "-1", "²", "1" * 10])
def test_a_page_token_that_it_never_gave(client: Any, token: str) -> None:
    """A NextToken of somebody else's making is a ValidationException."""
    assert refusal(client.list_images, NextToken=token)[:2] == (400, "ValidationException")


def test_a_list_has_no_roles(client: Any) -> None:
    """ListImages gives all that DescribeImage does, but for RoleArn."""
    listed = client.list_images(NameContains="my-image")["Images"]
    described = client.describe_image(ImageName="my-image")
    assert listed == [
        {key: value for key, value in described.items() if key not in {"RoleArn", "ResponseMetadata"}}
    ]


def test_a_list_is_sorted(client: Any, clock: Clock) -> None:
    """By creation, modification or name, either way; newest first where nothing is said."""
    ordinary = ["pandas-notebook", "pytorch-training", "my-image"]
    assert names(client.list_images(MaxResults=3)) == ordinary[::-1]
    assert names(client.list_images(SortOrder="ASCENDING", MaxResults=100))[-3:] == ordinary
    by_name = names(client.list_images(SortBy="IMAGE_NAME", SortOrder="ASCENDING", MaxResults=100))
    assert by_name == sorted(by_name)
    clock.advance(1)
    client.update_image(ImageName="pandas-notebook", Description="new")
    assert names(client.list_images(SortBy="LAST_MODIFIED_TIME"))[0] == "pandas-notebook"


def test_a_list_is_filtered_by_name(client: Any) -> None:
    """NameContains lets through the names that hold the text, wherever it stands."""
    assert names(client.list_images(NameContains="torch")) == ["pytorch-training"]
    assert names(client.list_images(NameContains="none-such")) == []


@pytest.mark.parametrize("kind", ["CreationTime", "LastModifiedTime"])
def test_a_list_is_filtered_by_time(client: Any, kind: str) -> None:
    """The four time filters cut the list at a moment."""
    between = client.describe_image(ImageName="pytorch-training")[kind] + timedelta(days=1)
    after = names(client.list_images(**{f"{kind}After": between}))
    before = names(client.list_images(**{f"{kind}Before": between}, MaxResults=100))
    assert after == ["my-image"]
    assert before[:2] == ["pytorch-training", "pandas-notebook"]
    assert len(before) == 2 + len(MAGIC) - 1


# Where images live.


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("xx-unknown-7", "aws"),
    ],
)
def test_an_arn_names_region_and_partition(sandbox: Sandbox, region: str, partition: str) -> None:
    """ARNs are those of the region's own partition, also in regions that moto has never heard of."""
    with connected(sandbox, region) as client:
        image = client.describe_image(ImageName="my-image")
    assert image["ImageArn"] == f"arn:{partition}:sagemaker:{region}:123456789012:image/my-image"
    assert image["RoleArn"].startswith(f"arn:{partition}:iam::123456789012:role/")


def test_regions_and_accounts_are_apart(sandbox: Sandbox, client: Any) -> None:
    """A change in one region of one account is seen nowhere else."""
    client.delete_image(ImageName="my-image")
    with connected(sandbox, "eu-west-1") as abroad:
        assert abroad.describe_image(ImageName="my-image")["ImageStatus"] == "CREATED"
    with connected(sandbox) as other:
        other.meta.events.register(
            "before-call.sagemaker",
            lambda params, **_: params["headers"].update({"x-moto-account-id": "210987654321"}),
        )
        image = other.describe_image(ImageName="my-image")
    assert image["ImageStatus"] == "CREATED"
    assert image["ImageArn"] == "arn:aws:sagemaker:us-east-1:210987654321:image/my-image"


def test_each_sandbox_begins_afresh(clock: Clock) -> None:
    """Nothing of one sandbox is left in the next, nor in moto once it is closed."""
    for _ in range(2):
        with serve(clock=clock) as sandbox, connected(sandbox) as client:
            assert client.describe_image(ImageName="my-image")["ImageStatus"] == "CREATED"
            assert client.list_models()["Models"] == []
            client.delete_image(ImageName="my-image")
            client.create_model(ModelName="model", ExecutionRoleArn=ROLE)
    assert not hasattr(SageMakerResponse, "update_image")


def test_operations_of_moto_s_own_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moto that has an operation itself has it again once the sandbox is closed."""

    def own(self: object) -> None:
        """Stand for what moto may have one day."""

    monkeypatch.setattr(SageMakerResponse, "list_images", own, raising=False)
    with serve() as sandbox, connected(sandbox) as client:
        assert "my-image" in names(client.list_images())
    assert vars(SageMakerResponse)["list_images"] is own


def test_replies_are_of_the_api_s_shape(client: Any, clock: Clock) -> None:
    """Each reply has the keys that botocore's model knows, the required ones among them, and no other."""
    reply: dict[str, dict[str, Any]] = {}

    def keep(parsed: dict[str, Any], model: Any, http_response: Any, **_: Any) -> None:
        reply[model.name] = json.loads(http_response.content)

    client.meta.events.register("after-call.sagemaker", keep)
    client.create_image(ImageName="new", RoleArn=ROLE)
    client.update_image(ImageName="sandbox-update-failed", Description="x")
    clock.advance(SECONDS)
    client.describe_image(ImageName="sandbox-update-failed")
    client.list_images(NameContains="sandbox", MaxResults=1)
    client.delete_image(ImageName="new")

    def fits(value: Any, shape: Any) -> bool:
        if shape.type_name == "structure":
            return (
                value.keys() <= shape.members.keys()
                and set(shape.required_members) <= value.keys()
                and all(fits(inner, shape.members[name]) for name, inner in value.items())
            )
        if shape.type_name == "list":
            return all(fits(inner, shape.member) for inner in value)
        return isinstance(value, float if shape.type_name == "timestamp" else str)

    model = client.meta.service_model
    assert reply.keys() == {"CreateImage", "UpdateImage", "DescribeImage", "ListImages", "DeleteImage"}
    for operation, value in reply.items():
        assert fits(value, model.operation_model(operation).output_shape), operation
    assert reply["DescribeImage"].keys() == model.operation_model("DescribeImage").output_shape.members.keys()
    assert reply["ListImages"].keys() == {"Images", "NextToken"}


# Failures on demand.


def denied(action: str, resource: str) -> tuple[int, str, str]:
    user = "arn:aws:sts::123456789012:assumed-role/sandbox/session"
    refused = f"User: {user} is not authorized to perform: {action} on resource: {resource}"
    return 400, "AccessDeniedException", f"{refused} {NO_POLICY} {action} action"


REFUSED = {
    "sandbox-in-use": (400, "ResourceInUse", "Resource was modified concurrently"),
    "sandbox-invalid-state": (
        400,
        "ValidationException",
        "Image sandbox-invalid-state is in an invalid state.",
    ),
    "sandbox-access-denied": denied("sagemaker:UpdateImage", ARN + "sandbox-access-denied"),
    "sandbox-pass-role-denied": denied("iam:PassRole", ROLE),
    "sandbox-expired-token": (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    "sandbox-throttled": (400, "ThrottlingException", "Rate exceeded"),
    "sandbox-internal-failure": (500, "InternalFailure", "The request processing has failed."),
    "sandbox-unavailable": (503, "ServiceUnavailable", "The request has failed: the server is overloaded."),
    "sandbox-not-found": (400, "ResourceNotFound", f"Image with ARN {ARN}sandbox-not-found does not exist"),
}
OTHER_MAGIC = {"sandbox-update-failed", "sandbox-slow", "sandbox-lost-reply", "sandbox-foreign-reply"}


def test_every_magic_name_is_tested_and_there(run: Run) -> None:
    """The names that --help lists are those below."""
    assert MAGIC.keys() == REFUSED.keys() | OTHER_MAGIC
    assert set(re.findall(r"(?m)^  (sandbox-\S+) ", run("sandbox", "--help").stdout)) == MAGIC.keys()
    assert all(magic.says and "\n" not in magic.says for magic in MAGIC.values())


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusing_name(client: Any, name: str) -> None:
    """The name refuses an update with its error, time and again, and the image stays as it is."""
    for _ in range(2):
        assert refusal(client.update_image, ImageName=name, RoleArn=ROLE) == REFUSED[name]
    if name != "sandbox-not-found":
        image = client.describe_image(ImageName=name)
        assert (image["ImageStatus"], image["Description"]) == ("CREATED", MAGIC[name].says)


def test_a_magic_name_works_in_every_region(sandbox: Sandbox) -> None:
    """The failure is there whatever the region, and speaks of it."""
    with connected(sandbox, "cn-north-1") as client:
        message = refusal(client.update_image, ImageName="sandbox-access-denied", Description="x")[2]
    assert message.startswith("User: arn:aws-cn:sts::")
    assert "arn:aws-cn:sagemaker:cn-north-1:123456789012:image/sandbox-access-denied" in message


def test_a_list_shows_the_magic_names(client: Any) -> None:
    """ListImages shows every magic image but the one that isn't there."""
    listed = names(client.list_images(NameContains="sandbox-", MaxResults=100))
    assert set(listed) == MAGIC.keys() - {"sandbox-not-found"}


def test_a_role_may_not_be_passed(client: Any, clock: Clock) -> None:
    """sandbox-pass-role-denied takes every update that passes no role."""
    client.update_image(ImageName="sandbox-pass-role-denied", Description="new")
    clock.advance(SECONDS)
    assert client.describe_image(ImageName="sandbox-pass-role-denied")["Description"] == "new"


def test_an_update_may_fail_later(client: Any, clock: Clock) -> None:
    """sandbox-update-failed accepts, then fails with a reason and the old values; it may be tried again."""
    old = client.describe_image(ImageName="sandbox-update-failed")
    for _ in range(2):
        client.update_image(ImageName="sandbox-update-failed", Description="new")
        under_way = client.describe_image(ImageName="sandbox-update-failed")
        assert under_way["ImageStatus"] == "UPDATING"
        assert "FailureReason" not in under_way
        clock.advance(SECONDS)
        failed = client.describe_image(ImageName="sandbox-update-failed")
        assert failed["ImageStatus"] == "UPDATE_FAILED"
        assert failed["FailureReason"] == "The sandbox fails every update of this image."
        assert failed["Description"] == old["Description"]


def test_an_update_may_take_an_hour(client: Any, clock: Clock) -> None:
    """sandbox-slow is UPDATING for an hour, whatever an update takes elsewhere."""
    client.update_image(ImageName="sandbox-slow", Description="new")
    clock.advance(3599)
    assert client.describe_image(ImageName="sandbox-slow")["ImageStatus"] == "UPDATING"
    clock.advance(1)
    assert client.describe_image(ImageName="sandbox-slow")["Description"] == "new"


def test_a_reply_may_be_lost(client: Any, clock: Clock) -> None:
    """sandbox-lost-reply closes the connection at once, and has applied the update all the same."""
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.update_image(ImageName="sandbox-lost-reply", Description="new")
    assert client.describe_image(ImageName="sandbox-lost-reply")["ImageStatus"] == "UPDATING"
    clock.advance(SECONDS)
    assert client.describe_image(ImageName="sandbox-lost-reply")["Description"] == "new"


def test_a_reply_may_be_somebody_else_s(client: Any) -> None:
    """sandbox-foreign-reply answers with a web page, which botocore takes for success; nothing is applied."""
    reply = client.update_image(ImageName="sandbox-foreign-reply", Description="new")
    assert "ImageArn" not in reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert reply["ResponseMetadata"]["HTTPHeaders"]["content-type"].startswith("text/html")
    assert client.describe_image(ImageName="sandbox-foreign-reply")["Description"] != "new"


# The server.


def test_a_burst_is_answered(client: Any, clock: Clock) -> None:
    """200 threads at once: each gets its own answer, and one image takes exactly one of its updates."""

    def one(number: int) -> str:
        try:
            client.create_image(ImageName=f"image-{number}", RoleArn=ROLE)
            client.update_image(ImageName="my-image", Description=str(number))
        except client.exceptions.ResourceInUse:
            return "busy"
        return "updated"

    with ThreadPoolExecutor(200) as pool:
        results = list(pool.map(one, range(200)))
    assert sorted(results) == ["busy"] * 199 + ["updated"]
    clock.advance(SECONDS)
    assert client.describe_image(ImageName="my-image")["Description"] == str(results.index("updated"))
    listed = client.get_paginator("list_images").paginate(NameContains="image-")
    assert sum(len(page["Images"]) for page in listed) == 200


def test_what_moto_can_not_do(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """An operation that isn't there is an error that a client doesn't repeat; the terminal stays clean."""
    status, code, message = refusal(client.list_image_versions, ImageName="my-image")
    assert (status, code) == (400, "UnknownOperationException")
    assert "list_image_versions" in message
    refusal(client.update_image, ImageName="sandbox-internal-failure")
    client.update_image(ImageName="my-image", Description="x")
    assert capfd.readouterr() == ("", "")


def test_other_services_are_there(sandbox: Sandbox) -> None:
    """Whatever else a script asks, such as whose account it is, is answered on loopback."""
    with connected(sandbox, service="sts") as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"


def test_nobody_else_reaches_it(sandbox: Sandbox) -> None:
    """It listens on its one address, not on all that the machine has."""
    port = int(sandbox.endpoint_url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=10):
        pass


def test_a_port_may_be_asked_for() -> None:
    """The port is the one asked for, and one that is taken is a usage error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ImagectlError) as caught, serve(port=port):
            pass
    assert caught.value.kind == "usage"
    assert f"can't listen on 127.0.0.1:{port}: " in caught.value.message
    with serve(port=port) as sandbox:
        assert sandbox.endpoint_url == f"http://127.0.0.1:{port}"


# The environment.


def test_the_environment_leads_to_the_sandbox() -> None:
    """It names the endpoint for every service, a region, made-up credentials, and no file of the user's."""
    assert Sandbox("http://127.0.0.1:1").environment == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "SANDBOX0NOT0A0SECRET",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def test_the_environment_leads_nowhere_else() -> None:
    """Of AWS's variables that a user has, only those that say how to behave remain."""
    sandbox = Sandbox("http://127.0.0.1:1")
    given = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL_STS": "https://sts.example",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_ACCESS_KEY_ID": "real",
        "AWS_MAX_ATTEMPTS": "2",
        "HTTPS_PROXY": "http://proxy:3128",
        "PATH": "/bin",
    }
    kept = {"AWS_MAX_ATTEMPTS": "2", "HTTPS_PROXY": "http://proxy:3128", "PATH": "/bin"}
    assert sandbox.applied_to(given) == kept | sandbox.environment


@pytest.mark.parametrize(
    ("given", "direct"),
    [
        ({"NO_PROXY": "corp.example"}, "corp.example,127.0.0.1"),
        ({"no_proxy": "low.example", "NO_PROXY": "high.example"}, "low.example,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
        ({"no_proxy": ""}, "127.0.0.1"),
    ],
)
def test_loopback_goes_past_the_proxy(given: dict[str, str], direct: str) -> None:
    """What a user reaches without the proxy stays so, and loopback is added, under both spellings."""
    env = Sandbox("http://127.0.0.1:1").applied_to(given)
    assert env["NO_PROXY"] == env["no_proxy"] == direct


# The command.

PYTHON = sys.executable


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_a_command_s_status_is_ours(script: str, status: int) -> None:
    """The command's exit status is returned; a signal N that ended it as 128 + N, as a shell does."""
    assert run_command([PYTHON, "-c", script], update_seconds=0) == status


def test_a_command_finds_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any client in the command speaks to the sandbox, whatever profile, proxy and token surround it."""
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    script = """
import boto3
client = boto3.client("sagemaker")
assert client.update_image(ImageName="my-image", Description="x")["ImageArn"]
assert client.describe_image(ImageName="my-image")["Description"] == "x"
assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
"""
    assert run_command([PYTHON, "-c", script], update_seconds=0) == 0
    assert os.environ["AWS_PROFILE"] == "none-such"


@pytest.mark.parametrize(
    ("command", "reason"),
    [("none-such-command", "No such file or directory"), ("/", "Permission denied")],
)
def test_a_command_that_can_not_be_run(command: str, reason: str) -> None:
    """A command that isn't there, or can't be run, is a usage error that names it."""
    with pytest.raises(ImagectlError) as caught:
        run_command([command], update_seconds=0)
    assert (caught.value.kind, caught.value.message) == ("usage", f"can't run {command}: {reason}")


RUN = """
import sys
from imagectl.sandbox import run_command
sys.exit(run_command(sys.argv[1:], update_seconds=0))
"""
CHILD = """
import signal, sys
def end(number, frame):
    sys.exit(number + 40)
signal.alarm(60)  # whatever fails, this doesn't stay behind
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, end)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_us_is_passed_on(number: signal.Signals) -> None:
    """It reaches the command, whose status is then ours: the command isn't left behind."""
    with subprocess.Popen([PYTHON, "-c", RUN, PYTHON, "-c", CHILD], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == 40 + number


def test_ctrl_c_is_the_command_s() -> None:
    """Ctrl-C, which a terminal sends to all of the group, ends the command; we wait, and say nothing."""
    with subprocess.Popen(
        [PYTHON, "-c", RUN, PYTHON, "-c", CHILD],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (40 + signal.SIGINT, b"")


def test_serving_for_a_shell() -> None:
    """The lines printed make a shell's clients find the sandbox; Ctrl-C ends it quietly."""
    program = """
from imagectl.sandbox import serve_forever
serve_forever(lambda line: print(line, flush=True), update_seconds=0)
"""
    surroundings = os.environ | {
        "AWS_ENDPOINT_URL_S3": "https://s3.example",
        "AWS_;true;": "x",
        "NO_PROXY": "a b",
    }
    with subprocess.Popen(
        [PYTHON, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings
    ) as process:
        assert process.stdout
        lines: list[str] = []
        while not lines or not lines[-1].startswith("unset "):
            lines.append(process.stdout.readline())
        check = f"{shlex.quote(PYTHON)} -c {shlex.quote(SHELL_CHECK)}"
        shell = subprocess.run(
            ["/bin/sh", "-euc", f"{''.join(lines)}\n{check}"],
            env=surroundings | {"AWS_PROFILE": "none-such"},
            check=False,
            capture_output=True,
            text=True,
        )
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert shell.stderr == ""
    assert shell.stdout == "My image a b,127.0.0.1 None\n"
    assert (process.returncode, stdout, stderr) == (0, "", "")
    assert "true" not in lines[-1]


def test_ctrl_c_ends_serving_from_the_last_line_on() -> None:
    """Who has read the lines may end it: that is no interruption, however soon it comes."""
    program = """
import signal
from imagectl.sandbox import serve_forever
def show(line):
    if line.startswith("unset "):
        signal.raise_signal(signal.SIGINT)
serve_forever(show, update_seconds=0)
"""
    done = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


SHELL_CHECK = """
import os, boto3
name = boto3.client("sagemaker").describe_image(ImageName="my-image")["DisplayName"]
print(name, os.environ["NO_PROXY"], os.environ.get("AWS_ENDPOINT_URL_S3"))
"""


# The door: `imagectl sandbox`.


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program of our name is first on PATH, and start files set another profile and prompt."""
    (tmp_path / "imagectl").write_text("#!/bin/sh\necho another program\n")
    (tmp_path / "imagectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    home = Path(os.environ["HOME"])
    astray = f"export AWS_PROFILE=none-such PATH={tmp_path}:$PATH"
    (home / ".bashrc").write_text(f"{astray}\nPS1='theirs$ '\n")
    (home / ".zshrc").write_text(f"{astray}\nPROMPT='theirs$ '\n")
    (home / ".config/fish").mkdir(parents=True)
    (home / ".local/share/fish/generated_completions").mkdir(parents=True)  # or fish reads all man pages
    (home / ".config/fish/config.fish").write_text(f"{astray}\nfunction fish_prompt; echo 'theirs$ '; end\n")


@pytest.mark.usefixtures("other")
def test_a_command_finds_this_imagectl_first(spawn: Run) -> None:
    """Not another program of that name; and no other python than the user's comes with it."""
    assert spawn("sandbox", "--", "imagectl", "--version") == (0, f"{VERSION_LINE}\n", "")
    which = spawn("sandbox", "--", "sh", "-c", 'dirname "$(command -v imagectl)" | xargs ls')
    assert which == (0, "imagectl\n", "")


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_in_it_says_so_and_works(program: list[str], shell: str) -> None:
    """Whatever the user's own start files set; on a terminal it is told what is there and how it ends."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    child = pexpect.spawn(
        program[0], [*program[1:], "sandbox", "--", shell], encoding="utf-8", timeout=30, dimensions=(40, 200)
    )
    for said in (
        "my-image, pytorch-training and pandas-notebook",
        f"it ends with {shell}",
        "(sandbox) ",
        "theirs$ ",
    ):
        child.expect_exact(said)
    child.sendline("imagectl list --name-contains my-image -o name | tr a-z A-Z")
    child.expect_exact("MY-IMAGE")
    child.sendline("exit 3")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


@pytest.mark.parametrize(("seconds", "status"), [("0", "CREATED"), ("1h", "UPDATING")])
def test_an_update_takes_as_long_as_was_asked_for(spawn: Run, seconds: str, status: str) -> None:
    """So that UPDATING can be seen, or need not be."""
    script = (
        "imagectl update my-image --description x -o name; imagectl show my-image --query ImageStatus -o text"
    )
    told = spawn("sandbox", "--update-seconds", seconds, "--", "sh", "-c", script)
    assert told == (0, f"my-image\n{status}\n", "")


def test_in_a_pipe_nothing_is_said(spawn: Run) -> None:
    """What a script runs in the sandbox has standard error for itself."""
    assert spawn("sandbox", "--", "true") == (0, "", "")


def test_a_list_shows_the_ordinary_images_first(spawn: Run) -> None:
    result = spawn("sandbox", "--", "imagectl", "list", "-o", "name")
    assert result.stdout.splitlines()[:3] == [*ORDINARY]


# The extra.


def test_importing_costs_nothing() -> None:
    """The module, and with it `--help`, needs neither moto nor botocore."""
    script = "import sys, imagectl.sandbox; print({'moto', 'botocore', 'werkzeug'} & sys.modules.keys())"
    done = subprocess.run([PYTHON, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("missing", ["moto", "flask"])
def test_without_the_extra(missing: str) -> None:
    """Where the extra, or half of it, isn't installed, one line says what to install."""
    script = f"""
import sys
sys.modules[{missing!r}] = None
from imagectl import VERSION_LINE
from imagectl.errors import ImagectlError
from imagectl.sandbox import run_command
try:
    run_command(["true"], update_seconds=0)
except ImagectlError as error:
    print(error.kind, error.message, error.hint, sep="\\n")
"""
    done = subprocess.run([PYTHON, "-c", script], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (
        f"usage\nthe sandbox is an extra, and is not installed\nto add it:\n{adding('sandbox')}\n",
        "",
    )
