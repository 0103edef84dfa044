"""A report as JSON: every result whole, as ``lab run`` saves it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lab.measure.result import Result

DATA_VERSION = 1


def whole(results: Sequence[Result], title: str, notes: str = "") -> str:
    """Return every number of some results as JSON.

    Parameters
    ----------
    results
        The results.
    title, notes
        The person's words; notes that are empty leave no field.
    """
    content: dict[str, object] = {"report_version": DATA_VERSION, "title": title}
    if notes.strip():
        content["notes"] = notes.strip()
    content["results"] = [result.content() for result in results]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
