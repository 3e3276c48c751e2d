"""Differences between a topic on the cluster and the settings, with their remedies: pure functions."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shared.kafka.topic import HOUR_MS, Topic

_MIN_INSYNC_REPLICAS = "min.insync.replicas"
_UNLIMITED = "-1"


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the cluster has it.

    Attributes:
        partitions: number of partitions.
        replicas: copies of the partition that has the fewest.
        config: the configuration in effect. The embedded broker returns only the entries that the topic was created
            with; an entry that is missing here is not compared.
    """

    partitions: int
    replicas: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between a topic and the settings.

    Attributes:
        sentence: names the topic, its value, the value in the settings, the effect, and what to do.
        harmless: True if the pipeline keeps its guarantees all the same.
    """

    sentence: str
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class _Effect:
    text: str
    harmless: bool = False


def differences(topic: Topic, found: Found, servers: str) -> list[Difference]:
    """Return all differences between a topic and the settings.

    Args:
        topic: the topic as the settings want it.
        found: the topic on the cluster.
        servers: the brokers' addresses, for the commands that fix a difference.
    """
    return [
        *_partitions(topic, found),
        *_replicas(topic, found),
        *_min_insync_replicas(topic, found, servers),
        *_config(topic, found, servers),
    ]


def _partitions(topic: Topic, found: Found) -> Iterator[Difference]:
    if found.partitions == topic.partitions:
        return
    if variable := topic.variables.get("partitions"):
        remedy = (
            f"set {variable}={found.partitions} for all gateways and workers, or, if nothing on the topic is needed, "
            "delete it and run python -m shared.kafka.topics"
        )
    else:
        remedy = (
            f"Kafka cannot remove partitions, so copy the records to a topic with {topic.partitions}, or choose "
            "another ECG_TOPIC_PREFIX"
        )
    effect = _Effect("records would not be found where they are")
    yield _difference(topic, f"partitions={found.partitions}", "partitions", topic.partitions, effect, remedy=remedy)


def _replicas(topic: Topic, found: Found) -> Iterator[Difference]:
    if found.replicas < topic.replicas:
        effect = _Effect("fewer brokers may fail before records are lost")
        remedy = f"add copies with kafka-reassign-partitions.sh, or set ECG_REPLICATION_FACTOR={found.replicas}"
        yield _difference(topic, f"replicas={found.replicas}", "replicas", topic.replicas, effect, remedy=remedy)


def _min_insync_replicas(topic: Topic, found: Found, servers: str) -> Iterator[Difference]:
    if _MIN_INSYNC_REPLICAS not in found.config:
        return
    least, wanted = int(found.config[_MIN_INSYNC_REPLICAS]), topic.min_insync_replicas
    has = f"{_MIN_INSYNC_REPLICAS}={least}"
    if least > found.replicas:
        has += f" and replicas={found.replicas}"
        effect = _Effect("brokers may never acknowledge a record")
    elif least < wanted:
        effect = _Effect("records are acknowledged with fewer copies")
    elif least > wanted:
        effect = _Effect("fewer brokers may fail before records are refused", harmless=True)
    else:
        return
    possible = min(wanted, found.replicas)
    remedy = _alter(topic, servers, _MIN_INSYNC_REPLICAS, str(possible))
    if possible < wanted:
        remedy += f" and set {topic.variables[_MIN_INSYNC_REPLICAS]}={possible}"
    yield _difference(topic, has, _MIN_INSYNC_REPLICAS, wanted, effect, remedy=remedy)


def _config(topic: Topic, found: Found, servers: str) -> Iterator[Difference]:
    for name, wanted in topic.config.items():
        if name in found.config and (effect := _EFFECTS[name](wanted, found.config[name])):
            remedy = _alter(topic, servers, name, wanted)
            yield _difference(topic, f"{name}={found.config[name]}", name, wanted, effect, remedy=remedy)


def _cleanup(wanted: str, found: str) -> _Effect | None:
    if {policy.strip() for policy in found.split(",")} == {wanted}:
        return None
    return _Effect("records that are needed would be deleted")


def _retention(wanted: str, found: str) -> _Effect | None:
    if found == wanted:
        return None
    if found == _UNLIMITED or int(found) > int(wanted):
        return _Effect("records stay longer", harmless=True)
    # They may include submissions that no worker has processed yet.
    return _Effect("records would be deleted earlier")


def _compaction_lag(wanted: str, found: str) -> _Effect | None:
    return _Effect("erased data stays on disks longer") if int(found) > int(wanted) else None


def _message_size(wanted: str, found: str) -> _Effect | None:
    if int(found) < int(wanted):
        return _Effect("accepted ECGs would not fit")
    # Such messages become dead letters, without their content if it does not fit.
    return (
        _Effect("messages fit that are too large to be processed", harmless=True) if int(found) > int(wanted) else None
    )


def _timestamp_type(wanted: str, found: str) -> _Effect | None:
    return None if found == wanted else _Effect("the clocks of producers would decide when records are deleted")


_EFFECTS: dict[str, Callable[[str, str], _Effect | None]] = {
    "cleanup.policy": _cleanup,
    "retention.ms": _retention,
    "max.compaction.lag.ms": _compaction_lag,
    "max.message.bytes": _message_size,
    "message.timestamp.type": _timestamp_type,
}


def _difference(topic: Topic, has: str, name: str, wanted: object, effect: _Effect, *, remedy: str) -> Difference:
    variable = topic.variables.get(name)
    if variable is None:
        says = f"the pipeline needs {wanted}"
    elif variable.endswith("_HOURS"):
        says = f"{variable} says {int(str(wanted)) // HOUR_MS}, {wanted} ms"
    else:
        says = f"{variable} says {wanted}"
    return Difference(f"topic {topic.name} has {has}, but {says} ({effect.text}): {remedy}", effect.harmless)


def _alter(topic: Topic, servers: str, name: str, value: str) -> str:
    command = ["kafka-configs.sh", "--bootstrap-server", servers, "--alter", "--entity-type", "topics"]
    return f"run {shlex.join([*command, '--entity-name', topic.name, '--add-config', f'{name}={value}'])}"
