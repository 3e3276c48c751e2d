"""The peers as processes. Peers whose packages conflict with ours run in an environment of their own."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.services import ROOT, Service, free_port, python
from local_stack.kafka import Distribution

NAIVE_TOPIC = "naive.submissions"
PEERS_PYTHON = ROOT / "build" / "peers" / "bin" / "python"
_POM = Path(__file__).parent / "peers" / "kafka-streams" / "pom.xml"
_STREAMS = ROOT / "build" / "kafka-streams-peer"
_MAVEN_TIMEOUT = 600


def naive_gateway(servers: str, directory: Path) -> Service:
    """Return the naive gateway, not started."""
    port = free_port()
    env = {"BENCH_PORT": str(port), "BENCH_SERVERS": servers, "BENCH_TOPIC": NAIVE_TOPIC}
    module = python("benchmarks.peers.naive_gateway")
    return Service("naive gateway", module, env, directory / "naive-gateway.log", port)


def plain_service(directory: Path) -> Service:
    """Return the plain service, not started."""
    port = free_port()
    module = python("benchmarks.peers.plain_service")
    return Service("plain service", module, {"BENCH_PORT": str(port)}, directory / "plain-service.log", port)


@dataclass(frozen=True)
class Consumer:
    """A program that drains a topic of submissions.

    `output` returns, from the group and the topic, the name of the topic to which the program writes a record for each
    submission that it has processed. A program without one prints its progress.
    """

    command: Callable[[Distribution], list[str]]
    what: str
    output: Callable[[str, str], str] | None = None
    options: Mapping[str, str] | None = None

    def service(
        self,
        distribution: Distribution,
        *,
        servers: str,
        topic: str,
        group: str,
        packed: bool,
        directory: Path,
        core: int | None = None,
    ) -> Service:
        """Return the program as a process, not started."""
        env = {
            "BENCH_SERVERS": servers,
            "BENCH_TOPIC": topic,
            "BENCH_GROUP": group,
            "BENCH_PACKED": str(int(packed)),
            "BENCH_DIR": str(directory / group),
            **(self.options or {}),
        }
        return Service(group, self.command(distribution), env, directory / f"{group}.log", core=core)


def _module(name: str) -> Callable[[Distribution], list[str]]:
    return lambda _: python(f"benchmarks.peers.{name}")


def _foreign(name: str) -> Callable[[Distribution], list[str]]:
    return lambda _: [str(PEERS_PYTHON), "-m", f"benchmarks.peers.{name}"]


def _kafka_streams(distribution: Distribution) -> list[str]:
    return [distribution.java, "-cp", f"{_STREAMS}/*:{_STREAMS}/jars/*", "ecg.Insights"]


def build_kafka_streams() -> None:
    """Compile the peer on Kafka Streams.

    Raises:
        subprocess.CalledProcessError: if Maven fails.
    """
    command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", f"--file={_POM}", f"-Dout={_STREAMS}", "package"]
    subprocess.run(command, check=True, timeout=_MAVEN_TIMEOUT)  # noqa: S603 - the user's own Maven


def _changelog(group: str, _: str) -> str:
    return f"{group}-insights-changelog"


def _published(group: str, _: str) -> str:
    return f"{group}-out"


CONSUMERS: Mapping[str, Consumer] = {
    "naive Faust agent": Consumer(
        _module("naive_agent"),
        "Faust by its documentation: orjson, NumPy, `table[id] = ...`. No validation; its offsets can be committed "
        "before the changelog has the row.",
        _changelog,
    ),
    "Faust, constant row": Consumer(
        _module("naive_agent"),
        "the same agent that reads nothing of the message and writes a constant row: what Faust and its table cost.",
        _changelog,
        {"BENCH_CONSTANT": "1"},
    ),
    "Quix Streams": Consumer(
        _foreign("quix"),
        "state with a changelog, at-least-once, a checkpoint for 250 messages; the naive agent's computation.",
        lambda group, topic: f"changelog__{group}--{topic}--default",
    ),
    "FastStream": Consumer(
        _foreign("faststream_app"),
        "**no table**: batches in, results published with acks=all; the same computation.",
        _published,
    ),
    "Kafka Streams (Java)": Consumer(
        _kafka_streams,
        "a state store with a changelog, at-least-once, no cache; Jackson or msgpack-core.",
        _changelog,
    ),
    "aiokafka alone": Consumer(_module("aiokafka_reader"), "**reads only**: no decoding, no output."),
    "librdkafka alone": Consumer(_module("librdkafka_reader"), "**reads only**: no decoding, no output."),
}
