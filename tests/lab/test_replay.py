"""Replaying a day: right engines pass every row, a wrong engine or a wrong book does not."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, present
from engines.matching.api import Implementation
from engines.matching.binary_heap import SEQUENCE, SYMBOL, BinaryHeap
from engines.messages import CommandKind, Reason
from lab.experiments import EXPERIMENTS
from lab.experiments.replay import replay_file
from lab.experiments.replay_check import ACTION_NAMES, actions_of
from lab.workloads.day import DamagedDay
from lab.workloads.lobster_writer import SAMPLE, write_day
from lab.workloads.order_flow import generate

SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ARL = SHARED / "data/arl_mbo/mbo.csv"
AAPL = SHARED / "data/lobster_aapl_l10_excerpt/AAPL_2012-06-21_34200000_57600000_message_10.csv"
GOOG = SHARED / "data/lobster_goog_l10/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"
real_data = pytest.mark.skipif(not SHARED.exists(), reason=f"no market data at {SHARED}")
every_engine = pytest.mark.parametrize("engine", present())

FIELDS = [
    *("file", "engine", "messages", "rows_checked", "rows_equal", "fifo_checked", "fifo_equal"),
    *("first_difference", "digest"),
]


def counts(report) -> tuple[int, int, int, int]:
    """Return rows checked and equal, known queues and those filled as the exchange did."""
    return report.rows_checked, report.rows_equal, report.fifo_checked, report.fifo_equal


class LastInFirstOut(BinaryHeap):
    """A wrong engine: a new order goes to the front of its queue."""

    name = "last_in_first_out"

    def _new(self, command):
        book = self._books[command[SYMBOL]]
        book.arrivals = (book.arrivals or 2**40) - 2  # each seems to have come before the last
        return super()._new(command)


class Deaf(BinaryHeap):
    """A wrong engine: forgets one cancel."""

    name = "deaf"
    deaf_to = 0

    def _cancel(self, command):
        if command[SEQUENCE] == self.deaf_to:
            return self._reject(command, Reason.UNKNOWN_ORDER)
        return super()._cancel(command)


@pytest.fixture
def wrong_engine(monkeypatch):
    """Put a wrong engine into the registry for one test; return its name."""

    def register(engine: type[BinaryHeap]) -> str:
        module = SimpleNamespace(Wrong=engine)
        monkeypatch.setitem(sys.modules, "wrong_engine", module)
        entry = Implementation(engine.name, "wrong", "", "", "", frozenset(), "wrong_engine:Wrong")
        monkeypatch.setitem(IMPLEMENTATIONS, engine.name, entry)
        return engine.name

    return register


@every_engine
def test_the_sample_passes(engine):
    report = replay_file(SAMPLE, "lobster", engine, True)
    assert counts(report) == (4_999, 4_999, 993, 993)
    assert report.passed and report.first_difference is None
    assert report.digest == replay_file(SAMPLE, "lobster", "reference", False).digest


def test_the_report_is_the_contract_of_the_command_line():
    report = replay_file(SAMPLE, "lobster", "price_ladder", True)
    assert list(report.as_dict()) == FIELDS
    assert report.as_dict()["messages"] == 5_000


def test_without_check_it_just_replays():
    report = replay_file(SAMPLE, "lobster", "price_ladder", False)
    assert counts(report) == (0, 0, 0, 0) and report.passed and report.commands > 5_000


def test_progress_is_told():
    told = []
    replay_file(SAMPLE, "lobster", "reference", True, lambda *words: told.append(words))
    assert told[0][0] == "starting" and SAMPLE.name in told[0][3]
    assert told[-1] == ("measuring", 4_999, 4_999, "reference done")


def test_an_engine_with_the_wrong_priority_does_not_pass(wrong_engine):
    report = replay_file(SAMPLE, "lobster", wrong_engine(LastInFirstOut), True)
    assert not report.passed
    assert report.fifo_equal < report.fifo_checked == 993
    assert "the engine does not fill order" in report.first_difference


def test_an_engine_that_misses_one_cancel_does_not_pass(wrong_engine):
    cancels = _cancels_of_the_sample()
    Deaf.deaf_to = int(cancels["sequence"][len(cancels) // 2])
    report = replay_file(SAMPLE, "lobster", wrong_engine(Deaf), True)
    assert not report.passed
    assert 0 < report.rows_equal < report.rows_checked


TWO_BIDS = """\
ts_event,action,side,price,size,order_id,sequence
2025-07-17T08:00:00Z,A,B,5.51,10,11,1
2025-07-17T08:00:01Z,A,B,5.51,20,12,2
"""
TWO_ROWS = """\
action,sequence,bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,order_id
A,1,5.51,10,1,,0,0,11
A,2,5.51,30,2,,0,0,12
"""


def test_queues_in_the_wrong_order_do_not_pass_though_every_level_is_right(tmp_path, wrong_engine):
    day = tmp_path / "mbo.csv"
    day.write_text(TWO_BIDS)
    (tmp_path / "mbp.csv").write_text(TWO_ROWS)
    assert counts(replay_file(day, "databento", "reference", True)) == (2, 2, 0, 0)
    report = replay_file(day, "databento", wrong_engine(LastInFirstOut), True)
    assert not report.passed
    assert report.first_difference == "row 3: the queues left are not those of the day"


def _cancels_of_the_sample() -> np.ndarray:
    from lab.experiments.replay_check import script_of

    commands = script_of(SAMPLE, "lobster", None, True, lambda *words: None).commands
    return commands[commands["kind"] == CommandKind.CANCEL]


@pytest.fixture
def csv_day(tmp_path) -> tuple[Path, Path]:
    """A small day of our own as a CSV pair: the message file and the order book file."""
    flow = generate("balanced", messages=2_000, live_orders=150, seed=8, width=32)
    with zipfile.ZipFile(write_day(flow, tmp_path / "AB_2026-01-02_1_2_5.zip", 400, 5)) as day:
        day.extractall(tmp_path)
    name = "AB_2026-01-02_1_2_{}_5.csv"
    return tmp_path / name.format("message"), tmp_path / name.format("orderbook")


def rewrite(path: Path, row: int, column: int, change: int) -> None:
    """Add to one number of a CSV file."""
    lines = path.read_text().splitlines()
    fields = lines[row - 1].split(",")
    fields[column] = str(int(fields[column]) + change)
    lines[row - 1] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")


@every_engine
def test_a_wrong_number_in_the_book_is_found_and_later_rows_still_count(csv_day, engine):
    messages, book = csv_day
    assert counts(replay_file(messages, "lobster", engine, True))[:2] == (399, 399)
    rewrite(book, 200, 3, 1)
    report = replay_file(messages, "lobster", engine, True)
    assert not report.passed
    # the wrong row, and the next one, which starts from it
    assert report.rows_equal in (397, 398)
    assert report.first_difference.startswith("row 200: bid level 1, quantity ")


def test_a_wrong_size_in_a_message_is_found(csv_day):
    messages, _ = csv_day
    kinds = [line.split(",")[1] for line in messages.read_text().splitlines()]
    row = kinds.index("1", 100) + 1
    rewrite(messages, row, 3, 1)
    report = replay_file(messages, "lobster", "price_ladder", True)
    assert not report.passed
    assert report.first_difference.startswith(f"row {row}: ")
    assert report.rows_equal == report.rows_checked - 1


def test_a_changed_file_is_read_again(csv_day):
    messages, book = csv_day
    before = replay_file(messages, "lobster", "price_ladder", True)
    book.unlink()
    with pytest.raises(InputError, match="no recorded book beside it"):
        replay_file(messages, "lobster", "price_ladder", True)
    assert before.passed


def test_without_a_book_there_is_nothing_to_check_but_it_replays(csv_day):
    messages, book = csv_day
    book.unlink()
    with pytest.raises(InputError, match="put the book file beside it or leave --check out"):
        replay_file(messages, "lobster", "price_ladder", True)
    digests = {replay_file(messages, "lobster", name, False).digest for name in present()}
    assert len(digests) == 1


def test_what_was_called_wrongly_is_said(csv_day):
    messages, _ = csv_day
    with pytest.raises(InputError, match="no format 'tape'; choose one of lobster, databento"):
        replay_file(messages, "tape", "price_ladder", True)
    with pytest.raises(InputError, match="no engine 'abacus'; choose one of reference"):
        replay_file(messages, "lobster", "abacus", True)
    messages.write_text(messages.read_text()[:-9])
    with pytest.raises(DamagedDay, match="row 400"):
        replay_file(messages, "lobster", "price_ladder", True)


def test_every_command_of_a_day_has_an_action():
    from lab.experiments.replay_check import script_of

    commands = script_of(SAMPLE, "lobster", None, True, lambda *words: None).commands
    named = [ACTION_NAMES[action] for action in actions_of(commands)]
    assert named.count("take") == np.sum(commands["tif"] == 1) > 500
    assert named.count("cancel") == np.sum(commands["kind"] == CommandKind.CANCEL) > 500
    assert named.count("add") > 2_000 and named.count("replace") == 0


def test_the_experiment_knows_how_long_it_takes():
    entry = EXPERIMENTS["replay"]
    short = entry.estimate_seconds({"rounds": 1, "seconds": 0.1})
    assert 0 < short < entry.estimate_seconds({"rounds": 5, "seconds": 0.1})


# -- real days ---------------------------------------------------------------------------------


@real_data
@every_engine
def test_arl(engine):
    report = replay_file(ARL, "databento", engine, True)
    assert counts(report) == (3_928, 3_928, 11, 11)
    assert report.passed and report.digest == "800affd339bc3aa3"


@real_data
@every_engine
def test_aapl(engine):
    report = replay_file(AAPL, "lobster", engine, True)
    assert counts(report) == (998, 998, 90, 90) and report.passed


def check_goog(engine: str) -> None:
    """Replay the GOOG day; five executions of that day were not of the oldest order."""
    report = replay_file(GOOG, "lobster", engine, True)
    assert counts(report) == (147_915, 147_915, 6_949, 6_944)
    assert report.passed and report.digest == "3d9d5923b1b90aea"


@real_data
def test_goog():
    check_goog("price_ladder")


@real_data
@pytest.mark.soak
@every_engine
def test_goog_on_every_engine(engine):
    check_goog(engine)
