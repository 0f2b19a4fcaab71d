"""The stage contract: nothing undeclared is read, written or imported; outputs are whole or absent."""

import json
import re
import signal

import pytest
from conftest import Toy, wait_for

from stages.core.fingerprint import syntax_hash

# What may be read, written and imported


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("open('data/secret.txt').read()", "toy reads data/secret.txt, which dvc.yaml does not declare among its deps"),
        ("os.open('data/secret.txt', os.O_RDONLY)", "toy reads data/secret.txt, which dvc.yaml does not declare among its deps"),
        ("open(Path.cwd() / 'in/../data/secret.txt')", "toy reads data/secret.txt, which dvc.yaml does not declare among its deps"),
        ("open('in-two/x')", "toy reads in-two/x, which dvc.yaml does not declare among its deps"),
        ("os.listdir('data')", "toy reads data, which dvc.yaml does not declare among its deps"),
        ("sorted(Path('.').glob('data/*'))", "toy reads data, which dvc.yaml does not declare among its deps"),
        ("open('stages/table.yaml')", "toy reads stages/table.yaml, which dvc.yaml does not declare among its deps"),
        ("open('b.txt', 'w')", "toy writes b.txt, which dvc.yaml does not declare among its outs"),
        ("Path('in/x').open('a')", "toy writes in/x, which dvc.yaml does not declare among its outs"),
        ("Path('in/x').open('r+')", "toy writes in/x, which dvc.yaml does not declare among its outs"),
        ("os.open('b.txt', os.O_CREAT | os.O_RDONLY)", "toy writes b.txt, which dvc.yaml does not declare among its outs"),
        ("Path('stages/b.py').write_text('')", "toy writes stages/b.py, which dvc.yaml does not declare among its outs"),
        ("open('out/a.txt', 'w')", "toy writes out/a.txt, which dvc.yaml does not declare among its outs"),
        (
            "job.dep('data/secret.txt')",
            "toy uses data/secret.txt, which dvc.yaml does not declare among its deps: reports/code/toy.json, in",
        ),
        ("job.dep('in/z')", "toy needs in/z, which does not exist: run `python -m workflow.repro toy`"),
        ("job.out('out/b.txt')", "toy makes out/b.txt, which dvc.yaml does not declare among its outs: out/a.txt"),
        ("job.settings(dict, 'model.width')", "toy reads the parameter model.width, which dvc.yaml does not declare among its params"),
    ],
)
def test_what_is_not_declared_fails_by_name(toy: Toy, body: str, sentence: str) -> None:
    for path in ("in/x", "in-two/x", "data/secret.txt", "stages/table.yaml"):
        toy.file(path)
    toy.write(f"job.out('out/a.txt').write_text('done')\n{body}", imports="import os\nfrom pathlib import Path", deps=["in"])
    assert toy.fail() == f"error: {sentence}\n"


def test_an_undeclared_read_fails_also_when_the_exception_is_swallowed(toy: Toy) -> None:
    toy.file("data/secret.txt")
    toy.write("""
        job.out("out/a.txt").write_text("done")
        try:
            open("data/secret.txt")
        except BaseException:
            pass
    """)
    assert toy.fail() == "error: toy reads data/secret.txt, which dvc.yaml does not declare among its deps\n"


def test_an_undeclared_read_fails_by_name_also_when_a_library_turns_the_exception_into_its_own(toy: Toy) -> None:
    toy.file("data/secret.txt")
    toy.write("""
        try:
            open("data/secret.txt")
        except Exception:
            raise RuntimeError("cannot open the file")
    """)
    assert toy.fail() == "error: toy reads data/secret.txt, which dvc.yaml does not declare among its deps\n"


@pytest.mark.parametrize("change", ["rename(scratch, 'b.txt')", "link(scratch, 'b.txt')", "symlink(scratch, 'b.txt')", "remove('in/x')"])
def test_writing_without_opening_fails_by_name(toy: Toy, change: str) -> None:
    toy.file("in/x")
    scratch = toy.file("../scratch")
    toy.write(f"scratch = {str(scratch)!r}\nos.{change}\njob.out('out/a.txt').write_text('')", imports="import os", deps=["in"])
    assert "which dvc.yaml does not declare among its outs" in toy.fail()


def test_what_is_declared_or_outside_the_project_may_be_read(toy: Toy) -> None:
    toy.file("in/deep/x", "of a declared folder")
    toy.file("one.txt", "of a declared file")
    toy.file("../project-two/x", "of another project")
    toy.write(
        """
        texts = [(job.dep("in") / "deep/x").read_text(), job.dep("in/deep/x").read_text(), job.dep("one.txt").read_text()]
        texts += [path.read_text() for path in sorted(Path("in").rglob("x"))]
        texts.append((Path.cwd().parent / "project-two/x").read_text())
        folder = job.out("out/d")
        folder.mkdir()
        (folder / "texts").write_text("; ".join(texts))
        (Path.cwd().parent / "scratch").write_text((folder / "texts").read_text())
        """,
        imports="from pathlib import Path",
        deps=["in", "one.txt"],
        outs=["out/d"],
    )
    toy.succeed()
    wanted = "of a declared folder; of a declared folder; of a declared file; of a declared folder; of another project"
    assert (toy.root / "out/d/texts").read_text() == (toy.root / "../scratch").read_text() == wanted


def test_a_temporary_folder_with_folders_in_it_may_be_used(toy: Toy) -> None:
    toy.write(
        """
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "deep").mkdir()
        job.out("out/a.txt").write_text("")
        """,
        imports="import tempfile\nfrom pathlib import Path",
    )
    toy.succeed()


def test_parameters_arrive_typed(toy: Toy) -> None:
    toy.write(
        """
        settings = job.settings(Settings, "chapter.training")
        job.out("out/a.txt").write_text(f"{settings.rate} {job.params['scale']}")
        """,
        imports="from stages.core.settings import settings\n@settings\nclass Settings:\n    rate: float",
        params={"scale": "mini", "chapter": {"training": {"rate": 0.1}}},
    )
    toy.succeed()
    assert (toy.root / "out/a.txt").read_text() == "0.1 mini"


# Code


@pytest.mark.parametrize("body", ["", "import stages.late"])
def test_a_module_missing_from_the_fingerprint_fails_by_name(toy: Toy, body: str) -> None:
    toy.file("stages/late.py")
    toy.write(f"job.out('out/a.txt').write_text('')\n{body}", imports="" if body else "import stages.late")
    toy.fingerprint("stages.late")
    assert toy.fail() == "error: toy imports stages.late, which its code fingerprint does not list: run `dvc repro code`\n"


def test_a_module_outside_of_stages_fails_by_name(toy: Toy) -> None:
    toy.file("settings.py")
    toy.write("import settings\njob.out('out/a.txt').write_text('')")
    assert re.fullmatch(r"error: toy reads \S*settings\S*, which dvc.yaml does not declare among its deps\n", toy.fail())


def test_a_module_changed_since_the_fingerprint_fails_by_name(toy: Toy) -> None:
    toy.file("stages/tool.py", "RATE = 1\n")
    toy.write("job.out('out/a.txt').write_text('')", imports="import stages.tool")
    toy.file("stages/tool.py", "RATE = 2\n")
    assert toy.fail() == "error: stages.tool has changed since the code fingerprints were made: run `dvc repro code`\n"
    toy.file("stages/tool.py", "# A comment.\nRATE = 1\n")
    toy.succeed()


def test_changed_code_is_found_before_hours_of_work(toy: Toy) -> None:
    toy.write("print('hours of work')\njob.out('out/a.txt').write_text('')")
    toy.write("print('hours of other work')\njob.out('out/a.txt').write_text('')")
    toy.fingerprint("stages.toy")
    assert "work" not in toy.run().stdout


def test_a_missing_fingerprint_is_one_sentence(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('')")
    (toy.root / "reports/code/toy.json").unlink()
    assert "workflow.repro" in toy.fail()


def test_modules_may_be_listed_by_any_of_the_declared_fingerprints(toy: Toy) -> None:
    """As a reader is, which is imported by the name of its data set."""
    tool = toy.file("stages/tool.py", "RATE = 1\n")
    toy.write("import stages.tool\njob.out('out/a.txt').write_text('')", deps=["reports/code/tool.json"])
    toy.fingerprint("stages.tool")
    toy.file("reports/code/tool.json", "{}")
    assert "imports stages.tool, which its code fingerprint does not list" in toy.fail()
    toy.file("reports/code/tool.json", json.dumps({"stages.tool": syntax_hash(tool.read_text())}))
    toy.succeed()


def test_a_stage_without_a_fingerprint_is_one_sentence(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('')")
    graph = json.loads((toy.root / "data/graph.json").read_text())
    graph["stages"]["python -m stages.toy"]["deps"] = []
    toy.file("data/graph.json", json.dumps(graph))
    assert toy.fail() == "error: toy must declare a file of reports/code/ among its deps, and declares none\n"


def test_a_command_line_that_is_no_stage(toy: Toy) -> None:
    toy.write("pass")
    toy.file("data/graph.json", json.dumps({"made_from": {}, "stages": {}}))
    assert toy.fail().startswith("error: `python -m stages.toy` is not a stage of any dvc.yaml with the lists now in params.yaml")


# Outputs


def test_an_exception_leaves_no_output_and_the_next_run_succeeds(toy: Toy) -> None:
    body = """
        job.out("out/a.txt").write_text("whole")
        folder = job.out("out/d")
        folder.mkdir()
        {}
        (folder / "x").write_text("whole")
    """
    toy.write(body.format("raise ValueError('in the middle')"), outs=["out/a.txt", "out/d"])
    done = toy.run()
    assert done.returncode != 0
    assert "ValueError: in the middle" in done.stderr  # a defect of ours keeps its traceback
    assert not (toy.root / "out/a.txt").exists()
    assert not (toy.root / "out/d").exists()
    assert not (toy.root / "data/runs").exists()
    assert toy.leftovers() == []
    toy.write(body.format("pass"), outs=["out/a.txt", "out/d"])
    toy.succeed()
    assert (toy.root / "out/d/x").read_text() == (toy.root / "out/a.txt").read_text() == "whole"


def test_a_killed_stage_leaves_no_output_and_the_next_run_succeeds(toy: Toy) -> None:
    toy.write(
        """
        folder = job.out("out/d")
        folder.mkdir()
        (folder / "half").write_text("half")
        job.out("out/a.txt").write_text("half")
        time.sleep(6000)
        """,
        imports="import time",
        outs=["out/a.txt", "out/d"],
    )
    process = toy.start()
    aside = toy.root / "out/.a.txt.partial/a.txt"
    wait_for(lambda: aside.exists() and aside.read_text(), process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (toy.root / "out/a.txt").exists()
    assert not (toy.root / "out/d").exists()
    toy.write(
        """
        job.out("out/d").mkdir()  # fails if the killed run's is still there
        (job.out("out/d") / "whole").write_text("whole")
        job.out("out/a.txt").write_text("whole")
        """,
        outs=["out/a.txt", "out/d"],
    )
    toy.succeed()
    assert sorted(path.relative_to(toy.root / "out").as_posix() for path in (toy.root / "out").rglob("*")) == ["a.txt", "d", "d/whole"]
    assert toy.leftovers() == []


def test_an_output_that_was_not_made_is_named(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('')\njob.out('out/b.txt')", outs=["out/a.txt", "out/b.txt", "out/c.txt"])
    assert toy.fail() == "error: toy did not make out/b.txt, out/c.txt, which dvc.yaml declares among its outs\n"


def test_an_output_is_replaced_whole(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('old and long')")
    toy.succeed()
    toy.write("job.out('out/a.txt').write_text('new')")
    toy.succeed()
    assert (toy.root / "out/a.txt").read_text() == "new"


def test_an_output_that_is_a_folder_is_replaced_whole(toy: Toy) -> None:
    body = "folder = job.out('out/d')\n(folder / 'deep').mkdir(parents=True)\n(folder / 'deep/{0}').write_text('{0}')"
    toy.write(body.format("old"), outs=["out/d"])
    toy.succeed()
    toy.write(body.format("new"), outs=["out/d"])
    toy.succeed()
    assert [path.name for path in (toy.root / "out/d").rglob("*")] == ["deep", "new"]


def test_an_output_that_is_a_link_is_replaced_and_what_it_leads_to_stays(toy: Toy) -> None:
    """DVC's, into its cache, where its `cache.type` says so."""
    toy.file("cache/file", "kept")
    toy.file("cache/folder/deep", "kept")
    for name, target in {"a.txt": "file", "d": "folder", "b.txt": "gone", "e": "folder"}.items():
        (toy.root / "out").mkdir(exist_ok=True)
        (toy.root / "out" / name).symlink_to(f"../cache/{target}")
    toy.write(
        """
        for name in ("a", "b", "e"):
            job.out("out/e" if name == "e" else f"out/{name}.txt").write_text("new")
        job.out("out/d").mkdir()
        (job.out("out/d") / "deep").write_text("new")
        """,
        outs=["out/a.txt", "out/b.txt", "out/d", "out/e"],
    )
    toy.succeed()
    assert not [path for path in (toy.root / "out").iterdir() if path.is_symlink()]
    assert {path.read_text() for path in (toy.root / "out").rglob("*") if path.is_file()} == {"new"}
    assert {path.read_text() for path in (toy.root / "cache").rglob("*") if path.is_file()} == {"kept"}
    assert sorted(path.name for path in (toy.root / "cache").rglob("*")) == ["deep", "file", "folder"]


def test_a_writer_that_itself_writes_aside(toy: Toy) -> None:
    toy.write("write_json(job.out('out/a.txt'), {'a': 1})", imports="from stages.core.files import write_json")
    toy.succeed()
    assert (toy.root / "out/a.txt").read_text() == '{\n "a": 1\n}\n'
    assert toy.leftovers() == []


def test_a_failed_run_leaves_the_outputs_of_the_last_good_one(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('good')")
    toy.succeed()
    toy.write("job.out('out/a.txt').write_text('bad')\nraise ValueError")
    assert toy.run().returncode != 0
    assert (toy.root / "out/a.txt").read_text() == "good"
