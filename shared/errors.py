"""Errors that both sides raise."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST_SHOWN = 64


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


class UnknownField(InvalidEcg):
    """A field that no reader knows. The message names the nearest known one, or all of them if none is near.

    Args:
        parent: the place of the object that has the field, such as `leads[0]`, or `body`.
        name: the field.
        kind: what the object is, with its article.
        known: the fields of such an object.
    """

    def __init__(self, parent: str, name: str, kind: str, known: Iterable[str]) -> None:
        super().__init__(place_of(parent, name), f"is not a field of {kind}: {hint(name, known)}")


class UnknownEncoding(InvalidEcg):
    """A message whose `content-type` header names an unknown encoding."""


def hint(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known name, or the list of all known names if none is near."""
    known = sorted(known)
    near = get_close_matches(name[:_LONGEST_SHOWN].lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def place_of(parent: str, name: str) -> str:
    """Return the place of an object's field as errors name it; a long name is cut off."""
    # An empty name is shown in quotes.
    shown = name[:_LONGEST_SHOWN] or '""'
    return shown if parent == "body" else f"{parent}.{shown}"
