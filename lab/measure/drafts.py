"""The result so far, written while a run goes on: for a panel whose figure fills in.

It has the schema of a result and says in its verdict that it is none yet. Nothing of it is kept:
who asked for it names the file and removes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines.errors import FileError
from lab.measure.result import Comparison, Result, Verdict, save_as

_FOLDER = "exchange_lab_draft_"
_ABANDONED_S = 24 * 3600
_SHARE_MOST = 0.1  # of the run's time; putting a result together takes a tenth of a second or more


@contextmanager
def draft_folder() -> Iterator[Path]:
    """Yield a folder for a result so far, gone afterwards; old ones of killed processes go too."""
    for place in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError):  # somebody else's, or gone meanwhile
            if time.time() - place.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(place)
    with tempfile.TemporaryDirectory(prefix=_FOLDER, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Drafts:
    """Writes results so far, each over the one before.

    Parameters
    ----------
    path
        The file.
    make
        Puts together what was found up to now.
    """

    def __init__(self, path: str | os.PathLike[str], make: Callable[[], Result]) -> None:
        self._path, self._make = Path(path), make
        self._start_s, self._spent_s = time.monotonic(), 0.0
        self._is_first = True

    def take(self, words: str) -> None:
        """Write the result so far, unless what was written before has cost too much of the run.

        Parameters
        ----------
        words
            How much of the run it rests on.
        """
        now_s = time.monotonic()
        if self._spent_s > _SHARE_MOST * (now_s - self._start_s):
            return
        draft = self._make()
        draft.verdict = verdict_so_far(words)
        draft.comparisons = [claiming_nothing(item) for item in draft.comparisons]
        with suppress(FileError):  # a full disk is no reason to end the run
            save_as(draft, self._path)
        if not self._is_first:  # which loads what the end of the run would have to load
            self._spent_s += time.monotonic() - now_s
        self._is_first = False


def claiming_nothing(comparison: Comparison) -> Comparison:
    """Return a comparison with its interval and no claim.

    Whoever looks after each round and believes the first clear difference is wrong far more often
    than 5 % of the time; only looks that were planned share the error rate.
    """
    nothing = dict(clear=False, state="cannot tell", words="too early to tell")
    return comparison.model_copy(update=nothing | dict.fromkeys(("p_value", "rank_p", "q_value")))


def verdict_so_far(words: str) -> Verdict:
    """Return what can be said before a run is over: nothing that could be taken for its finding.

    Examples
    --------
    >>> verdict_so_far("2 of 6 rounds").finding
    'So far: 2 of 6 rounds'
    """
    return Verdict(
        stable=False,
        reason=f"so far {words}",
        remedy="wait for the rest",
        finding=f"So far: {words}",
    )
