"""The report of a replay as one HTML page that needs nothing else: no script, no file besides, every text escaped."""

from html import escape
from typing import TYPE_CHECKING

from cli.replay_plot import plot
from cli.replay_text import EXIT_COLUMNS, exits, figures, headline

if TYPE_CHECKING:
    from brokers.replay.summary import Summary

_WIDTH, _HEIGHT = 860, 300
_LEFT, _BOTTOM, _TOP = 90, 30, 12

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6a737d; --rule: #d0d7de; --line: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #8b949e; --rule: #30363d; --line: #58a6ff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } th, td { padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
table.exits td:not(:first-child), table.exits th:not(:first-child) { text-align: right; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--faint); } .grid { stroke: var(--rule); }
.curve { fill: none; stroke: var(--line); stroke-width: 1.5; stroke-linejoin: round; } .start { stroke: var(--faint); stroke-dasharray: 4 4; }
p.note { color: var(--faint); font-size: .85rem; }
"""


def html_report(summary: "Summary") -> bytes:
    """The page, UTF-8. The same summary gives the same bytes."""
    rows = "\n".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in figures(summary))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Replay of {escape(summary.instrument)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Replay of {escape(summary.instrument)}</h1>
<p>{escape(headline(summary))}</p>
<h2>Equity, {escape(summary.currency)}</h2>
{_svg(summary)}
<h2>What came of it</h2>
<table>
{rows}
</table>
{_exits(summary)}
<p class="note">Paper fills on recorded quotes: nobody's order moved this market, and nothing was late. Docs: docs/replay.md</p>
</body>
</html>
""".encode()


def _svg(summary: "Summary") -> str:
    drawn = plot(summary, width=_WIDTH - _LEFT - 20, height=_HEIGHT)
    down = _TOP + _HEIGHT

    def across(y: float, kind: str) -> str:
        return f'<line class="{kind}" x1="{_LEFT}" x2="{_LEFT + drawn.width:g}" y1="{down - y:.2f}" y2="{down - y:.2f}"/>'

    grid = "\n".join(
        f'{across(y, "grid")}<text x="{_LEFT - 8}" y="{down - y + 4:.2f}" text-anchor="end">{escape(label)}</text>' for y, label in drawn.money
    )
    times = "\n".join(f'<text x="{_LEFT + x:.2f}" y="{down + 20}" text-anchor="middle">{escape(label)}</text>' for x, label in drawn.times)
    points = " ".join(f"{_LEFT + x:.2f},{down - y:.2f}" for x, y in drawn.line)
    title = f"Equity from {summary.balance_start:,.2f} to {summary.equity_end:,.2f} {summary.currency}"
    return f"""<svg viewBox="0 0 {_WIDTH + 20} {down + _BOTTOM}" role="img" aria-label="{escape(title)}">
{grid}
{across(drawn.start, "start")}
{times}
<polyline class="curve" points="{points}"/>
</svg>"""


def _exits(summary: "Summary") -> str:
    rows = exits(summary)
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in EXIT_COLUMNS)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<h2>By exit</h2>\n<table class="exits">\n<tr>{head}</tr>\n{body}\n</table>'
