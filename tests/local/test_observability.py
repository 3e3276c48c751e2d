"""Alert rules and dashboard use metrics that exist, and the manual explains every metric and alert."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.broker import free_port
from tests.support.compose_file import SERVICES
from tests.support.metrics import scrape
from tests.support.paths import ROOT
from tests.support.pipeline import NewPipeline
from tests.support.tools import missing

FOLDER = ROOT / "observability"
PROMETHEUS = FOLDER / "prometheus"
MANUAL = (ROOT / "docs" / "operations.md").read_text()
METRIC = re.compile(r"\b(?:ecg|process|python)_\w+")


def rules() -> list[dict[str, Any]]:
    """Return the alerts, without the rules that record what they compare."""
    [group] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for rule in group["rules"] if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / "grafana" / "dashboards" / "ecg.json").read_text())["panels"])


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [t["expr"] for panel in panels() for t in panel["targets"]]


async def test_every_metric_in_use_exists_and_every_metric_is_documented(new_pipeline: NewPipeline) -> None:
    pipeline, ports = new_pipeline(), [free_port(), free_port()]
    pipeline.start_gateway(ECG_METRICS_PORT=str(ports[0]))
    pipeline.start_worker(ECG_METRICS_PORT=str(ports[1]))
    await pipeline.ready()
    names = frozenset[str]().union(*[(await scrape(port)).names for port in ports])
    pipeline.stop()
    used = {
        name for text in [*expressions(), (PROMETHEUS / "alerts_test.yml").read_text()] for name in METRIC.findall(text)
    }
    assert used <= names, sorted(used - names)
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names if name.startswith("ecg_")}
    documented = set(re.findall(r"`(ecg_\w+)`", MANUAL))
    assert documented == ours


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_the_manual_explains_every_alert(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (page, anchor) == ("docs/operations.md", rule["alert"].lower())
    assert re.search(rf"^#+ {rule['alert']}$\n\n\S", MANUAL, re.MULTILINE)
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_the_manual_explains_no_unknown_alert() -> None:
    assert set(re.findall(r"^#+ (Ecg\w+)$", MANUAL, re.MULTILINE)) == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize(
    "command",
    [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]],
    ids=" ".join,
)
def test_promtool_accepts_configuration_and_rules(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("The rules are checked by Prometheus's own tool; no `promtool` was found in PATH.")
    checked = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_mounted_files_exist_and_name_each_other_rightly() -> None:
    for name in ("prometheus", "grafana"):
        for volume in SERVICES[name]["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).is_dir()
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    found = {name: dns["port"] for job in scraped for dns in job["dns_sd_configs"] for name in dns["names"]}
    ports = {name: int(SERVICES[name]["environment"]["ECG_METRICS_PORT"]) for name in ("gateway", "stream-agents")}
    assert found == ports
    provisioning = FOLDER / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "ecg.yml").read_text())["providers"]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (FOLDER / "grafana" / "dashboards" / home.name).exists()
