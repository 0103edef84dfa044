"""What ``lab compare`` is to compare: a word is a result's file, a commit or a machine.

Not for the comparison itself: this only finds saved results.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from engines.errors import FileError, InputError
from lab.measure.result import CHECKOUT, Result, load, results
from lab.measure.sweep_folder import SWEEPS
from lab.measure.work import work_key

_HEX = re.compile(r"[0-9a-f]{7,40}")
Kind = Literal["file", "commit", "machine"]


@dataclass(frozen=True)
class Side:
    """What a word may mean: results, of which those that did the same work count as repeats."""

    word: str
    kind: Kind
    candidates: list[Result]
    commit: str = ""

    @property
    def machine(self) -> str:
        """The machine's id where the word is of one, else ""."""
        return str(self.candidates[0].machine.get("id")) if self.kind == "machine" else ""


def all_saved(experiment: str | None = None, folder: str | Path | None = None) -> list[Result]:
    """Return every saved result, the oldest first: runs, points of sweeps, shipped ones.

    Parameters
    ----------
    experiment
        Only those of this experiment.
    folder
        Where to look instead.
    """
    found = results(folder, experiment)
    if folder is None and SWEEPS.is_dir():
        for place in sorted(path for path in SWEEPS.iterdir() if path.is_dir()):
            found += results(place, experiment)
    return sorted(found, key=lambda result: result.created)


def two_sides(
    before: str | Result,
    after: str | Result,
    experiment: str | None = None,
    saved: Sequence[Result] | None = None,
) -> tuple[list[Result], list[Result]]:
    """Return the results that two words mean, the oldest first on each side.

    Of a commit or a machine, the newest result is taken that the other side can be compared with,
    and with it all that repeat it: the same work by the same code on the same machine.

    Parameters
    ----------
    before, after
        A result's file; a commit (seven digits or more, or what git takes for one: ``HEAD~3``, a
        tag); a machine (its id, or a part of its name). A result means itself.
    experiment
        Which, where both sides have results of several.
    saved
        Where to look them up; by default all that is saved.

    Raises
    ------
    InputError
        A word means nothing, or several things, or both mean the same.
    """
    saved = list(all_saved() if saved is None else saved)
    sides = _side(before, saved), _side(after, saved)
    both = f"{sides[0].word} and {sides[1].word}"
    if sides[0].commit and sides[0].commit == sides[1].commit:
        raise InputError(f"{both} are one commit, {sides[0].commit[:7]}; name two")
    if sides[0].machine and sides[0].machine == sides[1].machine:
        raise InputError(f"{both} are one machine, {sides[0].machine}; name two")
    name = experiment or _experiment(*sides)
    old, new = (_bundles(side, name) for side in sides)
    return max(product(old, new), key=lambda pair: _fitness(sides, *pair))


def _side(word: str | Result, saved: Sequence[Result]) -> Side:
    """Return what a word means."""
    if isinstance(word, Result):
        return Side(str(word.path or "the result"), "file", [word])
    path = Path(word)
    if path.is_dir():
        raise FileError(path, "is a folder; name one result of it")
    if path.exists() or path.suffix == ".json":
        return Side(word, "file", [load(path)])
    on_machine = [result for result in saved if result.machine.get("id") == word]
    if on_machine:
        return Side(word, "machine", on_machine)
    commit = _commit(word, saved)
    if commit:
        return Side(word, "commit", _of_commit(word, commit, saved), commit)
    return Side(word, "machine", of_machine(word, saved))


def of_machine(word: str, saved: Sequence[Result]) -> list[Result]:
    """Return the results of the machine whose id is a word, or whose name holds it.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    found = [
        result
        for result in saved
        if word == result.machine.get("id")
        or word.lower() in str(result.machine.get("name", "")).lower()
    ]
    machines = {str(result.machine.get("id")): result.machine.get("name") for result in found}
    if not machines:
        known = {f"{r.machine.get('id')} ({r.machine.get('name')})" for r in saved}
        raise InputError(
            f"{word} is no file, no commit and no machine of a saved result; "
            f"machines: {', '.join(sorted(known)) or 'none'}"
        )
    if len(machines) > 1:
        several = ", ".join(f"{key} ({name})" for key, name in sorted(machines.items()))
        raise InputError(f"{word} may be {len(machines)} machines: {several}; name one by its id")
    return found


def _commit(word: str, saved: Sequence[Result]) -> str:
    """Return the whole commit that a word names, or ""."""
    if _HEX.fullmatch(word):
        known = {c for r in saved if (c := r.code.commit or "").startswith(word)}
        if len(known) > 1:
            raise InputError(f"commit {word} may be {len(known)} commits; write more of its digits")
        if known:
            return known.pop()
    # `^{commit}` makes of a tag the commit that it names.
    words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}"]
    return git(*words) or ""


def git(*words: str) -> str | None:
    """Return what git says about the checkout, or None where it cannot."""
    try:
        found = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(CHECKOUT), *words],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def _of_commit(word: str, commit: str, saved: Sequence[Result]) -> list[Result]:
    """Return a commit's results; those of changed files only where there are no others."""
    found = [result for result in saved if result.code.commit == commit]
    if not found:
        raise InputError(f"commit {word} has no saved result; check it out and run one there")
    return [result for result in found if not result.code.dirty] or found


def _experiment(before: Side, after: Side) -> str:
    """Return the one experiment that both sides have results of."""
    ours, theirs = ({r.experiment for r in side.candidates} for side in (before, after))
    shared = sorted(ours & theirs)
    if not shared:
        if before.kind == after.kind == "file":
            return before.candidates[0].experiment  # the comparison refuses it in its own words
        raise InputError(
            f"no experiment was run on both sides: {before.word} has {', '.join(sorted(ours))}, "
            f"{after.word} has {', '.join(sorted(theirs))}; run one on both"
        )
    if len(shared) > 1:
        raise InputError(
            f"both sides have results of {', '.join(shared)}; choose with --experiment"
        )
    return shared[0]


def _bundles(side: Side, experiment: str) -> list[list[Result]]:
    """Return a side's results of one experiment, those together that repeat each other."""
    if side.kind == "file":
        return [side.candidates]
    found: dict[object, list[Result]] = {}
    for result in side.candidates:
        if result.experiment == experiment:
            found.setdefault(repeat_key(result), []).append(result)
    if not found:
        raise InputError(
            f"{side.kind} {side.word} has no result of {experiment}; run it there: "
            f"lab run {experiment}"
        )
    return [sorted(bundle, key=lambda result: result.created) for bundle in found.values()]


def repeat_key(result: Result) -> object:
    """Return what is equal for runs of the same code and work on the same machine.

    Changed files may have changed again, so their runs repeat nothing.
    """
    if result.code.dirty or not result.code.commit:
        return id(result)
    return work_key(result), result.machine.get("id"), result.code.commit


def _fitness(
    sides: tuple[Side, Side], before: list[Result], after: list[Result]
) -> tuple[bool, bool, str, str]:
    """Return how well two bundles fit: the same work, then all else the same, then the newest."""
    old, new = before[-1], after[-1]
    is_same_work = work_key(old) == work_key(new)
    of_commits = sides[0].kind != "machine" and sides[1].kind != "machine"
    if of_commits:
        is_like = old.machine.get("id") == new.machine.get("id")
    else:
        is_like = old.code.commit == new.code.commit
    return is_same_work, is_like, new.created, old.created
