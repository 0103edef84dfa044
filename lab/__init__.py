"""Exchange Lab: a performance lab for the core of an exchange.

The door for notebooks::

    import lab

    lab.panel("matching_latency")                 # controls, figure, verdict
    result = lab.run("matching_latency", flow="balanced")
    result.rows()                                 # the measurements as a list of dicts
    lab.results("matching_latency")               # what was run before, the newest first
    lab.compare(before, after)                    # what changed, beside what differed
    lab.sweep("matching_latency", live_orders=[1_000, 10_000])   # every point of a grid
    lab.history("matching_throughput")            # one experiment over time and commits
    lab.browse()                                  # every saved result: filter, overlay, compare
    lab.report(result)                            # one page that someone else can repeat
    lab.book("balanced")                          # an order book, step by step, forward and back

Measured code never runs in the caller's process. ``import lab`` loads neither Numba nor
matplotlib; each function loads what it needs when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import Widget

    from lab.measure.comparison import SideBySide
    from lab.measure.history import History
    from lab.measure.result import Result
    from lab.measure.sweep import Sweep

__all__ = ["book", "browse", "compare", "history", "panel", "report", "results", "run", "sweep"]


def panel(name: str, **settings: Any) -> Widget:
    """Return an experiment's panel: controls, figure, table and verdict.

    Parameters
    ----------
    name
        An experiment, as ``lab list`` shows them.
    **settings
        Where controls start that do not start at their defaults, such as ``rounds=1``.

    Raises
    ------
    engines.errors.InputError
        There is no such experiment, or it cannot be run with these settings.
    """
    from lab.panels import panel

    return panel(name, **settings)


def book(source: Any = "balanced", *, engine: str = "price_ladder", symbol: int = 0) -> Widget:
    """Return a view of an order book that goes through commands, forward and back.

    Parameters
    ----------
    source
        A recorded day's LOBSTER file · a flow of ``lab.workloads.order_flow``, or the name of one ·
        a worked example of ``lab.books`` · commands as ``lab.books.lines`` has them, such as
        ``"sell 30 at 101, buy 20 at 101"``.
    engine
        Who carries the commands out: a name in the registry of matching engines.
    symbol
        Whose book is shown first.

    Raises
    ------
    engines.errors.InputError
        The source cannot be gone through, or there is no such engine.
    """
    from lab.books.source import course_of
    from lab.books.steps import Steps
    from lab.panels.book import BookView

    return BookView(Steps(course_of(source), engine), symbol)


def run(name: str, *, size: str | None = None, **parameters: Any) -> Result:
    """Run an experiment in fresh processes, wait for it and return its result.

    One line shows how far it is. Interrupting the wait (the stop button, Ctrl-C) stops the measured
    processes.

    Parameters
    ----------
    name
        An experiment, as ``lab list`` shows them.
    size
        ``"smoke"`` for seconds, ``"full"`` for minutes; None for the defaults.
    **parameters
        The experiment's own parameters, checked before anything starts.

    Returns
    -------
    Result
        It is saved in ``data/results/runs`` as well.

    Raises
    ------
    engines.errors.InputError
        The experiment is unknown or a parameter is wrong.
    engines.errors.MeasurementError
        The measured process failed.
    """
    from lab.experiments import experiment_named
    from lab.measure.job import Job
    from lab.waiting import finished

    experiment_named(name).parameters(parameters, size)
    job = Job(name, parameters, size=size)
    job.start()
    return finished(job, name)


def results(
    experiment: str | None = None, folder: str | PathLike[str] | None = None
) -> list[Result]:
    """Return saved results, the newest first.

    Parameters
    ----------
    experiment
        Only those of this experiment.
    folder
        Where to look; by default the runs and the shipped results of the checkout.
    """
    from lab.measure.result import results

    return results(folder, experiment)


def browse(
    experiment: str = "",
    *,
    machine: str = "",
    since: str = "",
    until: str = "",
    verdict: str = "",
    text: str = "",
    folder: str | PathLike[str] | None = None,
) -> Widget:
    """Return a browser of saved results: filter, tick, overlay, compare, export, delete.

    Parameters
    ----------
    experiment
        Only results of this one at first, as all the filters are where they start.
    machine
        Its id, or a part of its name.
    since, until
        The first and the last day, such as ``"2026-11-23"`` (UTC).
    verdict
        ``"stable"``, ``"not stable"``, ``"failed"`` or ``"unreadable"``.
    text
        Words that all stand in what is told of a result: finding, settings, commit, file.
    folder
        Where to look; by default the runs, the sweeps and the shipped results of the checkout.

    Raises
    ------
    engines.errors.InputError
        A filter names nothing that there is.
    """
    from lab.measure.index import Wanted
    from lab.panels.browser import browse

    wanted = Wanted(experiment, machine, since, until, verdict, text)
    return browse(wanted, Path(folder) if folder is not None else None)


def compare(
    before: Result | str | PathLike[str] | Iterable[Result],
    after: Result | str | PathLike[str] | Iterable[Result],
    *,
    across: str | Iterable[str] = (),
    experiment: str | None = None,
) -> SideBySide:
    """Compare two results of one experiment, or two commits, or two machines.

    Parameters
    ----------
    before, after
        Results (several that repeat each other make one side), their files, commits (``"HEAD~3"``,
        seven digits or more) or machines (an id, or a part of a name). Ratios say how many times
        faster ``after`` is.
    across
        Parameters that are to differ though they decide the work: ``across="live_orders"`` asks
        what the size of the book does.
    experiment
        Which, where two commits or machines have results of several.

    Returns
    -------
    SideBySide
        What differed and what changed; it shows itself in a notebook.

    Raises
    ------
    engines.errors.InputError
        They cannot be compared, or a file is damaged.
    """
    from lab.measure.comparison import compare
    from lab.measure.result import Result
    from lab.measure.sides import all_saved, two_sides

    names = [across] if isinstance(across, str) else list(across)
    saved = all_saved(experiment)
    words = [
        side if isinstance(side, Result) else str(side)
        for side in (before, after)
        if isinstance(side, Result | str | PathLike)
    ]
    if len(words) == 2:
        return compare(*two_sides(words[0], words[1], experiment, saved), names, saved)
    sides = [_several(side) for side in (before, after)]
    return compare(sides[0], sides[1], names, saved)


def sweep(
    name: str,
    *,
    size: str | None = None,
    folder: str | PathLike[str] | None = None,
    anew: bool = False,
    **parameters: Any,
) -> Sweep:
    """Run an experiment at every point of a grid, one run at a time.

    Interrupted, the same call goes on where it stopped; a point that fails does not end the rest.

    Parameters
    ----------
    name
        An experiment, as ``lab list`` shows them.
    size
        ``"smoke"``, ``"full"``, or None for the defaults.
    folder
        Where plan and results lie; by default below ``data/results/sweeps``.
    anew
        Whether what the folder holds is removed and all is measured again.
    **parameters
        The experiment's own parameters: a value, a list of values, or a text as ``lab sweep``
        takes it (``"1000..1000000*10"``). A parameter that is itself a list takes a list of lists.

    Returns
    -------
    Sweep
        It shows itself; ``rows()``, ``results``, ``found()``.

    Raises
    ------
    engines.errors.InputError
        A value is wrong at any point, or the folder holds another sweep; nothing was started.
    """
    from lab.measure.sweep_door import swept

    return swept(name, parameters, size, folder, anew)


def history(
    experiment: str,
    *,
    machine: str | None = None,
    rival: str | Iterable[str] = (),
    case: str | Iterable[str] = (),
    metric: str | Iterable[str] = (),
) -> History:
    """Return an experiment's results over time and commits on one machine.

    Parameters
    ----------
    experiment
        An experiment, as ``lab list`` shows them.
    machine
        Its id, or a part of its name; this one by default.
    rival, case, metric
        Only these.

    Returns
    -------
    History
        It shows itself as a table and a figure; ``rows()`` hands out every point.

    Raises
    ------
    engines.errors.InputError
        There is no such result.
    """
    from lab.measure.history import history

    chosen = [[one] if isinstance(one, str) else list(one) for one in (rival, case, metric)]
    return history(experiment, machine=machine, rival=chosen[0], case=chosen[1], metric=chosen[2])


def report(
    results: Result | str | PathLike[str] | Iterable[Result | str | PathLike[str]],
    path: str | PathLike[str] = "report.html",
    title: str | None = None,
    notes: str = "",
) -> Path:
    """Write results as a report in the format that the file's ending names.

    Parameters
    ----------
    results
        One result or several, or their files.
    path
        ``.html``, ``.pdf`` or ``.md``, with all data beside it as JSON; ``.json`` or ``.csv``;
        ``.svg`` or ``.png`` for one figure. It is written whole or not at all.
    title, notes
        Texts for its top and its end; markup in them is shown, not obeyed.

    Returns
    -------
    Path
        The file, which a notebook shows as a link.

    Raises
    ------
    engines.errors.ExchangeLabError
        There is no result, or the file cannot be written.
    """
    from lab.measure.result import Result
    from lab.report import write

    chosen = [results] if isinstance(results, Result | str | PathLike) else list(results)
    return write([_loaded(item) for item in chosen], path, title=title, notes=notes)


def _loaded(result: Result | str | PathLike[str]) -> Result:
    """Return a result, read from its file where a file is named."""
    from lab.measure.result import Result, load

    return result if isinstance(result, Result) else load(result)


def _several(side: Result | str | PathLike[str] | Iterable[Result]) -> list[Result]:
    """Return one side of a comparison as results."""
    from lab.measure.result import Result

    if isinstance(side, Result | str | PathLike):
        return [_loaded(side)]
    return list(side)


class _Door(ModuleType):
    """Keeps ``lab.report`` the function.

    Importing the module ``lab.report`` binds it to that name of its package, over the function.
    ``from lab.report import …`` finds the module all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
