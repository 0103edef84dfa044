"""The reserve of huge pages: how many are free, and more of them for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.hardware.sysfs import Tree

_MEMORY = "/sys/kernel/mm/hugepages"
_NODE = "/sys/devices/system/node"


def folder(page_bytes: int, node: int | None = None) -> str:
    """Return where the kernel shows the reserve of one size, in all or of one node."""
    name = f"hugepages-{page_bytes >> 10}kB"
    return f"{_MEMORY}/{name}" if node is None else f"{_NODE}/node{node}/hugepages/{name}"


def missing_pages(
    nbytes: int, page_bytes: int, nodes: tuple[int, ...] = (), tree: Tree | None = None
) -> int | None:
    """Return how many huge pages the reserve has too few of, or None where it has no such size.

    Parameters
    ----------
    nbytes
        How much is wanted.
    page_bytes
        The size of a page.
    nodes
        The only nodes that they may come from; () for any. A mapping is granted by the count over
        all nodes, and then dies of SIGBUS on a node that has none: so each is asked here.
    """
    tree, wanted = tree or Tree(), -(-nbytes // page_bytes)
    if tree.number(f"{folder(page_bytes)}/nr_hugepages") is None:
        return None
    return max(0, wanted - sum(_free(tree, page_bytes, node) for node in nodes or (None,)))


def _free(tree: Tree, page_bytes: int, node: int | None) -> int:
    """Return the huge pages that nobody has and nobody was promised."""
    free = tree.number(f"{folder(page_bytes, node)}/free_hugepages") or 0
    return free - (tree.number(f"{folder(page_bytes)}/resv_hugepages") or 0)


@contextmanager
def reserved(pages: int, page_bytes: int, nodes: tuple[int, ...] = ()) -> Iterator[None]:
    """Have more huge pages in the reserve, and afterwards as many as before.

    Parameters
    ----------
    pages
        How many more.
    page_bytes
        Their size.
    nodes
        Where; from several nodes each gets its part.

    Raises
    ------
    OSError
        One is not root, or it cannot be written down what was changed.
    """
    from lab.hardware.settings import changed

    places = nodes or (None,)
    each, tree = -(-pages // len(places)), Tree()
    files = [f"{folder(page_bytes, node)}/nr_hugepages" for node in places]
    # Fewer than that are no failure here: who asked looks at what is free then.
    with changed({file: (tree.number(file) or 0) + each for file in files}, exact=False):
        yield
