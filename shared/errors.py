"""Errors that both sides raise."""


class InvalidEcg(Exception):  # noqa: N818 - named for the state of the ECG
    """An ECG that breaks the schema; the message names the field and the limit, and never quotes a signal.

    `ecg_id` and `username` are set if they could be read from the broken message.
    """

    def __init__(self, field: str, problem: str, *, ecg_id: str | None = None, username: str | None = None) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.ecg_id = ecg_id
        self.username = username


class UnknownEncoding(InvalidEcg):
    """A message whose `content-type` header names an unknown encoding."""
