"""The compose file without an engine, and which settings it passes on."""

import re
from typing import Any

import yaml

from shared.settings import Settings
from tests.support.paths import ROOT

FILE = ROOT / "docker-compose.yml"
# A variable stands for its default.
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text()))["services"]

# Set for each process by the local runner, or the same for all workers, which would all have the same name.
OF_ONE_PROCESS = {"ECG_EMBEDDED_BROKER", "ECG_BROKER_PORT", "ECG_HTTP_SHARED", "ECG_WORKER_PUBLIC_HOST"}
# The addresses and paths that the file itself relies on.
FIXED = {
    *("ECG_HTTP_HOST", "ECG_HTTP_PORT", "ECG_WORKER_HOST", "ECG_WORKER_PORT", "ECG_METRICS_HOST", "ECG_METRICS_PORT"),
    "ECG_DATA_DIR",
}
# From `.env` or the shell.
PASSED = {f"ECG_{name.upper()}" for name in Settings.model_fields} - OF_ONE_PROCESS - FIXED
