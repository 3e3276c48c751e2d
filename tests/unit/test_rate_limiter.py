"""Rate limits: the calls that pass, the time to wait, and the memory used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.users.rate_limiter import RateLimiter, network
from tests.support.clock import Clock


def test_a_minutes_worth_passes_at_once_and_then_one_at_a_time() -> None:
    clock = Clock()
    limiter = RateLimiter(6, 10, clock)
    for _ in range(6):
        assert limiter.wait("a") == 0
        limiter.use("a")
    assert limiter.wait("a") == pytest.approx(10)
    assert limiter.wait("b") == 0
    clock.now += 9.5
    assert limiter.wait("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert limiter.wait("a") == 0
    limiter.use("a")
    assert limiter.wait("a") == pytest.approx(10)
    clock.now += 3600
    for _ in range(6):
        assert limiter.wait("a") == 0
        limiter.use("a")
    assert limiter.wait("a") == pytest.approx(10)


def test_an_overdraft_lengthens_the_wait() -> None:
    clock = Clock()
    limiter = RateLimiter(600, 10, clock)
    limiter.use("a", 599)
    assert limiter.wait("a") == 0
    limiter.use("a", 1200)
    assert limiter.wait("a") == pytest.approx(120)
    limiter.use("a", -1200)
    assert limiter.wait("a") == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=100), st.integers(1, 50))
def test_no_minute_lets_more_pass_than_two_buckets_and_the_last_one_over(
    calls: list[tuple[float, int]], limit: int
) -> None:
    clock = Clock()
    limiter = RateLimiter(limit, 10, clock)
    passed: list[tuple[float, int]] = []
    for pause, units in calls:
        clock.now += pause
        if limiter.wait("a") == 0:
            limiter.use("a", units)
            passed.append((clock.now, units))
    for begin, _ in passed:
        within = [units for at, units in passed if begin <= at < begin + 60]
        assert sum(within) <= 2 * limit + max(within)


def test_without_a_limit_everything_passes_and_nothing_is_remembered() -> None:
    limiter = RateLimiter(0, 10)
    limiter.use("a", 1e9)
    assert limiter.wait("a") == 0
    assert len(limiter) == 0


def test_memory_is_bounded_and_those_in_use_are_remembered() -> None:
    limiter = RateLimiter(1, 100, Clock())
    for number in range(10_000):
        limiter.use("busy")
        limiter.use(str(number))
    assert len(limiter) == 100
    assert limiter.wait("busy") > 0
    assert limiter.wait("0") == 0


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
        ("x" * 10_000, "x" * 64),
    ],
)
def test_an_address_counts_for_its_network(host: str, counted_as: str) -> None:
    assert network(host) == counted_as
