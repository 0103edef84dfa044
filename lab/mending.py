"""What ``lab probe --fix`` and ``--undo`` do: change what the doctor would have changed, and back.

Only what is asked for by its title, or ``all`` but what every program would feel (``_NAMED``);
each change is said with what was there before.
What is not a setting of the kernel (a boot parameter, a host) is said with its command instead.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from engines.errors import InputError
from lab.hardware import doctor, settings
from lab.hardware.settings import SettingRefused

ALL = "all"

_NAMED = {
    "hardware threads": "half of the CPUs go off for every program",
    "clock": "every program reads the time from it",
}
_BEWARE = {
    "hardware threads": "cpusets of control groups (version 1) and other programs' affinities have "
    "lost the CPUs that went off, and stay narrower until somebody puts them back; --undo wakes "
    "every sibling, also one that was off before",
}


def mend(titles: Sequence[str], root: str = "/") -> dict[str, list[dict[str, str]]]:
    """Change what the doctor warns of.

    Parameters
    ----------
    titles
        Of the doctor's findings, or ``all``.
    root
        The folder that holds ``sys`` and ``proc``.

    Returns
    -------
    dict
        ``changed`` (title, file, before, after), ``refused`` (title, reason), ``nothing`` (title,
        evidence): what needs no change, ``unnamed`` (title, reason): what is changed by its name
        only, and ``beware`` (title, reason): what a change did besides. With ``all``, what cannot
        be changed from here is left out of ``refused``: the doctor's list has it.

    Raises
    ------
    InputError
        A title that there is not.
    """
    for title in titles:
        _check(title)
    kinds = ("changed", "refused", "nothing", "unnamed", "beware")
    outcome: dict[str, list[dict[str, str]]] = {kind: [] for kind in kinds}
    for finding in doctor.examine(root):
        if finding.title not in titles and ALL not in titles:
            continue
        if finding.severity == "fine":
            outcome["nothing"].append({"title": finding.title, "evidence": finding.evidence})
        elif finding.settings and finding.title in _NAMED and finding.title not in titles:
            row = {"title": finding.title, "reason": _NAMED[finding.title]}
            outcome["unnamed"].append(row)
        elif finding.settings:
            _change(finding, root, outcome)
        elif ALL not in titles:
            reason = f"{finding.evidence}; {finding.remedy or 'nothing can be changed from here'}"
            outcome["refused"].append({"title": finding.title, "reason": reason})
    for title in dict.fromkeys(row["title"] for row in outcome["changed"]):
        if title in _BEWARE:
            outcome["beware"].append({"title": title, "reason": _BEWARE[title]})
    return outcome


def _check(title: str) -> None:
    """Refuse a title that there is not, with the nearest that there is."""
    if title == ALL or title in doctor.CHECKS:
        return
    near = get_close_matches(title, doctor.CHECKS, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(doctor.CHECKS)}"
    raise InputError(f"the doctor has nothing named {title}; {remedy}")


def _change(finding: doctor.Finding, root: str, outcome: dict[str, list[dict[str, str]]]) -> None:
    """Change what one finding asks for; all of it or nothing."""
    try:
        changes = settings.keep(finding.settings, root=root)
    except SettingRefused as error:
        outcome["refused"].append({"title": finding.title, "reason": str(error)})
        return
    outcome["changed"] += [
        {
            "title": finding.title,
            "file": change.file,
            "before": change.before,
            "after": change.after or "",
        }
        for change in changes
    ]


def mended_text(outcome: dict[str, list[dict[str, str]]]) -> str:
    """Return what was changed as text."""
    lines = [
        f"changed  {row['title']}: {row['file']} from {row['before']} to {row['after']}"
        for row in outcome["changed"]
    ]
    lines += [f"refused  {row['title']}: {row['reason']}" for row in outcome["refused"]]
    lines += [f"nothing  {row['title']}: {row['evidence']}" for row in outcome["nothing"]]
    lines += [
        f'unnamed  {row["title"]}: not with all, as {row["reason"]}; --fix "{row["title"]}" does it'
        for row in outcome["unnamed"]
    ]
    lines += [f"beware   {row['title']}: {row['reason']}" for row in outcome["beware"]]
    if outcome["changed"]:
        lines.append(f"\nto put it back: {_undoing()}")
    return "\n".join(lines) or "nothing can be changed from here"


def _undoing() -> str:
    """Return the command that gives back what was just changed; the ledger is this user's."""
    is_by_sudo = os.geteuid() == 0 and "SUDO_UID" in os.environ
    return f"{'sudo ' if is_by_sudo else ''}lab probe --undo"


def undo() -> dict[str, list[Any]]:
    """Give back what ``mend`` changed and what a process left that was killed.

    Returns
    -------
    dict
        ``given_back`` (file, value), ``left`` (file, reason): what could not be given back, or was
        changed by somebody else since; ``held``: who still holds something and gives it back when
        it ends.
    """
    outcomes = settings.give_back()
    return {
        "given_back": [
            {"file": outcome.file, "value": outcome.value}
            for outcome in outcomes
            if not outcome.problem
        ],
        "left": [
            {"file": outcome.file, "reason": outcome.problem}
            for outcome in outcomes
            if outcome.problem
        ],
        "held": [ledger.holder() for ledger in settings.holders() if ledger.owner is not None],
    }


def undone_text(outcome: dict[str, list[Any]]) -> str:
    """Return what was given back as text."""
    lines = [
        f"given back  {row['file']} says {row['value']} again" for row in outcome["given_back"]
    ]
    lines += [f"left        {row['reason']}" for row in outcome["left"]]
    lines += [f"held        {holder} gives back when it ends" for holder in outcome["held"]]
    return "\n".join(lines) or f"nothing that this user changed is left{_of_others()}"


def _of_others() -> str:
    """Say where the changes of root are written down, to who is not root."""
    if os.geteuid() == 0:
        return ""
    return "; what sudo lab probe --fix changed, sudo lab probe --undo gives back"
