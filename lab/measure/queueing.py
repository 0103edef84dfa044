"""What queueing theory says of one server: M/M/1 and M/D/1, their means and their percentiles.

Commands come at random (M: Poisson) and are served in the order in which they came, in a time that
is exponential (M) or always the same (D). *Load* is the share of the time that the server is busy,
below 1. All times are response times: from coming to the answer.

M/M/1   The response time is exponential with rate (1 - load) / service (Kleinrock, Queueing Systems
        I, 1975, section 3.2 and 5.12).
M/D/1   The mean is Pollaczek's and Khinchine's. The wait's distribution is Erlang's of 1909 in the
        form that Crommelin gave it in 1932.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext

from engines.errors import InputError

_STEPS = 60  # of a bisection: more than a double has bits
_DIGITS = 30


@dataclass(frozen=True)
class Queue:
    """One model.

    Attributes
    ----------
    name
        As Kendall wrote it.
    mean
        ``mean(load)``: the mean response time, in service times.
    within
        ``within(load, time)``: the share of response times up to a time, in mean service times.
    """

    name: str
    mean: Callable[[float], float]
    within: Callable[[float, float], float]

    def quantile(self, load: float, percent: float) -> float:
        """Return the time, in mean service times, that ``percent`` of all responses do not exceed.

        >>> round(QUEUES["M/M/1"].quantile(0.5, 50), 4)
        1.3863
        """
        _check(load)
        share, low, high = percent / 100, 0.0, 1.0
        while self.within(load, high) < share:
            low, high = high, 2 * high
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.within(load, middle) < share else (low, middle)
        return high


def mm1_mean(load: float) -> float:
    """Return the mean response time where service is exponential, in mean service times.

    >>> round(mm1_mean(0.8), 9)
    5.0
    """
    _check(load)
    return 1 / (1 - load)


def mm1_within(load: float, time: float) -> float:
    """Return the share of response times up to ``time`` where service is exponential."""
    _check(load)
    return -math.expm1(-(1 - load) * max(time, 0.0))


def md1_mean(load: float) -> float:
    """Return the mean response time where service always takes the same, in service times.

    >>> round(md1_mean(0.8), 9)
    3.0
    """
    _check(load)
    return 1 + load / (2 * (1 - load))


def md1_within(load: float, time: float) -> float:
    """Return the share of response times up to ``time`` where service always takes the same.

    Crommelin's sum has terms of both signs that are far larger than what is left of them, so it is
    taken with as many more digits as the time is long.
    """
    _check(load)
    wait = time - 1
    if wait < 0:
        return 0.0
    with localcontext() as context:
        context.prec = _DIGITS + int(wait)
        rho, exact = Decimal(load), Decimal(wait)
        total, factorial = Decimal(0), Decimal(1)
        for k in range(int(wait) + 1):
            factorial *= max(k, 1)
            behind = rho * (k - exact)
            power = behind**k if k else Decimal(1)  # Decimal has no 0 to the 0
            total += power / factorial * (-behind).exp()
        return float((1 - rho) * total)


def _check(load: float) -> None:
    if not 0 < load < 1:
        raise InputError(f"a load of {load:g} has no steady state; choose one between 0 and 1")


QUEUES = {
    queue.name: queue
    for queue in (Queue("M/M/1", mm1_mean, mm1_within), Queue("M/D/1", md1_mean, md1_within))
}
