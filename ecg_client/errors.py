"""The errors of the clients; no message holds a token or a signal."""


class ClientError(Exception):
    """A call failed; the message says why."""


class Unauthorized(ClientError):  # noqa: N818 - named for the answer
    """The token is missing, unknown or revoked."""


class NotFound(ClientError):  # noqa: N818
    """There is no such ECG or recording of this user, or no such user or dead letter."""


class Gone(ClientError):  # noqa: N818
    """The signals, of the ECG or in this range of the recording, are no longer kept; the insights are."""


class InvalidEcg(ClientError):  # noqa: N818 - named for the ECG's state
    """The ECG, or another argument of a call, was refused; `field` names the one that breaks the schema or a limit."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(InvalidEcg):
    """The ECG is too large for one message to this gateway: it can be sent in chunks, as a recording."""


class NotProcessable(ClientError):  # noqa: N818
    """The ECG was accepted and could not be processed; the message is the reason."""


class StillProcessing(ClientError, TimeoutError):  # noqa: N818
    """The ECG was accepted, but its insights were not there in time."""


class Unavailable(ClientError):  # noqa: N818
    """The gateway did not answer, cannot serve now, or a limit is reached.

    `retry_after` is the pause in seconds that it asks for, if it does.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnexpectedAnswer(ClientError):  # noqa: N818
    """The answer is not one that a gateway gives; another server may listen at this address."""
