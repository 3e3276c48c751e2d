"""Pictures of the records where insights err most."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from validation.matching import Indices, Score
from validation.records import Record

_SECONDS = 10.0
# The same picture from the same data: no dates, no random names.
mpl.rcParams["svg.hashsalt"] = "validation"


def draw(record: Record, beats: Indices, score: Score, path: Path) -> None:
    """Draw the ten seconds with the most errors: missed beats, wrong ones, and those that were found."""
    errors = np.sort(np.array(score.wrong + score.missed, np.int64))
    width = int(_SECONDS * record.rate)
    counts = np.searchsorted(errors, errors + width) - np.arange(errors.size)
    start = max(0, int(errors[counts.argmax()] - 0.5 * record.rate)) if errors.size else 0
    window = slice(start, start + width)
    figure = Figure(figsize=(10, 1.3 + 1.3 * len(record.leads)), layout="constrained")
    axes = figure.subplots(len(record.leads), sharex=True, squeeze=False)[:, 0]
    time = np.arange(start, start + record.leads[0].signal[window].size) / record.rate
    for axis, lead in zip(axes, record.leads, strict=True):
        axis.plot(time, lead.signal[window] / (lead.adc_gain or 1.0), linewidth=0.6, color="black")
        axis.set_ylabel(f"{lead.name} (mV)")
        for marks, colour, style in (
            (beats, "tab:green", ":"),
            (score.wrong, "tab:red", "-"),
            (score.missed, "tab:blue", "-"),
        ):
            for mark in marks:
                if start <= mark < start + width:
                    axis.axvline(mark / record.rate, color=colour, linestyle=style, linewidth=0.9)
    axes[0].set_title(
        f"{record.name}: found (green), wrong (red: {len(score.wrong)}), missed (blue: {len(score.missed)})", fontsize=9
    )
    axes[-1].set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
