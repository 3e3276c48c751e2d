"""The code of docs/kafka.md, run unchanged except for addresses and topics, on Apache Kafka."""

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from local_stack.kafka import Distribution
from tests.support.messages import found
from tests.support.page_code import sections
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline
from tests.support.tools import missing

pytestmark = pytest.mark.kafka

INSIGHTS = [{"name": "I", "number_of_zero_crossings": 3}]


PAGE = (ROOT / "docs" / "kafka.md").read_text()
SECTIONS = sections(PAGE)
LANGUAGES = [title for title in SECTIONS if title != "Dead letters"]


@pytest.fixture
def run(pipeline: Pipeline, kafka: Distribution, tmp_path: Path) -> Callable[[str], str]:
    """A function that runs a section's code on the pipeline's broker and topics, and returns its output."""
    if pipeline.broker.embedded:
        pytest.skip("librdkafka 2.0 and consumer groups of Java do not work on the embedded broker")
    if pipeline.broker.security:
        pytest.skip("the page's code speaks to a Kafka that everybody may use")

    def here(text: str) -> str:
        text = text.replace("localhost:9092", pipeline.bootstrap_servers)
        return re.sub(r"\becg\.(submissions|insights)\b", rf"{pipeline.prefix}.\1", text)

    def run(title: str) -> str:
        section = SECTIONS[title]
        for tool in {"kcat", "java", "go"} & set(section.script.split()):
            if shutil.which(tool) is None:
                missing(f"no `{tool}` was found in PATH")
        (tmp_path / "lib").symlink_to(kafka.jars)
        return section.run(tmp_path, here)

    return run


def test_the_page_has_every_language() -> None:
    assert LANGUAGES == ["kcat", "Java", "Go", "Python: aiokafka", "Python: confluent-kafka", "Packed"]


@pytest.mark.parametrize("title", LANGUAGES)
async def test_the_code_submits_an_ecg_and_prints_its_insights(
    pipeline: Pipeline, run: Callable[[str], str], title: str
) -> None:
    printed = await asyncio.to_thread(run, title)
    insights = json.loads(printed)
    assert (insights["username"], insights["leads"]) == ("user", INSIGHTS)
    assert await found(pipeline, await pipeline.register("user"), insights["ecg_id"]) == INSIGHTS


async def test_the_lines_about_dead_letters_print_the_reason(pipeline: Pipeline, run: Callable[[str], str]) -> None:
    printed = await asyncio.to_thread(run, "Dead letters")
    assert f"dlq-source-topic={pipeline.prefix}.submissions," in printed
    assert "dlq-error-class=InvalidEcg,dlq-error-message=leads: must hold 1 to 1024 leads, not 0" in printed


def test_the_java_client_has_the_version_of_the_tests_broker() -> None:
    version = re.search(r"<artifactId>kafka-clients</artifactId>\s+<version>(.*)</version>", PAGE)
    broker = re.search(
        r"<artifactId>kafka_2.13</artifactId>\s+<version>(.*)</version>",
        (ROOT / "local_stack" / "kafka" / "pom.xml").read_text(),
    )
    assert version is not None
    assert broker is not None
    assert version[1] == broker[1]
