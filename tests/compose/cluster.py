"""The cluster of docker-compose.yml on a Docker engine: its own project, on free ports, of a copy of the sources."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.kafka.cluster import free_ports
from local_stack.lifetime import dies_with_parent
from tests.support.brokers import ForeignBroker, at_our_end
from tests.support.conditions import eventually
from tests.support.metrics import Metrics, parse
from tests.support.paths import ROOT
from tests.support.pipeline import ADMIN_TOKEN, SECRET, Gateway, Pipeline
from tests.support.tools import missing

# What `docker compose up --build` reads.
_SOURCES = (
    *("docker-compose.yml", "docker-compose.tls.yml", "Dockerfile", ".dockerignore", "requirements-service.lock"),
    *("contracts", "ingest_api", "shared", "stream_agents", "observability"),
    *("local_stack/haproxy.cfg", "local_stack/haproxy-tls.cfg"),
)
_IMAGE = "ecg-stream-pipeline"
# Seconds: an image is built in one or two minutes, a cluster is up in one.
_TIMEOUT = 600.0
_REMOVE = """
import pathlib, subprocess
directory, project, image = sys.argv[1:]
volumes = set(pathlib.Path(directory, "volumes").read_text().split())
for command in (
    ["compose", "-p", project, "--profile", "*", "down", "--volumes", "--timeout", "1"],
    ["volume", "rm", "--force", *volumes],
    ["image", "rm", "--force", image],
    ["image", "prune", "--force", "--filter", f"label=com.docker.compose.project={project}"],
):
    subprocess.run(["docker", *command], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
KAFKA = ("kafka-1", "kafka-2", "kafka-3")
# The seconds from one health check to the next, and how many in a row fail until a container counts as ill: about as
# long as in the file, in smaller steps, because whatever starts is waited for until a check of it succeeds.
_CHECKS = {**dict.fromkeys((*KAFKA, "proxy"), (1, 30)), **dict.fromkeys(("gateway", "stream-agents"), (2, 12))}
# One container a line: its service, the hash of its configuration, and its state.
_STATES = '{{.Label "com.docker.compose.service"}}\t{{.Label "com.docker.compose.config-hash"}}\t{{.Status}}'


def find_engine() -> None:
    """Skip where no Docker engine with Compose answers; CI has one."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            reason = answer.stderr.strip() if answer.returncode else ""
        except FileNotFoundError as error:
            reason = str(error)
        if reason:
            missing(f"The cluster needs a Docker engine with Compose; `{' '.join(command)}`: {reason}")


@dataclass(frozen=True)
class Container:
    """A container of the cluster."""

    id: str

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows of it."""
        [found] = json.loads(docker("inspect", self.id))
        return dict(found)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.inspect()["State"])

    @property
    def health(self) -> str:
        return str(self.state["Health"]["Status"])

    @property
    def main_process(self) -> int:
        """The id on this machine, which runs the engine too, of the process that the container is for."""
        found = self.inspect()
        pid = int(found["State"]["Pid"])
        if found["HostConfig"].get("Init"):
            [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return int(child)
        return pid

    def python(self, program: str, *arguments: str) -> str:
        """Run a program in it, if it is of our image; return what that printed."""
        return docker("exec", self.id, "python", "-c", program, *arguments)

    def fetch(self, url: str) -> str:
        """Ask an address that only the cluster's network knows."""
        return self.python("import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())", url)

    def metrics(self) -> Metrics:
        """Return the metrics of a gateway or worker."""
        return parse(self.fetch("http://127.0.0.1:9100/metrics"))

    def crash(self) -> None:
        """End its process from inside: a container that is killed from outside is not started again."""
        os.kill(self.main_process, signal.SIGKILL)


class Cluster:
    """The cluster, and what its engine does with it.

    Everything of it is removed when this process ends, whatever ends it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for source in _SOURCES:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            (directory / source).parent.mkdir(exist_ok=True)
            copy(ROOT / source, directory / source)
        # Where the engine's own network reaches no package registry, this machine's may.
        ours: dict[str, dict[str, Any]] = {
            service: {"healthcheck": {"interval": f"{seconds}s", "retries": retries}}
            for service, (seconds, retries) in _CHECKS.items()
        }
        for service in ("topics", "gateway", "stream-agents"):
            ours.setdefault(service, {})["build"] = {"network": "host"}
        (directory / "docker-compose.override.yml").write_text(json.dumps({"services": ours}))
        self.project = f"ecg-test-{secrets.token_hex(4)}"
        http, https, prometheus, *kafka = free_ports(6)
        self.url, self.https = f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}"
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self.bootstrap_servers = f"localhost:{kafka[0]}"
        self.env = {
            "ECG_SECRET": SECRET,
            "ECG_ADMIN_TOKEN": ADMIN_TOKEN,
            "ECG_IMAGE": f"{_IMAGE}:{self.project}",
            "ECG_HTTP_PORT": str(http),
            "ECG_HTTPS_PORT": str(https),
            "ECG_PROMETHEUS_PORT": str(prometheus),
            **{f"ECG_KAFKA_PORT_{number}": str(port) for number, port in enumerate(kafka, 1)},
        }
        self.write_env()
        (directory / "volumes").touch()
        self._end = at_our_end(_REMOVE, str(directory), self.project, self.env["ECG_IMAGE"])

    def write_env(self, **more: str) -> None:
        """Write the file `.env`, with more variables if they are given."""
        (self.directory / ".env").write_text("".join(f"{n}={v}\n" for n, v in {**self.env, **more}.items()))

    async def compose(self, *arguments: str) -> str:
        """Run `docker compose` to its end; return what it printed."""
        printed = await asyncio.to_thread(docker, "compose", "-p", self.project, *arguments, directory=self.directory)
        # Compose leaves the anonymous volume of a worker that it scales away.
        mounts = [mount for worker in self.containers("stream-agents") for mount in worker.inspect()["Mounts"]]
        with (self.directory / "volumes").open("a") as file:
            file.writelines(f"{mount['Name']}\n" for mount in mounts if mount["Type"] == "volume")
        return printed

    async def up(self, *arguments: str) -> None:
        """Do what the README says, with more arguments."""
        await self.compose("up", "-d", "--wait", *arguments)

    def containers(self, service: str) -> list[Container]:
        """Return the containers of a service, those that have ended too."""
        own, of = f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}"
        return [Container(line) for line in docker("ps", "-aq", "--no-trunc", "--filter", own, "--filter", of).split()]

    async def begin(self) -> None:
        """Build the image, start everything, and remember the containers."""
        await self.compose("build")
        await self.up()
        self._begun = self._states()

    async def repair(self) -> None:
        """Return when everything is up again as at the beginning."""
        # What was paused, or could not work, is unhealthy until its next check, and `up` gives up at once then.
        for container in [container for service in _CHECKS for container in self.containers(service)]:
            if container.state["Running"] and container.health == "unhealthy":
                await self.healthy(container)
        if self._states() != self._begun:
            await self.up()

    def _states(self) -> Counter[tuple[str, str, bool]]:
        """Count the containers of each service, by the hash of their configuration and whether they are healthy."""
        own = f"label=com.docker.compose.project={self.project}"
        lines = docker("ps", "-a", "--filter", own, "--format", _STATES).splitlines()
        return Counter(
            (service, configuration, "(healthy)" in state)
            for service, configuration, state in (line.split("\t") for line in lines)
        )

    async def pause(self, *services: str) -> None:
        """Freeze services, again where the engine fails to: it gives up too early on a container that is busy."""
        for container in [container for service in services for container in self.containers(service)]:

            async def probe(container: Container = container) -> bool | None:
                try:
                    await asyncio.to_thread(docker, "pause", container.id)
                except AssertionError:
                    return None
                return True

            await eventually(probe, timeout=10, what=f"{container.inspect()['Name']} paused")

    async def healthy(self, container: Container) -> None:
        """Return when a container's health check succeeds."""

        async def probe() -> bool | None:
            return container.health == "healthy" or None

        await eventually(probe, interval=0.5, what=f"{container.inspect()['Name']} healthy")

    def pipeline(self) -> Pipeline:
        """Return the cluster as a pipeline for tests of any pipeline; each of its two gateways is the proxy."""
        pipeline = Pipeline(ForeignBroker(self.bootstrap_servers), self.directory)
        pipeline.gateways += [Gateway("proxy", [], {}, self.directory / "proxy.log", url=self.url)] * 2
        return pipeline

    async def remove(self) -> None:
        await asyncio.to_thread(self._end.communicate)


def docker(*arguments: str, directory: Path | None = None) -> str:
    """Run `docker`; return what it printed."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT,
        preexec_fn=dies_with_parent(),
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout
