"""Queueing theory against published values and other ways to get there, the driver against it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from engines.errors import InputError
from lab.measure.queueing import QUEUES, md1_mean, md1_within, mm1_mean, mm1_within
from lab.measure.simulated import LOADS, against_theory, repetitions

SERVED = 1.0  # the unit of time is a mean service


# -- published values -----------------------------------------------------------------------------


def test_the_worked_example_of_the_r_package_queueing():
    """M/M/1 with lambda 1/4 and mu 1/3, example 10.3 of Rios Insua and others (2004) there.

    They spend 1 / (mu - lambda) = 12 in the system, four services of 3.
    """
    assert mm1_mean((1 / 4) / (1 / 3)) * 3 == pytest.approx(12)


def test_constant_service_waits_half_as_long_as_exponential_service():
    """Pollaczek and Khinchine's formula, as every textbook says it (Kleinrock I, 5.6)."""
    for load in (0.1, 0.5, 0.9):
        assert md1_mean(load) - 1 == pytest.approx((mm1_mean(load) - 1) / 2)


def test_the_wait_up_to_one_service_is_erlangs():
    """Erlang (1909): a wait of up to one service has the share (1 - load) exp(load t)."""
    for load in (0.2, 0.5, 0.8):
        assert md1_within(load, 1.0) == pytest.approx(1 - load)
        for wait in (0.25, 0.5, 0.999):
            assert md1_within(load, 1 + wait) == pytest.approx((1 - load) * math.exp(load * wait))


def test_the_known_number_of_those_who_find_at_most_one():
    """M/D/1: p0 = 1 - load and p1 = (1 - load)(exp(load) - 1) (Gross and Harris, section 5.1).

    Who waits up to one service found at most one in the system: p0 + p1 = (1 - load) exp(load).
    """
    for load in (0.3, 0.7):
        found = (1 - load) + (1 - load) * (math.exp(load) - 1)
        assert md1_within(load, 2.0) == pytest.approx(found)


# -- other ways to get there ----------------------------------------------------------------------


def lindley(due: list[float], service: list[float]) -> list[float]:
    """Return response times by Lindley's recursion (1952), in plain Python."""
    responses, free = [], 0.0
    for arrival, needed in zip(due, service, strict=True):
        free = max(arrival, free) + needed
        responses.append(free - arrival)
    return responses


@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
def test_the_wait_for_constant_service_is_beneshs_sum(load):
    """A wait is a sum of N uniform parts of a service, N geometric (Benes 1957), here exactly.

    The sum of n uniform variates is within t with the Irwin-Hall probability.
    """
    for wait in (0.5, 1.0, 2.5, 4.0):
        exact = Fraction(0)
        for n in range(80):
            within = Fraction(1) if n == 0 else irwin_hall(n, Fraction(wait))
            exact += (1 - Fraction(load)) * Fraction(load) ** n * within
        assert md1_within(load, 1 + wait) == pytest.approx(float(exact), rel=1e-5, abs=1e-5)


def irwin_hall(n: int, t: Fraction) -> Fraction:
    """Return the chance that n uniform variates add up to at most t."""
    total = Fraction(0)
    for k in range(min(n, math.floor(t)) + 1):
        total += (-1) ** k * math.comb(n, k) * (t - k) ** n
    return total / math.factorial(n)


@pytest.mark.parametrize("name", QUEUES)
def test_a_quantile_is_where_the_share_is(name):
    queue = QUEUES[name]
    for load in (0.2, 0.6, 0.95):
        times = [queue.quantile(load, percent) for percent in (50, 90, 99, 99.9)]
        assert times == sorted(times) and times[0] >= (SERVED if name == "M/D/1" else 0)
        for percent, time in zip((50, 90, 99, 99.9), times, strict=True):
            if time > SERVED:  # a command that found nobody takes exactly a service
                assert queue.within(load, time) == pytest.approx(percent / 100, abs=1e-9)


@pytest.mark.parametrize("name", QUEUES)
def test_the_mean_is_that_of_the_distribution(name):
    """The mean is the integral of the share of those who take longer."""
    queue, step = QUEUES[name], 0.02
    for load in (0.3, 0.7):
        longer = [1 - queue.within(load, step * (k + 0.5)) for k in range(int(60 / step))]
        assert step * sum(longer) == pytest.approx(queue.mean(load), rel=2e-3)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_lindleys_recursion_agrees_with_both(load):
    chance = np.random.default_rng(7)
    count = 200_000
    due = np.cumsum(chance.exponential(1 / load, count)).tolist()
    services = {"M/M/1": chance.exponential(1.0, count).tolist(), "M/D/1": [1.0] * count}
    for name, service in services.items():
        responses = lindley(due, service)
        queue = QUEUES[name]
        assert np.mean(responses) == pytest.approx(queue.mean(load), rel=0.05)
        for percent in (50, 90, 99):
            measured = float(np.quantile(responses, percent / 100))
            assert measured == pytest.approx(queue.quantile(load, percent), rel=0.06)


def test_the_sum_keeps_its_digits_where_the_wait_is_long():
    """In floats, terms of 1e20 with both signs would leave nothing right of the result."""
    shares = [md1_within(0.95, 1 + wait) for wait in range(60, 100)]
    assert shares == sorted(shares) and 0.99 < shares[0] < shares[-1] < 1
    # far out the tail is exponential, so its logarithm is a line
    slopes = np.diff(np.log(1 - np.array(shares)))
    assert np.ptp(slopes) < 1e-6


@pytest.mark.parametrize("load", [0.0, 1.0, -0.5, 1.2])
@pytest.mark.parametrize("function", [mm1_mean, md1_mean])
def test_a_server_that_is_never_or_always_busy_is_refused(function, load):
    with pytest.raises(InputError, match=r"has no steady state; choose one between 0 and 1$"):
        function(load)
    with pytest.raises(InputError, match="no steady state"):
        mm1_within(load, 1.0)


# -- the driver -----------------------------------------------------------------------------------


def test_the_driver_agrees_with_theory_on_the_virtual_clock():
    checked = against_theory(repetitions(real_time=False, seed=1))
    assert len(checked) == 2 * len(LOADS) * 4
    assert {item.clock for item in checked} == {"virtual"} and all(i.inside for i in checked)
    for item in checked:
        assert item.relative_error is not None and abs(item.relative_error) < 0.02
        assert item.low_ns < item.measured_ns < item.high_ns
        assert item.disturbed == 0


def test_a_server_that_is_slower_than_told_is_found(monkeypatch):
    """A tenth of a microsecond in twenty: a half per cent."""
    from lab.measure import simulated as module

    honest = module.simulated
    monkeypatch.setattr(module, "simulated", lambda service, *rest: honest(service + 100, *rest))
    checked = against_theory(repetitions(real_time=False, seed=1, loads=(0.8,)))
    wrong = [item for item in checked if not item.inside]
    assert {"M/D/1"} <= {item.system for item in wrong}
    assert all(item.relative_error > 0 for item in wrong)


def test_in_real_time_a_disturbed_machine_says_nothing(monkeypatch):
    from lab.measure import simulated as module

    monkeypatch.setattr(module, "_DISTURBED_MOST", -1.0)  # everything disturbs
    checked = against_theory(repetitions(real_time=True, seconds=0.02, loads=(0.6,)))
    assert [item.inside for item in checked] == [None] * 8
    assert all(item.measured_ns is None and item.disturbed > 0 for item in checked)


def test_in_real_time_the_server_takes_its_time(monkeypatch):
    """However busy this machine is: nothing is left out here, and nothing is shorter than asked."""
    from lab.measure import simulated as module

    monkeypatch.setattr(module, "_DISTURBED_MOST", math.inf)
    checked = against_theory(repetitions(real_time=True, seconds=0.8, loads=(0.6,)))
    assert {item.clock for item in checked} == {"real time"}
    shortest = {item.system: item.measured_ns for item in checked if item.statistic == "p50"}
    assert shortest["M/D/1"] >= 20_000
    assert all(item.repetitions >= 10 for item in checked)
