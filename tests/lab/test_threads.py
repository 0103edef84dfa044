"""Words between cores, what a core loses, an engine in several places; and all given back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.matching import IMPLEMENTATIONS
from lab.experiments import core_to_core_pairs, independent, jitter_found, pinning_found
from lab.experiments.core_to_core_pairs import relation, say_what_was_found, two_levels
from lab.experiments.core_to_core_task import digest_of, one_way
from lab.experiments.jitter import cpus_with_room
from lab.experiments.jitter_found import chosen_cpus
from lab.experiments.jitter_task import RIGHT, gaps
from lab.experiments.neighbour import Accompanied, Neighbour
from lab.experiments.pinning_places import PLACES, places_for, ranked_cpus, ranking_in_words
from lab.hardware.affinity import allowed_cpus
from lab.hardware.gaps import Disturbance
from lab.hardware.handoff import KINDS, checksum_of, exchange
from lab.hardware.scheduling import real_time_refusal, scheduling_of
from lab.hardware.topology import Cache, Node, Topology
from lab.measure.bench import Bench
from lab.measure.histogram import Histogram
from lab.measure.job import Job
from lab.measure.lifeline import environment, python
from lab.measure.result import Result
from lab.measure.runner import run_experiment
from lab.measure.talk import Talk
from lab.measure.tally import Run

CPUS = allowed_cpus()
FIRST, LAST = CPUS[0], CPUS[-1]
GONE_S = 2.0
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="one CPU: no pair")


def silent(*_: object) -> None:
    """Report to nobody."""


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Wait for a condition."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, f"not so within {seconds} s"
        time.sleep(0.01)


def of_session(session: int, words: str = "") -> list[int]:
    """Return the living processes of a session whose command line has some words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_text()
            if int(fields[3]) == session and fields[0] != "Z" and words in line:
                found.append(int(folder.name))
    return found


# -- a word between two cores ---------------------------------------------------------------------


class TestHandoff:
    @two_cpus
    @pytest.mark.parametrize("kind", KINDS)
    def test_both_sides_add_up_what_was_handed_over(self, kind: str) -> None:
        found = exchange(kind, (FIRST, LAST), trips=50, batches=4)
        assert found.sums == checksum_of(kind, 50, 4)
        assert len(found.ticks) == 4
        assert all(found.ticks > 0)
        assert [where.ended_on for where in found.where] == [FIRST, LAST]
        assert all(where.stayed for where in found.where)
        assert allowed_cpus() == CPUS

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_closed_form_is_the_sum(self, kind: str) -> None:
        for trips in range(1, 6):
            if kind == "flag":
                asked = answered = sum(range(1, trips + 1))
            else:
                asked, answered = sum(range(0, 2 * trips, 2)), sum(range(1, 2 * trips, 2))
            assert checksum_of(kind, trips, 2) == (3 * asked, 3 * answered)

    def test_a_cpu_has_nobody_to_talk_to_in_itself(self) -> None:
        with pytest.raises(ValueError, match=f"cpu {FIRST} cannot hand a word to itself"):
            exchange("flag", (FIRST, FIRST), 1, 1)

    @pytest.mark.parametrize("cpus", [(FIRST, 4000), (4000, FIRST)])
    def test_a_cpu_that_is_not_there_hangs_nobody(self, cpus: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="cpu 4000 cannot be used here; choose from"):
            exchange("flag", cpus, 1, 1)
        assert allowed_cpus() == CPUS

    @two_cpus
    def test_the_task_reads_each_pair_once_a_turn(self) -> None:
        found = one_way(
            Talk(),
            kind="flag",
            pairs=[(FIRST, LAST), (LAST, FIRST)],
            trips=20,
            batches=2,
            seconds=0.0,
            clock=2,
            ns_per_tick=1.0,
        )
        assert [reading["samples"] for reading in found["readings"]] == [40, 40]
        assert all(reading["value"] > 0 for reading in found["readings"])
        assert found["digests"] == [digest_of(0, 120)]

    def test_a_wrong_sum_is_a_wrong_digest(self) -> None:
        assert digest_of(1, 120) != digest_of(0, 120) != digest_of(0, 119)


def built_machine() -> Topology:
    """Two packages of two cores of two threads; the threads of a core are n and n + 4."""
    cores = tuple(frozenset({number, number + 4}) for number in range(4))
    packages = (cores[0] | cores[1], cores[2] | cores[3])
    caches = tuple(Cache(2, "unified", 2**20, 64, core) for core in cores)
    return Topology(
        packages=packages,
        dies=packages,
        cores=cores,
        pus=tuple(range(8)),
        offline=(),
        numa_nodes=(Node(0, frozenset(range(8)), None),),
        distances=(),
        caches=(*caches, Cache(3, "unified", 2**25, 64, packages[0])),
        notes=(),
    )


class TestPairs:
    @pytest.mark.parametrize(
        ("other", "words"),
        [(4, "one core"), (1, "one L3 cache"), (5, "one L3 cache"), (2, "two packages")],
    )
    def test_what_two_cpus_share(self, other: int, words: str) -> None:
        assert relation(built_machine(), 0, other) == words

    def test_without_a_shared_cache_the_package_is_told(self) -> None:
        assert relation(built_machine(), 2, 3) == "one package"

    def test_where_no_packages_are_shown_none_are_made_up(self) -> None:
        assert relation(replace(built_machine(), packages=()), 0, 2) == "not told"
        one = replace(built_machine(), packages=built_machine().packages[:1])
        assert relation(one, 0, 2) == "not told"

    @pytest.mark.parametrize(
        ("values", "levels"),
        [
            ([27, 26, 28, 103, 104, 102], (27.0, 103.0)),
            ([27, 26, 28, 103, 104, 27], None),  # two turns are no level
            ([27, 103, 27, 26, 28], None),
            ([27] * 40 + [104] * 3, None),  # not a tenth of all
        ],
    )
    def test_a_level_has_three_turns(self, values: list[float], levels: Any) -> None:
        assert two_levels(values) == levels

    @pytest.mark.parametrize("most", [2, 7, 16])
    def test_of_many_cpus_some_are_taken(self, most: int) -> None:
        cpus = core_to_core_pairs.spread(range(0, 200, 2), most)
        assert len(cpus) == len(set(cpus)) == most // 2 * 2
        assert all(high - low == 2 for low, high in zip(cpus[::2], cpus[1::2], strict=True))

    def test_the_finding_says_what_the_table_says_and_that_there_were_two_levels(self) -> None:
        case, bench = "CPU 0 ↔ CPU 1", Bench(silent)
        bench.facts["cpu_pairs"] = {case: "one L3 cache"}
        for rival, factor in {"compare-and-swap": 1, "flag": 2, "compare-and-swap, C++": 1}.items():
            # The host moves the CPUs apart after the second turn: everybody sees it.
            values = [25.0 * factor, 26.0 * factor, 100.0 * factor, 104.0 * factor]
            turns = {"turn": [1, 2, 3, 4], "value": values}
            reading = {"case": case, "metric": "one_way", "unit": "ns", "value": 63.0 * factor}
            reading |= {"samples": 4, "turns": turns}
            bench.runs += [Run(rival, 0, {"readings": [dict(reading)]}) for _ in range(2)]
        say_what_was_found(bench, [(0, 1)], independent=True)
        assert bench.finding == (
            "A word from CPU 0 to CPU 1 takes 63 ns by compare-and-swap and 126 ns by a flag; near "
            "at one time and far at another, 25.5 ns and 102 ns by compare-and-swap; an "
            "independent C++ program differs by 0.0 % at most"
        )
        assert not bench.failures

    def test_a_program_that_says_otherwise_is_a_failure(self) -> None:
        case, bench = "CPU 0 ↔ CPU 1", Bench(silent)
        bench.facts["cpu_pairs"] = {case: "one L3 cache"}
        for rival, value in {"compare-and-swap": 30.0, "flag": 50.0, "flag, C++": 40.0}.items():
            turns = {"turn": [1, 2], "value": [value, value]}
            reading = {"case": case, "metric": "one_way", "unit": "ns", "value": value}
            bench.runs.append(
                Run(rival, 0, {"readings": [reading | {"samples": 2, "turns": turns}]})
            )
        say_what_was_found(bench, [(0, 1)], independent=True)
        assert bench.failures == [f"flag on {case} is +25 % off what the independent program says"]

    @two_cpus
    @pytest.mark.skipif(bool(independent.compiler()[1]), reason="no C++ compiler")
    def test_the_independent_program_counts_the_same_words(self) -> None:
        program, problem = independent.built("core_to_core")
        assert program is not None, problem
        for kind in KINDS:
            words = [str(program), kind, "30", "3", f"{FIRST},{LAST}"]
            told = subprocess.run(words, input="1\n2\n", capture_output=True, text=True, check=True)
            for line in told.stdout.splitlines():
                answer = json.loads(line)
                assert answer["digest"] == digest_of(0, 30 * 4)
                assert answer["readings"][0]["case"] == f"CPU {FIRST} ↔ CPU {LAST}"
                assert answer["readings"][0]["rival"] == f"{kind}, C++"
            assert len(told.stdout.splitlines()) == 2

    @two_cpus
    def test_on_one_cpu_there_is_a_line_and_no_matrix(self, tmp_path: Path) -> None:
        code = (
            "import os, sys\n"
            f"os.sched_setaffinity(0, {{{FIRST}}})\n"
            "from lab.measure.runner import run_experiment\n"
            "run = run_experiment('core_to_core', {}, 'smoke', lambda *told: None, sys.argv[1])\n"
            "print(run.verdict.finding)\n"
            "print(len(run.measurements), run.verdict.stable)\n"
        )
        told = subprocess.run(
            python("-c", code, str(tmp_path)),
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert told[0].startswith(f"this process may use CPU {FIRST} alone")
        assert told[1] == "0 False"


# -- what a core loses ----------------------------------------------------------------------------


class TestJitter:
    def test_a_process_spins_where_it_shall_and_accounts_for_all(self) -> None:
        found = gaps(Talk(), cpu=LAST, slice_ms=5.0, threshold_ns=200.0, seconds=0.02)
        assert found["digests"] == [RIGHT]
        stolen, rate, *lengths = found["readings"]
        assert 0 <= stolen["value"] <= 1
        assert stolen["turns"]["turn"] == list(range(1, stolen["samples"] + 1))
        assert rate["value"] * found["spun_s"] == pytest.approx(
            sum(reading["samples"] for reading in lengths)
        )
        if lengths:
            times = Histogram.from_hdr(lengths[0]["histogram"])
            assert times.min >= 190
            assert times.max <= 1.001 * found["longest_ns"] + 1
        assert allowed_cpus() == CPUS

    def test_time_that_is_missing_is_a_wrong_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from lab.hardware.gaps import Spinner

        really = Spinner.slice

        def short(self: Spinner, milliseconds: float) -> Any:
            one = really(self, milliseconds)
            return replace(one, lost_ns=one.lost_ns + 1e6)

        monkeypatch.setattr(Spinner, "slice", short)
        found = gaps(Talk(), cpu=LAST, slice_ms=2.0, threshold_ns=200.0, seconds=0.0)
        assert found["digests"] != [RIGHT]

    @pytest.mark.parametrize("missing_ns", [0.0, 1e6])
    def test_gaps_beyond_those_kept_count_and_are_held_against_what_was_lost(
        self, monkeypatch: pytest.MonkeyPatch, missing_ns: float
    ) -> None:
        """Each step of the clock counts as a gap, of which ten are kept."""
        from lab.hardware.gaps import Spinner

        monkeypatch.setattr("lab.hardware.gaps._GAPS_MAX", 10)
        really = Spinner.slice
        slices: list[Any] = []

        def short(self: Spinner, milliseconds: float) -> Any:
            one = really(self, milliseconds)
            slices.append(one)
            return replace(one, lost_ns=one.lost_ns + missing_ns)

        monkeypatch.setattr(Spinner, "slice", short)
        found = gaps(Talk(), cpu=LAST, slice_ms=5.0, threshold_ns=0.001, seconds=0.0)
        assert (found["digests"] == [RIGHT]) == (not missing_ns)
        counted = slices[1:]  # the first is to warm
        assert found["gaps_cut"] == sum(one.gaps - 10 for one in counted) > 1_000
        assert found["longest_ns"] == max(one.longest_ns for one in counted)
        assert all(one.longest_ns >= one.lengths_ns.max() for one in counted)
        assert all(one.longest_ns >= one.cut_ns / (one.gaps - 10) for one in counted)

    def test_no_more_processes_are_started_than_memory_is_left_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jitter_found, "allowed_cpus", lambda: list(range(8)))
        bench = Bench(silent)
        assert chosen_cpus(bench, 8, cpus_with_room(500 * 2**20)) == [0]
        assert chosen_cpus(bench, 8, cpus_with_room(2**30)) == [0, 4]
        notes = " ".join(bench.notes)
        assert "Only CPUs 0,4 were looked at" in notes
        assert "free some, or give the container more" in notes
        roomy = Bench(silent)
        assert chosen_cpus(roomy, 8, cpus_with_room(2**33)) == list(range(8))
        assert "Only" not in " ".join(roomy.notes)


# -- places and neighbours ------------------------------------------------------------------------


class TestPlaces:
    ranking = tuple(
        Disturbance(cpu, stolen, 10.0, 1e3, 50.0)
        for cpu, stolen in ((2, 0.0), (0, 0.01), (6, 0.02), (3, 0.03), (1, 0.04))
    )

    def found(self, core: int = -1, refusal: str = "") -> Any:
        return places_for(list(PLACES), self.ranking, core, built_machine(), refusal)

    def test_the_quiet_cpu_is_pinned_to_and_the_noisy_one_is_the_last(self) -> None:
        places = self.found().places
        assert list(places) == list(PLACES)
        assert places["free"].cpu is None
        assert places["pinned"].cpu == places["real_time"].cpu == 2
        assert places["real_time"].priority == 1
        assert places["disturbed"].cpu == 1

    def test_who_computes_sits_on_the_same_core_and_who_streams_on_another(self) -> None:
        places = self.found().places
        assert (places["neighbour"].cpu, places["neighbour"].neighbour_cpu) == (2, 6)
        assert (places["memory_traffic"].cpu, places["memory_traffic"].neighbour_cpu) != (2, 6)
        near = self.found(core=0).places
        assert near["memory_traffic"].neighbour_cpu == 1, "it shares the L3 cache"
        assert near["neighbour"].neighbour_cpu == 1, "its other thread may not be used"

    def test_what_cannot_be_had_is_said_with_what_would_help(self) -> None:
        alone = places_for(list(PLACES), self.ranking[:1], -1, built_machine(), "no; do this")
        assert list(alone.places) == ["free", "pinned"]
        assert len(alone.missing) == 4
        assert "pinned, memory traffic is left out: this process may use CPU 2 alone" in " ".join(
            alone.missing
        )
        assert alone.missing[-1] == "real-time is left out: no; do this."

    def test_pinned_to_the_most_disturbed_cpu_there_is_none_that_is_more_so(self) -> None:
        found = self.found(core=1)
        assert "disturbed" not in found.places
        assert found.missing == [
            "pinned, disturbed is left out: CPU 1, where it is pinned, is itself the most "
            "disturbed; choose another core."
        ]
        assert found.places["pinned"].cpu == 1

    def test_of_many_cpus_sixteen_are_ranked_and_the_chosen_one_is_among_them(self) -> None:
        assert ranked_cpus([0, 2, 5], -1) == [0, 2, 5]
        assert ranked_cpus(range(64), -1) == list(range(0, 64, 4))
        chosen = ranked_cpus(range(64), 33)
        assert len(chosen) == len(set(chosen)) == 16
        assert 33 in chosen

    def test_a_neighbour_may_sit_where_nobody_ranked(self) -> None:
        places = places_for(list(PLACES), self.ranking[:1], -1, built_machine(), "", range(8))
        assert places.places["neighbour"].neighbour_cpu == 6

    def test_of_many_cpus_the_ends_of_the_ranking_are_told(self) -> None:
        many = [Disturbance(cpu, cpu / 100, 10.0, 1e3, 50.0) for cpu in range(16)]
        told = ranking_in_words(many)
        assert [f"CPU {cpu} " in told for cpu in range(16)] == [True] * 4 + [False] * 8 + [True] * 4
        assert "; 8 between these; " in told
        assert "between" not in ranking_in_words(many[:8])

    def test_the_finding_fits_a_title(self) -> None:
        times = Histogram()
        times.record_array(np.full(10, 12_340.0))
        outcome = {
            "readings": [{"case": "all", "metric": "service_time", "histogram": times.to_hdr()}],
            "whereabouts": {
                "allowed": [0],
                "samples": {"0": 1},
                "ended_on": 0,
                "migrations": 0,
                "counted": True,
            },
            "neighbour_s": 0.0,
            "given_back": True,
        }
        for rivals in combinations(PLACES.values(), 3):
            bench = Bench(silent)
            bench.runs = [Run(rival, 0, outcome) for rival in rivals]
            pinning_found.say_what_was_found(bench, max(IMPLEMENTATIONS, key=len))
            assert bench.finding.count("12.3 µs") == 3
            assert len(textwrap.wrap(bench.finding, 70)) <= 2, bench.finding


class Noted(Talk):
    """Turns, and what a neighbour did between them."""

    def __init__(self, look: Callable[[], str]) -> None:
        super().__init__()
        self.look = look
        self.states: list[str] = []

    def turn(self) -> int:
        """Look before the turn is granted: it stands still then."""
        self.states.append(self.look())
        return super().turn()


class TestNeighbour:
    @pytest.mark.parametrize("kind", ["compute", "memory"])
    def test_it_works_in_turns_only_and_is_gone_afterwards(self, kind: str) -> None:
        session = os.getsid(0)
        with Neighbour(kind, LAST) as neighbour:
            (number,) = of_session(session, "lab.experiments.neighbour")
            stat = Path(f"/proc/{number}/stat")
            assert allowed_cpus(number) == [LAST]

            def state() -> str:
                time.sleep(0.02)
                return stat.read_text().rpartition(")")[2].split()[0]

            class Nowhere:
                def look(self) -> None: ...

            say = Noted(state)
            for _ in Accompanied(say, neighbour, Nowhere()).turns(0.2, 3):
                assert state() == "R"
            assert say.states == ["T", "T", "T"]
            neighbour.rest()
            assert neighbour.end() > 0.001, "it had the processor"
        assert of_session(session, "lab.experiments.neighbour") == []

    def test_one_that_cannot_start_is_told(self) -> None:
        with pytest.raises(MeasurementError, match="neighbour on cpu 4000 did not start"):
            Neighbour("compute", 4000)

    def test_one_that_ended_is_told(self) -> None:
        with Neighbour("compute", LAST) as neighbour:
            neighbour.end()
            with pytest.raises(MeasurementError, match="ended before what it was to disturb"):
                neighbour.work()


# -- given back -----------------------------------------------------------------------------------

# An engine whose process loads no kernels of its own: it is ready in half the time.
SHORT: dict[str, Any] = {"engine": "binary_heap", "messages": 200, "live_orders": 100}
LONG = {**SHORT, "seconds": 3.0}
BESIDE = ["pinned", "neighbour"] if len(CPUS) > 1 else ["pinned"]


def own_state() -> tuple[Any, ...]:
    """Return what must be as before: this thread's CPUs and class."""
    return allowed_cpus(), scheduling_of()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run in every place that can be had here."""
    before = own_state()
    places = ["neighbour", "memory_traffic", "real_time"]
    folder = tmp_path_factory.mktemp("results")
    found = run_experiment("pinning", {**SHORT, "placements": places}, "smoke", silent, folder)
    assert own_state() == before
    assert of_session(os.getsid(0), "lab.experiments.neighbour") == []
    return found


def test_after_success_all_is_given_back_and_nobody_is_left(result: Result) -> None:
    assert not result.verdict.failed  # each process looked at its own CPUs and class at its end
    assert all(item.digest_ok for item in result.measurements)


def test_it_says_where_the_processes_ran(result: Result) -> None:
    notes = " ".join(result.notes)
    assert "Taken from a process that spun" in notes
    rivals = list(dict.fromkeys(item.rival for item in result.measurements))
    for rival in rivals:
        assert f"{rival}: 2 processes, seen on CPU" in notes
    for rival in set(rivals) - {"free"}:
        line = next(note for note in result.notes if note.startswith(f"{rival}: 2 processes"))
        assert "moved 0 times" in line
    refused = real_time_refusal()
    assert ("real-time" in rivals) == (not refused)
    assert not refused or refused in notes


@two_cpus
def test_after_a_failure_all_is_given_back_and_nobody_is_left(tmp_path: Path) -> None:
    process = lab_run(tmp_path)
    (victim,) = of_session(process.pid, "lab.experiments.neighbour")[:1]
    os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "the neighbour ended before what it was to disturb" in said
    assert of_session(process.pid) == []
    assert list(tmp_path.glob("*.json")) == []


@two_cpus
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_kill_all_is_given_back_and_nobody_is_left(tmp_path: Path, number: int) -> None:
    before = own_state()
    process = lab_run(tmp_path)
    os.kill(process.pid, number)
    wait_until(lambda: not of_session(process.pid), GONE_S)
    assert process.wait(5) == (130 if number == signal.SIGTERM else -number)
    process.communicate()
    assert own_state() == before
    assert list(tmp_path.glob("*.json")) == []


@two_cpus
def test_after_cancel_all_is_given_back_and_nobody_is_left(tmp_path: Path) -> None:
    before = own_state()
    job = Job("pinning", {**LONG, "placements": BESIDE}, "smoke", folder=tmp_path)
    job.start()
    wait_until(lambda: job._process is not None, 10)
    assert job._process is not None
    session = job._process.pid
    wait_until(lambda: len(of_session(session, "lab.experiments.neighbour")) == 2, 60)
    job.cancel()
    wait_until(lambda: not of_session(session), GONE_S)
    with pytest.raises(MeasurementError, match="the run was cancelled"):
        job.wait(5)
    assert own_state() == before


def lab_run(folder: Path) -> subprocess.Popen[str]:
    """Start ``lab run pinning`` and wait until both of its neighbours are there."""
    words = ["-m", "lab", "run", "pinning", "--size", "smoke", "--folder", str(folder), "--json"]
    for name, value in (LONG | {"placements": ",".join(BESIDE)}).items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    process = subprocess.Popen(
        python(*words),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if told["phase"] == "measuring" and "turn" in told["detail"]:
            assert len(of_session(process.pid, "lab.experiments.neighbour")) == 2
            return process
    raise AssertionError(f"it ended with {process.wait()}")


def test_no_place_at_all_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    if not real_time_refusal() and len(CPUS) > 1:
        monkeypatch.setattr("lab.experiments.pinning_found.real_time_refusal", lambda: "no; ask")
    with pytest.raises(InputError, match=r"no place can be had here: real-time is left out"):
        run_experiment("pinning", {**SHORT, "placements": ["real_time"]}, "smoke", silent)
