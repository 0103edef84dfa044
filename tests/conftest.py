"""Tests that run notebooks write nothing into the person's own Jupyter folders, like ``lab open``.

It stands here because Jupyter reads these variables once, when it is first imported.
"""

from __future__ import annotations

import os

from lab.jupyter import launch

launch.STATE_FOLDER.mkdir(exist_ok=True)
_environment = launch.environment(os.environ)
for name in os.environ.keys() - _environment.keys():
    del os.environ[name]
os.environ.update(_environment)
