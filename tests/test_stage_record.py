"""What a run leaves behind: the key of its checkpoints, its record, and nothing of time or machine in its results."""

import hashlib
import json
import os
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import REPOSITORY, Toy, record_of

from stages.core.stage import Job
from workflow import runs

# The key of checkpoints


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    for path in ("reports/code/train.json", "data/set/images", "data/set/labels"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    command, deps = "python -m stages.train a", ["reports/code/train.json", "data/set"]
    return Job("train", command, deps, ["out"], {"training": {"rate": 0.1, "steps": [1, 2]}})


def test_the_key_depends_on_all_that_the_result_depends_on(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {job.key, replace(job, command="python -m stages.train b").key}
    keys.add(replace(job, params={"training": {"rate": 0.2, "steps": [1, 2]}}).key)
    keys.add(replace(job, params={"training": {"rate": 0.1, "steps": [1, 2, 3]}}).key)
    Path("data/set/images").write_text("{ }")
    keys.add(replace(job).key)
    Path("data/set/images").rename("data/set/imagery")  # the same bytes in the same order
    keys.add(replace(job).key)
    Path("reports/code/train.json").write_text('{"stages.train": "0"}')
    keys.add(replace(job).key)
    monkeypatch.setattr("stages.core.stage.packages", lambda: {"torch": "0.1"})
    keys.add(replace(job).key)
    assert len(keys) == 8


def test_the_key_depends_on_nothing_else(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    before = job.key
    Path("data/other").write_text("")
    os.utime("data/set/images", (0, 0))
    monkeypatch.setenv("THESIS_MIRROR", "elsewhere")
    again = replace(job, deps=job.deps[::-1], params={"training": {"steps": [1, 2], "rate": 0.1}}, notes={"gpu": None})
    assert again.key == before
    assert job.checkpoint == Path("data/checkpoints") / job.name / f"{before}.pt"


# The run record


def test_the_run_record_says_where_and_how_long(toy: Toy) -> None:
    toy.write("job.note(train_seconds=1.5, gpu=None)\ntime.sleep(0.2)\njob.out('out/a.txt').write_text('')", imports="import time")
    toy.succeed()
    record = json.loads(record_of(toy.root, "toy").read_text())
    assert (record["stage"], record["cmd"], record["train_seconds"], record["gpu"]) == ("toy", "python -m stages.toy", 1.5, None)
    assert 0.2 <= record["duration_s"] < 3600
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(record["started"]) < timedelta(hours=1)
    assert record["machine"].keys() == {"platform", "processor", "cores"}
    assert record["machine"]["cores"] == os.cpu_count()
    assert record["packages"]["python"] == sys.version.split()[0]
    assert "torch" in record["packages"]
    assert 5 < record["peak_memory_mb"] < 2000
    assert re.fullmatch("[0-9a-f]{32}", record["key"])
    assert str(toy.root) not in json.dumps(record)


def test_each_thing_that_was_run_has_a_record_of_its_own_that_its_lock_entry_finds(toy: Toy) -> None:
    """Going back to an earlier parameter finds the earlier record; the checksums are those that DVC writes."""
    body = "job.out('out/a.txt').write_text(job.dep('in').joinpath('x').read_text() * job.params['times'])"
    toy.file("in/x", "x\n")
    kept = []
    for times in (1, 2, 1):
        toy.write(body, deps=["in"], params={"times": times, "rate": 1e-6})
        toy.succeed()
        kept.append(sorted((toy.root / "data/runs/toy").iterdir()))
    assert (len(kept[0]), len(kept[1]), kept[2]) == (1, 2, kept[1])
    code = hashlib.md5((toy.root / "reports/code/toy.json").read_bytes()).hexdigest()
    one = hashlib.md5(b"x\n").hexdigest()
    folder = hashlib.md5(f'[{{"md5": "{one}", "relpath": "x"}}]'.encode()).hexdigest() + ".dir"
    entry = {
        "cmd": "python -m stages.toy",
        "deps": [{"path": "in", "md5": folder, "nfiles": 1}, {"path": "reports/code/toy.json", "md5": code}],
        "params": {"params.yaml": {"rate": 1e-6, "times": 1}},
        "outs": [{"path": "out/a.txt", "md5": one}],
    }
    assert runs.record_path("toy", entry, toy.root / "data/runs") == kept[0][0]
    assert runs.read("toy", entry, toy.root / "data/runs")["made"] == {"out/a.txt": one}
    entry["params"]["params.yaml"]["times"] = 3
    assert runs.read("toy", entry, toy.root / "data/runs") is None


def test_what_a_stage_declares_and_never_opens_is_recorded(toy: Toy) -> None:
    """Of a folder, by who made what lies in it: a stage that reads one of three data sets has declared too much."""
    for name in ("a", "b", "c"):
        toy.file(f"data/mini/prepared/{name}/x", "x")
    toy.file("data/mini/sources/y", "y")
    toy.write(
        "job.checkpoint\njob.dep('data/mini/prepared/b').joinpath('x').read_text()\nlist(job.dep('data/mini/prepared/c').iterdir())\n"
        "job.out('out/a.txt').write_text('')",
        deps=["data/mini/prepared", "data/mini/sources"],
    )
    graph = json.loads((toy.root / "data/graph.json").read_text())
    for name in ("a", "b", "c"):
        outs = [f"data/mini/prepared/{name}", f"data/mini/prepared/{name}_facts"]
        graph["stages"][f"prepare {name}"] = {"name": name, "deps": [], "outs": outs, "params": {}}
    toy.file("data/graph.json", json.dumps(graph))
    toy.succeed()
    record = json.loads(record_of(toy.root, "toy").read_text())
    assert record["unopened"] == ["data/mini/prepared/a", "data/mini/prepared/c", "data/mini/sources"]  # to list is not to read


def test_results_hold_neither_a_time_nor_a_path_of_this_machine() -> None:
    own = [str(REPOSITORY), str(Path.home()) + "/"]
    forbidden = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d|" + "|".join(map(re.escape, own)).encode())
    results = [file for kind in ("code", "metrics", "tables", "figures") for file in (REPOSITORY / "reports" / kind).rglob("*")]
    found = {file.name: forbidden.search(file.read_bytes()) for file in results if file.is_file()}
    assert {name: match for name, match in found.items() if match} == {}
