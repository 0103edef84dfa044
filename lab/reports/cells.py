"""A notebook's cells as HTML in which nothing runs and nothing is fetched.

Not for what a page looks like: ``notebook.html`` has that.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

WIDGET = "application/vnd.jupyter.widget-view+json"
_NO_FIGURE = "a control, which works in the lab only: lab open"
_PICTURES = ("image/png", "image/jpeg", "image/gif")
_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div"),
    *("dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i"),
    *("img", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "summary"),
    *("sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"),
}
_LOOKS = CSSSanitizer(
    allowed_css_properties=[
        *("color", "font-size", "font-style", "font-weight", "margin", "max-width"),
        *("padding", "text-align", "vertical-align", "white-space", "width", "height"),
    ]
)
# What stands within these is no text, so it goes with them; bleach would leave it.
_UNSEEN = re.compile(r"<(style|script|template|noscript)\b.*?(</\1\s*>|$)", re.S | re.I)
_POINTS_AN_INCH = 72.0
_FORMULA_POINTS = 11.0


class StyledCode:
    """Python in colours, without a script."""

    _format = HtmlFormatter(style="default", nowrap=False)

    @classmethod
    def html(cls, source: str) -> Markup:
        """Return code as HTML."""
        return Markup(highlight(source, PythonLexer(stripnl=False), cls._format))

    @classmethod
    def css(cls) -> str:
        """Return the colours."""
        return cls._format.get_style_defs(".highlight")


class Cells:
    """Turns cells of one notebook into clean HTML.

    Parameters
    ----------
    folder
        Where the notebook lies: pictures that its texts name are put into the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def markdown(self, source: str, attachments: dict[str, Any] | None = None) -> Markup:
        """Return a text cell."""
        renderer = _Renderer(
            escape=False,
            embed_images=True,
            exclude_anchor_links=True,
            path=str(self._folder),
            attachments=attachments or {},
        )
        return cleaned(MarkdownWithMath(renderer=renderer).render(source))

    def output(self, output: Any) -> Markup:
        """Return an output: the richest of its forms that needs no program to be seen."""
        if output.output_type == "stream":
            return _text(output.text, f"stream {output.name}")
        if output.output_type == "error":
            return _text("\n".join(output.traceback), "error")
        return self._rich(output.data, output.get("metadata", {}))

    def _rich(self, forms: dict[str, Any], about: dict[str, Any]) -> Markup:
        if "text/html" in forms:
            return cleaned(_joined(forms["text/html"]))
        for kind in _PICTURES:
            if kind in forms:
                return _picture(kind, _joined(forms[kind]).replace("\n", ""), about.get(kind, {}))
        if "image/svg+xml" in forms:
            svg = base64.b64encode(_joined(forms["image/svg+xml"]).encode()).decode()
            return _picture("image/svg+xml", svg, about.get("image/svg+xml", {}))
        if "text/markdown" in forms:
            return self.markdown(_joined(forms["text/markdown"]))
        if "text/latex" in forms:
            return cleaned(formula(_joined(forms["text/latex"]).strip("$ \n")))
        if WIDGET in forms:
            return _text(_NO_FIGURE, "quiet")
        return _text(_joined(forms.get("text/plain", "")), "")


class _Renderer(IPythonRenderer):
    """Draws formulas, for which a page would else need a script from elsewhere."""

    def block_math(self, body: str) -> str:
        return f"<p>{formula(body)}</p>"

    def inline_math(self, body: str) -> str:
        return formula(body)

    def latex_environment(self, name: str, body: str) -> str:
        return f"<p>{formula(body)}</p>"


def cleaned(text: str) -> Markup:
    """Return HTML with what only shows: no script, no style sheet, no address but of links."""
    return Markup(
        bleach.clean(
            _UNSEEN.sub("", text),
            tags=_TAGS,
            attributes=_may_stand,
            protocols={"http", "https", "mailto", "data"},
            css_sanitizer=_LOOKS,
            strip=True,
        )
    )


def _may_stand(tag: str, name: str, value: str) -> bool:
    """Say whether an attribute may stand: a picture has to bring itself along."""
    if name == "src":
        return tag == "img" and value.startswith("data:image/")
    if name == "href":
        return tag == "a" and not value.lower().lstrip().startswith("data:")
    return name in ("alt", "class", "colspan", "id", "open", "rowspan", "scope", "style", "title")


def formula(text: str) -> str:
    """Return a formula as a drawing that stands on its line; as code where it cannot be drawn."""
    source = f"${' '.join(text.split())}$"
    words = html.escape(text.strip())
    try:
        with rc_context({"svg.hashsalt": "exchange-lab", "svg.fonttype": "path"}):
            svg, depth = _drawn(source)
    except ValueError:  # TeX of which matplotlib knows nothing
        return f"<code>{words}</code>"
    address = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    style = f"vertical-align: {-depth:.1f}pt"
    return f'<img class="formula" alt="{words}" style="{style}" src="{address}">'


def _drawn(source: str) -> tuple[bytes, float]:
    """Return a formula as SVG, and how far it reaches below its line, in points."""
    from matplotlib.font_manager import FontProperties

    letters = FontProperties(size=_FORMULA_POINTS)
    wide, high, depth, *_ = MathTextParser("path").parse(source, _POINTS_AN_INCH, letters)
    figure = Figure(figsize=(wide / _POINTS_AN_INCH, high / _POINTS_AN_INCH))
    figure.patch.set_alpha(0.0)
    figure.text(0, depth / high, source, fontproperties=letters)
    sheet = io.BytesIO()
    figure.savefig(sheet, format="svg", metadata={"Date": None, "Creator": None})
    return sheet.getvalue(), depth


def _picture(kind: str, data: str, about: dict[str, Any]) -> Markup:
    words = html.escape(str(about.get("alt", "")))
    width = about.get("width")
    wide = f' style="width: {int(width)}px"' if isinstance(width, int | float) else ""
    return cleaned(f'<img alt="{words}"{wide} src="data:{kind};base64,{data}">')


def _text(text: str, kind: str) -> Markup:
    return Markup(f'<pre class="{html.escape(kind)}">{html.escape(strip_ansi(text))}</pre>')


def _joined(text: str | list[str]) -> str:
    """Return a text that a notebook may hold as a list of lines."""
    return text if isinstance(text, str) else "".join(text)
