"""The page about Kafka's permissions, generated from `contracts.acls`."""

from contracts.acls import Acl, Role, acls, users
from shared.settings import Settings

_PAGE = """# Kafka's permissions

The permissions that each part of the pipeline needs on a cluster with access control, and no more. The tests on Apache
Kafka show that everything works with exactly these, and that each of them is needed. `make contracts` generates this
page.

Create the users yourself, with passwords or certificates. Then, as a user who may change permissions (`Alter` on the
cluster), and with the pipeline's other settings in the environment:

```sh
python -m contracts.acls                                # print Kafka's own commands
python -m contracts.acls --apply                        # or grant the permissions
python -m contracts.acls --apply --user gateway=CN=gw   # to users of other names
```

Let the operator create the topics (`python -m shared.kafka.topics`) before anything else starts, because no other role
may. `ECG_TOPIC_PREFIX` replaces `ecg` in the names below; the group is the workers'. The right to read or write a topic
or a group includes the right to describe it, and the right to write to a topic includes idempotent producing.
Permissions that were granted earlier and are not listed any more stay until you remove them.
"""

_ABOUT = {
    Role.GATEWAY: "`python -m ingest_api`.",
    Role.WORKER: "`python -m stream_agents`.",
    Role.PRODUCER: "Devices and labs that [produce onto Kafka](kafka.md), and `ecg produce`. A record names its owner "
    "itself, so a producer submits for every user.",
    Role.READER: "Services that read insights from Kafka, and `ecg watch --username`. They read the insights of every "
    "user. A service that joins a consumer group needs `Read` on that group too.",
    Role.OPERATOR: "`python -m shared.kafka.topics`, `ecg dlq` and `ecg recompute`. Dead letters hold signals.",
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
