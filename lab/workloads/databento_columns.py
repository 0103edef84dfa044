"""What Databento's CSV files have in common: a header, and prices in units of 1e-9."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines.errors import FileError
from lab.workloads.csv_rows import EMPTY
from lab.workloads.day import TICKS_PER_UNIT

UNITS_PER_TICK = 10**9 // TICKS_PER_UNIT
_NO_PRICE = 2**63 - 1  # how a raw file says that there is none
_ROWS_LOOKED_AT = 200
_RAW_DIGITS = 6  # a raw price of 0.001 has as many


def header_of(text: bytes, path: Path, needed: Sequence[str]) -> list[str]:
    """Return the column names, or say which one is missing."""
    first_line = text[: (text + b"\n").index(b"\n")]
    names = [name.strip() for name in first_line.decode("utf-8", "replace").split(",")]
    require(needed, names, path)
    return names


def require(needed: Sequence[str], names: Sequence[str], path: Path) -> None:
    """Say which column is missing, if one is."""
    for name in needed:
        if name not in names:
            words = f"there is no column {name}; take the CSV as Databento ships it"
            raise FileError(path, words, 1, name)


def first_values(text: bytes, names: list[str]) -> dict[str, str]:
    """Return the first row by column; nothing where the file has only a header."""
    lines = text.split(b"\n", 2)
    fields = lines[1].decode("utf-8", "replace").split(",") if len(lines) > 1 else []
    return dict(zip(names, fields, strict=False))


def price_decimals(text: bytes, names: list[str], column: int) -> int:
    """Return 9 where prices are written with a point, 0 where they are raw 1e-9 units."""
    rows = [line.split(b",") for line in text.split(b"\n", _ROWS_LOOKED_AT)[1:_ROWS_LOOKED_AT]]
    prices = [fields[column] for fields in rows if len(fields) == len(names)]
    is_raw = not any(b"." in price for price in prices) and any(
        len(price) >= _RAW_DIGITS for price in prices
    )
    return 0 if is_raw else 9


def is_missing(prices: np.ndarray) -> np.ndarray:
    """Where a price is not given."""
    return (prices == EMPTY) | (prices == _NO_PRICE)
