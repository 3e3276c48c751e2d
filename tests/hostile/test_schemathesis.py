"""The gateway answers valid and invalid requests, generated from its OpenAPI document, as the document says."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.lifetime import as_a_child
from tests.support.paths import ROOT
from tests.support.pipeline import ADMIN_TOKEN, Pipeline

# Examples of each call; for a longer run by hand: ECG_HOSTILE_EXAMPLES=1000
EXAMPLES = os.environ.get("ECG_HOSTILE_EXAMPLES", "25")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,use_after_free,ensure_resource_availability"
)


@pytest.mark.slow
async def test_every_answer_is_as_documented(target: Pipeline, tmp_path: Path) -> None:
    user = "spared by schemathesis"
    report = tmp_path / "report.json"
    token = await target.register(user)
    url = target.gateways[0].url
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", "tests/hostile/schemathesis.toml"),
        *("run", f"{url}/openapi.json", "--checks", CHECKS, "--max-examples", EXAMPLES),
        # A query may wait for half a minute. The stream of events is left out because it has no end.
        *("--request-timeout", "60"),
        *("--exclude-path", "/events", "--continue-on-failure", "--warnings", "off"),
        *("--generation-database", "none", "--report-json-path", str(report)),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ECG_SPARED_USER": user,
            "ECG_USER_TOKEN": token,
            "ECG_ADMIN_TOKEN": ADMIN_TOKEN,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=as_a_child(),
    )
    output, _ = await process.communicate()
    said = output.decode(errors="replace")
    print(said)
    assert process.returncode == 0, said[-20_000:]
    assert json.loads(report.read_text())
    assert target.gateways[0].running.poll() is None
