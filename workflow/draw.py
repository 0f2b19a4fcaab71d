"""The pipeline drawn: entries of dvc.yaml by chapter, and what leads to a table or figure.

    python -m workflow.draw                  # write reports/graph/pipeline.svg, for the lists now in params.yaml
    python -m workflow.draw --text           # for a terminal, with what each table and figure takes
    python -m workflow.draw "table 2.2"      # the stages that lead to a table, a figure or a stage

Stages and edges are DVC's, as it resolves them. Tables and figures are those that the `desc` of an entry names.
A chapter is shown with the stages of others that lead to it or collect from it.
"""

import argparse
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any
from xml.sax.saxutils import escape

import networkx as nx

from stages.core.command import exit_on_error
from stages.core.files import replacing
from stages.core.stage import CODE
from workflow import graph, scale, stale
from workflow.lock import descriptions

OUT = Path("reports/graph/pipeline.svg")
ITEM = re.compile(r"(table|figure)\s*(\d+\.\d+[a-z]?)", re.IGNORECASE)
# "Tables 2.2 and 2.3": one word, several numbers.
NAMED = re.compile(r"\b(table|figure)s? ((?:\d+\.\d+[a-z]?(?:, and |, | and )?)+)", re.IGNORECASE)

WIDTH, LINE, PAD, GAP_X, GAP_Y, MARGIN = 240, 15, 9, 52, 16, 24
WRAP = 36  # characters of a box's line
STYLE = """
text { font-family: Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 11px; fill: #333 }
.chapter { font-size: 17px; font-weight: bold }
.name { font-size: 12px; font-weight: bold; fill: #111 }
.count { font-weight: normal; fill: #666 }
.own { fill: #eaf2fb; stroke: #4a7ebb }
.shared { fill: #f4f4f4; stroke: #999 }
path { fill: none; stroke: #888; stroke-width: 1.3 }
"""


def entry(stage: str) -> str:
    """The entry of dvc.yaml that a stage instance belongs to."""
    return stage.partition("@")[0]


def chapter(step: graph.Step) -> str | None:
    """The package under stages/ that holds the stage's code, if it is a chapter's."""
    packages = [dep.removeprefix(CODE).partition(".")[0] for dep in step.deps if dep.startswith(CODE)]
    return next((package for package in packages if re.match(r"ch\d", package)), None)


def stage_graph(steps: list[graph.Step]) -> nx.DiGraph:
    """Stage instances, an edge from each to those that read its outputs; every node has its `chapter`."""
    stages = nx.DiGraph()
    for step in steps:
        stages.add_node(step.name, chapter=chapter(step))
    stages.add_edges_from((source, name) for name, sources in stale.upstream(steps).items() for source in sources)
    return stages


def ubiquitous(stages: nx.DiGraph) -> set[str]:
    """Stages that all others read directly, such as `code`: arrows from them would hide the rest."""
    return {name for name in stages if len(stages) > 1 and stages.out_degree(name) == len(stages) - 1}


def chapters(stages: nx.DiGraph) -> dict[str, nx.DiGraph]:
    """For each chapter the part of the graph that makes its results."""
    parts = {}
    for name in sorted({data for _, data in stages.nodes("chapter") if data}):
        own = {stage for stage, data in stages.nodes("chapter") if data == name}
        near = own.union(*(nx.ancestors(stages, stage) | nx.descendants(stages, stage) for stage in own))
        parts[name] = stages.subgraph(stage for stage in stages if stage in near and stages.nodes[stage]["chapter"] in (name, None))
    return parts


def entries(stages: nx.DiGraph) -> nx.DiGraph:
    """The graph of entries, each with the `count` of its instances, and without the edges that others imply."""
    counts = Counter(entry(stage) for stage in stages)
    full = nx.DiGraph()
    full.add_nodes_from(counts)
    full.add_edges_from((entry(a), entry(b)) for a, b in stages.edges if entry(a) != entry(b))
    reduced = nx.transitive_reduction(full)
    for name, count in counts.items():
        reduced.add_node(name, count=count)
    return reduced


def items(text: str) -> list[str]:
    """The tables and figures that a text names: "Tables 2.2 and 2.3" -> ["Table 2.2", "Table 2.3"]."""
    found = NAMED.findall(text)
    return [f"{kind.capitalize()} {number}" for kind, numbers in found for number in re.findall(r"\d+\.\d+[a-z]?", numbers)]


def leading_to(stages: nx.DiGraph, descriptions: dict[str, str], item: str) -> set[str]:
    """The stage instances that a table, a figure, an entry or a stage takes.

    For "Table 2.2": those of the entries that name it, what these read, and what takes their results on to the last stages
    that are about tables.
    """
    targets = {stage for stage in stages if item in (stage, entry(stage))}
    if targets:
        return targets.union(*(nx.ancestors(stages, stage) for stage in targets))
    named = {stage for stage in stages if item in items(descriptions[entry(stage)])}
    about = {stage for stage in stages if _is_about(descriptions[entry(stage)], item)}
    # A stage that only collects, of other things, such as the page of what is concluded from the tables, is no end of the way.
    rest = {stage for stage in stages if stages.out_degree(stage) or stage in about}
    last = {stage for stage in about if not rest.intersection(stages.successors(stage))}
    on_the_way = last.union(*(nx.ancestors(stages, stage) for stage in last))
    core = named.union(*(nx.descendants(stages, stage) for stage in named)) & on_the_way
    return core.union(*(nx.ancestors(stages, stage) for stage in core - last))


def _is_about(description: str, item: str) -> bool:
    kind = item.split()[0].lower()
    return item in items(description) or (not items(description) and kind in description.lower())


def columns(part: nx.DiGraph) -> dict[str, int]:
    """The column of each entry: as far right as what reads it allows."""
    places: dict[str, int] = {}
    for name in reversed(list(nx.lexicographical_topological_sort(part))):
        places[name] = min((places[reader] - 1 for reader in part.successors(name)), default=0)
    first = min(places.values(), default=0)
    return {name: place - first for name, place in places.items()}


# ------------------------------------------------------------------------------------------------------------ text


def text(stages: nx.DiGraph, descriptions: dict[str, str]) -> str:
    """Entries by chapter, indented by how late they run; then what each table and figure takes."""
    lines = []
    skip = ubiquitous(stages)
    for name, part in chapters(stages).items():
        lines += [name]
        drawn = entries(part.subgraph(set(part) - skip))
        places = columns(drawn)
        for place, box in sorted((place, box) for box, place in places.items()):
            reads = ", ".join(sorted(drawn.predecessors(box)))
            lines += [f"{'  ' * place}  {box} × {drawn.nodes[box]['count']}" + (f" ← {reads}" if reads else "")]
            lines += [f"{'  ' * place}      {descriptions[box]}"]
        lines += [""]
    for item in sorted({item for description in descriptions.values() for item in items(description)}, key=_natural):
        counts = Counter(entry(stage) for stage in stages if stage in leading_to(stages, descriptions, item) - skip)
        lines += [f"{item}: " + ", ".join(f"{name} × {count}" for name, count in counts.items())]
    lines += [f"Every stage also reads {name}: {descriptions[entry(name)]}" for name in sorted(skip)]
    return "\n".join(lines) + "\n"


def text_of(stages: nx.DiGraph, descriptions: dict[str, str], item: str) -> str:
    """The stages that lead to `item`, in an order in which they can run."""
    found = leading_to(stages, descriptions, item)
    instances: dict[str, list[str]] = {}
    for stage in (stage for stage in stages if stage in found):
        instances.setdefault(entry(stage), []).append(stage.partition("@")[2])
    lines = [f"{item}: {len(found)} of {len(stages)} stages"]
    for name, keys in instances.items():
        lines += [f"  {name}" + (f" × {len(keys)}: {', '.join(keys)}" if keys != [""] else "")]
    return "\n".join(lines) + "\n"


def _natural(item: str) -> list[Any]:
    """Tables before figures, 2.9 before 2.10."""
    return [item.startswith("Figure"), *(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item))]


# ------------------------------------------------------------------------------------------------------------- SVG


def svg(stages: nx.DiGraph, descriptions: dict[str, str]) -> str:
    """The drawing: a band for each chapter, time from left to right."""
    skip = ubiquitous(stages)
    body: list[str] = []
    right, top = 0.0, float(MARGIN)
    for name, part in chapters(stages).items():
        top += 17
        body += [f'<text class="chapter" x="{MARGIN}" y="{top:g}">{escape(name)}</text>']
        own = {entry(stage) for stage in part if part.nodes[stage]["chapter"]}
        shapes, band_right, top = _band(entries(part.subgraph(set(part) - skip)), descriptions, own, top + 14)
        body += shapes
        right = max(right, band_right)
        top += MARGIN
    for name in sorted(skip):
        body += [f'<text x="{MARGIN}" y="{top:g}">Every stage also reads {escape(f"{name}: {descriptions[entry(name)]}")}</text>']
        top += LINE
    width, height = right + MARGIN, top + MARGIN - LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}">',
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<polygon points="0,0 8,4 0,8" fill="#888"/></marker></defs>',
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _band(part: nx.DiGraph, descriptions: dict[str, str], own: set[str], top: float) -> tuple[list[str], float, float]:
    """The shapes of one chapter below `top`, and where they end at the right and at the bottom."""
    lines = {name: wrap(descriptions[name], WRAP) for name in sorted(part)}
    layers = _layers(part)
    # A place that an arrow only passes takes the height of a line.
    heights = {name: PAD * 2 + LINE * (1 + len(lines[name])) if name in lines else LINE for layer in layers for name in layer}
    tall = max(sum(heights[name] + GAP_Y for name in layer) - GAP_Y for layer in layers)
    x, middle = {}, {}
    for column, layer in enumerate(layers):
        y = top + (tall - sum(heights[name] + GAP_Y for name in layer) + GAP_Y) / 2
        for name in layer:
            x[name], middle[name] = MARGIN + column * (WIDTH + GAP_X), y + heights[name] / 2
            y += heights[name] + GAP_Y
    shapes = [_arrow([(x[name], middle[name]) for name in path]) for path in _paths(part, layers)]
    for name in lines:
        shapes += _box(name, part.nodes[name]["count"], lines[name], name in own, x[name], middle[name], heights[name])
    return shapes, max(x.values()) + WIDTH, top + tall


def _layers(part: nx.DiGraph) -> list[list[Any]]:
    """Entries by column, and the places (a, b, column) where the arrow from a to b only passes; few crossings."""
    places = columns(part)
    layers: list[list[Any]] = [[] for _ in range(max(places.values()) + 1)]
    for name in sorted(part):
        layers[places[name]].append(name)
    for a, b in sorted(part.edges):
        for column in range(places[a] + 1, places[b]):
            layers[column].append((a, b, column))
    before: dict[Any, list[Any]] = {}
    for path in _paths(part, layers):
        for one, other in pairwise(path):
            before.setdefault(other, []).append(one)
    for left, layer in pairwise(layers):
        rank = {name: place for place, name in enumerate(left)}
        heights = {name: [rank[one] for one in before.get(name, [])] for name in layer}
        layer.sort(key=lambda name: (sum(heights[name]) / len(heights[name]) if heights[name] else len(left), str(name)))
    return layers


def _paths(part: nx.DiGraph, layers: list[list[Any]]) -> list[list[Any]]:
    passed = [place for layer in layers for place in layer if isinstance(place, tuple)]
    return [[a, *(place for place in passed if place[:2] == (a, b)), b] for a, b in sorted(part.edges)]


def _arrow(points: list[tuple[float, float]]) -> str:
    (x, y), *rest = points
    d = f"M{x + WIDTH:g},{y:g}"
    for place, (to_x, to_y) in enumerate(rest):
        bend = GAP_X / 2
        from_x = to_x - GAP_X
        d += f" C{from_x + bend:g},{y:g} {to_x - bend:g},{to_y:g} {to_x:g},{to_y:g}"
        if place < len(rest) - 1:
            d += f" H{to_x + WIDTH:g}"
        y = to_y
    return f'<path d="{d}" marker-end="url(#tip)"/>'


def _box(name: str, count: int, lines: list[str], own: bool, x: float, middle: float, height: float) -> list[str]:
    y = middle - height / 2
    kind = "own" if own else "shared"
    shapes = [f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{height:g}" rx="5"/>']
    y += PAD + LINE - 4
    times = f' <tspan class="count">× {count}</tspan>' if count > 1 else ""
    shapes += [f'<text class="name" x="{x + PAD:g}" y="{y:g}">{escape(name)}{times}</text>']
    for line in lines:
        y += LINE
        shapes += [f'<text x="{x + PAD:g}" y="{y:g}">{escape(line)}</text>']
    return shapes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="store_true", help="print instead of drawing")
    parser.add_argument("item", nargs="?", help='"table 2.2", "figure 2.7" or a stage: print what leads to it')
    args = parser.parse_args()
    scale.check()
    stages = stage_graph(graph.resolve())
    words = descriptions()
    if args.item:
        match = ITEM.fullmatch(args.item.strip())
        item = f"{match[1].capitalize()} {match[2].lower()}" if match else args.item
        if not leading_to(stages, words, item):
            known = sorted({item for description in words.values() for item in items(description)}, key=_natural)
            sys.exit(f"error: the pipeline has no {args.item}: give a stage (see `dvc stage list`) or one of {', '.join(known)}")
        print(text_of(stages, words, item), end="")
    elif args.text:
        print(text(stages, words), end="")
    else:
        with exit_on_error(), replacing(OUT) as aside:
            aside.write_text(svg(stages, words), encoding="utf-8")
        print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
