"""What `imagectl help TOPIC` tells: the same words as the README, which a test holds to it.

Only data. Whatever changes here changes there.
"""

from collections.abc import Mapping
from typing import NamedTuple

from imagectl.pages import Rows, page


class Topic(NamedTuple):
    """A topic: one sentence on what it is, then what the README says too: paragraphs, an example, a table.

    Backticks mark what is typed, as in the README; a page goes without.
    """

    summary: str
    text: str = ""
    heading: str = ""
    rows: Rows = ()

    def page(self, more: Mapping[str, Rows]) -> str:
        """The topic's help page, with more sections."""
        rows = [(name, told.replace("`", "")) for name, told in self.rows]
        own = {self.heading: rows} if rows else {}
        return page(f"{self.summary}\n\n{self.text}".replace("`", ""), {**own, **more})


EXIT_CODES = (
    ("0", "", "done, or nothing to do"),
    (
        "1",
        "internal",
        "a bug of ours, or the output could not be written; the message says whether the update was applied",
    ),
    ("2", "usage", "flags or manifest are wrong; nothing was sent"),
    ("3", "not-found", "no such image"),
    ("4", "access", "credentials, permission or configuration"),
    (
        "5",
        "refused",
        "the service refused the change or failed to carry it out, or the reply is not SageMaker's",
    ),
    ("6", "transient", "safe to repeat: image busy, throttled, server error, network"),
    ("7", "partial", "apply: some images failed, each with an error of its own"),
    ("8", "pending", "accepted, not settled when --timeout ran out"),
    ("10", "", "--detailed-exitcode: changes are pending"),
    ("130", "interrupted", "Ctrl-C; the message says what is known of the update"),
    ("143", "terminated", "SIGTERM or SIGHUP; likewise"),
)

TOPICS = {
    "exit-codes": Topic(
        "One exit code for each kind of failure, so that a script can tell them apart.",
        "Data goes to stdout, talk to stderr; on failure stdout is empty and the exit code tells the kind.",
        "Exit codes",
        tuple((f"{code:<4}{kind}".rstrip(), when) for code, kind, when in EXIT_CODES),
    ),
    "manifest": Topic(
        "What `imagectl apply` reads.",
        """\
A manifest declares how images are to be: in git, reviewed like code. `imagectl apply` reads how they are,
shows what differs, and sends one UpdateImage for each image that does.

Example:
  - ImageName: my-image
    Description: PyTorch 2.4, CUDA 12.4
    DisplayName: PyTorch
  - ImageName: pandas-notebook
    Description: null # deletes it

An entry has `ImageName` or `ImageArn`; `Description`, `DisplayName`, `RoleArn`; and where the default won't
do, `Region` and `Profile`. What is absent is left alone, `null` deletes, `""` is an error: so is in YAML a
value that is just missing. `Region` and `Profile` of an entry win over the flags; an ARN must agree with
`--region`, as everywhere. What the API returns and nobody can set is passed over, any other key is an error.

A manifest is JSON Lines, a JSON array, an object with `Images`, YAML of the same shapes, or several of these
one after another: so what `imagectl list -o json`, `imagectl show -o json`, `aws sagemaker list-images` and
`jq` print are manifests.
""",
    ),
    "environment": Topic(
        "Where imagectl's settings come from.",
        """\
There is no configuration file. Credentials, profiles, SSO, roles, endpoints and retries are AWS's own, from
the environment and `~/.aws`, as boto3 resolves them.

No environment variable sets a property of an image: a stray export never changes one.
""",
        "Settings, each from the first of these that says something",
        (
            ("region", "`--region`, the ARN's, `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's"),
            ("profile", "`--profile`, `AWS_PROFILE`, `AWS_DEFAULT_PROFILE`, `default`"),
            (
                "endpoint",
                (
                    "`--endpoint-url`, `AWS_ENDPOINT_URL_SAGEMAKER`, `AWS_ENDPOINT_URL`, the profile's, the "
                    "region's"
                ),
            ),
            (
                "certificates",
                "`--ca-bundle`, `AWS_CA_BUNDLE`, the profile's, `REQUESTS_CA_BUNDLE`, certifi's",
            ),
            ("attempts", "`--max-attempts`, `AWS_MAX_ATTEMPTS`, the profile's, 3"),
            (
                "colour",
                (
                    "`--color`, `NO_COLOR`, `FORCE_COLOR` or `CLICOLOR_FORCE`, `TERM=dumb`, whether the "
                    "stream is a terminal"
                ),
            ),
        ),
    ),
    "output": Topic(
        "What is printed, and how it looks.",
        """\
`-o json` prints what the AWS CLI prints for the same call, and more; `--query` selects from it, by JMESPath.
""",
        "As JSON",
        (
            (
                "update",
                (
                    '`{"ImageArn", "ImageName", "Region", "Outcome", "Changes": [{"Property", "Before", '
                    '"After"}]}`. `Outcome` is `requested`, `updated`, `unchanged` or `planned`. `Before` is '
                    "absent where it was not read."
                ),
            ),
            ("show", "DescribeImage's reply."),
            ("list", '`{"Images": [...]}`.'),
            ("wait", "DescribeImage's last reply; of several images one on a line, as each settles."),
            ("apply", "one object per line, update's with `Line` and, where it failed, `Error`."),
        ),
    ),
    "rate": Topic(
        "How fast `imagectl apply` sends.",
        """\
No rate is published, and it is per account and region. So nothing is slowed down until the service says
`ThrottlingException`; from then on requests go at the rate that was found, about one in ten of them being
turned away, which is how a rising rate is noticed. An image that is turned away ten times fails, and the
others go on; `--max-attempts` counts other passing failures.

With 200 ms a call, `--concurrency 8` makes 40 a second; `--concurrency 32` makes 160.

`--shard K/N` gives each of N runners its part, by a hash of profile, region and name: whatever runs where
and how often, each image is in exactly one part.
""",
    ),
    "connection": Topic(
        "Where and as whom AWS is called: options of every command that calls it.",
        """\
A plain `http://` endpoint that is not loopback is refused unless `--allow-http` is given, be it SageMaker's
or the one where STS, SSO or sign-in is asked; loopback is never proxied, and TLS verification can't be
turned off.
""",
    ),
}
