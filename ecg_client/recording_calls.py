"""The gateway's calls about recordings, which arrive in chunks, as values."""

from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import httpx
import orjson

from ecg_client.errors import UnexpectedAnswer
from ecg_client.recording_results import (
    MinutePage,
    RecordingInsights,
    RecordingPage,
    RecordingSignals,
    parse_minutes,
    parse_packed_signals,
    parse_recording_insights,
    parse_recordings,
    parse_signals,
)
from ecg_client.requests import ERASED, JSON, Call, Submission, parsed
from shared.ecg import Content, narrowed
from shared.encoding import media_type_of, packed, plain


def begin(outline: Submission, token: str) -> Call[str]:
    """Begin a recording with the leads of an ECG that has no samples, and return its id."""
    content = outline.recording.content
    gains = ({} if lead.adc_gain is None else {"adc_gain": lead.adc_gain} for lead in content.leads)
    given = {"sampling_rate": content.sampling_rate, "date": content.date, "label": content.label}
    body = {
        "leads": [{"name": lead.name} | gain for lead, gain in zip(content.leads, gains, strict=True)],
        **{name: value for name, value in given.items() if value is not None},
    }
    headers = {**JSON, "x-user-token": token, "idempotency-key": outline.idempotency_key}
    # A gateway that is older than recordings does not know the path.
    meaning = {201: parsed(lambda begun: str(begun["id"])), HTTPStatus.NOT_FOUND: _too_old}
    return Call("POST", "/recordings", headers, meaning, orjson.dumps(body))


def send(recording_id: str, content: Content, first_sample: int, token: str) -> Call[None]:
    """Send a chunk: samples of all leads from `first_sample` on. Sending the same chunk again changes nothing."""
    body = packed.encode_chunk_content(narrowed(content), first_sample)
    headers = {"content-type": packed.CONTENT_TYPE, "x-user-token": token}
    return Call("POST", f"{_path(recording_id)}/chunks", headers, {201: lambda _: None}, body)


def end(recording_id: str, number_of_samples: int, token: str) -> Call[None]:
    """End a recording after this number of samples."""
    body = orjson.dumps({"number_of_samples": number_of_samples})
    headers = {**JSON, "x-user-token": token}
    return Call("POST", f"{_path(recording_id)}/end", headers, {201: lambda _: None}, body)


def insights(recording_id: str, token: str, wait: int = 0) -> Call[RecordingInsights | None]:
    """Ask for a recording's insights so far: None before its first message is processed."""
    headers = {"x-user-token": token} | ({"prefer": f"wait={wait}"} if wait else {})
    meaning = {200: parsed(parse_recording_insights), 202: lambda _: None}
    return Call("GET", f"{_path(recording_id)}/insights", headers, meaning)


def minutes(recording_id: str, first: int, end: int | None, token: str) -> Call[MinutePage]:
    """Ask for a page of beats and rates by minute, from the minute `first` to before `end`."""
    query = {"from": first} | ({"to": end} if end is not None else {})
    path = f"{_path(recording_id)}/minutes?{urlencode(query)}"
    meaning = {200: parsed(parse_minutes), 202: lambda _: MinutePage((), None)}
    return Call("GET", path, {"x-user-token": token}, meaning)


def signals(recording_id: str, first: int, end: int | None, token: str) -> Call[RecordingSignals | None]:
    """Ask for the samples from `first` to before `end`: None before the recording's first message is processed."""
    query = {"from": first} | ({"to": end} if end is not None else {})
    path = f"{_path(recording_id)}/signals?{urlencode(query)}"
    headers = {"x-user-token": token, "accept": f"{packed.CONTENT_TYPE}, {plain.CONTENT_TYPE};q=0.9"}
    return Call("GET", path, headers, {200: _signals, 202: lambda _: None})


def recordings(token: str, limit: int, cursor: str | None, label: str | None) -> Call[RecordingPage]:
    """Ask for a page of the user's recordings, or only of those whose label begins with `label`."""
    given: dict[str, Any] = {"limit": limit, "cursor": cursor, "label": label}
    query = {name: value for name, value in given.items() if value is not None}
    return Call("GET", f"/recordings?{urlencode(query)}", {"x-user-token": token}, {200: parsed(parse_recordings)})


def erase(recording_id: str, token: str) -> Call[bool]:
    """Erase a recording: False if the erasure is durable but not yet carried out."""
    return Call("DELETE", _path(recording_id), {"x-user-token": token}, ERASED)


def _path(recording_id: str) -> str:
    return f"/recordings/{quote(recording_id, safe='')}"


def _too_old(answer: httpx.Response) -> NoReturn:
    raise UnexpectedAnswer(f"{answer.url} is unknown: the gateway is older than recordings in chunks, upgrade it")


def _signals(answer: httpx.Response) -> RecordingSignals:
    is_packed = media_type_of(answer.headers.get("content-type")) == packed.CONTENT_TYPE
    return (parse_packed_signals if is_packed else parse_signals)(answer.content)
