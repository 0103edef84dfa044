"""The open-loop driver: its schedules, its loop against Lindley's recursion, engines behind it."""

from __future__ import annotations

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.matching import IMPLEMENTATIONS, present
from engines.messages import COMMAND, EVENT
from lab.measure.open_loop import (
    VIRTUAL,
    Passed,
    Server,
    drive,
    drive_calls,
    natural_rate,
    recorded_schedule,
    schedule,
)
from lab.measure.servers import server_of, simulated
from lab.workloads.order_flow import ARRIVALS, generate

NOTHING = np.zeros(1, np.int64)
COMPILED = [name for name in present() if name in ("price_ladder", "native")]


# -- schedules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e3, 2.5e6, 4e7])
@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_a_schedule_has_the_rate_that_was_asked_for(arrivals, rate):
    count = 400_000
    due_ns = schedule(count, arrivals, rate, seed=3)
    assert due_ns.shape == (count,) and (np.diff(due_ns) >= 0).all()
    # the mean of n random gaps is off by 1 / sqrt(n); bursts of 100 leave n / 100 pauses
    tolerance = {"constant": 1e-9, "poisson": 4 / 632, "bursts": 4 / 63}[arrivals]
    assert count / (due_ns[-1] * 1e-9) == pytest.approx(rate, rel=tolerance)


def test_poisson_gaps_are_exponential():
    gaps = np.diff(schedule(200_000, "poisson", 1e6, seed=5))
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.02)
    for times in (0.5, 1.0, 3.0):
        assert np.mean(gaps > times * 1_000) == pytest.approx(np.exp(-times), abs=0.005)


def test_rounding_to_whole_nanoseconds_does_not_raise_the_rate():
    """Rounded down, gaps of a microsecond would be half a nanosecond short: 0.05 %."""
    rates = [4e5 / schedule(400_000, "poisson", 1.0, seed)[-1] * 1e9 for seed in range(60)]
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) == pytest.approx(1.0, abs=3 * error)
    assert 3 * error < 0.0008


def test_bursts_hold_their_load_in_a_tenth_of_the_time():
    gaps = np.diff(schedule(300_000, "bursts", 1e6, seed=1))
    within = gaps[gaps < 2_000]
    assert np.sum(within) / np.sum(gaps) < 0.13 and len(within) / len(gaps) > 0.98


def test_another_seed_gives_other_arrivals_and_the_same_seed_the_same():
    first, again, other = (schedule(100, "poisson", 1e6, seed) for seed in (1, 1, 2))
    assert (first == again).all() and not (first == other).any()


def test_a_recorded_day_runs_at_any_speed():
    times_ns = np.array([500, 500, 1_500, 10_500])
    assert natural_rate(times_ns) == pytest.approx(3e5)
    assert recorded_schedule(times_ns, 3e5).tolist() == [0, 0, 1_000, 10_000]
    assert recorded_schedule(times_ns, 3e8).tolist() == pytest.approx([0, 0, 1, 10])


@pytest.mark.parametrize("times_ns", [np.zeros(0), np.array([7]), np.array([7, 7, 7])])
def test_a_recording_without_length_has_no_rate(times_ns):
    with pytest.raises(InputError, match="came all at once, so they have no rate; take a longer"):
        natural_rate(times_ns)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(InputError, match="commands a second is no load; choose one above 0$"):
        schedule(10, "constant", rate, 1)


def test_arrivals_that_nobody_knows_are_refused():
    with pytest.raises(InputError, match="there are no arrivals 'often'; choose one of constant"):
        schedule(10, "often", 1e6, 1)


# -- the loop, on a clock that only the server and the waiting move --------------------------------


def lindley(due: list[int], service: list[int], batch: int) -> list[tuple[int, int]]:
    """Return when each command is handed over and answered: plain Python, nothing of the driver's.

    Up to ``batch`` that are waiting when the server is free go over together; a call takes the sum.
    """
    found: list[tuple[int, int]] = []
    free = 0
    while len(found) < len(due):
        start = max(due[len(found)], free)
        waiting = [d for d in due[len(found) : len(found) + batch] if d <= start]
        free = start + sum(service[len(found) : len(found) + len(waiting)])
        found += [(start, free)] * len(waiting)
    return found


def on_virtual_clock(due: np.ndarray, service: np.ndarray, batch: int, start: int = 0) -> Passed:
    now = np.array([start], np.int64)
    server = simulated(service, VIRTUAL, now)
    return drive(server, NOTHING, NOTHING, due, batch, VIRTUAL, 1.0, now)


@pytest.mark.parametrize("batch", [1, 2, 7, 1_000])
@pytest.mark.parametrize("load", [0.2, 0.7, 1.0, 1.5])
def test_the_driver_is_lindleys_recursion_exactly(load, batch):
    chance = np.random.default_rng(int(100 * load) + batch)
    service = chance.integers(0, 2_000, 3_000)
    due = np.cumsum(chance.exponential(1_000 / load, 3_000)).round()
    passed = on_virtual_clock(due, service, batch, start=10**9)
    actual = list(zip(passed.starts.tolist(), passed.ends.tolist(), strict=True))
    assert actual == lindley(due.astype(int).tolist(), service.tolist(), batch)
    assert passed.due.tolist() == due.astype(int).tolist()


def test_commands_that_are_due_at_the_same_time_queue_up():
    passed = on_virtual_clock(np.zeros(4), np.full(4, 100), batch=1)
    assert (passed.ends - passed.due).tolist() == [100, 200, 300, 400]
    assert (passed.ends - passed.starts).tolist() == [100] * 4


def test_a_pass_of_no_commands_is_one():
    passed = on_virtual_clock(np.zeros(0), np.zeros(0, np.int64), batch=1)
    assert len(passed.ends) == 0 and passed.events == 0


def test_ping_pong_does_not_see_a_server_that_stands_still():
    """Every 1,000 ns a command of 100 ns; one of them takes 1 ms, and a thousand others wait."""
    service = np.full(10_000, 100)
    service[5_000] = 1_000_000
    passed = on_virtual_clock(np.arange(10_000) * 1_000.0, service, batch=1)
    response, seen = passed.response_times(), passed.service_times()
    assert seen.quantile(99.9) == 100 and seen.max >= 1_000_000
    assert response.quantile(99) > 800_000
    # the backlog shrinks by 900 ns a command: 1,111 commands wait
    assert (passed.starts > passed.due).sum() == 1_110


@pytest.mark.parametrize("lacks", [0.0, 0.1, 1.0])
def test_growth_is_the_share_that_the_server_lacks(lacks):
    due = np.arange(30_000) * 1_000.0
    service = np.full(30_000, round(1_000 * (1 + lacks)))
    passed = on_virtual_clock(due, service, batch=1)
    assert passed.growth() == pytest.approx(lacks, abs=0.001)
    assert passed.achieved() == pytest.approx(1e6 / (1 + lacks), rel=0.001)


def test_one_hiccup_at_the_end_is_no_growth():
    service = np.full(30_000, 500)
    service[29_000] = 20_000_000
    passed = on_virtual_clock(np.arange(30_000) * 1_000.0, service, batch=1)
    assert passed.growth() == 0.0


def test_all_due_at_once_is_a_closed_loop():
    passed = on_virtual_clock(np.zeros(1_000), np.full(1_000, 250), batch=1)
    assert passed.achieved() == pytest.approx(4e6)


# -- engines --------------------------------------------------------------------------------------


def flow_and_books(name: str):
    """Return commands, and two engines that hold the preload."""
    flow = generate("balanced", 3_000, 300, seed=2, symbols=2)
    room = np.zeros(20_000, EVENT)
    engines = []
    for _ in range(2):
        engine = IMPLEMENTATIONS[name].create(flow.orders_max, flow.symbols)
        engine.submit(flow.preload, room)
        engines.append(engine)
    return flow.commands.copy(), engines


def whole(engine, commands) -> tuple[int, str]:
    """Return how many events an engine writes and its book, all commands in one call."""
    events = np.zeros(30_000, EVENT)
    taken, written = engine.submit(commands, events)
    assert taken == len(commands)
    return written, engine.digest()


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("events_room", [1, 5, 4_096])
@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_engine_does_the_same_work_behind_the_driver(name, events_room, batch):
    commands, (driven, other) = flow_and_books(name)
    events = np.zeros(events_room, EVENT)
    due_ns = schedule(len(commands), "poisson", 5e6, seed=1)
    passed = drive(server_of(driven), commands, events, due_ns, batch)
    assert (passed.events, driven.digest()) == whole(other, commands)
    assert len(driven.undelivered()) == 0
    driven.check()
    assert (passed.starts >= passed.due).all() and (passed.ends >= passed.starts).all()
    late = passed.ends[:-1] > passed.due[1:]
    if batch == 1:  # a command that is late begins where the one before ends
        assert (passed.starts[1:][late] == passed.ends[:-1][late]).all()


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("events_room", [1, 4_096])
@pytest.mark.parametrize("name", ["binary_heap", "price_ladder"])
def test_an_engine_called_from_python_does_the_same_work(name, events_room, batch):
    commands, (driven, other) = flow_and_books(name)
    events = np.zeros(events_room, EVENT)
    due_ns = schedule(len(commands), "bursts", 1e6, seed=1)
    passed = drive_calls(driven.submit, commands, events, due_ns, batch)
    assert (passed.events, driven.digest()) == whole(other, commands)
    assert (passed.starts >= passed.due).all() and (passed.ends >= passed.starts).all()


@pytest.mark.parametrize("name", [name for name in present() if name not in COMPILED])
def test_the_others_have_no_door_for_compiled_code(name):
    assert server_of(IMPLEMENTATIONS[name].create(orders=10, symbols=1)) is None


def test_a_low_load_is_kept_to():
    """A command is never handed over before it is due, and 100 of them 100 µs apart take 10 ms."""
    commands, (engine, _) = flow_and_books("price_ladder")
    due_ns = np.arange(1, 101) * 100_000.0
    passed = drive(server_of(engine), commands, np.zeros(64, EVENT), due_ns)
    assert (passed.starts >= due_ns).all()
    assert passed.ends[-1] >= 10_000_000


def test_an_engine_that_takes_nothing_is_left():
    commands = np.zeros(3, COMMAND)
    with pytest.raises(MeasurementError, match="the engine took no more commands; run its tests"):
        drive_calls(lambda *_: (0, 0), commands, np.zeros(2, EVENT), np.zeros(3))


def test_a_server_that_takes_nothing_is_left():
    import ctypes

    @ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 7)
    def lazy(engine, commands, count, events, room, times, written):
        ctypes.c_int64.from_address(written).value = 0
        return 0

    server = Server(ctypes.cast(lazy, ctypes.c_void_p).value, 0, (lazy,))
    commands = np.zeros(3, COMMAND)
    with pytest.raises(MeasurementError, match="took no more commands"):
        drive(server, commands, np.zeros(2, EVENT), np.zeros(3))
