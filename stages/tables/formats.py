"""Documents of tables in Markdown, LaTeX and HTML; one small tree, three writers, the same bytes for the same tree."""

import html
import re
from dataclasses import dataclass, field

NOTHING = "–"


@dataclass(frozen=True)
class Block:
    """One table: its heading, the column headings, and rows of plain text, the first cell naming the row."""

    heading: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Document:
    """A titled sequence of tables. `labels` are what nobody may overlook; they come first."""

    title: str
    labels: list[str]
    blocks: list[Block]
    notes: list[str] = field(default_factory=list)


def counts_text(total: dict[str, int]) -> str:
    """Numbers with what they are of, in a line."""
    return ", ".join(f"{number} {verdict}" for verdict, number in total.items())


def of_this_run(label_lines: list[str]) -> list[str]:
    """The note that says it where not all numbers of a document are this run's."""
    return [" ".join(["This run:", *label_lines])] if label_lines else []


def to_markdown(document: Document) -> str:
    """GitHub-flavoured Markdown."""
    parts = [f"# {_markdown(document.title)}", *(f"> **{_markdown(label)}**" for label in document.labels)]
    for block in document.blocks:
        lines = [block.header, ["---"] * len(block.header), *block.rows]
        parts.append(f"## {_markdown(block.heading)}")
        parts.append("\n".join("| " + " | ".join(_markdown(cell) for cell in line) + " |" for line in lines))
    if document.notes:
        parts.append("\n".join(f"- {_markdown(note)}" for note in document.notes))
    return "\n\n".join(parts) + "\n"


def to_latex(document: Document) -> str:
    r"""A fragment to \input; needs the package booktabs and nothing else."""
    parts = [
        r"% needs \usepackage{booktabs}",
        r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\parindent}{0pt}",
        rf"\textbf{{{_latex(document.title)}}}\par\medskip",
        *(rf"\textbf{{{_latex(label)}}}\par\medskip" for label in document.labels),
    ]
    for block in document.blocks:
        parts += [
            rf"\textit{{{_latex(block.heading)}}}\par\nopagebreak\smallskip",
            rf"\begin{{tabular}}{{@{{}}{_latex_columns(block)}@{{}}}}",
            r"\toprule",
            _latex_row(block.header),
            r"\midrule",
            *(_latex_row(row) for row in block.rows),
            r"\bottomrule",
            r"\end{tabular}\par\medskip",
        ]
    if document.notes:
        notes = [rf"\item {_latex(note)}" for note in document.notes]
        parts += [r"\begin{itemize}", *notes, r"\end{itemize}"]
    return "\n".join([*parts, r"\endgroup"]) + "\n"


def to_html(document: Document) -> str:
    """A page of its own: no outside files, readable with a screen reader and on a small screen."""
    parts = [_HEAD.format(title=_html(document.title))]
    parts += [f'<p class="label" role="note"><strong>{_html(label)}</strong></p>' for label in document.labels]
    for block in document.blocks:
        head = "".join(f'<th scope="col">{_html(cell)}</th>' for cell in block.header)
        parts.append(f'<div class="wide" role="region" tabindex="0" aria-label="{_html(block.heading)}"><table>')
        parts.append(f"<caption>{_html(block.heading)}</caption>")
        parts.append(f"<thead><tr>{head}</tr></thead>\n<tbody>")
        for first, *rest in block.rows:
            cells = "".join(f"<td>{_html(cell)}</td>" for cell in rest)
            parts.append(f'<tr><th scope="row">{_html(first)}</th>{cells}</tr>')
        parts.append("</tbody></table></div>")
    if document.notes:
        notes = "".join(f"<li>{_html(note)}</li>\n" for note in document.notes)
        parts.append(f"<h2>Notes</h2>\n<ul>\n{notes}</ul>")
    return "\n".join([*parts, "</main>\n</body>\n</html>"]) + "\n"


_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; line-height: 1.4; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 1rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
caption {{ font-weight: bold; text-align: left; padding: .3rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: .2rem .7rem; border-bottom: 1px solid #bbb; }}
thead th {{ border-top: 2px solid #1a1a1a; border-bottom: 1px solid #1a1a1a; }}
tbody th {{ font-weight: normal; }}
.wide {{ overflow-x: auto; }}
.label {{ border-left: .3rem solid #8a3b00; padding: .4rem .8rem; background: #fdf1e7; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>"""  # noqa: E501

_LATEX = {
    **{character: "\\" + character for character in "&%$#{}"},
    "_": r"\_\allowbreak{}",  # a long name may break there
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # a bracket after \\ would be read as its argument
    "[": "{[}",
    "]": "{]}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "✓": r"$\surd$",
    "→": r"$\rightarrow$",
    "á": r"\'{a}",
    "é": r"\'{e}",
    "ü": r"\"{u}",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_columns(block: Block) -> str:
    """Short columns as wide as they are; the others wrap, and share what is left of a line of article's 345 pt."""
    longest = [max(len(cell) for cell in column) for column in zip(block.header, *block.rows, strict=True)]
    wide = [length > 20 for length in longest]
    taken = sum(4.5 * length for length, wraps in zip(longest, wide, strict=True) if not wraps) + 6 * (len(wide) - 1)
    share = max(0.11, (1 - taken / 345) / max(1, sum(wide)))
    return "".join(rf"p{{{share:.3f}\linewidth}}" if wraps else "l" for wraps in wide)


def _latex_row(cells: list[str]) -> str:
    return " & ".join(_latex(cell) for cell in cells) + r" \\"


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>])", r"\\\1", text) if text != "---" else text


def _html(text: str) -> str:
    return html.escape(text, quote=True)
