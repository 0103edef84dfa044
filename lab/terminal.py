"""What a command prints when it is done: a table for a person, one JSON object for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows in columns; the columns whose indices are in ``right`` are flush right.

    >>> print(table(("engine", "rate"), [("heap", "9"), ("ladder", "120")], right=(1,)))
    engine  rate
    heap       9
    ladder   120
    """
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def print_json(content: dict[str, Any]) -> None:
    """Print the one JSON object of a command on standard output."""
    print(json.dumps(content, ensure_ascii=False))
