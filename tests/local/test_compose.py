"""The local cluster's file, as far as it can be judged without a Docker engine; `tests/compose` runs it on one."""

import re

import pytest

from tests.support.brokers import DockerBroker
from tests.support.compose_file import FILE, SERVICES
from tests.support.paths import ROOT

SECRETS = ("ECG_SECRET", "ECG_ADMIN_TOKEN")


def test_the_example_has_every_secret_and_none_of_them_filled_in() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [f"{name}=" for name in SECRETS]
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert set(re.findall(r"\$\{(\w+):\?", FILE.read_text())) == set(SECRETS)


def test_images_have_a_version_and_no_registry() -> None:
    for service in SERVICES.values():
        name, _, version = service["image"].partition(":")
        assert version not in ("", "latest")
        assert name.count("/") <= 1
        assert "." not in name


def test_kafka_is_everywhere_the_same() -> None:
    pom = (ROOT / "local_stack" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+)</version>", pom)
    assert version
    images = {service["image"] for service in SERVICES.values()}
    assert {image for image in images if image.startswith("apache/kafka")} == {f"apache/kafka:{version[1]}"}
    assert DockerBroker.image == f"apache/kafka:{version[1]}"


@pytest.mark.parametrize("name", ["gateway", "stream-agents"])
def test_what_is_scaled_has_nothing_that_only_one_container_can_have(name: str) -> None:
    assert not {"container_name", "hostname", "ports"} & SERVICES[name].keys()


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    # Metrics name partitions and topics; nobody outside the cluster's network needs them.
    assert not [port for port in published if "9100" in port]
