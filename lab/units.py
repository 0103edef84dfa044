"""Numbers as a person reads them: 20 ns, 2.54 µs, 9.12 M; three digits at most.

Not for files: what is stored is a plain number with its unit in its name.
"""

from __future__ import annotations

import math

# Hours are for totals; nothing that is measured here takes longer.
_TIMES = ((1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s"))
_BYTES = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
_COUNTS = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))


def duration(ns: float) -> str:
    """Write a time.

    Parameters
    ----------
    ns
        Nanoseconds.

    Examples
    --------
    >>> duration(20), duration(2_540), duration(999.7), duration(3.2e9)
    ('20 ns', '2.54 µs', '1 µs', '3.2 s')
    """
    return _scaled(ns, _TIMES)


def amount(number: float) -> str:
    """Write a count or a rate with k, M or G.

    Parameters
    ----------
    number
        How many.

    Examples
    --------
    >>> amount(26_345), amount(9_120_000), amount(570)
    ('26.3 k', '9.12 M', '570')
    """
    return _scaled(number, _COUNTS)


def quantity(number: float, unit: str) -> str:
    """Write a measured number in the unit that a result gives it.

    Parameters
    ----------
    number
        The number.
    unit
        ``"ns"``, ``"per_second"``, ``"bytes_per_second"`` or ``"per_command"``, as a result says;
        any other is written behind the number.

    Examples
    --------
    >>> quantity(570, "ns"), quantity(9_120_000, "per_second"), quantity(0.25, "per_command")
    ('570 ns', '9.12 M/s', '0.25')
    >>> quantity(21.5e9, "bytes_per_second")
    '21.5 GB/s'
    """
    if unit == "ns":
        return duration(number)
    if unit == "per_second":
        return f"{amount(number)}/s"
    if unit == "bytes_per_second":
        return f"{_scaled(number, _BYTES)}/s"
    if unit in ("share", "relative"):
        return f"{_three_digits(100 * number)} %"
    if unit == "per_command":  # how many of what is said where the number stands
        return amount(number)
    return f"{amount(number)} {unit}".rstrip()


def bytes_text(nbytes: float) -> str:
    """Write the size of a memory that counts in powers of two, as caches do.

    Examples
    --------
    >>> bytes_text(32_768), bytes_text(2**21), bytes_text(256 * 2**20)
    ('32 KiB', '2 MiB', '256 MiB')
    """
    for step, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if nbytes >= step:
            return f"{_three_digits(nbytes / step)} {unit}"
    return f"{nbytes:g} B"


def percentile(percent: float) -> str:
    """Write a percentile with as many nines as it has and no more.

    Examples
    --------
    >>> percentile(50), percentile(99.9), percentile(99.999)
    ('50', '99.9', '99.999')
    """
    return f"{percent:.6f}".rstrip("0").rstrip(".")


def share(fraction: float) -> str:
    """Write a part of a whole: per cent, and below a ten-thousandth as one in so many.

    Examples
    --------
    >>> share(0.1), share(0.001), share(1e-6), share(0.0)
    ('10 %', '0.1 %', '1 in 1 M', '0 %')
    """
    if fraction >= 0.99e-3 or fraction == 0:
        return f"{_three_digits(100 * fraction)} %"
    return f"1 in {amount(1 / fraction)}"


def seconds(estimate: float) -> str:
    """Write how long something takes, as coarsely as it is known.

    Examples
    --------
    >>> seconds(0.4), seconds(12.3), seconds(200)
    ('less than a second', '12 s', '3 min 20 s')
    """
    if estimate < 1:
        return "less than a second"
    minutes, rest = divmod(round(estimate), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _scaled(number: float, steps: tuple[tuple[float, str], ...]) -> str:
    if not math.isfinite(number):
        return "–"
    rounded = float(f"{number:.3g}")  # first, or 999.7 ns would be written "1e+03 ns"
    size, name = steps[0]
    for step, unit in steps:
        if abs(rounded) >= step:
            size, name = step, unit
    return f"{_three_digits(rounded / size)} {name}".rstrip()


def _three_digits(number: float) -> str:
    text = f"{number:.3g}"
    return f"{number:.0f}" if "e" in text else text
