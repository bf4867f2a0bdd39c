"""The page around the report: HTML pieces and the one style sheet, readable in light, dark and print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lightune.runs.marked import Html

STYLE = """
:root { color-scheme: light dark; --paper:#fff; --ink:#1d2430; --soft:#5b6675; --rule:#dde2e9;
  --card:#f5f7fa;
  --a:#1769c2; --b:#c4570d; --faint:#a9b4c2; --good:23,105,194; --bad:196,60,30; --note:#fff6df;
  --mark:#e0a100; }
@media (prefers-color-scheme: dark) { :root { --paper:#14181e; --ink:#e4e8ee; --soft:#9aa6b5;
  --rule:#313a46;
  --card:#1c222b; --a:#69aef5; --b:#f0975a; --faint:#566272; --good:90,160,240; --bad:240,120,90;
  --note:#2c2613; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink); line-height:1.55;
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC","PingFang SC",
  "Microsoft YaHei",sans-serif; }
main { max-width:880px; margin:0 auto; padding:28px 20px 60px; }
h1 { font-size:28px; line-height:1.25; margin:0 0 16px; overflow-wrap:anywhere; }
h2 { font-size:20px; margin:40px 0 6px; padding-top:14px; border-top:1px solid var(--rule); }
h3 { font-size:16px; margin:20px 0 4px; }
p { margin:6px 0 10px; } .soft, .plain { color:var(--soft); } .plain { max-width:72ch; }
dl.facts { display:grid; grid-template-columns:repeat(auto-fill,minmax(190px,1fr)); gap:10px; margin:0; }
dl.facts div { background:var(--card); border-radius:8px; padding:8px 12px; }
dt { color:var(--soft); font-size:13px; } dd { margin:0; font-weight:600; overflow-wrap:anywhere; }
.verdict { background:var(--card); border-left:5px solid var(--a); border-radius:6px; padding:12px 16px;
  font-size:17px; }
.note { background:var(--note); border-left:5px solid var(--mark); border-radius:6px; padding:8px 14px;
  margin:8px 0; }
table { border-collapse:collapse; width:100%; font-size:14px; margin:8px 0; }
th, td { text-align:left; padding:6px 10px; border-bottom:1px solid var(--rule); vertical-align:top; }
th { color:var(--soft); font-weight:600; } td.n { text-align:right; white-space:nowrap;
  font-variant-numeric:tabular-nums; } th.n { text-align:right; } tr.own td { font-weight:700; }
.wide { overflow-x:auto; } td.text { min-width:22em; overflow-wrap:anywhere; }
td { overflow-wrap:break-word; }
table.heat { width:auto; } table.heat td, table.heat th { text-align:center; border:2px solid var(--paper);
  padding:7px 10px; overflow-wrap:normal; } table.heat th[scope=row] { text-align:right; }
table.heat td.corner { color:var(--soft); font-size:12px; }
td.hit { background:color-mix(in srgb, rgb(var(--good)) var(--share), var(--card)); }
td.miss { background:color-mix(in srgb, rgb(var(--bad)) var(--share), var(--card)); }
td.dark { color:#fff; font-weight:600; }
svg { display:block; width:100%; max-width:680px; height:auto; font-size:13px; margin:6px 0; }
svg text { fill:var(--ink); } svg .small { font-size:12px; fill:var(--soft); } svg .strong {
  font-weight:700; fill:var(--ink); }
.grid { stroke:var(--rule); } .whisker { stroke:var(--ink); stroke-width:2; } .ideal { stroke:var(--faint);
  stroke-dasharray:5 4; } .bar { fill:var(--faint); } .bar-main { fill:var(--a); } .line { fill:none;
  stroke-width:2; }
.line-a { stroke:var(--a); } .line-b { stroke:var(--b); } .line-faint { stroke:var(--faint); }
.dot { fill:var(--paper); stroke-width:2; } .point { fill:var(--a); fill-opacity:.35; }
.key span { margin-right:18px; font-size:14px; } .swatch { display:inline-block; width:18px;
  border-top:4px solid;
  margin-right:6px; vertical-align:middle; } i.line-a { color:var(--a); } i.line-b { color:var(--b); }
i.line-faint { color:var(--faint); }
footer { margin-top:48px; color:var(--soft); font-size:13px; }
@media print { :root { color-scheme:light; --paper:#fff; --ink:#000; --soft:#444; --rule:#ccc;
  --card:#f4f4f4;
  --a:#1769c2; --b:#c4570d; --faint:#a9b4c2; --good:23,105,194; --bad:196,60,30; --note:#fff6df; }
  body { font-size:12px; } * { print-color-adjust:exact; -webkit-print-color-adjust:exact; }
  svg, tr, .verdict, .note { break-inside:avoid; } h2 { break-after:avoid; } .wide { overflow:visible; } }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document that loads nothing from anywhere (its policy forbids it)."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def section(title: str, plain: str, *parts: str) -> str:
    """A headed section: what it shows in `plain` words, then its parts; empty without parts."""
    body = "".join(parts)
    if not body:
        return ""
    words = f'<p class="plain">{escape(plain)}</p>' if plain else ""
    return f"<section><h2>{escape(title)}</h2>{words}{body}</section>"


def paragraph(words: str, style: str = "") -> str:
    """One escaped paragraph; nothing when there are no words."""
    return f'<p class="{style}">{escape(words)}</p>' if words else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names with their values, as small cards."""
    cards = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(str(v))}</dd></div>" for n, v in pairs)
    return f'<dl class="facts">{cards}</dl>' if cards else ""


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    texts: Sequence[int] = (),
    own: int | None = None,
) -> str:
    """A table of escaped cells; `numbers` and `texts` are columns, `own` is the row to stress."""

    def style(column: int) -> str:
        return ' class="n"' if column in numbers else ' class="text"' if column in texts else ""

    head = "".join(f'<th scope="col"{style(i)}>{escape(name)}</th>' for i, name in enumerate(header))
    lines = []
    for position, row in enumerate(rows):
        cells = "".join(f"<td{style(i)}>{_cell(cell)}</td>" for i, cell in enumerate(row))
        lines.append(f"<tr{' class=own' if position == own else ''}>{cells}</tr>")
    if not lines:
        return ""
    body = "".join(lines)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value))
