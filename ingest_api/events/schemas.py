"""The wire format of events."""

from typing import Any, Final

LAST_EVENT_ID: Final[dict[str, Any]] = {
    "name": "last-event-id",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The last `id` that was received: the stream resumes after it, on any gateway.",
}
EXAMPLE_EVENTS: Final = """retry: 1000
id: a8gxQ...

event: insights
data: {"ecg_id":"5f0c0b9e-4d1b-8a3e-9c55-0d8b6f1d2a77","leads":[{"name":"I","number_of_zero_crossings":3}]}
id: 1zNfk...

event: failed
data: {"ecg_id":"9e107d9d-372b-8826-b1d1-3f6e1c3a4b5c","detail":"leads: an insight could not be computed (...)"}
id: mX0bs...

event: recording
data: {"id":"0b1f8c6e-2a77-8d3e-8c55-5f0c0b9e4d1b","number_of_samples":86000,"complete_until":85500,"final":false,...}
id: pQ8rk...

: keep-alive
id: Yw9cD...
"""
