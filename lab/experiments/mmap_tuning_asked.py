"""What ``mmap_tuning`` asks of its processes, and what it says of what they found.

Each kind of memory is tried before anything is measured. One that this machine does not give as it
was asked for is left out and named with the reason: a number under another memory's name is none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS
from engines.matching.ladder_layout import PAGES_MAX, bytes_needed
from lab.experiments.matching_flow import prepare
from lab.experiments.mmap_tuning import MEMORIES, SYNCED
from lab.experiments.mmap_tuning_task import AT_SIZE, FILLING
from lab.hardware.affinity import allowed_cpus
from lab.hardware.clock import calibrate
from lab.hardware.memory import Wanted, allocate, left_bytes
from lab.hardware.mounts import mount_of
from lab.hardware.placement import usable_nodes
from lab.hardware.sysfs import Tree
from lab.measure.bench import Bench
from lab.measure.histogram import Histogram
from lab.measure.process import Task
from lab.units import duration

_OWNERS = 1024  # what an engine has room for by default
_TAIL = 99.9
_HUGE_PAGE = 2 << 20  # a buffer is whole ones, so that all of it can be in such
_TRIED_BYTES = 2 * _HUGE_PAGE
_IN_MEMORY = ("tmpfs", "ramfs")


class Asked:
    """One run: what is asked of the measured processes, and what is said in the end.

    Parameters
    ----------
    bench
        Measures.
    engine
        Who lives in the memory.
    names
        The kinds of memory.
    folder
        Where files go; "" for where temporary files do.
    sync_ms
        How long after one bringing to the disk the next begins.

    Raises
    ------
    InputError
        The engine cannot be made here, the folder cannot be written, or none of the kinds of
        memory can be had.
    """

    main_case = FILLING

    def __init__(
        self, bench: Bench, engine: str, names: Iterable[str], folder: str, sync_ms: float
    ) -> None:
        if missing := IMPLEMENTATIONS[engine].missing:
            raise InputError(missing)
        self._bench, self._engine, self._sync_ms = bench, engine, sync_ms
        self._folder = folder or tempfile.gettempdir()
        self._file_system = file_system(Path(self._folder))
        self._names = self._to_be_had([name for name in MEMORIES if name in set(names)])
        self.baseline = self._names[0]

    def task(self, messages: int, live_orders: int, seed: int, seconds: float) -> Task:
        """Return the task: the same for every process, as each measures all kinds of memory."""
        prepared = prepare(self._bench, "balanced", messages, live_orders, seed, symbols=1)
        clock, orders = calibrate(), prepared.flow.orders_max
        needed = bytes_needed(orders, 1, min(orders + 1, PAGES_MAX), _OWNERS)
        nbytes = -(-needed // _HUGE_PAGE) * _HUGE_PAGE
        self._require_room(nbytes)
        self._say_what_is_timed(len(prepared.flow.preload), messages, nbytes, clock.floor_ns)
        arguments = {
            "room": prepared.room,
            "events": prepared.events,
            "engine": self._engine,
            "memories": {name: self._words(name, nbytes) for name in self._names},
            "synced": [SYNCED],
            "sync_s": 1e-3 * self._sync_ms,
            "sync_cpus": allowed_cpus(),
            "seconds": seconds,
            "seed": seed,
            "ns_per_tick": clock.ns_per_tick,
            "cycles_trusted": clock.trusted,
        }
        return Task("lab.experiments.mmap_tuning_task:live", arguments, prepared.shared)

    # -- before ------------------------------------------------------------------------------------

    def _words(self, name: str, nbytes: int) -> dict[str, Any]:
        """Return the words of ``Wanted`` for a kind of memory."""
        words: dict[str, Any] = {"nbytes": nbytes, **MEMORIES[name]}
        if words.get("backing") == "file":
            words["folder"] = self._folder
        if words.get("placement") == "interleave":
            words["nodes"] = list(usable_nodes())
        return words

    def _to_be_had(self, names: list[str]) -> list[str]:
        """Return those kinds that this machine gives as asked; note the others with the reason."""
        reasons = {name: self._why_not(name) for name in names}
        had = [name for name in names if not reasons[name]]
        for name, reason in reasons.items():
            if reason:
                self._bench.note(f"{name} is left out: {reason}.")
        if not had:
            said = "; ".join(reasons.values()) or "none was chosen"
            raise InputError(f"none of the memories can be had here: {said}; choose others")
        return had

    def _why_not(self, name: str) -> str:
        """Try a kind of memory; return why it is not to be had, or nothing."""
        words = self._words(name, _TRIED_BYTES)
        if words.get("backing") == "file" and self._file_system in _IN_MEMORY:
            return f"{self._folder} lies in memory ({self._file_system}); choose a place on a disk"
        if "nodes" in words and len(words["nodes"]) < 2:
            return "this machine has one memory node"
        try:
            with allocate(Wanted(**words)) as buffer:
                buffer.array[:: 1 << 12] = 1
                return "; ".join([*buffer.notes, *buffer.differences()])
        except InputError as error:
            return str(error)

    def _require_room(self, nbytes: int) -> None:
        """Refuse a book that this machine has no room for, before it is made."""
        left = left_bytes(Tree())
        if left is not None and 2 * nbytes > left:
            raise InputError(
                f"a book of that size takes {nbytes >> 20} MiB and {left >> 20} MiB are left here; "
                "choose fewer live orders"
            )

    def _say_what_is_timed(self, orders: int, messages: int, nbytes: int, floor_ns: float) -> None:
        self._bench.note(
            f"In every pass and for each kind of memory: a new buffer of {nbytes >> 20} MiB, a new "
            f"book in it, {orders:,} orders that fill it, then {messages:,} commands that keep it "
            f"at its size, each timed inside {self._engine}; all kinds take turns in one process, "
            "in random order. What comes out is held against the "
            f"reference. The clock's own floor ({floor_ns:g} ns) is in every number."
        )

    # -- after -------------------------------------------------------------------------------------

    def say_what_was_found(self) -> None:
        """Note what became of each memory, and put the finding into a sentence."""
        for name in self._names:
            self._say_what_became_of(name)
        if any(MEMORIES[name].get("backing") == "file" for name in self._names):
            self._bench.note(
                f"The files lay in {self._folder} ({self._file_system}), without names: nothing is "
                "left of them, however a run ends. The kernel also writes back when it likes."
            )
        self._bench.facts["file_system"] = self._file_system
        self._bench.finding = self._finding()

    def _say_what_became_of(self, name: str) -> None:
        lived = [run.outcome["lived"][name] for run in self._bench.runs if run.rival == name]
        differences = sorted({line for one in lived for line in one["differences"]})
        if differences:
            self._bench.failures.append(
                f"{name} was not what it is called: {'; '.join(differences)}"
            )
        faults = {
            case: 1_000 * _middle(self._values(name, case, "page_faults"))
            for case in (FILLING, AT_SIZE)
        }
        set_up_ns = _middle(self._values(name, FILLING, "set_up"))
        sentence = (
            f"{name}: {duration(set_up_ns)} to have it, then {faults[FILLING]:.3g} page faults in "
            f"1,000 orders while it filled and {faults[AT_SIZE]:.3g} at size; in the end "
            f"{lived[0]['pages']}."
        )
        if name == SYNCED:
            turns = sum(one["turns"] for one in lived)
            syncs = sum(one["syncs"] for one in lived)
            sentence += f" It was brought to the disk {syncs / turns:.3g} times in a pass"
            has_another = len(allowed_cpus()) > 1
            sentence += "." if has_another else ", by the one CPU that the engine has too."
        self._bench.note(sentence)

    def _values(self, name: str, case: str, metric: str) -> list[float]:
        return [
            reading["value"]
            for run in self._bench.runs
            if run.rival == name
            for reading in run.outcome["readings"]
            if (reading["case"], reading["metric"]) == (case, metric)
        ]

    def _tail_ns(self, name: str, case: str) -> float:
        """Return the tail of a kind of memory, over all of its processes."""
        times = Histogram()
        for run in self._bench.runs:
            if run.rival == name:
                for reading in run.outcome["readings"]:
                    if (reading["case"], reading["metric"]) == (case, "service_time"):
                        times.merge(Histogram.from_hdr(reading["histogram"]))
        return float(times.quantile(_TAIL))

    def _finding(self) -> str:
        """Say the best and the worst tail of both cases."""
        parts = []
        for case in (FILLING, AT_SIZE):
            tails = {name: self._tail_ns(name, case) for name in self._names}
            best, worst = min(tails, key=tails.__getitem__), max(tails, key=tails.__getitem__)
            if best == worst:
                parts.append(f"{duration(tails[best])} in {best}")
            else:
                parts.append(
                    f"{duration(tails[best])} in {best} and {duration(tails[worst])} in {worst}"
                )
        return f"A filling book: {_TAIL:g} % of orders within {parts[0]}; a full one: {parts[1]}"


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def file_system(folder: Path) -> str:
    """Return what kind of file system a folder lies in.

    Raises
    ------
    InputError
        There is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name one on a disk")
    return mount_of(folder.resolve())[0]
