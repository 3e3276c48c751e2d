"""The page about Kafka's permissions, from those that the code knows."""

from contracts.acls import Acl, Role, acls, users
from shared.settings import Settings

_PAGE = """# Kafka's permissions

What each part of the pipeline may do on a cluster with access control, and no more: with exactly these permissions all
of it works, and without any one of them something does not; the tests try both on Apache Kafka. This page is written by
`make contracts`.

The users are yours to create, with passwords or certificates. As a user who may change permissions (`Alter` on the
cluster), and with the pipeline's other settings as they are:

```sh
python -m contracts.acls                                # print Kafka's own commands
python -m contracts.acls --apply                        # or grant them
python -m contracts.acls --apply --user gateway=CN=gw   # users of other names
```

Then have the operator create the topics (`python -m shared.kafka.topics`) before anything else starts: nobody else may.
The names below begin with `ECG_TOPIC_PREFIX`; the group is the workers'. Whoever may read or write a topic or a group
may describe it too, and whoever may write to a topic may produce idempotently. Permissions that were granted and are no
longer listed here stay until you remove them.
"""

_ABOUT = {
    Role.GATEWAY: "`python -m ingest_api`.",
    Role.WORKER: "`python -m stream_agents`.",
    Role.PRODUCER: "Devices and labs that produce straight onto Kafka ([how](kafka.md)), and `ecg produce`. A record "
    "names its owner itself: whoever has this permission submits for everybody.",
    Role.READER: "Services that read insights from Kafka, and `ecg watch --username`. They read everybody's. Those "
    "that join a consumer group need `Read` on that group too.",
    Role.OPERATOR: "`python -m shared.kafka.topics` and `ecg dlq`. Dead letters hold signals.",
}


def page(settings: Settings) -> str:
    """Return the page in Markdown."""
    named = users()
    return "\n".join([_PAGE, *(_section(role, named[role], acls(role, settings)) for role in Role)])


def _section(role: Role, user: str, granted: list[Acl]) -> str:
    rows = [
        f"| {acl.resource.name.lower()} | `{acl.name}` | {acl.operation.title} | {acl.purpose} |" for acl in granted
    ]
    head = ["| resource | name | operation | to |", "| --- | --- | --- | --- |"]
    return "\n".join([f"## {role.title()}: `{user}`", "", _ABOUT[role], "", *head, *rows, ""])
