"""The error table: nothing that AWS or botocore may raise is left unclassified."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from traceback import extract_tb
from typing import Any

import botocore.discovery
import botocore.exceptions
import botocore.retries.special
import botocore.retries.standard
import pytest
from conftest import Run
from service import Service, error

from imagectl.aws.failures import CODES, EXCEPTIONS, of_code, of_exception
from imagectl.aws.faults import Fault
from imagectl.errors import EXIT_CODES, ImagectlError, Problem, usage

# The errors common to all actions, from the API reference's page Common Errors, and UpdateImage's own.
COMMON = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalFailure",
    "InvalidAction",
    "InvalidClientTokenId",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "InvalidQueryParameter",
    "InvalidSignatureException",
    "MalformedHttpRequestException",
    "MalformedQueryString",
    "MissingAction",
    "MissingAuthenticationToken",
    "MissingParameter",
    "NotAuthorized",
    "OptInRequired",
    "RequestAbortedException",
    "RequestEntityTooLargeException",
    "RequestExpired",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
    "ResourceInUse",
    "ResourceNotFound",
]


def tree(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in cls.__subclasses__():
        yield child
        yield from tree(child)


BOTOCORE = sorted(
    {
        *tree(botocore.exceptions.BotoCoreError),
        *(
            value
            for value in vars(botocore.exceptions).values()
            if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
        ),
    }
    # The root has no row on purpose; ClientError is judged by its code.
    - {botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError},
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", BOTOCORE, ids=lambda cls: cls.__name__)
def test_every_exception_of_botocore_has_a_row(cls: type[BaseException]) -> None:
    """By itself or through a parent that is botocore's own, not through Exception or ValueError."""
    if cls.__module__.startswith("botocore."):
        row = of_exception(cls)
        assert row is not None, f"{cls.__name__} is not classified"
        nearest = next(base for base in cls.__mro__ if base.__name__ in EXCEPTIONS)
        assert nearest.__module__.startswith("botocore.")


def test_each_fault_has_a_row() -> None:
    """What our own transport raises is in the table too."""
    assert {cls.__name__ for cls in Fault.__subclasses__()} <= set(EXCEPTIONS)


def test_no_row_is_of_something_that_is_not_there() -> None:
    """A row's name is a class that exists, so that no row is dead."""
    import botocore.parsers

    known = {cls.__name__ for cls in (*BOTOCORE, *Fault.__subclasses__())}
    builtin = {"FileNotFoundError", "ImportError", "MemoryError", "PermissionError", "ValueError"}
    builtin |= {"JSONDecodeError", "UnicodeDecodeError"}
    assert set(EXCEPTIONS) - known - builtin == {botocore.parsers.ResponseParserError.__name__}


@pytest.mark.parametrize("code", COMMON)
def test_every_common_error_has_a_row(code: str) -> None:
    """With and without the suffix `Exception`, as both appear."""
    bare = code.removesuffix("Exception")
    assert of_code(bare, None) is of_code(bare + "Exception", None) is CODES[bare]


def test_what_botocore_retries_as_throttling_is_transient() -> None:
    """What is a throttle to botocore is safe to repeat to us."""
    others = {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
    }  # S3, EC2, Route 53
    others |= {"ProvisionedThroughputExceededException", "TransactionInProgressException"}  # DynamoDB
    throttled: Any = botocore.retries.standard.ThrottledRetryableChecker
    for code in {*throttled._THROTTLED_ERROR_CODES} - others:
        assert of_code(code, 400).kind == "transient", code


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, "transient"),
        (502, "transient"),
        (429, "transient"),
        (430, "refused"),
        (408, "transient"),
        (407, "access"),
        (403, "access"),
        (401, "access"),
        (400, "refused"),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, kind: str) -> None:
    """A code that AWS adds one day is still told apart."""
    assert of_code("SomethingNew", status).kind == kind


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_row_is_reached_from_the_command_line(run: Run, service: Service, code: str) -> None:
    """The service's code gives the row's exit code and hint, and nothing on stdout."""
    service.answer("UpdateImage", error(code, "it said so"), times=3)
    row = CODES[code]
    result = run("update", "my-image", "--description", "x", "--max-attempts", "1")
    assert (result.code, result.stdout) == (EXIT_CODES[row.kind], "")
    said = f"my-image: it said so ({code})"
    if row.kind == "not-found":
        said = "no image 'my-image' in us-east-1"
    assert result.stderr.startswith(f"imagectl: error: {said}\n")
    assert "\nrequest id: 4f1c0000" in result.stderr
    assert row.hint is None or f"\nhint: {row.hint}\n" in result.stderr


def test_a_throttle_is_known_by_code_or_status() -> None:
    """With and without the suffix, or by 429 alone: apply slows down for these, and for nothing else."""
    throttles = [("ThrottlingException", 400), ("SlowDown", 503), (None, 429), ("Odd", 429)]
    assert all(ImagectlError("transient", "", code=c, http_status=s).is_throttle for c, s in throttles)
    others = [("ResourceInUse", 400), (None, None), ("InternalFailure", 500)]
    assert not any(ImagectlError("transient", "", code=c, http_status=s).is_throttle for c, s in others)


def test_one_problem_is_the_message() -> None:
    """A single problem needs no counting."""
    assert usage([Problem("--timeout", "is wrong")]).message == "--timeout: is wrong"


def test_exit_codes_are_one_per_kind() -> None:
    """A script can tell the kinds apart by the exit code alone."""
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


def test_keys_that_do_not_apply_are_left_out() -> None:
    """An error's JSON has what is known, by the contract's names, and no null."""
    assert ImagectlError("transient", "busy").as_json() == {
        "Kind": "transient",
        "Message": "busy",
        "Retryable": True,
        "ExitCode": 6,
    }
    problems = [Problem("Description", "is too long", 3), Problem("", "nothing to change")]
    assert usage(problems).as_json() == {
        "Kind": "usage",
        "Message": "2 problems, nothing was sent",
        "Retryable": False,
        "Outcome": "not-applied",
        "ExitCode": 2,
        "Problems": [
            {"Line": 3, "Field": "Description", "Message": "is too long"},
            {"Field": "", "Message": "nothing to change"},
        ],
    }


# The error is a value.


def raised(error: ImagectlError) -> ImagectlError:
    with pytest.raises(ImagectlError) as failure:
        raise error from OSError(28, "full")
    return failure.value


FACTS: dict[str, Any] = {
    "kind": "transient",
    "message": "busy",
    "hint": "again",
    "code": "ResourceInUse",
    "operation": "UpdateImage",
    "image_name": "img",
    "region": "us-east-1",
    "request_id": "4f1c",
    "http_status": 400,
    "attempts": 3,
    "outcome": "unknown",
    "late": True,
    "problems": (Problem("Description", "is too long", 3),),
}


@pytest.mark.parametrize("name", [*FACTS, "args", "new"])
def test_an_error_does_not_change(name: str) -> None:
    """No fact of it can be set, deleted or added."""
    error = ImagectlError(**FACTS)
    with pytest.raises(AttributeError):
        setattr(error, name, "other")
    with pytest.raises(AttributeError):
        delattr(error, name)
    assert vars(error) == FACTS


def test_python_itself_may_write_what_is_its_own() -> None:
    """Where it was raised, its cause, notes: with and without a context manager in between."""
    error = raised(ImagectlError(**FACTS))
    error.add_note("seen")

    @contextmanager
    def through() -> Iterator[None]:
        yield

    with pytest.raises(ImagectlError) as failure, through():
        raise error
    assert failure.value is error
    assert isinstance(error.__cause__, OSError)


@pytest.mark.parametrize(
    "copied",
    [copy, deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
    ids=["copy", "deep", "pickle"],
)
def test_an_error_can_be_copied(copied: Callable[[ImagectlError], ImagectlError]) -> None:
    """With all its facts."""
    error = raised(ImagectlError(**FACTS))
    other = copied(error)
    assert other is not error
    assert vars(other) == FACTS
    assert other.as_json() == error.as_json()
    assert str(other) == str(error) == "busy"


@pytest.mark.parametrize("name", FACTS)
def test_a_new_fact_makes_a_new_error(name: str) -> None:
    """With the other facts, the cause, the notes and the place of the first, which stays as it is."""
    error = raised(ImagectlError(**FACTS))
    error.add_note("seen")
    new = {"kind": "refused", "attempts": 4, "http_status": 500, "late": False, "problems": ()}.get(
        name, "other"
    )
    other = error.but(**{name: new})
    assert {key: getattr(other, key) for key in FACTS} == FACTS | {name: new}
    assert {key: getattr(error, key) for key in FACTS} == FACTS
    assert (other.__cause__, other.__notes__) == (error.__cause__, ["seen"])
    assert extract_tb(other.__traceback__)[-1].name == "raised"


def test_a_cause_that_was_not_named_is_kept_too() -> None:
    """An error raised while another was handled, and renewed elsewhere, still leads to that one."""
    error = ImagectlError("internal", "x")
    error.__context__ = OSError(28, "full")
    assert error.but(message="y").__cause__ is error.__context__
