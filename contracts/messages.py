"""The messages of every topic as JSON Schemas, generated from the types that the code reads and writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from contracts import insight_types
from contracts.insight_types import COMPONENTS
from ingest_api.audit.schemas import EXAMPLE_EVENT
from ingest_api.http.openapi import EXAMPLE_ID
from ingest_api.queries.schemas import EXAMPLE_INSIGHTS
from ingest_api.submissions.schemas import EcgIn
from shared.chunk import MAX_LEADS
from shared.data_keys import HEADER as DATA_KEY_HEADER
from shared.data_keys import KeyRecord
from shared.ecg import JSON_SCHEMA
from shared.encoding import packed, plain
from shared.encoding.packed import PackedChunk, PackedEcg
from shared.logging_setup import REQUEST_ID_HEADER
from shared.messages.audit import AuditRecord
from shared.messages.beats import Minute, Segment
from shared.messages.dead_letters import DEALT_WITH_HEADER
from shared.messages.erasures import CONTENT_TYPE as ERASURE
from shared.messages.erasures import SealedErasure
from shared.messages.headers import CONTENT_TYPE_HEADER, FORWARDED_HEADER, USERNAME_HEADER
from shared.messages.insights import MESSAGE_OFFSET_HEADER, Insights
from shared.messages.recomputations import CONTENT_TYPE as RECOMPUTATION
from shared.messages.recomputations import Recomputation
from shared.messages.recordings import ChunkPlace
from shared.messages.users import UserRecord
from shared.worker_protocol.announcements import Announcement
from stream_agents.processing.dead_letter import DeadLetterHeaders
from stream_agents.recordings.minutes import Totals, fold, minute

Schema = dict[str, Any]

_USERNAME: Final = "st-marys"
_DATE: Final = "2026-11-24T10:00:00+00:00"
_KEY_ID: Final = "^[0-9a-f]{32}$"
_EXAMPLE_KEY: Final = "0123456789abcdef" * 2
_URL: Final = "http://worker-1:6066"
_PACKED_LEADS: Final = [
    {"name": "I", "dtype": "int8", "signal": "AQD/AAEAAAE="},
    {"name": "II", "dtype": "int16", "signal": "AQAAAP//"},
]


class RecordingChunk(EcgIn):
    """A chunk of a recording as JSON: samples of all leads, or the recording's announcement or end."""

    recording_id: Annotated[
        str,
        Field(
            description="Chosen by the producer; the first to use it owns it. Version-8 UUIDs are for gateways only.",
            json_schema_extra=JSON_SCHEMA["id"],
        ),
    ]
    username: Annotated[
        str,
        Field(description="The recording's owner, who alone can read it.", json_schema_extra=JSON_SCHEMA["username"]),
    ]
    first_sample: Annotated[
        int,
        Field(ge=0, description="The index of the first sample in the recording; of an end, its number of samples."),
    ] = 0
    end: Annotated[
        bool, Field(description="True for the end of the recording, which has no samples and may lack leads.")
    ] = False


class Submission(EcgIn):
    """An ECG as JSON, which any Kafka client can produce."""

    id: Annotated[
        str,
        Field(
            description="Chosen by the producer; the first to use it owns it. Version-8 UUIDs are for gateways only.",
            json_schema_extra=JSON_SCHEMA["id"],
        ),
    ]
    username: Annotated[
        str, Field(description="The ECG's owner, who alone can read it.", json_schema_extra=JSON_SCHEMA["username"])
    ]


_SEGMENT: Final = Segment(0, 2500, (180, 390), (49900.0, 0.0), ((1000, 250),))
_ROW_HEADERS_EXAMPLE: Final = {MESSAGE_OFFSET_HEADER: "1042"}


@dataclass(frozen=True)
class Message:
    """A kind of message: JSON Schemas of its headers (as text) and its value (decoded), and an example of each.

    `schemas` are the schemas that these refer to, by name. `content_type` is None if the value can be any bytes.
    """

    title: str
    content_type: str | None
    key: Schema
    payload: Schema
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    headers: Schema | None = None
    example: Any = None
    example_headers: Mapping[str, str] = field(default_factory=dict)


def messages() -> dict[str, Message]:
    """Return every kind of message by name."""
    return {
        "Ecg": _ecg(),
        "PackedEcg": _packed_ecg(),
        "SealedEcg": _sealed("An ECG", "ECG"),
        "Chunk": _chunk(),
        "PackedChunk": _packed_chunk(),
        "SealedChunk": _sealed("A chunk of a recording", "recording"),
        "Erasure": _erasure(),
        "Recomputation": _recomputation(),
        "Insights": _insights(),
        "ChunkPlace": _chunk_place(),
        "Minute": _minute(),
        "Hour": _hour(),
        "PartDeleted": Message(
            "A part of a recording that is erased", None, _part_key("[cmh]"), {"type": "null"}, headers=_row_headers()
        ),
        "User": _user(),
        "UserDeleted": Message("A user who was deleted", None, _text("The username."), {"type": "null"}),
        "DataKey": _data_key(),
        "DataKeyDestroyed": Message("A key that was destroyed", None, _text("The key's id."), {"type": "null"}),
        "DeadLetter": _dead_letter(),
        "DeadLetterDealtWith": _dead_letter_dealt_with(),
        "Audit": _audit(),
        "Worker": _worker(),
        "WorkerLeft": Message("A worker that stopped", None, _text("The worker's URL."), {"type": "null"}),
    }


def _ecg() -> Message:
    payload = Submission.model_json_schema(ref_template=COMPONENTS + "{model}")
    # The example is that of a submission over HTTP, without an id.
    del payload["examples"]
    schemas = payload.pop("$defs")
    # Workers ignore fields that they do not know, so that newer producers work with older workers.
    for schema in (payload, *schemas.values()):
        del schema["additionalProperties"]
    media_type = _text("The value is JSON, which is also the default without this header.", pattern=_media_type(plain))
    leads = [{"name": "I", "signal": [1, 0, -1, 0, 1, 0, 0, 1]}, {"name": "II", "signal": [1, 0, -1]}]
    return Message(
        "An ECG as JSON",
        plain.CONTENT_TYPE,
        _ecg_id(),
        payload,
        schemas,
        _submission_headers(media_type),
        {"id": "holter-7:0001", "username": _USERNAME, "date": _DATE, "leads": leads},
        {CONTENT_TYPE_HEADER: plain.CONTENT_TYPE},
    )


def _packed_ecg() -> Message:
    payload, schemas = _packed(PackedEcg, "id")
    return Message(
        "An ECG in MessagePack",
        packed.CONTENT_TYPE,
        _ecg_id(),
        payload,
        schemas,
        _packed_headers(),
        {"id": EXAMPLE_ID, "username": _USERNAME, "date": None, "leads": _PACKED_LEADS},
        {CONTENT_TYPE_HEADER: packed.CONTENT_TYPE, USERNAME_HEADER: _USERNAME},
    )


def _packed_chunk() -> Message:
    payload, schemas = _packed(PackedChunk, "recording_id")
    _constrain(payload, {"first_sample": {"minimum": 0}})
    place = {"recording_id": EXAMPLE_ID, "username": _USERNAME, "first_sample": 75_000}
    return Message(
        "A chunk of a recording in MessagePack",
        packed.CONTENT_TYPE,
        _recording_id(),
        payload,
        schemas,
        _packed_headers(),
        place | {"sampling_rate": 250.0, "leads": _PACKED_LEADS[:1]},
        {CONTENT_TYPE_HEADER: packed.CONTENT_TYPE, USERNAME_HEADER: _USERNAME},
    )


def _packed(type_: type[msgspec.Struct], id_field: str) -> tuple[Schema, dict[str, Schema]]:
    limits = {name: JSON_SCHEMA[name] for name in ("username", "date", "label")}
    limits |= {id_field: JSON_SCHEMA["id"], "sampling_rate": JSON_SCHEMA["sampling rate"]}
    payload, schemas = _of(type_, limits)
    # An end may lack leads.
    _constrain(payload, {"leads": {"maxItems": MAX_LEADS} if type_ is PackedChunk else JSON_SCHEMA["leads"]})
    lead = schemas["PackedLead"]
    _constrain(lead, {"name": JSON_SCHEMA["lead name"], "adc_gain": JSON_SCHEMA["adc gain"]})
    lead["properties"]["missing"]["description"] = "Ranges of samples that were not recorded; the samples there are 0."
    lead["properties"]["signal"]["description"] = "Raw bytes in MessagePack (bin); here as base64 for JSON."
    return payload, schemas


def _packed_headers() -> Schema:
    media_type = _text("The value is in the packed encoding.", pattern=_media_type(packed))
    return _submission_headers(media_type) | {"required": [CONTENT_TYPE_HEADER]}


def _chunk() -> Message:
    payload = RecordingChunk.model_json_schema(ref_template=COMPONENTS + "{model}")
    del payload["examples"]
    schemas = payload.pop("$defs")
    for schema in (payload, *schemas.values()):
        del schema["additionalProperties"]
    payload["required"].remove("leads")
    _constrain(payload, {"leads": {"minItems": 0, "maxItems": MAX_LEADS}})
    media_type = _text("The value is JSON, which is also the default without this header.", pattern=_media_type(plain))
    leads = [{"name": name, "adc_gain": 200.0, "signal": [1, 0, -1, 0]} for name in ("I", "II")]
    place = {"recording_id": "patch-7:0001", "username": _USERNAME, "first_sample": 500}
    return Message(
        "A chunk of a recording as JSON",
        plain.CONTENT_TYPE,
        _recording_id(),
        payload,
        schemas,
        _submission_headers(media_type),
        place | {"sampling_rate": 250.0, "leads": leads},
        {CONTENT_TYPE_HEADER: plain.CONTENT_TYPE},
    )


def _chunk_place() -> Message:
    example = {"first": 75_000, "count": 250, "offset": 1042, "begin": 75_000}
    return _part("The place of a recording's samples on the topic of chunks", "c", ChunkPlace, example)


def _minute() -> Message:
    return _part("The beats of a minute of a recording", "m", Minute, _as_json(minute(0, [_SEGMENT], 250.0)))


def _hour() -> Message:
    hour = _part("The statistics of an hour of a recording", "h", Totals, _as_json(fold(Totals(), _SEGMENT)))
    # Fields with their default are left out, and an hour has an end.
    hour.payload["required"] = ["end"]
    return hour


def _part(title: str, kind: str, row: type[msgspec.Struct], example: Any) -> Message:
    """Return the message with the row of a recording's part."""
    payload, schemas = _of(row)
    return Message(
        title,
        plain.CONTENT_TYPE,
        _part_key(kind),
        payload,
        schemas,
        _row_headers(),
        example,
        _ROW_HEADERS_EXAMPLE,
    )


def _row_headers() -> Schema:
    offset = (
        "The offset of the message that the row comes from. A record with a lower number than an earlier record of its "
        "key is to be ignored: it was written late, and the row is written again."
    )
    return _object({MESSAGE_OFFSET_HEADER: _text(offset, pattern="^-?[0-9]+$")}) | {"required": [MESSAGE_OFFSET_HEADER]}


def _sealed(what: str, noun: str) -> Message:
    media_type = _text("The encoding of what is sealed.", pattern=f"{_media_type(plain)}|{_media_type(packed)}")
    headers = _submission_headers(media_type)
    headers["properties"][DATA_KEY_HEADER] = _text("The id of the key on the topic of keys.", pattern=_KEY_ID)
    return Message(
        f"{what} in either encoding, sealed with its user's data key",
        None,
        _text(f"The {noun}'s id.", **JSON_SCHEMA["id"]),
        {
            "description": "A nonce of 12 bytes, and the message encrypted with AES-256-GCM; "
            f"the {noun}'s id is authenticated."
        },
        headers=headers | {"required": [DATA_KEY_HEADER, CONTENT_TYPE_HEADER]},
        example_headers={
            CONTENT_TYPE_HEADER: packed.CONTENT_TYPE,
            USERNAME_HEADER: _USERNAME,
            DATA_KEY_HEADER: _EXAMPLE_KEY,
        },
    )


def _erasure() -> Message:
    payload, schemas = _of(SealedErasure, {"signature": {"pattern": "^[0-9a-f]{64}$"}})
    _constrain(schemas["Erasure"], {"username": JSON_SCHEMA["username"]})
    schemas["ErasedEcgs"] = schemas.pop("Erasure")
    payload["properties"]["erasure"] = {"$ref": COMPONENTS + "ErasedEcgs"}
    media_type = _text("The value is an erasure.", pattern=f"^{re.escape(ERASURE)}$")
    return Message(
        "An erasure of ECGs before it in its partition",
        ERASURE,
        _text("The ECG's id, or the username."),
        payload,
        schemas,
        _object({CONTENT_TYPE_HEADER: media_type}) | {"required": [CONTENT_TYPE_HEADER]},
        {"erasure": {"username": _USERNAME, "ecg_id": EXAMPLE_ID}, "signature": "5e" * 32},
        {CONTENT_TYPE_HEADER: ERASURE},
    )


def _recomputation() -> Message:
    payload, schemas = _of(Recomputation, {"ecg_id": JSON_SCHEMA["id"]})
    media_type = _text("The value is a recomputation.", pattern=f"^{re.escape(RECOMPUTATION)}$")
    return Message(
        "A request to compute the insights of an ECG again",
        RECOMPUTATION,
        _ecg_id(),
        payload,
        schemas,
        _object({CONTENT_TYPE_HEADER: media_type}) | {"required": [CONTENT_TYPE_HEADER]},
        {"ecg_id": EXAMPLE_ID, "offset": 1042},
        {CONTENT_TYPE_HEADER: RECOMPUTATION},
    )


def _data_key() -> Message:
    payload, schemas = _of(KeyRecord, {"username": JSON_SCHEMA["username"]})
    example = {"username": _USERNAME, "registered_at": _DATE, "wrapped": "5e5e" * 20}
    return Message(
        "A user's data key, wrapped",
        plain.CONTENT_TYPE,
        _text("The key's id.", pattern=_KEY_ID),
        payload,
        schemas,
        example=example,
    )


def _insights() -> Message:
    payload, schemas = _of(Insights)
    known = insight_types.current()
    properties = payload["properties"]
    properties["leads"]["items"] = {"$ref": COMPONENTS + "LeadInsights"}
    properties["ecg"] = _object({insight.name: insight.schema for insight in known.of_scope("ecg")})
    properties["summary"] = _object(known.summary)
    lead = _object({"name": {"type": "string"}} | {insight.name: insight.schema for insight in known.of_scope("lead")})
    return Message(
        "The insights of an ECG, or of a recording so far, or the reason why there are none",
        plain.CONTENT_TYPE,
        _text("The id of the ECG or recording.", **JSON_SCHEMA["id"]),
        payload,
        {
            **schemas,
            **known.schemas,
            "LeadInsights": {
                "title": "LeadInsights",
                "description": "The insights of one lead.",
                **lead,
                "required": ["name"],
            },
        },
        headers=_row_headers(),
        example=EXAMPLE_INSIGHTS | {"username": _USERNAME},
        example_headers=_ROW_HEADERS_EXAMPLE,
    )


def _user() -> Message:
    payload, schemas = _of(
        UserRecord, {"username": JSON_SCHEMA["username"], "token_digest": {"pattern": "^[0-9a-f]{64}$"}}
    )
    example = {"username": _USERNAME, "token_digest": "5e" * 32, "created_at": _DATE}
    return Message("A user", plain.CONTENT_TYPE, _text("The username."), payload, schemas, example=example)


def _audit() -> Message:
    payload, schemas = _of(AuditRecord)
    _constrain(schemas["AuditEvent"], {"username": JSON_SCHEMA["username"], "who": JSON_SCHEMA["username"]})
    return Message(
        "Audit events of one gateway from about the same time",
        plain.CONTENT_TYPE,
        {"description": "None: any partition will do."},
        payload,
        schemas,
        example={"events": [EXAMPLE_EVENT]},
    )


def _worker() -> Message:
    payload, schemas = _of(Announcement)
    example = {"url": _URL, "partitions": [0, 1, 2, 3], "standbys": [4, 5]}
    return Message(
        "The partitions of a worker", plain.CONTENT_TYPE, _text("The worker's URL."), payload, schemas, example=example
    )


def _dead_letter() -> Message:
    added, _ = _of(
        DeadLetterHeaders, {f"dlq-source-{name}": {"pattern": "^[0-9]+$"} for name in ("partition", "offset")}
    )
    example = DeadLetterHeaders("ecg.submissions", "3", "17", "InvalidEcg", "leads: must be a list of leads")
    return Message(
        "A message that could not be processed, byte for byte",
        None,
        {"description": "As received, unless left out."},
        {"description": "As received: any bytes or none, unless left out."},
        headers=added | {"description": f"{added['description']} The record's own headers come first."},
        example_headers=msgspec.to_builtins(example),
    )


def _dead_letter_dealt_with() -> Message:
    offset = "The offset of the dead letter that has been dealt with, on the partition of this record."
    return Message(
        "A mark that a dead letter has been dealt with",
        None,
        {"description": "None: the record is on the partition of the letter."},
        {"description": "Empty."},
        headers=_object({DEALT_WITH_HEADER: _text(offset, pattern="^[0-9]+$")}) | {"required": [DEALT_WITH_HEADER]},
        example_headers={DEALT_WITH_HEADER: "17"},
    )


def _submission_headers(media_type: Schema) -> Schema:
    owner = "Set by gateways: the owner, who thus learns the reason for a failure even if the value cannot be read."
    origin = "The original place of a record that a worker moved to its key's partition: topic, partition and offset."
    return _object(
        {
            CONTENT_TYPE_HEADER: media_type,
            USERNAME_HEADER: _text(owner),
            REQUEST_ID_HEADER: _text("The id of the request that submitted the ECG, for log lines."),
            **{name: _text("W3C Trace Context, while traces are on.") for name in ("traceparent", "tracestate")},
            FORWARDED_HEADER: _text(origin, pattern="^.+-[0-9]+-[0-9]+$"),
        }
    )


def _of(type_: type[msgspec.Struct], limits: Mapping[str, Schema] | None = None) -> tuple[Schema, dict[str, Schema]]:
    """Return a struct's schema, with `limits` that the code checks besides types, and the schemas that it refers to."""
    _, found = msgspec.json.schema_components([type_], ref_template=COMPONENTS + "{name}")
    components: dict[str, Schema] = _as_json(found)
    for component in components.values():
        component["description"] = cleandoc(component["description"])
    schema = components.pop(type_.__name__)
    _constrain(schema, limits or {})
    return schema, components


def _as_json(value: Any) -> Any:
    """Return a value with lists for tuples, as JSON and YAML have them."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _constrain(schema: Schema, limits: Mapping[str, Schema]) -> None:
    for name, limit in limits.items():
        schema["properties"][name] |= limit


def _media_type(encoding: Any) -> str:
    escaped = encoding.CONTENT_TYPE.replace(".", r"\.").replace("+", r"\+")
    return f"^{escaped}(?:;.*)?$"


def _ecg_id() -> Schema:
    return _text("The ECG's id.", **JSON_SCHEMA["id"])


def _part_key(kind: str) -> Schema:
    return _text(
        "The recording's id; a slash; `c` for a chunk, `m` for a minute or `h` for an hour; and, as 16 hexadecimal "
        "digits, the index of the first sample, or the number of the minute or hour, from 0 on.",
        pattern=f"^[^/]+/{kind}[0-9a-f]{{16}}$",
    )


def _recording_id() -> Schema:
    return _text("The recording's id.", **JSON_SCHEMA["id"])


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties)}


def _text(description: str, **constraints: Any) -> Schema:
    return {"type": "string", "description": description, **constraints}
