"""When a call is tried again: while the gateway says not now, or does not answer."""

from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception_type, stop_before_delay, wait_random_exponential

from ecg_client.errors import Unavailable

# The wrong kind of URL or header is no outage, and their messages may hold what was sent.
TRANSIENT = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)

_backoff = wait_random_exponential(multiplier=0.2, max=5)


def policy(retry_for: float) -> dict[str, Any]:
    """Return the arguments of tenacity's retrying: `Unavailable` is tried again for so many seconds, then raised."""
    return {
        "retry": retry_if_exception_type(Unavailable),
        "wait": _wait,
        "stop": stop_before_delay(retry_for),
        "reraise": True,
    }


def unanswered(url: str, error: httpx.TransportError) -> Unavailable:
    """Return the error for a gateway that does not answer."""
    return Unavailable(f"the gateway at {url} does not answer ({type(error).__name__})")


def _wait(state: RetryCallState) -> float:
    """Wait as long as the gateway asks for, or else longer and longer, at random so that clients spread."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return _backoff(state) if asked is None else asked
