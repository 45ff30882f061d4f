"""The one error type: what went wrong, as a value, and which exit code each kind of failure has.

Must not import anything of AWS: which of its failures is of which kind is told by aws/failures.
"""

import signal
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "internal",
    "usage",
    "not-found",
    "access",
    "refused",
    "transient",
    "partial",
    "pending",
    "interrupted",
    "terminated",
]

# What is known of an update: the service turned it away or never saw it, accepted it, or nobody can tell.
Applied = Literal["not-applied", "applied", "unknown"]

EXIT_CODES: dict[Kind, int] = {
    "internal": 1,
    "usage": 2,
    "not-found": 3,
    "access": 4,
    "refused": 5,
    "transient": 6,
    "partial": 7,
    "pending": 8,
    "interrupted": 130,
    "terminated": 143,
}
EXIT_CHANGES_PENDING = 10  # --detailed-exitcode: no failure, so no kind


# Codes that say more than their kind: what may be repeated at a lower rate, what after a while, and what is
# a matter of this call alone, as credentials that expired are not.
THROTTLES = frozenset(
    (
        "LimitExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttled",
        "Throttling",
        "TooManyRequests",
    )
)
BUSY = frozenset(("Conflict", "ResourceInUse"))
DENIED = frozenset(("AccessDenied", "NotAuthorized", "UnauthorizedOperation"))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: ends what Ctrl-C ends, in the same orderly way."""


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the signals that end a run, unless it ignores them


class Problem(NamedTuple):
    """One thing that is wrong with the input: where (a flag, a property, a manifest's line) and what."""

    field: str
    message: str
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        line = {"Line": self.line} if self.line is not None else {}
        return {**line, "Field": self.field, "Message": self.message}

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.field}: {self.message}" if self.field else f"{where}{self.message}"


class ImagectlError(Exception):
    """What went wrong, for people (`message`, `hint`) and for programs (the rest).

    Further lines of `hint` are commands as they are typed. `outcome` is what is known of the update; None
    where no update was meant. Texts are raw: who shows them makes them safe. The error is a value: it never
    changes, and `but` makes a new one of new facts.
    """

    kind: Kind
    message: str
    hint: str | None
    code: str | None
    operation: str | None
    image_name: str | None
    region: str | None
    request_id: str | None
    http_status: int | None
    attempts: int | None
    outcome: Applied | None
    late: bool  # whether the update may still be carried out, though it doesn't show yet
    problems: tuple[Problem, ...]

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        operation: str | None = None,
        image_name: str | None = None,
        region: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        attempts: int | None = None,
        outcome: Applied | None = None,
        late: bool = False,
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message)
        vars(self).update(
            kind=kind,
            message=message,
            hint=hint,
            code=code,
            operation=operation,
            image_name=image_name,
            region=region,
            request_id=request_id,
            http_status=http_status,
            attempts=attempts,
            outcome=outcome,
            late=late,
            problems=tuple(problems),
        )

    def but(self, **facts: Any) -> "ImagectlError":
        """The same error with other facts; its cause and where it was raised stay."""
        other = type(self)(**{**self._facts(), **facts})
        other.__cause__ = self.__cause__ or self.__context__
        for note in getattr(self, "__notes__", ()):
            other.add_note(note)
        return other.with_traceback(self.__traceback__)

    def _facts(self) -> dict[str, Any]:
        return {name: fact for name, fact in vars(self).items() if not _is_pythons(name)}

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._facts()), ()

    def __setattr__(self, name: str, value: object) -> None:
        if not _is_pythons(name):
            raise AttributeError(f"an error doesn't change: {name}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not _is_pythons(name):
            raise AttributeError(f"an error doesn't change: {name}")
        super().__delattr__(name)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind]

    @property
    def is_throttle(self) -> bool:
        """Whether the service turned the request away for its rate alone."""
        return (self.code or "").removesuffix("Exception") in THROTTLES or self.http_status == 429

    @property
    def is_busy(self) -> bool:
        """Whether the image was being changed by somebody else."""
        return (self.code or "").removesuffix("Exception") in BUSY

    @property
    def is_denied(self) -> bool:
        """Whether a permission is missing, for this call alone."""
        return (self.code or "").removesuffix("Exception") in DENIED

    def as_json(self) -> dict[str, Any]:
        """The contract's error object, keys that don't apply left out."""
        everything = {
            "Code": self.code,
            "Kind": self.kind,
            "Message": self.message,
            "Hint": self.hint and self.hint.replace("\n", " ", 1).replace("\n", " or "),
            "Operation": self.operation,
            "ImageName": self.image_name,
            "Region": self.region,
            "RequestId": self.request_id,
            "HTTPStatusCode": self.http_status,
            "Attempts": self.attempts,
            "Retryable": self.kind == "transient",
            "Outcome": self.outcome,
            "ExitCode": self.exit_code,
            "Problems": [problem.as_json() for problem in self.problems] or None,
        }
        return {key: value for key, value in everything.items() if value is not None}


def _is_pythons(name: str) -> bool:
    """Whether an attribute of an exception is Python's own: where it was raised, its cause, its notes."""
    return name.startswith("__")


def usage(problems: Iterable[Problem]) -> ImagectlError:
    """All that is wrong with the input, as one error: nothing was sent."""
    problems = tuple(problems)
    message = str(problems[0]) if len(problems) == 1 else f"{len(problems)} problems, nothing was sent"
    return ImagectlError("usage", message, outcome="not-applied", problems=problems)
