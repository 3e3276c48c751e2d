"""Files in layouts that users reported, if they are at hand, and the right ECG of each."""

from tests.recordings.case import Case, ExpectedLead, lead
from tests.support.paths import RECORDINGS

REPORTED = RECORDINGS.parent / "cases"

_NEEDS_UNIT = "must hold integers; fractions, such as millivolts, need a unit or a scale"
_DATE = "2020-01-01T10:00:00"
_ONLY_UNIT = "no other unit gives the rate of an ECG"


def _case(file: str, *leads: ExpectedLead, page: str | None = None, **expected: object) -> Case:
    path = REPORTED / file
    others = sorted(other for other in path.parent.iterdir() if other != path)
    files = {each.name: each.read_bytes() for each in [path, *others]}
    unit = f" with {expected['unit']}" if "unit" in expected else ""
    return Case(f"{file}{unit}", files, leads, page=page, **expected)  # type: ignore[arg-type]


def cases() -> list[Case]:
    """Return the reported files, or nothing if they are not at hand."""
    if not REPORTED.exists():
        return []
    return [*_wfdb(), *_edf(), *_tables()]


def _wfdb() -> list[Case]:
    return [
        _case(
            "01-wfdb-multisegment/m.hea",
            lead("II", [0, 10, -10, 10, -10, 0, 0, 0, 0, 10, -10, 10], 200, ((5, 4),)),
            rate=250,
            date="2020-02-01T10:00:00",
            notes=("II: 4 missing samples became 0",),
        ),
        _case(
            "02-wfdb-samples-per-frame/spf.hea",
            lead("II", [10, -10, 10, -10, 10, -10, 0, -10, 20, -20, 20, -20], 200, ((6, 1),)),
            rate=1000,
            notes=("left out, because they are not ECG leads: RESP", "II: 1 missing samples became 0"),
        ),
        _case(
            "03-wfdb-missing-marker-flac-8/f508.hea",
            lead("II", [10, -10, 0, 0, 10, -10], 200, ((2, 2),)),
            rate=250,
            notes=("II: 2 missing samples became 0",),
            page="f508.dat is stored in WFDB format 508 (FLAC), which only the command ecg reads",
        ),
        _case(
            "03-wfdb-missing-marker-flac-8/r8.hea",
            lead("II", [0, -100, -128, -28, 0, 56, 0], 200),
            rate=250,
        ),
        _case("04-wfdb-non-ascii-header/mu.hea", lead("ECG lead 2", [1, -1, 1], 1000), rate=250),
        _case(
            "05-wfdb-header-optional-fields/d1.hea",
            lead("II", [1, -1, 1], 200),
            rate=250,
            notes=("its header's date is invalid, so it is left out",),
        ),
        _case(
            "05-wfdb-header-optional-fields/n.hea",
            lead("lead 1", [1, -1, 1]),
            rate=250,
            notes=(
                "its header has no sampling rate: WFDB's default of 250 Hz applies",
                "lead 1: is not calibrated, so its gain is left out",
            ),
        ),
        _case(
            "05-wfdb-header-optional-fields/short.hea",
            lead("II", [1, -1, 1], 200),
            rate=250,
            notes=("short.dat is too short: it has 3 of 5 frames, which are read",),
        ),
    ]


def _edf() -> list[Case]:
    beat = [10, -10] * 4
    return [
        _case(
            "06-edf-latin1-micro-and-labels/label_latin.edf",
            lead("D\u00e9rivation", beat, 10_000),
            rate=4,
            date=_DATE,
        ),
        _case("07-edf-decimal-comma/phys_comma.edf", lead("II", beat, 10_000), rate=4, date=_DATE),
        _case(
            "08-negative-gain/phys_inverted.edf",
            lead("II", [-11, 9] * 4, 10_000),
            rate=4,
            date=_DATE,
            notes=("II: is stored upside down, so its samples are negated",),
        ),
        _case(
            "09-bdf-named-edf/b24.edf",
            lead("II", [100_000, -100_000] * 4, 9999.997019768472),
            rate=4,
            date=_DATE,
        ),
    ]


def _tables() -> list[Case]:
    one, two = lead("I", [5, -5, 5, -5]), lead("II", [7, 7, -7, 7])
    return [
        _case(
            "11-csv-kaggle-mitbih/kaggle_mitbih.csv",
            lead("MLII", [1029, 1019, 1029, 1019]),
            lead("V5", [1031, 1031, 1017, 1031]),
            notes=("left out, because it counts samples: sample #",),
        ),
        _case("12-csv-time-columns/nk.csv", refusal=f"ECG: {_NEEDS_UNIT}"),
        _case(
            "12-csv-time-columns/nk.csv",
            lead("ECG", [1, -1], 10),
            unit="mV",
            notes=(
                "left out, because they are not ECG leads: RSP, EDA",
                "so that no decimals are lost, an ADC unit is 0.1 mV",
            ),
        ),
        _case(
            "12-csv-time-columns/pandas_index.csv",
            one,
            two,
            notes=("left out, because it counts samples: a column without a name",),
        ),
        _case(
            "12-csv-time-columns/timestamp.csv",
            one,
            two,
            rate=500,
            notes=(
                "left out, because it is a clock: timestamp; its sampling rate is 500 Hz, read as milliseconds: "
                + _ONLY_UNIT,
            ),
        ),
        _case("13-csv-separators-decimal-comma/german_single.csv", refusal=f"lead 1: {_NEEDS_UNIT}"),
        _case(
            "13-csv-separators-decimal-comma/german_single.csv",
            lead("lead 1", [5, -12, -7, 10], 1000),
            unit="mV",
            notes=("so that no decimals are lost, an ADC unit is 0.001 mV",),
        ),
        _case("13-csv-separators-decimal-comma/semicolon_comma.csv", refusal=f"I: {_NEEDS_UNIT}"),
        _case(
            "13-csv-separators-decimal-comma/semicolon_comma.csv",
            lead("I", [5, -5, 5, -5], 100),
            lead("II", [7, 7, -7, 7], 100),
            unit="mV",
            rate=500,
            notes=(
                f"left out, because it is a clock: Zeit; its sampling rate is 500 Hz, read as seconds: {_ONLY_UNIT}",
                "so that no decimals are lost, an ADC unit is 0.01 mV",
            ),
        ),
        _case(
            "13-csv-separators-decimal-comma/polar.csv",
            lead("ecg", [50, -50, 50, -50], 1000),
            rate=130,
            date="2023-01-01T10:00:00",
            notes=(
                "left out, because it is a clock: Phone timestamp",
                "left out, because it is a clock: sensor timestamp [ns]; its sampling rate is 130 Hz",
                "left out, because it is a clock: timestamp [ms]",
            ),
        ),
        _case(
            "14-apple-watch-csv/apple.csv",
            lead("Lead I", [50615, -50615] * 2, 1_000_000),
            rate=512,
            date="2020-01-01T10:00:00+01:00",
            notes=("so that no decimals are lost, an ADC unit is 0.001 \u00b5V",),
        ),
        _case("15-cli-scale-1/uv_float.csv", refusal=f"ECG: {_NEEDS_UNIT}"),
        _case(
            "15-cli-scale-1/uv_float.csv",
            lead("ECG", [123, -46, 79, -32], 10_000),
            unit="uV",
            notes=("so that no decimals are lost, an ADC unit is 0.1 uV",),
        ),
        _case("16-other-formats/opensignals.txt", lead("A2", [512, 520, 500]), rate=1000),
    ]
