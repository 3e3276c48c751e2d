"""CSV files and other tables of programs and devices."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.recordings.case import Case, ExpectedLead, lead


def _csv(
    name: str, text: str, *leads: ExpectedLead, file: str = "x.csv", encoding: str = "utf-8", **expected: Any
) -> Case:
    return Case(name, {file: text.encode(encoding)}, leads, **expected)


def _clock(name: str, rest: str = "") -> str:
    return f"left out, because it is a clock: {name}{rest}"


_COUNTED = "left out, because it counts samples: "
_I, _II = lead("I", [5, -5, 5, -5]), lead("II", [7, 7, -7, 7])
_ROWS = ("5,7", "-5,7", "5,-7", "-5,7")
_THOUSANDS = "may separate thousands or be decimal marks: remove separators of thousands, or"
_DOUBTED = "line 1: its commas may separate columns or be decimal marks: name the columns in the first line"
_FRACTIONS = "must hold integers; fractions, such as millivolts, need a unit or a scale"
_APPLE = (
    'Name,Somebody\nDate of Birth,"1 Jan 1950"\nRecorded Date,2020-01-01 10:00:00 +0100\n'
    'Classification,Sinus Rhythm\nSymptoms,\nSoftware Version,1.90\nDevice,"Watch4,2"\nSample Rate,512 hertz\n\n\n'
    "Lead,Lead I\nUnit,\u00b5V\n\n50.615\n-50.615\n50.5\n-50.615\n"
)
_GERMAN_APPLE = (
    'Name,Jemand\nGeburtsdatum,01.01.1950\nAufgezeichnet am,2020-01-01 10:00:00 +0100\nAbtastrate,"512,5 Hertz"\n\n'
    "Ableitung,Ableitung I\nEinheit,\u00b5V\n\n50,615\n-50,615\n50,5\n-7\n"
)
_EXPORTED = (
    '# ECG in ADC units: {"leads":[{"name":"time [s]","number_of_samples":4,"adc_gain":200.5},'
    '{"name":"resp, \\"x\\"","number_of_samples":3,"adc_gain":null}],"sampling_rate":360.1,'
    '"date":"2020-01-01T10:00:00"}\n"time [s]","resp, ""x"""\n5,7\nnan,7\n-5,-7\n5,nan\n'
)
_EXPORTED_LEADS = (lead("time [s]", [5, 0, -5, 5], 200.5, ((1, 1),)), lead('resp, "x"', [7, 7, -7]))
_OPEN_SIGNALS = (
    "# OpenSignals Text File Format\n"
    '# {"00:07": {"sampling rate": 1000, "resolution": [10, 10], "label": ["A1", "A2"], "sensor": ["ECG", "EDA"], '
    '"date": "2020-1-2", "time": "10:00:00.5"}}\n# EndOfHeader\n15\t0\t512\t9\t\n0\t0\t520\t8\t\n1\t0\t500\t7\t\n'
)


def _isoformat(seconds: float) -> str:
    """Return a time as Python writes it: without decimals of whole seconds."""
    return (datetime(2020, 1, 1, 10, tzinfo=UTC) + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def _numbered(header: str, separator: str = ",") -> str:
    return header + "\n" + "".join(f"{i}{separator}{row.replace(',', separator)}\n" for i, row in enumerate(_ROWS))


def _timed(header: str, times: list[str]) -> str:
    return header + "\n" + "".join(f"{time},{row}\n" for time, row in zip(times, _ROWS, strict=True))


CASES = [
    _csv("names and integers", "I,II\n" + "\n".join(_ROWS) + "\n", _I, _II),
    _csv("carriage returns", "I,II\r" + "\r".join(_ROWS), _I, _II),
    _csv("no names", "1,-2,3\n-1,2,-3\n", lead("lead 1", [1, -1]), lead("lead 2", [-2, 2]), lead("lead 3", [3, -3])),
    _csv("integers of 64 bits", "I\n9223372036854775807\n-9223372036854775808\n", lead("I", [2**63 - 1, -(2**63)])),
    _csv(
        "integers beyond 2^53 beside a missing one",
        "I,II\n9007199254740993,1\nnan,2\n5,3\n",
        lead("I", [2**53 + 1, 0, 5], None, ((1, 1),)),
        lead("II", [1, 2, 3]),
        notes=("I: 1 missing samples became 0",),
    ),
    _csv(
        "integers beyond 2^53 written with decimals and exponents",
        "I;II\n9007199254740993,0;0,9007199254740993e16\n-5,00;-50e-1\n",
        lead("I", [2**53 + 1, -5]),
        lead("II", [2**53 + 1, -5]),
    ),
    _csv(
        "a clock beyond 2^53 with a missing time",
        _timed("time (ns),I,II", ["1600000000000000000", "1600000000004000000", "nan", "1600000000012000000"]),
        _I,
        _II,
        notes=(_clock("time [ns]", "; its steps are uneven, so no sampling rate is taken from it"),),
    ),
    _csv("an integer of 5000 digits", f"I\n{'1' * 5000}\n5\n", refusal="I: must hold integers of 64 bits"),
    _csv("an integer of more than 64 bits", "I\n9223372036854775808\n1\n", refusal="I: must hold integers of 64 bits"),
    _csv(
        "a fraction and an integer beyond 2^53",
        "I [mV]\n0.5\n9999999999999995\n",
        lead("I", [5, 99_999_999_999_999_968], 10),
        notes=("so that no decimals are lost, an ADC unit is 0.1 mV",),
    ),
    _csv("a separator of files after a number", "I,II\n5,7\n-5,7\x1c\n", refusal="line 3, column 2: must be a number"),
    _csv("a no-break space after a number", "I,II\n5,7\n-5,7\u00a0\n", refusal="line 3, column 2: must be a number"),
    _csv("infinity", "I\n1\n-inf\n", refusal="I: must hold integers of 64 bits"),
    _csv(
        "missing values",
        "I\n5\nnan\nNaN\n-5\n",
        lead("I", [5, 0, 0, -5], None, ((1, 2),)),
        notes=("I: 2 missing samples became 0",),
    ),
    _csv(
        "comments",
        "# by hand\n% and more\nI # the lead\n5\n// between\n-5 # at the end\n\n",
        lead("I # the lead", [5, -5]),
        notes=(),
    ),
    _csv("names in NumPy's comment", "# I II\n5 7\n-5 7\n", lead("I", [5, -5]), lead("II", [7, 7]), file="x.txt"),
    _csv("a byte order mark", "\ufeffI,II\n" + "\n".join(_ROWS), _I, _II),
    _csv(
        "UTF-16, as Excel writes Unicode text",
        "\ufeffI\tII\n5\t7\n-5\t7\n",
        lead("I", [5, -5]),
        lead("II", [7, 7]),
        encoding="utf-16-le",
    ),
    _csv(
        "Latin-1",
        "\u00e9cg [\u00b5V]\n5\n-5\n",
        lead("\u00e9cg", [5, -5], 1000),
        encoding="latin-1",
        notes=("is not UTF-8, so it is read as Latin-1",),
    ),
    _csv(
        "quotes",
        '"I, chest","II"\n"5","7"\n"-5","7"\n',
        lead("I, chest", [5, -5]),
        lead("II", [7, 7]),
        notes=("read as leads, although their names are unknown: I, chest",),
    ),
    Case("gzip", {"x.csv.gz": gzip.compress(b"I\n5\n-5\n")}, (lead("I", [5, -5]),)),
    Case(
        "broken gzip",
        {"x.csv.gz": gzip.compress(b"I\n5\n-5\n")[:-9]},
        refusal="x.csv.gz is broken gzip, or has several parts: unzip it first",
    ),
    Case(
        "gzip of zeros",
        {"x.csv.gz": gzip.compress(b"0" * 3_000_000)},
        refusal="x.csv.gz unzips to more than 64 times its size: unzip it first",
    ),
    # Separators and decimal marks
    _csv("semicolons", "I;II\n" + "\n".join(_ROWS).replace(",", ";"), _I, _II),
    _csv("tabs", "I\tII\n" + "\n".join(_ROWS).replace(",", "\t"), _I, _II, file="x.tsv"),
    _csv("bars", "I|II\n" + "\n".join(_ROWS).replace(",", "|"), _I, _II),
    _csv("spaces", "I  II\n" + "\n".join(_ROWS).replace(",", "  "), _I, _II, file="x.txt"),
    _csv("commas and spaces", "I, II\n" + "\n".join(_ROWS).replace(",", ", "), _I, _II),
    _csv(
        "a separator at the end of each line",
        "I;II;\n" + "".join(row.replace(",", ";") + ";\n" for row in _ROWS),
        _I,
        _II,
    ),
    _csv(
        "semicolons and decimal commas in millivolts",
        "Zeit;I [mV];II [mV]\n0,000;0,05;0,07\n0,002;-0,05;0,07\n0,004;0,05;-0,07\n0,006;-0,05;0,07\n",
        lead("I", [5, -5, 5, -5], 100),
        lead("II", [7, 7, -7, 7], 100),
        rate=500,
        notes=(
            _clock("Zeit", "; its sampling rate is 500 Hz, read as seconds: no other unit gives the rate of an ECG"),
            "so that no decimals are lost, an ADC unit is 0.01 mV",
        ),
    ),
    _csv("decimal commas of an unknown unit", "I;II\n0,05;0,07\n-0,05;0,07\n", refusal=f"I: {_FRACTIONS}"),
    _csv(
        "quoted decimal commas",
        '"I","II"\n"0,5","7"\n"-0,5","7"\n',
        lead("I", [5, -5], 10),
        lead("II", [70, 70], 10),
        unit="mV",
        notes=("so that no decimals are lost, an ADC unit is 0.1 mV",),
    ),
    _csv(
        "one column of decimal commas",
        "ECG\n0,25\n-0,12\n",
        lead("ECG", [25, -12], 100),
        unit="mV",
        notes=("so that no decimals are lost, an ADC unit is 0.01 mV",),
    ),
    _csv(
        "decimal commas that look like two columns",
        "0,005\n-0,012\n-0,007\n0,010\n",
        lead("lead 1", [5, -12, -7, 10], 1000),
        unit="mV",
        notes=("so that no decimals are lost, an ADC unit is 0.001 mV",),
    ),
    _csv(
        "such decimal commas without a unit",
        "0,005\n-0,012\n",
        refusal=f"lead 1: {_FRACTIONS}",
    ),
    _csv(
        "commas that may be separators or decimal marks",
        "995,1011\n1000,1008\n",
        refusal=_DOUBTED,
    ),
    _csv(
        "decimal commas with and without quotes",
        '0,000,"-0,263"\n0,004,"0,465"\n0,008,"-0,3"\n',
        refusal="line 1: its commas may be decimal marks: "
        "separate columns with semicolons or tabs, or write decimal points",
        unit="mV",
    ),
    *(
        _csv(f"commas without names that may be decimal marks, {name}", text, refusal=_DOUBTED)
        for name, text in (
            ("after a column and spaces", "0, 10,0\n1, 10,7\n2, 11,2\n"),
            ("after a column and padding", "0,    +5,5,   +38,2\n1,   -16,4,    +6,6\n2,  -139,2,  -147,9\n"),
            ("between columns of integers", "0, 10,15, 7\n1, 10,7, 8\n2, 11,225, 7\n"),
            ("and a comma at the end", "10,0,\n10,7,\n11,2,\n"),
            ("and exponents", "-4,620000E+0\n1,720000E+0\n-9,800000E-1\n"),
            ("of columns with one decimal", "40,8,37,2\n35,5,33,2\n31,6,25,2\n"),
            ("of columns with signs", "40,81,-37,25\n-35,51,33,21\n31,16,25,42\n"),
            ("of columns with exponents", "4,62E+1,3,72E+0\n3,51E+1,3,32E+1\n3,11E+1,2,25E+0\n"),
            ("after an index", "0,-2042,4\n1,1030,0\n2,-739,0\n"),
        )
    ),
    *(
        _csv(f"commas without names that separate columns, {name}", text, *leads)
        for name, text, leads in (
            ("with spaces", "995, 1011\n1000, 1008\n", (lead("lead 1", [995, 1000]), lead("lead 2", [1011, 1008]))),
            ("in quotes", '"995","1011"\n"1000","1008"\n', (lead("lead 1", [995, 1000]), lead("lead 2", [1011, 1008]))),
            (
                "of an ADC without signs",
                "".join("2048,2047,2050,2049\n2060,2040,2051,2048\n" for _ in range(60)),
                tuple(
                    lead(f"lead {k}", [one, other] * 60)
                    for k, one, other in ((1, 2048, 2060), (2, 2047, 2040), (3, 2050, 2051), (4, 2049, 2048))
                ),
            ),
            (
                "as a sign after the first lines shows",
                "5,7\n" * 150 + "5,-7\n",
                (lead("lead 1", [5] * 151), lead("lead 2", [7] * 150 + [-7])),
            ),
            (
                "whose lengths differ",
                "5,7,12\n-5,9,123\n5,8,12\n",
                (lead("lead 1", [5, -5, 5]), lead("lead 2", [7, 9, 8]), lead("lead 3", [12, 123, 12])),
            ),
        )
    ),
    _csv(
        "decimal commas between commas",
        "t,ECG,V1\n0,000,0,05,0,07\n0,002,0,05,0,07\n",
        refusal="line 2: its commas may be decimal marks: "
        "separate columns with semicolons or tabs, or write decimal points",
    ),
    _csv(
        "more columns than names",
        "time,ECG\n1,5,2,5\n2,5,3,5\n",
        refusal="line 1 names 2 columns, and line 2 has 4; "
        "if its commas are decimal marks, separate columns with semicolons or tabs",
    ),
    _csv(
        "a decimal point among decimal commas",
        "I;II\n0,5;1\n0.5;2\n",
        refusal="line 3, column 1: must be a number with a decimal comma, like those before",
        unit="mV",
    ),
    _csv(
        "points that separate thousands",
        "I;II\n1.234,5;1\n1,5;2\n",
        refusal="line 2, column 1: must be a number with a decimal comma, like those before",
        unit="mV",
    ),
    *(
        _csv(
            f"{mark} that may separate thousands, {place}",
            text,
            refusal=f"line 2: its {mark} {_THOUSANDS} {otherwise}",
            **given,
        )
        for mark, place, text, otherwise, given in (
            ("commas", "between tabs", "I [uV]\tII [uV]\n1,234\t2,345\n-1,005\t998\n", "write decimal points", {}),
            (
                "commas",
                "in quotes",
                '"I [uV]","II [uV]"\n"1,234","12,345"\n"-1,005","998"\n',
                "write decimal points",
                {},
            ),
            ("commas", "in one column", "ECG\n1,234\n-1,005\n", "write decimal points", {"unit": "uV"}),
            (
                "points",
                "between semicolons",
                "I [uV];II [uV]\n1.234;998\n-998;12.345\n",
                "separate columns with commas",
                {},
            ),
        )
    ),
    _csv(
        "decimal points beside integers between semicolons",
        "I [uV];II [uV]\n1.234;998\n-0.5;12\n",
        lead("I", [1234, -500], 1_000_000),
        lead("II", [998_000, 12_000], 1_000_000),
        notes=("so that no decimals are lost, an ADC unit is 0.001 uV",),
    ),
    *(
        _csv(
            f"{name}, as pandas writes them",
            text,
            refusal="line 1: may number the columns or hold samples: name the columns in the first line",
        )
        for name, text in (
            ("numbers of columns", "0,1,2\n5,7,1\n-5,7,2\n"),
            ("numbers of columns after an index", ",0,1\n0,5,7\n1,-5,7\n"),
        )
    ),
    _csv(
        "a lead in each line",
        "".join(",".join(str((row * 7 + k * 3) % 50 - 25) for k in range(40)) + "\n" for row in range(12)),
        refusal="has 40 columns without names and only 12 lines: if each line is a lead, exchange lines and columns; "
        "otherwise name the columns in the first line",
    ),
    _csv("Excel's hint at the separator", "sep=;\nI;II\n" + "\n".join(_ROWS).replace(",", ";"), _I, _II),
    # Clocks and counters
    _csv(
        "Kaggle's MIT-BIH",
        "'sample #','MLII','V5'\n0,1029,1031\n1,1019,1031\n2,1029,1017\n3,1019,1031\n",
        lead("MLII", [1029, 1019, 1029, 1019]),
        lead("V5", [1031, 1031, 1017, 1031]),
        notes=(_COUNTED + "sample #",),
    ),
    _csv("pandas' index", _numbered(",I,II"), _I, _II, notes=(_COUNTED + "a column without a name",)),
    _csv(
        "a printed table of pandas",
        "     I  II\n0    5   7\n9   -5   7\n10   5  -7\n11  -5   7\n",
        _I,
        _II,
        file="x.txt",
        notes=(_COUNTED + "a column without a name; it skips numbers, so samples may be missing there",),
    ),
    *(
        _csv(
            f"a printed table of pandas with {name}",
            text,
            file="x.txt",
            unit="mV",
            refusal="line 1: the first column, which rises like row numbers, may have no name: "
            "name each column, without spaces in the names",
        )
        for name, text in (
            ("a name of two words", "    Lead II\n0         5\n1        -5\n2         5\n"),
            ("a unit", "    I (mV)\n0     0.005\n1    -0.005\n2     0.005\n"),
            ("an index of times", "       ECG I\n0.000      5\n0.002     -5\n0.003      5\n"),
            ("a name of two words after another", "    I Lead II\n0   5       7\n1  -5       7\n"),
        )
    ),
    _csv(
        "a printed table of pandas with names of two words",
        "    Lead I  Lead II\n0        5        7\n1       -5        7\n",
        file="x.txt",
        refusal="line 1 names 4 columns, and line 2 has 3; "
        "if names hold spaces, separate columns with semicolons or tabs",
    ),
    _csv(
        "indented names",
        "    I   II\n1029 1031\n1019 1031\n1031 1017\n1029 1031\n",
        lead("I", [1029, 1019, 1031, 1029]),
        lead("II", [1031, 1031, 1017, 1031]),
        file="x.txt",
    ),
    _csv(
        "an indented name of a clock",
        "  time I\n0.000 5\n0.004 -5\n0.008 5\n",
        lead("I", [5, -5, 5]),
        file="x.txt",
        rate=250,
        notes=(
            _clock("time", "; its sampling rate is 250 Hz, read as seconds: no other unit gives the rate of an ECG"),
        ),
    ),
    _csv("a counter of another name", _numbered("packet,I,II"), _I, _II, notes=(_COUNTED + "packet",)),
    _csv(
        "a counter without names",
        _numbered("", ";").lstrip(),
        lead("lead 1", [5, -5, 5, -5]),
        lead("lead 2", [7, 7, -7, 7]),
        notes=(_COUNTED + "column 1",),
    ),
    _csv(
        "a time in seconds",
        _timed("time (s),I,II", ["0", "0.004", "0.008", "0.012"]),
        _I,
        _II,
        rate=250,
        notes=(_clock("time [s]", "; its sampling rate is 250 Hz"),),
    ),
    _csv(
        "a time in milliseconds",
        _timed("t_ms,I,II", ["0", "7.8125", "15.625", "23.4375"]),
        _I,
        _II,
        rate=128,
        notes=(_clock("t_ms", "; its sampling rate is 128 Hz"),),
    ),
    _csv(
        "a timestamp of an unknown unit",
        _timed("timestamp,I,II", ["0", "2", "4", "6"]),
        _I,
        _II,
        rate=500,
        notes=(
            _clock(
                "timestamp",
                "; its sampling rate is 500 Hz, read as milliseconds: no other unit gives the rate of an ECG",
            ),
        ),
    ),
    _csv(
        "a timestamp that may be a counter",
        _timed("timestamp,I,II", ["0", "1", "2", "3"]),
        _I,
        _II,
        notes=(_clock("timestamp", "; its unit is unknown, so no sampling rate is taken from it"),),
    ),
    _csv(
        "a clock at the end",
        "I,II,clock [ms]\n5,7,100\n-5,7,102\n5,-7,104\n-5,7,106\n",
        _I,
        _II,
        rate=500,
        notes=(_clock("clock [ms]", "; its sampling rate is 500 Hz"),),
    ),
    _csv(
        "a clock with gaps",
        _timed("time (s),I,II", ["0", "0.004", "0.4", "0.404"]),
        _I,
        _II,
        notes=(_clock("time [s]", "; its steps are uneven, so no sampling rate is taken from it"),),
    ),
    _csv(
        "a clock that is set back",
        _timed("time (s),I,II", ["0", "0.004", "0.001", "0.005"]),
        _I,
        _II,
        notes=(_clock("time [s]", "; its steps are uneven, so no sampling rate is taken from it"),),
    ),
    _csv(
        "a clock with a missing time",
        _timed("time (s),I,II", ["0", "0.004", "nan", "0.012"]),
        _I,
        _II,
        notes=(_clock("time [s]", "; its steps are uneven, so no sampling rate is taken from it"),),
    ),
    _csv(
        "a counter that starts again",
        _timed("nSeq,I,II", ["14", "15", "0", "1"]),
        _I,
        _II,
        notes=(_COUNTED + "nSeq",),
    ),
    _csv(
        "seconds since 1970",
        _timed("timestamp,I,II", ["1600000000.000", "1600000000.004", "1600000000.008", "1600000000.012"]),
        _I,
        _II,
        rate=250,
        notes=(
            _clock(
                "timestamp",
                "; its sampling rate is 250 Hz, read as seconds: no other unit gives the rate of an ECG",
            ),
        ),
    ),
    _csv(
        "a clock of two rows",
        "time (s),I\n0,5\n0.002,-5\n",
        lead("I", [5, -5]),
        notes=(_clock("time [s]", "; it has too few rows for a sampling rate"),),
    ),
    _csv(
        "a clock with rounded times",
        "time [s],I\n" + "".join(f"{i / 360:.4f},{(-1) ** i}\n" for i in range(20)),
        lead("I", [1, -1] * 10),
        rate=360,
        notes=(_clock("time [s]", "; its sampling rate is 360 Hz"),),
    ),
    _csv(
        "a time in minutes",
        "time (min),I\n" + "".join(f"{i / 15_000:.9f},{(-1) ** i}\n" for i in range(20)),
        lead("I", [1, -1] * 10),
        rate=250,
        notes=(_clock("time [min]", "; its sampling rate is 250 Hz"),),
    ),
    *(
        _csv(
            f"a clock in {unit}",
            _timed(f"time ({unit}),I,II", ["0", "20", "40", "60"]),
            _I,
            _II,
            notes=(_clock(f"time {shown}", "; its unit is unknown, so no sampling rate is taken from it"),),
        )
        for unit, shown in (("0.1 ms", "(0.1 ms)"), ("ticks", "(ticks)"), ("counts", "[counts]"))
    ),
    _csv(
        "a clock with the name of the signal",
        _timed("ECG timestamp [ms],I,II", ["0", "2", "4", "6"]),
        _I,
        _II,
        rate=500,
        notes=(_clock("ECG timestamp [ms]", "; its sampling rate is 500 Hz"),),
    ),
    _csv(
        "a counter that skips samples",
        _timed("sample #,I,II", ["0", "1", "4", "5"]),
        _I,
        _II,
        notes=(_COUNTED + "sample #; it skips numbers, so samples may be missing there",),
    ),
    _csv(
        "times whose first has no decimals",
        "time,I\n" + "".join(f"{_isoformat(i / 360)},{(-1) ** i}\n" for i in range(100)),
        lead("I", [1, -1] * 50),
        rate=360,
        date="2020-01-01T10:00:00",
        notes=(_clock("time", "; its sampling rate is 360 Hz"),),
    ),
    _csv(
        "a gap among times whose first has no decimals",
        "time,I\n" + "".join(f"{_isoformat(i * 2 + (0.9 if i > 70 else 0))},{(-1) ** i}\n" for i in range(140)),
        lead("I", [1, -1] * 70),
        date="2020-01-01T10:00:00",
        notes=(_clock("time", "; its steps are uneven, so no sampling rate is taken from it"),),
    ),
    _csv("only clocks", "time,n\n0,0\n0.004,1\n0.008,2\n", refusal="has no ECG leads: all of its columns are clocks"),
    _csv(
        "PhysioNet's export",
        "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n"
        "'0:00.000',-0.145,-0.065\n'0:00.004',0.145,0.065\n'0:00.008',-0.1,0.1\n",
        lead("MLII", [-145, 145, -100], 1000),
        lead("V5", [-65, 65, 100], 1000),
        rate=250,
        notes=(
            _clock("Elapsed time [hh:mm:ss.mmm]", "; its sampling rate is 250 Hz"),
            "so that no decimals are lost, an ADC unit is 0.001 mV",
        ),
    ),
    _csv(
        "Polar's",
        "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n"
        "2023-01-01T10:00:00.000;599616000000000000;0.000000;50\n2023-01-01T10:00:00.008;599616000007692307;7.692307;-50\n"
        "2023-01-01T10:00:00.016;599616000015384614;15.384614;50\n2023-01-01T10:00:00.024;599616000023076921;23.076921;-50\n",
        lead("ecg", [50, -50, 50, -50], 1000),
        rate=130,
        date="2023-01-01T10:00:00",
        notes=(
            _clock("Phone timestamp"),
            _clock("sensor timestamp [ns]", "; its sampling rate is 130 Hz"),
            _clock("timestamp [ms]"),
        ),
    ),
    _csv(
        "Shimmer's",
        "sep=\t\nTimestamp\tECG_LL-RA\nms\tmV\n0\t0.5\n2\t-0.5\n4\t0.25\n",
        lead("ECG_LL-RA", [50, -50, 25], 100),
        rate=500,
        notes=(
            _clock("Timestamp [ms]", "; its sampling rate is 500 Hz"),
            "so that no decimals are lost, an ADC unit is 0.01 mV",
        ),
    ),
    *(
        _csv(
            f"times such as {times[0]}",
            _timed("Time,I,II", times),
            _I,
            _II,
            notes=(_clock("Time", "; it is too coarse for a sampling rate"),),
        )
        for times in (["10:00", "10:01", "10:02", "10:03"], ["10:00:00", "10:00:01", "10:00:02", "10:00:03"])
    ),
    _csv(
        "a time of day over midnight",
        "Time,I\n23:59:59.996,5\n00:00:00.000,-5\n00:00:00.004,5\n",
        lead("I", [5, -5, 5]),
        rate=250,
        notes=(_clock("Time", "; its sampling rate is 250 Hz"),),
    ),
    # Units and other signals
    _csv(
        "units in the names",
        "I (mV),II/mV,V1_uV,V2 (chest)\n0.5,1,20,3\n-0.5,2,-20,4\n",
        lead("I", [5, -5], 10),
        lead("II", [10, 20], 10),
        lead("V1", [20, -20], 1000),
        lead("V2 (chest)", [3, 4]),
        notes=(
            "read as leads, although their names are unknown: V2 (chest)",
            "so that no decimals are lost, an ADC unit is 0.1 mV",
        ),
    ),
    _csv(
        "a line of units",
        "time,I,II\n(s),(mV),(mV)\n0,0.5,1\n0.002,-0.5,2\n0.004,0.25,3\n",
        lead("I", [50, -50, 25], 100),
        lead("II", [100, 200, 300], 100),
        rate=500,
        notes=(
            _clock("time [s]", "; its sampling rate is 500 Hz"),
            "so that no decimals are lost, an ADC unit is 0.01 mV",
        ),
    ),
    _csv(
        "more decimals than those of a nanovolt",
        "I [uV]\n0.00051\n12.5\n-3.25\n",
        lead("I", [1, 12500, -3250], 1_000_000),
        notes=("so that no decimals are lost, an ADC unit is 0.001 uV", "I: is rounded to nanovolts"),
    ),
    _csv(
        "a signal far below a nanovolt",
        "I [V]\n0.0000000001\n0.0000000002\n",
        refusal="I: the scale leaves nothing of the signal, because all samples would be equal: "
        "give another scale, or the unit",
    ),
    _csv("fractions of an unknown unit", "ECG\n0.1\n-0.1\n", refusal=f"ECG: {_FRACTIONS}"),
    _csv(
        "ECG, respiration and skin conductance",
        "ECG,RSP,EDA\n1,2,4\n-1,3,5\n",
        lead("ECG", [1, -1]),
        notes=("left out, because they are not ECG leads: RSP, EDA",),
    ),
    _csv(
        "numbers of an ADC, and a given unit",
        "I [adu],II\n1,2\n-1,3\n",
        lead("I", [1, -1]),
        lead("II", [2, 3], 1),
        unit="mV",
        notes=("the given unit is not used, because the file states its own: I",),
    ),
    _csv(
        "a pressure that is chosen, and a given unit",
        "ABP [mmHg],II\n80,2\n81,3\n",
        lead("ABP", [80, 81]),
        unit="mV",
        wanted=("ABP",),
        notes=(
            "the given unit is not used, because the file states its own: ABP",
            "ABP: its unit is not a unit of voltage, so its gain is left out",
        ),
    ),
    _csv("a column that is chosen", "ECG,RSP,EDA\n1,2,4\n-1,3,5\n", lead("EDA", [4, 5]), wanted=("EDA",)),
    _csv(
        "a heart rate in its unit",
        "V1,rate (bpm)\n1,60\n-1,61\n",
        lead("V1", [1, -1]),
        notes=("left out, because they are not ECG leads: rate",),
    ),
    _csv(
        "an ECG as NeuroKit writes it",
        "ECG_Raw,ECG_Clean,ECG_Rate,ECG_Quality,ECG_R_Peaks,ECG_Phase_Atrial\n1,2,70,1,0,1\n-1,3,71,1,1,0\n",
        lead("ECG_Raw", [1, -1]),
        lead("ECG_Clean", [2, 3]),
        notes=("left out, because they are not ECG leads: ECG_Rate, ECG_Quality, ECG_R_Peaks, ECG_Phase_Atrial",),
    ),
    _csv(
        "labels of beats and a heart rate beside a signal",
        "signal,label,Heart Rate\n5,0,70\n-5,1,71\n",
        lead("signal", [5, -5]),
        notes=("left out, because they are not ECG leads: label, Heart Rate",),
    ),
    # Preambles
    _csv(
        "Apple Watch",
        _APPLE,
        lead("Lead I", [50615, -50615, 50500, -50615], 1_000_000),
        rate=512,
        date="2020-01-01T10:00:00+01:00",
        notes=("so that no decimals are lost, an ADC unit is 0.001 \u00b5V",),
    ),
    _csv(
        "Apple Watch in German",
        _GERMAN_APPLE,
        lead("Ableitung I", [50615, -50615, 50500, -7000], 1_000_000),
        rate=512.5,
        date="2020-01-01T10:00:00+01:00",
        notes=("so that no decimals are lost, an ADC unit is 0.001 \u00b5V",),
    ),
    _csv(
        "Apple Watch of somebody with the name of a unit",
        _APPLE.replace("Name,Somebody", "Name,V"),
        lead("Lead I", [50615, -50615, 50500, -50615], 1_000_000),
        rate=512,
        date="2020-01-01T10:00:00+01:00",
        notes=("so that no decimals are lost, an ADC unit is 0.001 \u00b5V",),
    ),
    _csv(
        "OpenSignals with its version",
        _OPEN_SIGNALS.replace("Format\n", "Format. Version 1\n"),
        lead("A1", [512, 520, 500]),
        file="x.txt",
        rate=1000,
        date="2020-01-02T10:00:00.500000",
        notes=("left out, because they are not ECG leads: A2",),
    ),
    _csv(
        "OpenSignals",
        _OPEN_SIGNALS,
        lead("A1", [512, 520, 500]),
        file="x.txt",
        rate=1000,
        date="2020-01-02T10:00:00.500000",
        notes=("left out, because they are not ECG leads: A2",),
    ),
    _csv(
        "OpenSignals without a header's end",
        _OPEN_SIGNALS.replace("# EndOfHeader\n", ""),
        refusal="line 2: the OpenSignals header must describe a device, and end with # EndOfHeader",
    ),
    # Refusals by line and column
    _csv("a word", "I,II\n1,2\n3,secret\n", refusal="line 3, column 2: must be a number"),
    _csv(
        "a word after comments", "# one\n\nI,II\n1,2\n# two\n3,secret\n", refusal="line 6, column 2: must be a number"
    ),
    _csv("only words", "I\nsecret\n", refusal="line 2, column 1: must be a number"),
    _csv(
        "a word for a missing value",
        "I,II\n1,2\n3,N/A\n",
        refusal="line 3, column 2: must be a number: write nan where a sample is missing",
    ),
    _csv("an empty cell", "I,II\n1,2\n3,\n", refusal="line 3, column 2: is empty: write nan where a sample is missing"),
    _csv("a short line", "I,II\n1,2\n3\n", refusal="line 3: has 1 columns, and those before have 2"),
    _csv(
        "text before the names",
        "Export of somebody\nmade today\nI,II\n1,2\n",
        refusal="line 2: holds text where numbers are expected, after one line of names: "
        "remove the lines above the names",
    ),
    _csv("names only", "I,II\n", refusal="has no samples"),
    _csv("an empty file", "", refusal="has no samples"),
    _csv("a lead without a name", " ,II\n1,2\n", refusal="leads[0].name: must be 1 to 128 printable characters"),
    Case("bytes that are not text", {"x.csv": b"I\n\0\1\2"}, refusal="is not text"),
    _csv("an export of ecg show", _EXPORTED, *_EXPORTED_LEADS, rate=360.1, date="2020-01-01T10:00:00"),
    _csv(
        "a lead of an export of ecg show, whatever the unit",
        _EXPORTED.replace("\n", "\r\n"),
        _EXPORTED_LEADS[0],
        rate=360.1,
        date="2020-01-01T10:00:00",
        unit="mV",
        wanted=("time [s]",),
        notes=('the given unit is not used, because the file states its own: time [s], resp, "x"',),
    ),
    _csv(
        "an export of ecg show with integers of 64 bits",
        '# ECG in ADC units: {"leads":[{"name":"I","number_of_samples":2}]}\n'
        "I\n9223372036854775807\n-9223372036854775808\n",
        lead("I", [2**63 - 1, -(2**63)]),
    ),
    _csv(
        "an export of ecg show with integers beyond 2^53 and missing samples",
        '# ECG in ADC units: {"leads":[{"name":"I","number_of_samples":2},{"name":"II","number_of_samples":3}]}\n'
        "I,II\n9007199254740993,-9007199254740993\nnan,nan\nnan,5\n",
        lead("I", [2**53 + 1, 0], None, ((1, 1),)),
        lead("II", [-(2**53) - 1, 0, 5], None, ((1, 1),)),
    ),
    _csv(
        "an export of ecg show whose end is missing",
        _EXPORTED.removesuffix("5,nan\n"),
        refusal="line 1: announces 4 lines of samples, and the table has 3",
    ),
    _csv(
        "an export of ecg show without a column",
        _EXPORTED.replace(",7", "").replace(",-7", "").replace("5,nan", "5"),
        refusal="line 1: describes 2 leads, and the table has 1 of numbers",
    ),
    _csv(
        "an export of ecg show with a lead that is too long",
        _EXPORTED.replace("5,nan", "5,7"),
        refusal='resp, "x": has more samples than the 3 that line 1 announces',
    ),
    _csv(
        "an export of ecg show with a broken first line",
        _EXPORTED.replace('"number_of_samples":4,', ""),
        refusal="line 1: must describe the leads as `ecg show --csv` writes it",
    ),
]
