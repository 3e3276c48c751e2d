"""Scraping a process's metrics as Prometheus does."""

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


@dataclass(frozen=True)
class Metrics:
    """The samples of one scrape by name and labels, and the names of all metrics, with or without samples."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    names: frozenset[str]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sample with exactly these labels, or 0 if there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def by(self, label: str, name: str) -> dict[str, float]:
        """Return the samples of a name by the value of one of their labels."""
        return {dict(labels)[label]: value for (n, labels), value in self.samples.items() if n == name}


async def scrape(port: int) -> Metrics:
    """Scrape the metrics of a process."""
    async with httpx.AsyncClient(timeout=10) as client:
        response = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert response.status_code == 200, response.text
    return parse(response.text)


def parse(text: str) -> Metrics:
    """Parse the answer to a scrape."""
    families = list(text_string_to_metric_families(text))
    return Metrics(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        },
        # Including metrics that have no sample yet.
        frozenset(family.name + suffix for family in families for suffix in _SUFFIXES.get(family.type, ("",))),
    )
