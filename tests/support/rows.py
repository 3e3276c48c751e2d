"""ECGs of twelve leads with regular beats, and the rows and answers of ECGs."""

import orjson

from ingest_api.queries import answers
from shared.ecg import Ecg, Lead
from shared.messages.insights import Insights, decode, encode
from stream_agents.insights import INSIGHTS
from stream_agents.insights.computation import compute
from stream_agents.insights.contract import Insight
from tests.support.heartbeats import NAMES, digitised, regular, signals

_ALL = tuple(INSIGHTS.values())


def twelve_leads(seconds: float = 10.0, rate: float | None = 500.0, gain: float | None = 1000.0) -> Ecg:
    """Return a synthetic ECG with a beat every 0.8 s."""
    used = rate or 500.0
    rows = digitised(signals(regular(0.8, seconds), used, seconds))
    leads = tuple(Lead(name, row.astype("<i2"), gain) for name, row in zip(NAMES, rows, strict=True))
    return Ecg("e", "u", None, leads, rate)


def row_of(ecg: Ecg, insights: tuple[Insight, ...] = _ALL) -> Insights:
    """Return the row of an ECG as a gateway reads it."""
    sizes = [lead.signal.size for lead in ecg.leads]
    row = Insights(ecg.id, ecg.username, number_of_samples=sizes, sampling_rate=ecg.sampling_rate)
    return decode(encode(compute(ecg, insights).in_row(row)))


def answer(row: Insights) -> bytes:
    """Return the body of a gateway's answer with a row."""
    return orjson.dumps(answers.insights(row))
