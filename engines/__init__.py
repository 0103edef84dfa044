"""The machines under test: the parts of an exchange's core, each accepting what a lab chooses.

``engines`` never imports ``lab``. A part is handed its buffer, its clock and its capacities;
it looks at no wall clock and draws no random number.
"""

import hashlib
import os
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _sources_digest() -> str:
    """Return a digest over every source that a compiled kernel may have folded in.

    Numba renews a cached kernel when the kernel's own file changes, but not when a function or a
    constant that it took from another file does.
    """
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(_HERE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_folder() -> Path:
    """Return the folder for compiled kernels: in the user's cache, or else in the checkout."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = _sources_digest()
    folder = Path(user_cache) / "exchange-lab" / "kernels" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _HERE.parent / ".cache" / "kernels" / name


# Set before numba is first imported: with neither the install folder nor HOME writable, numba
# raises at import ("no locator available"), so the choice cannot be left to it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))
