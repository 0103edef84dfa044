"""ITCH 5.0 bytes: every field of every type, real packets, framing, and what is wrong where."""

from __future__ import annotations

import gzip
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engines.errors import FileError, InputError
from engines.messages import Side
from lab.workloads import itch
from lab.workloads.day import DamagedDay
from lab.workloads.itch import LENGTHS, ItchFile, stocks
from lab.workloads.itch_writer import framed, write_day
from lab.workloads.order_flow import generate

SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", Path(__file__).resolve().parents[3] / "shared"))
PACKETS = SHARED / "data/omi_nasdaq_pcap/Nasdaq"
MORNING = SHARED / "data/itch50/real_first1000_2019.itch"
real_data = pytest.mark.skipif(not SHARED.exists(), reason=f"no market data at {SHARED}")

NOON = 43_200 * 10**9


def head(letter: str, locate: int = 7, time_ns: int = NOON) -> bytes:
    """Return what all messages start with."""
    return struct.pack(">cHH", letter.encode(), locate, 3) + time_ns.to_bytes(6, "big")


def add(ref=1, side=b"B", shares=100, price=1_000_000, **known) -> bytes:
    """Return an A message."""
    return head("A", **known) + struct.pack(">QcI8sI", ref, side, shares, b"ABCD    ", price)


@pytest.fixture
def file_of(tmp_path):
    """Write messages as a file; return its path."""

    def write(*messages: bytes, name: str = "day.itch", end: bytes = b"") -> Path:
        path = tmp_path / name
        text = b"".join(map(framed, messages)) + end
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write


FIELDS = {
    "A": (add(2**63 - 1, b"S", 2**31 - 1, 2**32 - 1), (2**63 - 1, 0, 2**32 - 1, 2**31 - 1, 1, 0)),
    "F": (
        head("F") + struct.pack(">QcI8sI4s", 5, b"B", 300, b"ABCD    ", 12_345, b"MPID"),
        (5, 0, 12_345, 300, 0, 0),
    ),
    "E": (head("E") + struct.pack(">QIQ", 5, 40, 2**64 - 1), (5, 2**64 - 1, 0, 40, 2, 0)),
    "C": (
        head("C") + struct.pack(">QIQcI", 5, 40, 99, b"N", 777),
        (5, 99, 777, 40, 2, ord("N")),
    ),
    "X": (head("X") + struct.pack(">QI", 5, 41), (5, 0, 0, 41, 2, 0)),
    "D": (head("D") + struct.pack(">Q", 5), (5, 0, 0, 0, 2, 0)),
    "U": (head("U") + struct.pack(">QQII", 5, 6, 42, 43), (5, 6, 43, 42, 2, 0)),
    "P": (
        head("P") + struct.pack(">QcI8sIQ", 0, b"S", 44, b"ABCD    ", 45, 46),
        (0, 46, 45, 44, 1, 0),
    ),
    "Q": (
        head("Q") + struct.pack(">Q8sIQc", 2**40, b"ABCD    ", 47, 48, b"O"),
        (0, 48, 47, 2**40, 2, ord("O")),
    ),
    "S": (head("S", 0) + b"Q", (0, 0, 0, 0, 2, ord("Q"))),
    "R": (
        head("R") + struct.pack(">8sccI14s", b"ABCD    ", b"Q", b"N", 100, b" " * 14),
        (0, 0, 0, 100, 2, ord("Q")),
    ),
    "H": (
        head("H") + struct.pack(">8scc4s", b"ABCD    ", b"P", b" ", b"LUDP"),
        (0, 0, 0, 0, 2, ord("P")),
    ),
}


@pytest.mark.parametrize("letter", FIELDS)
def test_every_field_of_a_message(letter, file_of):
    text, fields = FIELDS[letter]
    assert len(text) == LENGTHS[letter]
    (message,) = itch.read(file_of(text)).messages
    names = ["order_id", "other_id", "price", "shares", "side", "detail"]
    assert tuple(message[name] for name in names) == fields
    assert (chr(message["type"]), message["time_ns"], message["offset"]) == (letter, NOON, 0)
    assert message["symbol"] == (0 if letter == "S" else 7)
    if letter in "AFPQRH":
        assert stocks(np.array([message])) == {7: "ABCD"}
    else:
        assert message["stock"] == 0


def test_all_other_types_are_passed_by_their_length(file_of):
    others = [letter for letter in LENGTHS if letter not in FIELDS]
    texts = [head(letter) + b"\xff" * (LENGTHS[letter] - 11) for letter in others]
    messages = itch.read(file_of(*texts, add())).messages
    assert [chr(kind) for kind in messages["type"]] == [*others, "A"]
    assert not messages["order_id"][:-1].any()
    starts = np.cumsum([0, *(len(text) + 2 for text in texts)])
    assert messages["offset"].tolist() == starts.tolist()


# -- damage -----------------------------------------------------------------------------------

DAMAGE = [
    (b"z" + add()[1:], r"message 3 \(type z\) at byte 76: 'z' is no type of ITCH 5.0"),
    (add() + b"\0", r"message 3 \(type A\) at byte 76: 37 bytes where this type has 36"),
    (add()[:-1], "35 bytes where this type has 36"),
    (add(time_ns=86_400 * 10**9), "time 86,400,000,000,000 ns is past midnight"),
    (add(side=b"A"), "side b'A' is neither B nor S"),
    (add(shares=2**31), "its shares are not within 1..2,147,483,647, all that 32 bits hold"),
    (add(shares=0), "its shares are not within 1.."),
    (add(price=0), "its price is 0"),
    (add(ref=0), "an order reference is 0 or 2"),
    (add(ref=2**63), "an order reference is 0 or 2"),
    (head("U") + struct.pack(">QQII", 5, 0, 42, 43), "an order reference is 0 or 2"),
    (head("E") + struct.pack(">QIQ", 5, 0, 1), "its shares are not within"),
    (head("X") + struct.pack(">QI", 5, 2**32 - 1), "its shares are not within"),
    (b"", "a length of 0 ends a file, but bytes follow"),
]


@pytest.mark.parametrize(("text", "words"), DAMAGE)
@pytest.mark.parametrize("name", ["day.itch", "day.itch.gz"])
def test_a_wrong_message_is_named_and_what_stands_before_it_is_kept(file_of, text, words, name):
    path = file_of(add(1), add(2), text, add(3), name=name)
    with pytest.raises(DamagedDay, match=words) as caught:
        itch.read(path)
    assert "message 3" in str(caught.value) and "at byte 76" in str(caught.value)
    assert caught.value.day.messages["order_id"].tolist() == [1, 2]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, 38))
def test_a_file_cut_anywhere_says_so(file_of, cut):
    path = file_of(add(1), add(2), add(3))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DamagedDay, match=r"message 3.* at byte 76: .*it is cut short") as caught:
        itch.read(path)
    assert len(caught.value.day) == 2


def test_a_gzip_cut_short_or_damaged_keeps_what_can_be_unpacked(file_of, tmp_path):
    messages = [add(ref, shares=1 + ref * 7919 % 10_007) for ref in range(1, 5_001)]
    whole = file_of(*messages, name="whole.itch.gz").read_bytes()
    path = tmp_path / "cut.itch.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DamagedDay, match="breaks off after [0-9,]+ unpacked bytes .it is cut"
    ) as caught:
        itch.read(path)
    kept = caught.value.day.messages["order_id"].tolist()
    assert kept == list(range(1, len(kept) + 1)) and 1_500 < len(kept) < 3_500
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF] * 16) + whole[middle + 16 :])
    with pytest.raises(DamagedDay, match="unpacked bytes|at byte") as caught:
        itch.read(path)
    kept = caught.value.day.messages["order_id"].tolist()
    # what is unpacked wrongly may still look like a message, but not what stands before the damage
    assert kept[:1_000] == list(range(1, 1_001))


def test_several_gzip_members_and_padding_are_one_file(file_of, tmp_path):
    path = tmp_path / "two.itch.gz"
    parts = [framed(add(1)) + framed(add(2))[:9], framed(add(2))[9:] + framed(add(3))]
    path.write_bytes(b"".join(map(gzip.compress, parts)) + b"\0" * 512)
    assert itch.read(path).messages["order_id"].tolist() == [1, 2, 3]


def test_an_end_mark_is_no_damage(file_of):
    assert len(itch.read(file_of(add(1), end=b"\0\0"))) == 1


def test_what_is_no_such_file_is_refused(file_of, tmp_path):
    with pytest.raises(FileError, match="the file is empty"):
        itch.read(file_of())
    with pytest.raises(FileError, match="cannot be read"):
        itch.read(tmp_path / "nowhere")
    text = tmp_path / "text"
    text.write_text("time,type,order_id\n" * 9)
    with pytest.raises(FileError, match="message 1 .* this is no ITCH 5.0 file"):
        itch.read(text)
    with pytest.raises(InputError, match="tick 3 is none of 1, 10, 100"):
        ItchFile(text, tick=3)
    with pytest.raises(InputError, match="is not needed, ITCH messages make the book"):
        ItchFile(text, book=text)


def test_the_size_of_a_chunk_makes_no_difference(file_of, monkeypatch):
    path = file_of(*(add(ref) for ref in range(1, 301)), name="day.itch.gz")
    whole = itch.read(path).messages
    monkeypatch.setattr(itch, "_CHUNK", 7)
    monkeypatch.setattr(itch, "_BLOCK_BYTES", 53)
    monkeypatch.setattr(itch, "_PACKED_BYTES", 11)
    chunks = list(ItchFile(path).chunks())
    assert max(map(len, chunks)) <= 7 and len(chunks) > 40
    assert np.array_equal(np.concatenate(chunks), whole)


# -- somebody else's decoder, real packets, a real morning ------------------------------------


def test_another_decoder_reads_the_same(tmp_path):
    parser = pytest.importorskip("itch.parser", reason="itchfeed is not installed")
    path = tmp_path / "day.itch"
    write_day(generate("balanced", 3_000, 300, seed=4, symbols=5), path, engine="binary_heap")
    ours = itch.read(path).messages
    with path.open("rb") as file:
        theirs = list(parser.MessageParser().parse_file(file))
    assert len(theirs) == len(ours) and len({chr(kind) for kind in ours["type"]}) >= 10
    names = {
        "order_reference_number": "order_id",
        "new_order_reference_number": "other_id",
        "match_number": "other_id",
        "shares": "shares",
        "executed_shares": "shares",
        "cancelled_shares": "shares",
        "execution_price": "price",
        "cross_price": "price",
        "price": "price",
        "timestamp": "time_ns",
        "stock_locate": "symbol",
        "printable": "detail",
        "trading_state": "detail",
    }
    compared = Counter()
    for message, other in zip(ours, theirs, strict=True):
        assert chr(message["type"]) == other.message_type.decode()
        for name, mine in names.items():
            value = getattr(other, name, None)
            if value is not None:
                compared[name] += 1
                value = value[0] if isinstance(value, bytes) else value
                assert int(message[mine]) == value, (other, name)
        if hasattr(other, "buy_sell_indicator"):
            side = {b"B": Side.BUY, b"S": Side.SELL}[other.buy_sell_indicator]
            assert message["side"] == side
    assert {"order_reference_number", "executed_shares", "price", "stock_locate"} <= set(compared)


def packets(path: Path) -> list[bytes]:
    """Return the messages of a capture of UDP packets (pcap, MoldUDP64)."""
    text, messages, place = path.read_bytes(), [], 24
    while place < len(text):
        (length,) = struct.unpack_from("<I", text, place + 8)
        frame = text[place + 16 : place + 16 + length]
        place += 16 + length
        start = 18 if frame[12:14] == b"\x81\x00" else 14
        start += (frame[start] & 15) * 4 + 8  # the IP header's own length, then UDP's
        (count,) = struct.unpack_from(">H", frame, start + 18)
        start += 20
        for _ in range(count):
            (size,) = struct.unpack_from(">H", frame, start)
            messages.append(frame[start + 2 : start + 2 + size])
            start += 2 + size
    return messages


def by_hand(text: bytes) -> dict[str, int]:
    """Return a message's numbers by the table in the specification, one slice a field."""

    def number(place: int, size: int) -> int:
        return int.from_bytes(text[place : place + size], "big")

    letter = chr(text[0])
    sides = {"B": Side.BUY, "S": Side.SELL}
    found = {"symbol": number(1, 2), "time_ns": number(5, 6), "type": text[0]}
    if letter in "AFECXDUP":
        found["order_id"] = number(11, 8)
    if letter in "AFP":
        found |= {"side": sides[chr(text[19])], "shares": number(20, 4), "price": number(32, 4)}
        found["stock"] = int.from_bytes(text[24:32], "little")
    if letter in "EC":
        found |= {"shares": number(19, 4), "other_id": number(23, 8)}
    if letter == "C":
        found |= {"detail": text[31], "price": number(32, 4)}
    if letter == "X":
        found["shares"] = number(19, 4)
    if letter == "U":
        found |= {"other_id": number(19, 8), "shares": number(27, 4), "price": number(31, 4)}
    if letter == "P":
        found["other_id"] = number(36, 8)
    if letter == "Q":
        found |= {"shares": number(11, 8), "price": number(27, 4), "other_id": number(31, 8)}
        found |= {"detail": text[39], "stock": int.from_bytes(text[19:27], "little")}
    if letter == "H":
        found |= {"detail": text[19], "stock": int.from_bytes(text[11:19], "little")}
    if letter == "S":
        found["detail"] = text[11]
    return found


@real_data
def test_real_packets_of_every_type(file_of):
    seen = Counter()
    for path in sorted(PACKETS.glob("*Itch*/*.pcap")):
        texts = packets(path)
        messages = itch.read(file_of(*texts)).messages
        assert len(messages) == len(texts)
        for text, message in zip(texts, messages, strict=True):
            for name, value in by_hand(text).items():
                assert message[name] == value, (path.name, name)
            seen[chr(text[0])] += 1
    assert set(seen) >= set("AFECXDUPQSH") | set("YLJIN")


@real_data
def test_a_real_morning():
    day = itch.read(MORNING)
    kinds = Counter(chr(kind) for kind in day.messages["type"])
    assert kinds == {"S": 1, "R": 993, "H": 3, "Y": 3}
    names = stocks(day.messages)
    assert len(names) == 993 and {"A", "AAPL"} <= set(names.values())
    assert day.messages["symbol"][0] == 0  # the whole market
    assert (np.diff(day.messages["time_ns"]) >= 0).all()
