"""The Kafka permissions that each part of the pipeline needs, and no others: `python -m contracts.acls [--apply]`."""

import argparse
import asyncio
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from shared.kafka.clients import client_options, worker_group
from shared.kafka.topics import Topics
from shared.settings import UNUSED_SECRET, Settings, settings_or_exit

_LITERAL = 3
_ALLOW = 3
_ANY_HOST = "*"


class Role(StrEnum):
    """The role of a Kafka user in the pipeline."""

    GATEWAY = "gateway"
    WORKER = "worker"
    PRODUCER = "producer"
    READER = "reader"
    OPERATOR = "operator"


class Resource(IntEnum):
    """A type of resource, by its number in Kafka's protocol."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """An operation on a resource, by its number in Kafka's protocol. READ and WRITE imply DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10

    @property
    def title(self) -> str:
        """The name in Kafka's tools, such as `DescribeConfigs`."""
        return self.name.title().replace("_", "")


@dataclass(frozen=True, slots=True)
class Acl:
    """One permission and its purpose."""

    resource: Resource
    name: str
    operation: Operation
    purpose: str


def acls(role: Role, settings: Settings) -> list[Acl]:
    """Return all permissions of a role."""
    topics, group = Topics(settings), worker_group(settings)

    def topic(named: str, operation: Operation, purpose: str) -> Acl:
        return Acl(Resource.TOPIC, named, operation, purpose)

    compare = [
        topic(each.name, Operation.DESCRIBE_CONFIGS, "compare its configuration with the settings") for each in topics
    ]
    match role:
        case Role.GATEWAY:
            return [
                topic(topics.submissions.name, Operation.WRITE, "accept ECGs"),
                topic(topics.submissions.name, Operation.READ, "return ECGs to their owners"),
                topic(topics.chunks.name, Operation.WRITE, "accept chunks of recordings"),
                topic(topics.chunks.name, Operation.READ, "return recordings to their owners"),
                topic(topics.insights.name, Operation.READ, "stream events"),
                topic(topics.users.name, Operation.READ, "authenticate users"),
                topic(topics.users.name, Operation.WRITE, "register and delete users"),
                topic(topics.keys.name, Operation.READ, "seal and open submissions"),
                topic(topics.keys.name, Operation.WRITE, "create and destroy data keys"),
                topic(topics.audit.name, Operation.WRITE, "record audit events"),
                topic(topics.audit.name, Operation.READ, "show audit events to the administrator"),
                topic(topics.workers.name, Operation.READ, "find workers"),
                topic(topics.dlq.name, Operation.DESCRIBE, "see that it exists, and measure its copies"),
                *compare,
                Acl(Resource.GROUP, group, Operation.DESCRIBE, "measure the workers' lag"),
            ]
        case Role.WORKER:
            return [
                topic(topics.submissions.name, Operation.READ, "process ECGs"),
                topic(topics.submissions.name, Operation.WRITE, "forward ECGs to the partition of their key"),
                topic(topics.chunks.name, Operation.READ, "process chunks of recordings"),
                topic(topics.chunks.name, Operation.WRITE, "forward chunks to the partition of their key"),
                topic(topics.insights.name, Operation.READ, "recover the table"),
                topic(topics.insights.name, Operation.WRITE, "store insights"),
                topic(topics.workers.name, Operation.WRITE, "announce the partitions that it serves"),
                topic(topics.dlq.name, Operation.WRITE, "publish dead letters"),
                topic(topics.keys.name, Operation.READ, "open sealed submissions"),
                *(topic(each.name, Operation.DESCRIBE, "see that it exists") for each in (topics.users, topics.audit)),
                *compare,
                Acl(Resource.GROUP, group, Operation.READ, "join the group and commit offsets"),
            ]
        case Role.PRODUCER:
            return [
                topic(topics.submissions.name, Operation.WRITE, "submit ECGs directly to Kafka"),
                topic(topics.chunks.name, Operation.WRITE, "send recordings directly to Kafka"),
            ]
        case Role.READER:
            return [topic(topics.insights.name, Operation.READ, "read the insights of all users")]
        case Role.OPERATOR:
            return [
                *(topic(each.name, Operation.CREATE, "create it") for each in topics),
                *(
                    topic(each.name, Operation.DESCRIBE, "compare its partitions and copies with the settings")
                    for each in topics
                    # These are left out: the READ or WRITE below implies DESCRIBE.
                    if each not in (topics.submissions, topics.chunks, topics.insights, topics.dlq)
                ),
                *compare,
                topic(topics.dlq.name, Operation.READ, "read dead letters"),
                topic(topics.dlq.name, Operation.WRITE, "mark dead letters as dealt with"),
                topic(
                    topics.submissions.name, Operation.WRITE, "replay dead letters, and have insights computed again"
                ),
                topic(topics.chunks.name, Operation.WRITE, "replay dead letters"),
                topic(topics.insights.name, Operation.READ, "find insights of older versions"),
            ]


def users(chosen: Iterable[tuple[Role, str]] = ()) -> dict[Role, str]:
    """Return the Kafka user of each role: `ecg-gateway` and so on, unless another one is chosen."""
    return {role: f"ecg-{role}" for role in Role} | dict(chosen)


async def apply(settings: Settings, named: Mapping[Role, str]) -> None:
    """Grant each role's permissions to its user; existing permissions stay.

    Raises:
        KafkaError: if the cluster has no access control, or this process's user may not change permissions.
    """
    client = AIOKafkaClient(**client_options(settings))
    await client.bootstrap()
    try:
        for role, user in named.items():
            for acl in acls(role, settings):
                await _grant(client, acl, user)
    finally:
        await client.close()


async def _grant(client: AIOKafkaClient, acl: Acl, user: str) -> None:
    to = (f"User:{user}", _ANY_HOST, int(acl.operation), _ALLOW)
    request = CreateAclsRequest(int(acl.resource), acl.name, _LITERAL, *to)
    response = await client.send(client.get_random_node(), request)
    for code, message in response.creation_responses:
        if code:
            raise for_code(code)(f"granting {acl.operation.name} of {acl.name} to {user}: {message}")


def commands(settings: Settings, named: Mapping[Role, str]) -> list[str]:
    """Return the `kafka-acls.sh` commands that grant the same permissions."""
    return [
        shlex.join(
            [
                *("kafka-acls.sh", "--bootstrap-server", settings.bootstrap_servers, "--add"),
                *("--allow-principal", f"User:{user}", "--operation", acl.operation.title),
                *(f"--{acl.resource.name.lower()}", acl.name),
            ]
        )
        for role, user in named.items()
        for acl in acls(role, settings)
    ]


def _choice(text: str) -> tuple[Role, str]:
    role, _, user = text.partition("=")
    if not user:
        raise ValueError(text)
    return Role(role), user


def main() -> None:
    """Print the permissions as `kafka-acls.sh` commands, or grant them."""
    parser = argparse.ArgumentParser(prog="python -m contracts.acls", description=main.__doc__)
    parser.add_argument("--apply", action="store_true", help="grant the permissions, as the user in ECG_KAFKA_USERNAME")
    parser.add_argument(
        *("--user", "-u"),
        type=_choice,
        action="append",
        default=[],
        metavar="ROLE=USER",
        help=f"Kafka user of a role ({', '.join(Role)}); default: ecg-ROLE",
    )
    arguments = parser.parse_args()
    settings, named = settings_or_exit(secret=UNUSED_SECRET), users(arguments.user)
    if not arguments.apply:
        print("\n".join(commands(settings, named)))
        return
    try:
        asyncio.run(apply(settings, named))
    except KafkaError as error:
        sys.exit(f"the permissions cannot be granted: {error}")


if __name__ == "__main__":
    main()
