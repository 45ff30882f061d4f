"""The cut service model: the same requests and errors as without it, with any botocore, in any region."""

import datetime as dt
import io
import json
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    DataNotFoundError,
    EndpointProviderError,
    EndpointVariantError,
    InvalidRegionError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    UnknownServiceError,
)
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session
from cut_model import OPERATIONS, is_locked
from service import ROLE

from imagectl.aws import model

NO_ENDPOINT = (EndpointProviderError, EndpointVariantError)
CLIENT_ID = "arn:aws:signin:::devtools/same-device"
Calls = list[tuple[str, dict[str, Any]]]
IMAGE_CALLS: Calls = [
    (
        "update_image",
        {
            "ImageName": "my-image",
            "Description": "né à Genève",
            "RoleArn": ROLE,
            "DeleteProperties": ["DisplayName"],
        },
    ),
    ("describe_image", {"ImageName": "my-image"}),
    (
        "list_images",
        {
            "NameContains": "my",
            "MaxResults": 7,
            "NextToken": "t",
            "SortBy": "IMAGE_NAME",
            "SortOrder": "ASCENDING",
            "CreationTimeAfter": dt.datetime(2024, 5, 6, tzinfo=dt.UTC),
        },
    ),
]
# One of each partition; one that no file lists, one that no partition matches, one that means FIPS.
REGIONS = [
    "us-east-1",
    "eu-central-2",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
    "eusc-de-east-1",
    "us-east-99",
    "mars-north-1",
    "fips-us-west-2",
]


@pytest.fixture(autouse=True, scope="module")
def _no_setting_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("HOME", "/nowhere")
        patch.setattr(Loader, "CUSTOMER_DATA_PATH", "/nowhere")
        yield


@pytest.fixture(autouse=True)
def _a_home_and_a_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test has a fresh home, and two signatures of one request are equal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path / ".aws/models"))
    moment = dt.datetime(2025, 1, 2, 3, 4, 5)  # noqa: DTZ001 - botocore's own are naive
    for signer in {"botocore.auth", "botocore.crt.auth"} & set(sys.modules):
        monkeypatch.setattr(f"{signer}.get_current_datetime", lambda *_, **__: moment)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=1))


@pytest.fixture(scope="module")
def pair() -> tuple[Session, Session]:
    """A session with the cut and one without, kept for many clients, as parsing the full model takes long."""
    return new_session(), new_session(cut=False)


def new_session(*, cut: bool = True, profile: str | None = None) -> Session:
    """A session that uses the cut, or botocore's own files only."""
    session = Session(profile=profile)
    session.set_credentials("AKIDEXAMPLE", "secret", "token")
    if cut:
        model.install(session)
    return session


def uses_cut() -> bool:
    """Whether a client made now, which has to work, is made from the cut: seen by the operations it knows."""
    client: Any = new_session().create_client("sagemaker", region_name="us-east-1")
    names = set(client.meta.service_model.operation_names)
    assert names >= set(OPERATIONS)
    return len(names) == len(OPERATIONS)


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


XML = b"<_><AssumeRoleResult/><AssumeRoleWithWebIdentityResult/><ListUsersResult/></_>"


def answer(status: int = 200, body: object = None) -> Callable[..., Any]:
    text = XML if body is None else json.dumps(body).encode()
    headers: Any = {"x-amzn-RequestId": "r"}
    return lambda request, **_: AWSResponse(request.url, status, headers, Raw(text))


def requests_of(
    session: Session, service: str, calls: Calls, reply: Callable[..., Any], **client_options: Any
) -> tuple[list[Any], Exception | None]:
    """What would go over the wire for `calls`, byte by byte, and what ended them early."""
    seen: list[Any] = []

    def send(request: Any, **_: Any) -> Any:
        headers = sorted((name, value) for name, value in request.headers.items())
        seen.append((request.method, request.url, headers, request.body))
        return reply(request)

    try:
        client = session.create_client(service, **client_options)
        client.meta.events.register("before-send", send)
        for name, params in calls:
            getattr(client, name)(**params)
    except Exception as exc:  # noqa: BLE001 - the promise is that the same is raised
        return seen, exc
    return seen, None


def compare(
    pair: tuple[Session, Session], service: str, calls: Calls, body: object = None, **client_options: Any
) -> tuple[list[Any], Exception | None]:
    """Hold equal what is sent and raised with the cut and without it; return it."""
    (cut_sent, cut_error), (sent, error) = (
        requests_of(session, service, calls, answer(body=body), **client_options) for session in pair
    )
    assert cut_sent == sent
    assert (type(cut_error), str(cut_error)) == (type(error), str(error))
    assert len(sent) == len(calls) or error
    return sent, error


# The same requests


@pytest.mark.parametrize("dualstack", [None, False, True])
@pytest.mark.parametrize("fips", [None, True])
@pytest.mark.parametrize("region", REGIONS)
def test_requests_are_byte_equal(
    pair: tuple[Session, Session], region: str, fips: bool | None, dualstack: bool | None
) -> None:
    """Method, endpoint, headers with signature, and body are the same with the cut and without it."""
    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dualstack)
    _, error = compare(pair, "sagemaker", IMAGE_CALLS, body={}, region_name=region, config=config)
    assert error is None or (isinstance(error, NO_ENDPOINT) and (fips or dualstack))


@pytest.mark.parametrize(
    ("region", "options", "url"),
    [
        ("us-east-1", {}, "https://api.sagemaker.us-east-1.amazonaws.com/"),
        ("cn-north-1", {}, "https://api.sagemaker.cn-north-1.amazonaws.com.cn/"),
        (
            "us-gov-west-1",
            {"config": Config(use_fips_endpoint=True)},
            "https://api-fips.sagemaker.us-gov-west-1.amazonaws.com/",
        ),
        (
            "us-east-1",
            {"config": Config(use_dualstack_endpoint=True)},
            "https://api.sagemaker.us-east-1.api.aws/",
        ),
        ("eu-west-1", {"endpoint_url": "http://127.0.0.1:5000/x/"}, "http://127.0.0.1:5000/x/"),
        ("us-east-1", {"config": Config(defaults_mode="standard")}, ""),  # type: ignore[arg-type]  # the stubs say bool
        ("us-east-1", {"config": Config(retries={"mode": "legacy"})}, ""),
        ("us-east-1", {"config": Config(retries={"mode": "adaptive"})}, ""),
        ("us-east-1", {"api_version": "2017-07-24"}, ""),
        ("us-east-1", {"use_ssl": False}, ""),
    ],
)
def test_options_of_a_client_mean_the_same(
    pair: tuple[Session, Session], region: str, options: dict[str, Any], url: str
) -> None:
    """Endpoints, retry and defaults modes, API version: the same requests, to the addresses AWS documents."""
    sent, error = compare(pair, "sagemaker", IMAGE_CALLS, body={}, region_name=region, **options)
    assert error is None
    assert sent[0][1] == (url or sent[0][1])


ASSUME_ROLE = ("assume_role", {"RoleArn": ROLE, "RoleSessionName": "session"})


@pytest.mark.parametrize("fips", [None, True])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("sts", ASSUME_ROLE),
        ("sts", ("assume_role_with_web_identity", {**ASSUME_ROLE[1], "WebIdentityToken": "token"})),
        (
            "sso",
            ("get_role_credentials", {"roleName": "r", "accountId": "123456789012", "accessToken": "t"}),
        ),
        (
            "sso-oidc",
            ("create_token", {"clientId": "c", "clientSecret": "s", "grantType": "refresh_token"}),
        ),
        (
            "signin",
            ("create_o_auth2_token", {"tokenInput": {"clientId": CLIENT_ID, "grantType": "refresh_token"}}),
        ),
    ],
)
def test_credential_providers_reach_the_same_endpoints(
    pair: tuple[Session, Session],
    service: str,
    call: tuple[str, dict[str, Any]],
    region: str,
    fips: bool | None,
) -> None:
    """The services that botocore asks for credentials get the same requests with the cut and without it."""
    body: object = None if service == "sts" else {}
    config = Config(use_fips_endpoint=fips)
    _, error = compare(pair, service, [call], body=body, region_name=region, config=config)
    assert error is None or (isinstance(error, NO_ENDPOINT) and fips)


def test_the_legacy_global_endpoint_of_sts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_STS_REGIONAL_ENDPOINTS=legacy means the global endpoint with the cut too."""
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    pair = new_session(), new_session(cut=False)
    sent, _ = compare(pair, "sts", [ASSUME_ROLE], region_name="us-west-2")
    assert sent[0][1] == "https://sts.amazonaws.com/"


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1", None])
@pytest.mark.parametrize(
    ("service", "call"), [("iam", "list_users"), ("s3", "list_buckets"), ("ecr", "describe_registry")]
)
def test_a_service_that_is_not_in_the_cut_just_works(service: str, call: str, region: str | None) -> None:
    """A plugin or a provider yet to come may use any service, and gets botocore's own files."""
    pair = new_session(), new_session(cut=False)
    body: object = {} if service == "ecr" else None
    _, error = compare(pair, service, [(call, {})], body=body, region_name=region)
    assert error is None or region is None


def test_what_else_botocore_loads_is_its_own() -> None:
    """Paginators, waiters, lists of services and regions, raw files: the same with the cut and without it."""
    cut, own = new_session(), new_session(cut=False)
    for session in (cut, own):
        client: Any = session.create_client("sagemaker", region_name="us-east-1")
        assert client.can_paginate("list_images")
        assert "image_updated" in client.waiter_names
    assert cut.get_available_services() == own.get_available_services()
    assert cut.get_available_partitions() == own.get_available_partitions()
    for service in ("sagemaker", "ec2"):
        assert cut.get_available_regions(service, "aws") == own.get_available_regions(service, "aws")
    assert cut.get_data("sagemaker/2017-07-24/service-2") == own.get_data("sagemaker/2017-07-24/service-2")


# The same errors


@pytest.mark.parametrize(
    "code",
    [
        "ResourceNotFound",
        "ResourceInUse",
        "ResourceLimitExceeded",
        "ResourceAlreadyExists",
        "ConflictException",
        "AccessDeniedException",
        "ValidationException",
        "Unheard",
    ],
)
def test_errors_of_the_service_are_the_same(code: str) -> None:
    """Code and text of what is raised are the same, also for errors the operation doesn't name."""
    raised = []
    for session in (new_session(), new_session(cut=False)):
        client: Any = session.create_client("sagemaker", region_name="us-east-1")
        client.meta.events.register(
            "before-send", answer(400, {"__type": f"com.amazonaws#{code}", "Message": "so", "message": "so"})
        )
        with pytest.raises(ClientError) as caught:
            client.update_image(ImageName="my-image")
        exc = caught.value
        modelled = getattr(client.exceptions, code, None) if hasattr(client.exceptions, code) else None
        assert modelled is None or type(exc) is modelled
        error, meta = (
            exc.response["Error"],
            exc.response["ResponseMetadata"],
        )  # the rest a model may name or not
        raised.append((exc.operation_name, error, meta, str(exc)))
    assert raised[0] == raised[1]
    assert raised[0][1]["Code"] == code


@pytest.mark.parametrize(
    "call",
    [
        ("update_image", {}),
        ("update_image", {"ImageName": ""}),
        ("update_image", {"ImageName": 3, "Description": "", "RoleArn": "short", "Unknown": 1}),
        ("list_images", {"MaxResults": 0, "CreationTimeAfter": "never"}),
    ],
)
def test_parameters_are_refused_in_the_same_words(
    pair: tuple[Session, Session], call: tuple[str, dict[str, Any]]
) -> None:
    """The checks that botocore makes see the same shapes, their limits and their order."""
    _, error = compare(pair, "sagemaker", [call], region_name="us-east-1")
    assert isinstance(error, ParamValidationError)


def test_replies_are_parsed_alike() -> None:
    """Every field of an image comes back, times as times, unknown fields dropped, as without the cut."""
    image = {
        "ImageName": "a",
        "CreationTime": 1.7e9,
        "ImageStatus": "CREATED",
        "FailureReason": "f",
        "New": 1,
    }
    replies = []
    for session in (new_session(), new_session(cut=False)):
        client: Any = session.create_client("sagemaker", region_name="us-east-1")
        client.meta.events.register(
            "before-send", answer(body={**image, "Images": [image], "NextToken": "t"})
        )
        replies.append([client.describe_image(ImageName="a"), client.list_images()])
    assert replies[0] == replies[1]
    assert isinstance(replies[0][1]["Images"][0]["CreationTime"], dt.datetime)


@pytest.mark.parametrize(
    ("service", "options", "expected"),
    [
        ("sagemaker", {"api_version": "1999-01-01"}, DataNotFoundError),
        ("sagemakr", {}, UnknownServiceError),
        ("sagemaker", {"region_name": "us east"}, InvalidRegionError),
        ("sagemaker", {"region_name": None}, NoRegionError),
    ],
)
def test_a_client_that_cannot_be_made_fails_alike(
    pair: tuple[Session, Session], service: str, options: dict[str, Any], expected: type[Exception]
) -> None:
    """Unknown versions and services, bad and missing regions: the same exception with the same text."""
    _, error = compare(pair, service, IMAGE_CALLS, **{"region_name": "us-east-1", **options})
    assert isinstance(error, expected)


def test_a_broken_configuration_is_reported_where_a_client_is_made() -> None:
    """Installing reads nothing: an unknown profile is botocore's to report, at the same moment as ever."""
    session = new_session(profile="nobody")
    with pytest.raises(ProfileNotFound):
        session.create_client("sagemaker", region_name="us-east-1")


# The file, and other botocores


LOCKED = is_locked()


def test_none_of_botocores_large_files_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client needs neither the whole model nor, where botocore knows the same regions, all endpoints."""
    opened = files_of(monkeypatch)
    assert uses_cut()
    assert not any("service-2" in path for path in opened)
    assert not LOCKED or not any("endpoints" in path for path in opened)


def files_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What botocore loads from now on."""
    opened: list[str] = []
    load = JSONFileLoader.load_file

    def noted(self: JSONFileLoader, path: str) -> Any:
        opened.append(path)
        return load(self, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", noted)
    return opened


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of a botocore that can be changed."""
    source, target = Path(Loader.BUILTIN_DATA_PATH), tmp_path / "data"
    for service in ("sagemaker", "sts", "ec2"):
        shutil.copytree(source / service, target / service)
    for path in source.glob("*.json"):
        shutil.copy(path, target)
    monkeypatch.setattr(Loader, "BUILTIN_DATA_PATH", str(target))
    return target


def changed(path: Path, change: Callable[[Any], None]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def test_a_region_and_a_partition_that_only_a_newer_botocore_knows(installation: Path) -> None:
    """Another map of the world means botocore's own endpoints: the same requests, to the new hosts."""

    def new_world(found: Any) -> None:
        new = {**found["partitions"][0], "regionRegex": r"^mars\-\w+\-\d+$", "regions": {"mars-north-1": {}}}
        if "id" in new:
            new |= {
                "id": "aws-mars",
                "outputs": {**new["outputs"], "name": "aws-mars", "dnsSuffix": "aws.mars"},
            }
        else:
            new |= {"partition": "aws-mars", "dnsSuffix": "aws.mars", "services": {}}
        found["partitions"].append(new)

    for name in ("partitions", "endpoints"):
        changed(installation / f"{name}.json", new_world)
    pair = new_session(), new_session(cut=False)
    for service, calls in (("sagemaker", IMAGE_CALLS), ("sts", [ASSUME_ROLE])):
        body: object = None if service == "sts" else {}
        sent, error = compare(pair, service, calls, body=body, region_name="mars-north-1")
        assert error is None
        assert ".mars-north-1.aws.mars/" in sent[0][1]
    assert "aws-mars" in pair[0].get_available_partitions()
    assert pair[0].get_available_regions("ec2", "aws") == pair[1].get_available_regions("ec2", "aws")


def test_an_older_botocore_knows_fewer_regions(installation: Path) -> None:
    """What the cut knows and the installed botocore doesn't is as that says."""

    def old_world(found: Any) -> None:
        found["partitions"] = found["partitions"][:1]
        del found["partitions"][0]["regions"]["eu-central-2"]

    for name in ("partitions", "endpoints"):
        changed(installation / f"{name}.json", old_world)
    pair = new_session(), new_session(cut=False)
    for region in ("us-east-1", "eu-central-2", "cn-north-1"):
        _, error = compare(pair, "sagemaker", IMAGE_CALLS, body={}, region_name=region)
        assert error is None
    assert pair[0].get_available_partitions() == ["aws"]


def test_a_botocore_that_was_stripped_works(installation: Path) -> None:
    """Without SageMaker's model in it, as in a small container, the cut is enough."""
    shutil.rmtree(installation / "ec2")
    for path in installation.glob("sagemaker/*/service-2*"):
        path.unlink()
    assert uses_cut()


# The user's own models


def own_models(directory: Path) -> None:
    own = Loader().load_service_model("sagemaker", "service-2")
    changed = {**own, "metadata": {**own["metadata"], "targetPrefix": "MyOwn"}}
    path = directory / "sagemaker/2017-07-24/service-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(changed))


@pytest.mark.parametrize("way", ["environment", "config", "home"])
def test_the_users_own_models_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    """AWS_DATA_PATH, the profile's data_path and ~/.aws/models are used."""
    own_models(tmp_path / ".aws/models" if way == "home" else tmp_path / "own")
    if way == "environment":
        monkeypatch.setenv("AWS_DATA_PATH", f"/nowhere{os.pathsep}~/own")
    if way == "config":
        (tmp_path / "config").write_text(f"[default]\ndata_path = {tmp_path}/own\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    pair = new_session(), new_session(cut=False)
    sent, _ = compare(pair, "sagemaker", IMAGE_CALLS, body={}, region_name="us-east-1")
    assert "MyOwn.UpdateImage" in str(sent)
