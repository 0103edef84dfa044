"""Databento's binary files: the same flow and verdict as the CSV of the same day."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engines.errors import FileError, InputError
from engines.matching import present
from engines.messages import CommandKind, Side, TimeInForce
from lab.experiments.replay import replay_file
from lab.experiments.replay_check import script_of
from lab.workloads import databento, dbn, recorded
from lab.workloads.day import DamagedDay

vendor = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")

SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ARL = SHARED / "data/arl_mbo/mbo.csv"
real_data = pytest.mark.skipif(not ARL.exists(), reason=f"no market data at {SHARED}")
every_engine = pytest.mark.parametrize("engine", present())

ACTIONS = {ord(action.value): action for action in vendor.Action.variants()}
SIDES = {Side.BUY: vendor.Side.BID, Side.SELL: vendor.Side.ASK, 2: vendor.Side.NONE}


def record(time_ns, order_id, sequence, price, size, action, side, instrument=1108, venue=2):
    """Return one MBO record of the vendor's; price in ticks of 0.0001, 0 for none."""
    return vendor.MBOMsg(
        *(venue, instrument, time_ns, order_id),
        *(price * 100_000 if price else vendor.UNDEF_PRICE, size, ACTIONS[action], SIDES[side]),
        time_ns,
        flags=130,
        sequence=sequence,
    )


def encoded(records, schema=vendor.Schema.MBO) -> bytes:
    """Return a DBN file as the vendor's own encoder writes it."""
    head = vendor.Metadata(
        *("XNAS.ITCH", 0, vendor.SType.RAW_SYMBOL, vendor.SType.INSTRUMENT_ID, schema),
        symbols=[],
    )
    return head.encode() + b"".join(map(bytes, records))


def packed(text: bytes, path: Path) -> Path:
    """Write a DBN file packed with zstd by the vendor's own encoder."""
    with path.open("wb") as file:
        encoder = vendor.Transcoder(file, vendor.Encoding.DBN, vendor.Compression.ZSTD)
        encoder.write(text)
        encoder.finish()
    return path


def rows_of(messages: np.ndarray):
    """Yield the fields of ``record`` of messages that were read from CSV."""
    yield from messages.tolist()


# Two bids and an ask; a fill of 4 of the oldest; a modify that keeps and one that loses its place;
# a fill of the younger one, which no engine would make; a clear.
A, C, F, M, R, T = b"ACFMRT"
DAY = [
    (1, 0, 0, 0, 0, R, 2),
    (2, 11, 1, 55_100, 100, A, Side.BUY),
    (3, 12, 2, 55_100, 50, A, Side.BUY),
    (4, 13, 3, 55_200, 70, A, Side.SELL),
    (5, 0, 4, 55_100, 4, T, Side.SELL),
    (5, 11, 4, 55_100, 4, F, Side.BUY),
    (5, 11, 4, 55_100, 4, C, Side.BUY),
    (6, 11, 5, 55_100, 90, M, Side.BUY),
    (7, 13, 6, 55_300, 80, M, Side.SELL),
    (8, 12, 7, 55_100, 50, F, Side.BUY),
    (8, 12, 7, 55_100, 50, C, Side.BUY),
    (9, 0, 8, 0, 0, R, 2),
]


@pytest.fixture
def day(tmp_path):
    """Write a DBN file; return its path."""

    def write(rows=DAY, **options) -> Path:
        path = tmp_path / "day.dbn"
        path.write_bytes(encoded([record(*row, **options) for row in rows]))
        return path

    return write


def test_every_field_is_read(day):
    read = dbn.read(day())
    plain = dbn.as_databento(read.messages)
    assert plain.dtype == databento.MESSAGE
    assert list(rows_of(plain)) == DAY
    assert read.book is None and set(read.messages["symbol"]) == {0}


def test_the_commands_are_those_of_the_day(day):
    part = next(recorded.recording_of(day(), "dbn").parts(False))
    taker = 2**63 + 2**62
    assert part.commands[["kind", "order_id", "price", "quantity", "side", "tif"]].tolist() == [
        (CommandKind.NEW, 11, 55_100, 100, Side.BUY, 0),
        (CommandKind.NEW, 12, 55_100, 50, Side.BUY, 0),
        (CommandKind.NEW, 13, 55_200, 70, Side.SELL, 0),
        (CommandKind.NEW, taker, 55_100, 4, Side.SELL, TimeInForce.IOC),
        (CommandKind.REPLACE, 11, 55_100, 90, Side.BUY, 0),
        (CommandKind.REPLACE, 13, 55_300, 80, Side.SELL, 0),
        (CommandKind.CANCEL, 12, 0, 0, Side.BUY, 0),
        (CommandKind.CANCEL, 11, 0, 0, Side.BUY, 0),
        (CommandKind.CANCEL, 13, 0, 0, Side.SELL, 0),
    ]
    assert part.fills[["maker", "quantity", "at_head"]].tolist() == [(11, 4, True), (12, 50, False)]
    assert len(part.queues) == 0


@every_engine
def test_without_a_recorded_book_the_messages_make_it(day, engine):
    report = replay_file(day(), "dbn", engine, True)
    assert (report.rows_checked, report.rows_equal) == (8, 8)
    # the younger order was filled: true of the day, and against price-time priority
    assert (report.fifo_checked, report.fifo_equal) == (2, 1)
    assert report.passed and report.first_difference is None


def test_instruments_and_venues_become_symbols(tmp_path):
    markets = [(1108, 2), (7, 2), (1108, 3)]
    records = [
        record(*row, instrument=instrument, venue=venue)
        for row in DAY[:-1]
        for instrument, venue in markets
    ]
    path = tmp_path / "three.dbn"
    path.write_bytes(encoded(records))
    report = replay_file(path, "dbn", "price_ladder", True)
    assert (report.messages, report.rows_checked, report.rows_equal) == (33, 21, 21)
    part = next(recorded.recording_of(path, "dbn").parts(False))
    assert part.commands["symbol"].tolist() == [0, 1, 2] * 7
    assert part.queues["symbol"].tolist() == [0, 0, 1, 1, 2, 2]


def test_packed_files_give_the_same(day, tmp_path):
    path = day()
    zipped = packed(path.read_bytes(), tmp_path / "packed.dbn.zst")
    assert np.array_equal(dbn.read(zipped).messages, dbn.read(path).messages)


def test_a_long_file_comes_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(dbn, "_CHUNK", 5)
    path = tmp_path / "long.dbn"
    path.write_bytes(encoded([record(*row) for row in DAY]))
    chunks = list(dbn.DbnFile(path).chunks())
    assert [len(chunk) for chunk in chunks] == [5, 5, 2]
    assert np.concatenate(chunks)["offset"].tolist() == list(range(1, 13))


def test_a_cut_file_says_so_and_what_stands_before_can_be_had(day):
    path = day()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedDay, match="record 12: the file ends after 36 bytes of it") as caught:
        dbn.read(path)
    assert list(rows_of(dbn.as_databento(caught.value.day.messages))) == DAY[:-1]
    with pytest.raises(FileError, match="it is cut short"):
        replay_file(path, "dbn", "price_ladder", True)
    report = replay_file(path, "dbn", "price_ladder", True, until_damage=True)
    assert report.messages == 11 and report.passed
    assert "only what stands before this" in report.notes[0]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("price", 5_510_050_000, "price: price 5.510050000 is off the tick"),
        ("price", vendor.UNDEF_PRICE, "price: an order has no price"),
        ("size", 0, "size: size 0 is not within"),
        ("side", vendor.Side.NONE, "side: side N cannot be here"),
        ("order_id", 0, "order_id: order id 0 cannot be"),
    ],
)
def test_wrong_values_are_named(tmp_path, field, value, words):
    records = [record(*row) for row in DAY]
    setattr(records[2], field, value)
    path = tmp_path / "wrong.dbn"
    path.write_bytes(encoded(records))
    with pytest.raises(DamagedDay, match=f"row 3, {words}") as caught:
        dbn.read(path)
    assert len(caught.value.day) == 2


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.dbn"
    trade = vendor.TradeMsg(
        *(2, 1, 5, 10**9, 1, vendor.Action.TRADE, vendor.Side.BID, 0, 5), flags=0, sequence=1
    )
    path.write_bytes(encoded([trade], vendor.Schema.TRADES))
    with pytest.raises(FileError, match="there is no MBOMsg among 1 records; take schema MBO"):
        dbn.read(path)
    path.write_bytes(b"ts_event,action\n" * 100)
    with pytest.raises(FileError, match="this is no DBN file, or a damaged one"):
        dbn.read(path)
    path.write_bytes(b"")
    with pytest.raises(FileError, match="the file is empty"):
        dbn.read(path)
    with pytest.raises(FileError, match="cannot be read"):
        dbn.read(tmp_path / "nowhere.dbn")


def test_without_the_package_one_line_says_what_to_install(day, monkeypatch):
    path = day()
    real = builtins.__import__

    def lacking(name, *rest, **more):
        if name == "databento_dbn":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(InputError, match="pip install 'databento-dbn>=0.72'") as caught:
        replay_file(path, "dbn", "price_ladder", True)
    assert "\n" not in str(caught.value)


def test_importing_the_formats_does_not_load_the_package():
    code = "import sys, lab.workloads.day; sys.exit('databento_dbn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- a real day -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arl(tmp_path_factory) -> Path:
    """The ARL day as DBN, packed, its CSV book beside it."""
    folder = tmp_path_factory.mktemp("arl")
    rows = rows_of(databento.read(ARL).messages)
    path = packed(encoded([record(*row) for row in rows]), folder / "arl-mbo.dbn.zst")
    (folder / "arl-mbp.csv").symlink_to(ARL.with_name("mbp.csv"))
    return path


@real_data
def test_the_flow_is_that_of_the_csv(arl):
    from_csv = script_of(ARL, "databento", None, True, lambda *words: None)
    from_dbn = next(recorded.recording_of(arl, "dbn").parts(True))
    assert from_dbn.commands.tobytes() == from_csv.commands.tobytes()
    assert from_dbn.fills.tobytes() == from_csv.fills.tobytes()
    for name in ("ends", "bid_levels", "ask_levels", "queues"):
        assert np.array_equal(getattr(from_dbn, name), getattr(from_csv, name)), name
    whole = script_of(arl, "dbn", None, True, lambda *words: None)
    assert whole.commands.tobytes() == from_csv.commands.tobytes()


@real_data
@every_engine
def test_the_verdict_is_that_of_the_csv(arl, engine):
    report = replay_file(arl, "dbn", engine, True)
    assert (report.rows_checked, report.rows_equal) == (3_928, 3_928)
    assert (report.fifo_checked, report.fifo_equal) == (11, 11)
    assert report.passed and report.digest == "800affd339bc3aa3"


@real_data
def test_its_own_messages_make_the_same_book(arl, tmp_path):
    alone = tmp_path / "arl.dbn.zst"
    alone.symlink_to(arl)
    report = replay_file(alone, "dbn", "price_ladder", True)
    assert report.passed and report.rows_checked == report.rows_equal > 3_000
    assert report.digest == "800affd339bc3aa3"


def pair(side: np.ndarray, levels: list[int], row: int) -> list[tuple[int, int, int]]:
    """Return the vendor's fields of some levels of one side of a book row."""
    return [
        (
            int(side.prices[row, level]) * 100_000 or vendor.UNDEF_PRICE,
            int(side.quantities[row, level]),
            int(side.counts[row, level]),
        )
        for level in levels
    ]


@real_data
def test_a_binary_book_is_read_as_the_csv_one(arl, tmp_path):
    day = databento.read(ARL)
    levels = list(range(10))
    records = []
    for row in range(len(day.book)):
        message = day.messages[day.book.after[row]]
        both = zip(pair(day.book.bids, levels, row), pair(day.book.asks, levels, row), strict=True)
        records.append(
            vendor.MBP10Msg(
                *(2, 1108, int(message["time_ns"]), vendor.UNDEF_PRICE, 0),
                *(ACTIONS[int(message["action"])], vendor.Side.NONE, 0, int(message["time_ns"])),
                flags=0,
                sequence=int(message["sequence"]),
                levels=[vendor.BidAskPair(b[0], a[0], b[1], a[1], b[2], a[2]) for b, a in both],
            )
        )
    (tmp_path / "arl-mbo.dbn.zst").symlink_to(arl)
    packed(encoded(records, vendor.Schema.MBP_10), tmp_path / "arl-mbp.dbn.zst")
    report = replay_file(tmp_path / "arl-mbo.dbn.zst", "dbn", "price_ladder", True)
    assert (report.rows_checked, report.rows_equal) == (3_928, 3_928) and report.passed
