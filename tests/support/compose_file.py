"""The compose file without an engine."""

import re
from typing import Any

import yaml

from tests.support.paths import ROOT

FILE = ROOT / "docker-compose.yml"
# A variable stands for its default.
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text()))["services"]
