"""What was asked of a buffer beside what was found of it: every difference in one line."""

from __future__ import annotations

from lab.hardware.pages import PAGE, Found
from lab.hardware.placement import weights
from lab.hardware.sysfs import format_list
from lab.hardware.wanted import HUGE_BYTES, Wanted

_SPREAD = ("interleave", "weighted interleave")


def differences_of(wanted: Wanted, found: Found) -> list[str]:
    """Return in what a buffer is not as it was asked for; nothing where it is.

    Parameters
    ----------
    wanted
        What was asked. ``default`` pages and an unnamed first touch ask for nothing.
    found
        What was found, now.
    """
    return [
        *_of_presence(wanted, found),
        *_of_nodes(wanted, found),
        *_of_sizes(wanted, found),
        *_of_locks(wanted, found),
    ]


def _of_presence(wanted: Wanted, found: Found) -> list[str]:
    meant = wanted.prefault in ("populate", "touch") or wanted.lock == "all"
    if meant and found.absent:
        return [f"{found.absent} of {found.pages} pages are not there"]
    return []


def _of_nodes(wanted: Wanted, found: Found) -> list[str]:
    if not wanted.nodes:
        return []
    elsewhere = {node: count for node, count in found.nodes.items() if node not in wanted.nodes}
    if elsewhere:
        where = ", ".join(f"{count} on node {node}" for node, count in sorted(elsewhere.items()))
        asked = format_list(set(wanted.nodes))
        return [f"of {found.pages} pages {where}, not on {asked} as asked ({wanted.placement})"]
    if wanted.placement in _SPREAD and found.present:
        return _of_shares(wanted, found)
    return []


def _of_shares(wanted: Wanted, found: Found) -> list[str]:
    """Hold each node's pages against its share, within one round of whole pages."""
    heavy = weights() if wanted.placement == "weighted interleave" else {}
    each = {node: heavy.get(node, 1) for node in wanted.nodes}
    # A page that is huge goes to one node whole, and a range may begin anywhere in the round.
    round_pages = max(found.page_sizes, default=PAGE) // PAGE * max(each.values())
    wrong = []
    for node, weight in each.items():
        share = found.present * weight / sum(each.values())
        count = found.nodes.get(node, 0)
        if abs(count - share) > round_pages:
            wrong.append(
                f"node {node} has {count} of {found.present} pages, its share is {share:.0f}"
            )
    return wrong


def _of_sizes(wanted: Wanted, found: Found) -> list[str]:
    if wanted.pages == "default" or not found.present:
        return []
    if not found.page_sizes:
        return ["the sizes of its pages cannot be seen here"]
    huge = sum(nbytes for size, nbytes in found.page_sizes.items() if size > PAGE)
    total = sum(found.page_sizes.values())
    if wanted.pages == "small":
        return [f"{huge} bytes are in huge pages, though none was wanted"] if huge else []
    if wanted.pages in HUGE_BYTES:
        if found.reserved_bytes == total and found.page_sizes.get(HUGE_BYTES[wanted.pages]):
            return []
        return [
            f"{found.reserved_bytes} of {total} bytes are in {wanted.pages} pages of the reserve"
        ]
    # What does not fill a huge page at the end is in small ones.
    return (
        [] if huge and total - huge < (1 << 21) else [f"{huge} of {total} bytes are in huge pages"]
    )


def _of_locks(wanted: Wanted, found: Found) -> list[str]:
    if wanted.lock != "no" and found.locked_bytes is None:
        return ["whether it is locked cannot be seen here"]
    held = found.present * PAGE - found.reserved_bytes  # pages of the reserve are never swapped
    if wanted.lock == "no" or (found.locked_bytes or 0) >= min(held, found.pages * PAGE - PAGE + 1):
        return []
    return [f"{found.locked_bytes} of {held} bytes are locked"]
