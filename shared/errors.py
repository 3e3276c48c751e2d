"""Errors that both sides raise."""


class InvalidEcg(Exception):  # noqa: N818 - it is what the ECG is, not what went wrong with us
    """An ECG that breaks the schema; the message names the field and the limit, and never holds a signal.

    `ecg_id` and `username` are known when they could still be read from the broken message.
    """

    def __init__(self, field: str, problem: str, *, ecg_id: str | None = None, username: str | None = None) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.ecg_id = ecg_id
        self.username = username


class UnknownEncoding(InvalidEcg):
    """A message whose `content-type` header names no encoding of ours."""
