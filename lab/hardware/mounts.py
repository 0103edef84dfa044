"""On which file system a folder lies, as the kernel tells this process."""

from __future__ import annotations

import re
from pathlib import Path

from lab.hardware.sysfs import Tree

_ESCAPED = re.compile(r"\\([0-7]{3})")  # a space, a tab, a new line and a backslash


def mount_of(folder: Path, tree: Tree | None = None) -> tuple[str, str]:
    r"""Return the kind of file system that a folder is on, and its device, as the kernel has them.

    Parameters
    ----------
    folder
        Absolute.
    tree
        Whose ``/proc/self/mountinfo`` tells; this machine's by default. There a mount point with a
        space in it has ``\040`` instead.

    Returns
    -------
    tuple of str
        Of the longest mount point above the folder, and of several there of the last, which hides
        the others; where nothing is told, ``("an unknown file system", "unknown")``.
    """
    best, found = -1, ("an unknown file system", "unknown")
    for line in ((tree or Tree()).text("/proc/self/mountinfo") or "").split("\n"):
        before, _, after = line.partition(" - ")
        words, told = before.split(), after.split()
        if len(words) < 5 or len(told) < 2:
            continue
        mounted = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), words[4]))
        depth = len(mounted.parts)
        if (mounted == folder or mounted in folder.parents) and depth >= best:
            best, found = depth, (told[0], told[1])
    return found
