"""Renderings of tables: labels, columns, formats; the same bytes for the same input."""

import csv
import dataclasses
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from table_world import EDGES, PUBLISHED, RETRIEVAL, architectures, edge_results, errors, made, release, stand_in, tables

from stages.tables import render, results


@pytest.fixture
def rendered(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [30.5, 31.5]}, kind="miniature", protocol="miniature", scale="mini", n=500)
    architectures(tmp_path / "metrics", {("cfn-b", "parameters_side"): 55680})
    release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.0, 8.3, 8.6], "cnn-b": [9.28]})
    folders = (tmp_path / "metrics", tmp_path / "releases", PUBLISHED)
    return render.render_chapter("ch2_fusion", *folders)


def test_files_and_summary(rendered):
    files, summary = rendered
    names = {f"{table}.{suffix}" for table in tables() for suffix in ("md", "tex", "html", "csv")}
    assert set(files) == names | {"claims.md", "claims.json"}
    assert summary["ch2_fusion"]["cifar10"]["cfn-b"]["error"] == 31.0
    assert all(content.endswith("\n") and str(Path.cwd()) not in content for content in files.values())


def test_the_stage_writes_where_its_job_says(rendered, tmp_path):
    class Job:
        def dep(self, path):
            known = {"reports/metrics/ch2_fusion": tmp_path / "metrics", "reports/releases": tmp_path / "releases"}
            return known.get(path) or Path(path)

        def out(self, path):
            (tmp_path / "out" / path).parent.mkdir(parents=True, exist_ok=True)
            return tmp_path / "out" / path

    render.main(render.parser().parse_args(["ch2_fusion"]), Job())
    folder = tmp_path / "out" / "reports"
    assert {file.name: file.read_text() for file in (folder / "tables" / "ch2_fusion").iterdir()} == rendered[0]
    assert json.loads((folder / "metrics" / "ch2_fusion.summary.json").read_text()) == rendered[1]


def test_same_input_same_bytes(rendered, tmp_path):
    folders = (tmp_path / "metrics", tmp_path / "releases", PUBLISHED)
    assert render.render_chapter("ch2_fusion", *folders) == rendered


def test_a_miniature_is_labelled_everywhere(rendered):
    label = "Miniature: generated data at scale mini"
    for suffix in ("md", "tex", "html", "csv"):
        assert label in rendered[0][f"table_2_2.{suffix}"]
        assert label in rendered[0][f"table_2_3.{suffix}"]
        assert suffix == "csv" or "this run (miniature)" in rendered[0][f"table_2_2.{suffix}"]
    assert label in rendered[0]["claims.md"]
    assert label in json.loads(rendered[0]["claims.json"])["labels"][0]
    # nothing of these two depends on data at hand
    assert label not in rendered[0]["table_2_1.md"]
    assert label not in rendered[0]["text_2_4_1.md"]


def test_a_label_stands_where_it_is_true(tmp_path):
    """Over all only where it is of all; beside a release's numbers, or counts that need no data, at its own column, cell and note."""
    errors(tmp_path / "metrics", {"cfn-b": [30.5]}, kind="miniature", protocol="miniature", scale="mini", n=500)
    run, table = results.load_results(tmp_path / "metrics"), tables()["table_2_2"]
    sentence = "Miniature: generated data at scale mini; these numbers show that the machinery works, not the thesis's results."
    alone = render.render_table(table, run, [])["md"]
    assert alone.splitlines()[2] == f"> **{sentence}**" and "This run:" not in alone
    release(tmp_path / "releases", "cpu-1", "real_cpu", "2025-09-01", {"cfn-b": [20.0]}, protocol="shortened")
    released = results.load_releases(tmp_path / "releases", "ch2_fusion")
    beside = render.render_table(table, run, released)
    assert "\n>" not in beside["md"] and 'class="label"' not in beside["html"] and rf"\textbf{{{sentence[:9]}" not in beside["tex"]
    assert f"\n- This run: {sentence}\n- [a] Release cpu-1" in beside["md"]
    assert "| Model | thesis | this run (miniature) | release, real\\_cpu (shortened) | difference" in beside["md"]
    assert "| CFN-B | 8.27 | 30.50 | 20.00 [a] | +11.73 | cifar10, official [a] | not run [a]: shortened schedule |" in beside["md"]
    # the counts of this run are no miniature's
    architectures(tmp_path / "metrics", {("cfn-b", "parameters_side"): 55680})
    counted = render.render_table(table, results.load_results(tmp_path / "metrics"), [])
    assert "\n>" not in counted["md"] and f"\n- This run: {sentence}\n" in counted["md"]
    blocks = {block.splitlines()[0]: block.splitlines()[2] for block in counted["md"].split("## ")[1:]}
    assert "| this run (miniature) |" in blocks["CIFAR-10 (%)"] and "| this run |" in blocks["side parameters"]
    rows = {(row["row"], row["column"]): row["run_label"] for row in csv.DictReader(io.StringIO(counted["csv"]))}
    assert (rows["cfn-b", "cifar10"], rows["cfn-b", "side"], rows["cnn-b", "cifar10"]) == (sentence, "", "")


def test_a_label_stands_at_the_cell_where_those_of_a_column_differ(tmp_path):
    run = edge_results({"networks": {"rds": 0.7}}, scale="real_cpu", protocol="shortened")
    run = dataclasses.replace(run, metrics=run.metrics | edge_results({"detectors": {"canny": 0.61}}, scale="real_cpu").metrics)
    text = render.render_table(made(tmp_path, EDGES), run, [])["md"]
    assert "| Method | thesis | this run | difference |" in text
    assert "| Canny [1] | .600 | 0.610 | +0.010 |" in text and "| RDS | .792 | 0.700 (shortened) | −0.092 |" in text
    assert "\n>" not in text and "\n- This run: Shortened schedule at scale real\\_cpu: shown, not judged against the thesis.\n" in text
    run = edge_results({"networks": {"rds": 0.7}}, scale="paper", protocol="assumed")
    text = render.render_table(made(tmp_path, EDGES), run, [])["md"]
    assert "Assumed lengths of training at scale paper: shown, not judged against the thesis." in text


@pytest.mark.parametrize("by_row", [False, True])
def test_a_table_of_ours_does_not_read_as_the_thesis_s(tmp_path, by_row):
    """Neither its layout nor a printed value, difference, tolerance or verdict; two decimals, as no cell says how many."""

    def ours(content):
        content["columns"] = [{"id": "ods", "heading": "ODS", "source": "metrics", "experiment": "networks", "metric": "ods"}]
        content["rows"] = [{"id": "rds", "label": "RDS", "model": "rds"}, {"id": "fcfn", "label": "FCFN", "model": "fcfn"}]
        content["notes"] = [{"rows": ["rds"], "text": "No more than a note."}]
        content |= {"column_heading": "Measure"} if by_row else {}

    released = [edge_results({"networks": {"fcfn": 0.6}}, source="real-1", scale="real")]
    files = render.render_table(made(tmp_path, EDGES, ours), edge_results({"networks": {"rds": 0.7}}), released)
    text, blocks = files["md"], files["md"].split("## ")[1:]
    assert text.startswith("# Table 9.9, ours, not in the thesis. A table\n")
    assert [block.splitlines()[0] for block in blocks] == (["RDS", "FCFN"] if by_row else ["ODS"])
    assert not any(word in text for word in ("in the thesis (", "| thesis", "difference", "erdict", "olerance", "baseline"))
    first, second = ("ODS", "ODS") if by_row else ("RDS", "FCFN")
    end = "" if by_row else " – |"  # a column of a scale stands where one of the cells has it
    assert f"| {first} | 0.70 |{end} networks, official | note 1 |" in text
    assert f"| {second} | – | 0.60 [a] | networks, official [a] | – |" in text
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    assert [(row["row"], row["thesis"], row["run"], row["tolerance"], row["verdict"]) for row in rows] == [
        ("rds", "", "0.7", "", ""),
        ("fcfn", "", "", "", ""),
    ]


def test_what_is_no_schedule_is_not_called_a_shortened_one(tmp_path):
    text = render.render_table(made(tmp_path, RETRIEVAL), edge_results({}), [stand_in("covers", 3.37, protocol="shortened")])["md"]
    assert "hortened" not in text and "- [a] Release real-1, scale real. Encoders: small net. Stand-in data: covers" in text


def test_a_column_for_each_scale_that_has_a_release_there(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "cpu-1", "real_cpu", "2025-09-01", {"cfn-b": [20.0], "cfn-a": [31.0]}, protocol="shortened")
    release(releases, "real-1", "real", "2025-01-01", {"cfn-b": [8.0, 8.3, 8.6]})
    release(releases, "real-2", "real", "2025-02-01", {"cnn-b": [9.28]})
    release(releases, "paper-1", "paper", "2025-02-01", {"cfn-b": [30.7]}, experiment="cifar100")
    run = results.load_results(tmp_path / "metrics")
    files = render.render_table(tables()["table_2_2"], run, results.load_releases(releases, "ch2_fusion"))
    blocks = {block.splitlines()[0]: block.splitlines()[2:] for block in files["md"].split("## ")[1:]}
    assert blocks["CIFAR-10 (%)"][0] == (
        "| Model | thesis | this run | release, real | release, real\\_cpu (shortened) | difference | data set | verdict |"
    )
    # letters in the order of the notes: the scales', then the newest
    assert "| CFN-B | 8.27 | – | 8.30 ± 0.30 (3) [b] | 20.00 [d] | +0.03 | cifar10, official [b] | within [b] |" in blocks["CIFAR-10 (%)"]
    assert "| CNN-B | 9.28 | – | 9.28 [a] | – | 0.00 | cifar10, official [a] | exact [a] |" in blocks["CIFAR-10 (%)"]
    assert (
        "| CFN-A | 14.73 | – | – | 31.00 [d] | +16.27 | cifar10, official [d] | not run [d]: shortened schedule |" in blocks["CIFAR-10 (%)"]
    )
    assert blocks["CIFAR-100 (%)"][0] == "| Model | thesis | this run | release, paper | difference | data set | verdict |"
    assert blocks["side parameters"][0] == "| Model | thesis | this run | difference | data set | verdict |"
    notes = [line for line in files["md"].splitlines() if "Release " in line]
    assert [line.split(",")[0] for line in notes] == [
        "- [a] Release real-2", "- [b] Release real-1", "- [c] Release paper-1", "- [d] Release cpu-1",
    ]  # fmt: skip
    assert notes[3].endswith("Shortened schedule at scale real\\_cpu: shown, not judged against the thesis.")
    assert "hortened" not in notes[0]

    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    row = next(row for row in rows if (row["row"], row["column"]) == ("cfn-b", "cifar10"))
    expected = {
        "run": "", "real": "8.3", "real_sd": "0.3", "real_seeds": "3", "real_source": "real-1", "real_protocol": "full",
        "real_dataset": "cifar10", "real_kind": "official", "paper": "", "paper_source": "",
        "real_cpu": "20", "real_cpu_sd": "", "real_cpu_seeds": "1", "real_cpu_source": "cpu-1", "real_cpu_protocol": "shortened",
        "judged": "real-1",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected
    assert len(rows[0]) == len(set(rows[0]))


def test_a_table_whose_columns_the_thesis_has_as_rows_is_laid_out_as_there(tmp_path):
    table = made(tmp_path, EDGES, lambda content: content.update(column_heading="Measure"))
    text = render.render_table(table, edge_results({"networks": {"rds": 0.79}, "detectors": {"canny": 0.6}}), [])["md"]
    assert "| Measure | Canny [1] | DeepEdge [2] | RDS |\n| --- | --- | --- | --- |\n" in text
    assert "| ODS | .600 / 0.600 (exact) | .753 | .792 / 0.790 (within) |\n| AP | .580 / – |  | .818 / – |\n" in text
    # a block of details for each row that has some
    assert "## Canny [1]\n\n| Measure | thesis | this run |" in text and "## DeepEdge" not in text
    assert "## RDS\n" in text and "| ODS (F) | .792 | 0.790 | −0.002 | networks, official | within |" in text


def test_markdown(rendered):
    text = rendered[0]["table_2_2.md"]
    row = next(line for line in text.splitlines() if line.startswith("| CFN-B | 8.27 |"))
    cells = [part.strip() for part in row.strip("|").split("|")]
    assert cells == [
        "CFN-B", "8.27", "31.00 ± 0.71 (2)", "8.30 ± 0.30 (3) [a]", "+0.03", "cifar10, official [a]", "within [a]",
    ]  # fmt: skip
    assert "| CFN-B | 0.074M | 55,680 | −18,320 | none needed | outside (note 1) |" in text
    assert "CIFAR-10\\*" in rendered[0]["table_2_3.md"]
    assert "Maxout Networks [131]" in rendered[0]["table_2_3.md"]
    for name in ("table_2_1", "table_2_2", "table_2_3", "text_2_4_1", "claims"):
        for block in re.findall(r"(?:^\|.*\n)+", rendered[0][f"{name}.md"], re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_latex_is_balanced_escaped_and_plain(rendered):
    for name in tables():
        text = rendered[0][f"{name}.tex"]
        assert text.isascii()
        stack = []
        for kind, environment in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            if kind == "begin":
                stack.append(environment)
            else:
                assert stack.pop() == environment
        assert stack == []
        body = text.split("\n", 1)[1]
        assert len(re.findall(r"(?<!\\)\{", body)) == len(re.findall(r"(?<!\\)\}", body))
        assert len(re.findall(r"(?<!\\)\$", body)) % 2 == 0
        assert not re.search(r"(?<!\\)[%#_~^]", body)
        for spec, table in re.findall(r"\\begin\{tabular\}\{@\{\}([^\n]*)@\{\}\}\n(.*?)\\end\{tabular\}", body, re.DOTALL):
            columns = len(re.sub(r"p\{[^}]*\}", "p", spec))
            rows = [line for line in table.splitlines() if line.endswith(r"\\")]
            assert rows
            assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
    assert r"\#Parameters" in rendered[0]["table_2_2.tex"]
    assert r"8.30 $\pm$ 0.30 (3)" in rendered[0]["table_2_2.tex"]
    assert r"$-$18,320" in rendered[0]["table_2_2.tex"]
    assert r"95 \% binomial" in rendered[0]["table_2_2.tex"]
    assert r"3$\times$3$\times$96 conv" in rendered[0]["table_2_1.tex"]


class Balance(HTMLParser):
    """Checks that tags close in order, and keeps the text of every table cell."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_html_is_whole_accessible_and_alone(rendered):
    for name in tables():
        text = rendered[0][f"{name}.html"]
        page = Balance()
        page.feed(text)
        page.close()
        assert page.open == []
        assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
        assert not re.search(r"(src|href)=|https?://|@import", text)
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
        tags = [tag for tag, _ in page.tags]
        assert tags.count("caption") == tags.count("table") > 0
        assert tags.count("h1") == tags.count("title") == 1
    page = Balance()
    page.feed(rendered[0]["table_2_2.html"])
    assert "8.30 ± 0.30 (3) [a]" in page.cells


def test_html_and_latex_escape_what_a_data_set_note_may_say(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]}, kind="stand-in", note="<b> 5 % of a_b & {c}")
    files = render.render_table(tables()["table_2_2"], results.load_results(tmp_path / "metrics"), [])
    assert "&lt;b&gt; 5 % of a_b &amp; {c}" in files["html"]
    assert r"$<$b$>$ 5 \% of a\_\allowbreak{}b \& \{c\}" in files["tex"]
    assert r"\<b\> 5 % of a\_b & {c}" in files["md"]


def test_csv_in_long_form(rendered):
    rows = list(csv.DictReader(io.StringIO(rendered[0]["table_2_2.csv"])))
    assert len(rows) == sum(len(row.cells) for row in tables()["table_2_2"].rows) == 44
    row = next(row for row in rows if (row["row"], row["column"]) == ("cfn-b", "cifar10"))
    expected = {
        "table": "2.2", "thesis": "8.27", "run": "31", "run_sd": "0.707107", "run_seeds": "2", "run_kind": "miniature",
        "run_scale": "mini", "real": "8.3", "real_sd": "0.3", "real_source": "real-1", "real_kind": "official",
        "judged": "real-1", "difference": "0.03", "tolerance": "0.539829",
        "verdict": "within", "verdict_half": "within", "verdict_double": "within",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected
    assert "paper" not in row and "real_cpu" not in row
    cited = next(csv.DictReader(io.StringIO(rendered[0]["table_2_3.csv"])))
    assert (cited["reference"], cited["thesis"], cited["verdict"]) == ("131", "5", "")


def test_rendering_needs_no_torch():
    import subprocess

    code = "import sys, stages.tables.render; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
