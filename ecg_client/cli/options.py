"""Options that commands share; their values come from the option, the environment, or the stack that runs here."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ecg_client.cli import output
from ecg_client.client import DEFAULT_URL, AsyncEcgClient, EcgClient
from ecg_client.errors import InvalidEcg
from ecg_client.local import running_stack
from ecg_client.recordings import Calibration, UnreadableRecording
from shared import errors
from shared.ecg import check_adc_gain, check_sampling_rate

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE|DIRECTORY",
        show_default=False,
        help="Recordings: WFDB records by name, .hea or .dat; .edf, .bdf, .csv, .tsv, .txt, .npy, .npz, .json, .dcm, "
        ".xml, .scp, .ecg. WFDB, EDF, tables and JSON may be gzipped (.gz). "
        "A directory is all recordings in it and below.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="ECG_URL",
        show_default=False,
        help=f"The gateway; by default the stack that runs in ECG_DATA_DIR, or {DEFAULT_URL}.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="ECG_TOKEN",
        show_default=False,
        help="Your token. Other users of this machine can see options: prefer the variable.",
    ),
]
AdminToken = Annotated[
    str | None,
    typer.Option(
        "--admin-token",
        envvar="ECG_ADMIN_TOKEN",
        show_default=False,
        help="The token that registers users; by default that of the stack that runs in ECG_DATA_DIR.",
    ),
]
Kafka = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        envvar="ECG_BOOTSTRAP_SERVERS",
        metavar="HOST:PORT,...",
        show_default=False,
        help="Kafka's addresses; by default those of the stack that runs in ECG_DATA_DIR, or 127.0.0.1:9092.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
RetryFor = Annotated[
    float,
    typer.Option("--retry-for", min=0, metavar="SECONDS", help="How long to retry while the gateway is unavailable."),
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long to wait for insights.")]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, max=64, help="How many files at a time.")]
Baseline = Annotated[
    float, typer.Option("--baseline", help="CSV and NumPy: the value of the isoelectric line, which is subtracted.")
]
Scale = Annotated[
    float | None,
    typer.Option(
        "--scale",
        show_default=False,
        help="CSV and NumPy: ADC units per unit, with rounding; 1000 turns millivolts into microvolts.",
    ),
]
Unit = Annotated[
    str,
    typer.Option(
        "--unit",
        metavar="UNIT",
        show_default=False,
        help="CSV and NumPy: the unit of numbers, if the file states none: mV, uV, nV or V. By default ADC units.",
    ),
]
Label = Annotated[
    bool,
    typer.Option("--label/--no-label", help="Label each ECG with its file's name, without folders."),
]
AsRecording = Annotated[
    bool,
    typer.Option(
        "--as-recording",
        help="Send every file in chunks, as a recording; by default only those that are too large for one message.",
    ),
]
Leads = Annotated[
    str,
    typer.Option(
        "--leads",
        metavar="NAME,...",
        show_default=False,
        help="The names of the channels or columns to read. By default all that may be leads of an ECG.",
    ),
]
SamplingRate = Annotated[
    float | None,
    typer.Option("--sampling-rate", metavar="HZ", show_default=False, help="In hertz, for files that do not state it."),
]
AdcGain = Annotated[
    float | None,
    typer.Option(
        "--adc-gain", metavar="UNITS", show_default=False, help="ADC units per mV, for files that do not state it."
    ),
]


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(text: str) -> int | None:
    """Parse a number of days, hours, minutes or seconds such as `90d` into seconds; None if it is not one."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


class Unconfigured(Exception):  # noqa: N818 - named for the state
    """A setting that a command needs is missing; the message says which."""


class Interrupted(Exception):  # noqa: N818 - named for the state
    """The user has interrupted a command; the message says what is done."""


def gateway(url: str | None) -> str:
    """Return the gateway's URL."""
    if url:
        return url
    stack = running_stack()
    return stack.url if stack else DEFAULT_URL


def admin(url: str | None, token: str | None) -> tuple[str, str]:
    """Return the gateway's URL and its admin token; a running stack's token is sent to that stack only.

    Raises:
        Unconfigured: if there is no admin token.
    """
    target = gateway(url)
    stack = running_stack()
    if not token and stack and stack.url == target:
        token = stack.admin_token
    if not token:
        raise Unconfigured(
            "the admin token is missing: set ECG_ADMIN_TOKEN, or ECG_DATA_DIR to that of a running stack"
        )
    return target, token


def user_token(token: str | None) -> str:
    """Return the user's token.

    Raises:
        Unconfigured: if it is not set.
    """
    if not token:
        raise Unconfigured("your token is missing: set ECG_TOKEN to what `ecg users add` printed")
    return token


def client(url: str | None, token: str | None, retry_for: float) -> EcgClient:
    """Return a client with the user's token, which says so when it waits for a gateway.

    Raises:
        Unconfigured: if the token is not set.
    """
    return EcgClient(gateway(url), user_token(token), retry_for=retry_for, on_outage=output.OutageNotice())


def async_client(url: str | None, token: str | None, retry_for: float) -> AsyncEcgClient:
    """Return the same for asyncio.

    Raises:
        Unconfigured: if the token is not set.
    """
    return AsyncEcgClient(gateway(url), user_token(token), retry_for=retry_for, on_outage=output.OutageNotice())


def admin_client(url: str) -> EcgClient:
    """Return a client without a token, for the administrator's calls."""
    return EcgClient(url, on_outage=output.OutageNotice())


def calibration(  # noqa: PLR0917 - options
    baseline: float, scale: float | None, sampling_rate: float | None, adc_gain: float | None, unit: str, leads: str
) -> Calibration:
    """Return the calibration that the options give for files that do not contain one.

    Raises:
        InvalidEcg: if the scale, baseline, unit, sampling rate or ADC gain is invalid.
    """
    names = tuple(name for each in leads.split(",") if (name := each.strip()))
    try:
        rate, gain = check_sampling_rate(sampling_rate), check_adc_gain(adc_gain, "adc_gain")
        given = Calibration(baseline, scale, rate, gain, unit, names)
        given.check()
    except errors.InvalidEcg as error:
        raise InvalidEcg(str(error), error.field) from None
    except UnreadableRecording as error:
        raise InvalidEcg(str(error), "body") from None
    return given
