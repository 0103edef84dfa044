"""A book in a mapped file: attached to or refused, read beside its writer, never half-written."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from engines.errors import CapacityError, FileError, InputError
from engines.matching import present
from engines.matching.ladder_layout import BOOK, HEADER
from engines.messages import COMMAND, EVENT, CommandKind
from lab.books import mapped_file
from lab.books.busy_writer import BusyWriter, Cycle
from lab.books.depth_reader import DepthReader, DepthSeen
from lab.books.mapped import ENGINES, MappedBook
from lab.books.mapped_file import HEAD, HEAD_BYTES, BookFile
from lab.books.restarts import restarts
from lab.hardware.affinity import allowed_cpus

LEVELS = 5
HERE = [name for name in ENGINES if name in present()]
each_engine = pytest.mark.parametrize("engine", HERE)


def wide_orders(count, symbols, seed=1):
    """Orders over the whole range of prices: pages behind every layer of the summary."""
    random = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    commands["kind"], commands["quantity"] = CommandKind.NEW, random.integers(1, 9, count)
    commands["sequence"] = commands["order_id"] = np.arange(1, count + 1)
    commands["symbol"], commands["side"] = random.integers(0, (symbols, 2), (count, 2)).T
    low = np.where(commands["side"] == 0, 1, 2**30)
    commands["price"] = low + random.integers(0, 2**30 - 1, count)
    commands["price"][::3] = low[::3] + random.integers(0, 200, count)[::3]
    return commands


def filled(path, engine="price_ladder", count=600, symbols=3):
    """A book with orders in it, still open."""
    book = MappedBook.create(path, orders=1_000, symbols=symbols, engine=engine)
    book.engine.submit(wide_orders(count, symbols), np.zeros(4 * count, EVENT))
    return book


def bytes_of(levels):
    return [side.tobytes() for side in levels]


def seen_bytes(seen: DepthSeen):
    return bytes_of([seen.bids, seen.asks])


class TestAttaching:
    @pytest.mark.parametrize("first", HERE)
    @pytest.mark.parametrize("second", HERE)
    def test_another_engine_goes_on_where_the_first_one_left(self, tmp_path, first, second):
        with filled(tmp_path / "book", first) as book:
            left = book.engine.digest()
        with MappedBook.attach(tmp_path / "book", second) as book:
            book.engine.check()
            assert book.engine.digest() == left
            assert book.engine.last_sequence == 600

    def test_a_process_that_is_killed_leaves_the_book_as_good_as_it_was(self, tmp_path):
        cycle = Cycle.of(400, 100)
        states, commands = cycle.states(LEVELS), cycle.commands
        with (
            BusyWriter(tmp_path / "book", 400, 100, batch=1, rest_us=200) as writer,
            DepthReader(tmp_path / "book") as reader,
        ):
            time.sleep(0.1)
            while stopped_inside_a_command(writer, reader):
                os.kill(writer.pid, signal.SIGCONT)
            writer.kill()
        with MappedBook.attach(tmp_path / "book") as book:
            book.engine.check()
            after = book.engine.last_sequence % len(commands)
            assert b"|".join(bytes_of(book.engine.depth(0, LEVELS))) == states[after]
            later = min(after + 10, len(commands))
            book.engine.submit(commands[after:later], np.zeros(99, EVENT))
            assert b"|".join(bytes_of(book.engine.depth(0, LEVELS))) == states[later]

    def test_there_is_one_writer_at_a_time(self, tmp_path):
        with filled(tmp_path / "book"), pytest.raises(FileError, match="being written by another"):
            MappedBook.attach(tmp_path / "book")
        MappedBook.attach(tmp_path / "book").close()

    def test_a_book_is_never_made_over_a_file(self, tmp_path):
        filled(tmp_path / "book").close()
        with pytest.raises(FileError, match="is there already; attach"):
            MappedBook.create(tmp_path / "book", orders=10)
        with pytest.raises(FileError, match="cannot be made"):
            MappedBook.create(tmp_path / "no" / "such" / "folder", orders=10)
        with pytest.raises(InputError, match="cannot live in a file"):
            MappedBook.create(tmp_path / "other", orders=10, engine="textbook")

    def test_a_book_that_cannot_be_made_leaves_no_file(self, tmp_path):
        with pytest.raises(CapacityError, match="0 owners is not within"):
            MappedBook.create(tmp_path / "book", orders=10, owners=0)
        assert list(tmp_path.iterdir()) == []

    def test_all_room_on_the_disk_is_taken_at_once(self, tmp_path):
        """A page that finds no room when it is first touched would kill the process."""
        with filled(tmp_path / "book"):
            status = (tmp_path / "book").stat()
            assert status.st_blocks * 512 >= status.st_size


def spoil(path, offset, value):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(value)


def header_offset(field):
    return HEAD_BYTES + HEADER.fields[field][1]


def book_offset(path, symbol):
    header = np.fromfile(path, HEADER, 1, offset=HEAD_BYTES)[0]
    return HEAD_BYTES + int(header["books_at"]) + symbol * BOOK.itemsize


class TestRefusals:
    @pytest.fixture
    def path(self, tmp_path):
        filled(tmp_path / "book").close()
        return tmp_path / "book"

    @pytest.mark.parametrize("opened", [MappedBook.attach, DepthReader])
    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (lambda path: path.unlink(), "cannot be opened .*; create it"),
            (lambda path: os.truncate(path, 100), "too short to hold a book"),
            (lambda path: os.truncate(path, 100_000), r"cut off: 100000 of \d+ bytes; rebuild"),
            (lambda path: spoil(path, 0, b"somethin"), "holds no book: it starts with b'somethin'"),
            (lambda path: spoil(path, HEAD_BYTES, b"else"), "holds no book"),
            (lambda path: spoil(path, 8, b"\x09\0\0\0"), "is of version 9, not 1; rebuild"),
            (
                lambda path: spoil(path, header_offset("layout_version"), b"\x63\0\0\0"),
                "ladder of layout 99, and this program writes layout 3; rebuild",
            ),
        ],
        ids=["gone", "short", "cut off", "other file", "no ladder", "version", "layout"],
    )
    def test_what_is_no_whole_book_is_refused_in_a_line(self, path, opened, damage, words):
        damage(path)
        with pytest.raises(FileError, match=words):
            opened(path)

    @pytest.mark.parametrize("where", ["header", "directory", "symbol"])
    def test_a_writer_that_ended_in_the_middle_is_told(self, path, where):
        fields = {"header": "version", "directory": "directory_version"}
        place = header_offset(fields[where]) if where in fields else book_offset(path, 1)
        even = np.fromfile(path, "<u8", 1, offset=place)[0]
        spoil(path, place, (even + np.uint64(1)).tobytes())
        with pytest.raises(FileError, match="middle of a command; rebuild it"):
            MappedBook.attach(path)
        with DepthReader(path) as reader:
            start_s = time.monotonic()
            with pytest.raises(FileError, match="after 600: its writer is gone; rebuild"):
                reader.depth(1)
            assert time.monotonic() - start_s < 0.5

    def test_a_book_that_was_open_when_the_machine_went_down_is_refused(self, path):
        """Its pages are of different moments, and each looks whole."""
        spoil(path, HEAD.fields["boot"][1], b"another start of the machine")
        MappedBook.attach(path).close()  # it had been closed in order
        spoil(path, HEAD.fields["boot"][1], b"another start of the machine")
        spoil(path, HEAD.fields["is_open"][1], b"\x01\0\0\0")
        with pytest.raises(FileError, match="when the machine went down"):
            MappedBook.attach(path)

    @pytest.mark.parametrize("when", ["then", "now"])
    def test_without_proc_a_book_that_was_left_open_is_refused(
        self, path, tmp_path, monkeypatch, when
    ):
        """Two that know no start of the machine are not of the same one."""
        boot = mapped_file._BOOT
        monkeypatch.setattr(mapped_file, "_BOOT", tmp_path / "not" / "shown")
        MappedBook.attach(path).close()  # it had been closed in order
        spoil(path, HEAD.fields["is_open"][1], b"\x01\0\0\0")
        if when == "then":
            monkeypatch.setattr(mapped_file, "_BOOT", boot)
        with pytest.raises(FileError, match="not closed in order, and without /proc .*; rebuild"):
            MappedBook.attach(path)

    def test_what_was_refused_is_not_locked(self, path):
        spoil(path, book_offset(path, 0), b"\x01")
        for _ in range(2):
            with pytest.raises(FileError, match="middle of a command"):
                MappedBook.attach(path)
        assert not BookFile.to_read(path).has_writer()


class TestReading:
    @each_engine
    @pytest.mark.parametrize("levels", [1, 5, 10_000])
    def test_a_reader_sees_what_the_engine_says(self, tmp_path, engine, levels):
        with filled(tmp_path / "book", engine) as book, DepthReader(tmp_path / "book") as reader:
            for symbol in range(3):
                seen = reader.depth(symbol, levels)
                assert seen_bytes(seen) == bytes_of(book.engine.depth(symbol, levels))
                assert (seen.sequence, seen.version % 2, seen.retries) == (600, 0, 0)
                assert seen_bytes(reader.unprotected_depth(symbol, levels)) == seen_bytes(seen)
            with pytest.raises(InputError, match=r"symbol 3 is not within 0\.\.2"):
                reader.depth(3)

    def test_a_reader_cannot_write(self, tmp_path):
        filled(tmp_path / "book").close()
        with pytest.raises(ValueError, match="read-only"):
            BookFile.to_read(tmp_path / "book").ladder[0] = 1

    @each_engine
    def test_beside_a_writer_every_depth_is_that_after_a_whole_command(self, tmp_path, engine):
        """The oracle says which depth belongs to which sequence, and all of them are compared."""
        cycle = Cycle.of(2_000, 200)
        states = cycle.states(LEVELS)
        with (
            BusyWriter(tmp_path / "book", 2_000, 200, rest_us=3, engine=engine) as writer,
            DepthReader(tmp_path / "book") as reader,
        ):
            seen = looked_at(reader, moments=200)
            writer.end()
            assert sum(one.retries for one in seen) > 0
            assert len({one.sequence for one in seen}) >= 20
            assert [one for one in seen if not cycle.is_state(one, states)] == []
            assert all(
                one.sequence <= two.sequence for one, two in zip(seen, seen[1:], strict=False)
            )
            assert reader.depth().version % 2 == 0  # it was closed in order

    @pytest.mark.skipif(len(allowed_cpus()) < 2, reason="reader and writer need a CPU each")
    def test_without_the_protocol_half_written_books_are_seen(self, tmp_path):
        """So the test above can fail."""
        states = set(Cycle.of(2_000, 200).states(LEVELS))
        with (
            BusyWriter(tmp_path / "book", 2_000, 200, batch=1_000) as writer,
            DepthReader(tmp_path / "book") as reader,
        ):
            end_s = time.monotonic() + 10
            torn = 0
            while torn < 5 and time.monotonic() < end_s:
                torn += b"|".join(seen_bytes(reader.unprotected_depth(0, LEVELS))) not in states
            writer.end()
        assert torn == 5

    @each_engine
    def test_a_slow_writer_is_waited_for_and_a_dead_one_is_not(self, tmp_path, engine):
        """Stopped in the middle of a command it may go on; killed there it never will."""
        with (
            BusyWriter(tmp_path / "book", batch=4_000, engine=engine) as writer,
            DepthReader(tmp_path / "book") as reader,
        ):
            assert stop_inside_a_command(writer, reader)
            os.kill(writer.pid, signal.SIGCONT)
            assert reader.depth(0, 1, patience_s=20).version % 2 == 0
            assert stop_inside_a_command(writer, reader)
            writer.kill()
            start_s = time.monotonic()
            with pytest.raises(FileError, match="its writer is gone"):
                reader.depth(0, 1, patience_s=60)
            assert time.monotonic() - start_s < 1
        with pytest.raises(FileError, match="middle of a command"):
            MappedBook.attach(tmp_path / "book", engine)


def looked_at(reader, moments, seconds=20):
    """What a reader sees at so many moments; at fewer where the two hardly run side by side."""
    end_s, seen, sequences = time.monotonic() + seconds, [], set()
    while len(sequences) < moments and time.monotonic() < end_s:
        seen.append(reader.depth(0, LEVELS, patience_s=20))
        sequences.add(seen[-1].sequence)
    return seen


def stop_inside_a_command(writer, reader) -> bool:
    """Stop the writer until it stands in the middle of a command; return whether it does."""
    for _ in range(200):
        if stopped_inside_a_command(writer, reader):
            return True
        os.kill(writer.pid, signal.SIGCONT)
        time.sleep(0.001)
    return False


def stopped_inside_a_command(writer, reader) -> bool:
    """Stop the writer; return whether it stands in the middle of a command."""
    os.kill(writer.pid, signal.SIGSTOP)
    try:
        reader.depth(0, 1, patience_s=0.02)
    except FileError as error:
        assert "written all the time" in str(error)
        return True
    return False


def test_every_way_of_coming_back_ends_in_the_same_book(tmp_path):
    found = restarts(tmp_path, live_orders=500, messages=2_000, engine=HERE[-1])
    assert [one.way for one in found] == [
        "attach to the file",
        "load a snapshot",
        "replay all commands",
    ]
    assert all(one.seconds > 0 and one.next_seconds > 0 and one.nbytes > 0 for one in found)
