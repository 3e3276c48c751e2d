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
    """Return the text of a node's `server.properties`.

    Args:
        node_id: the node's id, from 1.
        ports: of every node, in the order of their ids, the port for clients and the controller's port.
        data: the directory of the node's logs.
        settings: Kafka settings that override those of `properties`.
        security: authentication and authorization, if any.

    Raises:
        ValueError: if the directory's path has a comma.
    """
    if "," in str(data):
        raise ValueError(f"Kafka would read {data} as several directories: its path must have no comma.")
    chosen = {**properties(node_id, ports, data, security), **settings}
    return "".join(f"{name}={_escape(str(value))}\n" for name, value in chosen.items())


def properties(
    node_id: int, ports: Sequence[tuple[int, int]], data: Path, security: Security | None = None
) -> Properties:
    """Return the properties of a node that is broker and controller; see `server_properties` for the arguments."""
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
        # Static voters are in this file and not in the metadata log, so that a stopped cluster may change its ports.
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
        # The default of 50 is for hundreds of groups; here it would only delay the first group that joins.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 4,
        # A new group does not wait for more members: each later member costs one cheap rebalance.
        "group.initial.rebalance.delay.ms": 0,
        # The shortest session timeout that a consumer may ask for. With the default of 6 s no test could see a
        # fail-over any sooner.
        "group.min.session.timeout.ms": 1000,
        # How long a dead or frozen broker keeps leading its partitions; the default is 9 s. Six heartbeats fit into it,
        # so that no healthy broker is fenced on a busy machine.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # The delay of the first election after a start, and of one after a controller's death has been noticed, which
        # is another setting; the default is 1 s.
        "controller.quorum.election.timeout.ms": 500,
        # A replica that fell out of sync (frozen, restarted) fetches again after this; the default is 1 s.
        "replica.fetch.backoff.ms": 200,
        # The default of 128 MiB would be half of the heap; it holds the keys of five million records.
        "log.cleaner.dedupe.buffer.size": 16 * MIB,
        # Requests beyond this total wait in the clients' sockets instead of the heap. It is the size of the largest
        # request, and Kafka accepts no smaller value here.
        "queued.max.request.bytes": 100 * MIB,
        **(security.properties() if security else {}),
    }


def _escape(value: str) -> str:
    # Java reads property files as Latin-1, and understands all escapes of JSON.
    return json.dumps(value)[1:-1]
