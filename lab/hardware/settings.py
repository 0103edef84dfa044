"""Changes to the system, each written down before it is made and given back whatever happens.

At the end of the block, after an exception, on Ctrl-C and Cancel this process gives back itself;
after SIGKILL a small process that watches it does (``guard``); where that was killed too, the next
``lab`` command. A value that somebody else has changed meanwhile is left as it is, and said.

Not for what belongs to one process, such as its affinity: the kernel takes that back by itself.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab.hardware.ledger import (
    Change,
    Ledger,
    Owner,
    SettingRefused,
    boot_id,
    check_names,
    ledgers,
    locked,
    new_path,
)
from lab.hardware.sysfs import Tree, parse_list

__all__ = [
    "Change",
    "GivenBack",
    "SettingRefused",
    "changed",
    "give_back",
    "give_back_what_was_left",
    "holders",
    "keep",
]

_CHECKOUT = Path(__file__).resolve().parents[2]
_GUARD_READY_S = 20.0  # a machine under load; usually 0.1 s
# Pages that a process still has when the pool shrinks leave it as that process ends.
_SETTLE_S = 0.5


@dataclass(frozen=True)
class GivenBack:
    """What became of one change: the value that the file says now, and what went wrong or ""."""

    file: str
    value: str
    problem: str = ""


@contextmanager
def changed(
    settings: Mapping[str, object], *, root: str | Path = "/", exact: bool = True
) -> Iterator[tuple[Change, ...]]:
    """Change settings for as long as the block runs.

    Parameters
    ----------
    settings
        What each file shall say. A file is named as the kernel names it.
    root
        The folder that holds ``sys`` and ``proc``; ``/`` is this machine.
    exact
        Whether a file that then says another value is a refusal. Where it is not, look at
        ``after``: of huge pages the kernel gives as many as it has.

    Yields
    ------
    tuple of Change
        In the order of ``settings``.

    Raises
    ------
    SettingRefused
        A file is not there, the kernel refuses, or another lab holds the file at another value.
        What was changed until then has been given back.
    """
    owner, guard, ledger = Owner.this_process(), None, None
    try:
        with locked() as folder:
            ledger = _write_down(folder, settings, root, exact, owner)
            guard = _start_guard(ledger, owner)
            ledger = _make(ledger)
        yield ledger.changes
    finally:
        # A forked child that leaves the block is not the one that holds it.
        if ledger is not None and os.getpid() == owner.pid:
            problems = _close(ledger)
            if guard is not None:
                guard.kill()
                guard.wait()
            if problems and sys.exc_info()[0] is None:
                raise SettingRefused("; ".join(problems))


def keep(settings: Mapping[str, object], *, root: str | Path = "/") -> tuple[Change, ...]:
    """Change settings until ``give_back`` is called, by this process or by a later one.

    Parameters, errors
        As of ``changed``.
    """
    with locked() as folder:
        ledger = _write_down(folder, settings, root, True, None)
        try:
            return _make(ledger).changes
        except BaseException:
            _undo(ledger)
            raise


def give_back(kept: bool = True) -> list[GivenBack]:
    """Undo what no running process holds.

    Parameters
    ----------
    kept
        Also what a person keeps; else only what a process left behind that was killed.
    """
    if not ledgers():
        return []
    with locked() as folder:
        over = [
            ledger
            for ledger in ledgers(folder)
            if ledger.is_over() or (kept and ledger.owner is None)
        ]
        return [outcome for ledger in reversed(over) for outcome in _undo(ledger)]


def give_back_what_was_left() -> list[str]:
    """Undo what a killed process left, whose guard was killed too; return a line for each file.

    What each ``lab`` command asks first: microseconds where nothing was ever changed.
    """
    if not any(ledger.is_over() for ledger in ledgers()):
        return []
    try:
        outcomes = give_back(kept=False)
    except SettingRefused as error:
        return [f"a killed run left settings of the system changed: {error}"]
    return [
        outcome.problem or f"{outcome.file} says {outcome.value} again: a killed run had changed it"
        for outcome in outcomes
    ]


def holders() -> list[Ledger]:
    """Return the ledgers of running processes and of people, the oldest first."""
    return [ledger for ledger in ledgers() if not ledger.is_over()]


def undo_ledger(path: Path) -> list[GivenBack]:
    """Undo one ledger, if it is still there: what a guard does when its process has ended."""
    with locked() as folder:
        return [
            outcome
            for ledger in ledgers(folder)
            if ledger.path == path
            for outcome in _undo(ledger)
        ]


def _write_down(
    folder: Path,
    settings: Mapping[str, object],
    root: str | Path,
    exact: bool,
    owner: Owner | None,
) -> Ledger:
    """Write down what is to be changed and what is there now; the lock is held."""
    check_names(list(settings))
    for ledger in ledgers(folder):
        if ledger.is_over():
            _undo(ledger)
    tree, held = Tree(root), _held(ledgers(folder))
    changes = tuple(_planned(tree, file, str(value), held) for file, value in settings.items())
    path = new_path(folder, owner)
    ledger = Ledger(path, owner, boot_id(), str(Path(root).resolve()), exact, changes)
    try:
        ledger.write()
    except OSError as error:
        raise SettingRefused(
            f"{path} cannot be written ({error.strerror}), so nothing is changed; free some space "
            "or set XDG_STATE_HOME to another folder"
        ) from None
    return ledger


def _held(holding: Sequence[Ledger]) -> dict[Path, tuple[Ledger, Change]]:
    """Return who holds which file; the first, which knows what was there before anybody."""
    held: dict[Path, tuple[Ledger, Change]] = {}
    for ledger in holding:
        for change in ledger.changes:
            held.setdefault(Tree(ledger.root).path(change.file), (ledger, change))
    return held


def _planned(
    tree: Tree, file: str, wanted: str, held: Mapping[Path, tuple[Ledger, Change]]
) -> Change:
    """Return a change that is to be made; of a file that is held, only to the same value."""
    now = value_of(tree, file)
    if now is None:
        raise SettingRefused(
            f"{file} is not there or cannot be read, so it cannot be set to {wanted}; this kernel "
            "or container does not have it"
        )
    holder = held.get(tree.path(file))
    if holder is None:
        return Change(file, now, wanted)
    ledger, change = holder
    if not is_same(file, change.wanted, wanted):
        raise SettingRefused(
            f"{file} cannot be set to {wanted}: it was set to {change.wanted} by "
            f"{ledger.holder()}; wait for it or end it"
        )
    return Change(file, change.before, wanted)


def _make(ledger: Ledger) -> Ledger:
    """Make the changes, read them back, and write down what the kernel made of them."""
    tree, changes = Tree(ledger.root), []
    for change in ledger.changes:
        now = value_of(tree, change.file)
        if now is not None and not is_same(change.file, now, change.wanted):
            _write(tree, change.file, change.wanted, now)
            now = value_of(tree, change.file)
        if ledger.exact and (now is None or not is_same(change.file, now, change.wanted)):
            raise SettingRefused(
                f"{change.file} took {change.wanted} and says {now}: the kernel did not do it; "
                "choose a value that it can do"
            )
        changes.append(replace(change, after=now))
    made = replace(ledger, changes=tuple(changes))
    made.write()
    return made


def _write(tree: Tree, file: str, value: str, now: str) -> None:
    """Write one value, or say what the kernel refuses and the command that would do it."""
    try:
        with open(tree.path(file), "w", encoding="utf-8") as setting:
            setting.write(value)
    except OSError as error:
        who = "" if os.geteuid() == 0 else "; as root: " + command(file, value)
        remedy = who or "; this kernel, container or virtual machine does not let root change it"
        raise SettingRefused(
            f"{file} cannot be set to {value}, it stays {now} ({error.strerror or error}){remedy}"
        ) from None


def _start_guard(ledger: Ledger, owner: Owner) -> subprocess.Popen[bytes]:
    """Start the process that gives back when this one is killed; return when it watches."""
    environment = os.environ | {"PYTHONPATH": str(_CHECKOUT)}
    words = [str(ledger.path), str(owner.pid), str(owner.started)]
    guard = subprocess.Popen(
        [sys.executable, "-P", "-m", "lab.hardware.guard", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,  # Ctrl-C and a closed terminal end a whole group
    )
    assert guard.stdout is not None
    with guard.stdout as answer:
        is_told, _, _ = select.select([answer], [], [], _GUARD_READY_S)
        if not is_told or answer.readline() != b"watching\n":
            guard.kill()
            guard.wait()
            ledger.remove()
            raise SettingRefused(
                "the process that would give settings back after a kill did not start, so nothing "
                "is changed; see whether this machine has memory and processes left"
            )
    return guard


def _close(ledger: Ledger) -> list[str]:
    """Undo this process's own ledger; return what went wrong."""
    with locked():
        if not ledger.path.exists():
            return []
        return [outcome.problem for outcome in _undo(ledger) if outcome.problem]


def _undo(ledger: Ledger) -> list[GivenBack]:
    """Give back one ledger's changes, the last first, and forget it unless a write failed.

    A file that somebody else still holds stays: the last who holds it gives it back. Where the
    kernel did a part of what was asked for, and so it was never confirmed, the file says again
    what that one left.
    """
    others = [other for other in ledgers(ledger.path.parent) if other.path != ledger.path]
    held = _held([other for other in others if not other.is_over()])
    tree, outcomes, is_done = Tree(ledger.root), [], True
    for change in reversed(ledger.changes):
        _, holding = held.get(tree.path(change.file), (None, None))
        left = holding.after if holding and change.after is None else None
        if holding and left is None:
            outcomes.append(GivenBack(change.file, value_of(tree, change.file) or ""))
            continue
        outcome, is_written = _restore(tree, replace(change, before=left or change.before))
        is_done = is_done and is_written
        outcomes.append(outcome)
    if is_done:
        ledger.remove()
    return outcomes


def _restore(tree: Tree, change: Change) -> tuple[GivenBack, bool]:
    """Give back one file; return what became of it and whether there is nothing left to do.

    Where it says another value than it was left with here, somebody else has changed it since. A
    change that was never confirmed was interrupted, or refused half way: it is given back.
    """
    file, now = change.file, value_of(tree, change.file)
    if now is None:
        return GivenBack(file, "", f"{file} is gone; it said {change.before} before"), True
    if is_same(file, now, change.before):
        return GivenBack(file, now), True
    if change.after is not None and not is_same(file, now, change.after):
        return GivenBack(
            file,
            now,
            f"{file} says {now}, not {change.after} as it was set here: somebody else changed it, "
            f"so it is left; before, it said {change.before}: {command(file, change.before)}",
        ), True
    try:
        _write(tree, file, change.before, now)
    except SettingRefused as error:
        return GivenBack(file, now, str(error)), False
    now = _settled(tree, file, change.before)
    is_back = is_same(file, now, change.before)
    problem = "" if is_back else f"{file} took {change.before} and says {now}; look at it again"
    return GivenBack(file, now, problem), True


def _settled(tree: Tree, file: str, wanted: str) -> str:
    """Return what a file says, once it says what is wanted or does not come to it."""
    end = time.monotonic() + _SETTLE_S
    while True:
        now = value_of(tree, file) or ""
        if is_same(file, now, wanted) or time.monotonic() > end:
            return now
        time.sleep(0.01)


def value_of(tree: Tree, file: str) -> str | None:
    """Return what a setting is; of ``always [madvise] never`` the chosen word."""
    text = tree.text(file)
    if text is not None and "[" in text and "]" in text:
        return text.split("[", 1)[1].split("]", 1)[0]
    return text


def is_same(file: str, one: str, other: str) -> bool:
    """Return whether two texts mean the same to the kernel: 0-1 and 0,1, or 1 and 01.

    >>> is_same("/proc/irq/4/smp_affinity_list", "0-1", "0,1")
    True
    """
    if one.split() == other.split():
        return True
    if file.endswith("_list"):
        return parse_list(one) == parse_list(other)
    if file.endswith("smp_affinity"):
        return one.replace(",", "").lstrip("0") == other.replace(",", "").lstrip("0")
    return one.isdigit() and other.isdigit() and int(one) == int(other)


def command(file: str, value: str) -> str:
    """Return the command with which a person makes a change."""
    return f"echo {value} | sudo tee {file}"
