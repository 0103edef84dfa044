"""The market-like flows: each statistic that is promised, in a band that chance rarely leaves."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, present
from engines.messages import (
    COMMAND,
    EVENT,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    event_kinds,
)
from lab.workloads.market_flow import FEATURED, PRICE_CENTRE, Shares, distance_weights
from lab.workloads.order_flow import ACTIONS, ARRIVALS, FLOWS, Flow, generate

MARKET = [kind.name for kind in FLOWS.values() if kind.swing is not None]
PLAIN = [name for name in MARKET if not FLOWS[name].features]
ADD, CANCEL, TAKE, REPLACE, STOP, TICK = range(len(ACTIONS))
LIVE, MESSAGES = 2_000, 200_000

# Pinned: a change of these bytes is a change of every recorded result's digest.
PINNED = {
    ("calm", 5_000, 500, 1, 1): "10de8a9be60de407",
    ("trending", 5_000, 500, 1, 1): "10ea605484a7cd6c",
    ("swinging", 5_000, 500, 2, 8): "7de604dd857dfccc",
    ("flash_crash", 5_000, 500, 1, 1): "a87c471161317514",
    ("featured", 5_000, 500, 1, 2): "7037fcd6bd3bdf1f",
}


@cache
def made(name: str) -> Flow:
    """A flow that is large enough for statistics."""
    return generate(name, MESSAGES, LIVE, seed=5)


def run(flow: Flow, engine: str, orders: int | None = None) -> tuple[np.ndarray, list[int], str]:
    """Return an engine's events, the live orders after each twentieth, and the last digest."""
    book = IMPLEMENTATIONS[engine].create(orders=orders or flow.orders_max, symbols=flow.symbols)
    room = np.zeros(8 * (len(flow.preload) + len(flow.commands)), EVENT)
    taken, written = book.submit(flow.preload, room)
    assert taken == len(flow.preload)
    parts, live = [room[:written].copy()], [len(book.live_orders())]
    for part in np.array_split(flow.commands, 20):
        taken, written = book.submit(part, room)
        assert taken == len(part)
        parts.append(room[:written].copy())
        live.append(len(book.live_orders()))
    book.check()
    return np.concatenate(parts), live, book.digest()


@cache
def ladder(name: str) -> tuple[np.ndarray, list[int]]:
    """What the price ladder makes of the large flow; that it is right, other tests say."""
    return run(made(name), "price_ladder")[:2]


def rejected(flow: Flow, events: np.ndarray) -> np.ndarray:
    """Which commands were rejected, as a mask."""
    sequences = events["sequence"][event_kinds(events) == EventKind.REJECTED]
    return np.isin(flow.commands["sequence"], sequences)


def news(flow: Flow) -> np.ndarray:
    """The new orders among the commands."""
    return flow.commands[flow.commands["kind"] == CommandKind.NEW]


def within_chance(count: int, of: int, share: float, deviations: float = 4.5) -> None:
    """Hold a count against its expectation."""
    spread = deviations * np.sqrt(of * share * (1 - share))
    assert abs(count - of * share) < spread, f"{count / of:.4f} of {of}, not {share}"


class TestShares:
    @pytest.mark.parametrize("name", MARKET)
    def test_actions_say_what_the_commands_do(self, name):
        flow = made(name)
        kind, tif = flow.commands["kind"], flow.commands["tif"]
        is_new = kind == CommandKind.NEW
        never_rests = (tif == TimeInForce.IOC) | (tif == TimeInForce.FOK)
        expected = np.select(
            [
                kind == CommandKind.CANCEL,
                kind == CommandKind.REPLACE,
                kind == CommandKind.TICK,
                is_new & (flow.commands["order_type"] >= OrderType.STOP),
                is_new & never_rests,
            ],
            [CANCEL, REPLACE, TICK, STOP, TAKE],
            ADD,
        )
        assert np.array_equal(flow.actions, expected)

    @pytest.mark.parametrize("name", MARKET)
    def test_of_new_orders_15_percent_are_immediate_or_cancel(self, name):
        flow = made(name)
        within_chance(np.sum(flow.actions == TAKE), len(news(flow)), 0.15)

    @pytest.mark.parametrize("name", PLAIN)
    def test_of_the_others_20_percent_are_replaced_once_and_95_percent_cancelled(self, name):
        flow = made(name)
        events, _ = ladder(name)
        on_time = ~rejected(flow, events)
        replaced = flow.commands["order_id"][on_time & (flow.actions == REPLACE)]
        assert len(np.unique(replaced)) == len(replaced)
        ended_by_trade = filled(flow, events)
        cancels = np.sum(on_time & (flow.actions == CANCEL))
        assert ended_by_trade / (ended_by_trade + cancels) == pytest.approx(0.05, abs=0.003)
        # a few are filled before their replace comes
        assert len(replaced) / (ended_by_trade + cancels) == pytest.approx(0.197, abs=0.006)

    @pytest.mark.parametrize("name", PLAIN)
    def test_most_replaces_go_one_tick_nearer(self, name):
        flow = made(name)
        everything = np.concatenate([flow.preload, flow.commands])
        price = dict(
            zip(everything["order_id"].tolist(), everything["price"].tolist(), strict=True)
        )
        first = everything[everything["kind"] == CommandKind.NEW]
        price = dict(zip(first["order_id"].tolist(), first["price"].tolist(), strict=True))
        on_time = ~rejected(flow, ladder(name)[0]) & (flow.actions == REPLACE)
        replaces = flow.commands[on_time]
        old = np.array([price[number] for number in replaces["order_id"].tolist()])
        nearer = np.where(replaces["side"] == Side.BUY, 1, -1) * (replaces["price"] - old)
        assert set(np.unique(nearer)) == {-1, 0, 1}
        # nobody walks into the other side on purpose, which in `calm` is near for many
        assert 0.60 < np.mean(nearer == 1) < 0.82
        within_chance(np.sum(nearer == -1), len(nearer), 0.10)

    @pytest.mark.parametrize("name", PLAIN)
    def test_2_percent_come_twice_or_too_late_and_nothing_else_is_rejected(self, name):
        flow = made(name)
        events, _ = ladder(name)
        late = rejected(flow, events)
        reasons = events["reason"][event_kinds(events) == EventKind.REJECTED]
        assert set(reasons.tolist()) == {Reason.UNKNOWN_ORDER}
        for action in (CANCEL, REPLACE):
            of_kind = flow.actions == action
            within_chance(np.sum(late & of_kind), np.sum(of_kind & ~late), 0.02)
        known = set(flow.preload["order_id"].tolist()) | set(news(flow)["order_id"].tolist())
        assert set(flow.commands["order_id"][late].tolist()) <= known

    @pytest.mark.parametrize("name", PLAIN)
    def test_some_takers_find_somebody_and_most_do_not(self, name):
        flow = made(name)
        events, _ = ladder(name)
        trades = events[event_kinds(events) == EventKind.TRADE]
        takers = flow.commands["order_id"][flow.actions == TAKE]
        found = len(np.intersect1d(takers, trades["order_id"])) / len(takers)
        assert 0.14 < found < 0.5  # in a thin book a part of what one looks for

    def test_shares_are_parameters(self):
        flow = generate("calm", 50_000, 500, 1, shares=Shares(ioc=0.4, replaced=0.5, late=0.0))
        within_chance(np.sum(flow.actions == TAKE), len(news(flow)), 0.4)
        events = run(flow, "price_ladder")[0]
        assert not rejected(flow, events).any()
        replaces, adds = np.sum(flow.actions == REPLACE), np.sum(flow.actions == ADD)
        # the orders of the preload are replaced too
        assert replaces / adds == pytest.approx(0.507, abs=0.012)


def filled(flow: Flow, events: np.ndarray) -> int:
    """How many orders that rested ended in a trade: as makers, or as takers by a replace."""
    trades = events[event_kinds(events) == EventKind.TRADE]
    replaced = flow.commands["order_id"][flow.actions == REPLACE]
    walked_in = (trades["remaining"] == 0) & np.isin(trades["order_id"], replaced)
    return int(np.sum(trades["other_remaining"] == 0) + np.sum(walked_in))


class TestPrices:
    @staticmethod
    def distances() -> np.ndarray:
        """How far new orders of a long ``calm`` stand from its touch, whose mid never moves."""
        flow = generate("calm", 1_000_000, LIVE, seed=3)
        adds = flow.commands[flow.actions == ADD]
        away = adds["price"].astype(np.int64) - PRICE_CENTRE
        return np.where(adds["side"] == Side.BUY, -away, away) - 1

    def test_distances_fall_as_the_power_2_2_with_a_hump_eight_ticks_out(self):
        distances = self.distances()
        counts = np.bincount(distances, minlength=40)
        assert counts[0] == counts.max() and distances.min() == 0
        assert 7 <= 3 + np.argmax(counts[3:30]) <= 9
        assert counts[8] > 1.8 * counts[4] and counts[8] > 20 * counts[16]
        # beyond the hump: the likeliest exponent of a power law that is cut off at 750
        tail = distances[distances >= 20] + 1
        assert len(tail) > 4_000
        ranks = np.log(np.arange(21, 751))
        exponents = np.arange(1.5, 3.0, 0.005)
        likelihood = [
            -e * np.log(tail).sum() - len(tail) * np.log(np.exp(-e * ranks).sum())
            for e in exponents
        ]
        # its deviation is 1.2 / sqrt(4,000) = 0.02
        assert exponents[np.argmax(likelihood)] == pytest.approx(2.2, abs=0.08)

    def test_the_weights_are_whole_numbers_of_that_law(self):
        weights = distance_weights(750)
        assert weights[99] / weights[199] == pytest.approx((200 / 100) ** 2.2, rel=1e-6)
        assert sum(weights[1:17]) / sum(weights) > 0.25

    @pytest.mark.parametrize(
        ("name", "lowest", "highest"),
        [
            ("calm", 1_000, 1_500),
            ("trending", 1_800, 2_820),
            ("swinging", 16_000, 17_900),
            ("flash_crash", 39_000, 40_850),
        ],
    )
    def test_prices_lie_over_the_range_of_the_walk_and_1_500_ticks_more(
        self, name, lowest, highest
    ):
        flow = made(name)
        prices = flow.commands["price"][flow.actions != CANCEL]
        assert lowest < np.ptp(prices) < highest

    @pytest.mark.parametrize("name", ["trending", "swinging", "flash_crash"])
    def test_prices_jump_over_the_whole_range(self, name):
        flow = made(name)
        prices = flow.commands["price"][flow.actions == ADD].astype(float)
        assert abs(np.corrcoef(prices[1:], prices[:-1])[0, 1]) < 0.05
        assert np.median(np.abs(np.diff(prices))) > np.ptp(prices) / 10

    def test_the_walk_is_a_random_walk_of_exactly_that_range(self):
        from lab.workloads.market_kernel import walk

        for swing in (0, 1_310, 39_321):
            assert np.ptp(walk(100_000, swing, seed=4)) == swing
        path = walk(400_000, 10**9, seed=4)
        steps = np.diff(path).astype(float)
        assert abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < 0.01
        # the variance of the sum of 64 steps is 64 times that of one
        sums = steps[: len(steps) // 64 * 64].reshape(-1, 64).sum(axis=1)
        assert sums.var() / steps.var() == pytest.approx(64, rel=0.1)
        # near normal: three in a thousand beyond three deviations
        beyond = np.mean(np.abs(steps - steps.mean()) > 3 * steps.std())
        assert 0.001 < beyond < 0.005

    def test_width_centre_and_swing_are_parameters(self):
        flow = generate("calm", 20_000, 500, 1, price_centre=10_000, width=20, swing=10)
        prices = flow.commands["price"][flow.actions != CANCEL]
        assert 900 < np.ptp(prices) <= 1_000 + 2 * 22
        assert np.mean(prices) == pytest.approx(10_000, abs=200)

    def test_both_sides_and_all_symbols_are_used(self):
        flow = generate("swinging", 40_000, 4_000, 1, symbols=8)
        counts = np.bincount(news(flow)["symbol"], minlength=8)
        assert len(counts) == 8 and counts.min() > 0.9 * counts.mean()
        assert np.mean(news(flow)["side"] == Side.BUY) == pytest.approx(0.5, abs=0.03)


def first_sequences(commands: np.ndarray) -> dict[int, int]:
    """Each order's first of these commands."""
    ids, places = np.unique(commands["order_id"], return_index=True)
    return dict(zip(ids.tolist(), commands["sequence"][places].tolist(), strict=True))


class TestLives:
    @staticmethod
    def lives(lowest: int, highest: int) -> np.ndarray:
        """How many commands orders of ``calm`` live that stand in a band of distances."""
        flow = generate("calm", 1_000_000, LIVE, seed=6)
        adds = flow.commands[flow.actions == ADD]
        away = adds["price"].astype(np.int64) - PRICE_CENTRE
        distance = np.where(adds["side"] == Side.BUY, -away, away) - 1
        # those born late would be seen only if they die young
        chosen = (distance >= lowest) & (distance <= highest) & (adds["sequence"] < 600_000)
        born = first_sequences(adds[chosen])
        moved = set(flow.commands["order_id"][flow.actions == REPLACE].tolist())
        ends = first_sequences(flow.commands[flow.actions == CANCEL])
        return np.array(
            [end - born[n] for n, end in ends.items() if n in born and n not in moved], float
        )

    def test_a_life_is_exponential_and_longer_deeper_in_the_book(self):
        deep = self.lives(7, 14)
        near = self.lives(1, 2)
        assert len(deep) > 10_000
        # the largest difference of the distributions (Kolmogorov): 1.6 / sqrt(n) in 1 % of cases
        ordered = np.sort(deep)
        expected = 1 - np.exp(-ordered / deep.mean())
        seen = (np.arange(len(deep)) + 0.5) / len(deep)
        assert np.max(np.abs(expected - seen)) < 2 / np.sqrt(len(deep))
        assert deep.std() / deep.mean() == pytest.approx(1, abs=0.05)
        assert deep.mean() > 1.25 * near.mean()

    @pytest.mark.parametrize("name", MARKET)
    def test_the_book_stays_at_its_size(self, name):
        _, live = ladder(name)
        assert live[0] == pytest.approx(LIVE, rel=0.03)  # a few of featured never rest
        assert min(live) > 0.9 * LIVE and max(live) < 1.1 * LIVE

    @pytest.mark.parametrize("live_orders", [0, 1, 30, 20_000])
    @pytest.mark.parametrize("name", ["calm", "flash_crash", "featured"])
    def test_few_orders_and_tens_of_thousands_can_live(self, name, live_orders):
        flow = generate(name, 3_000, live_orders, seed=2)
        events, live, _ = run(flow, "price_ladder")
        assert Reason.BOOK_FULL not in events["reason"]
        of_the_day = 0.23 if name == "featured" else 0.0  # which ends for them
        assert abs(live[-1] - live_orders) < 60 + (0.05 + of_the_day) * live_orders

    @pytest.mark.parametrize("name", PLAIN)
    def test_room_for_orders_max_is_enough_and_needed(self, name):
        flow = made(name)
        assert flow.orders_max < 1.2 * LIVE
        reasons = run(flow, "price_ladder", flow.orders_max - 1)[0]["reason"]
        assert Reason.BOOK_FULL in reasons
        assert Reason.BOOK_FULL not in ladder(name)[0]["reason"]

    def test_room_for_orders_max_is_enough_where_the_book_is_not_exact(self):
        for seed in range(4):
            flow = generate("featured", 30_000, 400, seed, symbols=2)
            assert flow.orders_max < 2 * 400
            assert Reason.BOOK_FULL not in run(flow, "price_ladder")[0]["reason"]


class TestFeatured:
    def test_the_shares_of_the_order_types(self):
        flow = made("featured")
        adds, takes = (news(flow)[flow.actions[is_new(flow)] == action] for action in (ADD, TAKE))
        stops = flow.commands[flow.actions == STOP]
        within_chance(len(stops), len(adds) + len(stops), FEATURED.stop)
        within_chance(np.sum(adds["flags"] & Flag.POST_ONLY != 0), len(adds), FEATURED.post_only)
        within_chance(
            np.sum(adds["flags"] & Flag.ALL_OR_NONE != 0), len(adds), FEATURED.all_or_none
        )
        within_chance(np.sum(adds["tif"] == TimeInForce.DAY), len(adds), FEATURED.day)
        within_chance(np.sum(adds["tif"] == TimeInForce.GTD), len(adds), FEATURED.gtd)
        whole = FEATURED.iceberg * (1 - FEATURED.all_or_none)
        within_chance(np.sum(adds["display_quantity"] > 0), len(adds), whole)
        within_chance(np.sum(news(flow)["stp"] > 0), len(news(flow)), FEATURED.prevention)
        trailing = np.sum(stops["order_type"] >= OrderType.TRAILING_STOP)
        within_chance(int(trailing), len(stops), 0.3)
        for field, code in (("order_type", OrderType.MARKET), ("tif", TimeInForce.FOK)):
            assert 0.005 < np.mean(takes[field] == code) < 0.05
        assert len(np.unique(news(flow)["owner"])) == 16

    def test_icebergs_are_three_tenths_of_the_volume(self):
        adds = made("featured").commands[made("featured").actions == ADD]
        hides = adds["display_quantity"] > 0
        assert np.all(adds["display_quantity"][hides] <= adds["quantity"][hides])
        volume = adds["quantity"][hides].sum() / adds["quantity"].sum()
        assert volume == pytest.approx(0.31, abs=0.02)

    def test_everything_happens(self):
        events, _ = ladder("featured")
        kinds, reasons = Counter(event_kinds(events).tolist()), Counter(events["reason"].tolist())
        for kind in (EventKind.TRIGGERED, EventKind.EXPIRED, EventKind.REFRESHED, EventKind.DONE):
            assert kinds[kind] > 50, kind
        for reason in (
            *(Reason.WOULD_TAKE, Reason.REPRICED, Reason.SLICED, Reason.ALL_OR_NONE, Reason.STOP),
            *(Reason.NOT_FILLABLE, Reason.BELOW_MIN_QUANTITY, Reason.SELF_TRADE),
            *(Reason.DAY_ENDED, Reason.TIME_REACHED),
        ):
            assert reasons[reason] > 0, reason

    def test_what_is_rejected_is_late_or_says_why(self):
        flow = made("featured")
        events, _ = ladder("featured")
        reasons = events["reason"][event_kinds(events) == EventKind.REJECTED]
        assert set(reasons.tolist()) <= {
            *(Reason.UNKNOWN_ORDER, Reason.WOULD_TAKE, Reason.NO_LAST_PRICE),
            *(Reason.NOT_FILLABLE, Reason.BELOW_MIN_QUANTITY),
        }
        late = rejected(flow, events)
        assert np.mean(late) < 0.06
        assert np.mean(late[flow.actions == CANCEL]) < 0.13

    def test_orders_for_the_day_end_in_the_middle(self):
        events, _ = ladder("featured")
        ended = events[events["reason"] == Reason.DAY_ENDED]
        assert len(np.unique(ended["sequence"])) == 1
        middle = LIVE + MESSAGES // 2
        assert 0 <= ended["sequence"][0] - middle < 1_024
        assert len(ended) > 0.1 * LIVE

    def test_features_are_what_the_commands_need(self):
        for name in MARKET:
            orders = np.concatenate([made(name).preload, news(made(name))])
            tif, flags, kind = orders["tif"], orders["flags"], orders["order_type"]
            stops = (kind == OrderType.STOP) | (kind == OrderType.STOP_LIMIT)
            needs = {
                "FOK": tif == TimeInForce.FOK,
                "DAY": tif == TimeInForce.DAY,
                "GTD": tif == TimeInForce.GTD,
                "stop": stops,
                "trailing stop": kind >= OrderType.TRAILING_STOP,
                "iceberg": orders["display_quantity"] > 0,
                "post-only": flags & Flag.POST_ONLY != 0,
                "all-or-none": flags & Flag.ALL_OR_NONE != 0,
                "minimum quantity": orders["min_quantity"] > 0,
                "self-trade prevention": orders["stp"] > 0,
            }
            assert {feature for feature, mask in needs.items() if mask.any()} == FLOWS[
                name
            ].features

    def test_engines_can_be_asked_whether_they_take_a_flow(self):
        able = {
            name: {e.name for e in IMPLEMENTATIONS.values() if FLOWS[name].features <= e.features}
            for name in MARKET
        }
        assert "binary_heap" in able["calm"] and "binary_heap" not in able["featured"]
        assert {"reference", "price_ladder"} <= able["featured"]


def is_new(flow: Flow) -> np.ndarray:
    return flow.commands["kind"] == CommandKind.NEW


class TestEngines:
    @pytest.mark.parametrize("symbols", [1, 3])
    @pytest.mark.parametrize("name", MARKET)
    def test_every_engine_says_the_same(self, name, symbols):
        flow = generate(name, 6_000, 300, seed=11, symbols=symbols)
        expected, _, digest = run(flow, "reference")
        assert Reason.UNSUPPORTED not in expected["reason"]
        for engine in present()[1:]:
            if FLOWS[name].features <= IMPLEMENTATIONS[engine].features:
                actual, _, last = run(flow, engine)
                assert actual.tobytes() == expected.tobytes(), engine
                assert last == digest, engine


class TestArrivals:
    @staticmethod
    def dispersion(times_ns: np.ndarray, window_ns: int) -> float:
        """Variance over mean of how many come in a window; 1 if at random."""
        counts = np.bincount((times_ns - times_ns[0]) // window_ns)[:-1]
        return float(counts.var() / counts.mean())

    @pytest.mark.parametrize(
        ("arrivals", "lowest", "highest"),
        # in bursts of geometric length the index is near twice the mean length
        [("constant", 0.0, 0.001), ("poisson", 0.93, 1.07), ("bursts", 80, 320)],
    )
    @pytest.mark.parametrize("name", ["balanced", "calm"])
    def test_how_they_scatter(self, name, arrivals, lowest, highest):
        flow = generate(name, 200_000, 100, seed=3, arrivals=arrivals)
        times_ns = flow.commands["time_ns"]
        assert np.all(np.diff(times_ns) >= 0)
        assert np.mean(np.diff(times_ns)) == pytest.approx(1_000, rel=0.08)
        assert lowest <= self.dispersion(times_ns, 100_000 * (20 if lowest > 1 else 1)) <= highest

    def test_gaps_of_a_burst_are_a_tenth_of_the_mean(self):
        gaps_ns = np.diff(generate("calm", 100_000, 100, 3, arrivals="bursts").commands["time_ns"])
        assert np.mean(gaps_ns > 2_000) == pytest.approx(0.01, abs=0.002)
        assert np.median(gaps_ns) == pytest.approx(100 * np.log(2), abs=4)

    @pytest.mark.parametrize("arrivals", [name for name in ARRIVALS if name != "constant"])
    def test_they_change_the_times_and_nothing_else(self, arrivals):
        plain, timed = (
            np.concatenate([flow.preload, flow.commands])
            for flow in (
                generate("calm", 2_000, 200, 1, arrivals=a) for a in ("constant", arrivals)
            )
        )
        assert not np.array_equal(plain["time_ns"], timed["time_ns"])
        timed["time_ns"] = plain["time_ns"]
        assert plain.tobytes() == timed.tobytes()

    def test_what_expires_follows_the_times(self):
        flow = generate("featured", 20_000, 400, 1, arrivals="bursts")
        reasons = run(flow, "price_ladder")[0]["reason"]
        assert {Reason.DAY_ENDED, Reason.TIME_REACHED} <= set(reasons.tolist())
        assert Reason.BOOK_FULL not in reasons


class TestBytes:
    @pytest.mark.parametrize("key", PINNED, ids=lambda key: "-".join(map(str, key)))
    def test_they_are_pinned(self, key):
        assert generate(*key).digest() == PINNED[key]

    def test_the_bytes_of_arrivals_are_pinned(self):
        digests = {a: generate("calm", 5_000, 500, 1, arrivals=a).digest() for a in ARRIVALS}
        assert digests == {
            "constant": PINNED["calm", 5_000, 500, 1, 1],
            "poisson": "e7290209f631ac97",
            "bursts": "3a86f6408347c1bc",
        }

    @pytest.mark.parametrize("name", MARKET)
    def test_sequences_ids_and_unused_bytes(self, name):
        flow = generate(name, 3_000, 300, 4)
        everything = np.concatenate([flow.preload, flow.commands])
        assert np.array_equal(everything["sequence"], np.arange(1, 3_301))
        ids = everything["order_id"][everything["kind"] == CommandKind.NEW]
        assert len(np.unique(ids)) == len(ids) and 0 not in ids
        cancels = everything[everything["kind"] == CommandKind.CANCEL]
        for field in ("ref", "price", "stop_price", "quantity", "display_quantity", "flags", "tif"):
            assert not cancels[field].any(), field
        ticks = everything[everything["kind"] == CommandKind.TICK].copy()
        ticks["sequence"], ticks["time_ns"], ticks["kind"] = 0, 0, 0
        assert ticks.tobytes() == bytes(COMMAND.itemsize * len(ticks))

    def test_another_seed_gives_another_flow_and_the_same_the_same(self):
        digests = [generate("swinging", 1_000, 100, seed).digest() for seed in (1, 2, 1)]
        assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arrivals": "rain"}, "no arrivals 'rain'; choose one of constant, poisson, bursts"),
        ({"swing": 151}, "swing 151 is outside 0..150"),
        ({"width": 2**17}, "width 131072 is outside 2..65536"),
        ({"price_centre": 700}, "price_centre 700 is outside 759.."),
        ({"symbols": 65_535}, "price levels, more than"),
        ({"shares": Shares(ioc=0.95)}, "the share ioc 0.95 is outside 0..0.9; choose"),
        ({"shares": Shares(day=0.7, gtd=0.7)}, "day, gtd add up to 1.4, more than 1; lower them"),
        ({"flow": "balanced", "swing": 2}, "balanced has neither swing nor shares"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(change, words):
    parameters = {"flow": "calm", "messages": 10, "live_orders": 10, "seed": 1, **change}
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        generate(**parameters)
