"""Books to look at: commands as a person writes them, steps forward and back, worked examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lab
from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, Feature, present
from engines.messages import COMMAND, EVENT, EventKind, Reason, event_kinds
from lab.books.auction import auction, curves, verdicts
from lab.books.book import BOOK, INCOMING, STOP, named
from lab.books.lines import commands_of, line_of
from lab.books.look import look
from lab.books.scene import choices, scene
from lab.books.source import course_of
from lab.books.steps import SAVED_MOST, Course, Steps
from lab.books.words import REASONS, sentences, table
from lab.plots.auction import auction as auction_figure
from lab.plots.scenes import books
from lab.plots.sheet import to_png
from lab.workloads.order_flow import generate

SAMPLE = Path(__file__).parents[2] / "data/samples/XLAB_2026-01-02_34200000_57600000_10.zip"
RICH = [
    name
    for name in present()
    if {Feature.ICEBERG, Feature.STOP, Feature.STATES, Feature.SELF_TRADE_PREVENTION}
    <= IMPLEMENTATIONS[name].features
]

every_engine = pytest.mark.parametrize("engine", present())
every_rich_engine = pytest.mark.parametrize("engine", RICH)

SWEEP = "sell 30 at 101, sell 20 at 101, sell 50 at 102, sell 40 at 104, buy 40 at 99"
CASCADE = (
    "buy 30 at 100, buy 20 at 99, buy 40 at 98, buy 50 at 96, sell 40 at 102, "
    "buy 10 at 101, sell 10 at 101, sell 40 stop 100, sell 30 stop 99, sell 20 stop 97"
)
OWN = "sell 20 at 101 owner 7, sell 30 at 101 owner 5, sell 50 at 101 owner 8"
CALL = (
    "buy 60 at 102, buy 40 at 101, buy 50 at 100, "
    "sell 20, sell 30 at 99, sell 40 at 100, sell 40 at 102"
)


class TestLines:
    LINES = (
        "#1 sell 30 at 101",
        "#2 sell 20 at 101 show 5 owner 7",
        "#3 buy 5",
        "#4 buy 5 worst 105 fok",
        "#5 sell 50 stop 98",
        "#6 sell 50 stop 98 at 97 day",
        "#7 sell 5 trail 3",
        "#8 sell 5 trail 3 offset 1",
        "#9 buy 9 at 99 post-only reprice",
        "#10 buy 9 at 99 all-or-none owner 5 cancel-oldest",
        "#11 buy 1 at 2 until 5000",
        "#12 buy 10 at 5 min 4 symbol 3",
        "cancel #9",
        "reduce #9 by 5",
        "replace #9 to 5 at 102 as #44",
        "cancel-all sell owner 5",
        "cancel-all",
        "tick 500",
        "state opening-call reference 100",
        "collar low 5 high 9",
        "kill owner 5",
        "revive owner 5",
        "limit quantity 100 notional 9000 orders 3 owner 5",
    )

    def test_a_line_is_written_back_as_it_was_read(self):
        commands = commands_of(self.LINES)
        assert [line_of(command) for command in commands] == list(self.LINES)

    def test_every_generated_command_can_be_written_and_read(self):
        commands = generate("balanced", messages=500, live_orders=50, seed=3).commands
        again = commands_of([line_of(command) for command in commands])
        unsaid = {"sequence", "time_ns"}
        cancels = commands["kind"] != 1  # whose owner is known from the order that they name
        for field in set(COMMAND.names) - unsaid:
            left_out = cancels if field in ("owner", "side") else np.zeros(len(commands), bool)
            assert np.array_equal(commands[field][~left_out], again[field][~left_out]), field

    def test_orders_are_numbered_in_turn_and_owners_remembered(self):
        commands = commands_of("buy 1 at 5 owner 8\n#9 buy 2 at 5, buy 3 at 5, cancel #1")
        assert commands["order_id"].tolist() == [1, 9, 2, 1]
        assert commands["owner"].tolist() == [8, 0, 0, 8]
        assert commands["sequence"].tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("buy", "a whole number must follow 'buy'"),
            ("buy x at 3", "a whole number must follow 'buy'"),
            ("buy 5 att 3", "'att' is not known here"),
            ("#3", "nothing follows the id"),
            ("hop 3", "'hop' is no command"),
            ("cancel 3", "an order is named like #3, not '3'"),
            ("state up", "choose one of continuous, pre-open"),
            ("buy 99999999999 at 3", "a number does not fit its field"),
        ],
    )
    def test_what_cannot_be_understood_is_named(self, line, words):
        with pytest.raises(InputError, match="lab.books.lines|fit its field") as caught:
            commands_of(["buy 1 at 1", line])
        assert repr(line) in str(caught.value)
        assert words in str(caught.value)


class TestWords:
    def test_every_reason_has_words(self):
        assert {int(reason) for reason in Reason} - {0} == {int(reason) for reason in REASONS}

    def test_every_kind_of_event_has_a_sentence(self):
        events = np.zeros(len(EventKind), EVENT)
        events["kind"], events["order_id"] = [int(kind) for kind in EventKind], 7
        assert all(sentences(events))
        assert len(table(events).rows) == len(EventKind)

    def test_what_rests_without_an_event_is_said_to(self):
        played = scene(SWEEP, "buy 120 at 103", engine="reference")
        *_, last = sentences(played.events)
        assert last.endswith("; what is left of #6 rests")
        quiet = scene(SWEEP, "buy 5 at 98", engine="reference")
        assert sentences(quiet.events) == ["#6 comes in to buy 5 at 98, and rests"]
        filled = scene(SWEEP, "buy 30 at 101", engine="reference")
        assert sentences(filled.events)[-1].endswith("#6 filled, #1 filled")

    def test_sparse_ids_are_called_by_their_last_digits(self):
        assert named(123_456_789) == "#123456789"
        assert named(2**63 + 5) == "#…775813"


@pytest.fixture(scope="module")
def flow():
    return generate("balanced", messages=1_500, live_orders=60, seed=9, symbols=2)


def fresh(course: Course, engine: str, position: int) -> tuple[str, bytes]:
    """A new engine's book after so many commands, and the last one's events."""
    made = IMPLEMENTATIONS[engine].create(course.orders_max, course.symbols)
    events = np.zeros(100_000, EVENT)
    for part in (course.preload, course.commands[: max(position - 1, 0)]):
        if part is not None:
            made.submit(part, events)
    _, written = made.submit(course.commands[max(position - 1, 0) : position], events)
    return made.digest(), events[:written].tobytes()


class TestSteps:
    @every_engine
    def test_forward_then_back_gives_the_same_book(self, flow, engine):
        steps = Steps(course_of(flow), engine)
        digests = [steps.engine.digest()]
        for position in range(1, 120):
            steps.go(position)
            digests.append(steps.engine.digest())
        for position in range(118, -1, -1):
            steps.go(position)
            assert steps.position == position
            assert steps.engine.digest() == digests[position]

    @every_engine
    def test_a_jump_anywhere_equals_a_fresh_run(self, flow, engine):
        course = course_of(flow)
        steps = Steps(course, engine)
        for position in (1_500, 3, 900, 899, 901, 32, 33, 31, 64, 0, 1, 1_499, 700):
            steps.go(position)
            assert (steps.engine.digest(), steps.events.tobytes()) == fresh(
                course, engine, position
            ), position
            steps.engine.check()

    def test_beyond_the_ends_is_at_the_ends(self, flow):
        steps = Steps(course_of(flow), "reference")
        steps.go(-5)
        assert (steps.position, steps.command, len(steps.events)) == (0, None, 0)
        steps.go(10**9)
        assert steps.position == len(steps) == 1_500
        assert steps.command is not None and steps.command["sequence"] > 1_500

    def test_back_runs_on_from_a_saved_state_not_from_the_start(self, flow):
        steps = Steps(course_of(flow), "reference")
        steps.go(1_500)
        taken = []
        submit = type(steps.engine).submit

        class Counting(type(steps.engine)):  # type: ignore[misc]
            def submit(self, commands, events, ticks=None):
                taken.append(len(commands))
                return submit(self, commands, events, ticks)

        steps._new_engine = lambda: Counting(steps.course.orders_max, steps.course.symbols)
        steps.go(1_400)
        assert 0 < sum(taken) <= -(-1_500 // SAVED_MOST) + SAVED_MOST

    def test_more_events_than_the_buffer_holds(self):
        lines = [f"sell 1 at {100 + number}" for number in range(5_000)]
        course = course_of([*lines, "buy 5000 at 9000", "buy 1 at 50"])
        steps = Steps(course, "reference")
        steps.go(5_001)
        assert len(steps.events) == 5_001
        steps.go(5_002)
        assert len(steps.events) == 1

    def test_an_unknown_engine_is_named(self, flow):
        with pytest.raises(InputError, match="there is no engine 'fast'; choose one of reference"):
            Steps(course_of(flow), "fast")


class TestSources:
    def test_a_recorded_day(self):
        steps = Steps(course_of(str(SAMPLE)), "reference")
        steps.go(300)
        forward = steps.engine.digest()
        steps.go(800)
        steps.go(300)
        assert steps.engine.digest() == forward
        assert "5,000 messages" in steps.course.title

    def test_names_lines_and_scenes(self):
        assert course_of("balanced").title.startswith("balanced, 5,000 commands")
        assert len(course_of(SWEEP).commands) == 5
        played = scene(SWEEP, "buy 120 at 103", engine="reference")
        assert course_of(played) is played.course

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("nonesuch", "nonesuch"),
            (7, "7 cannot be gone through"),
            ("missing.zip", "missing.zip: cannot be read"),
            ("fly 3 at 4", "'fly' is no command"),
        ],
    )
    def test_what_cannot_be_gone_through_is_named(self, source, words):
        with pytest.raises(InputError, match=words):
            course_of(source)


class TestLook:
    def test_a_book_is_what_the_engine_shows(self, flow):
        steps = Steps(course_of(flow), "reference")
        steps.go(1_000)
        for symbol in (0, 1):
            shown = look(steps.engine, symbol)
            bids, asks = steps.engine.depth(symbol, 10_000)
            for levels, records in ((shown.bids, bids), (shown.asks, asks)):
                found = [(level.price, level.count, level.shown) for level in levels]
                assert found == records.tolist()
            ids = [order.order_id for order in shown.orders()]
            assert ids == steps.engine.orders(symbol)["order_id"].tolist()

    def test_few_levels_and_short_queues(self, flow):
        steps = Steps(course_of(flow), "reference")
        shown = look(steps.engine, 0, levels=2, queue_most=1)
        assert (len(shown.bids), len(shown.asks)) == (2, 2)
        assert {len(level.orders) for level in (*shown.bids, *shown.asks)} == {1}
        whole = look(steps.engine, 0)
        assert shown.bids[0].shown == whole.bids[0].shown

    @every_rich_engine
    def test_reserves_and_what_waits(self, engine):
        played = scene(
            "sell 90 at 101 show 20, sell 30 at 101, buy 5 at 99, sell 5 stop 98",
            "buy 10 at 101",
            engine=engine,
        )
        (level,) = played.before.asks
        assert (level.shown, level.hidden, level.count) == (50, 70, 2)
        (stop,) = played.before.waiting
        assert (stop.place, stop.price, stop.is_buy) == (STOP, 98, False)
        assert played.after.last_price == 101


class TestScenes:
    @every_engine
    def test_a_sweep(self, engine):
        played = scene(SWEEP, "buy 120 at 103", engine=engine)
        title = "#6 buys 100 of 120 from three orders at two prices, 101.50 on average"
        assert played.title() == title
        first, last = played.frames()
        assert first.traded == {1: 30, 2: 20, 3: 50, 6: 100}
        assert [level.price for level in played.after.asks] == [104]
        assert played.after.bids[0].price == 103
        assert last.own == {6}

    @every_rich_engine
    def test_an_iceberg_goes_to_the_tail(self, engine):
        book = "sell 90 at 101 show 20, sell 30 at 101"
        played = scene(book, "buy 20 at 101", "buy 60 at 101", engine=engine)
        queue = played.turns[1].before.asks[0].orders
        assert [(order.order_id, order.shown, order.hidden) for order in queue] == [
            (2, 30, 0),
            (1, 20, 50),
        ]
        assert played.title() == "#1 shows 20 at a time and goes to the tail twice"

    @every_rich_engine
    def test_a_stop_cascade(self, engine):
        played = scene(CASCADE, "sell 25 at 100", engine=engine)
        assert played.title() == "Three stops go off, and the price falls from 101 to 96"
        assert played.frames()[0].triggered == {8, 9, 10}
        assert not played.after.waiting
        assert [level.price for level in played.after.bids] == [96]

    @every_rich_engine
    def test_four_modes_of_self_trade_prevention(self, engine):
        modes = ("cancel-newest", "cancel-oldest", "cancel-both", "decrement")
        orders = [f"buy 60 at 101 owner 5 {mode}" for mode in modes]
        played = choices(OWN, *orders, engine=engine)
        assert [turn.traded() for turn in played.turns] == [20, 60, 20, 30]
        left = [
            [(order.order_id, order.quantity) for order in turn.after.orders()]
            for turn in played.turns
        ]
        assert left == [[(2, 30), (3, 50)], [(3, 10)], [(3, 50)], [(3, 40)]]
        assert [frame.title for frame in played.frames()] == ["before", *modes]
        assert played.frames()[1].book.waiting[0].place == INCOMING
        assert played.title().endswith("the order buys 20, 60, 20 or 30")

    @pytest.mark.parametrize("make", [scene, choices])
    def test_a_scene_without_a_command(self, make):
        with pytest.raises(InputError, match="no command to look at"):
            make(SWEEP)

    @pytest.mark.parametrize(
        "lines",
        [
            (SWEEP, "buy 120 at 103"),
            (SWEEP, "cancel-all", "buy 5 at 5 symbol 9", "tick 5000"),
            (SWEEP, "cancel #2", "reduce #3 by 20", "replace #1 to 20 at 102"),
            ("sell 1 at 5", "buy 1 at 2147483647"),
            ("cancel #8", "buy 5"),
            ([f"sell {7 + n} at {100 + n % 3}" for n in range(90)], "buy 300 at 200"),
        ],
    )
    def test_it_can_be_drawn_and_told(self, lines):
        played = scene(*lines, engine="reference")
        png = to_png(books(played.frames(), played.title()))
        assert png.startswith(b"\x89PNG")
        for turn in played.turns:
            assert turn.line in played.words()


class TestAuction:
    @every_rich_engine
    def test_its_price_is_the_engines_own(self, engine):
        told = auction(CALL, reference=99, engine=engine)
        assert told.title() == "90 trade at one price, 101; 10 more wanted to buy"
        assert told.curves.price == 101
        assert dict(verdicts(told.curves)) == {
            102: "less would trade",
            101: "the price",
            100: "more would be left over",
            99: "less would trade",
        }
        frames = told.frames()
        png = to_png(auction_figure(frames[0], told.curves, frames[1], told.title(), ""))
        assert png.startswith(b"\x89PNG")

    @every_rich_engine
    def test_the_curves_explain_any_auction(self, engine):
        """Random calls: what the curves say is the price is what the engine says it is."""
        rng = np.random.default_rng(7)
        for _ in range(60):
            lines, reference = random_call(rng)
            steps = Steps(course_of(lines), engine)
            steps.go(len(steps))
            found = steps.engine.indicative(0)
            drawn = curves(look(steps.engine), reference)
            prices = [price for price, words in verdicts(drawn) if words == "the price"]
            assert prices == ([found.price] if found.volume else [])
            if found.volume:
                point = next(point for point in drawn.points if point.price == found.price)
                assert (point.volume, abs(point.surplus)) == (found.volume, found.surplus)

    def test_nothing_can_trade(self):
        told = auction("buy 5 at 99, sell 5 at 101", engine="reference")
        assert told.title() == "Nothing can trade in the auction"
        assert told.candidates().rows == []


def random_call(rng: np.random.Generator) -> tuple[list[str], int]:
    """An opening call of limit, market and iceberg orders, and its reference price."""
    reference = int(rng.integers(95, 106)) if rng.random() < 0.7 else 0
    lines = [f"state opening-call reference {reference}" if reference else "state opening-call"]
    for _ in range(int(rng.integers(2, 12))):
        quantity = int(rng.integers(1, 8)) * 10
        price = f" at {rng.integers(96, 105)}" if rng.random() < 0.85 else ""
        show = " show 5" if price and rng.random() < 0.2 else ""
        lines.append(f"{rng.choice(['buy', 'sell'])} {quantity}{price}{show}")
    return lines, reference


def test_events_of_a_scene_are_those_of_its_commands():
    played = scene(SWEEP, "buy 30 at 101", "cancel #2", engine="reference")
    kinds = event_kinds(played.events).tolist()
    assert kinds == [EventKind.ACCEPTED, EventKind.TRADE, EventKind.CANCELLED]
    assert played.before.asks[0].orders[0].place == BOOK


def test_the_door():
    view = lab.book(SWEEP, engine="reference")
    assert len(view.steps) == 5
    with pytest.raises(InputError, match="there is no engine"):
        lab.book(SWEEP, engine="abacus")
