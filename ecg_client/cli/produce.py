"""`ecg produce`."""

from typing import Annotated

import typer

from ecg_client import kafka
from ecg_client.batch import Report, Ways, collect, send_all
from ecg_client.cli import options, output
from ecg_client.cli.submit import run_batch
from ecg_client.errors import ClientError, InvalidEcg
from shared import errors
from shared.ecg import check_username


def produce(  # noqa: PLR0917 - a command's parameters are its options
    files: options.Files,
    username: Annotated[
        str, typer.Option("--as", metavar="USERNAME", show_default=False, help="The user who will own the ECGs.")
    ],
    bootstrap_servers: options.Kafka = None,
    packed: Annotated[
        bool, typer.Option("--packed", help="Produce the packed encoding, about half the size of JSON.")
    ] = False,
    concurrency: options.Concurrency = 4,
    baseline: options.Baseline = 0,
    scale: options.Scale = None,
    sampling_rate: options.SamplingRate = None,
    adc_gain: options.AdcGain = None,
    unit: options.Unit = "",
    leads: options.Leads = "",
    label: options.Label = True,
    as_recording: options.AsRecording = False,
    json: options.Json = False,
) -> None:
    """Produce recordings straight onto Kafka, as a device would.

    Needs access to Kafka. An ECG's id is printed once all replicas in sync have
    the ECG (acks=all). The id is derived from user, file name and content: to
    resume an interrupted batch, run the same command again. Directories are
    searched as `ecg submit` does, and a file that is too large for one message
    goes in chunks.

    Examples:
      ecg produce --as st-marys recordings/*.hea
      ecg produce --as st-marys --packed --json night.edf
    """
    try:
        check_username(username)
    except errors.InvalidEcg as error:
        raise InvalidEcg(str(error), error.field) from None
    used = kafka.settings(bootstrap_servers)
    chosen = collect(files)
    calibration = options.calibration(baseline, scale, sampling_rate, adc_gain, unit, leads)

    async def run(report: Report) -> ClientError | None:
        async with kafka.producer(used) as producer:
            given = (producer, used, username, packed, output.OutageNotice())
            ways = Ways(kafka.producing(*given), kafka.producing_long(*given), as_recording)
            return await send_all(chosen, calibration, ways, report, concurrency=concurrency, label=label)

    run_batch(run, chosen, json)
