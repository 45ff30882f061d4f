"""What the transport raises where no repetition helps: faults of endpoints, proxies and certificates.

Their texts are what people read. Imports nothing of AWS's; what kind of failure each is stands in `failures`.
"""

from imagectl.text import quote


class Fault(Exception):  # noqa: N818 - the root of the errors below, raised by nobody
    """`text` with the facts that it names."""

    text = ""

    def __init__(self, **facts: str | None) -> None:
        super().__init__(self.text.format(**facts))


class ForeignReplyError(Fault):
    """A reply that is no HTTP, or that a parser stumbles over: its own words say nothing to anybody."""

    text = "the reply is not SageMaker's"


class ClearTextError(Fault):
    text = "a configured endpoint {wrong}"


class BundleError(Fault):
    """A file of certificates that can't be used."""

    text = "the CA bundle {bundle} holds a certificate that is damaged"

    def __init__(self, *, bundle: str) -> None:
        super().__init__(bundle=quote(bundle, 500))


class ProxyUnusableError(Fault):
    """A proxy's URL that can be read in two ways, or in none."""

    text = "the proxy's URL in {variable} is not valid"


class ProxyRefusedError(Fault):
    text = "the proxy of {variable} answered CONNECT with {answer}"


class TlsError(Fault):
    text = "TLS with {who} failed: {reason}"


class NotTlsError(Fault):
    text = "{who} doesn't speak TLS at this port"


class OldTlsError(Fault):
    text = "{who} speaks no version of TLS that is safe: 1.2 or newer is needed"


class ClientCertificateWantedError(Fault):
    text = "{who} wants a client certificate"


class CertificateExpiredError(Fault):
    text = "the certificate of {who} has expired"


class CertificateNotYetValidError(Fault):
    text = "the certificate of {who} is not valid yet"


class CertificateOfAnotherHostError(Fault):
    text = "the certificate of {who} is for another host"


class CertificateUntrustedError(Fault):
    text = "the certificate of {who} is not signed by a CA that is known here"


class CertificateNotOfBundleError(Fault):
    """The bundle was given, so what is missing in it is what there is to say."""

    text = "the certificate of {who} is not signed by a CA in {bundle}"

    def __init__(self, *, who: str, bundle: str) -> None:
        super().__init__(who=who, bundle=quote(bundle, 500))


# With TLS 1.3 a server says only after something was written that it wanted a certificate. It hasn't read it.
NEVER_CARRIED_OUT = (ClientCertificateWantedError,)
