"""A load sweep: where the tail goes, where an engine is full, what is said and drawn of it."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from engines.errors import InputError
from lab import plots
from lab.experiments import EXPERIMENTS, load_task
from lab.experiments.latency_under_load import shares_of
from lab.experiments.load_findings import EVERY_LOAD, KNEE, SATURATION, case_of, share_of
from lab.experiments.load_task import CLOSED_LOOP, Found, Offer
from lab.experiments.oracle_task import expect
from lab.measure.histogram import Histogram
from lab.measure.knee import GROWTH_MOST, knee, rising, saturation
from lab.measure.open_loop import VIRTUAL, drive, schedule
from lab.measure.queueing import QUEUES
from lab.measure.result import Result
from lab.measure.runner import run_experiment
from lab.measure.servers import simulated
from lab.measure.talk import Talk
from lab.plots import reading
from lab.workloads.order_flow import generate

SAMPLE_DAY = "data/samples/XLAB_2026-01-02_34200000_57600000_10.zip"
RATES = [1e6, 2e6, 3e6, 4e6]


def silent(*_: object) -> None:
    """Report to nobody."""


# -- knee and saturation --------------------------------------------------------------------------


def test_rising_is_isotonic_regression():
    """Held against scipy's."""
    from scipy.optimize import isotonic_regression

    chance = np.random.default_rng(3)
    for _ in range(50):
        count = chance.integers(1, 30)
        values = chance.normal(size=count) + np.linspace(0, 2, count)
        assert rising(values) == pytest.approx(isotonic_regression(values).x.tolist())


def test_a_knee_is_where_the_tail_has_doubled():
    assert knee(RATES, [100, 110, 200, 900]).rate == pytest.approx(3e6)
    between = knee(RATES, [100, 100, 400, 900])
    assert between.is_reached and between.rate == pytest.approx(2.5e6)  # half way in logarithms


def test_a_tail_that_never_doubles_has_no_knee():
    found = knee(RATES, [100, 120, 150, 199])
    assert (found.rate, found.is_reached) == (4e6, False)


def test_a_hiccup_at_one_load_is_no_knee():
    assert knee(RATES, [100, 250, 100, 900]).rate > 3e6


def test_cold_caches_at_low_load_do_not_hide_the_knee():
    """Slower at 10 % load than at 50 %: the tail is held against what the two pool to."""
    found = knee(RATES, [200, 100, 150, 1_000])
    assert 3e6 < found.rate < 4e6


def test_all_is_lost_from_the_first_load_on():
    assert saturation(RATES, [0.5, 1.0, 2.0, 3.0]).rate == 1e6


def test_saturation_is_interpolated_and_may_not_be_reached():
    found = saturation(RATES, [0.0, 0.0, 0.0, 10 * GROWTH_MOST])
    assert found.is_reached and found.rate == pytest.approx(3.1e6)
    assert not saturation(RATES, [0.0, 0.0, 0.0, GROWTH_MOST / 2]).is_reached


def swept(system: str, shares: list[float]) -> tuple[list[float], list[float], list[float]]:
    """Return rates, 99th percentiles and growths of a simulated server that can do 50,000 a s."""
    chance = np.random.default_rng(11)
    rates, tails, growths = [], [], []
    for share in shares:
        rate, count = share / 100 * 50_000, 200_000
        service = np.full(count, 20_000)
        if system == "M/M/1":
            service = np.rint(chance.exponential(20_000, count)).astype(np.int64)
        now = np.zeros(1, np.int64)
        server = simulated(service, VIRTUAL, now)
        due_ns = schedule(count, "poisson", rate, seed=int(share))
        passed = drive(server, now, now, due_ns, 1, VIRTUAL, 1.0, now)
        rates.append(rate)
        tails.append(float(passed.response_times().quantile(99)))
        growths.append(passed.growth())
    return rates, tails, growths


@pytest.mark.parametrize("system", QUEUES)
def test_the_knee_of_a_simulated_server_is_where_theory_has_it(system):
    """Theory's knee over 10 % load: where its 99th percentile doubles, found by bisection."""
    rates, tails, growths = swept(system, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    queue = QUEUES[system]
    low, high = 0.1, 0.999
    for _ in range(40):
        middle = (low + high) / 2
        doubled = queue.quantile(middle, 99) >= 2 * queue.quantile(0.1, 99)
        low, high = (low, middle) if doubled else (middle, high)
    assert knee(rates, tails).rate == pytest.approx(50_000 * high, rel=0.04)
    assert saturation(rates, growths).rate == pytest.approx(50_000, rel=0.04)


# -- what a process finds -------------------------------------------------------------------------


def outcome_of(engine: str, arrivals: str = "poisson", **others) -> tuple[dict, str]:
    """Return what one process would find, and the digest that is right."""
    flow = generate("balanced", 3_000, 200, 1, arrivals="poisson")
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = expect(silent, flow.preload, flow.commands, room)
    known = {"room": room, "events": answer["events"], "engine": engine, "batch": 1, "clock": 2}
    offers = [("50 % load", 2e5, 50.0), ("150 % load", 1e9, 150.0)]
    outcome = load_task.load(
        *(Talk(), flow.preload, flow.commands),
        **{**known, "ns_per_tick": 1.0, "seconds": 0.05, "arrivals": arrivals, "seed": 3},
        **{"offers": offers, "closed_part": 100.0, **others},
    )
    return outcome, answer["digest"]


@pytest.mark.parametrize("engine", ["binary_heap", "price_ladder"])
@pytest.mark.parametrize("arrivals", ["constant", "poisson", "bursts", "recorded"])
def test_every_turn_does_the_references_work(engine, arrivals):
    outcome, right = outcome_of(engine, arrivals)
    assert set(outcome["digests"]) == {right} and len(outcome["digests"]) >= 2


def test_a_process_reports_each_load_and_the_closed_loop():
    outcome, _ = outcome_of("price_ladder")
    readings = {(item["case"], item["metric"]): item for item in outcome["readings"]}
    assert len(readings) == len(outcome["readings"])
    of_load = {"response_time", "service_time", "throughput", "response_time_mean"}
    of_load |= {"response_time_p99"}
    assert ("150 % load", "response_time_p99.9") in readings  # 1,500 commands, and 500 are too few
    readings.pop(("150 % load", "response_time_p99.9"))
    for case in ("50 % load", "150 % load"):
        assert {metric for found, metric in readings if found == case} == of_load
        response, service = (readings[case, name] for name in ("response_time", "service_time"))
        assert response["samples"] == service["samples"]
        assert response["samples"] == Histogram.from_hdr(response["histogram"]).samples
        for name in ("value", "p99", "p99.9"):  # waiting only ever adds
            assert all(
                whole >= part * 0.99
                for whole, part in zip(response["turns"][name], service["turns"][name], strict=True)
            )
    assert {metric for found, metric in readings if found == CLOSED_LOOP} == {
        "throughput",
        "service_time",
    }
    assert readings["50 % load", "throughput"]["at"] == 2e5
    assert "at" not in readings[CLOSED_LOOP, "throughput"]
    assert len(outcome["growths"]) == 2 and outcome["growths"][1] > 0.5


def test_turns_carry_their_numbers_and_a_process_is_its_median_turn():
    outcome, _ = outcome_of("price_ladder")
    turns = len(outcome["digests"]) - 1
    for item in outcome["readings"]:
        assert item["turns"]["turn"] == list(range(1, turns + 1))
        assert item["value"] == pytest.approx(float(np.median(item["turns"]["value"])))


def test_stretches_last_equally_long():
    outcome, _ = outcome_of("price_ladder")
    samples = {
        item["case"]: item["samples"]
        for item in outcome["readings"]
        if item["metric"] == "service_time"
    }
    assert samples["150 % load"] == pytest.approx(3 * samples["50 % load"], rel=0.01)
    assert samples[CLOSED_LOOP] == pytest.approx(2 * samples["50 % load"], rel=0.01)


def test_all_rivals_get_the_same_arrivals_in_a_turn(monkeypatch):
    seen: dict[str, list] = {"price_ladder": [], "binary_heap": []}
    for engine, found in seen.items():
        original = Found.add

        def add(self, turn, passed, found=found, original=original):
            found.append((turn, self.offer.case, passed.due.sum()))
            original(self, turn, passed)

        monkeypatch.setattr(Found, "add", add)
        # the monotonic clock in whole nanoseconds, so that both round alike
        outcome_of(engine)
        monkeypatch.setattr(Found, "add", original)
    few = min(len(found) for found in seen.values())
    assert few >= 3 and seen["price_ladder"][:few] == seen["binary_heap"][:few]


def test_a_wrong_engine_is_seen(monkeypatch):
    """The checked pass is right; the turns lose a command each."""
    honest = load_task._ends
    monkeypatch.setattr(
        load_task, "_ends", lambda count, parts: [min(e, count - 1) for e in honest(count, parts)]
    )
    outcome, right = outcome_of("price_ladder")
    assert outcome["digests"][0] == right and right not in outcome["digests"][1:]


def test_capacity_is_that_of_the_closed_loop():
    flow = generate("balanced", 3_000, 200, 1)
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = expect(silent, flow.preload, flow.commands, room)
    found = load_task.capacity(
        *(Talk(), flow.preload, flow.commands),
        **{"room": room, "events": answer["events"], "engine": "price_ladder", "batch": 1},
        **{"clock": 2, "ns_per_tick": 1.0, "seconds": 0.05},
    )
    (reading_found,) = found["readings"]
    assert reading_found["metric"] == "throughput" and reading_found["value"] > 50_000
    assert set(found["digests"]) == {answer["digest"]}


def test_an_offer_of_nothing_is_a_closed_loop():
    found = Found(Offer(CLOSED_LOOP, 0.0))
    now = np.zeros(1, np.int64)
    server = simulated(np.full(10, 50), VIRTUAL, now)
    passed = drive(server, now, now, np.zeros(10), 1, VIRTUAL, 1.0, now)
    found.add(1, passed)
    assert "growth" not in found.turns


# -- the experiment -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(smoke_run) -> Result:
    """One smoke run."""
    return smoke_run("latency_under_load")


def test_shares_are_evenly_spread():
    assert shares_of(10, 120, 12) == [float(share) for share in range(10, 130, 10)]
    assert shares_of(25, 100, 2) == [25.0, 100.0]
    with pytest.raises(InputError, match="from 80 % to 80 % there is nothing to vary; choose"):
        shares_of(80, 80, 3)


def test_a_load_of_hardly_any_commands_is_refused(tmp_path):
    loads = dict(lowest=0.1, highest=1000, loads=40, engines=["price_ladder"], rate=1e5)
    with pytest.raises(InputError, match="lowest load, 0.1 %, gets 0 of 2,000 commands; raise"):
        run_experiment("latency_under_load", loads, "smoke", lambda *told: None, tmp_path)


def test_a_case_says_its_load():
    assert [share_of(case_of(share)) for share in (10.0, 62.5, 120.0)] == [10.0, 62.5, 120.0]


def test_loads_rise_with_their_rates(result):
    for rival in result.parameters["engines"]:
        loads = [
            (share_of(item.case), item.at)
            for item in result.measurements
            if item.rival == rival and item.metric == "response_time"
        ]
        assert [share for share, _ in loads] == [20, 85, 150]
        for (share, at), (higher, above) in pairwise(loads):
            assert above / at == pytest.approx(higher / share)


def test_each_rival_has_a_knee_and_a_saturation_point(result):
    for rival in result.parameters["engines"]:
        found = {
            item.metric: item
            for item in result.measurements
            if item.rival == rival and item.case == EVERY_LOAD
        }
        assert set(found) == {KNEE, SATURATION}
        rates = [item.at for item in result.measurements if item.rival == rival and item.at]
        for item in found.values():
            assert item.unit == "per_second" and item.runs == 2
            assert min(rates) <= item.median <= max(rates)


def test_the_finding_and_the_notes_say_what_was_measured(result):
    best, rest = result.verdict.finding.split(" answers 99 % within ")
    assert best in result.parameters["engines"]
    assert " up to " in rest and "; at 85 % load " in rest and "ping-pong would report" in rest
    notes = " ".join(result.notes)
    assert "coordinated omission" in notes and "binary_heap: called from Python" in notes
    assert "Knee:" in notes and "one thread" in notes


def test_rates_can_be_named(tmp_path):
    fixed = {"engines": "binary_heap", "rate": 1e5, "arrivals": "bursts", "batch": 8}
    found = run_experiment("latency_under_load", fixed, "smoke", silent, tmp_path)
    rates = [item.at for item in found.measurements if item.metric == "response_time"]
    assert rates == pytest.approx([2e4, 8.5e4, 1.5e5])
    assert all(item.digest_ok for item in found.measurements)
    assert "as was asked for" in " ".join(found.notes)


def test_a_recorded_day_is_a_load(tmp_path):
    fixed = {"engines": "binary_heap", "day": SAMPLE_DAY, "arrivals": "recorded", "rate": 1e5}
    found = run_experiment("latency_under_load", fixed, "smoke", silent, tmp_path)
    assert all(item.digest_ok for item in found.measurements)
    assert {KNEE, SATURATION} <= {item.metric for item in found.measurements}
    assert "commands came at 0.235 a second" in " ".join(found.notes)


def test_recorded_arrivals_need_a_recording(tmp_path):
    with pytest.raises(InputError, match="^arrivals recorded need a recording; name a file with"):
        run_experiment("latency_under_load", {"arrivals": "recorded"}, "smoke", silent, tmp_path)


def test_the_estimate_follows_loads_and_rounds():
    entry = EXPERIMENTS["latency_under_load"]
    small = entry.estimate_seconds(entry.parameters({}, "smoke"))
    usual, full = (entry.estimate_seconds(entry.parameters({}, size)) for size in (None, "full"))
    assert small < usual < full
    many = entry.estimate_seconds(entry.parameters({"rounds": 10}))
    assert many > 2 * usual


# -- what is drawn --------------------------------------------------------------------------------


def test_load_comes_first_and_ping_pong_stands_beside(result):
    assert plots.kinds(result)[:2] == ["load", "percentiles"]
    case = reading.default_case(result)
    assert case == "85 % load"
    lines = reading.lines([result], case)
    assert [line.name for line in lines[:2]] == [
        f"{engine} by ping-pong" for engine in result.parameters["engines"]
    ]
    assert [line.name for line in lines[2:]] == result.parameters["engines"]
    for line in lines:
        metric = "service_time" if line.is_aside else "response_time"
        assert line.measurement.metric == metric


def quiet(result: Result) -> Result:
    """Return a result with the numbers of a quiet machine: M/M/1's, at 11 and at 12.6 M/s."""
    able = {"binary_heap": 11e6, "price_ladder": 12.6e6}
    steady = result.model_copy(deep=True)
    for item in steady.measurements:
        full = able[item.rival]
        share = share_of(item.case) / 100 if item.at else 0.0
        if item.metric.startswith("response_time"):
            percent = {"response_time_p99": 99.0, "response_time_p99.9": 99.9}.get(item.metric, 50)
            queue = QUEUES["M/M/1"]
            time = queue.quantile(share, percent) if share < 1 else 2e4
            item.median = time * 1e9 / full
            item.low, item.high = 0.95 * item.median, 1.05 * item.median
        if item.at:
            item.at = share * full
        if item.case == EVERY_LOAD:
            item.median = full * (0.6 if item.metric == KNEE else 1.01)
            item.low, item.high = 0.97 * item.median, 1.02 * item.median
    return steady


@pytest.mark.parametrize("size", [plots.FULL, plots.HALF], ids=["full", "half"])
@pytest.mark.parametrize("make", [lambda result: result, quiet], ids=["measured", "quiet"])
def test_no_text_of_the_load_figure_is_cut_or_lies_on_another(result, make, size):
    figure = plots.load(make(result), size=size)
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(100)
    canvas.draw()
    texts = [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()))
        for text in figure.findobj(Text)
        if text.get_text() and text.get_visible()
    ]
    width, height = size[0] * 100, size[1] * 100
    for text, box in texts:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{text!r} is cut at {box}"
    for (text, box), (other, other_box) in combinations(texts, 2):
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        upward = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert across <= 1 or upward <= 2, f"{text!r} lies on {other!r}"


@pytest.mark.parametrize("kind", ["load", "percentiles"])
def test_the_same_result_gives_the_same_bytes(result, kind):
    draw = getattr(plots, kind)
    assert plots.to_svg(draw(result)) == plots.to_svg(draw(result))


def test_a_column_for_each_engine_with_its_knee(result):
    figure = plots.load(result)
    written = [text.get_text() for text in figure.texts]
    assert len(figure.axes) == 2
    for engine in result.parameters["engines"]:
        assert engine in written
    assert sum(text.startswith("knee ") and "full at" in text for text in written) == 2
    assert written.count("p99") >= 1


def test_three_engines_fit_the_title(result):
    """Their intervals are the bands of the columns, and are in the words beside the figure."""
    three = result.model_copy(deep=True)
    copies = [item for item in three.measurements if item.rival == "price_ladder"]
    three.measurements += [item.model_copy(update={"rival": "native"}) for item in copies]
    three.verdict.finding = (
        "native answers 99 % within 430 ns up to 8.82 M/s (7.22 M to 10.4 M), price_ladder up to "
        "8.12 M/s (7.02 M to 9.41 M), binary_heap up to 121 k/s (103 k to 139 k); the rest"
    )
    written = " ".join(text.get_text() for text in plots.load(three).texts).replace("\u00a0", " ")
    assert "up to 8.82 M/s, price_ladder up to 8.12 M/s, binary_heap up to 121 k/s" in written
    assert "7.22 M to 10.4 M" in plots.alt_text(three, "load")


def test_the_words_for_who_cannot_see_it(result):
    words = plots.alt_text(result, "load")
    assert words.startswith("Response time over load. ")
    for engine in result.parameters["engines"]:
        assert f"{engine}, knee: " in words and f"{engine}, 99 % within: 20 % load " in words
    assert "by ping-pong: 50 % within" in plots.alt_text(result, "percentiles")


def test_the_title_says_what_ping_pong_leaves_out(result):
    title = reading.title(result, "85 % load")
    assert title.startswith("At 85 % load 1 % of commands wait ") and "ping-pong says " in title
    assert math.isfinite(reading.horizon([result], "85 % load")[0])


def test_the_panel_opens_with_the_load_and_at_80_per_cent(result):
    from lab.panels.view import View

    view = View()
    view.show([result])
    assert view.tabs.titles[:2] == ("Load", "Percentiles") and view.case.value == "85 % load"
    for place, words in enumerate(("Response time over load. ", "Percentile plot. At 85 % load ")):
        view.tabs.selected_index = place
        assert words in view.image
