"""A report as PDF: set by typst, with no browser, no system library and no font of the machine's.

What a person typed arrives in ``paper.typ`` as JSON and is shown as text; it never becomes markup.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import typst
from matplotlib.ft2font import FT2Font

from lab.reports.content import Content, Section

_HERE = Path(__file__).resolve().parent
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TEMPLATE = "paper.typ"


def paper(content: Content, data_file: str) -> bytes:
    """Return a report as PDF, the same bytes for the same content.

    Parameters
    ----------
    content
        What it says.
    data_file
        The name of the file beside it that has every number.
    """
    made = typst.compile(
        _HERE / TEMPLATE,
        root=_HERE,
        format="pdf",
        font_paths=[_FONTS],
        # or the same report would look otherwise on another machine
        ignore_system_fonts=_is_covered(content.title + content.notes),
        sys_inputs={"report": json.dumps(_plain(content, data_file))},
        pdf_standards="ua-1",  # read aloud in its order, figures by their words
    )
    assert isinstance(made, bytes)  # of a PDF; pages of images would be a list
    return made


def _is_covered(text: str) -> bool:
    """Say whether our font has every letter; for Japanese, say, the machine's must be asked."""
    known = FT2Font(_FONTS / "DejaVuSans.ttf").get_charmap()
    return all(ord(letter) in known for letter in text if not letter.isspace())


def _plain(content: Content, data_file: str) -> dict[str, Any]:
    """Return a report's content as JSON holds it, each figure as its SVG."""
    return {
        "title": content.title,
        "notes": content.notes,
        "measured": content.measured,
        "data_file": data_file,
        "sections": [_section(section) for section in content.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    plain = {name: value for name, value in vars(section).items() if isinstance(value, str)}
    return plain | {
        "figures": [{"svg": one.svg(), "words": one.words} for one in section.figures],
        "runs": [asdict(run) for run in section.runs],
        "machines": [asdict(table) for table in section.machines],
        "notes": section.notes,
    }
