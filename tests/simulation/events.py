"""What can happen to a run: one table a place, one row a kind. A new kind of event is a new row here.

An `Event` is a row's name, and when it happens. Those that are about requests are fates: what becomes of a
request on its way, and of its reply. All others are carried out by the module that their table names.
"""

from typing import Literal, NamedTuple

# What the client's library raises, by botocore's names.
REFUSED, CLOSED, CONNECT, READ = (
    "EndpointConnectionError",
    "ConnectionClosedError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
)
Carried = Literal["never", "now", "late"]


class Fate(NamedTuple):
    """What becomes of one request: whether it is carried out, and what the client gets for a reply.

    Without `status` and `raises` the reply is the service's own. Without `code`, a page of somebody else's.
    """

    carried: Carried = "never"
    status: int = 0
    code: str | None = None
    raises: str = ""
    slow: bool = False  # the client's patience is what ends it
    lasting: bool = False  # once begun, every request of this identity has it


FATES: dict[str, Fate] = {
    "own": Fate("now"),
    "connection refused": Fate(raises=REFUSED),
    "connect timeout": Fate(raises=CONNECT, slow=True),
    "reset before": Fate(raises=CLOSED),
    "reset after": Fate("now", raises=CLOSED),
    "timeout before": Fate(raises=READ, slow=True),
    "timeout after": Fate("now", raises=READ, slow=True),
    "timeout, carried out late": Fate("late", raises=READ, slow=True),
    "500 before": Fate(status=500, code="InternalFailure"),
    "500 after": Fate("now", status=500, code="InternalFailure"),
    "503": Fate(status=503, code="ServiceUnavailable"),
    "504 with a page": Fate(status=504),
    "504 with a page, carried out late": Fate("late", status=504),
    "408": Fate(status=408, code="RequestTimeout"),
    "page before": Fate(status=200),
    "page after": Fate("now", status=200),
    "403 with a page": Fate(status=403),
    "throttled": Fate(status=400, code="ThrottlingException"),
    "429": Fate(status=429),
    "denied": Fate(status=400, code="AccessDeniedException"),
    "expired": Fate(status=400, code="ExpiredTokenException", lasting=True),
    "no credentials": Fate(raises="NoCredentialsError"),
    "invalid": Fate(status=400, code="ValidationException"),
    "unheard of": Fate(status=418, code="OddException"),
    "in use": Fate(status=400, code="ResourceInUse"),
}

# Fates after which nobody can doubt.
PLAIN = frozenset(
    (
        "own",
        "connection refused",
        "connect timeout",
        "403 with a page",
        "throttled",
        "429",
        "denied",
        "expired",
        "no credentials",
        "invalid",
        "unheard of",
        "in use",
    )
)
# And those after which an update may still be carried out.
LATE = frozenset(
    (
        "timeout before",
        "timeout after",
        "timeout, carried out late",
        "504 with a page",
        "504 with a page, carried out late",
        "408",
    )
)

# By somebody else, to one image: `Backend.meddle`.
STRANGERS = ("sets the same", "sets other values", "deletes", "update fails")
# To the process: `World.happen`.
SIGNALS = {"Ctrl-C": "SIGINT", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}
ENDS = ("kill -9", "power")  # what was written stays; only what was synced does, and maybe part of the rest
# Where a rollback file is made and written: what fails, and at which of `Disk`'s operations.
DISKS = {
    "full": "write",
    "short write": "write",
    "write fails": "write",
    "sync fails": "sync",
    "directory can't be synced": "sync of a directory",
    "file can't be made": "open",
}
# Where threads are started.
THREADS = ("no more threads", "one thread can't start")
# In a thread that is not the main one: an exception that nobody foresaw, and one that nobody catches.
BUGS = ("a bug", "a thread dies")
# Where a record is printed: the reader is gone, or reads no more.
OUTPUTS = ("output fails", "output is stuck")


class Event(NamedTuple):
    """One thing that happens, when the count of `what` gets to `at`: requests of an operation, steps, writes,
    seconds. `times` is how many in a row, `which` the image that somebody else changes.
    """

    kind: str
    at: int
    what: str
    times: int = 1
    which: int = 0

    def __str__(self) -> str:
        image = f" to image-{self.which}" if self.kind in STRANGERS else ""
        times = f", {self.times} times" if self.times > 1 else ""
        return f"{self.kind}{image}, at {self.what} {self.at}{times}"
