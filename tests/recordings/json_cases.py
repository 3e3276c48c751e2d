"""Submissions in JSON files, as programs write them."""

from typing import Any

from tests.recordings.case import Case, ExpectedLead, lead


def _json(name: str, text: str, *leads: ExpectedLead, **expected: Any) -> Case:
    return Case(name, {"x.json": text.encode()}, leads, **expected)


def _submission(fields: str = "", signal: str = "[5, -5]", lead_fields: str = "") -> str:
    return f'{{{fields}"leads": [{{"name": "I", {lead_fields}"signal": {signal}}}]}}'


_FRACTIONS = "leads[0].signal: must hold integers only: multiply fractions, and send adc_gain"
_DATE = "date: must be an ISO 8601 date or date and time, or null"
_GAIN = "leads[0].adc_gain: must be a finite number of ADC units per millivolt above 0, or null"
_RATE = "sampling_rate: must be a number of hertz above 0, up to 1000000, or null"

CASES = [
    _json(
        "all fields of a submission",
        _submission(
            '"date": "2026-01-02T03:04:05+01:00", "sampling_rate": 250.5, ',
            "[5, 0, -5]",
            '"adc_gain": 200, "missing": [[1, 1]], ',
        ),
        lead("I", [5, 0, -5], 200, ((1, 1),)),
        rate=250.5,
        date="2026-01-02T03:04:05+01:00",
    ),
    _json("a byte order mark before a submission", "\ufeff" + _submission(), lead("I", [5, -5])),
    *(
        _json(f"samples {signal}", _submission(signal=signal), refusal=_FRACTIONS)
        for signal in ("[1.0, 2]", "[1, 2e2]")
    ),
    _json("samples with a fraction", _submission(signal="[0.5, 2]"), refusal=_FRACTIONS),
    _json(
        "NaN among samples",
        _submission(signal="[1, NaN]"),
        refusal="body: malformed JSON: NaN is not JSON: send 0 for a missing sample, and its place in `missing`",
    ),
    *(
        _json(f"the date {date}", _submission(f'"date": "{date}", '), refusal=_DATE)
        for date in ("01/02/2026", "2026-02-30", "2026-01-02T25:00", "2026-W54")
    ),
    *(
        _json(f"the date {date}", _submission(f'"date": "{date}", '), lead("I", [5, -5]), date=date)
        for date in ("2026-02-28", "20260228T101112Z", "2026-W53-7", "2026-02-28 10:11:12.5-0130")
    ),
    *(
        _json(f"a gain of {gain}", _submission(lead_fields=f'"adc_gain": {gain}, '), refusal=_GAIN)
        for gain in ('"200"', "-200", "0")
    ),
    *(
        _json(f"a rate of {rate}", _submission(f'"sampling_rate": {rate}, '), refusal=_RATE)
        for rate in ('"250"', "-250", "1000001")
    ),
    *(
        _json(f"a field called {name}", _submission(f'"{name}": 250, '), refusal=refusal)
        for name, refusal in (
            ("sampling_rat", "sampling_rat: is not a field of a submission: did you mean sampling_rate?"),
            ("Date", "Date: is not a field of a submission: did you mean date?"),
            ("patient", "patient: is not a field of a submission: known are date, label, leads, sampling_rate"),
        )
    ),
    _json(
        "a misspelt field of a lead",
        _submission(lead_fields='"adcgain": 200, '),
        refusal="leads[0].adcgain: is not a field of a lead: did you mean adc_gain?",
    ),
    _json(
        "a misspelt name of the leads",
        '{"lead": [{"name": "I", "signal": [1]}]}',
        refusal="lead: is not a field of a submission: did you mean leads?",
    ),
    _json(
        "fields that the gateway and messages on Kafka have besides",
        _submission('"id": "x", "accepted_at": "2026-01-02T03:04:05.678Z", "username": "st-marys", '),
        lead("I", [5, -5]),
    ),
]
