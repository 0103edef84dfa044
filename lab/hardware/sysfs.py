"""Reading what the kernel shows under /sys and /proc, of this machine or of a copy of its files.

What is missing or cannot be read is None: kernels differ in what they show, and a container hides
more. The caller says what that means.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
Cpus = frozenset[int]
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_ENDS = " \t\r\n\0"  # some copies of files end in zero bytes
_NUMBERS_MOST = 1 << 16  # more CPUs or nodes than any kernel has: such a file is damaged


class Tree:
    """The files under a root folder.

    Parameters
    ----------
    root
        The folder that holds ``sys`` and ``proc``; ``/`` is this machine.
    """

    def __init__(self, root: str | Path = "/") -> None:
        self.root = Path(root)
        self.is_live = self.root.resolve() == Path("/")

    def path(self, name: str) -> Path:
        """Return where a file such as ``/proc/stat`` lies under the root."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """Return a file's text without surrounding white space, or None."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip(_ENDS)
        except (OSError, ValueError):  # a path that a damaged file names may hold zero bytes
            return None

    def number(self, name: str) -> int | None:
        """Return the integer that a file holds, or None."""
        text = self.text(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def cpus(self, list_name: str, map_name: str = "") -> frozenset[int] | None:
        """Return the CPUs that a list file or, where that is absent, a mask file names, or None."""
        text = self.text(list_name)
        if text is not None:
            return parse_list(text)
        text = self.text(map_name) if map_name else None
        return None if text is None else parse_map(text)

    def mask(self, name: str) -> Cpus | None:
        """Return the numbers that a mask file names, or None."""
        text = self.text(name)
        return None if text is None else parse_map(text)

    def exists(self, name: str) -> bool:
        """Say whether there is such a file or folder."""
        return os.path.exists(self.path(name))  # pathlib's own fails where it may not look

    def names(self, folder: str) -> list[str]:
        """Return the names of what a folder holds, in order; none where it cannot be read."""
        try:
            return sorted(entry.name for entry in self.path(folder).iterdir())
        except OSError:
            return []

    def numbered(self, folder: str, prefix: str) -> list[int]:
        """Return the numbers n for which ``folder`` holds an entry ``prefix``n, in order."""
        matches = (re.fullmatch(rf"{prefix}(\d+)", name) for name in self.names(folder))
        return sorted(int(match.group(1)) for match in matches if match)

    def fields(self, name: str) -> dict[str, str]:
        """Return the first ``key : value`` of each key in a file such as ``/proc/cpuinfo``."""
        fields: dict[str, str] = {}
        for line in (self.text(name) or "").splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        return fields

    def control_group(self, controller: str, *names: str) -> list[str]:
        """Return what a control group and its parents say, the innermost first.

        Parameters
        ----------
        controller
            ``cpu`` or ``memory``.
        names
            The file's name in version 2 of control groups, then in version 1.
        """
        return [text for _, text in self.control_group_files(controller, *names)]

    def control_group_files(self, controller: str, *names: str) -> list[tuple[str, str]]:
        """Return the files of a control group and its parents that say something, and what.

        Parameters as of ``control_group``.
        """
        found: list[tuple[str, str]] = []
        for line in (self.text("/proc/self/cgroup") or "").splitlines():
            number, controllers, path = (line.split(":", 2) + ["", ""])[:3]
            if number == "0":
                bases = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            elif controller in controllers.split(","):
                bases = [f"/sys/fs/cgroup/{controllers}", f"/sys/fs/cgroup/{controller}"]
            else:
                continue
            # The group may be shown under its own path, or, in a container, as the root.
            steps = [step for step in path.split("/") if step]
            folders = ["/".join(steps[:depth]) for depth in range(len(steps), -1, -1)]
            for base in dict.fromkeys(bases):
                for place in ("/".join(filter(None, (base, folder))) for folder in folders):
                    texts = ((f"{place}/{name}", self.text(f"{place}/{name}")) for name in names)
                    found += [(file, text) for file, text in texts if text]
        return found


def parse_list(text: str) -> frozenset[int]:
    """Return the numbers of a kernel list; parts that are none are left out.

    >>> sorted(parse_list("0-2,8"))
    [0, 1, 2, 8]
    """
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip(_ENDS))
        if match:
            first, last = int(match.group(1)), int(match.group(2) or match.group(1))
            numbers.update(range(first, min(last + 1, _NUMBERS_MOST)))
    return frozenset(numbers)


def parse_map(text: str) -> frozenset[int]:
    """Return the numbers of a kernel mask: hexadecimal words of 32 bits, the highest first.

    What is no mask names nothing.

    >>> sorted(parse_map("00000001,00000101"))
    [0, 8, 32]
    """
    words = [word.strip(_ENDS) for word in text.split(",")]
    if not all(re.fullmatch(r"(?:0x)?[0-9a-fA-F]{1,16}", word) for word in words):
        return frozenset()
    mask = 0
    for word in words[-_NUMBERS_MOST // 32 :]:
        mask = mask << 32 | int(word, 16)
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def format_list(numbers: frozenset[int] | set[int]) -> str:
    """Return numbers as a kernel list.

    >>> format_list({0, 1, 2, 8})
    '0-2,8'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def parse_size(text: str | None) -> int | None:
    """Return the bytes of a cache size.

    >>> parse_size("1280K")
    1310720
    """
    match = re.fullmatch(r"(\d+)([KMG]?)", text or "")
    return int(match.group(1)) * _BYTES[match.group(2)] if match else None
