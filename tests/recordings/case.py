"""A recording in a layout that people use, and the right reading of it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ExpectedLead:
    """A lead: its samples in ADC units about zero, its ADC gain, and the ranges of its missing samples."""

    name: str
    signal: tuple[int, ...]
    adc_gain: float | None = None
    missing: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Case:
    """Files by name, the main file first, and the expected ECG or refusal.

    `refusal` is the whole message. `page` is the page's refusal of a file that only the command reads.
    """

    name: str
    files: dict[str, bytes]
    leads: tuple[ExpectedLead, ...] = ()
    rate: float | None = None
    date: str | None = None
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    page: str | None = None
    unit: str = ""
    wanted: tuple[str, ...] = field(default=())

    @property
    def main(self) -> str:
        """The name of the recording's main file."""
        return next(iter(self.files))


def lead(
    name: str, signal: list[int], adc_gain: float | None = None, missing: tuple[tuple[int, int], ...] = ()
) -> ExpectedLead:
    """Return an expected lead."""
    return ExpectedLead(name, tuple(signal), adc_gain, missing)
