"""The retry policy: a call is tried again while the gateway is unavailable or does not answer."""

from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception_type, stop_before_delay, wait_random_exponential

from ecg_client.errors import Unavailable

# The errors of an outage. Others, such as an unsupported URL or an invalid header, come again with every try.
TRANSIENT = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)

_backoff = wait_random_exponential(multiplier=0.2, max=5)


def policy(retry_for: float) -> dict[str, Any]:
    """Return arguments for tenacity: retry on `Unavailable` for up to `retry_for` seconds, then raise it."""
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
    """Wait as long as the gateway asks for, or else an exponential time with jitter, so that clients spread."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return _backoff(state) if asked is None else asked
