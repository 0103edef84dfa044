"""A panel's pieces of HTML, every text escaped; colours come from JupyterLab's theme.

A figure is a light sheet in both themes, the rest takes the theme's own colours.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from lab import tables
from lab.measure.result import Result
from lab.panels.keys import STYLE_TAG
from lab.plots import reading

STYLE = (
    STYLE_TAG
    + """
.exchange-lab { color: var(--jp-ui-font-color1, #202124); font-size: 13px; }
.exchange-lab img { display: block; width: 100%; height: auto; background: white; }
.exchange-lab .figure { max-width: 650px; }
.exchange-lab table { border-collapse: collapse; font-size: 12px; margin: 0; width: auto;
  color: var(--jp-ui-font-color1, #202124); background: transparent; }
.exchange-lab table caption { display: none; }
.exchange-lab th, .exchange-lab td { padding: 1px 12px 1px 0 !important; line-height: 1.45;
  text-align: right; border: 0;
  border-bottom: 1px solid var(--jp-border-color2, #e0e0e0); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.exchange-lab th { font-weight: normal; color: var(--jp-ui-font-color2, #5f6368); }
.exchange-lab .name { text-align: left; }
.exchange-lab table + table { margin-top: 7px; }
.exchange-lab td.words { white-space: normal; min-width: 15em; }
.exchange-lab .scroll { overflow-x: auto; }
.exchange-lab h4 { margin: 0; font-size: 15px; font-weight: 600; line-height: 1.4; }
.exchange-lab .quiet { color: var(--jp-ui-font-color2, #5f6368); line-height: 1.4;
  overflow-wrap: anywhere; white-space: normal; }
.exchange-lab .quiet a { color: var(--jp-content-link-color, #0b57d0);
  text-decoration: underline; }
.exchange-lab .verdict { padding: 3px 10px; line-height: 1.4;
  border-left: 4px solid var(--jp-success-color1, #00755a); }
.exchange-lab .shaky { border-left-color: var(--jp-warn-color1, #c44f00); }
.exchange-lab .problem { padding: 3px 10px; line-height: 1.4; overflow-wrap: anywhere;
  border-left: 4px solid var(--jp-error-color1, #b3261e); }
.exchange-lab .copies { display: flex; gap: 8px; align-items: center; }
.exchange-lab .copies > .quiet { flex: 0 0 104px; }
.exchange-lab .copies > :last-child { flex: 1 1 auto; min-width: 0; }
.exchange-lab .copy { display: flex; gap: 6px; margin: 2px 0; }
.exchange-lab .copy input { flex: 1 1 auto; min-width: 0; font-size: 12px; padding: 2px 6px;
  font-family: var(--jp-code-font-family, monospace); color: var(--jp-content-font-color1, #202124);
  background: var(--jp-layout-color2, #f4f5f6);
  border: 1px solid var(--jp-border-color2, #e0e0e0); }
.exchange-lab .copy button { font-size: 12px; padding: 1px 8px; cursor: pointer;
  color: var(--jp-ui-font-color1, #202124); background: var(--jp-layout-color2, #f4f5f6);
  border: 1px solid var(--jp-border-color1, #c0c0c0); }
.exchange-lab .figure.wide { max-width: 940px; }
.exchange-lab .said { padding: 2px 0; font-size: 14px; }
.exchange-lab .said code { font-size: 14px; font-weight: 600; background: transparent; }
.exchange-lab .events { max-width: 940px; min-height: 112px; max-height: 168px;
  overflow: auto; }
.exchange-lab-panel .jupyter-widgets:not(.jupyter-button)
  { margin-top: 1px; margin-bottom: 1px; }
.exchange-lab .group { color: var(--jp-ui-font-color2, #5f6368); font-size: 12px;
  line-height: 1.3; margin-top: 2px; }
.exchange-lab-remove.jupyter-button { padding: 0; text-overflow: clip; }
.exchange-lab-heading.jupyter-button { text-align: left; padding: 0 4px; line-height: 26px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-shadow: none;
  color: var(--jp-ui-font-color1, #202124); background: transparent; }
.exchange-lab-fold .jupyter-widget-Collapse-contents
  { padding: 2px 0 !important; border: 0 !important; }
.exchange-lab-fold .jupyter-widget-Collapse-header { padding: 2px 6px !important; }
.exchange-lab-earlier label, .exchange-lab-earlier span
  { white-space: normal !important; overflow: visible !important; height: auto !important;
    line-height: 1.3 !important; }
.exchange-lab .finding { font-weight: 600; line-height: 1.35; }
.exchange-lab .notes { font-size: 12px; cursor: pointer; max-width: 650px; }
.exchange-lab .notes summary { display: -webkit-box; -webkit-box-orient: vertical;
  -webkit-line-clamp: 2; overflow: hidden; }
.exchange-lab .notes[open] summary { -webkit-line-clamp: none; }
.exchange-lab-tabs > .widget-tab-contents, .exchange-lab-tabs .jupyter-widget-tab-contents
  { padding: 2px 0 0 !important; border: 0 !important; overflow: hidden; }
</style>"""
)


def heading(title: str, question: str) -> str:
    """Return the panel's first line."""
    return _framed(
        f"<h4>{escape(title)} <span class='quiet' style='font-weight:normal'>"
        f"— {escape(question)}</span></h4>",
        STYLE,
    )


def group(name: str) -> str:
    """Return the heading of a group of controls."""
    return _framed(f'<div class="group">{escape(name)}</div>')


def figure(png: bytes, alt: str) -> str:
    """Return a figure as an image with its alternative text."""
    data = base64.b64encode(png).decode()
    return _framed(
        f'<div class="figure"><img alt="{escape(alt)}" src="data:image/png;base64,{data}"></div>'
    )


def table(runs: Sequence[Result], case: str | None) -> str:
    """Return the tables of the results shown, the present one first."""
    parts: list[tables.Table] = []
    compared: list[tables.Table] = []
    found_cases = {item.case for item in runs[0].measurements}
    if case is None and len(found_cases) == 1:
        case = next(iter(found_cases))
    cases = None if case is None else [case]
    for index, run in enumerate(runs):
        sign = reading.mark(index)
        found = tables.measurements(run, sign, cases)
        if not found and not index:  # an earlier run without this case has nothing to say of it
            found = tables.measurements(run, sign)
        if case is not None:  # one case, named above the table: a row fits the figure's width
            found = [item.without("case", "p99.99", "max", "runs") for item in found]
        parts += found
        compared += [
            item.without("case", "times as fast") for item in tables.comparisons(run, sign, cases)
        ]
    shown = tables.joined(parts)
    if len({item.caption for item in shown}) > 1:
        shown = [item.named_first() for item in shown]
    shown += tables.joined(compared)
    tables_html = "".join(item.to_html() for item in shown)
    return _framed(f'<div class="scroll">{tables_html}</div>')


def verdict(result: Result) -> str:
    """Return the verdict, marked in colour and in words."""
    shaky = "" if result.verdict.stable else " shaky"
    return _framed(f'<div class="verdict{shaky}">{escape(tables.verdict(result))}</div>')


def said(place: str, command: str = "") -> str:
    """Return a command as it was given, with its number."""
    code = f" <code>{escape(command)}</code>" if command else ""
    return _framed(f'<div class="said"><span class="quiet">{escape(place)}</span>{code}</div>')


def listed(table_html: str, rest: str) -> str:
    """Return a table that scrolls where it is long, and what it leaves out."""
    more = f'<div class="quiet">{escape(rest)}</div>' if rest else ""
    return _framed(f'<div class="events">{table_html}{more}</div>')


def drawing(svg: str, alt: str) -> str:
    """Return a drawing as an image with its alternative text."""
    data = base64.b64encode(svg.encode()).decode()
    return _framed(
        f'<div class="figure wide"><img alt="{escape(alt)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
    )


def problem(text: str) -> str:
    """Return a message about something that went wrong."""
    return _framed(f'<div class="problem" role="alert">{escape(text)}</div>') if text else ""


def quiet(text: str) -> str:
    """Return a remark."""
    return _framed(f'<div class="quiet">{escape(text)}</div>') if text else ""


def so_far(text: str) -> str:
    """Return a remark that what stands under it is not the end of it."""
    return _framed(f'<div class="verdict shaky" role="status">{escape(text)}</div>')


def to_copy(title: str, *lines: str) -> str:
    """Return lines of text to copy, each with a button; without scripts they can be selected.

    The title stands beside them: above them it would push the last one off a laptop's screen.
    """
    parts = "".join(_line_to_copy(line) for line in lines)
    return _framed(
        f'<div class="copies"><div class="quiet">{escape(title)}</div><div>{parts}</div></div>'
    )


def exported(path: str, address: str | None) -> str:
    """Return where a report lies, with a link where the server is known to serve it."""
    link = f' <a href="{escape(address)}" target="_blank">open</a>' if address else ""
    return _framed(f'<div class="quiet">report: {escape(path)}{link}</div>')


def _line_to_copy(line: str) -> str:
    text = escape(line)
    script = (
        "navigator.clipboard.writeText(this.previousElementSibling.value);this.textContent='copied'"
    )
    return (
        f'<div class="copy"><input readonly value="{text}" aria-label="to copy"'
        f' onfocus="this.select()"><button onclick="{script}">copy</button></div>'
    )


def _framed(content: str, style: str = "") -> str:
    return f'{style}<div class="exchange-lab">{content}</div>'
