"""Shares within a time, times over a pass, times by kind: each figure says what is in the result."""

from __future__ import annotations

import numpy as np

from lab.plots import reading
from lab.plots.ecdf import PARTS as ECDF


def test_the_share_within_a_time_is_that_of_the_quantiles(latency_result):
    result = latency_result()
    frame = ECDF.frame([result], ["all"], highest=99.999)
    traces = ECDF.curves(frame, [result], "all")
    assert len(traces) == 4
    for trace, line in zip(traces, reading.lines([result], "all"), strict=True):
        assert len(trace.x) <= 2_000
        assert np.all(np.diff(trace.x) >= 0) and np.all(np.diff(trace.y) >= 0)
        for percent in (10, 50, 90, 99):
            time = np.log10(float(line.histogram.quantile(percent)))
            # a corner every 80th of a decade: within is at least that share, just before at most
            assert np.interp(time + 1 / 79, trace.x, trace.y) >= percent / 100
            assert np.interp(time - 1 / 79, trace.x, trace.y) <= percent / 100
    assert traces[-1].words(2.0, 0.5) == "50 % of commands within 100 ns"


def test_a_part_of_the_shares_has_round_ticks(latency_result):
    frame = ECDF.frame([latency_result()], ["all"], highest=99.999)
    shares = [words for _, words in frame.y.ticks(*frame.y.whole, 10)]
    assert shares == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    zoomed = [words for _, words in frame.y.ticks(0.968, 0.993, 8)]
    assert zoomed == ["97 %", "97.5 %", "98 %", "98.5 %", "99 %"]
