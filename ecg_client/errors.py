"""Every way in which a call fails; no message holds a token or a signal."""


class ClientError(Exception):
    """A call that did not succeed; the message says why."""


class Unauthorized(ClientError):  # noqa: N818 - named for the answer
    """The token is missing, unknown or revoked."""


class NotFound(ClientError):  # noqa: N818
    """There is no such ECG of this user."""


class Gone(ClientError):  # noqa: N818
    """The ECG's signals are no longer kept; its insights are."""


class InvalidEcg(ClientError):  # noqa: N818 - it is what the ECG is
    """The ECG, or what came with a call, was refused; `field` names what breaks the schema or the limit."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class NotProcessable(ClientError):  # noqa: N818
    """The ECG was accepted and could not be processed; the message is the reason."""


class StillProcessing(ClientError, TimeoutError):  # noqa: N818
    """The ECG was accepted, and its insights were not there in time."""


class Unavailable(ClientError):  # noqa: N818
    """The gateway did not answer, or not now, or a limit is reached.

    `retry_after` are the seconds after which it asks to be tried again.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnexpectedAnswer(ClientError):  # noqa: N818
    """The server's answer is none of the gateway's; something else may listen there."""
