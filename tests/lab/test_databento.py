"""Databento MBO days: both ways to write them, the book beside them, what is wrong where."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engines.errors import FileError
from engines.messages import CommandKind, Side, TimeInForce
from lab.workloads import databento
from lab.workloads.databento_script import script
from lab.workloads.day import DamagedDay

SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ARL = SHARED / "data/arl_mbo/mbo.csv"

# Clear; two bids; a replace (C and A of one sequence); a fill of 4 (T, F, C); a modify; a cancel.
MBO = """\
ts_recv,ts_event,action,side,price,size,order_id,flags,sequence,symbol
x,2025-07-17T07:00:00.000000001Z,R,N,,0,0,8,0,ABC
x,2025-07-17T08:05:03.360677248Z,A,B,5.510000000,100,11,130,1,ABC
x,2025-07-17T08:05:03.360677248Z,A,B,5.510000000,50,12,130,2,ABC
x,2025-07-17T08:05:04.1Z,C,B,5.510000000,50,12,0,3,ABC
x,2025-07-17T08:05:04.1Z,A,B,5.520000000,60,13,130,3,ABC
x,2025-07-17T08:05:05Z,T,A,5.520000000,4,0,0,4,ABC
x,2025-07-17T08:05:05Z,F,B,5.520000000,4,13,0,4,ABC
x,2025-07-17T08:05:05Z,C,B,5.520000000,4,13,130,4,ABC
x,2025-07-17T08:05:06Z,M,B,5.530000000,70,13,130,5,ABC
x,2025-07-17T08:05:07Z,C,B,5.510000000,100,11,130,6,ABC
"""
MBP = """\
,action,sequence,bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,order_id
0,R,0,,0,0,,0,0,0
1,A,1,5.51,100,1,,0,0,11
2,A,2,5.51,150,2,,0,0,12
3,C,3,5.51,100,1,,0,0,12
4,A,3,5.52,60,1,,0,0,13
5,T,4,5.52,56,1,,0,0,0
6,M,5,5.53,70,1,,0,0,13
"""


@pytest.fixture
def pair(tmp_path):
    """Write an MBO and an MBP file; return the path of the first."""

    def write(messages: str = MBO, book: str | None = MBP) -> Path:
        path = tmp_path / "abc-mbo.csv"
        path.write_bytes(messages.encode())
        if book is not None:
            (tmp_path / "abc-mbp.csv").write_bytes(book.encode())
        return path

    return write


def changed(text: str, row: int, old: str, new: str) -> str:
    """Return the text with something replaced in one row, counted from 1."""
    lines = text.splitlines(keepends=True)
    assert old in lines[row - 1]
    lines[row - 1] = lines[row - 1].replace(old, new, 1)
    return "".join(lines)


def test_a_day_is_read_to_the_last_digit(pair):
    day = databento.read(pair())
    assert len(day) == 10
    # 2025-07-17T08:05:03Z is 1,752,739,503 s after 1970
    assert day.messages["time_ns"][1] == 1_752_739_503_360_677_248
    assert day.messages["time_ns"][3] - day.messages["time_ns"][1] == 739_322_752
    assert day.messages["price"].tolist() == [0, *[55_100] * 3, *[55_200] * 4, 55_300, 55_100]
    assert day.messages["side"].tolist()[:3] == [databento.NO_SIDE, Side.BUY, Side.BUY]
    assert day.book.after.tolist() == [0, 1, 2, 3, 4, 7, 8]
    assert day.book.file_rows.tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert day.book.bids.quantities[:, 0].tolist() == [0, 100, 150, 100, 60, 56, 70]
    assert day.book.bids.counts[:, 0].tolist() == [0, 1, 2, 1, 1, 1, 1]
    assert not day.book.asks.depths.any()


def test_raw_numbers_give_the_same_day(pair):
    pretty = databento.read(pair())
    rows = [line.split(",") for line in MBO.splitlines()]
    for fields, message in zip(rows[1:], pretty.messages, strict=True):
        fields[1] = str(message["time_ns"])
        fields[4] = str(int(message["price"]) * 100_000) if fields[4] else str(2**63 - 1)
    raw = databento.read(pair("".join(",".join(fields) + "\n" for fields in rows)))
    assert np.array_equal(raw.messages, pretty.messages)


def test_without_a_book_file_there_is_no_book(pair):
    assert databento.read(pair(book=None)).book is None


def test_a_book_of_another_name_can_be_given(pair, tmp_path):
    path = pair(book=None)
    (tmp_path / "levels.csv").write_text(MBP)
    assert len(databento.read(path, book=tmp_path / "levels.csv").book) == 7


DAMAGE = [
    ((3, ",A,B", ",X,B"), 3, "action", "action X is none of A, C, M, R, T, F, N"),
    ((3, ",A,B", ",A,N"), 3, "side", "side N cannot be here"),
    ((3, ",A,B", ",A,"), 3, "side", "cannot be here"),
    ((3, ",A,B", ",Add,B"), 3, "action", "'Add' is not a number"),
    ((4, ",50,", ",-50,"), 4, "size", "size -50 is not within 1.."),
    ((4, "5.510000000", "5.510050001"), 4, "price", "price 5.510050001 is off the tick of 0.0001"),
    ((4, "5.510000000", ""), 4, "price", "an order has no price"),
    (
        (4, "5.510000000", "300000.0"),
        4,
        "price",
        "300000.0 is not within 0.0001..214748.3647",
    ),
    ((4, "5.510000000", "5.5100000001"), 4, "price", "finer than this column's 9 decimals"),
    ((4, "2025-07-17T08", "2025-07-17 08"), 4, "ts_event", "is not a time such as 2025-07-17T08"),
    ((4, "2025-07-17T08", "2025-17-17T08"), 4, "ts_event", "is not a time"),
    ((4, ",12,", ",0,"), 4, "order_id", "order id 0 cannot be"),
    ((6, ",13,", ",,"), 6, "order_id", "'' is not a number"),
    ((6, ",ABC", ""), 6, None, "9 columns where 10 are expected; take the file"),
    ((6, ",ABC", ",ABC,"), 6, None, "11 columns where 10 are expected"),
]


@pytest.mark.parametrize(("change", "row", "field", "words"), DAMAGE)
def test_a_wrong_message_is_named_and_what_stands_before_it_is_kept(
    pair, change, row, field, words
):
    path = pair(changed(MBO, *change))
    with pytest.raises(DamagedDay, match=words) as caught:
        databento.read(path)
    error = caught.value
    assert (str(error.path), error.row, error.field) == (str(path), row, field)
    assert len(error.day) == row - 2
    assert error.day.book is not None and len(error.day.book) <= row - 2
    assert len(script(error.day).commands) <= row - 2


BOOK_DAMAGE = [
    ((4, ",150,", ",-150,"), 4, "bid_sz_00", "-150 cannot be"),
    ((4, ",2,,", ",0,,"), 4, "bid_ct_00", "0 cannot be"),
    ((4, "5.51", "5.51005"), 4, "bid_px_00", "price 5.510050000 is off the tick"),
    ((5, ",3,5.51", ",77,5.51"), 5, "sequence", "sequence 77 is not in the message file"),
    ((6, ",A,3,", ",A,1,"), 6, "sequence", "sequence 1 is not in the message file"),
]


@pytest.mark.parametrize(("change", "row", "field", "words"), BOOK_DAMAGE)
def test_a_wrong_book_row_is_named(pair, change, row, field, words):
    with pytest.raises(DamagedDay, match=words) as caught:
        databento.read(pair(book=changed(MBP, *change)))
    assert (caught.value.row, caught.value.field) == (row, field)
    assert len(caught.value.day.book) == row - 2


def test_a_file_cut_short_says_so(pair):
    with pytest.raises(DamagedDay, match="no end of line; the file is cut short here") as caught:
        databento.read(pair(MBO[:-30]))
    assert caught.value.row == 11 and len(caught.value.day) == 9


def test_a_second_instrument_is_refused(pair):
    text = MBO.replace("symbol", "instrument_id").replace("ABC", "7")
    assert len(databento.read(pair(text))) == 10
    with pytest.raises(DamagedDay, match="8 is a second instrument") as caught:
        databento.read(pair(changed(text, 5, ",7\n", ",8\n")))
    assert caught.value.row == 5


def test_a_file_that_is_none_of_theirs_says_what_is_missing(pair):
    with pytest.raises(FileError, match="there is no column order_id"):
        databento.read(pair(MBO.replace("order_id", "id")))
    with pytest.raises(FileError, match="there is no column ask_ct_00"):
        databento.read(pair(book=MBP.replace("ask_ct_00", "ask_count")))
    with pytest.raises(FileError, match="the file is empty"):
        databento.read(pair(""))


def test_only_a_header_is_an_empty_day(pair):
    day = databento.read(pair(MBO.splitlines()[0] + "\n", MBP.splitlines()[0] + "\n"))
    assert len(day) == len(day.book) == 0


def test_a_script_turns_fills_into_immediate_orders_and_modifies_into_replaces(pair):
    made = script(databento.read(pair()))
    commands = made.commands[["kind", "order_id", "price", "quantity", "tif"]].tolist()
    assert commands == [
        (CommandKind.NEW, 11, 55_100, 100, 0),
        (CommandKind.NEW, 12, 55_100, 50, 0),
        (CommandKind.CANCEL, 12, 0, 0, 0),
        (CommandKind.NEW, 13, 55_200, 60, 0),
        (CommandKind.NEW, 2**63 + 2**62, 55_200, 4, TimeInForce.IOC),
        (CommandKind.REPLACE, 13, 55_300, 70, 0),
        (CommandKind.CANCEL, 11, 0, 0, 0),
    ]
    assert made.fills.tolist() == [(5, 13, 4, True, True)]
    assert made.ends.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_clear_cancels_what_is_live(pair):
    text = MBO + "x,2025-07-17T09:00:00Z,R,N,,0,0,8,7,ABC\n"
    made = script(databento.read(pair(text, book=None)))
    assert made.commands[-1][["kind", "order_id"]].tolist() == (CommandKind.CANCEL, 13)


@pytest.mark.skipif(not ARL.exists(), reason=f"no market data at {SHARED}")
def test_a_real_day_is_read_whole():
    day = databento.read(ARL)
    assert (len(day), len(day.book), day.book.levels) == (5_886, 3_928, 10)
    assert day.messages["price"][1] == 55_100
