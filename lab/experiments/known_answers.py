"""The oracle's answers, kept: the same flow through the same source files is not run twice.

At 50,000 live orders the reference takes 40 µs a command, which would be most of a short run. An
answer is found by the bytes of the flow, the engine's room and the text of every module that the
answer depends on; where the cache folder cannot be used, the oracle simply runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.workloads.order_flow import Flow

_SOURCES = (
    "engines.messages",
    "engines.matching.api",
    "engines.matching.rules",
    "engines.matching.reference",
    "lab.experiments.oracle_task",
)
_PARTS = "reference_*.py"  # the oracle's other files, beside its first


def answer_for(flow: Flow, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the oracle's answer to a flow, from the cache or by asking.

    Parameters
    ----------
    flow
        The commands.
    ask
        Runs the oracle; what it returns is kept as JSON.
    """
    path = _folder() / f"{_key(flow)}.json"
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        kept = None
    if isinstance(kept, dict) and kept.keys() == {"digest", "events"}:
        return kept
    answer = {key: value for key, value in ask().items() if key in {"digest", "events"}}
    _keep(path, json.dumps(answer))
    return answer


def _folder() -> Path:
    """Return the folder beside the compiled kernels."""
    return Path(os.environ["NUMBA_CACHE_DIR"]).parent / "answers"


def _key(flow: Flow) -> str:
    """Return what an answer depends on, as 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{flow.digest()} {flow.orders_max} {flow.symbols}".encode())
    for name in _SOURCES:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        digest.update(Path(spec.origin).read_bytes())
        if name == "engines.matching.reference":
            for part in sorted(Path(spec.origin).parent.glob(_PARTS)):
                digest.update(part.read_bytes())
    return digest.hexdigest()


def _keep(path: Path, text: str) -> None:
    """Write an answer, whole or not at all."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)  # the next run asks again
