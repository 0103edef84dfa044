"""What can be gone through step by step: a recorded day, a flow, written lines."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import InputError
from engines.messages import CommandKind
from lab.books.lines import commands_of
from lab.books.steps import Course

FLOW_MESSAGES, FLOW_LIVE_ORDERS, FLOW_SEED = 5_000, 300, 1
_ORDERS_LEAST = 64
_SUFFIXES = (".zip", ".csv", ".itch", ".gz", ".dbn", ".zst")


def course_of(source: Any, form: str = "lobster") -> Course:
    """Return the commands that a source stands for.

    Parameters
    ----------
    source
        A recorded day's file · a flow of ``lab.workloads.order_flow`` or the name of one · written
        commands, one string or a list of them, as ``lab.books.lines`` has them · a ``Course``, or
        anything whose ``course`` is one.
    form
        The format of a file.

    Raises
    ------
    InputError
        It is nothing of these, or cannot be read.
    """
    from lab.workloads.order_flow import Flow

    known = getattr(source, "course", source)
    if isinstance(known, Course):
        return known
    if isinstance(source, Flow):
        return _of_flow(source)
    if isinstance(source, PathLike) or (isinstance(source, str) and _names_a_file(source)):
        return _of_file(Path(source), form)
    if isinstance(source, str) and len(source.split()) == 1:
        return _of_flow(_flow_named(source))
    if isinstance(source, str | list | tuple):
        return course_of_commands("written commands", commands_of(source))
    raise InputError(
        f"{source!r:.60} cannot be gone through; give a recorded day's file, "
        "a flow, or commands as lab.books.lines has them"
    )


def course_of_commands(title: str, commands: np.ndarray) -> Course:
    """Return commands as a course, with room for all that they name."""
    symbols = commands["symbol"][commands["kind"] == CommandKind.NEW]
    orders = max(_ORDERS_LEAST, len(commands))
    return Course(title, commands, orders, int(symbols.max(initial=0)) + 1)


def _names_a_file(text: str) -> bool:
    return "\n" not in text and Path(text).suffix.lower() in _SUFFIXES


def _of_file(path: Path, form: str) -> Course:
    from lab.experiments.replay_check import script_of

    script = script_of(path, form, None, False, lambda *_: None)
    title = f"{path.name}, {script.messages:,} messages"
    return Course(title, script.commands, script.orders_max, script.symbols)


def _flow_named(name: str) -> Any:
    from lab.workloads.order_flow import generate

    return generate(name, FLOW_MESSAGES, FLOW_LIVE_ORDERS, FLOW_SEED)


def _of_flow(flow: Any) -> Course:
    live = len(flow.preload)
    title = f"{flow.name}, {len(flow.commands):,} commands on {live:,} live orders"
    return Course(title, flow.commands, flow.orders_max, flow.symbols, flow.preload)
