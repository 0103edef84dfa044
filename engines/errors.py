"""Every exception that Exchange Lab raises on purpose.

::

    ExchangeLabError
    ├── CapacityError      a size that a structure cannot have (also a ValueError)
    ├── LayoutError        a buffer or a snapshot that holds something else (also a ValueError)
    ├── InputError         a file or a value from outside that is wrong (also a ValueError)
    │   └── FileError      … in a file, at a row and a field
    │       └── DamagedDay … of market data; holds what was read before (lab.workloads.day)
    ├── MissingEngine      an engine that was not built here (also an ImportError)
    ├── MeasurementError   a measured process failed or gave no result (also a RuntimeError)
    └── BrokenInvariant    check() found a structure damaged: our own bug (also an AssertionError)

Nothing is raised on the hot path: what happens to an order is an event with a reason code.
"""

from __future__ import annotations

from os import PathLike


class ExchangeLabError(Exception):
    """The root of the tree."""


class CapacityError(ExchangeLabError, ValueError):
    """A structure was asked for with a size that it cannot have."""


class LayoutError(ExchangeLabError, ValueError):
    """A buffer, an array or a snapshot does not have the layout that is needed."""


class InputError(ExchangeLabError, ValueError):
    """What came from outside is wrong; the message says what, where and what to do."""


class FileError(InputError):
    """A file is damaged, cut short or not of the format it was taken for.

    Parameters
    ----------
    path
        The file.
    problem
        A lower-case fact with the value, then the remedy.
    row
        The row, counted from 1 as an editor counts, or None where the whole file is meant.
    field
        The name of the column, or None where the whole row is meant.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        problem: str,
        row: int | None = None,
        field: str | None = None,
    ) -> None:
        self.path, self.problem, self.row, self.field = path, problem, row, field
        place = f"{path}"
        if row is not None:
            place += f", row {row}"
        if field is not None:
            place += f", {field}"
        super().__init__(f"{place}: {problem}")


class MissingEngine(ExchangeLabError, ImportError):
    """An engine was not built when the project was installed; the message says what to install."""


class MeasurementError(ExchangeLabError, RuntimeError):
    """A measured process failed, was killed, or gave no result."""


class BrokenInvariant(ExchangeLabError, AssertionError):
    """A structure's check() found that one of its invariants does not hold."""
