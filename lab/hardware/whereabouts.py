"""Where a thread really ran: the CPUs it was seen on, and how often the kernel moved it.

A CPU set says where a thread may run. This is the proof: what the kernel shows of it meanwhile.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from threading import get_native_id

from lab.hardware.affinity import allowed_cpus, current_cpu, migrations


@dataclass(frozen=True)
class Whereabouts:
    """Where a thread ran while it was watched.

    Attributes
    ----------
    allowed
        The CPUs that it might have used when the watch ended.
    samples
        How often it was seen on each CPU.
    ended_on
        Where it was last seen; None where the kernel does not tell.
    migrations
        How often it was moved meanwhile: as the kernel counts (``se.nr_migrations``), or, where it
        does not, changes from one sample to the next, of which there may have been more.
    counted
        Whether the kernel counted them.
    """

    allowed: list[int]
    samples: dict[int, int]
    ended_on: int | None
    migrations: int
    counted: bool

    @property
    def stayed(self) -> bool:
        """Whether it was seen on one CPU only and never moved between two looks.

        Where the kernel shows neither, whether it could have been anywhere else.
        """
        if not self.samples:
            return len(self.allowed) == 1
        return len(self.samples) == 1 and not self.migrations

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can carry."""
        return {
            "allowed": self.allowed,
            "samples": {str(cpu): count for cpu, count in sorted(self.samples.items())},
            "ended_on": self.ended_on,
            "migrations": self.migrations,
            "counted": self.counted,
        }


class Watch:
    """Sees where a thread runs: ``look()`` as often as wanted, ``end()`` for what was seen.

    Begin it where the thread already is where it shall stay: the move there counts too.

    Parameters
    ----------
    thread
        Its number; 0 is the calling one.

    Examples
    --------
    >>> from lab.hardware.affinity import pinned
    >>> with pinned(allowed_cpus()[0]):
    ...     watch = Watch()
    ...     where = watch.end()
    >>> where.stayed, where.ended_on == allowed_cpus()[0]
    (True, True)
    """

    def __init__(self, thread: int = 0) -> None:
        self._thread = thread or get_native_id()
        self._moved_before = migrations(self._thread)
        self._seen: list[int] = []
        self.look()

    def look(self) -> None:
        """Take one sample: tens of µs (EPYC under KVM), so outside of what is timed."""
        cpu = current_cpu(self._thread)
        if cpu is not None:
            self._seen.append(cpu)

    def end(self) -> Whereabouts:
        """Take the last sample and return what was seen; ask before the thread ends."""
        self.look()
        moved = migrations(self._thread)
        counted = moved is not None and self._moved_before is not None
        changes = sum(one != next_one for one, next_one in pairwise(self._seen))
        return Whereabouts(
            allowed=allowed_cpus(self._thread),
            samples=dict(Counter(self._seen)),
            ended_on=self._seen[-1] if self._seen else None,
            migrations=moved - self._moved_before if counted else changes,  # type: ignore[operator]
            counted=counted,
        )
