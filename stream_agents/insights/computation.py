"""The computation of insights for one ECG: one that fails or does not fit leaves the others as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from shared.ecg import Ecg
from shared.messages.insights import Insights
from stream_agents.insights.contract import Insight
from stream_agents.insights.recording import Recording

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass
class Computed:
    """The results for one ECG.

    Attributes:
        names: of the leads.
        of_leads: for each insight, the results of the leads in their order, encoded as JSON.
        of_ecg: for each insight of the whole ECG, its result, encoded as JSON.
        not_computed: for each insight without a result, the reason.
        failures: for each insight that raised an error, the error's class.
        versions: for each insight that was to be computed, its version.
        summary: the measurements that lists and events show.
    """

    names: tuple[str, ...]
    of_leads: dict[str, list[bytes]] = field(default_factory=dict)
    of_ecg: dict[str, bytes] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def leads(self) -> list[dict[str, Any]]:
        """The leads with their names and results, to be encoded by orjson."""
        leads: list[dict[str, Any]] = [{"name": name} for name in self.names]
        for insight, results in self.of_leads.items():
            for lead, result in zip(leads, results, strict=True):
                lead[insight] = orjson.Fragment(result)
        return leads

    @property
    def ecg(self) -> msgspec.Raw | msgspec.UnsetType:
        """The results of the whole ECG as a JSON object, or UNSET if there are none."""
        if not self.of_ecg:
            return msgspec.UNSET
        return msgspec.Raw(orjson.dumps({name: orjson.Fragment(result) for name, result in self.of_ecg.items()}))

    def in_row(self, row: Insights) -> Insights:
        """Return a row with these results."""
        return msgspec.structs.replace(
            row,
            leads=self.leads,
            ecg=self.ecg,
            not_computed=self.not_computed,
            versions=self.versions,
            summary=self.summary,
        )

    @property
    def is_failure(self) -> bool:
        """True if insights failed, and none has a result."""
        return bool(self.failures) and not self.of_leads and not self.of_ecg

    def drop_largest(self, reason: str) -> bool:
        """Remove the largest result; False, without a change, if it is the only one."""
        sizes = {name: len(result) for name, result in self.of_ecg.items()}
        sizes |= {name: sum(map(len, results)) for name, results in self.of_leads.items()}
        if len(sizes) <= 1:
            return False
        largest = max(sizes, key=lambda name: sizes[name])
        self.of_ecg.pop(largest, None)
        self.of_leads.pop(largest, None)
        self.not_computed[largest] = reason
        return True


def compute_together(recordings: Sequence[Recording], insights: Iterable[Insight]) -> None:
    """Compute the insights that have `compute_many` for all recordings at once, and keep the results for `compute`.

    An insight that fails is left to `compute`, so that one recording cannot make it fail for the others.
    """
    for insight in insights:
        if insight.compute_many is None:
            continue
        try:
            pairs = list(zip(recordings, insight.compute_many(recordings), strict=True))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S112 - `compute` reports the failure
            continue
        for recording, result in pairs:
            recording.keep(insight.compute, result)


def compute(ecg: Ecg, insights: Iterable[Insight], recording: Recording | None = None) -> Computed:
    """Compute insights of an ECG. Without a sampling rate, insights that need one are left out without a reason.

    Args:
        ecg: the ECG.
        insights: the insights to compute.
        recording: the recording of the ECG, if results of it are known already.
    """
    recording = recording or Recording.of(ecg)
    computed = Computed(tuple(lead.name for lead in ecg.leads))
    for insight in insights:
        if insight.needs.sampling_rate and ecg.sampling_rate is None:
            continue
        computed.versions[insight.name] = insight.version
        if (unmet := insight.needs.unmet(recording)) is not None:
            computed.not_computed[insight.name] = f"needs {unmet}"
            continue
        try:
            _add(insight, recording, computed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a panic in Rust is not an Exception
            # The error's type is safe to name; its text may hold samples.
            computed.failures[insight.name] = type(error).__name__
            computed.not_computed[insight.name] = f"failed ({type(error).__name__})"
    return computed


def encoded(result: Any) -> bytes:
    """Encode a result as JSON: numbers, texts, lists and objects, structs, NumPy scalars and arrays.

    NaN and infinities become null.

    Raises:
        TypeError: if it holds anything else, or an integer beyond 64 bits.
    """
    return orjson.dumps(result, default=_plain, option=_OPTIONS)


def _add(insight: Insight, recording: Recording, computed: Computed) -> None:
    result = recording.once(insight.compute)
    if insight.scope == "ecg":
        summary = {name: value for name in insight.summary if (value := getattr(result, name)) is not None}
        computed.of_ecg[insight.name] = encoded(result)
    else:
        results = [encoded(of_lead) for _, of_lead in zip(recording.leads, result, strict=True)]
        summary = {f"{name}_leads": sum(getattr(of_lead, name) for of_lead in result) for name in insight.summary}
        computed.of_leads[insight.name] = results
    computed.summary |= summary


def _plain(value: object) -> Any:
    """Convert structs, and NumPy values that orjson does not accept, such as a strided array."""
    if isinstance(value, msgspec.Struct):
        return orjson.Fragment(_structs.encode(value))
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError


_structs: Final = msgspec.json.Encoder(enc_hook=_plain)
