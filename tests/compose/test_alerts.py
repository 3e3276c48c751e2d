"""Prometheus beside the cluster: it finds every process, and says so when one is gone."""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from tests.compose.cluster import Cluster, docker
from tests.support.conditions import eventually
from tests.support.paths import ROOT

pytestmark = pytest.mark.docker

_PROMETHEUS = Path("observability", "prometheus")
RULES = ROOT / _PROMETHEUS / "alerts.yml"
# Prometheus scrapes more often here, and alerts fire after five seconds. promtool tests the rules as they are.
_SOONER = {"prometheus.yml": ("interval: 15s", "interval: 3s"), "alerts.yml": ("for: 1m", "for: 5s")}


async def ask(cluster: Cluster, path: str) -> Any:
    async with httpx.AsyncClient(base_url=f"{cluster.prometheus}/api/v1", timeout=30) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_it_scrapes_every_process_knows_every_rule_and_tells_of_one_that_is_gone(whole: Cluster) -> None:
    for name, (real, sooner) in _SOONER.items():
        file = whole.directory / _PROMETHEUS / name
        text = file.read_text()
        assert real in text
        file.write_text(text.replace(real, sooner))
    await whole.compose("--profile", "observability", "up", "-d", "--wait", "prometheus")

    async def all_up() -> bool | None:
        found = Counter((t["labels"]["job"], t["health"]) for t in (await ask(whole, "targets"))["activeTargets"])
        return found == {("gateway", "up"): 2, ("worker", "up"): 3} or None

    await eventually(all_up, interval=1, what="every target up")
    # The alert compares with the number that answered most of the time so far.
    usual = quote("job:up:median20m")

    async def noticed() -> bool | None:
        result = (await ask(whole, f"query?query={usual}"))["result"]
        return {r["metric"]["job"]: r["value"][1] for r in result} == {"gateway": "2", "worker": "3"} or None

    await eventually(noticed, interval=1, what="every target counted")
    [group] = (await ask(whole, "rules"))["groups"]
    [written] = yaml.safe_load(RULES.read_text())["groups"]
    names = [rule.get("alert") or rule["record"] for rule in written["rules"]]
    assert [rule["name"] for rule in group["rules"]] == names
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}

    for service in ("gateway", "stream-agents"):
        docker("kill", whole.containers(service)[0].id)

    async def firing() -> bool | None:
        alerts = (await ask(whole, "alerts"))["alerts"]
        gone = {
            a["labels"]["job"] for a in alerts if a["labels"]["alertname"] == "EcgTargetDown" and a["state"] == "firing"
        }
        return gone == {"gateway", "worker"} or None

    await eventually(firing, interval=1, what="the alert of a gateway and a worker that are gone")
    await whole.compose("--profile", "observability", "rm", "--stop", "--force", "prometheus")
