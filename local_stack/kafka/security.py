"""Authentication and authorization of a cluster: certificates, users with passwords, and ACLs that must be granted."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.certificates import Authority
from shared.security.tls import Files, client_context

SUPER_USER = "setup"
"""The user with all permissions, who creates topics and grants permissions. The nodes log in as this user too."""

_MECHANISM = "SCRAM-SHA-512"
_SCRAM = (_MECHANISM, "SCRAM-SHA-256")
_MODULES = "org.apache.kafka.common.security"
_NODE = "ecg-kafka-node"


@dataclass(frozen=True, slots=True)
class Security:
    """TLS with an authority of its own, users with SCRAM or PLAIN, and no permission unless it is granted."""

    authority: Authority
    # The key and the certificate of every node, in one file.
    node_file: Path
    passwords: Mapping[str, str]

    @classmethod
    def make(cls, directory: Path, users: Iterable[str] = ()) -> "Security":
        """Make the certificates, and passwords for the super user and the others.

        Raises:
            OpenSslError: if OpenSSL is missing or fails.
        """
        authority = Authority.make(directory)
        certificate, key = authority.issue(_NODE)
        node_file = directory / "node.pem"
        node_file.write_text(key.read_text() + certificate.read_text())
        return cls(authority, node_file, {user: secrets.token_urlsafe(24) for user in (SUPER_USER, *users)})

    def environment(self, user: str = SUPER_USER) -> dict[str, str]:
        """Return the environment variables of a process that logs in as this user."""
        return {
            "ECG_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "ECG_KAFKA_SASL_MECHANISM": _MECHANISM,
            "ECG_KAFKA_USERNAME": user,
            "ECG_KAFKA_PASSWORD": self.passwords[user],
            "ECG_KAFKA_CA_FILE": str(self.authority.certificate),
        }

    def connection(self) -> dict[str, Any]:
        """Return aiokafka's options for a connection of the super user."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": client_context(Files("authority", self.authority.certificate)),
            "sasl_mechanism": _MECHANISM,
            "sasl_plain_username": SUPER_USER,
            "sasl_plain_password": self.passwords[SUPER_USER],
        }

    def scram(self) -> list[str]:
        """Return the arguments that make the storage tool add the users."""
        return [f"--add-scram={m}=[name={user},password={p}]" for user, p in self.passwords.items() for m in _SCRAM]

    def properties(self) -> dict[str, str]:
        """Return a node's settings: SASL_SSL for clients and other brokers, TLS with certificates for controllers."""
        node = f'username="{SUPER_USER}" password="{self.passwords[SUPER_USER]}"'
        scram = f"{_MODULES}.scram.ScramLoginModule required {node};"
        known = " ".join(f'user_{user}="{password}"' for user, password in self.passwords.items())
        return {
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": ",".join((*_SCRAM, "PLAIN")),
            "sasl.mechanism.inter.broker.protocol": _MECHANISM,
            **{f"listener.name.sasl_ssl.{m.lower()}.sasl.jaas.config": scram for m in _SCRAM},
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required {known};",
            # Controllers authenticate by certificate, because users do not exist yet when they find each other.
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.node_file),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{SUPER_USER};User:CN={_NODE}",
        }
