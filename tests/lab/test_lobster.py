"""LOBSTER days: reading them exactly, saying what is wrong where, writing one of our own."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engines.errors import FileError
from engines.messages import CommandKind, Side, TimeInForce
from lab.workloads import lobster
from lab.workloads.day import DamagedDay
from lab.workloads.lobster_script import script
from lab.workloads.lobster_writer import SAMPLE, write_day
from lab.workloads.order_flow import generate
from lab.workloads.script import FIRST_MADE_UP_ID

SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
AAPL = SHARED / "data/lobster_aapl_l10_excerpt/AAPL_2012-06-21_34200000_57600000_message_10.csv"
NAME = "ABCD_2026-01-02_34200000_57600000_{}_2.csv"

# Two levels a side. Order 7 is bought in full at 99, order 9 joins the ask and is cut, then gone.
MESSAGES = """\
34200.000000001,1,5,10,990000,1
34200.5,1,7,20,1010000,-1
34201.25,4,7,15,1010000,-1
34201.25,5,0,15,1005000,-1
34202.000000000,2,5,4,990000,1
34203,3,5,6,990000,1
"""
BOOK = """\
1010000,30,990000,10,1020000,5,-9999999999,0
1010000,50,990000,10,1020000,5,-9999999999,0
1010000,35,990000,10,1020000,5,-9999999999,0
1010000,35,990000,10,1020000,5,-9999999999,0
1010000,35,990000,6,1020000,5,-9999999999,0
1010000,35,-9999999999,0,1020000,5,-9999999999,0
"""


@pytest.fixture
def pair(tmp_path):
    """Write a message and an order book file; return the path of the first."""

    def write(messages: str = MESSAGES, book: str | None = BOOK) -> Path:
        path = tmp_path / NAME.format("message")
        path.write_bytes(messages.encode())
        if book is not None:
            (tmp_path / NAME.format("orderbook")).write_bytes(book.encode())
        return path

    return write


def changed(text: str, row: int, old: str, new: str) -> str:
    """Return the text with something replaced in one row, counted from 1."""
    lines = text.splitlines(keepends=True)
    assert old in lines[row - 1]
    lines[row - 1] = lines[row - 1].replace(old, new, 1)
    return "".join(lines)


def test_a_day_is_read_to_the_last_digit(pair):
    day = lobster.read(pair())
    assert len(day) == len(day.book) == 6 and day.book.levels == 2
    assert day.messages["time_ns"].tolist()[:4] == [
        34_200_000_000_001,
        34_200_500_000_000,
        34_201_250_000_000,
        34_201_250_000_000,
    ]
    assert day.messages["price"].tolist()[:3] == [990_000, 1_010_000, 1_010_000]
    assert day.messages["side"].tolist()[:2] == [Side.BUY, Side.SELL]
    assert day.book.asks.prices[1].tolist() == [1_010_000, 1_020_000]
    assert day.book.asks.quantities[1].tolist() == [50, 5]
    assert day.book.bids.depths.tolist() == [1, 1, 1, 1, 1, 0]


def test_windows_line_ends_and_a_missing_last_one_are_fine(pair):
    day = lobster.read(pair(MESSAGES.replace("\n", "\r\n"), BOOK.rstrip("\n")))
    assert len(day) == len(day.book) == 6


def test_either_file_or_the_zip_gives_the_same_day(pair, tmp_path):
    message = pair()
    book = tmp_path / NAME.format("orderbook")
    archive = tmp_path / "day.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.write(message, message.name)
        members.write(book, book.name)
        members.writestr("ReadMe.txt", "what else lies in it does not matter")
    elsewhere = tmp_path / "book of the day.csv"
    elsewhere.write_text(BOOK)
    days = [lobster.read(path) for path in (message, book, archive)]
    days.append(lobster.read(message, book=elsewhere))
    for day in days:
        assert np.array_equal(day.messages, days[0].messages)
        assert np.array_equal(day.book.asks.quantities, days[0].book.asks.quantities)


def test_without_its_companion_a_message_file_has_no_book(pair):
    assert lobster.read(pair(book=None)).book is None


MESSAGE_DAMAGE = [
    ((3, ",4,7", ",8,7"), 3, "type", "type 8 is not one of 1..7"),
    ((3, ",15,", ",-15,"), 3, "size", "size -15 is not within 1.."),
    ((3, ",15,", ",0,"), 3, "size", "size 0 is not within"),
    ((2, ",20,", ",many,"), 2, "size", "'many' is not a number"),
    ((2, ",20,", ",,"), 2, "size", "'' is not a number"),
    ((5, "990000", "990000.5"), 5, "price", "'990000.5' is finer than this column's whole numbers"),
    ((5, "990000", "3000000000"), 5, "price", "price 3000000000 is not within 1..2147483647"),
    ((5, "990000", "99" * 12), 5, "price", "does not fit in 64 bits"),
    ((4, "34201.25", "34199.25"), 4, "time", "34199.250000000 is before the row above"),
    ((4, "34201.25", "34201.2500000001"), 4, "time", "finer than this column's 9 decimals"),
    ((6, ",1\n", ",2\n"), 6, "direction", "direction 2 is neither 1 nor -1"),
    ((3, ",7,", ",-7,"), 3, "order_id", "order id -7 is negative"),
    ((3, ",4,7", ",4,7,7"), 3, None, "7 columns where 6 are expected"),
    ((3, ",4,7", ",47"), 3, None, "5 columns where 6 are expected; take the file"),
]


@pytest.mark.parametrize(("change", "row", "field", "words"), MESSAGE_DAMAGE)
def test_a_wrong_message_is_named_and_what_stands_before_it_is_kept(
    pair, change, row, field, words
):
    path = pair(changed(MESSAGES, *change))
    with pytest.raises(DamagedDay, match=words) as caught:
        lobster.read(path)
    error = caught.value
    assert (error.path, error.row, error.field) == (str(path), row, field)
    assert len(error.day) == len(error.day.book) == row - 1
    assert np.array_equal(error.day.messages["order_id"], [5, 7, 7, 0, 5][: row - 1])


BOOK_DAMAGE = [
    ((2, ",50,", ",-50,"), 2, "ask size 1", "size -50 cannot be"),
    ((4, "990000", "0"), 4, "bid price 1", "price 0 is not within"),
    ((3, "1020000", "1005000"), 3, "ask price 2", "price 1005000 is not behind the level before"),
    ((3, "1010000", "9999999999"), 3, "ask size 1", "size 35 cannot be"),
    ((5, "1010000", "x"), 5, "ask price 1", "'x' is not a number"),
    ((5, ",6,", ","), 5, None, "7 columns where 8 are expected"),
]


@pytest.mark.parametrize(("change", "row", "field", "words"), BOOK_DAMAGE)
def test_a_wrong_book_row_is_named(pair, change, row, field, words):
    path = pair(book=changed(BOOK, *change))
    with pytest.raises(DamagedDay, match=words) as caught:
        lobster.read(path)
    assert (caught.value.row, caught.value.field) == (row, field)
    assert caught.value.path.endswith(NAME.format("orderbook"))
    assert len(caught.value.day) == row - 1


def test_the_first_damage_counts_whichever_check_finds_it(pair):
    text = changed(changed(MESSAGES, 2, ",20,", ",0,"), 4, "34201.25", "x")
    with pytest.raises(DamagedDay) as caught:
        lobster.read(pair(text))
    assert (caught.value.row, caught.value.field) == (2, "size")


def test_a_file_cut_short_in_a_row_says_so(pair):
    with pytest.raises(DamagedDay, match="no end of line; the file is cut short here") as caught:
        lobster.read(pair(MESSAGES[:-20]))
    assert caught.value.row == 6 and len(caught.value.day) == 5


def test_a_book_cut_short_between_rows_says_so(pair):
    with pytest.raises(DamagedDay, match="its companion has 6 rows; it is cut short") as caught:
        lobster.read(pair(book="".join(BOOK.splitlines(keepends=True)[:4])))
    assert caught.value.row == 5 and len(caught.value.day) == 4
    assert caught.value.path.endswith(NAME.format("orderbook"))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_says_so(pair, text):
    with pytest.raises(FileError, match="the file is empty"):
        lobster.read(pair(text))


def test_a_book_whose_columns_are_no_levels_says_so(pair):
    with pytest.raises(FileError, match="7 columns are not four for each level"):
        lobster.read(pair(book="1,2,3,4,5,6,7\n"))


def test_what_is_missing_is_named(pair, tmp_path):
    with pytest.raises(FileError, match=r"nothing_message_1.csv: cannot be read \(no such file"):
        lobster.read(tmp_path / "nothing_message_1.csv")
    pair().unlink()
    with pytest.raises(FileError, match="the message file of .* is missing"):
        lobster.read(tmp_path / NAME.format("orderbook"))


def test_a_zip_that_is_none_or_damaged_or_holds_nothing_says_so(pair, tmp_path):
    path = tmp_path / "day.zip"
    path.write_bytes(b"PK\x03\x04 and then something else")
    with pytest.raises(FileError, match="not a zip, or it is cut short"):
        lobster.read(path)
    whole = SAMPLE.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="not a zip, or it is cut short"):
        lobster.read(path)
    path.write_bytes(whole[:5_000] + bytes(1_000) + whole[6_000:])
    with pytest.raises(FileError, match="the zip is damaged"):
        lobster.read(path)
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("ReadMe.txt", "no day")
    with pytest.raises(FileError, match="holds no message file"):
        lobster.read(path)


def test_a_script_seeds_executes_and_follows_the_book(pair):
    made = script(lobster.read(pair()))
    kinds = made.commands["kind"].tolist()
    # row 0 is seeded; then add, execution of a queue whose head is unknown, reduce, cancel
    assert kinds[:3] == [CommandKind.NEW] * 3
    assert np.all(made.commands["order_id"][:3] >= FIRST_MADE_UP_ID)
    assert kinds[3:] == [CommandKind.NEW, *[CommandKind.REDUCE] * 2, CommandKind.CANCEL]
    assert made.ends.tolist() == [3, 4, 5, 5, 6, 7] and made.first_row == 1
    assert made.fills[["known", "at_head"]].tolist() == [(False, False)]


def test_a_known_queue_is_executed_by_an_immediate_order(pair):
    messages = "1,1,5,10,990000,1\n2,1,6,10,995000,1\n3,1,7,10,995000,1\n4,4,6,10,995000,1\n"
    rows = ["990000,10,-9999999999,0", "995000,10,990000,10", "995000,20,990000,10"]
    book = "".join(f"9999999999,0,{a},9999999999,0,{b}\n" for a, b in map(_halves, rows))
    book += "9999999999,0,995000,10,9999999999,0,990000,10\n"
    made = script(lobster.read(pair(messages, book)))
    taker = made.commands[-1]
    assert (taker["tif"], taker["side"], taker["price"]) == (TimeInForce.IOC, Side.SELL, 995_000)
    assert made.fills[["maker", "quantity", "known", "at_head"]].tolist() == [(6, 10, True, True)]


def _halves(row: str) -> tuple[str, str]:
    fields = row.split(",")
    return ",".join(fields[:2]), ",".join(fields[2:])


def test_a_flow_written_as_a_day_comes_back(tmp_path):
    flow = generate("balanced", messages=2_000, live_orders=100, seed=4, width=32)
    day = lobster.read(write_day(flow, tmp_path / "AB_2026-01-02_1_2_5.zip", rows=300, levels=5))
    assert len(day) == 300 and day.book.levels == 5
    assert {1, 3, 4} == set(day.messages["type"].tolist())
    assert [path.name for path in tmp_path.iterdir()] == ["AB_2026-01-02_1_2_5.zip"]


def test_the_shipped_sample_is_what_the_generator_makes(tmp_path):
    flow = generate("balanced", messages=40_000, live_orders=300, seed=2026, width=64)
    again = write_day(flow, tmp_path / SAMPLE.name, rows=5_000)
    with zipfile.ZipFile(SAMPLE) as shipped, zipfile.ZipFile(again) as made:
        assert shipped.namelist() == made.namelist()
        for name in made.namelist():
            assert shipped.read(name) == made.read(name)


@pytest.mark.skipif(not AAPL.exists(), reason=f"no market data at {SHARED}")
def test_a_real_excerpt_is_read_whole():
    day = lobster.read(AAPL)
    assert len(day) == len(day.book) == 999
    assert day.messages[0].item() == (34_200_004_241_176, 16_113_575, 5_853_300, 18, 1, 0)
