"""The local cluster's file, as far as it can be judged without a Docker engine; `tests/compose` runs it on one."""

import re
from itertools import pairwise

import pytest

from ingest_api.http.protocol import LAST_REQUEST_SECONDS
from ingest_api.http.server import REQUEST_SECONDS
from local_stack.kafka.node import STOP_TIMEOUT as KAFKA_STOP_TIMEOUT
from local_stack.stack import STOP_TIMEOUT as RUNNER_STOP_TIMEOUT
from shared.deadline import STOP_SECONDS
from shared.settings import Settings
from tests.support.brokers import DockerBroker
from tests.support.compose_file import FILE, FIXED, OF_ONE_PROCESS, PASSED, SERVICES
from tests.support.paths import ROOT

SECRETS = ("ECG_SECRET", "ECG_ADMIN_TOKEN")
GUIDE = (ROOT / "docs" / "getting-started.md").read_text()
MANUAL = (ROOT / "docs" / "operations.md").read_text()


def test_the_example_has_every_secret_and_none_of_them_filled_in() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [f"{name}=" for name in SECRETS]
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    assert set(re.findall(r"\$\{(\w+):\?", FILE.read_text())) == set(SECRETS)


@pytest.mark.parametrize("service", ["topics", "gateway", "stream-agents"])
def test_every_setting_is_passed_on_from_outside(service: str) -> None:
    """`tests/compose` asks Compose itself for their values."""
    written = SERVICES[service]["environment"]
    assert {name for name in written if name.startswith("ECG_")} == PASSED | FIXED
    assert all(written[name] is not None for name in FIXED)
    # A variable without a value in the file has that of .env or the shell; one with a value names itself in it.
    text = FILE.read_text()
    assert [name for name in PASSED if written[name] is not None and f"{name}: ${{{name}:" not in text] == []


def test_the_guide_names_the_settings_that_are_not_passed_on() -> None:
    [sentence] = re.findall(r"The file does not pass on\n.*?\.\n", GUIDE, re.DOTALL)
    assert set(re.findall(r"`(ECG_\w+)`", sentence)) == FIXED | OF_ONE_PROCESS


def test_every_published_port_has_a_variable_which_the_guide_names() -> None:
    ports = re.findall(r'ports: \["(.+)"\]', FILE.read_text())
    assert len(ports) == len([name for name, service in SERVICES.items() if service.get("ports")])
    variables = [re.fullmatch(r"127\.0\.0\.1:\$\{(ECG_\w+_PORT(?:_\d)?):-(\d+)\}:\d+", port) for port in ports]
    for found in variables:
        assert found, ports
        assert f"`{found[1]}`" in GUIDE
        assert f"`{found[2]}`" in GUIDE or f"localhost:{found[2]}" in GUIDE


def seconds(time: object) -> float:
    """Return the seconds of a time such as `10s`."""
    found = re.fullmatch(r"(\d+)s", str(time))
    assert found, f"{time} is not in seconds"
    return float(found[1])


def test_the_limits_of_a_stop_fit_each_other_and_are_those_of_the_manual() -> None:
    haproxy = (ROOT / "local_stack" / "haproxy.cfg").read_text()
    [hard_stop] = re.findall(r"^ +hard-stop-after (\w+)$", haproxy, re.MULTILINE)
    [idle] = re.findall(r"^ +timeout http-keep-alive (\w+)$", haproxy, re.MULTILINE)
    grace = {
        name: seconds(SERVICES[name].get("stop_grace_period"))
        for name in ("gateway", "stream-agents", "proxy", "kafka-1", "kafka-2", "kafka-3")
    }
    # In each line, the later one waits for the earlier one, and needs a second to notice.
    process = [
        seconds(idle),
        LAST_REQUEST_SECONDS,
        REQUEST_SECONDS,
        STOP_SECONDS,
        RUNNER_STOP_TIMEOUT,
        grace["gateway"],
    ]
    proxy = [Settings.model_fields["publish_timeout"].default, seconds(hard_stop), grace["proxy"]]
    for chain in (process, proxy):
        assert all(later >= earlier + 1 for earlier, later in pairwise(chain)), chain
    assert grace["stream-agents"] == grace["gateway"]
    assert {grace[name] for name in ("kafka-1", "kafka-2", "kafka-3")} == {KAFKA_STOP_TIMEOUT}
    _, _, section = MANUAL.partition("\n## Stopping\n")
    section, _, _ = section.partition("\n## ")
    documented = [float(number) for number in re.findall(r"^\| [^|]+ \| (\d+) \| ", section, re.MULTILINE)]
    assert documented == [*process, *proxy, KAFKA_STOP_TIMEOUT]


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
