"""A plain HTML page with everything inside it: no script, no file beside it, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

from models.evaluation.sheet import Sheet

STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2933; background: #fff;
  max-width: 1120px; margin: 0 auto; padding: 24px 28px 64px; }
h1 { font-size: 26px; margin: 8px 0 4px; }
h2 { font-size: 20px; margin: 44px 0 8px; padding-bottom: 4px; border-bottom: 2px solid #cbd2d9; }
p { margin: 8px 0; max-width: 80ch; }
nav a { margin-right: 16px; color: #1565c0; text-decoration: none; }
.row { display: flex; flex-wrap: wrap; gap: 20px 36px; align-items: flex-start; }
figure { margin: 14px 0; }
figure.half { width: calc(50% - 18px); min-width: 380px; }
figure.third { width: calc(33.3% - 24px); min-width: 300px; }
img { width: 100%; height: auto; display: block; }
figcaption { font-size: 13px; color: #52606d; }
.sheet { margin: 14px 0; max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { padding: 3px 12px; text-align: right; border-bottom: 1px solid #e4e7eb; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: pre; }
thead th { border-bottom: 2px solid #cbd2d9; font-weight: 600; }
tr.published td { color: #7b5c00; background: #fff8e6; }
.note { font-size: 13px; color: #52606d; margin: 4px 0; max-width: 90ch; }
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file and what it shows."""

    content: bytes
    caption: str
    kind: str = "png"
    """Or "jpeg"."""
    width: str = "whole"
    """Or "half", "third" of the page."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, in this order; what is narrow enough shares a line."""

    anchor: str
    heading: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    sheets: tuple[Sheet, ...] = ()


def page(title: str, lead: str, sections: Iterable[Section]) -> str:
    """The whole document."""
    shown = list(sections)
    links = "".join(f'<a href="#{escape(part.anchor)}">{escape(part.heading)}</a>' for part in shown)
    body = "\n".join(_section(part) for part in shown)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def _section(part: Section) -> str:
    text = f"<p>{escape(part.text)}</p>" if part.text else ""
    pictures = "".join(_figure(picture) for picture in part.pictures)
    sheets = "\n".join(_table(sheet) for sheet in part.sheets)
    return (
        f'<section id="{escape(part.anchor)}">\n<h2>{escape(part.heading)}</h2>\n{text}\n'
        f'<div class="row">{pictures}\n{sheets}</div>\n</section>'
    )


def _figure(picture: Picture) -> str:
    source = f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode('ascii')}"
    caption = escape(picture.caption)
    return (
        f'<figure class="{escape(picture.width)}"><img alt="{caption}" src="{escape(source)}">'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _table(sheet: Sheet) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in sheet.columns)
    rows = "\n".join(
        f"<tr{_row_class(row)}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in sheet.rows
    )
    note = f'<p class="note">{escape(sheet.note)}</p>' if sheet.note else ""
    return (
        f'<div class="sheet"><table><caption>{escape(sheet.title)}</caption><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table>{note}</div>"
    )


def _row_class(row: tuple[str, ...]) -> str:
    return ' class="published"' if row[0].startswith("published") else ""
