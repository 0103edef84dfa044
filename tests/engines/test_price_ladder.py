"""What only the price ladder promises: a buffer that lives and moves anywhere, sparse pages."""

import copy
import subprocess
import sys

import numpy as np
import pytest

from engines.errors import BrokenInvariant, CapacityError, LayoutError
from engines.matching.ladder_layout import PAGES_MAX, bytes_needed
from engines.matching.price_ladder import PriceLadder
from engines.messages import (
    COMMAND,
    EVENT,
    CommandKind,
    EventKind,
    Reason,
    Side,
    TradingState,
    event_kinds,
)

PRICE_MAX = 2**31 - 1


def orders_at(prices, side=Side.BUY, first_id=1, symbol=0):
    commands = np.zeros(len(prices), COMMAND)
    commands["kind"], commands["side"], commands["symbol"] = CommandKind.NEW, side, symbol
    commands["sequence"] = commands["order_id"] = np.arange(first_id, first_id + len(prices))
    commands["price"], commands["quantity"] = prices, 10
    return commands


def submitted(ladder, commands):
    events = np.zeros(4 * len(commands) + 8, EVENT)
    taken, written = ladder.submit(commands, events)
    assert taken == len(commands)
    ladder.check()
    return events[:written]


def spread_prices(count, seed=1):
    """Prices over the whole range, each on a page of its own and many under one summary word."""
    random = np.random.default_rng(seed)
    wide = random.integers(1, PRICE_MAX, count // 2)
    near = 5_000_000 + 64 * np.arange(count - count // 2)
    return np.unique(np.concatenate([wide, near, [1, PRICE_MAX]]))


@pytest.mark.parametrize("side", Side)
def test_levels_come_in_order_over_the_whole_range_of_prices(side):
    prices = spread_prices(400)
    ladder = PriceLadder(orders=1000)
    submitted(ladder, orders_at(np.random.default_rng(2).permutation(prices), side))
    levels = ladder.depth(0, levels=1000)[side]["price"]
    assert levels.tolist() == sorted(prices.tolist(), reverse=side == Side.BUY)


@pytest.mark.parametrize("side", Side)
def test_taking_away_the_best_finds_the_next_one_down_to_the_last(side):
    prices = spread_prices(200)
    ladder = PriceLadder(orders=1000)
    submitted(ladder, orders_at(prices, side))
    ranked = sorted(range(len(prices)), key=lambda i: prices[i], reverse=side == Side.BUY)
    for place, order in enumerate(ranked):
        cancel = np.zeros(1, COMMAND)
        cancel["kind"], cancel["order_id"] = CommandKind.CANCEL, order + 1
        submitted(ladder, cancel)
        best = ladder.depth(0, levels=1)[side]["price"].tolist()
        assert best == [prices[i] for i in ranked[place + 1 : place + 2]]


def test_memory_follows_the_orders_and_not_the_range_of_prices():
    ladder = PriceLadder(orders=1000)
    submitted(ladder, orders_at(np.array([1, PRICE_MAX])))
    assert ladder._sections.header[0]["live_pages"] == 2


def test_slots_are_used_again_last_in_first_out():
    ladder = PriceLadder(orders=10)
    submitted(ladder, orders_at([100, 101, 102]))
    for order_id in (1, 3):
        cancel = np.zeros(1, COMMAND)
        cancel["kind"], cancel["order_id"] = CommandKind.CANCEL, order_id
        submitted(ladder, cancel)
    submitted(ladder, orders_at([103], first_id=4))
    assert ladder._sections.orders[3]["order_id"] == 4


def test_a_book_out_of_pages_rejects_and_stays_whole():
    ladder = PriceLadder(orders=100, pages=3)
    events = submitted(ladder, orders_at([64 * n for n in range(1, 6)]))
    rejected = events[event_kinds(events) == EventKind.REJECTED]
    assert rejected["reason"].tolist() == [Reason.BOOK_FULL] * 2
    replace = np.zeros(1, COMMAND)
    replace["kind"], replace["order_id"] = CommandKind.REPLACE, 1
    replace["price"], replace["quantity"] = 64 * 20, 10
    assert submitted(ladder, replace)["reason"] == Reason.BOOK_FULL
    assert ladder.order(0, 1)["price"] == 64


def test_both_sides_may_stand_on_one_tick():
    """In a call: sides are told apart by their pages and never by their prices."""
    ladder = PriceLadder(orders=10, symbols=2)
    state = np.zeros(1, COMMAND)
    state["kind"], state["order_type"] = CommandKind.STATE, TradingState.OPENING_CALL
    submitted(ladder, state)
    submitted(ladder, orders_at([100, 100], Side.BUY))
    submitted(ladder, orders_at([100, 99], Side.SELL, first_id=3))
    bids, asks = ladder.depth(0, 5)
    assert bids.tolist() == [(100, 2, 20)] and asks.tolist() == [(99, 1, 10), (100, 1, 10)]
    assert ladder.orders(0)["order_id"].tolist() == [1, 2, 4, 3]


def test_the_buffer_may_move_between_any_two_calls():
    commands = orders_at(spread_prices(60))
    still = PriceLadder(orders=200)
    moving = PriceLadder(orders=200)
    for command in np.split(commands, len(commands)):
        expected, actual = submitted(still, command), submitted(moving, command)
        assert actual.tobytes() == expected.tobytes()
        moving = PriceLadder.attach(moving.buffer.copy())
    assert moving.digest() == still.digest()


def test_a_mapped_file_is_continued_by_another_process(tmp_path):
    path = tmp_path / "book.bin"
    size = bytes_needed(orders=200, symbols=1, pages=201, owners=1024)
    book = np.memmap(path, np.uint8, "w+", shape=(size,))
    ladder = PriceLadder(orders=200, buffer=book)
    submitted(ladder, orders_at(spread_prices(60)))
    book.flush()
    program = (
        "import sys, numpy; from engines.matching.price_ladder import PriceLadder;"
        "ladder = PriceLadder.attach(numpy.memmap(sys.argv[1], numpy.uint8, 'r+'));"
        "ladder.check(); print(ladder.digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ladder.digest()


def test_a_symbol_has_an_even_version_that_grows_with_each_command():
    ladder = PriceLadder(orders=10, symbols=3)
    submitted(ladder, orders_at([5, 6, 7], symbol=1))
    assert ladder._sections.books["version"].tolist() == [0, 6, 0]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: PriceLadder(orders=0), CapacityError),
        (lambda: PriceLadder(orders=10, symbols=65536), CapacityError),
        (lambda: PriceLadder(orders=10, pages=2**21), CapacityError),
        (lambda: PriceLadder(orders=10, buffer=np.zeros(64, np.uint8)), CapacityError),
        (lambda: PriceLadder(orders=10, buffer=np.ones(10**6, np.uint8)), LayoutError),
        (lambda: PriceLadder.attach(np.zeros(10**6, np.uint8)), LayoutError),
        (lambda: PriceLadder(orders=11, buffer=PriceLadder(orders=10).buffer), CapacityError),
        (lambda: PriceLadder(orders=9, buffer=PriceLadder(orders=10).buffer), LayoutError),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(make, error):
    with pytest.raises(error, match=";"):
        make()


@pytest.mark.parametrize(
    ("section", "field", "index", "value"),
    [
        ("sides", "best_price", 0, 99),
        ("pages", "bitmap", 1, 3),
        ("orders", "quantity", 1, 0),
        ("orders", "prev", 2, 0),
        ("levels", "quantity", 64 + 100 % 64, 7),
        ("header", "live_orders", 0, 1),
        ("header", "fresh_order", 0, 9),
        ("books", "version", 0, 3),
    ],
)
def test_check_finds_damage(section, field, index, value):
    ladder = PriceLadder(orders=10)
    submitted(ladder, orders_at([100, 100, 101]))
    getattr(ladder._sections, section)[field][index] = value
    with pytest.raises(BrokenInvariant, match="not so, that"):
        ladder.check()


def test_a_ladder_of_many_symbols_has_room_for_no_more_than_its_directory_can_name():
    """Each page may bring three summary words; both are named by 21 bits."""
    assert 3 * PAGES_MAX < 2**21


def test_a_copy_is_a_book_of_its_own():
    ladder = PriceLadder(orders=10)
    submitted(ladder, orders_at([100]))
    copied = copy.deepcopy(ladder)
    submitted(copied, orders_at([101], first_id=2))
    assert [len(book.orders(0)) for book in (ladder, copied)] == [1, 2]


def test_a_snapshot_that_needs_more_pages_than_there_are_is_refused_before_anything_is_written():
    wide = PriceLadder(orders=50)
    submitted(wide, orders_at([64 * n for n in range(1, 51)]))
    narrow = PriceLadder(orders=100, pages=2)
    with pytest.raises(CapacityError, match="50 pages"):
        narrow.load(wide.save())
    assert len(narrow.live_orders()) == 0


@pytest.mark.parametrize(
    ("section", "field"), [("books", "version"), ("header", "directory_version")]
)
def test_a_book_whose_writer_ended_in_a_command_is_refused(section, field):
    ladder = PriceLadder(orders=10)
    submitted(ladder, orders_at([100]))
    getattr(ladder._sections, section)[field] += 1
    with pytest.raises(LayoutError, match="middle of a command"):
        PriceLadder.attach(ladder.buffer)


def test_the_directory_tells_when_it_was_written():
    ladder = PriceLadder(orders=10)
    version = ladder._sections.header["directory_version"]
    submitted(ladder, orders_at([100]))
    first = int(version[0])
    submitted(ladder, orders_at([101], first_id=2))  # the same page: the directory stays
    assert first > 0 and first % 2 == 0 and version[0] == first


def test_a_read_only_buffer_is_refused():
    buffer = PriceLadder(orders=10).buffer
    buffer.flags.writeable = False
    with pytest.raises(LayoutError, match="read-only"):
        PriceLadder.attach(buffer)
