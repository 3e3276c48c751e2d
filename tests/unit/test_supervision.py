"""The restarts of a process that has ended."""

from local_stack.supervision import ATTEMPTS, RAN_WELL, Restarts

KILLED = -9


def test_the_pause_grows_up_to_half_a_minute_and_is_short_again_after_a_good_run() -> None:
    restarts = Restarts()
    assert [restarts.pause(1, KILLED) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert [restarts.pause(ran, KILLED) for ran in (RAN_WELL, 1)] == [1, 2]


def test_a_process_that_never_ran_well_and_ends_with_errors_cannot_start() -> None:
    restarts = Restarts()
    assert [restarts.pause(1, 1) for _ in range(ATTEMPTS)] == [1, 2, None]


def test_a_process_that_ran_well_once_can_start() -> None:
    restarts = Restarts()
    pauses = [restarts.pause(RAN_WELL, 1), *(restarts.pause(1, 1) for _ in range(2 * ATTEMPTS))]
    assert None not in pauses


def test_signals_and_exit_code_0_are_not_failures_to_start() -> None:
    restarts = Restarts()
    assert None not in [restarts.pause(1, code) for code in (1, 1, KILLED, 1, 1, 0, 1, 1)]
