"""How the results browser's list looks; colours come from JupyterLab's theme, as a panel's do."""

from lab.panels.keys import STYLE_TAG

STYLE = (
    STYLE_TAG
    + """
.exchange-lab-results { border-top: 1px solid var(--jp-border-color2, #e0e0e0); margin-top: 4px; }
.exchange-lab-result { border-bottom: 1px solid var(--jp-border-color2, #e0e0e0); }
.exchange-lab-result label.widget-label-basic { display: flex !important;
  align-items: flex-start; gap: 6px;
  width: 100%; height: auto !important; line-height: 1.35 !important; padding: 1px 0; }
.exchange-lab-result input { flex: 0 0 auto; margin: 3px 0 0 2px !important; }
.exchange-lab-result label.widget-label-basic > span { flex: 1 1 auto; min-width: 0;
  white-space: normal !important;
  overflow: hidden !important; height: auto !important; line-height: 1.35 !important; }
.exchange-lab-result .result { display: block; font-size: 12px;
  color: var(--jp-ui-font-color1, #202124); }
.exchange-lab-result .top { display: flex; gap: 6px; white-space: nowrap; }
.exchange-lab-result .when { color: var(--jp-ui-font-color2, #5f6368);
  font-variant-numeric: tabular-nums; }
.exchange-lab-result .what { flex: 1 1 auto; overflow: hidden; text-overflow: ellipsis;
  font-weight: 600; }
.exchange-lab-result .when { font-size: 11px; padding-right: 2px; }
.exchange-lab-result .tag { font-size: 11px; color: var(--jp-ui-font-color2, #5f6368);
  font-style: italic; }
.exchange-lab-result .found { display: block; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; color: var(--jp-ui-font-color2, #5f6368); font-size: 11px; }
.exchange-lab-result .stable .state { color: var(--jp-success-color0, #00755a); }
.exchange-lab-result .not-stable .state { color: var(--jp-warn-color0, #b34700); }
.exchange-lab-result .failed .state { color: var(--jp-error-color0, #b3261e); }
.exchange-lab-result .unreadable, .exchange-lab-result .unreadable .found
  { color: var(--jp-ui-font-color3, #757575); font-style: italic; }
.exchange-lab-beside { overflow-x: auto; }
.exchange-lab-beside td:last-child { white-space: normal; min-width: 15em; }
.exchange-lab-beside ul { margin: 4px 0 8px; padding-left: 18px; font-size: 12px; }
.exchange-lab-beside li { line-height: 1.4; overflow-wrap: anywhere; white-space: normal; }
</style>"""
)
