"""The local cluster of docker-compose.yml: the file, the image, the proxy, and all of it at work without an engine."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import jsonschema_rs
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import SecretStr

from local_stack.kafka import Distribution
from shared.kafka.topics import Topics
from shared.settings import Settings
from tests.brokers import DockerBroker
from tests.harness import ADMIN_TOKEN, ROOT, SECRET, crossings, eventually, insights, missing
from tests.local.compose import FILE, HAPROXY_CFG, SYSTEM_PATH, ComposeCluster, Container, environment, load
from tests.metrics import scrape

SECRETS = {"ECG_SECRET": SECRET, "ECG_ADMIN_TOKEN": ADMIN_TOKEN}
LOADER = Path(__file__).with_name("compose_loader")
COMPOSE_GO = "github.com/compose-spec/compose-go/v2"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has 127.0.0.2 and more for the containers")
# It has the form of an issued id and is nobody's.
NOBODYS = "00000000-0000-8000-8000-000000000000"
SIGNAL = [1, 0, -1, 0, 1, 0, 0, 1]
TOPICS = ("submissions", "insights", "users", "keys", "workers", "submissions.dlq", "audit")
LEADS = [{"name": "I", "signal": SIGNAL}, {"name": "II", "signal": [1, 0, -1]}]


def go(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Go in the folder of the loader, which pins Compose's library."""
    if shutil.which("go") is None:
        missing("The compose specification's schema and loader come as a Go module; no `go` was found in PATH.")
    return subprocess.run(
        ["go", *arguments],
        cwd=LOADER,
        env={**{name: value for name, value in os.environ.items() if name not in SECRETS}, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def compose_go() -> Path:
    """The source of the library that Docker Compose is made of."""
    download = go("mod", "download", "-json", COMPOSE_GO)
    if download.returncode:
        missing(f"Go could not fetch {COMPOSE_GO}: {download.stdout}{download.stderr}")
    return Path(json.loads(download.stdout)["Dir"])


@pytest.fixture(scope="module")
def haproxy() -> str:
    found = shutil.which("haproxy", path=SYSTEM_PATH)
    if found is None:
        missing("The proxy's tests need HAProxy; no `haproxy` was found in PATH.")
    return found


class TestFile:
    def test_it_conforms_to_the_compose_specification(self, compose_go: Path) -> None:
        schema = json.loads((compose_go / "schema" / "compose-spec.json").read_text())
        jsonschema_rs.validate(schema, load(SECRETS))

    def test_composes_own_loader_reads_in_it_what_these_tests_do(self, compose_go: Path) -> None:
        loaded = go("run", ".", str(FILE), **SECRETS)
        assert loaded.returncode == 0, loaded.stderr
        theirs, ours = json.loads(loaded.stdout)["services"], load(SECRETS)["services"]
        assert theirs.keys() == ours.keys()
        for name, service in ours.items():
            assert (theirs[name].get("environment") or {}) == environment(service)
            assert theirs[name]["command"] == service.get("command")
            assert theirs[name].get("healthcheck", {}).get("test") == service.get("healthcheck", {}).get("test")
            conditions = {other: after["condition"] for other, after in theirs[name].get("depends_on", {}).items()}
            assert conditions == {other: after["condition"] for other, after in service.get("depends_on", {}).items()}

    @pytest.mark.parametrize("left_out", SECRETS)
    def test_without_a_secret_it_is_refused_with_what_to_do(self, left_out: str, compose_go: Path) -> None:
        refused = go("run", ".", str(FILE), **{**SECRETS, left_out: ""})
        assert refused.returncode != 0
        assert f"copy .env.example to .env and fill in {left_out}" in refused.stderr

    def test_the_example_has_every_secret_and_none_of_them_filled_in(self) -> None:
        lines = (ROOT / ".env.example").read_text().splitlines()
        assert [line for line in lines if line and not line.startswith("#")] == [f"{name}=" for name in SECRETS]
        assert ".env" in (ROOT / ".gitignore").read_text().splitlines()

    def test_images_have_a_version_and_no_registry(self) -> None:
        for service in load(SECRETS)["services"].values():
            name, _, version = service["image"].partition(":")
            assert version not in ("", "latest")
            assert name.count("/") <= 1
            assert "." not in name

    def test_kafka_is_everywhere_the_same(self) -> None:
        pom = (ROOT / "local_stack" / "kafka" / "pom.xml").read_text()
        version = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+)</version>", pom)
        assert version
        images = {service["image"] for service in load(SECRETS)["services"].values()}
        assert {image for image in images if image.startswith("apache/kafka")} == {f"apache/kafka:{version[1]}"}
        assert DockerBroker.image == f"apache/kafka:{version[1]}"

    @pytest.mark.parametrize("name", ["gateway", "stream-agents"])
    def test_what_is_scaled_has_nothing_that_only_one_container_can_have(self, name: str) -> None:
        assert not {"container_name", "hostname", "ports"} & load(SECRETS)["services"][name].keys()

    def test_every_condition_can_come_true(self) -> None:
        services = load(SECRETS)["services"]
        for service in services.values():
            for other, after in service.get("depends_on", {}).items():
                assert after["condition"] in ("service_healthy", "service_completed_successfully")
                once = after["condition"] == "service_completed_successfully"
                assert once == ("healthcheck" not in services[other]) == (services[other]["restart"] == "no")

    def test_only_this_machine_reaches_what_is_published(self) -> None:
        published = [port for service in load(SECRETS)["services"].values() for port in service.get("ports", [])]
        assert published
        assert all(port.startswith("127.0.0.1:") for port in published)


def instructions(name: str) -> list[str]:
    """Return the arguments of every such instruction of the Dockerfile."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def copied() -> list[tuple[str, str]]:
    """Return source and destination of all that is copied from the repository."""
    pairs = [argument.split() for argument in instructions("COPY") if not argument.startswith("--from")]
    return [(source, destination) for source, destination in pairs]


def ignored(path: str) -> bool:
    """Tell whether .dockerignore keeps a path from the engine: the last of its patterns that matches decides."""
    parents = ["/".join(path.split("/")[:i]) for i in range(1, path.count("/") + 2)]
    result = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, parent) for parent in parents):
            result = not line.startswith("!")
    return result


class TestImage:
    def test_what_it_copies_is_there_and_reaches_the_engine(self) -> None:
        for source, _ in copied():
            path = ROOT / source
            files = [path] if path.is_file() else sorted(path.rglob("*.py"))
            assert files
            assert [str(f.relative_to(ROOT)) for f in files if ignored(str(f.relative_to(ROOT)))] == []

    @pytest.mark.parametrize("path", [".env", ".git/config", ".venv/bin/python", "data/secret", "tests/harness.py"])
    def test_nothing_else_reaches_the_engine(self, path: str) -> None:
        assert ignored(path)

    def test_what_builds_it_is_not_in_it(self) -> None:
        builder, image = instructions("FROM")
        assert builder.endswith(" AS dependencies")
        assert re.fullmatch(r"python:[\d.]+-slim", image)
        final = (ROOT / "Dockerfile").read_text().partition(f"FROM {image}")[2]
        [run] = re.findall(r"^RUN (.+(?:\\\n.+)*)", final, re.MULTILINE)
        assert re.match(r"rm -r /usr/local/bin/pip\* \S+/ensurepip \S+/site-packages/\* ", run)
        assert not re.search(r"apt|install (?!-d)|curl|wget", run)
        assert re.findall(r"^COPY --from=(\S+) (\S+)", final, re.MULTILINE) == [("dependencies", "/opt/venv")]

    def test_it_is_nobody_and_writes_nowhere_but_to_its_data(self) -> None:
        [user] = instructions("USER")
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
        ours = {name: of for name, of in load(SECRETS)["services"].items() if of["image"].startswith("ecg-")}
        assert ours.keys() == {"topics", "gateway", "stream-agents"}
        for service in ours.values():
            assert service["read_only"] is True
            assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
        assert ours["stream-agents"]["volumes"] == ["/data"]

    @pytest.mark.slow
    def test_its_dependencies_and_what_it_copies_are_enough(self, tmp_path: Path) -> None:
        [version] = {re.sub(r"python:([\d.]+).*", r"\1", image) for image in instructions("FROM")}
        python = shutil.which(f"python{version}")
        if python is None:
            missing(f"The image has Python {version}; no `python{version}` was found in PATH.")
        venv, app = tmp_path / "venv", tmp_path / "app"
        app.mkdir()
        for source, destination in copied():
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, app / destination)
        steps = [step for step in instructions("RUN") if "/opt/venv" in step]
        assert len(steps) == 2
        for step in steps:
            command = step.replace("/opt/venv", str(venv)).replace("python -m", f"{python} -m").split()
            subprocess.run(command, cwd=app, check=True)
        entries = (
            "import ingest_api.__main__, stream_agents.__main__, shared.kafka.topics as topics; print(topics.__file__)"
        )
        argv = [str(venv / "bin" / "python"), "-c", entries]
        answer = subprocess.run(argv, cwd=app, capture_output=True, text=True, check=False)
        assert answer.stdout.strip() == str(app / "shared" / "kafka" / "topics.py"), answer.stderr
        assert not [path.name for path in (venv / "bin").iterdir() if re.match("pip|easy_install|wheel", path.name)]


def test_the_proxys_configuration_is_valid(haproxy: str) -> None:
    checked = subprocess.run([haproxy, "-c", "-f", HAPROXY_CFG], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest_asyncio.fixture(scope="module")
async def cluster(kafka: Distribution, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ComposeCluster]:
    """Everything of the file but the proxy, up by the file's own conditions."""
    cluster = ComposeCluster(
        kafka, tmp_path_factory.mktemp("compose"), SECRETS, scale={"gateway": 2, "stream-agents": 2}
    )
    try:
        await cluster.start("kafka-1", "kafka-2", "kafka-3", "topics", "gateway", "stream-agents")
        yield cluster
    finally:
        await cluster.stop()


@pytest_asyncio.fixture(scope="module")
async def proxy(haproxy: str, cluster: ComposeCluster) -> Container:
    await cluster.start_service("proxy")
    return cluster.of("proxy")[0]


@pytest_asyncio.fixture(scope="module")
async def token(cluster: ComposeCluster) -> str:
    url = cluster.of("gateway")[0].url
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{url}/users", json={"username": "user"}, headers={"x-admin-token": ADMIN_TOKEN})
    assert response.status_code == 201, response.text
    return str(response.json()["token"])


def client(url: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"x-user-token": token}, timeout=30)


async def submit(client: httpx.AsyncClient, count: int) -> list[str]:
    """Submit ECGs one after the other; every one must be accepted."""
    ids = []
    for _ in range(count):
        response = await client.post("/ecgs", json={"leads": LEADS})
        assert response.status_code == 201, f"{response.status_code}: {response.text}"
        ids.append(str(response.json()["id"]))
    return ids


async def configuration(admin: AIOKafkaAdminClient, kind: ConfigResourceType, name: str) -> dict[str, str]:
    [answer] = await admin.describe_configs([ConfigResource(kind, name)])
    [resource] = answer.resources
    return {entry[0]: entry[1] for entry in resource[4]}


@pytest_asyncio.fixture
async def admin(cluster: ComposeCluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{cluster.published(9092)}")
    await admin.start()
    yield admin
    await admin.close()


@on_linux
@pytest.mark.kafka
@pytest.mark.slow
class TestCluster:
    @pytest.mark.parametrize("number", [1, 2, 3])
    async def test_every_kafka_setting_is_in_effect(
        self, cluster: ComposeCluster, admin: AIOKafkaAdminClient, number: int
    ) -> None:
        name = f"kafka-{number}"
        in_effect = await configuration(admin, ConfigResourceType.BROKER, str(number))
        settings = environment(cluster.services[name])
        # Not settings: one is Java's, the other the cluster's. And the data is where the test wants it.
        for other in ("KAFKA_HEAP_OPTS", "CLUSTER_ID", "KAFKA_LOG_DIRS"):
            del settings[other]
        for variable, value in settings.items():
            setting = variable.removeprefix("KAFKA_").lower().replace("_", ".")
            assert (setting, in_effect[setting]) == (setting, cluster.here(value, name, "127.0.0.1"))

    async def test_topics_are_replicated_as_the_pipeline_wants_them(
        self, cluster: ComposeCluster, admin: AIOKafkaAdminClient
    ) -> None:
        variables = environment(cluster.services["topics"]).items()
        settings = Settings.model_validate({name.removeprefix("ECG_").lower(): value for name, value in variables})
        topics = {topic.name: topic for topic in Topics(settings)}
        described = await admin.describe_topics(list(topics))
        assert {topic["topic"] for topic in described} == topics.keys()
        for topic in described:
            assert len(topic["partitions"]) == topics[topic["topic"]].partitions
            assert {len(partition["replicas"]) for partition in topic["partitions"]} == {3}
            in_effect = await configuration(admin, ConfigResourceType.TOPIC, topic["topic"])
            wanted = {"min.insync.replicas": "2", **topics[topic["topic"]].config}
            assert {name: in_effect[name] for name in wanted} == wanted

    async def test_what_one_gateway_accepts_every_gateway_answers(self, cluster: ComposeCluster, token: str) -> None:
        gateways = [container.url for container in cluster.of("gateway")]
        assert len(set(gateways)) == 2
        for accepting in gateways:
            async with client(accepting, token) as there:
                ids = await submit(there, 12)
            for answering in gateways:
                async with client(answering, token) as there:
                    for leads in await asyncio.gather(*(insights(there, ecg_id) for ecg_id in ids)):
                        assert [lead["number_of_zero_crossings"] for lead in leads] == [3, 1]

    async def test_the_workers_share_the_partitions(self, cluster: ComposeCluster) -> None:
        async def probe() -> list[int] | None:
            logs = [container.log for container in cluster.of("stream-agents")]
            served = [re.findall(r'"event":"serving","partitions":\[([\d,]*)\]', log) for log in logs]
            shares = [re.findall(r"\d+", lists[-1]) if lists else [] for lists in served]
            return sorted(int(p) for share in shares for p in share) if all(shares) else None

        assert await eventually(probe, what="partitions for both workers") == list(range(12))

    async def test_a_gateway_tells_that_a_broker_is_down_at_every_scrape(self, cluster: ComposeCluster) -> None:
        port, topics = cluster.port("gateway", 9100), {f"ecg.{topic}" for topic in TOPICS}

        async def in_sync(count: int) -> bool | None:
            metrics = await scrape(port)
            if len(metrics.by("partition", "ecg_group_lag_records")) != 12:
                return None
            return metrics.by("topic", "ecg_topic_in_sync_replicas") == dict.fromkeys(topics, float(count)) or None

        [node] = cluster.of("kafka-3")
        await eventually(lambda: in_sync(3), what="three copies of everything")
        node.kill()
        await eventually(lambda: in_sync(2), what="a copy less")
        assert all([await in_sync(2) for _ in range(10)])
        node.process.start()
        await eventually(lambda: in_sync(3), what="the copies in sync again")

    async def test_a_client_of_this_machine_produces_on_the_published_ports(
        self, cluster: ComposeCluster, token: str
    ) -> None:
        signals = {f"from-outside-{uuid.uuid4()}": [1, -1] * (1 + i) for i in range(24)}
        async with AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{cluster.published(9092)}") as producer:
            for ecg_id, signal in signals.items():
                ecg = {"id": ecg_id, "username": "user", "leads": [{"name": "I", "signal": signal}]}
                await producer.send_and_wait("ecg.submissions", json.dumps(ecg).encode(), ecg_id.encode())
        async with client(cluster.of("gateway")[0].url, token) as gateway:
            for ecg_id, signal in signals.items():

                async def found(ecg_id: str = ecg_id) -> httpx.Response | None:
                    response = await gateway.get(f"/ecgs/{ecg_id}/insights")
                    return response if response.status_code == 200 else None

                [lead] = (await eventually(found, what=f"insights of {ecg_id}")).json()["leads"]
                assert lead["number_of_zero_crossings"] == crossings(signal)


def says(proxy: Container, text: str) -> Callable[[], Awaitable[bool | None]]:
    """Return a probe for a word of the proxy's that is not said yet."""
    before = proxy.log.count(text)

    async def probe() -> bool | None:
        return proxy.log.count(text) > before or None

    return probe


@on_linux
@pytest.mark.kafka
@pytest.mark.slow
class TestProxy:
    async def test_a_submission_and_its_insights_go_through_it(self, proxy: Container, token: str) -> None:
        large = {"leads": [{"name": "I", "signal": SIGNAL * 100_000}]}
        async with client(proxy.url, token) as there:
            response = await there.post("/ecgs", json=large)
            assert response.status_code == 201, response.text
            [lead] = await insights(there, response.json()["id"])
        assert lead["number_of_zero_crossings"] == crossings(SIGNAL * 100_000)

    async def test_what_a_gateway_refuses_early_is_its_answer(self, proxy: Container, token: str) -> None:
        async with client(proxy.url, token) as there:
            response = await there.post(
                "/ecgs", content=b" " * (17 << 20), headers={"content-type": "application/json"}
            )
        assert response.status_code == 413

    async def test_wrong_tokens_count_for_the_address_that_they_come_from(
        self, cluster: ComposeCluster, proxy: Container, token: str
    ) -> None:
        limit = len(cluster.of("gateway")) * Settings(secret=SecretStr(SECRET)).auth_failures_per_minute

        async def statuses(address: str, token: str, count: int, **headers: str) -> set[int]:
            """Ask from an address of this machine."""
            transport = httpx.AsyncHTTPTransport(local_address=address)
            headers = {"x-user-token": token, **headers}
            async with httpx.AsyncClient(base_url=proxy.url, transport=transport, headers=headers) as there:
                answers = [await there.get(f"/ecgs/{NOBODYS}/insights") for _ in range(count)]
            return {answer.status_code for answer in answers}

        assert await statuses("127.0.0.77", "wrong", 2 * limit) == {401, 429}
        assert 429 in await statuses("127.0.0.77", "wrong", 10, **{"x-forwarded-for": "192.0.2.1"})
        assert await statuses("127.0.0.78", "wrong", 10) == {401}
        assert await statuses("127.0.0.77", token, 10) == {404}

    async def test_no_request_fails_when_either_gateway_is_killed(
        self, cluster: ComposeCluster, proxy: Container, token: str
    ) -> None:
        async with client(proxy.url, token) as there:
            for gateway in cluster.of("gateway"):
                await submit(there, 10)
                gateway.kill()
                # At once, and still when the proxy has taken it out.
                down = says(proxy, "is DOWN")
                ids = await submit(there, 10)
                await eventually(down, what="the proxy taking the gateway out")
                ids += await submit(there, 10)
                for ecg_id in ids:
                    await insights(there, ecg_id)
                back = says(proxy, "is UP")
                gateway.process.start()
                await cluster.up(gateway)
                await eventually(back, what="the proxy taking the gateway in")

    async def test_a_gateway_that_is_added_gets_its_share(
        self, cluster: ComposeCluster, proxy: Container, token: str
    ) -> None:
        old = cluster.of("gateway")
        found = says(proxy, "changed its IP from (none)")
        await cluster.up(cluster.add("gateway"))
        await eventually(found, what="the proxy finding the gateway")
        for gateway in old:
            gateway.stop()
            cluster.names.addresses["gateway"].remove(gateway.address)
        async with client(proxy.url, token) as there:
            await submit(there, 10)
