"""The cut service model: the same requests and errors as without it; no trust in what others may write."""

import datetime as dt
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore
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
from botocore.loaders import Loader
from botocore.session import Session

import imagectl
from imagectl import cache as files
from imagectl.aws import service_model

CACHE = "Library/Caches/imagectl" if sys.platform == "darwin" else ".cache/imagectl"
NO_ENDPOINT = (EndpointProviderError, EndpointVariantError)
CLIENT_ID = "arn:aws:signin:::devtools/same-device"
ROLE = "arn:aws:iam::123456789012:role/images"
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
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True, scope="module")
def _no_setting_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "XDG_")):
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


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache directory that doesn't exist yet."""
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory with a good entry."""
    directory = tmp_path_factory.mktemp("built") / "cache"
    session = Session()
    service_model.install(session, directory=directory)
    session.create_client("sagemaker", region_name="us-east-1")
    return directory


@pytest.fixture(scope="module")
def pair(built: Path) -> tuple[Session, Session]:
    """A session with the cut and one without, kept for many clients, as parsing the full model takes long."""
    return new_session(built), new_session(None)


@pytest.fixture
def warm(built: Path, cache: Path) -> Path:
    """A copy of it, to be spoilt."""
    shutil.copytree(built, cache)
    return cache


def new_session(directory: Path | None, profile: str | None = None) -> Session:
    """A session that uses the cut in `directory`; for None, botocore's own."""
    session = Session(profile=profile)
    session.set_credentials("AKIDEXAMPLE", "secret", "token")
    if directory:
        service_model.install(session, directory=directory)
    return session


def uses_cut(directory: Path) -> bool:
    """Whether a client made now, which has to work, is made from the cut: seen by the operations it knows."""
    client: Any = new_session(directory).create_client("sagemaker", region_name="us-east-1")
    names = set(client.meta.service_model.operation_names)
    assert names >= set(service_model.OPERATIONS)
    return len(names) == len(service_model.OPERATIONS)


def entry(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


XML = b"<_><AssumeRoleResult/><AssumeRoleWithWebIdentityResult/><ListUsersResult/></_>"


def answer(status: int = 200, body: object = None) -> Callable[..., Any]:
    text = XML if body is None else json.dumps(body).encode()
    headers: Any = {"x-amzn-RequestId": "r"}
    return lambda request, **_: AWSResponse(request.url, status, headers, Raw(text))


def requests_of(
    session: Session, service: str, calls: Calls, reply: Callable[..., AWSResponse], **client_options: Any
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


def test_the_legacy_global_endpoint_of_sts_is_the_same(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_STS_REGIONAL_ENDPOINTS=legacy means the global endpoint with the cut too."""
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    pair = new_session(built), new_session(None)
    sent, _ = compare(pair, "sts", [ASSUME_ROLE], region_name="us-west-2")
    assert sent[0][1] == "https://sts.amazonaws.com/"


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1", None])
@pytest.mark.parametrize(
    ("service", "call"), [("iam", "list_users"), ("s3", "list_buckets"), ("ecr", "describe_registry")]
)
def test_a_service_that_is_not_in_the_cut_just_works(
    built: Path, service: str, call: str, region: str | None
) -> None:
    """A plugin or a provider yet to come may use any service, and gets botocore's own files."""
    pair = new_session(built), new_session(None)
    body: object = {} if service == "ecr" else None
    _, error = compare(pair, service, [(call, {})], body=body, region_name=region)
    assert error is None or region is None


def test_what_else_botocore_loads_is_its_own(built: Path) -> None:
    """Paginators, waiters, lists of services and regions, raw files: the same with the cut and without it."""
    cut, own = new_session(built), new_session(None)
    for session in (cut, own):
        client = session.create_client("sagemaker", region_name="us-east-1")
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
def test_errors_of_the_service_are_the_same(built: Path, code: str) -> None:
    """Class, code and text of what is raised are the same, also for errors the operation doesn't name."""
    raised = []
    for directory in (built, None):
        client: Any = new_session(directory).create_client("sagemaker", region_name="us-east-1")
        client.meta.events.register(
            "before-send", answer(400, {"__type": f"com.amazonaws#{code}", "Message": "so", "message": "so"})
        )
        with pytest.raises(ClientError) as caught:
            client.update_image(ImageName="my-image")
        exc = caught.value
        modelled = getattr(client.exceptions, code, None) if hasattr(client.exceptions, code) else None
        assert modelled is None or type(exc) is modelled
        raised.append((type(exc).__name__, exc.operation_name, exc.response, str(exc)))
    assert raised[0] == raised[1]
    assert raised[0][2]["Error"]["Code"] == code


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


def test_replies_are_parsed_alike(built: Path) -> None:
    """Every field of an image comes back, times as times, unknown fields dropped, as without the cut."""
    image = {
        "ImageName": "a",
        "CreationTime": 1.7e9,
        "ImageStatus": "CREATED",
        "FailureReason": "f",
        "New": 1,
    }
    replies = []
    for directory in (built, None):
        client: Any = new_session(directory).create_client("sagemaker", region_name="us-east-1")
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


def test_a_broken_configuration_is_reported_where_a_client_is_made(cache: Path) -> None:
    """Installing reads nothing: an unknown profile is botocore's to report, at the same moment as ever."""
    session = new_session(None, profile="nobody")
    service_model.install(session, directory=cache)
    with pytest.raises(ProfileNotFound):
        session.create_client("sagemaker", region_name="us-east-1")


# Building it


def run(code: str, **env: str) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(Path(imagectl.__file__).parents[1]), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "AWS_EC2_METADATA_DISABLED": "true", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


CLIENT = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import botocore.session
from imagectl.aws import service_model
session = botocore.session.Session()
service_model.install(session)
client = session.create_client("sagemaker", region_name="us-east-1")
print(len(client.meta.service_model.operation_names))
print(*[path for path in opened if "/data/" in path or "model-" in path], sep="\\n")
"""


def test_the_second_run_opens_none_of_botocores_models(tmp_path: Path) -> None:
    """The first run leaves the cut in the user's cache directory; the second reads that file and no other."""
    first, second = (output(run(CLIENT, HOME=str(tmp_path))).split() for _ in range(2))
    assert any("service-2" in path for path in first)
    assert set(second) == {"3", str(entry(tmp_path / CACHE))}


def test_the_first_run_parses_each_file_once(tmp_path: Path) -> None:
    """What is read to build the cut is what the client is made of: nothing is opened twice."""
    opened = [path for path in output(run(CLIENT, HOME=str(tmp_path))).split() if "/data/" in path]
    assert opened
    assert len(opened) == len(set(opened))


def test_the_entry_is_private(cache: Path) -> None:
    """Directory 0700 and file 0600, whatever the umask, and nothing else left beside it."""
    before = os.umask(0)
    try:
        assert not uses_cut(cache)
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(cache).stat().st_mode) == 0o600
    assert uses_cut(cache)


def test_several_processes_build_at_once(tmp_path: Path) -> None:
    """Each of them works, and one good entry is left."""
    processes = [run(CLIENT, HOME=str(tmp_path)) for _ in range(6)]
    assert all(int(output(process).split()[0]) >= 3 for process in processes)
    assert entry(tmp_path / CACHE)
    assert uses_cut(tmp_path / CACHE)


def test_old_entries_are_deleted(cache: Path) -> None:
    """A new entry pushes out the oldest; a few stay for other environments; other files are not touched."""
    cache.mkdir(0o700)
    (cache / "names.json").touch()
    for name, age in enumerate([4, 0, 5, 2, 3, 1]):
        (cache / f"model-{name}.json").touch()
        os.utime(cache / f"model-{name}.json", (1e9 - age, 1e9 - age))
    assert not uses_cut(cache)
    left = {path.name for path in cache.iterdir()}
    mine = f"model-{botocore.__version__}-{imagectl.__version__}.json"
    assert left == {"names.json", mine, "model-1.json", "model-3.json", "model-5.json"}


@pytest.mark.parametrize("module", [botocore, service_model])
def test_each_pair_of_versions_has_an_entry(
    warm: Path, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    """Another botocore or another imagectl doesn't read this entry, not even under its own entry's name."""
    mine = entry(warm)
    monkeypatch.setattr(module, "__version__", "99.0")
    assert not uses_cut(warm)
    (other,) = (path for path in warm.iterdir() if path != mine)
    assert "99.0" in other.name
    assert uses_cut(warm)
    shutil.copyfile(mine, other)
    assert not uses_cut(warm)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of a botocore that can be changed."""
    source, target = Path(Loader.BUILTIN_DATA_PATH), tmp_path / "data"
    shutil.copytree(source / "sagemaker", target / "sagemaker")
    for path in source.glob("*.json"):
        (target / path.name).symlink_to(path)
    monkeypatch.setattr(Loader, "BUILTIN_DATA_PATH", str(target))
    return target


def test_the_cut_is_taken_after_botocores_own_amendments(installation: Path, cache: Path) -> None:
    """What a `.sdk-extras.json` adds to the model is in the cut."""
    extra = {"merge": {"shapes": {"UpdateImageRequest": {"members": {"Extra": {"shape": "ImageName"}}}}}}
    (installation / "sagemaker/2017-07-24/service-2.sdk-extras.json").write_text(json.dumps(extra))
    assert not uses_cut(cache)
    assert uses_cut(cache)
    calls: Calls = [("update_image", {"ImageName": "a", "Extra": "e"})]
    sent, _ = compare((new_session(cache), new_session(None)), "sagemaker", calls, region_name="us-east-1")
    assert b'"Extra": "e"' in sent[0][3]


def test_an_installation_without_some_data_works_without_the_cut(installation: Path, cache: Path) -> None:
    """Where botocore was stripped of what it can do without, a client is made, and no cut is."""
    (installation / "_retry.json").unlink()
    assert not uses_cut(cache)
    assert not cache.exists()


# Distrust


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\n\xfe\n")


def undigested(path: Path) -> None:
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


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


def unreadable(path: Path) -> None:
    path.chmod(0)
    if os.geteuid() == 0:  # who may read all the same
        empty(path)


def large(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(files.LARGEST + 1)


def foreign(path: Path) -> None:
    os.chown(path, 4242, -1)


@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        flipped,
        empty,
        no_text,
        undigested,
        symlink,
        dangling,
        fifo,
        group_writable,
        world_writable,
        unreadable,
        large,
        pytest.param(foreign, marks=AS_ROOT),
    ],
)
def test_a_spoilt_entry_is_rebuilt(warm: Path, spoil: Callable[[Path], None]) -> None:
    """An entry that is damaged or may be of others is not read; the run after that finds a good one."""
    assert uses_cut(warm)
    path = entry(warm)
    spoil(path)
    assert not uses_cut(warm)
    assert uses_cut(warm)
    assert stat.S_ISREG(path.lstat().st_mode)


def directory_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def entry_as_directory(cache: Path) -> None:
    directory_in_its_place(entry(cache))


def directory_linked(cache: Path) -> None:
    real = cache.rename(cache.with_name("real"))
    cache.symlink_to(real)


def file_for_a_directory(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.touch(0o600)


@pytest.mark.parametrize(
    "spoil",
    [
        entry_as_directory,
        directory_linked,
        file_for_a_directory,
        group_writable,
        world_writable,
        pytest.param(foreign, marks=AS_ROOT),
    ],
)
def test_a_directory_that_is_not_private_is_left_alone(warm: Path, spoil: Callable[[Path], None]) -> None:
    """A client is made without the cut; nothing is read from there, written there or deleted there."""
    for number in range(9 if spoil is not entry_as_directory else 0):
        (warm / f"model-{number}.json").touch()
    spoil(warm)
    before = sorted(warm.parent.rglob("*"))
    assert not uses_cut(warm)
    assert not uses_cut(warm)
    assert sorted(warm.parent.rglob("*")) == before


def test_private_files_come_back_as_written(cache: Path) -> None:
    """What `write_private` puts, `read_private` gets, also over an old one; unless it is too large."""
    path = cache / "names.json"
    assert files.read_private(path) is None
    for data in (b"one", b"", b"\x00" * files.LARGEST):
        assert files.write_private(path, data)
        assert files.read_private(path) == data
    assert files.write_private(path, b"\x00" * (files.LARGEST + 1))
    assert files.read_private(path) is None
    assert entry(cache) == path
    for spoil in (fifo, directory_in_its_place):
        spoil(path)
        assert files.read_private(path) is None
        assert files.write_private(path, b"new") == (spoil is fifo)


# Homes


def test_the_cache_lies_where_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under XDG_CACHE_HOME where it is set, else in the home; asking for it makes nothing."""
    assert files.cache_dir() == tmp_path / CACHE
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert files.cache_dir() == tmp_path / "x/imagectl"
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
        without_home,
        home_that_is_a_file,
        home_that_is_not_there,
        home_that_nobody_writes,
        pytest.param(cache_of_another_user, marks=AS_ROOT),
    ],
)
def test_without_a_usable_home_there_is_no_cut(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    home: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    """A missing, read-only or foreign home costs the speed only: no message, and nothing is made there."""
    home(monkeypatch, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for _ in range(2):
        session = Session()
        service_model.install(session)
        client = session.create_client("sagemaker", region_name="us-east-1")
        assert len(client.meta.service_model.operation_names) > len(service_model.OPERATIONS)
    assert sorted(tmp_path.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where the entry can't be written whole the command works, and no part of it stays."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    cache = str(tmp_path / "cache")
    process = run(limit + CLIENT, HOME=str(tmp_path), XDG_CACHE_HOME=cache, PYTHONDONTWRITEBYTECODE="1")
    assert int(output(process).split()[0]) > len(service_model.OPERATIONS)
    assert not list((tmp_path / "cache/imagectl").iterdir())


# The user's own models


def own_models(directory: Path) -> None:
    model = Loader().load_service_model("sagemaker", "service-2")
    changed = {**model, "metadata": {**model["metadata"], "targetPrefix": "MyOwn"}}
    path = directory / "sagemaker/2017-07-24/service-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(changed))


@pytest.mark.parametrize("state", ["built", "cache"])
@pytest.mark.parametrize("way", ["environment", "config", "home"])
def test_the_users_own_models_win(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, state: str
) -> None:
    """AWS_DATA_PATH, the profile's data_path and ~/.aws/models are used, and never end up in the cut."""
    directory: Path = request.getfixturevalue(state)
    own_models(tmp_path / ".aws/models" if way == "home" else tmp_path / "own")
    if way == "environment":
        monkeypatch.setenv("AWS_DATA_PATH", f"/nowhere{os.pathsep}~/own")
    if way == "config":
        (tmp_path / "config").write_text(f"[default]\ndata_path = {tmp_path}/own\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    pair = new_session(directory), new_session(None)
    sent, _ = compare(pair, "sagemaker", IMAGE_CALLS, body={}, region_name="us-east-1")
    assert "MyOwn.UpdateImage" in str(sent)
    assert directory.exists() == (state == "built")


# Its price


def test_importing_it_imports_no_aws_library() -> None:
    """Completion comes by at every TAB."""
    code = """
import sys
before = set(sys.modules)
from imagectl import cache as files
from imagectl.aws import service_model
print(*set(sys.modules) - before)
"""
    assert not {"botocore", "boto3", "platformdirs", "tempfile", "hashlib"} & set(output(run(code)).split())
