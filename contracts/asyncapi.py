"""The AsyncAPI document: every topic with its configuration and its messages."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.insight_types import COMPONENTS
from contracts.messages import Message, messages
from shared.kafka.topic import Topic
from shared.kafka.topics import Topics
from shared.settings import Settings

_BINDING_VERSION: Final = "0.5.0"
_DESCRIPTION: Final = """\
Produce electrocardiograms directly to Kafka, and read their insights. Topic names and configurations are those of the
default settings. MessagePack values are described as the equivalent JSON.
"""


@dataclass(frozen=True)
class _Operation:
    name: str
    action: Literal["send", "receive"]
    summary: str
    messages: tuple[str, ...]


@dataclass(frozen=True)
class _Channel:
    name: str
    topic: Topic
    description: str
    messages: tuple[str, ...]
    operations: tuple[_Operation, ...]
    internal: bool = False


def document(settings: Settings, version: str) -> dict[str, Any]:
    """Return the document of a pipeline with these settings."""
    channels, kinds = _channels(Topics(settings)), messages()
    schemas = {name: schema for kind in kinds.values() for name, schema in kind.schemas.items()}
    schemas |= {name: kind.payload for name, kind in kinds.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ECG stream pipeline",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": f"localhost:{settings.broker_port}",
                "protocol": "kafka",
                "description": "The broker that `make run` starts.",
            }
        },
        "channels": {channel.name: _channel(channel) for channel in channels},
        "operations": {
            operation.name: _operation(channel, operation) for channel in channels for operation in channel.operations
        },
        "components": {
            "messages": {name: _message(name, kind) for name, kind in kinds.items()},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _channels(topics: Topics) -> tuple[_Channel, ...]:
    ecgs = ("Ecg", "PackedEcg", "SealedEcg")
    chunks = ("Chunk", "PackedChunk", "SealedChunk")
    rows = ("Insights", "ChunkPlace", "Minute", "Hour", "PartDeleted")
    users = ("User", "UserDeleted")
    keys = ("DataKey", "DataKeyDestroyed")
    workers = ("Worker", "WorkerLeft")
    return (
        _Channel(
            "submissions",
            topics.submissions,
            "ECGs to process, in either of two encodings. Any partitioner will do: a record is forwarded if it is not "
            "in the partition that Kafka's default partitioner (murmur2) gives its ECG's id. An erasure follows the "
            "ECGs that it erases; only gateways can create one.",
            (*ecgs, "Erasure", "Recomputation"),
            (
                _Operation("processEcg", "receive", "Workers compute the insights of every ECG.", ecgs),
                _Operation("acceptEcg", "send", "Gateways publish ECGs that were submitted over HTTP.", ecgs),
                _Operation("eraseEcgs", "send", "Gateways have one ECG of a user erased, or all.", ("Erasure",)),
                _Operation(
                    "recomputeEcg", "receive", "Workers compute insights of older versions again.", ("Recomputation",)
                ),
                _Operation("carryOutErasure", "receive", "Workers erase the ECGs before the erasure.", ("Erasure",)),
            ),
        ),
        _Channel(
            "chunks",
            topics.chunks,
            "Recordings in chunks, in either of two encodings, with the recording's id as key. Chunks may come in any "
            "order, and more than once. A message with leads that have no samples announces a recording; the first "
            "chunk does so as well. An erasure follows the chunks that it erases; only gateways can create one.",
            (*chunks, "Erasure"),
            (
                _Operation("processChunk", "receive", "Workers compute the insights of recordings.", chunks),
                _Operation("acceptChunk", "send", "Gateways publish chunks that came over HTTP.", chunks),
                _Operation(
                    "eraseRecordings", "send", "Gateways have one recording of a user erased, or all.", ("Erasure",)
                ),
                _Operation(
                    "carryOutErasureOfRecordings",
                    "receive",
                    "Workers erase the recordings before the erasure.",
                    ("Erasure",),
                ),
            ),
        ),
        _Channel(
            "insights",
            topics.insights,
            "The result of every ECG, and of every recording so far. The latest record of a key counts. An ECG that is "
            "sent again has the same result. Records whose key has a slash belong to the recording whose id is before "
            "it.",
            rows,
            (_Operation("publishInsights", "send", "Workers publish the results.", rows),),
        ),
        _Channel(
            "deadLetters",
            topics.dlq,
            "Records that could not be processed, byte for byte as received, with the reason in headers; and marks of "
            "operators behind those that have been dealt with.",
            ("DeadLetter", "DeadLetterDealtWith"),
            (
                _Operation("rejectEcg", "send", "Workers set aside records that they cannot process.", ("DeadLetter",)),
                _Operation("markDeadLetter", "send", "An operator marks a dead letter.", ("DeadLetterDealtWith",)),
            ),
        ),
        _Channel(
            "users",
            topics.users,
            "Users and the digests of their tokens, never the tokens. Gateways write and follow the topic. The latest "
            "record of a key counts.",
            users,
            (
                _Operation("registerUser", "send", "A gateway registers a user, or gives one a new token.", ("User",)),
                _Operation("deleteUser", "send", "A gateway deletes a user.", ("UserDeleted",)),
                _Operation("followUsers", "receive", "Gateways follow the users, to authenticate them.", users),
            ),
        ),
        _Channel(
            "keys",
            topics.keys,
            "Internal: the wrapped keys that seal submissions. Destroying a key erases the submissions that it sealed.",
            keys,
            (
                _Operation("makeKey", "send", "A gateway creates a key with a user's first submission.", ("DataKey",)),
                _Operation("destroyKey", "send", "A gateway destroys a user's keys.", ("DataKeyDestroyed",)),
                _Operation("followKeys", "receive", "Gateways and workers follow the keys, to open ECGs.", keys),
            ),
            internal=True,
        ),
        _Channel(
            "audit",
            topics.audit,
            "Who submitted, read or erased which ECG, and when, without its content. A record holds events of a "
            "gateway that arrived close together. There may be an event for a request that "
            "then got 503, but none is missing for a request that succeeded.",
            ("Audit",),
            (
                _Operation("recordAudit", "send", "A gateway records a request before it answers.", ("Audit",)),
                _Operation("readAudit", "receive", "Gateways read the events for the administrator.", ("Audit",)),
            ),
        ),
        _Channel(
            "workers",
            topics.workers,
            "Internal, and likely to change: the partitions of the insights that each worker serves.",
            workers,
            (
                _Operation("announceWorker", "send", "A worker announces its partitions, or that it stopped.", workers),
                _Operation("followWorkers", "receive", "Gateways follow the workers, to find the one to ask.", workers),
            ),
            internal=True,
        ),
    )


def _channel(channel: _Channel) -> dict[str, Any]:
    topic = channel.topic
    kafka = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {name: _setting(name, text) for name, text in topic.config.items()},
        "bindingVersion": _BINDING_VERSION,
    }
    return {
        "address": topic.name,
        "description": channel.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "bindings": {"kafka": kafka},
    } | _internal(channel)


def _operation(channel: _Channel, operation: _Operation) -> dict[str, Any]:
    path = f"#/channels/{channel.name}"
    return {
        "action": operation.action,
        "channel": {"$ref": path},
        "summary": operation.summary,
        "messages": [{"$ref": f"{path}/messages/{name}"} for name in operation.messages],
    } | _internal(channel)


def _internal(channel: _Channel) -> dict[str, Any]:
    return {"tags": [{"name": "internal"}]} if channel.internal else {}


def _message(name: str, message: Message) -> dict[str, Any]:
    documented: dict[str, Any] = {"name": name, "title": message.title}
    if message.content_type:
        documented["contentType"] = message.content_type
    if message.headers:
        documented["headers"] = message.headers
    documented["payload"] = {"$ref": COMPONENTS + name}
    documented["bindings"] = {"kafka": {"key": message.key, "bindingVersion": _BINDING_VERSION}}
    example = {"headers": dict(message.example_headers)} if message.example_headers else {}
    if message.example is not None:
        example["payload"] = message.example
    return documented | ({"examples": [example]} if example else {})


def _setting(name: str, text: str) -> Any:
    if name == "cleanup.policy":
        return [text]
    return int(text) if text.isdecimal() else text
