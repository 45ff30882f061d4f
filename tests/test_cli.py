"""`imagectl` from its front door: what each flag sends, what is refused, what is printed."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, Run
from service import ACCOUNT, IN_USE, PORTAL, ROLE, Reply, Service, error

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:image/my-image"


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        (["--description", "new"], {"Description": "new"}),
        (["--description=-x"], {"Description": "-x"}),
        (["--display-name", "New"], {"DisplayName": "New"}),
        (["--role-arn", ROLE], {"RoleArn": ROLE}),
        (["--delete-property", "Description"], {"DeleteProperties": ["Description"]}),
        (["--delete-property", "display-name"], {"DeleteProperties": ["DisplayName"]}),
        (
            ["--delete-property", "DisplayName", "--delete-property", "description"],
            {"DeleteProperties": ["DisplayName", "Description"]},
        ),
        (
            ["--description", "d", "--delete-property", "DisplayName", "--role-arn", ROLE],
            {"Description": "d", "DeleteProperties": ["DisplayName"], "RoleArn": ROLE},
        ),
    ],
)
def test_a_flag_sends_its_field_and_nothing_else(
    run: Run, service: Service, flags: list[str], sent: dict[str, object]
) -> None:
    """The request's body is the image's name and just what was asked for, in exactly one UpdateImage."""
    result = run("update", "my-image", *flags)
    assert result == (0, f"{ARN}\n", "")
    assert service.operations == ["UpdateImage"]
    assert json.loads(service.received[0].raw) == {"ImageName": "my-image", **sent}


def test_no_environment_variable_sets_a_property(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray export changes no image."""
    for name in ("DESCRIPTION", "DISPLAY_NAME", "ROLE_ARN", "DELETE_PROPERTY", "WAIT", "DRY_RUN"):
        for prefix in ("IMAGECTL_", "IMAGECTL_UPDATE_", ""):
            monkeypatch.setenv(prefix + name, "stray")
    assert run("update", "my-image", "--display-name", "x").code == 0
    assert service.calls() == [{"ImageName": "my-image", "DisplayName": "x"}]


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"new", "new"),
        (b"new\n", "new"),
        (b"new\r\n", "new"),
        ("Zürich 🧪\n".encode(), "Zürich 🧪"),
        (b" kept \n", " kept "),
    ],
)
@pytest.mark.parametrize("source", ["-", "file"])
def test_a_description_from_a_file(
    run: Run, service: Service, tmp_path: Path, content: bytes, sent: str, source: str
) -> None:
    """One final line ending is dropped, the rest is sent as it is, from a file or standard input."""
    path = "-"
    if source == "file":
        path = str(tmp_path / "description")
        Path(path).write_bytes(content)
    result = run("update", "my-image", "--description-file", path, stdin=content)
    assert result.code == 0
    assert service.calls() == [{"ImageName": "my-image", "Description": sent}]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["update", "my-image"], ["nothing to change"]),
        (["update"], ["Missing argument 'IMAGE'"]),
        (["update", "a", "b", "--description", "x"], ["unexpected extra argument"]),
        (["frobnicate"], ["No such command 'frobnicate'"]),
        (["updat", "x"], ["Did you mean 'update'?"]),
        (["update", "a", "--descripton", "x"], ["No such option: --descripton"]),
        (["update", "a", "--description"], ["requires an argument"]),
        (["update", "a", "-o", "xml"], ["'xml' is not one of"]),
        (
            ["update", "a", "--description", "x", "--delete-property", "Description"],
            ["--delete-property: Description is both set and deleted"],
        ),
        (
            ["update", "a", *["--delete-property", "Description"] * 2],
            ["--delete-property: Description is deleted twice"],
        ),
        (
            ["update", "a", "--delete-property", "RoleArn"],
            ["can delete Description or DisplayName, not 'RoleArn'"],
        ),
        (
            ["update", "a", "--description", "x", "--description-file", "y"],
            ["can't be given beside --description"],
        ),
        (["update", "a", "--description-file", "/no/such"], ["can't be read: '/no/such' (No such file"]),
        (["update", "a", "--description-file", "/"], ["can't be read: '/' (Is a directory)"]),
        (["update", "a", "--description", "x", "--timeout", "soon"], ["--timeout: must be a duration"]),
        (
            ["update", "a", "--description", "x", "--detailed-exitcode"],
            ["--detailed-exitcode: needs --dry-run"],
        ),
        (
            ["update", "a", "--description", "x", "--max-attempts", "0"],
            ["--max-attempts: must be a whole number"],
        ),
        (["update", "a", "--description", "x", "--connect-timeout", "0"], ["--connect-timeout: must be"]),
        (
            ["update", "a", "--description", "x", "--query", "a["],
            ["--query: is no JMESPath expression: 'a['"],
        ),
        (["update", "a", "--description", "x", "--query", "a", "-o", "name"], ["--query: selects"]),
        (["update", "a", "--description", "x", "--region", "us east"], ["--region: is no region's name"]),
        (["update", "a", "--description", "x", "--ca-bundle", "/no"], ["--ca-bundle: can't be read: '/no'"]),
        (["update", "a", "--description", "x", "--endpoint-url", "host:1"], ["is no http(s) URL: 'host:1'"]),
        (["update", "a", "--description", "x", "--endpoint-url", "http://h:x"], ["is no http(s) URL"]),
        (
            ["update", "a", "--description", "x", "--endpoint-url", "http://10.0.0.1"],
            ["would send credentials in the clear: 'http://10.0.0.1' (use https, or --allow-http)"],
        ),
        (["update", "arn:aws:s3:::bucket", "--description", "x"], ["IMAGE: is no image's ARN"]),
        (["show", f"arn:aws:sagemaker:evil.com/:{ACCOUNT}:image/x"], ["IMAGE: is of no region"]),
        (["show", "a", "--read-timeout", "999999999h"], ["--read-timeout: must be a duration"]),
        (
            ["apply", "/no/such", "--yes", "--concurrency", "999999"],
            ["--concurrency: must be"],
        ),
        (
            ["update", ARN, "--region", "eu-west-1", "--description", "x"],
            ["is eu-west-1, but the ARN is of us-east-1"],
        ),
        (["show", "a_b"], ["ImageName: must be letters and digits"]),
        (["wait", "a_b", "--timeout", "1d"], ["ImageName: must be", "--timeout: must be a duration"]),
        (["list", "--status", "DONE", "--sort-by", "x"], ["--status: must be one of", "--sort-by: must be"]),
        (
            ["list", "--limit", "-1", "--name-contains", "a b"],
            ["--limit: must be", "--name-contains: must be"],
        ),
        (
            [
                "update",
                "a_b",
                "--description",
                "",
                "--display-name",
                " ",
                "--role-arn",
                "x",
                "--timeout",
                "x",
            ],
            ["ImageName:", "Description:", "DisplayName:", "RoleArn:", "--timeout:"],
        ),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_bad_input_is_refused_before_anything_is_sent(
    run: Run, service: Service, argv: list[str], said: list[str], output: str
) -> None:
    """Exit 2, nothing on stdout, no call, each problem on a line or in `Problems`, no traceback."""
    if output == "json" and argv and argv[-1] not in {"--description", "xml", "name"}:
        argv = [*argv, "-o", "json"]
    as_json = "json" in argv or ("--query" in argv and "name" not in argv)
    result = run(*argv)
    assert (result.code, result.stdout, service.received) == (2, "", [])
    if as_json:
        error = json.loads(result.stderr)["Error"]
        assert (error["Kind"], error["ExitCode"], error["Outcome"]) == ("usage", 2, "not-applied")
        found = [f"{p['Field']}: {p['Message']}" for p in error["Problems"]]
    else:
        found = result.stderr.splitlines()
        assert all(re.match(r"imagectl: error: |hint: |imagectl \S*", line) for line in found)
    for fragment in said:
        assert any(fragment in line for line in found), found


def test_a_description_file_that_is_not_utf_8(run: Run, service: Service, tmp_path: Path) -> None:
    """The byte where it goes wrong is named; nothing is sent."""
    path = tmp_path / "latin-1"
    path.write_bytes("Zürich".encode("latin-1"))
    result = run("update", "my-image", "--description-file", str(path))
    assert (result.code, service.received) == (2, [])
    assert "is not UTF-8 at byte 1" in result.stderr


def test_argv_that_is_not_utf_8(spawn: Run, service: Service) -> None:
    """Bytes that are no text are refused, and shown without harm."""
    result = spawn("update", os.fsdecode(b"caf\xe9"), "--description", os.fsdecode(b"\xff"))
    assert (result.code, result.stdout, service.received) == (2, "", [])
    assert "Description: is not valid UTF-8: '\\udcff'" in result.stderr


def test_a_name_that_starts_with_a_dash(run: Run, service: Service) -> None:
    """After `--` a word is an image's name, judged by the service's rule."""
    result = run("update", "--description", "x", "--", "-x")
    assert (result.code, service.received) == (2, [])
    assert "ImageName: must be letters and digits" in result.stderr


def test_an_arn_names_image_and_region(run: Run, service: Service) -> None:
    """An ARN works wherever a name does, and its region is used."""
    service.region = "eu-west-1"
    service.add("my-image")
    arn = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:image/my-image"
    assert run("update", arn, "--description", "x") == (0, f"{arn}\n", "")
    assert "/eu-west-1/sagemaker/aws4_request" in service.received[0].headers["Authorization"]
    assert run("show", arn, "--region", "eu-west-1", "-o", "name").stdout == "my-image\n"


@pytest.mark.parametrize("claimed", [None, ACCOUNT, "210987654321"])
def test_an_arn_of_another_account_is_not_taken_for_ours(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, claimed: str | None
) -> None:
    """Where the credentials don't tell their account, the image's own ARN does before anything is changed.

    What a variable claims refuses nothing and proves nothing.
    """
    if claimed:
        monkeypatch.setenv("AWS_ACCOUNT_ID", claimed)
    result = run("update", ARN.replace(ACCOUNT, "210987654321"), "--description", "x", "-o", "json")
    assert (result.code, result.stdout, service.operations) == (4, "", ["DescribeImage"])
    error = json.loads(result.stderr)["Error"]
    assert error["Outcome"] == "not-applied"
    assert ARN in error["Message"]
    assert claimed is None or f"AWS_ACCOUNT_ID says {claimed}" in error["Hint"]


@pytest.mark.parametrize("line", ["show", "wait --timeout 0", "wait --timeout 0 other"])
def test_an_image_of_another_account_is_not_looked_at_for_it(run: Run, service: Service, line: str) -> None:
    """What is here by the same name is another image: nothing is told of that one."""
    service.add("other", ImageStatus="UPDATING")
    theirs = ARN.replace(ACCOUNT, "210987654321")
    result = run(*line.split(), theirs)
    assert (result.code, result.stdout) == (4, "")
    assert theirs in result.stderr


@pytest.mark.parametrize("claimed", [None, ACCOUNT, "210987654321"])
def test_an_arn_of_this_account_is_updated_whatever_a_variable_claims(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, claimed: str | None
) -> None:
    """One look, one update."""
    if claimed:
        monkeypatch.setenv("AWS_ACCOUNT_ID", claimed)
    assert run("update", ARN, "--description", "x").code == 0
    assert service.operations == ["DescribeImage", "UpdateImage"]


def test_an_arn_of_another_account_is_never_called_a_success(run: Run, service: Service) -> None:
    """Where only the update's reply tells the account, the error says what was changed."""
    other = ARN.replace(ACCOUNT, "210987654321")
    service.answer("DescribeImage", Reply(200, {**service.images["my-image"], "ImageArn": other}))
    result = run("update", other, "--description", "x", "-o", "json")
    assert (result.code, result.stdout) == (4, "")
    error = json.loads(result.stderr)["Error"]
    assert error["Outcome"] == "applied"
    assert ARN in error["Message"]


@pytest.mark.parametrize(
    ("partition", "region", "code"),
    [
        ("aws", "us-east-1", 0),
        ("aws-cn", "us-east-1", 4),
        ("aws", "cn-north-1", 4),
        ("aws-us-gov", "us-east-1", 4),
        ("aws-us-gov", "us-gov-west-1", 0),
        ("aws-new", "xy-north-1", 0),  # what botocore has never heard of is left to the service
    ],
)
def test_an_arn_s_partition_is_its_region_s(
    run: Run, service: Service, partition: str, region: str, code: int
) -> None:
    """Found out without a call."""
    arn = f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:image/my-image"
    service.answer("DescribeImage", Reply(200, {**service.images["my-image"], "ImageArn": arn}))
    result = run("show", arn)
    assert (result.code, len(service.received)) == (code, code == 0), result.stderr


@pytest.mark.parametrize(
    ("flags", "env", "profile_region", "region"),
    [
        (["--region", "eu-west-1"], {"AWS_REGION": "us-west-2"}, "ap-south-1", "eu-west-1"),
        ([], {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, "ap-south-1", "us-west-2"),
        ([], {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, "ap-south-1", "us-east-2"),
        ([], {"AWS_REGION": ""}, "ap-south-1", "ap-south-1"),
        (["--profile", "other"], {"AWS_REGION": ""}, "ap-south-1", "sa-east-1"),
    ],
)
def test_the_region_s_order(
    run: Run,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: list[str],
    env: dict[str, str],
    profile_region: str,
    region: str,
) -> None:
    """--region, AWS_REGION, AWS_DEFAULT_REGION, the profile's: the first that is set."""
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = {profile_region}\n[profile other]\nregion = sa-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    service.region = region
    if "--profile" in flags:
        credentials = tmp_path / "credentials"
        credentials.write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    result = run("update", "my-image", "--description", "x", *flags, "-o", "json")
    assert result.code == 0, result
    assert json.loads(result.stdout)["Region"] == region
    key = "AKIAOTHER" if "--profile" in flags else ENVIRONMENT["AWS_ACCESS_KEY_ID"]
    assert f"Credential={key}/" in service.received[0].headers["Authorization"]
    assert f"/{region}/sagemaker/" in service.received[0].headers["Authorization"]


def test_a_configured_plain_endpoint_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An http endpoint from the environment is refused as a typed one is; --allow-http allows it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://192.0.2.1:9")
    result = run("show", "my-image")
    assert result.code == 4
    assert "would send credentials in the clear" in result.stderr


def test_allow_http_lets_a_plain_endpoint_through(run: Run, service: Service) -> None:
    """With --allow-http the request goes out; a loopback name needs no permission."""
    plain = service.url.replace("127.0.0.1", "localhost")
    assert run("show", "my-image", "--endpoint-url", plain, "-o", "name").stdout == "my-image\n"
    from imagectl.aws.connection import Connection

    assert Connection(endpoint_url="http://192.0.2.1", allow_http=True).problems() == []


@pytest.mark.parametrize(
    ("flags", "variable", "profile", "attempts"),
    [
        (["--max-attempts", "2"], "1", "4", 2),
        ([], "1", "2", 1),
        ([], "", "2", 2),
        ([], "", "", 3),
    ],
)
def test_attempts_are_the_user_s(
    run: Run,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    flags: list[str],
    variable: str,
    profile: str,
    attempts: int,
) -> None:
    """--max-attempts, AWS_MAX_ATTEMPTS, the profile's max_attempts, then botocore's three."""
    (tmp_path / "config").write_text(f"[default]\nmax_attempts = {profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", variable)
    service.answer("UpdateImage", error("ThrottlingException", "Rate exceeded"), times=20)
    result = run("update", "my-image", "--description", "x", *flags, "-o", "json")
    failed = json.loads(result.stderr)["Error"]
    assert (result.code, len(service.received), failed["Attempts"]) == (6, attempts, attempts)


@pytest.mark.parametrize(
    "reply",
    [
        PORTAL,
        Reply(200, b""),
        Reply(200, {}),
        Reply(200, {"ImageArn": ""}),
        Reply(200, {"ImageArn": 5}),
        Reply(200, {"ImageArn": ARN.replace("my-image", "another")}),
        Reply(200, {"ImageArn": f"{ARN}\n"}),
        Reply(200, b'{"ImageArn": "arn:aws'),
        Reply(200, b"[1]"),
        Reply(200, b"\xff\xfe\x00"),
    ],
    ids=lambda reply: repr(reply.body)[:30],
)
@pytest.mark.parametrize("operation", ["UpdateImage", "DescribeImage", "ListImages"])
def test_a_foreign_reply_is_no_success(run: Run, service: Service, reply: Reply, operation: str) -> None:
    """HTTP 200 alone says nothing: without an ARN that names the image asked for it is exit 5."""
    service.answer(operation, reply, times=3)
    service.answer("DescribeImage", error("AccessDeniedException", "no"), times=50)
    argv = {
        "UpdateImage": ["update", "my-image", "--description", "x", "--max-attempts", "1"],
        "DescribeImage": ["show", "my-image"],
        "ListImages": ["list"],
    }[operation]
    result = run(*argv)
    assert (result.code, result.stdout) == (5, ""), result
    assert "Traceback" not in result.stderr


def test_a_second_error_names_itself(run: Run, service: Service) -> None:
    """A failure has exit code, stderr and stdout of the contract, in text and in JSON."""
    service.answer("UpdateImage", IN_USE, times=2)
    text = run("update", "my-image", "--description", "x")
    as_json = run("update", "my-image", "--description", "x", "--query", "ImageArn")
    assert (text.code, text.stdout) == (as_json.code, as_json.stdout) == (6, "")
    assert json.loads(as_json.stderr) == {
        "Error": {
            "Code": "ResourceInUse",
            "Kind": "transient",
            "Message": "Resource was modified concurrently",
            "Hint": "another change of the image is under way; it is safe to run the same command again",
            "Operation": "UpdateImage",
            "ImageName": "my-image",
            "Region": "us-east-1",
            "RequestId": "4f1c0000-0000-4000-8000-000000000001",
            "HTTPStatusCode": 400,
            "Attempts": 1,
            "Retryable": True,
            "Outcome": "not-applied",
            "ExitCode": 6,
        }
    }


@pytest.mark.parametrize(
    ("breaks", "argv", "known"),
    [
        ("difflib.get_close_matches", ["update", "my-imgae", "--description", "x"], "not-applied"),
        ("yaml.dump", ["update", "my-image", "--description", "x", "-o", "yaml"], "applied"),
    ],
)
def test_a_bug_of_ours_is_told_as_one(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, breaks: str, argv: list[str], known: str
) -> None:
    """Exit 1 and one line, with what is known of the update; where it happened is for --debug."""

    def broken(data: object, *_: object, **__: object) -> str:
        if data:
            raise ZeroDivisionError("canary")
        return "{}\n"

    monkeypatch.setattr(breaks, broken)
    told, debugged = run(*argv), run(*argv, "--debug")
    said = f"unexpected ZeroDivisionError: canary; the update was {known.replace('-', ' ')}"
    assert told == (1, "", f"imagectl: error: {said}\n")
    assert "in broken\n" in debugged.stderr
    assert "Traceback" not in debugged.stderr


def test_update_in_each_format(run: Run, service: Service) -> None:
    """As text the ARN, as name the name, as json the outcome; --query selects from that."""
    argv = ["update", "my-image", "--description", "x"]
    assert run(*argv).stdout == f"{ARN}\n"
    assert run(*argv, "-o", "name").stdout == "my-image\n"
    assert json.loads(run(*argv, "-o", "json").stdout) == {
        "ImageArn": ARN,
        "ImageName": "my-image",
        "Region": "us-east-1",
        "Outcome": "requested",
        "Changes": [{"Property": "Description", "After": "x"}],
    }
    assert json.loads(run(*argv, "--query", "Changes[0].After").stdout) == "x"


@pytest.mark.parametrize("query", ["foo(@)", "abs()", "(" * 9000, "foo[" + "9" * 5000 + "]"])
def test_a_query_that_can_not_work_is_refused(run: Run, service: Service, query: str) -> None:
    """An unknown function, say, is found before anything is sent."""
    result = run("update", "my-image", "--description", "x", "--query", query)
    assert (result.code, service.received) == (2, [])


@pytest.mark.parametrize(
    ("query", "flags"),
    [
        ("Changes[::0]", []),
        ("&ImageName", []),
        ("abs(ImageName)", []),
        ("length(Changes[0].Before)", []),
        ("@", ["-o", "text"]),
        ("Changes", ["-o", "text"]),
    ],
)
def test_a_query_that_does_not_fit_is_refused(
    run: Run, service: Service, query: str, flags: list[str]
) -> None:
    """Whatever JMESPath raises, or text can't show, is found before anything is sent."""
    for argv in (["update", "my-image", "--description", "x"], ["apply", "--yes"]):
        if argv[0] == "apply" and "Before" in query:
            continue  # there it is read
        manifest = b'{"ImageName": "my-image", "Description": "x"}'
        result = run(*argv, "--query", query, *flags, stdin=manifest)
        assert (result.code, result.stdout, service.received) == (2, "", [])
        assert "--query: " in result.stderr


def test_a_query_that_breaks_on_the_result_is_told(run: Run, service: Service) -> None:
    """What only the result shows is exit 1, with what is known of the update."""
    service.add("bare")
    argv = ["update", "bare", "--description", "x", "--if-changed", "--query", "length(Changes[0].Before)"]
    result = run(*argv)
    assert (result.code, result.stdout) == (1, "")
    error = json.loads(result.stderr)["Error"]
    assert (error["Kind"], error["Outcome"]) == ("internal", "applied")
    assert "; the update was applied" in result.stderr


def test_nothing_to_change_is_no_pending_change(run: Run, service: Service) -> None:
    """--detailed-exitcode makes a preview exit 10 only where something would change."""
    preview = ("--dry-run", "--detailed-exitcode")
    assert run("update", "my-image", "--display-name", "PyTorch", *preview).code == 0
    assert run("update", "my-image", "--display-name", "Torch", *preview).code == 10


def test_show_is_all_of_describe_image(run: Run, service: Service) -> None:
    """Every field of the reply, times by RFC 3339, on one line each."""
    service.images["my-image"]["FailureReason"] = "line\nbreak\x1b[31m"
    shown = json.loads(run("show", "my-image", "-o", "json").stdout)
    assert shown == {
        **service.images["my-image"],
        "CreationTime": "2025-06-15T15:06:40.000Z",
        "LastModifiedTime": "2025-06-15T15:06:40.000Z",
    }
    text = run("show", "my-image").stdout
    assert dict(line.split("\t") for line in text.splitlines()) == {
        **shown,
        "FailureReason": "line\\nbreak\\x1b[31m",
    }
    assert service.operations == ["DescribeImage"] * 2


def test_list_reads_all_pages(run: Run, service: Service) -> None:
    """All images of the region, over as many pages as there are, in every format."""
    for number in range(250):
        service.add(f"image-{number}", ImageStatus="CREATED" if number % 2 else "UPDATE_FAILED")
    names = list(service.images)
    assert run("list", "-o", "name").stdout.split() == names
    assert service.operations == ["ListImages"] * 3
    assert [i["ImageName"] for i in json.loads(run("list", "-o", "json").stdout)["Images"]] == names
    assert [line.split("\t")[0] for line in run("list").stdout.splitlines()] == names
    failed = run("list", "--status", "update-failed", "--limit", "3", "-o", "name").stdout
    assert failed.split() == ["image-0", "image-2", "image-4"]


def test_list_takes_several_statuses(run: Run, service: Service) -> None:
    """--status is repeatable: images in any of them."""
    for status in ("CREATING", "UPDATE_FAILED", "DELETING"):
        service.add(f"image-{status.replace('_', '-')}", ImageStatus=status)
    listed = run("list", "--status", "update-failed", "--status", "DELETING", "-o", "name")
    assert listed.stdout.split() == ["image-UPDATE-FAILED", "image-DELETING"]


def test_a_list_in_a_pipe_is_whole(run: Run, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tab-separated, without a header, times by RFC 3339; no text is cut, however narrow the terminal is."""
    monkeypatch.setenv("COLUMNS", "20")
    texts = {"DisplayName": "n" * 128, "Description": "d" * 512}
    service.add("my-image", **texts)
    row = ["my-image", "CREATED", "2025-06-15T15:06:40.000Z", *texts.values()]
    assert run("list") == (0, "\t".join(row) + "\n", "")


def test_list_sends_its_filters(run: Run, service: Service) -> None:
    """Filters are the API's parameters, in the command line's spelling or the API's."""
    result = run(
        "list",
        "--name-contains",
        "my",
        "--sort-by",
        "image-name",
        "--sort-order",
        "ASCENDING",
        "--limit",
        "7",
    )
    assert result.code == 0
    assert service.calls() == [
        {"NameContains": "my", "SortBy": "IMAGE_NAME", "SortOrder": "ASCENDING", "MaxResults": 7}
    ]


def test_a_list_that_fails_half_way_shows_nothing(run: Run, service: Service) -> None:
    """A script that takes the names never gets some of them for all."""
    for number in range(150):
        service.add(f"image-{number}")
    for output in ("text", "name", "json"):
        service.answer("ListImages", Reply(carry_out=True), error("AccessDeniedException", "no"))
        result = run("list", "-o", output)
        assert (result.code, result.stdout) == (4, "")


@pytest.mark.parametrize(
    "body",
    [
        {"Images": [None]},
        {"Images": [{}]},
        {"Images": [], "NextToken": 5},
        {"Images": [{"ImageName": "my-image", "ImageArn": ARN, "Description": 7}]},
    ],
    ids=str,
)
def test_a_list_that_is_none_is_refused(run: Run, service: Service, body: object) -> None:
    """Items without a name and an ARN that agree, or of wrong types: nothing is shown or sent."""
    service.answer("ListImages", Reply(200, body), times=2)
    assert run("list").code == 5
    manifest = b'{"ImageName": "my-image", "Description": "x"}'
    assert run("apply", "--yes", stdin=manifest).code == 5
    assert "UpdateImage" not in service.operations


@pytest.mark.parametrize("said", [1767225600, "2026-01-01T00:00:00Z", "2026-01-01 00:00:00"])
def test_a_time_without_a_zone_is_utc(spawn: Run, service: Service, said: object) -> None:
    """Wherever we are; as some servers write it that stand in for AWS."""
    service.add("my-image", LastModifiedTime=said)
    listed = spawn("list", "-o", "json", env={"TZ": "Asia/Tokyo"})
    assert json.loads(listed.stdout)["Images"][0]["LastModifiedTime"] == "2026-01-01T00:00:00.000Z"


def test_times_are_compared_however_they_are_written(run: Run, service: Service) -> None:
    """What was read before and what is waited for, and the images of two regions."""
    service.add("my-image", Description="old", CreationTime="2026-01-01T00:00:00", LastModifiedTime=1)
    service.add("other", CreationTime="2026-01-02T00:00:00+01:00", LastModifiedTime="2026-01-01 00:00:00")
    listed = run("list", "--region", "us-east-1", "--region", "eu-west-1", "-o", "name")
    assert (listed.code, listed.stdout.split()) == (0, ["other"] * 2 + ["my-image"] * 2)
    service.images["my-image"]["LastModifiedTime"] = "2026-01-01T00:00:00"
    waited = run("update", "my-image", "--description", "new", "--if-changed", "--wait")
    assert (waited.code, waited.stderr) == (0, "")


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00+14:00", "soon", 1e300, []])
def test_what_is_no_time_is_not_sagemaker_s(run: Run, service: Service, said: object) -> None:
    """Nor one that no calendar has."""
    service.add("my-image", LastModifiedTime=said)
    listed = run("list")
    assert (listed.code, listed.stdout) == (5, "")
    assert "the reply is not SageMaker's" in listed.stderr


def test_list_of_nothing(run: Run, service: Service) -> None:
    """An empty region is an empty list, not an error."""
    service.images.clear()
    assert run("list") == (0, "", "")
    assert json.loads(run("list", "-o", "json").stdout) == {"Images": []}


def test_page_tokens_in_a_circle_end(run: Run, service: Service) -> None:
    """A service that hands out the same page for ever is told of, not followed for ever."""
    service.answer("ListImages", Reply(200, {"Images": [], "NextToken": "again"}), times=5)
    result = run("list")
    assert result.code == 5
    assert "page tokens go in a circle" in result.stderr


def test_a_reader_that_has_read_enough_stops_the_pages(spawn: Run, service: Service) -> None:
    """`imagectl list | head -1` is a success."""
    for number in range(3000):
        service.add(f"image-{number:04}", Description="x" * 200)
    import subprocess
    import sys

    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m imagectl list | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode().splitlines()[-1] == "0"
    assert done.stderr == b""


def test_version_and_help(run: Run) -> None:
    """--version and -h answer on stdout with exit 0."""
    from imagectl import __version__

    assert run("--version") == (0, f"imagectl {__version__}\n", "")
    for argv in (["-h"], ["--help"], ["update", "-h"], ["list", "--help"]):
        result = run(*argv)
        assert (result.code, result.stderr) == (0, "")
        assert result.stdout.startswith("Usage: imagectl")


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ([], {}),
        (["--sort-by", "image-name"], {"SortBy": "IMAGE_NAME", "SortOrder": "ASCENDING"}),
        (["--sort-by", "creation-time"], {"SortBy": "CREATION_TIME"}),
        (["--sort-by", "last-modified-time"], {"SortBy": "LAST_MODIFIED_TIME"}),
        (
            ["--sort-by", "image-name", "--sort-order", "descending"],
            {"SortBy": "IMAGE_NAME", "SortOrder": "DESCENDING"},
        ),
        (["--created-after", "2026-11-26"], {"CreationTimeAfter": 1795651200}),
        (["--created-before", "2026-11-26T08:00:00+01:00"], {"CreationTimeBefore": 1795676400}),
        (["--modified-after", "2026-11-26T07:00:00z"], {"LastModifiedTimeAfter": 1795676400}),
        (["--modified-before", "2026-11-26 07:00"], {"LastModifiedTimeBefore": 1795676400}),
    ],
)
def test_list_asks_the_service_to_choose_and_to_sort(
    run: Run, service: Service, flags: list[str], sent: dict[str, object]
) -> None:
    """Each filter is the service's own; without an order names go from A, times from the newest."""
    assert run("list", *flags).code == 0
    assert service.calls("ListImages") == [{"MaxResults": 100, **sent}]


@pytest.mark.parametrize(
    ("age", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43200), ("30d", 2592000), ("2w", 1209600)]
)
def test_a_time_can_be_an_age(run: Run, service: Service, age: str, seconds: int) -> None:
    """So long before now."""
    before = time.time()
    assert run("list", "--modified-after", age).code == 0
    (asked,) = service.calls("ListImages")
    assert before - 1 <= asked["LastModifiedTimeAfter"] + seconds <= time.time()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "d",
        "-1d",
        "1y",
        "yesterday",
        "2026",
        "2026-13-01",
        "2026-11-26T25:00:00Z",
        "20261126",
        "2026-W48-4",
        "999999w",
        "2026-11-26T08:00:00Zz",
        "\u0663d",
    ],
)
def test_a_time_that_is_none(run: Run, service: Service, text: str) -> None:
    """Refused with what is one, before anything is sent."""
    code, out, err = run("list", f"--created-after={text}")
    assert (code, out, service.received) == (2, "", [])
    assert "--created-after: must be a time like" in err
