"""The page about Kafka's permissions, generated from the permissions in the code."""

from shared.acls import Acl, Role, acls, users
from shared.settings import Settings

_PAGE = """# Kafka's permissions

The permissions that each part of the pipeline needs on a cluster with access control. They are minimal: the whole
pipeline works with exactly these, and fails somewhere without any one of them. Tests check both on Apache Kafka.
`make contracts` generates this page.

Create the users yourself, with passwords or certificates. Then run the following with the pipeline's other settings, as
a user who may change permissions (`Alter` on the cluster):

```sh
python -m shared.acls                                # print the kafka-acls.sh commands
python -m shared.acls --apply                        # or grant the permissions
python -m shared.acls --apply --user gateway=CN=gw   # with another user name
```

Next, run `python -m shared.topics` as the operator to create the topics, before anything else starts: no other role may
create them. The names below begin with `ECG_TOPIC_PREFIX`; the group is that of the workers. `Read` or `Write` on a
topic or a group implies `Describe`, and `Write` on a topic permits idempotent producing. Permissions that were granted
earlier and are no longer listed here stay until you remove them.
"""

_ABOUT = {
    Role.GATEWAY: "`python -m ingest_api`.",
    Role.WORKER: "`python -m stream_agents`.",
    Role.PRODUCER: "Devices and labs that produce directly to Kafka ([how](kafka.md)), and `ecg produce`. The record "
    "names its owner, so this permission allows submitting for any user.",
    Role.READER: "Services that read insights from Kafka, and `ecg watch --username`. They read the insights of all "
    "users. A service that joins a consumer group also needs `Read` on that group.",
    Role.OPERATOR: "`python -m shared.topics` and `ecg dlq`. Dead letters hold signals.",
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
