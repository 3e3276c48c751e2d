"""Serving the page's files."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline

FILES = sorted(
    path.relative_to(ROOT / "ingest_api") for path in (ROOT / "ingest_api/page").rglob("*") if path.is_file()
)


@pytest.mark.parametrize("path", ["/", "/docs", *(f"/{path.as_posix()}" for path in FILES)])
async def test_files_need_no_token_and_are_revalidated_each_time(pipeline: Pipeline, path: str) -> None:
    async with pipeline.client() as client:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
        head = await client.head(path)
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])
    for headers in (answer.headers, again.headers):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert all("unsafe" not in sources and "http" not in sources for sources in policy.values())
        assert (policy["frame-ancestors"], policy["script-src"]) == ("'none'", "'self'")


@pytest.mark.parametrize(
    "path", ["/page/nothing.js", "/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/", "/page/ecg"]
)
async def test_nothing_else_is_served(pipeline: Pipeline, path: str) -> None:
    async with pipeline.client() as client:
        assert (await client.get(path)).status_code == 404


def test_the_wheel_has_the_files(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"ingest_api/{path.as_posix()}" for path in FILES} <= set(names)
