"""An audit recomputes only what has changed since it last came out equal, and asks nothing else of its record."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.core.files import md5
from stages.core.stage import Job
from workflow.audit import record, verify

OUT = "reports/metrics/chapter/a.json"
DEP = "data/mini/predictions/chapter/a"
JOB = Job("evaluate@a", "python -m stages.chapter.evaluate a", [DEP, "reports/code/chapter.evaluate.json"], [OUT], {"seed": 0})
CODE = {"chapter.evaluate.json": "fingerprint", "chapter.train.json": "other"}


class Project:
    """Two files, the one made of the other; `runs` counts how often it is made again."""

    def __init__(self) -> None:
        self.runs = 0
        for path in (OUT, *JOB.deps):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(DEP).write_text("5")
        Path(JOB.deps[1]).write_text("{}")
        Path(OUT).write_text('"value": 5')

    def replay(self, job: Job, folder: Path) -> None:
        self.runs += 1
        (folder / OUT).parent.mkdir(parents=True)
        (folder / OUT).write_text(f'"value": {Path(DEP).read_text()}')

    def audit(self, job: Job = JOB, code: dict[str, str] = CODE, everything: bool = False) -> verify.Report:
        report, known = verify.Report(), record.Record(md5, code, everything)
        verify.recompute({job.name: job}, report, known)
        known.write()
        return report

    def ran(self, *arguments: Any, **options: Any) -> bool:
        """Whether this audit, which finds everything equal, recomputes."""
        before = self.runs
        assert self.audit(*arguments, **options).breaks == []
        return self.runs > before


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    project = Project()
    monkeypatch.setattr(verify, "replay", project.replay)
    assert project.ran()
    return project


def test_what_has_not_changed_is_not_computed_again_and_the_report_says_so(project: Project) -> None:
    said = "recomputed from stored predictions and metrics files: "
    assert project.audit().holds == [f"{said}0 outputs with 0 numbers and cells, all equal; 1 with 1 as recorded by an earlier audit"]
    assert project.audit(everything=True).holds == [f"{said}1 outputs with 1 numbers and cells, all equal"]
    assert project.runs == 2


def test_a_change_of_anything_that_it_depends_on_computes_it_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.ran(replace(JOB, params={"seed": 1}))
    assert project.ran(replace(JOB, command="python -m stages.chapter.evaluate b"))
    assert project.ran(code={**CODE, "chapter.evaluate.json": "other"})
    assert project.ran() and not project.ran(code={**CODE, "chapter.train.json": "changed"})
    Path(JOB.deps[1]).write_text('{"a": 1}')
    assert project.ran() and not project.ran()
    monkeypatch.setattr("stages.core.stage.packages", lambda: {"numpy": "0"})
    assert project.ran() and not project.ran()
    monkeypatch.setattr(record, "OWN", ())  # another audit's
    assert project.ran() and not project.ran()


@pytest.mark.parametrize("forged", [OUT, DEP])
def test_what_was_forged_after_it_was_found_equal_is_found_each_time_and_what_was_mended_holds(project: Project, forged: str) -> None:
    before = Path(forged).read_text()
    Path(forged).write_text(before.replace("5", "6"))
    for _ in range(2):
        assert len(project.audit().breaks) == 1
    assert project.runs == 3
    Path(forged).write_text(before)
    assert not project.ran()


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"\xff", b'{"evaluate@a": 3}', b'{"evaluate@a": {"key": "KEY"}}'])
def test_a_damaged_record_is_as_good_as_none(project: Project, damaged: bytes) -> None:
    key = json.loads(record.FILE.read_text())["evaluate@a"]["key"]
    record.FILE.write_bytes(damaged.replace(b"KEY", key.encode()))
    assert project.ran() and not project.ran()


def test_an_audit_that_cannot_keep_its_record_does_without(project: Project) -> None:
    record.FILE.unlink()
    record.FILE.mkdir()
    assert project.ran() and project.ran()
