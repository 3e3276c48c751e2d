"""The retry policy: a call is tried again while the gateway is unavailable or does not answer."""

from collections.abc import Callable
from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception_type, stop_before_delay, wait_random_exponential

from ecg_client.errors import Unavailable

# The errors of an outage. Others, such as an unsupported URL or an invalid header, come again with every try.
TRANSIENT = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)

_backoff = wait_random_exponential(multiplier=0.2, max=5)


OnOutage = Callable[[Unavailable, float], None]
"""Called before each pause in an outage, with the error and the seconds for which calls are still retried."""


def policy(retry_for: float, on_outage: OnOutage | None) -> dict[str, Any]:
    """Return arguments for tenacity: retry on `Unavailable` for up to `retry_for` seconds, then raise it."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if on_outage is not None and isinstance(error, Unavailable):
            on_outage(error, max(0.0, retry_for - (state.seconds_since_start or 0.0)))

    return {
        "retry": retry_if_exception_type(Unavailable),
        "wait": _wait,
        "stop": stop_before_delay(retry_for),
        "before_sleep": tell,
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
