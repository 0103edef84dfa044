"""The machines under test: the parts of an exchange's core, each accepting what a lab chooses.

``engines`` never imports ``lab``. A part is handed its buffer, its clock and its capacities;
it looks at no wall clock and draws no random number.
"""

import os
from pathlib import Path


def _cache_folder() -> Path:
    """The folder for compiled kernels: the user's cache, or one in the checkout if that is closed."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(user_cache) / "exchange-lab" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(__file__).resolve().parent.parent / ".cache" / "numba"
    if os.access(folder, os.W_OK):
        return folder
    return Path(__file__).resolve().parent.parent / ".cache" / "numba"


# Set before numba is first imported: with neither the install folder nor HOME writable, numba
# raises at import ("no locator available"), so the choice cannot be left to it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))
