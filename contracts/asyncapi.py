"""The AsyncAPI document: every topic, its settings, and what is on it."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.messages import COMPONENTS, Message, messages
from shared.kafka.topics import Topic, Topics
from shared.settings import Settings

_BINDING_VERSION: Final = "0.5.0"
_DESCRIPTION: Final = """\
Produce electrocardiograms straight onto Kafka, and read what is in them. Names and settings of the topics are those of
the default settings. Values in MessagePack are described as the JSON that they are equivalent to.
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
                "description": "As `make run` starts it.",
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
    users = ("User", "UserDeleted")
    keys = ("DataKey", "DataKeyDestroyed")
    workers = ("Worker", "WorkerLeft")
    return (
        _Channel(
            "submissions",
            topics.submissions,
            "ECGs to process, each in one of two encodings. Any partitioner will do: a record in another partition "
            "than the one that Kafka's default partitioner (murmur2) gives its ECG's id is forwarded. Erasures stand "
            "behind what they erase; gateways alone can make them.",
            (*ecgs, "Erasure"),
            (
                _Operation("processEcg", "receive", "Workers compute the insights of every ECG.", ecgs),
                _Operation("acceptEcg", "send", "Gateways publish what was submitted over HTTP.", ecgs),
                _Operation("eraseEcgs", "send", "Gateways have ECGs erased, one or all of a user.", ("Erasure",)),
                _Operation("carryOutErasure", "receive", "Workers erase what stands before it.", ("Erasure",)),
            ),
        ),
        _Channel(
            "insights",
            topics.insights,
            "The result of every ECG, the latest record of a key counts. An ECG that is sent again has the same "
            "result.",
            ("Insights",),
            (_Operation("publishInsights", "send", "Workers publish what they computed.", ("Insights",)),),
        ),
        _Channel(
            "deadLetters",
            topics.dlq,
            "What could not be processed, byte for byte as it was received, with its reason in headers.",
            ("DeadLetter",),
            (_Operation("rejectEcg", "send", "Workers put aside what they cannot process.", ("DeadLetter",)),),
        ),
        _Channel(
            "users",
            topics.users,
            "Who holds which token; of the tokens it has digests only. Gateways write and follow it. The latest record "
            "of a key counts.",
            users,
            (
                _Operation("registerUser", "send", "A gateway registers a user, or gives one a new token.", ("User",)),
                _Operation("deleteUser", "send", "A gateway deletes a user.", ("UserDeleted",)),
                _Operation("followUsers", "receive", "Gateways know users by it.", users),
            ),
        ),
        _Channel(
            "keys",
            topics.keys,
            "Internal: the keys that submissions are sealed with, wrapped. To destroy one is to erase what it sealed.",
            keys,
            (
                _Operation("makeKey", "send", "A gateway makes a key with a user's first submission.", ("DataKey",)),
                _Operation("destroyKey", "send", "A gateway destroys a user's keys.", ("DataKeyDestroyed",)),
                _Operation("followKeys", "receive", "Gateways and workers open what is sealed.", keys),
            ),
            internal=True,
        ),
        _Channel(
            "audit",
            topics.audit,
            "Who submitted, read or erased which ECG, and when: nothing of what is in it. A record holds all that "
            "happened at a gateway while the one before was written. An event may be there of a request that was then "
            "answered 503; none is missing of a request that was answered.",
            ("Audit",),
            (
                _Operation("recordAudit", "send", "A gateway puts on record what it is about to answer.", ("Audit",)),
                _Operation("readAudit", "receive", "Gateways read it for the administrator.", ("Audit",)),
            ),
        ),
        _Channel(
            "workers",
            topics.workers,
            "Internal, and bound to change: which worker serves which partitions of the insights.",
            workers,
            (
                _Operation("announceWorker", "send", "A worker tells what it serves, or that it stopped.", workers),
                _Operation("followWorkers", "receive", "Gateways find the worker to ask by it.", workers),
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
