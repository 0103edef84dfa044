"""On which memory node pages come to lie: the kernel's own calls, without libnuma.

libnuma's ``numa_alloc_onnode(1)`` on a machine without node 1 prints a line and hands out memory
anyway. Here a call that fails raises, and what the kernel took is read back, since it narrows a
mask without a word: a bind to {0, 1} on a machine with node 0 becomes one to {0}.

Not for memory itself: ``lab.hardware.memory`` allocates buffers that lie where they were asked to.

A policy is a *thread's*, is inherited by what it starts, and is for pages that nobody touched yet;
those that are there stay where they are unless they are moved.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from engines.errors import InputError
from lab.hardware.sysfs import Tree, format_list, parse_list

# Numbers of the calls: x86-64's own table, and the one that newer architectures share.
_X86_64 = {
    "mbind": 237,
    "set_mempolicy": 238,
    "get_mempolicy": 239,
    "migrate_pages": 256,
    "move_pages": 279,
    "getcpu": 309,
    "mlock2": 325,
}
_GENERIC = {
    "mbind": 235,
    "get_mempolicy": 236,
    "set_mempolicy": 237,
    "migrate_pages": 238,
    "move_pages": 239,
    "getcpu": 168,
    "mlock2": 284,
}
_CALLS = {"x86_64": _X86_64, "aarch64": _GENERIC, "riscv64": _GENERIC}.get(platform.machine(), {})

MODES = {
    "first touch": 0,  # the node of the CPU that first writes; the kernel's default
    "preferred": 1,
    "bind": 2,
    "interleave": 3,
    "local": 4,
    "preferred many": 5,  # Linux 5.15
    "weighted interleave": 6,  # Linux 6.9
}
_SINCE = {"preferred many": "5.15", "weighted interleave": "6.9"}
_NAMES = {code: name for name, code in MODES.items()}
_MODE_FLAGS = 7 << 13
_AT_ADDRESS, _MEMORY_ALLOWED = 2, 4  # MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED
_STRICT, _MOVE = 1, 2  # MPOL_MF_STRICT, MPOL_MF_MOVE
_ON_FAULT = 1  # MLOCK_ONFAULT
# As many as any kernel is built for; get_mempolicy refuses a mask that is shorter than its own.
_NODES_MOST = 1024
_PAGES_A_CALL = 1 << 16
_NODE = "/sys/devices/system/node"
_WEIGHTS = "/sys/kernel/mm/mempolicy/weighted_interleave"
_libc = ctypes.CDLL(None, use_errno=True)
if hasattr(_libc, "syscall"):
    _libc.syscall.restype = ctypes.c_long


@dataclass(frozen=True)
class Policy:
    """Where new pages are to lie: a mode's name (see ``MODES``) and its nodes.

    ``flags`` are the kernel's own mode flags (static, relative, balancing), kept so that a policy
    that somebody else made is given back whole.
    """

    mode: str
    nodes: tuple[int, ...] = ()
    flags: int = 0

    def __str__(self) -> str:
        return f"{self.mode} {{{format_list(set(self.nodes))}}}" if self.nodes else self.mode


FIRST_TOUCH = Policy("first touch")


def call(name: str, *arguments: object) -> int:
    """Make a system call; return its answer.

    Raises
    ------
    OSError
        The kernel refuses, has no such call, or its number is not known for this processor.
    """
    if name not in _CALLS or not hasattr(_libc, "syscall"):
        raise OSError(errno.ENOSYS, f"{name}: no such call on {platform.machine()}")
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    answer = _libc.syscall(ctypes.c_long(_CALLS[name]), *words)
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return int(answer)


def mask_of(nodes: Iterable[int], bits: int = _NODES_MOST) -> tuple[ctypes.Array, int]:
    """Return a node mask and the ``maxnode`` that goes with it.

    The kernel takes one off ``maxnode`` before it counts bits: 64 for a mask of 64 bits would lose
    node 63 without a word, so it must be 65.
    """
    words = (ctypes.c_ulong * -(-bits // 64))()
    for node in nodes:
        words[node // 64] |= 1 << node % 64
    return words, bits + 1


def _nodes_in(words: ctypes.Array) -> tuple[int, ...]:
    return tuple(
        64 * place + bit for place, word in enumerate(words) for bit in range(64) if word >> bit & 1
    )


# -- which nodes there are -------------------------------------------------------------------------


def nodes_with_memory(tree: Tree | None = None) -> tuple[int, ...]:
    """Return the nodes that have memory, CPUs or not, in order.

    Where sysfs is not shown, those that this process may use; (0,) where that is not told either.
    """
    tree = tree or Tree()
    text = tree.text(f"{_NODE}/has_memory")
    if text is None:
        text = tree.text(f"{_NODE}/online")
    return tuple(sorted(parse_list(text))) if text else _allowed_nodes() or (0,)


def usable_nodes() -> tuple[int, ...]:
    """Return the nodes whose memory this process may use: its control group's (cpuset.mems)."""
    there = nodes_with_memory()
    return tuple(node for node in _allowed_nodes() if node in there) or there


def _allowed_nodes() -> tuple[int, ...]:
    """Return the nodes that the kernel lets this process use, () where it does not tell."""
    words, most = mask_of(())
    try:
        call("get_mempolicy", None, words, most, None, _MEMORY_ALLOWED)
    except OSError:
        shown = Tree().fields("/proc/self/status").get("Mems_allowed_list", "")
        return tuple(sorted(parse_list(shown)))
    return _nodes_in(words)


def cpus_of(node: int) -> frozenset[int]:
    """Return the online CPUs of a node, none for memory alone.

    Where sysfs is not shown: of the only node all that this process may use, of others none.
    """
    told = Tree().cpus(f"{_NODE}/node{node}/cpulist", f"{_NODE}/node{node}/cpumap")
    if told is None and usable_nodes() == (node,):
        return frozenset(os.sched_getaffinity(0))
    return told or frozenset()


def free_bytes(node: int, tree: Tree | None = None) -> int | None:
    """Return what may be had of a node without swapping: free, and cache that can be dropped.

    A fiftieth of the node is kept back for the kernel's own watermarks. None where not shown.
    """
    text = (tree or Tree()).text(f"{_NODE}/node{node}/meminfo")
    kib: dict[str, int] = {}
    for line in (text or "").splitlines():
        words = line.replace(":", " ").split()  # Node 0 MemFree: 123 kB
        if len(words) >= 4 and words[3].isdigit():
            kib[words[2]] = int(words[3])
    if "MemFree" not in kib:
        return None
    had = kib["MemFree"] + kib.get("Inactive(file)", 0) + kib.get("SReclaimable", 0)
    return max(0, had - kib.get("MemTotal", 0) // 50) * 1024


def weights() -> dict[int, int]:
    """Return each node's weight in a weighted interleave; empty where the kernel has none."""
    found = {node: Tree().number(f"{_WEIGHTS}/node{node}") for node in nodes_with_memory()}
    return {node: weight for node, weight in found.items() if weight}


# -- policies --------------------------------------------------------------------------------------


def get_policy(address: int | None = None) -> Policy:
    """Return the calling thread's policy, or that of the mapping at an address."""
    words, most = mask_of(())
    mode = ctypes.c_int()
    flags = 0 if address is None else _AT_ADDRESS
    place = None if address is None else ctypes.c_void_p(address)
    call("get_mempolicy", ctypes.byref(mode), words, most, place, flags)
    code = mode.value & ~_MODE_FLAGS
    return Policy(_NAMES.get(code, str(code)), _nodes_in(words), mode.value & _MODE_FLAGS)


def set_policy(wanted: Policy) -> Policy:
    """Set the calling thread's policy for pages that it touches first; return what was taken."""
    words, most = mask_of(wanted.nodes)
    call("set_mempolicy", MODES[wanted.mode] | wanted.flags, words if wanted.nodes else None, most)
    return get_policy()


def bind_range(address: int, nbytes: int, wanted: Policy, move: bool = False) -> Policy:
    """Give a mapping a policy (``mbind``); return what was taken.

    Parameters
    ----------
    address, nbytes
        Whole pages.
    wanted
        The policy. Pages that are there already are let lie, unless ``move``.
    move
        Also move those pages that only this process has mapped.
    """
    words, most = mask_of(wanted.nodes)
    given = words if wanted.nodes else None
    mode = MODES[wanted.mode] | wanted.flags
    call("mbind", ctypes.c_void_p(address), nbytes, mode, given, most, _MOVE if move else 0)
    return get_policy(address)


def refusal(wanted: Policy) -> str:
    """Say why a policy cannot be had here and what can; "" where nothing is known against it."""
    if wanted.mode not in MODES:
        return f"{wanted.mode!r} is no placement; choose from {', '.join(MODES)}"
    needs_none = wanted.mode in ("first touch", "local")
    if needs_none != (not wanted.nodes):
        remedy = "no nodes; leave them out" if needs_none else "nodes; name some"
        return f"{wanted.mode} takes {remedy}"
    if wanted.mode == "preferred" and len(wanted.nodes) != 1:
        return f"{wanted} names {len(wanted.nodes)} nodes; name one, or take preferred many"
    usable = usable_nodes()
    missing = [node for node in wanted.nodes if node not in usable]
    if missing:
        return _missing(missing, usable)
    return ""


def _missing(missing: list[int], usable: tuple[int, ...]) -> str:
    """Say which nodes cannot be had, and whether the machine or this process's group lacks them."""
    have, names = nodes_with_memory(), ", ".join(map(str, missing))
    word = "node" if len(missing) == 1 else "nodes"
    fact = f"{word} {names} cannot be used: this machine has memory on {format_list(set(have))}"
    if set(missing) <= set(have):
        fact = f"{word} {names} cannot be used: this process may use {format_list(set(usable))}"
        return f"{fact} (cpuset.mems); choose from those or widen the control group"
    return f"{fact}; choose from {format_list(set(usable))}"


def required(wanted: Policy, taken: Policy) -> None:
    """Raise unless the kernel took a policy as it was asked for.

    Raises
    ------
    InputError
        Another mode, or a narrower mask.
    """
    if (taken.mode, set(taken.nodes)) != (wanted.mode, set(wanted.nodes)):
        raise InputError(f"{wanted} became {taken} in the kernel; choose among nodes that it has")


def explained(error: OSError, wanted: Policy) -> InputError:
    """Return what a refused policy means, with the remedy."""
    if error.errno == errno.EPERM:
        return InputError(
            f"{wanted}: this container forbids the call; run it with --cap-add SYS_NICE"
        )
    if error.errno == errno.EINVAL and wanted.mode in _SINCE:
        return InputError(
            f"{wanted}: Linux {platform.release()} does not know it, it came with "
            f"{_SINCE[wanted.mode]}; take interleave, or preferred"
        )
    return InputError(f"{wanted}: the kernel refuses ({error}); choose first touch")


@contextmanager
def policy(mode: str, nodes: Iterable[int] = ()) -> Iterator[Policy]:
    """Place what the calling thread touches first, and afterwards as it was placed before.

    Parameters
    ----------
    mode
        A name of ``MODES``.
    nodes
        The nodes; one for preferred, none for first touch and local.

    Raises
    ------
    InputError
        A node that is not there or may not be used, a mode that this kernel does not know, a mask
        that it would narrow. The policy is then what it was.

    Examples
    --------
    >>> import sys
    >>> if sys.platform == "linux":
    ...     before = get_policy()
    ...     with policy("bind", usable_nodes()[:1]) as taken:
    ...         assert get_policy() == taken
    ...     assert get_policy() == before
    """
    wanted = Policy(mode, tuple(nodes))
    why_not = refusal(wanted)
    if why_not:
        raise InputError(why_not)
    try:
        before = get_policy()
        taken = set_policy(wanted)
    except OSError as error:
        raise explained(error, wanted) from None
    try:
        required(wanted, taken)
        yield taken
    finally:
        set_policy(before)


# -- pages -----------------------------------------------------------------------------------------


def node_of_pages(addresses: np.ndarray) -> np.ndarray:
    """Return the node of each page, or minus the error that the kernel gives for it, int32.

    -ENOENT (-2) for a page that nobody touched, -EFAULT (-14) for an address without memory and
    for the shared page of zeros, which reading an untouched page maps.

    Parameters
    ----------
    addresses
        An address in each page, int64.
    """
    return _move(addresses, None)


def move_pages(addresses: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Move each page to its node; return where each lies then, or minus an error, int32.

    Raises
    ------
    OSError
        A node is missing (ENODEV) or may not be used (EACCES): nothing was moved.
    """
    return _move(addresses, np.ascontiguousarray(nodes, np.int32))


def _move(addresses: np.ndarray, nodes: np.ndarray | None) -> np.ndarray:
    places = np.ascontiguousarray(addresses, np.int64)
    status = np.full(len(places), -errno.ENOENT, np.int32)
    for first in range(0, len(places), _PAGES_A_CALL):
        part = slice(first, first + _PAGES_A_CALL)
        to = None if nodes is None else ctypes.c_void_p(nodes[part].ctypes.data)
        count = len(places[part])
        at, told = (ctypes.c_void_p(array[part].ctypes.data) for array in (places, status))
        call("move_pages", 0, count, at, to, told, _MOVE)
    return status


def migrate_pages(old: Iterable[int], new: Iterable[int], process: int = 0) -> int:
    """Move all pages of a process from some nodes to others; return how many would not move."""
    before, most = mask_of(old)
    after, _ = mask_of(new)
    return call("migrate_pages", process, most, before, after)


def current_place() -> tuple[int, int]:
    """Return the CPU that this thread runs on and that CPU's node (``getcpu``)."""
    cpu, node = ctypes.c_uint(), ctypes.c_uint()
    call("getcpu", ctypes.byref(cpu), ctypes.byref(node), None)
    return cpu.value, node.value


def lock(address: int, nbytes: int, on_fault: bool = False) -> None:
    """Keep pages in memory: all of them, fetched now, or each from its first touch on."""
    call("mlock2", ctypes.c_void_p(address), nbytes, _ON_FAULT if on_fault else 0)


def unlock(address: int, nbytes: int) -> None:
    """Let pages be swapped again."""
    _checked("munlock", ctypes.c_void_p(address), ctypes.c_size_t(nbytes))


def advise(address: int, nbytes: int, advice: int) -> None:
    """Tell the kernel how pages will be used (``madvise``)."""
    place, length = ctypes.c_void_p(address), ctypes.c_size_t(nbytes)
    _checked("madvise", place, length, ctypes.c_int(advice))


def resident(address: int, nbytes: int) -> np.ndarray:
    """Return for each page whether it is in memory, bool (``mincore``).

    Of a mapped file this says what the kernel's cache holds, mapped here or not.
    """
    pages = np.zeros(-(-nbytes // mmap.PAGESIZE), np.uint8)
    told = ctypes.c_void_p(pages.ctypes.data)
    _checked("mincore", ctypes.c_void_p(address), ctypes.c_size_t(nbytes), told)
    return (pages & 1).astype(bool)


def _checked(name: str, *arguments: object) -> None:
    """Call a function of libc that answers 0, or raise what went wrong."""
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
