"""The matching, the variants and the targets of the validation, on beats and records that are known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from shared.ecg import Lead
from stream_agents.insights.intervals import Intervals
from tests.support.heartbeats import NAMES, digitised, regular, signals
from validation import measure, records, report
from validation.hand_counts import HEART_RATES
from validation.matching import Score, flutter, match
from validation.measure import OURS, OURS_LIVE, Detection, Measured, Swaps
from validation.records import Record

RATE = 360.0


def beats(*samples: int) -> np.ndarray:
    return np.array(samples, np.int64)


def record(name: str = "synthetic", seconds: float = 40.0) -> Record:
    onsets = regular(0.8, seconds)
    rows = digitised(signals(onsets, RATE, seconds)[:2])
    leads = tuple(Lead(lead, row, 1000.0) for lead, row in zip(NAMES, rows, strict=False))
    return Record(name, leads, RATE, np.rint((onsets + 0.045) * RATE).astype(np.int64))


def quiet(_: str) -> None:
    pass


def test_beats_match_within_150_ms_one_to_one_the_nearest_first() -> None:
    # Two detections near one beat: one is wrong. 54 samples are 150 ms.
    score = match(beats(100, 1000, 2000), beats(90, 105, 1054, 2055), RATE)
    assert (score.found, score.wrong, score.missed) == (2, [90, 2055], [2000])
    assert score.sensitivity == pytest.approx(200 / 3)
    assert score.predictivity == 50
    assert score.f1 == pytest.approx(400 / 7)


def test_episodes_of_flutter_do_not_count() -> None:
    episodes = flutter(beats(50, 500, 700, 900), ["N", "[", "!", "]"])
    assert episodes == [(500, 900)]
    score = match(beats(50, 600), beats(52, 800, 1000), RATE, episodes)
    assert (score.found, score.wrong, score.missed) == (1, [1000], [])


def test_scores_add_up() -> None:
    total = match(beats(100), beats(100), RATE) + match(beats(100), beats(), RATE)
    assert (total.found, total.missed, total.sensitivity) == (1, [100], 50.0)


def test_beats_keep_their_place_at_another_rate() -> None:
    found = measure.variants([record()], quiet)
    assert found.keys() >= {"as recorded", "upside down", "125 Hz", "1000 Hz", "other leads off by turns"}
    assert {(score.found, len(score.missed), len(score.wrong)) for score in found.values()} == {(49, 0, 0)}


def test_a_library_is_given_the_first_lead_in_millivolts() -> None:
    given: list[np.ndarray] = []

    def library(signal: np.ndarray, rate: float) -> np.ndarray:
        assert rate == RATE
        given.append(signal)
        return record().beats[1:]

    found = measure.detect([record()], {"library": library}, quiet)
    assert np.ptp(given[0]) == pytest.approx(np.ptp(record().leads[0].signal) / 1000)
    assert len(found["library"].total.missed) == 1
    assert found[OURS].total.f1 == found[OURS_LIVE].total.f1 == 100


def test_swapped_arms_turn_lead_i_and_exchange_the_others() -> None:
    leads = tuple(Lead(name, np.full(3, number), 1000.0) for number, name in enumerate(NAMES, 1))
    by_name = {lead.name: int(lead.signal[0]) for lead in measure.swapped(leads)}
    assert [by_name[name] for name in NAMES] == [-1, 3, 2, 5, 4, *range(6, 13)]


def test_records_of_cpsc2019_are_read(tmp_path: Path) -> None:
    for name in ("data", "ref"):
        (tmp_path / name).mkdir()
    savemat(tmp_path / "data" / "data_00001.mat", {"ecg": np.array([[0.5], [-0.25]])})
    savemat(tmp_path / "ref" / "R_00001.mat", {"R_peak": np.array([[900], [400]], np.uint16)})
    [found] = records.cpsc2019(tmp_path)
    assert (found.name, found.rate, found.beats.tolist()) == ("00001", 500.0, [400, 900])
    assert found.leads[0].signal.tolist() == [500, -250]
    assert found.leads[0].adc_gain == 1000


def detected(**scores: tuple[int, int, int]) -> Detection:
    return Detection({name: Score(of[0], [0] * of[1], [0] * of[2]) for name, of in scores.items()})


def test_targets_say_where_the_errors_are_if_they_are_missed() -> None:
    found = {OURS: detected(a=(90, 0, 10), b=(100, 0, 0)), "library": detected(a=(100, 0, 0), b=(0, 0, 100))}
    f1, sensitivity, predictivity = report.detection_targets("set", found, 99.8)
    assert (f1.met, sensitivity.met, predictivity.met) == (True, False, True)
    assert sensitivity.reached == "95.00"
    assert sensitivity.why.startswith("most errors are in a (10 missed, 0 wrong)")
    [judged] = report.detection_targets("set", found, None, {"a"})
    assert not judged.met
    assert judged.target == "at least 100.00 (library)"


def test_a_change_that_should_not_matter_is_shown() -> None:
    same = report.variant_target("set", {"as recorded": Score(1000), "gain x7": Score(1000)})
    other = report.variant_target("set", {"as recorded": Score(1000), "125 Hz": Score(990, missed=[0] * 10)})
    assert (same.met, other.met) == (True, False)
    assert other.reached == "1.00 at most (125 Hz)"


def measured(name: str, error: float | None) -> Measured:
    absent = {} if error is not None else dict.fromkeys(("pr_ms", "qrs_ms", "qt_ms"), "no P wave")
    value = None if error is None else 100 + error
    ours = Intervals(
        alike_beats=9,
        **{f"{wave}_ms": value for wave in measure.INTERVALS},
        **{f"{wave}_spread_ms": 3.0 for wave in measure.INTERVALS},
        absent=absent,
    )
    return Measured(name, dict.fromkeys(measure.INTERVALS, 100.0), ours, {"qrs": 150.0})


def test_intervals_without_an_answer_are_counted_by_their_reason() -> None:
    found = [measured("1", 2.0), measured("2", -2.0), measured("3", None)]
    rows = report.interval_targets(found)
    errors, unanswered = rows[0], rows[1]
    assert (errors.reached, errors.met) == ("2.0 and 2.0", True)
    assert (unanswered.reached, unanswered.met, unanswered.why) == ("33.3 %", False, "1 no P wave")
    assert "| QRS | neurokit2, lead II | 3 | 0 | +50.0 |" in report.intervals(found)


def test_swaps_without_an_answer_are_not_found() -> None:
    seen, false = report.swap_targets("set", Swaps(alarms=["1"], overlooked=["2"], untold=["3"], records=20))
    assert (seen.reached, seen.met, seen.why) == ("90.0 %", False, "1 overlooked, 1 without an answer")
    assert (false.reached, false.met, false.why) == ("5.0 %", False, "1")


def test_heart_rates_are_compared_with_those_counted_by_hand() -> None:
    assert len(HEART_RATES) == 10
    assert all(40 < rate < 90 for rate in HEART_RATES.values())
    found = measure.rates([record("counted", 20), record("other")], {"counted": 75.0}, quiet)
    assert found["counted"][1] == pytest.approx(75, abs=0.5)
    assert report.rate_target("set", found).met
    assert not report.rate_target("set", {"a": (60.0, 63.0)}).met
    assert not report.rate_target("set", {"a": (60.0, None)}).met


def test_the_page_begins_with_all_targets() -> None:
    page = report.Page(targets=[report.not_measured("CPSC2019: F1", "cpsc2019")], parts=["## A part"])
    page.swaps["set"] = Swaps(records=1)
    text = page.text()
    assert "| CPSC2019: F1 |  | not measured | **no** | the folder has no `cpsc2019/` |" in text
    assert text.index("## Targets") < text.index("## A part") < text.index("## Swapped arms")
