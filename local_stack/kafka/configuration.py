"""The `server.properties` of a node."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack.kafka.security import Security

MIB = 1024 * 1024
_MAX_REPLICAS = 3


Properties = dict[str, str | int]


def server_properties(
    node_id: int,
    ports: Sequence[tuple[int, int]],
    data: Path,
    settings: Mapping[str, str | int],
    security: Security | None = None,
) -> str:
    """Write the properties of one node as a file.

    Args:
        node_id: the node's id, from 1.
        ports: of every node in the order of their ids, the port for clients and the controllers' port.
        data: the directory of the node's logs.
        settings: Kafka settings that replace those of `properties`.
        security: whom the node lets in; everybody if it is None.
    """
    if "," in str(data):
        raise ValueError(f"Kafka would read {data} as several directories: its path must have no comma.")
    chosen = {**properties(node_id, ports, data, security), **settings}
    return "".join(f"{name}={_escape(str(value))}\n" for name, value in chosen.items())


def properties(
    node_id: int, ports: Sequence[tuple[int, int]], data: Path, security: Security | None = None
) -> Properties:
    """Return the properties of one node, broker and controller in one; arguments as of `server_properties`."""
    port, controller_port = ports[node_id - 1]
    clients = "SASL_SSL" if security else "PLAINTEXT"
    replicas = min(len(ports), _MAX_REPLICAS)
    in_sync = max(1, replicas - 1)
    return {
        "process.roles": "broker,controller",
        "node.id": node_id,
        "listeners": f"{clients}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # Static voters live in this file and not in the metadata log, so that a stopped cluster may change its ports.
        "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{c}" for i, (_, c) in enumerate(ports, start=1)),
        "log.dirs": str(data),
        # A mistyped topic should be an error, not a topic.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # Fifty of each serve hundreds of groups; here they would only take time when the first group joins.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 4,
        # A group need not wait for members that may yet come; each that comes is one cheap rebalance.
        "group.initial.rebalance.delay.ms": 0,
        # The least session that a consumer may ask for. The default of 6 s is also the least time in which a test sees
        # a fail-over.
        "group.min.session.timeout.ms": 1000,
        # How long a dead or frozen broker leads its partitions; the default is 9 s. Six heartbeats fit in it, so that
        # a machine that is busy fences no healthy broker.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # The first election after a start waits this long, and one after a controller's death as well; the default is
        # 1 s. How soon a death is noticed is another setting.
        "controller.quorum.election.timeout.ms": 500,
        # A copy that fell out of sync (frozen, restarted) tries again after this; the default is 1 s.
        "replica.fetch.backoff.ms": 200,
        # Its default of 128 MiB would be half of the heap, for the keys of five million records at a time.
        "log.cleaner.dedupe.buffer.size": 16 * MIB,
        # Requests beyond these bytes wait in the clients' sockets instead of the heap. It is the largest that one
        # request may have, and the least that Kafka accepts here.
        "queued.max.request.bytes": 100 * MIB,
        **(security.properties() if security else {}),
    }


def _escape(value: str) -> str:
    # Java reads property files as Latin-1; the escapes of JSON are among those that it knows.
    return json.dumps(value)[1:-1]
