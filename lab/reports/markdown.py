"""A report as Markdown, as GitHub reads it; its figures lie as PNG in a folder beside it.

What a person typed, and every name in a result, is escaped: it is shown and never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from lab.reports.content import Content, Section, Told
from lab.tables import Table

# An underscore within a word does nothing, and price\_ladder is hard to read.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_AT_THE_START = re.compile(r"^(\d*)([-+=#:.)])")
_LINKED = re.compile(r":(?=//|\w+:)|(?<=www)\.", re.IGNORECASE)  # or a picture of a smile


def markdown(content: Content, path: Path, data_file: str) -> dict[Path, bytes]:
    """Return a report as Markdown with its figures: what each file is to hold.

    Parameters
    ----------
    content
        What it says.
    path
        The Markdown file; the figures' folder has its name with ``_figures`` behind.
    data_file
        The name of the file beside it that has every number.
    """
    folder = path.with_name(f"{path.stem}_figures")
    figures: dict[Path, bytes] = {}
    parts = [f"# {escaped(content.title)}", *_contents(content)]
    for number, section in enumerate(content.sections, 1):
        parts += _section(section, len(content.sections) > 1)
        for figure in section.figures:
            place = folder / f"{number:02}_{section.name}_{figure.kind}.png"
            figures[place] = figure.png()
            address = quote(f"{folder.name}/{place.name}")
            parts.append(f"![{escaped(figure.words)}]({address})")
        parts += _rest(section)
    if content.notes:
        parts += ["## Notes", _lines(content.notes)]
    told = f"{content.measured}. Every number and the whole distributions, as HdrHistogram V2, lie"
    parts += ["## Data", f"{escaped(told)} beside this file in **{escaped(data_file)}**."]
    return figures | {path: ("\n\n".join(filter(None, parts)) + "\n").encode()}


def escaped(text: str) -> str:
    """Return a text on one line that Markdown shows as it is."""
    line = " ".join(text.replace("\u00a0", " ").split())
    line = _MARKUP.sub(r"\\\g<0>", line)
    return _AT_THE_START.sub(r"\1\\\2", _LINKED.sub(r"\\\g<0>", line))


def _lines(text: str) -> str:
    """Return a text of several lines, each on a line of its own, indents kept."""
    parts = re.split(r"\n\s*\n", text)
    return "\n\n".join("\\\n".join(map(_line, part.split("\n"))) for part in parts)


def _line(line: str) -> str:
    indent = "&nbsp;" * (len(line) - len(line.lstrip()))
    return f"{indent}{escaped(line)}"


def _contents(content: Content) -> list[str]:
    """Return a list of the sections, where there are several."""
    if len(content.sections) < 2:
        return []
    lines = [f"1. {escaped(part.title)}: {escaped(part.question)}" for part in content.sections]
    return ["\n".join(lines)]


def _section(section: Section, several: bool) -> list[str]:
    title = [f"## {escaped(section.title)}"] if several else []
    return [*title, escaped(section.question), f"**{escaped(section.finding)}**"]


def _rest(section: Section) -> list[str]:
    """Return what follows the figures: tables, verdict, machine, how to repeat it, the rest."""
    parts = [escaped(section.left_out)]
    for run in section.runs:
        parts += [*_named(run), *map(_table, [*run.measurements, *run.comparisons])]
        if run.how_to_read:
            parts.append(f"**How to read it.** {escaped(run.how_to_read)}")
    for run in section.runs:
        name = f"{escaped(run.name)}: " if run.name else ""
        parts.append(f"> **Verdict.** {name}{escaped(run.verdict)}")
    parts += ["### Machine", *map(_table, section.machines), "### How to repeat it"]
    for run in section.runs:
        parts += [*_named(run), escaped(run.repeat), _code(run.command, "sh")]
        parts.append(_code(run.call, "python"))
    parts.append("### Parameters")
    for run in section.runs:
        parts += [*_named(run), _table(run.parameters)]
    if section.notes:
        parts += ["### Remarks of the measurement"]
        parts.append("\n".join(f"- {escaped(note)}" for note in section.notes))
    return parts


def _named(run: Told) -> list[str]:
    return [f"*{escaped(run.name)}*"] if run.name else []


def _table(table: Table) -> str:
    """Return a table as GitHub reads it, its caption above."""
    count = len(table.headings)
    is_left = [
        place < table.names or (table.words and place == count - 1) for place in range(count)
    ]
    sides = [":---" if left else "---:" for left in is_left]
    rows = [_row(map(escaped, table.headings)), _row(sides)]
    rows += [_row(map(escaped, row)) for row in table.rows]
    caption = f"{escaped(table.caption)}\n\n" if table.caption else ""
    return caption + "\n".join(rows)


def _row(cells: Sequence[str] | map[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str, language: str) -> str:
    """Return a block of code, in a fence that is longer than any in it."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
