"""Clocks: the one that the lab uses, what each costs, whether they agree across CPUs and drift."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from engines.intrinsics import HAS_CYCLE_COUNTER
from lab.hardware import clock, clock_survey, time_sources
from lab.hardware.affinity import allowed_cpus

SOURCES = {source.name: source for source in time_sources.time_sources()}
COMPILED = [name for name, source in SOURCES.items() if source.after_work is not None]
NS_A_SECOND = 1_000_000_000


def agreement_of(source: str, first: int, second: int) -> clock_survey.Agreement:
    """Two CPUs that agree."""
    return clock_survey.Agreement(source, (first, second), 9, 0, 0.0, -1.0, 1.0)


class TestClock:
    def test_calibration_agrees_with_the_wall(self) -> None:
        """Over 0.2 s, the measured clock and Python's own differ by less than a thousandth."""
        calibrated = clock.calibrate()
        readings = np.zeros(1, np.int64)
        clock._read_often(calibrated.code, readings)
        start_ns, start_ticks = time.monotonic_ns(), int(readings[0])
        time.sleep(0.2)
        clock._read_often(calibrated.code, readings)
        elapsed_ns = time.monotonic_ns() - start_ns
        measured_ns = (int(readings[0]) - start_ticks) * calibrated.ns_per_tick
        assert measured_ns == pytest.approx(elapsed_ns, rel=1e-3)

    def test_floors(self) -> None:
        calibrated = clock.calibrate()
        assert 0 < calibrated.floor_ns < 10_000
        assert 0 < calibrated.resolution_ns <= max(100, 2 * calibrated.floor_ns)
        assert calibrated.python_floor_ns > calibrated.floor_ns

    def test_calibrated_once_a_process(self) -> None:
        assert clock.calibrate() is clock.calibrate()

    def test_an_untrusted_counter_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "counter_trust", lambda tree: (False, "for this test"))
        calibrated = clock.calibrate.__wrapped__(1)
        assert calibrated.source == "monotonic clock"
        assert (calibrated.code, calibrated.ns_per_tick) == (clock.MONOTONIC, 1.0)
        assert calibrated.why == "for this test"

    def test_a_counter_whose_rate_changes_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock, "counter_trust", lambda tree: (True, ""))
        monkeypatch.setattr(clock, "HAS_CYCLE_COUNTER", True)
        monkeypatch.setattr(clock, "_rates", lambda milliseconds: (0.40, 0.39))
        calibrated = clock.calibrate.__wrapped__(1)
        assert calibrated.code == clock.MONOTONIC
        assert "rate changed by 2.56%" in calibrated.why

    @pytest.mark.parametrize(
        "durations, expected",
        [
            ([25] * 40 + [26] * 900 + [51] * 20 + [52] * 200 + [78] * 50, 26),
            ([20] * 500 + [21] * 300 + [22] * 400 + [23] * 200, 1),
            ([20] * 500 + [30] * 300 + [40] * 100, 10),
            ([0] * 1000 + [1000] * 3, 1000),
            ([], 1),
        ],
    )
    def test_smallest_step(self, durations: list[int], expected: int) -> None:
        assert clock.smallest_step(np.array(durations, np.int64)) == expected


class TestSources:
    @pytest.mark.parametrize("name", SOURCES)
    def test_a_batch_costs_something_and_is_in_order(self, name: str) -> None:
        batches = [SOURCES[name].back_to_back(200) for _ in range(9)]
        assert not any(batch.wrong for batch in batches)
        assert 0.5 < np.median([batch.ns for batch in batches]) < 100_000

    @pytest.mark.parametrize("name", COMPILED)
    def test_work_and_a_reading_takes_no_less_than_the_work(self, name: str) -> None:
        # The least of many: what a neighbour on the core takes is in neither.
        alone_ns = min(time_sources.work_alone(200).ns for _ in range(99))
        make = SOURCES[name].after_work
        assert make is not None
        batches = [make(200) for _ in range(99)]
        assert not any(batch.wrong for batch in batches)
        assert min(batch.ns for batch in batches) > 0.9 * alone_ns
        assert alone_ns > 10, "the compiler has left the work out"

    @pytest.mark.parametrize("name", sorted({"rdtsc", "lfence rdtsc", "rdtscp"} & SOURCES.keys()))
    def test_a_reading_of_the_counter_is_the_counters(self, name: str) -> None:
        """What the kernels read lies between two readings that another path made."""
        code = clock_survey.handed_over()[name]
        jumps = time_sources._jumps_of(code)(3, NS_A_SECOND)
        assert len(jumps) == 3 and (jumps > 0).all()

    def test_the_kernels_clocks_are_those_that_python_reads(self) -> None:
        for number in (time.CLOCK_MONOTONIC, time.CLOCK_REALTIME):
            before_ns = time.clock_gettime_ns(number)
            points = clock_survey._points(number)
            assert before_ns < points[0, 0] < points[2, 0] < time.clock_gettime_ns(number)

    def test_a_coarse_clock_is_seen_to_be_coarse(self) -> None:
        if "clock_gettime coarse" not in SOURCES:
            pytest.skip("this system has no coarse clock")
        step_ns = clock.smallest_step(SOURCES["clock_gettime coarse"].durations())
        # Linux moves it 100 to 1,000 times a second; a test that hardly ran meets several at once.
        assert 900_000 < step_ns < 200_000_000
        told_ns = 1e9 * time.clock_getres(6)
        assert step_ns / told_ns == pytest.approx(round(step_ns / told_ns), abs=0.1)

    def test_where_no_jump_was_met_the_kernel_says_the_step(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if "clock_gettime coarse" not in SOURCES:
            pytest.skip("this system has no coarse clock")
        monkeypatch.setattr(time_sources, "_JUMPS_NS", 0)
        found = SOURCES["clock_gettime coarse"].durations().tolist()
        assert found == [round(1e9 * time.clock_getres(6))]

    @pytest.mark.skipif(not HAS_CYCLE_COUNTER, reason="this processor is no x86")
    def test_without_a_cycle_counter_the_kernels_clocks_are_left(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time_sources, "HAS_CYCLE_COUNTER", False)
        names = [source.name for source in time_sources.time_sources()]
        assert names == [name for name in SOURCES if "rdtsc" not in name]
        assert "clock_gettime" in names


class TestAcrossCpus:
    def test_in_order_by_hand(self) -> None:
        """A baton goes out at 10, 30, 50 and arrives at 18, 39, 57 on a clock that is 3 ahead."""
        readings = np.array([[10, 30, 50], [18, 39, 57]])
        told = clock_survey.in_order("rdtscp", (0, 1), readings, unit_ns=2.0)
        assert told is not None
        assert (told.handovers, told.went_back, told.worst_ns) == (5, 0, 0.0)
        # Out: 8, 9, 7 ticks; back: 12, 11. Ahead by 7 at most, behind by 11 at most; 2 ns a tick.
        assert (told.offset_low_ns, told.offset_high_ns) == (-22.0, 14.0)

    def test_a_clock_that_is_far_behind_is_seen_to_go_back(self) -> None:
        readings = np.array([[10, 30, 50], [-82, -61, -43]])  # that of above, 100 behind
        told = clock_survey.in_order("lfence rdtsc", (0, 1), readings, unit_ns=1.0)
        assert told is not None
        assert (told.went_back, told.worst_ns) == (3, 93.0)
        assert (told.offset_low_ns, told.offset_high_ns) == (-111.0, -93.0)

    def test_a_baton_that_made_no_round_trip_tells_nothing(self) -> None:
        readings = np.array([[10], [18]])
        assert clock_survey.in_order("rdtscp", (0, 1), readings, unit_ns=1.0) is None

    def test_one_cpu_has_nobody_to_agree_with(self) -> None:
        found, notes = clock_survey.across_cpus([0])
        assert found == []
        assert "one CPU only" in notes[0]

    def test_of_many_cpus_the_first_is_compared_with_each(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock_survey, "_PAIRS_MOST", 2)
        monkeypatch.setattr(clock_survey, "compare_cpus", agreement_of)
        found, notes = clock_survey.across_cpus([3, 5, 8])
        assert {item.cpus for item in found} == {(3, 5), (3, 8)}
        assert "CPU 3 was compared with each other one" in notes[0]

    def test_a_busy_machine_is_not_asked_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock_survey, "_ALL_PAIRS_S", 0.05)
        monkeypatch.setattr(clock_survey, "compare_cpus", lambda *named: time.sleep(0.1))
        found, notes = clock_survey.across_cpus([0, 1, 2])
        assert found == []
        assert notes[0] == "1 of 3 pairs of CPUs were compared; more took too long"
        assert "had no time for each other" in notes[1]

    @pytest.mark.skipif(len(allowed_cpus()) < 2, reason="this process may use one CPU only")
    def test_readings_that_are_waited_for_do_not_go_back_where_the_kernel_trusts_them(self) -> None:
        if not clock.calibrate().trusted:
            pytest.skip(f"the cycle counter is not trusted here: {clock.calibrate().why}")
        before = sorted(os.sched_getaffinity(0))
        told = [clock_survey.compare_cpus("lfence rdtsc", *before[:2]) for _ in range(5)]
        met = [item for item in told if item is not None]
        if not met:
            pytest.skip("the two CPUs had no time for each other")
        assert sum(item.went_back for item in met) == 0
        for item in met:
            assert item.offset_low_ns is not None and item.offset_high_ns is not None
            assert item.offset_low_ns <= item.offset_high_ns
        assert sorted(os.sched_getaffinity(0)) == before


class TestSurvey:
    @pytest.mark.skipif(not HAS_CYCLE_COUNTER, reason="this processor is no x86")
    def test_a_tick_has_its_length_also_where_the_counter_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not clock.calibrate().trusted:
            pytest.skip("there is nothing to hold it against")
        trusted_ns = clock_survey.tick_ns.__wrapped__()
        unused = clock.Clock("monotonic clock", 2, 1.0, 30.0, 10.0, 60.0, False, "for this test")
        monkeypatch.setattr(clock_survey, "calibrate", lambda: unused)
        assert clock_survey.tick_ns.__wrapped__() == pytest.approx(trusted_ns, rel=1e-4)

    def test_it_tells_all_and_is_json(self) -> None:
        found = clock_survey.survey()
        assert json.loads(json.dumps(found)).keys() == found.keys()
        assert [item["source"] for item in found["sources"]] == list(SOURCES)
        assert all(item["ns_a_reading"] > 0 < item["step_ns"] for item in found["sources"])
        assert found["reason"].startswith(f"the {found['source']}")
        assert found["why"] in found["reason"]

    def test_clocks_of_one_machine_run_at_one_rate(self) -> None:
        """The kernel steers its clocks by less than 500 ppm; interrupts add what they add."""
        assert all(abs(item.ppm) < 600 + item.within_ppm for item in clock_survey.drifts())

    def test_a_counter_that_is_not_trusted_is_said_to_be_so(self) -> None:
        chosen = clock.Clock("monotonic clock", 2, 1.0, 30.0, 10.0, 60.0, False, "for this test")
        costs = [clock_survey.Cost("clock_gettime", "", 30.0, 10.0)]
        assert clock_survey.reason(chosen, costs, []) == (
            "the monotonic clock, 30 ns a reading: for this test"
        )

    def test_a_counter_that_goes_back_between_cpus_is_said_to_do_so(self) -> None:
        chosen = clock.Clock("cycle counter", 1, 0.4, 10.0, 10.0, 60.0, True, "for this test")
        costs = [clock_survey.Cost(name, "", 10.0, 10.0) for name in ("rdtsc", "clock_gettime")]
        behind = clock_survey.Agreement("lfence rdtsc", (0, 7), 3999, 40, 812.0, -900.0, -812.0)
        said = clock_survey.reason(chosen, costs, [behind])
        assert "between CPU 0 and CPU 7 it went back by up to 812 ns: pin" in said
