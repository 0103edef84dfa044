"""What memory is asked for, in words that JSON can carry."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from engines.errors import InputError
from lab.hardware.placement import MODES, Policy

BACKINGS = ("private", "shared", "file")
HUGE_BYTES = {"2 MiB": 1 << 21, "1 GiB": 1 << 30}
PAGES = ("default", "small", "transparent", *HUGE_BYTES)
PLACEMENTS = tuple(MODES)
PREFAULTS = ("no", "populate", "touch", "read")
LOCKS = ("no", "all", "on fault")
ADVICE = {
    "normal": 0,
    "random": 1,
    "sequential": 2,
    "willneed": 3,
    "dontneed": 4,
    "cold": 20,  # Linux 5.4
    "pageout": 21,  # Linux 5.4
    "collapse": 25,  # Linux 6.1: huge pages now, not when the kernel's thread comes by
}
_WORDS = {
    "backing": BACKINGS,
    "pages": PAGES,
    "placement": PLACEMENTS,
    "prefault": PREFAULTS,
    "lock": LOCKS,
}


@dataclass(frozen=True)
class Wanted:
    """A buffer as it is asked for.

    Attributes
    ----------
    nbytes
        How much, at least 1.
    backing
        ``private`` to this process; ``shared``, nameless, for processes that inherit its
        descriptor; a ``file`` that is mapped.
    pages
        ``default``: as the machine is set. ``small``: none is a huge one. ``transparent``: huge
        ones where the kernel has them on request. ``2 MiB``, ``1 GiB``: out of the reserve.
    placement, nodes
        Where they lie; ``first touch`` with a node: touched by a thread that runs there.
    prefault
        Whether the pages are there before ``allocate`` returns: the kernel makes them
        (``populate``), each is written (``touch``), or, of a file, ``read`` into its cache.
    lock
        Never swapped: ``all`` of it, there now, or each page ``on fault``.
    advice
        Names of ``ADVICE``, told in their order; what is about pages that are there (``collapse``
        to huge ones, ``cold``, ``pageout``, ``dontneed``) once they are.
    path
        The file, kept afterwards. Without it a file without a name, so that nothing is left behind,
        however the process ends.
    folder
        Where the file without a name lies; by default where temporary files do.
    reserve
        Put huge pages into the reserve for as long as the buffer lives, if too few are free: a
        change to the system, for which one has to be root.

    Raises
    ------
    InputError
        A word that is none, or two that do not go together.
    """

    nbytes: int
    backing: str = "private"
    pages: str = "default"
    placement: str = "first touch"
    nodes: tuple[int, ...] = ()
    prefault: str = "no"
    lock: str = "no"
    advice: tuple[str, ...] = ()
    path: str | None = None
    folder: str | None = None
    reserve: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))  # JSON has lists only
        object.__setattr__(self, "advice", tuple(self.advice))
        if self.nbytes < 1:
            raise InputError(f"{self.nbytes} bytes is no buffer; ask for 1 or more")
        for name, words in _WORDS.items():
            _known(name, getattr(self, name), words)
        for word in self.advice:
            _known("advice", word, tuple(ADVICE))
        self._go_together()

    def _go_together(self) -> None:
        if self.backing == "file" and self.pages in HUGE_BYTES:
            raise InputError(f"a file is not mapped in {self.pages} pages; take private or shared")
        if self.backing != "file" and (self.path or self.folder):
            raise InputError(f"a {self.backing} buffer has no file; leave path and folder out")
        if self.prefault == "read" and self.backing == "private":
            raise InputError("reading private memory gives no page; prefault with populate")

    @property
    def policy(self) -> Policy:
        """The policy that goes with the placement; the nodes of a first touch are the thread's."""
        return Policy(self.placement, () if self.placement == "first touch" else self.nodes)

    @property
    def page_bytes(self) -> int:
        """The size of the pages that were asked for by size, else the smallest."""
        return HUGE_BYTES.get(self.pages, mmap.PAGESIZE)


def _known(name: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise InputError(f"{name} {word!r} is not known; choose from {', '.join(words)}")
