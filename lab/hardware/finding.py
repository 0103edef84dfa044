"""What a check of the doctor looks at, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from lab.hardware.sample import Sample
from lab.hardware.sysfs import Tree
from lab.hardware.topology import Topology

SEVERITIES = ("bad", "warning", "unknown", "fine")
CPU = "/sys/devices/system/cpu"
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    title
        What is meant.
    severity
        "bad": numbers here mislead. "warning": they move. "fine", or "unknown" where it is hidden.
    evidence, remedy
        What was seen, and what to do, "" where there is nothing to do.
    settings
        What the kernel's files would have to say; empty where that alone does not mend it.
    """

    title: str
    severity: str
    evidence: str
    remedy: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON holds it."""
        words = asdict(self)
        del words["settings"]
        return words


class Seen(NamedTuple):
    """What a check gives: a finding that has no title yet."""

    severity: str
    evidence: str
    remedy: str = ""
    settings: Mapping[str, str] = {}


@dataclass(frozen=True)
class Patient:
    """The machine that is examined: its files, how it is built, and what happened on it just now.

    ``sample`` is None for another machine than this one: its files tell of no moment.
    """

    tree: Tree
    topology: Topology
    sample: Sample | None

    def settings(self, value: object, *files: str) -> dict[str, str]:
        """Return those of the files that there are, each with what it should say."""
        return {file: str(value) for file in files if self.tree.text(file) is not None}


def hidden(what: str) -> Seen:
    """Return what is said of something that the kernel or a container does not show."""
    return Seen("unknown", f"{what} is not shown")


def echo(value: object, files: str) -> str:
    """Return the command that writes a value into a file, or into several by a pattern."""
    return f"echo {value} | sudo tee {files}"
