"""Calls for ids of commands, which may belong to ECGs or to recordings."""

from collections.abc import Callable
from typing import TypeVar

from ecg_client.errors import NotFound

T = TypeVar("T")


def either(of_ecg: Callable[[], T], of_recording: Callable[[], T]) -> T:
    """Return the answer to a call about an ECG or, if there is no such ECG, to a call about a recording.

    Raises:
        NotFound: the error about the ECG, if there is no such recording either.
    """
    try:
        return of_ecg()
    except NotFound as unknown:
        try:
            return of_recording()
        except NotFound:
            raise unknown from None
