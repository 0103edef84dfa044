"""What was changed on this system, written down before it was changed, so that it can be undone.

One file for each holder: a process that wants some settings for a while, or a person who keeps them
until ``lab probe --undo``. It is written whole and forced to the disk before the first change. What
stands in it is written to files of the kernel by whoever undoes it, so nobody else may be able to
write it, and only the kernel's own settings may stand in it. Not for remembering anything else.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VERSION = 1
_PLACES = re.compile(r"/(sys|proc/sys|proc/irq)/[^\0]+")
_PREFIX = "changed-"


class SettingRefused(OSError):
    """A setting cannot be changed, or not given back; the message is a fact with its remedy."""


@dataclass(frozen=True)
class Change:
    """One file of the kernel.

    Attributes
    ----------
    file
        As the kernel names it, such as ``/proc/sys/vm/nr_hugepages``.
    before, wanted, after
        What it said, what was asked for, and what it said then; None before it was changed.
    """

    file: str
    before: str
    wanted: str
    after: str | None = None


@dataclass(frozen=True)
class Owner:
    """Who wanted a change: a process, by number and by when it started; numbers are used again."""

    pid: int
    started: int | None
    command: str

    @classmethod
    def this_process(cls) -> Owner:
        """Return the process that runs."""
        return cls(os.getpid(), started_at(os.getpid()), command_of(os.getpid()))

    def is_alive(self) -> bool:
        """Return whether that very process still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.started is None or started_at(self.pid) == self.started


@dataclass(frozen=True)
class Ledger:
    """One holder's changes.

    Attributes
    ----------
    owner
        The process that holds them, or None where a person keeps them.
    boot
        Which start of the kernel it was: a setting does not outlive the kernel that has it.
    root
        The folder that holds ``sys`` and ``proc``.
    exact
        Whether only the wanted value would do; where it is not, the kernel may give less.
    """

    path: Path
    owner: Owner | None
    boot: str
    root: str
    exact: bool
    changes: tuple[Change, ...]

    def is_over(self) -> bool:
        """Return whether its process is gone, so that somebody has to give back what it took."""
        return self.owner is not None and not self.owner.is_alive()

    def holder(self) -> str:
        """Return who holds it, for people."""
        if self.owner is None:
            return "a person, with lab probe --fix; lab probe --undo gives it back"
        return f"process {self.owner.pid} ({self.owner.command})"

    def write(self) -> None:
        """Write it whole, and return when it is on the disk."""
        content = asdict(self) | {"version": VERSION}
        del content["path"]
        draft = self.path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        _sync_folder(self.path.parent)

    def remove(self) -> None:
        """Forget it: all was given back."""
        self.path.unlink(missing_ok=True)
        _sync_folder(self.path.parent)


def state_folder() -> Path:
    """Return where ledgers lie: below the user's state folder."""
    chosen = os.environ.get("XDG_STATE_HOME", "")
    home = Path(chosen) if chosen.startswith("/") else Path.home() / ".local" / "state"
    return home / "exchange-lab"


def ledgers(folder: Path | None = None) -> list[Ledger]:
    """Return every ledger of this start of the kernel, the oldest first.

    Those of an earlier start are removed: the kernel has forgotten what they speak of. A file that
    another user could have written, or that holds anything but changes of settings, is left alone.
    """
    folder = folder or state_folder()
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []
    found = []
    for name in names:
        ledger = _read(folder / name) if name.startswith(_PREFIX) else None
        if ledger is None:
            continue
        if ledger.boot == boot_id() or not ledger.boot:
            found.append(ledger)
        else:
            (folder / name).unlink(missing_ok=True)
    return found


def new_path(folder: Path, owner: Owner | None) -> Path:
    """Return a name that no ledger has; in order of time."""
    numbers = [int(match.group(1)) for match in map(_number, os.listdir(folder)) if match]
    who = owner.pid if owner else "kept"
    return folder / f"{_PREFIX}{max(numbers, default=0) + 1:06}-{who}.json"


def _number(name: str) -> re.Match[str] | None:
    return re.match(rf"{_PREFIX}(\d+)-", name)


@contextmanager
def locked() -> Iterator[Path]:
    """Make the folder if need be, and hold it against every other lab of this user.

    Raises
    ------
    SettingRefused
        There is no place where a ledger would be safe.
    """
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_safe(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except SettingRefused:
        raise
    except OSError as error:
        raise SettingRefused(
            f"nothing can be written down in {folder} ({error.strerror}), so nothing is changed; "
            "set XDG_STATE_HOME to a folder of your own"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(descriptor)


def _check_safe(folder: Path) -> None:
    """Refuse a folder that somebody else can write to: root would do what they write."""
    seen = folder.stat()
    if seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise SettingRefused(
            f"{folder} can be written by others (owner {seen.st_uid}, mode "
            f"{seen.st_mode & 0o777:03o}), so nothing is changed; set XDG_STATE_HOME to a folder "
            "of your own"
        )


def _read(path: Path) -> Ledger | None:
    """Return a ledger, or None where the file is not one that may be believed."""
    try:
        _check_safe(path.parent)
        _check_safe(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        return _ledger(path, content) if content["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ledger(path: Path, content: dict[str, Any]) -> Ledger:
    """Return what a file says."""
    owner = content["owner"]
    changes = tuple(Change(**change) for change in content["changes"])
    check_names([change.file for change in changes])
    return Ledger(
        path=path,
        owner=Owner(**owner) if owner else None,
        boot=content["boot"],
        root=content["root"],
        exact=content["exact"],
        changes=changes,
    )


def check_names(files: Sequence[str]) -> None:
    """Let nothing be written but settings of the kernel.

    Raises
    ------
    ValueError
        A name lies elsewhere.
    """
    for file in files:
        if not _PLACES.fullmatch(file) or ".." in file.split("/"):
            raise ValueError(
                f"{file} is no setting of the kernel; name a file below /sys, /proc/sys or "
                "/proc/irq"
            )


def boot_id() -> str:
    """Return the name of this start of the kernel, "" where it is not shown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def started_at(pid: int) -> int | None:
    """Return when a process started, in ticks since the kernel did, or None."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything; this is the 22nd field. A zombie has ended.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def command_of(pid: int) -> str:
    """Return a process's command line, shortened, for people."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    return " ".join(Path(word).name if "/" in word else word for word in words).strip()[:80]


def _sync_folder(folder: Path) -> None:
    """Force the folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
