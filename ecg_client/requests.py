"""The gateway's calls as values: the request, and the meaning of each answer. The two clients add only the I/O."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import orjson

from ecg_client.errors import (
    ClientError,
    Gone,
    InvalidEcg,
    NotFound,
    NotProcessable,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from ecg_client.recordings import Recording
from ecg_client.results import (
    AuditPage,
    Insights,
    Page,
    StoredEcg,
    User,
    UserPage,
    parse_audit,
    parse_ecg,
    parse_insights,
    parse_packed_ecg,
    parse_page,
    parse_user,
    parse_users,
)
from shared import errors
from shared.ecg import Lead, narrowed
from shared.encoding import media_type_of, packed, plain

T = TypeVar("T")

JSON = {"content-type": "application/json"}
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_LONGEST_KEY = 255
# 429 and 503 come from the gateway, 502 and 504 from a load balancer in front of it that reaches no gateway.
_NOT_NOW = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_REFUSED = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_KINDS: dict[int, type[ClientError]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNPROCESSABLE_ENTITY: NotProcessable,
}
# A larger batch would gain little, and its answers would come later. The largest is a quarter of the limit of bodies.
_MOST_IN_BATCH, _LARGEST_BATCH = 256, 4 << 20
_USUAL_WIDTH = 2
# JSON is a comma and a digit for most samples at least, so that it can be smaller only if samples are packed wider.
_NO_WIDER_THAN_JSON = 2
ERASED: dict[int, Callable[[httpx.Response], bool]] = {204: lambda _: True, 202: lambda _: False}


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request that is safe to send again, and a parser of the answer for each successful status."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    meaning: dict[int, Callable[[httpx.Response], T]] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def result(self, answer: httpx.Response) -> T:
        """Return the parsed result of an answer.

        Raises:
            ClientError: the error that the answer states, unless it is a success.
        """
        document = None
        try:
            if answer.status_code in self.meaning:
                return self.meaning[answer.status_code](answer)
            document = orjson.loads(answer.content) if answer.content else None
        except (ValueError, KeyError, TypeError, errors.InvalidEcg):
            pass
        raise _error(answer, document if isinstance(document, dict) else {})


def register_user(username: str, admin_token: str, expires_in: int | None = None) -> Call[User]:
    """Register a user, or give one a new token, which revokes the old one.

    Sending it again after a lost answer does no harm: it revokes a token that nobody has received.
    """
    body = orjson.dumps({"username": username} | ({"expires_in": expires_in} if expires_in is not None else {}))
    return Call("POST", "/users", {**JSON, **_admin(admin_token)}, {201: parsed(parse_user)}, body)


def users(admin_token: str, after: str) -> Call[UserPage]:
    """Ask for a page of the users in the order of their names, beginning after a name."""
    return Call("GET", f"/users?{urlencode({'after': after})}", _admin(admin_token), {200: parsed(parse_users)})


def delete_user(username: str, admin_token: str) -> Call[bool]:
    """Delete a user with all of their ECGs and recordings: False if that is durable but not yet carried out."""
    return Call("DELETE", f"/users/{quote(username, safe='')}", _admin(admin_token), ERASED)


def audit(admin_token: str, wanted: dict[str, Any], cursor: str | None) -> Call[AuditPage]:
    """Ask for a page of the audit; datetimes in `wanted` need a time zone."""
    texts = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in wanted.items()}
    query = {name: value for name, value in {**texts, "cursor": cursor}.items() if value is not None}
    return Call("GET", f"/audit?{urlencode(query)}", _admin(admin_token), {200: parsed(parse_audit)})


@dataclass(frozen=True)
class Submission:
    """A recording and its idempotency key: sent again with the same key, it is the same ECG and is stored once.

    Raises:
        InvalidEcg: if the key is not 1 to 255 visible ASCII characters.
    """

    recording: Recording
    idempotency_key: str

    def __post_init__(self) -> None:
        if len(self.idempotency_key) > _LONGEST_KEY or not _VISIBLE_ASCII.fullmatch(self.idempotency_key):
            problem = f"must be 1 to {_LONGEST_KEY} visible ASCII characters"
            raise InvalidEcg(f"idempotency-key: {problem}", "idempotency-key")


def submit(submission: Submission, token: str, *, pack: bool) -> Call[str]:
    """Submit a recording; with `pack`, in the packed encoding, unless JSON is smaller."""
    recording = submission.recording
    body, media_type = _packed(recording) if pack else (encode(recording), plain.CONTENT_TYPE)
    headers = {"content-type": media_type, "x-user-token": token, "idempotency-key": submission.idempotency_key}
    return Call("POST", "/ecgs", headers, {201: parsed(lambda accepted: str(accepted["id"]))}, body)


def batches(submissions: Iterable[Submission]) -> Iterator[list[Submission]]:
    """Divide submissions, in their order, into groups that are sent in one request each.

    A large submission is a group of its own, and so is one whose signals are not integers: the gateway explains that.
    """
    batch: list[Submission] = []
    size = 0
    for submission in submissions:
        leads = submission.recording.leads
        own = _USUAL_WIDTH * sum(lead.signal.size for lead in leads) if _is_packable(leads) else _LARGEST_BATCH
        if batch and (len(batch) == _MOST_IN_BATCH or size + own > _LARGEST_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(submission)
        size += own
    if batch:
        yield batch


def submit_batch(batch: Sequence[Submission], token: str) -> Call[list[str | ClientError] | None]:
    """Submit several recordings: the id of each, or why it is refused; None from a gateway that knows no batches."""
    body = packed.encode_batch((one.idempotency_key, narrowed(one.recording.content)) for one in batch)
    headers = {"content-type": packed.CONTENT_TYPE, "x-user-token": token}
    meaning: dict[int, Callable[[httpx.Response], list[str | ClientError] | None]] = {
        HTTPStatus.OK: parsed(lambda answer: [_batched(one) for one, _ in zip(answer["ecgs"], batch, strict=True)]),
        HTTPStatus.NOT_FOUND: lambda _: None,
        HTTPStatus.METHOD_NOT_ALLOWED: lambda _: None,
    }
    return Call("POST", "/ecgs/batch", headers, meaning, body)


def is_too_new(call: Call[str], error: InvalidEcg) -> bool:
    """Return True if a gateway refused a packed submission because it is older than the packed encoding over HTTP."""
    return call.headers["content-type"] == packed.CONTENT_TYPE and error.field == "content-type"


def insights(ecg_id: str, token: str, wait: int = 0) -> Call[Insights | None]:
    """Ask for an ECG's insights: None while it is being processed; the gateway waits for them up to `wait` seconds."""
    return Call(
        "GET",
        f"/ecgs/{quote(ecg_id, safe='')}/insights",
        {"x-user-token": token} | ({"prefer": f"wait={wait}"} if wait else {}),
        {200: parsed(parse_insights), 202: lambda _: None},
    )


def insights_as_fhir(ecg_id: str, token: str) -> Call[dict[str, Any] | None]:
    """Ask for an ECG's insights as a FHIR Observation: None while it is being processed."""
    path, headers = (
        f"/ecgs/{quote(ecg_id, safe='')}/insights",
        {"x-user-token": token, "accept": "application/fhir+json"},
    )
    return Call("GET", path, headers, {200: parsed(dict), 202: lambda _: None})


def ecgs(token: str, limit: int, cursor: str | None, label: str | None = None) -> Call[Page]:
    """Ask for a page of the user's ECGs, or only of those whose label begins with `label`."""
    given = {"limit": limit, "cursor": cursor, "label": label}
    query = {name: value for name, value in given.items() if value is not None}
    return Call("GET", f"/ecgs?{urlencode(query)}", {"x-user-token": token}, {200: parsed(parse_page)})


def ecg(ecg_id: str, token: str) -> Call[StoredEcg | None]:
    """Ask for an ECG as it was submitted: None while it is being processed."""
    path = f"/ecgs/{quote(ecg_id, safe='')}"
    # Older gateways answer in JSON.
    headers = {"x-user-token": token, "accept": f"{packed.CONTENT_TYPE}, {plain.CONTENT_TYPE};q=0.9"}
    return Call("GET", path, headers, {200: _stored_ecg, 202: lambda _: None})


def erase(ecg_id: str, token: str) -> Call[bool]:
    """Erase an ECG: False if the erasure is durable but not yet carried out."""
    return Call("DELETE", f"/ecgs/{quote(ecg_id, safe='')}", {"x-user-token": token}, ERASED)


def encode(recording: Recording) -> bytes:
    """Return a recording as the body of a submission, written straight from the arrays without Python integers."""
    return plain.encode_content(recording.content)


def _packed(recording: Recording) -> tuple[bytes, str]:
    """Return a recording as the body of a submission, and the body's media type."""
    content = recording.content
    # The gateway names what is wrong with signals of another kind.
    if not _is_packable(content.leads):
        return encode(recording), plain.CONTENT_TYPE
    content = narrowed(content)
    body = packed.encode_content(content)
    if any(lead.signal.itemsize > _NO_WIDER_THAN_JSON for lead in content.leads):
        as_json = encode(recording)
        if len(as_json) < len(body):
            return as_json, plain.CONTENT_TYPE
    return body, packed.CONTENT_TYPE


def _is_packable(leads: Sequence[Lead]) -> bool:
    return all(lead.signal.dtype.kind == "i" and lead.signal.ndim == 1 for lead in leads)


def _batched(answer: dict[str, Any]) -> str | ClientError:
    """Return the id of an ECG of a batch, or the error that a single submission would have raised."""
    if "id" in answer:
        return str(answer["id"])
    status, detail = int(answer["status"]), str(answer["detail"])
    if status in _NOT_NOW:
        return Unavailable(detail, answer.get("retry_after"))
    if status in _REFUSED:
        return _refusal(status, detail, answer)
    return _KINDS.get(status, UnexpectedAnswer)(detail)


def check_recording(value: object) -> Recording:
    """Return the value, if it is a recording that can be encoded.

    Raises:
        TypeError: if it is not; the message says what makes a recording of it.
    """
    if not isinstance(value, Recording):
        raise TypeError(
            f"a Recording can be submitted, not {type(value).__name__}: read(path) reads one from a file, and "
            "Recording.of({'I': [...]}) makes one of samples"
        )
    for i, lead in enumerate(value.leads):
        signal: object = lead.signal if isinstance(lead, Lead) else None
        if not isinstance(signal, np.ndarray):
            raise TypeError(f"leads[{i}] must be a Lead whose signal is a NumPy array: Recording.of makes it of a list")
    return value


def check_token(token: str) -> str:
    """Return the token, if it can be sent in a header.

    Raises:
        Unauthorized: if it cannot: no gateway issues such a token, and an HTTP library would quote it in its error.
    """
    if not _VISIBLE_ASCII.fullmatch(token):
        raise Unauthorized("the token is empty, or holds spaces or characters beyond ASCII")
    return token


def _admin(token: str) -> dict[str, str]:
    return {"x-admin-token": check_token(token)}


def parsed(meaning: Callable[[Any], T]) -> Callable[[httpx.Response], T]:
    """Return the parser of an answer in JSON, from that of its document."""
    return lambda answer: meaning(orjson.loads(answer.content))


def _stored_ecg(answer: httpx.Response) -> StoredEcg:
    is_packed = media_type_of(answer.headers.get("content-type")) == packed.CONTENT_TYPE
    return (parse_packed_ecg if is_packed else parse_ecg)(answer.content)


def _error(answer: httpx.Response, document: dict[str, Any]) -> ClientError:
    status, detail = answer.status_code, document.get("detail")
    if status in _NOT_NOW:
        return Unavailable(str(detail or f"the gateway answers {status}"), _seconds(answer.headers.get("retry-after")))
    if not isinstance(detail, str):
        return UnexpectedAnswer(f"{answer.url} answers {status}, which is no answer of a gateway")
    if status in _REFUSED and (answer.request.method == "POST" or "field" in document):
        return _refusal(status, detail, document)
    if kind := _KINDS.get(status):
        return kind(detail)
    return UnexpectedAnswer(f"{answer.url} answers {status}: {detail}")


def _refusal(status: int, detail: str, document: dict[str, Any]) -> InvalidEcg:
    kind = TooLarge if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else InvalidEcg
    return kind(detail, str(document.get("field") or "body"))


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, or None if it holds a date, which no gateway sends."""
    try:
        seconds = float(retry_after) if retry_after else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < math.inf else None
