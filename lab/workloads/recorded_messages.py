"""The record of a recorded message, whoever wrote it, and what a message can do to a book.

``itch`` and ``dbn`` make these records; ``recorded_book`` makes commands of them. A record is 64
bytes; what its fields mean to each type is told by the reader that made it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

MESSAGE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("order_id", "<u8"),
        ("other_id", "<u8"),  # a new reference, a match number, a sequence
        ("price", "<i8"),  # in the file's own units
        ("shares", "<i8"),
        ("offset", "<i8"),  # the byte of the unpacked file, or the number of the record
        ("stock", "<u8"),  # eight characters, as they lie in the file; 0 for none
        ("symbol", "<u2"),
        ("type", "u1"),  # the letter's code
        ("side", "u1"),  # Side, or 2 where there is none
        ("detail", "u1"),  # one more letter of some types
        ("reserved", "u1"),
        ("reserved2", "<u2"),
    ]
)
assert MESSAGE.itemsize == 64

NOTHING, ADD, EXECUTE, LESSEN, DELETE, REPLACE, MODIFY, CLEAR, FILL = range(9)
"""What a type does to the book. REPLACE takes a new id and loses priority, MODIFY keeps the id and,
at the same price and no more shares, priority. FILL announces the LESSEN that is an execution."""

UNKNOWN_ORDER, DUPLICATE_ORDER, TOO_MUCH = range(1, 4)
FLAWS = {
    UNKNOWN_ORDER: "the order was never added; the file lacks what stood before",
    DUPLICATE_ORDER: "an order of this reference is live; the file is damaged",
    TOO_MUCH: "more shares than the order has; the file is damaged",
}
"""What a message can say that its predecessors do not allow. It is left out, or done as far as it
can be, and counts as a row that differs."""


def kinds_of(letters: Mapping[str, int]) -> np.ndarray:
    """Return for each code of a type what it does, uint8, shape (256,)."""
    kinds = np.zeros(256, np.uint8)
    for letter, kind in letters.items():
        kinds[ord(letter)] = kind
    return kinds
