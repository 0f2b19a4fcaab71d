"""What fits into a GPU's lease: durations by run records, and the choice, against values by hand; the files of what is worth running."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import UserError
from workflow import gpu_entries, gpu_plan, params, scale
from workflow.gpu_plan import Duration
from workflow.graph import Step

# Durations


def record(words: str, seconds: float, **facts: Any) -> dict[str, Any]:
    cmd = f"python -m stages.{words}"
    machine = {"processor": "a CPU"}
    about = {"stage": words.replace(" ", "-"), "cmd": cmd, "scale": "real", "duration_s": seconds, "device": "cuda", "gpu": "a GPU"}
    return {**about, "started": "2026-11-26T10:00:00+00:00", "machine": machine, **facts}


def step(words: str, iterations: int | None = None, name: str = "x") -> Step:
    settings = {} if iterations is None else {"training": {"iterations": iterations}}
    return Step(name, f"python -m stages.{words}", [], [], {"scale": "real", **settings})


KNOWN = [
    record("c.train cifar10 cnn-a --seed 0", 400, iterations=1000),
    record("c.train cifar10 cfn-a --seed 0", 20, train_seconds=560, iterations=1000),  # resumed: its last part took 20 s
    record("c.train cifar100 cnn-b --seed 0", 900, iterations=1000),
    record("c.predict cifar10", 30),
]


@pytest.mark.parametrize(
    ("words", "iterations", "seconds", "measured"),
    [
        ("c.train cifar10 cnn-a --seed 0", 1000, 400, "c.train-cifar10-cnn-a---seed-0, a GPU"),
        ("c.train cifar10 cnn-a --seed 7", 1000, 400, "c.train-cifar10-cnn-a---seed-0, a GPU"),
        ("c.train cifar10 cnn-a --seed 7", 250, 100, "c.train-cifar10-cnn-a---seed-0, a GPU"),
        ("c.train cifar10 cfn-a --seed 1", 1000, 560, "c.train-cifar10-cfn-a---seed-0, a GPU"),
        ("c.train cifar10 cnn-z --seed 0", 1000, 560, "like c.train-cifar10-cfn-a---seed-0, a GPU"),  # the slower of the same data set's
        ("c.train cifar100 cnn-b --seed 3", 2000, 1800, "c.train-cifar100-cnn-b---seed-0, a GPU"),
        ("c.predict cifar10", None, 30, "c.predict-cifar10, a GPU"),
        ("d.train bsds500 hed --seed 0", 500, 90, "not measured"),
    ],
)
def test_a_stage_takes_as_long_as_what_is_most_alike(words: str, iterations: int | None, seconds: float, measured: str) -> None:
    assert gpu_plan.duration(step(words, iterations), KNOWN, 90) == Duration(seconds, measured)


def test_newer_records_come_before_slower_ones_and_some_stages_nobody_knows() -> None:
    newer = record("c.train cifar10 cnn-a --seed 1", 100, iterations=1000, started="2026-11-28T10:00:00+00:00")
    assert gpu_plan.duration(step("c.train cifar10 cnn-a --seed 2", 1000), [*KNOWN, newer], None).seconds == 100
    assert gpu_plan.duration(step("d.train x"), KNOWN, None) is None
    other = [record("c.predict cifar10", 1, scale="mini")]  # another scale's says nothing without iterations
    assert gpu_plan.duration(step("c.predict cifar10"), other, None) is None


def test_iterations_are_found_wherever_they_are() -> None:
    nested = {"c": {"recipes": {"general": {"iterations": 500}}, "variants": {"hed": {"recipe": {"iterations": 625}}}}, "scale": "real"}
    assert gpu_plan.iterations(nested) == 625
    assert gpu_plan.iterations({"scale": "real", "rates": [1, 2]}) is None


def test_records_are_those_of_the_device_from_runs_and_releases(tmp_path: Path) -> None:
    files = {"data/runs/a/1.json": KNOWN[0], "reports/releases/r/runs/b.json": KNOWN[3], "data/runs/c/1.json": record("x", 5, device="cpu")}
    files["data/runs/d/1.json"] = {key: value for key, value in record("y", 5).items() if key != "device"}  # it trained nothing
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    assert gpu_plan.records("cuda", tmp_path) == [KNOWN[0], KNOWN[3]]
    (tmp_path / "data/runs/a/1.json").write_text('{"cmd": 3')
    with pytest.raises(UserError, match=r"data/runs/a/1.json is not a run record: delete it$"):
        gpu_plan.records("cuda", tmp_path)


# The choice. a and b are trained, c reads both, d reads d's own data.

SECONDS = {"a": 100.0, "b": 60.0, "c": 30.0, "d": 50.0}
NEEDS = {"a": ["prepare"], "b": ["prepare"], "c": ["a", "b"], "d": []}


@pytest.mark.parametrize(
    ("stages", "jobs", "seconds"),
    [
        ("abcd", 1, 240),
        ("abcd", 2, 130),  # a 0 to 100; b 0 to 60, d 60 to 110; c 100 to 130
        ("abcd", 3, 130),
        ("abd", 2, 110),
        ("c", 2, 30),  # what it reads is made
        ("", 2, 0),
    ],
)
def test_how_long_several_at_a_time_take(stages: str, jobs: int, seconds: float) -> None:
    assert gpu_plan.makespan(stages, SECONDS, NEEDS, jobs) == seconds


@pytest.mark.parametrize(
    ("wanted", "jobs", "limit", "chosen"),
    [
        ("abcd", 2, 130, "abcd"),
        ("abcd", 2, 129, "abd"),  # c would end at 130
        ("abcd", 2, 109, "ab"),
        ("dabc", 2, 109, "da"),  # what is worth more comes first: with b behind d it ends at 110
        ("abcd", 2, 70, "bd"),  # both at a time
        ("cab", 2, 130, "abc"),  # with what it needs, before it
        ("cabd", 2, 110, "abd"),
        ("ad", 2, 49, ""),
        ("aed", 1, 150, "ad"),  # of e nobody knows how long it takes
    ],
)
def test_stages_are_chosen_whole_in_order_of_worth(wanted: str, jobs: int, limit: float, chosen: str) -> None:
    taken, left = gpu_plan.fitting(dict.fromkeys(wanted, True), SECONDS, {**NEEDS, "e": []}, jobs, limit)
    assert ("".join(taken), set(left)) == (chosen, set(wanted) - set(chosen))


def test_what_does_not_come_back_runs_with_what_reads_it_only() -> None:
    wanted = {"a": False, "b": False, "c": True, "d": True}
    assert gpu_plan.fitting(wanted, SECONDS, NEEDS, 2, 130) == (["a", "b", "c", "d"], [])
    assert gpu_plan.fitting(wanted, SECONDS, NEEDS, 2, 129) == (["d"], ["a", "b", "c"])
    entry = gpu_entries.Entry("n", "w", 1, "real", ["*"], returned=["c", "d*"])
    assert [entry.comes_back(name) for name in ("a", "c", "d1")] == [False, True, True]
    assert gpu_entries.Entry("n", "w", 1, "real", ["*"]).comes_back("a")


# The files

ENTRY = {"name": "one", "why": "Table 1", "worth": 1, "scale": "mini", "stages": ["x@*"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("jobs: [", "is not YAML: "),
        ("jobs: []", "jobs: "),
        ({"job": [ENTRY]}, "the key jobs is missing"),
        ({"jobs": [{**ENTRY, "worth": "much"}]}, "jobs.0.worth: should be a valid number, and is 'much'"),
        ({"jobs": [{**ENTRY, "worht": 1}]}, "unknown key jobs.0.worht: it is misspelt"),
        ({"jobs": [{key: value for key, value in ENTRY.items() if key != "why"}]}, "the key jobs.0.why is missing"),
        ({"jobs": [{**ENTRY, "stages": []}]}, "jobs.0.stages: "),
        ({"jobs": [{**ENTRY, "minutes": {"x@*": 0}}]}, "jobs.0.minutes.x@*: should be greater than 0, and is 0"),
        ({"jobs": [{**ENTRY, "overrides": ["seeds"]}]}, "jobs.0: overrides has seeds: it must be of the form key=value"),
        (json.dumps({"jobs": [ENTRY]}).replace('"one"', "2026-11-26"), "date is not JSON serializable: write it in quotes"),
        ({"jobs": [ENTRY, ENTRY]}, "there is a job one in "),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(tmp_path: Path, content: Any, says: str) -> None:
    file = tmp_path / "ch2_fusion.yaml"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as caught:
        gpu_entries.read([], tmp_path)
    assert str(caught.value).startswith(str(file)) and says in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_named_after_its_chapter_and_a_job_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no jobs in "):
        gpu_entries.read([], tmp_path)
    (tmp_path / "ch2_fusion.yaml").write_text(json.dumps({"jobs": [ENTRY]}))
    with pytest.raises(UserError, match=r"there is no job two in .*: there are one$"):
        gpu_entries.read(["two"], tmp_path)
    (tmp_path / "ch9.yaml").write_text("jobs: []")
    with pytest.raises(UserError, match=r"ch9.yaml: there is no chapter ch9: name the file after one of ch2_fusion, "):
        gpu_entries.read([], tmp_path)


def test_entries_that_contradict_each_other_do_not_run_together(tmp_path: Path) -> None:
    entries = [
        {**ENTRY, "overrides": ["a.seeds=[0,1]", "b=1"]},
        {**ENTRY, "name": "two", "worth": 3, "overrides": ["a.seeds=[0,1]", "c=x=y"]},
        {**ENTRY, "name": "three", "worth": 2, "overrides": ["c=z"]},
        {**ENTRY, "name": "four", "worth": 0.5, "scale": "real"},
    ]
    (tmp_path / "ch2_fusion.yaml").write_text(json.dumps({"jobs": entries[:2]}))
    (tmp_path / "ch3_edges.yaml").write_text(json.dumps({"jobs": entries[2:]}))
    found = gpu_entries.read([], tmp_path)
    assert [entry.name for _, entry in found] == ["two", "three", "one", "four"]
    taken, words = gpu_entries.together(found)
    assert [entry.name for _, entry in taken] == ["two", "one"]
    assert words == ["mini", "a.seeds=[0,1]", "c=x=y", "b=1", "+only=[ch2_fusion]"]


def test_the_jobs_there_are_can_be_composed(tmp_path: Path) -> None:
    entries = gpu_entries.read([])
    assert {"cifar10-b", "cifar100", "bsds500", "rrf-flickr8k"} <= {entry.name for _, entry in entries}
    scales = {entry.scale for _, entry in entries}
    for some in (*([one for one in entries if one[1].scale == name] for name in sorted(scales)), *([one] for one in entries)):
        taken, (name, *overrides) = gpu_entries.together(some)
        assert len(taken) == len(some)
        scale.compose(name, overrides, tmp_path / "params.yaml")
        values = scale.read(tmp_path / "params.yaml")
        assert not params.problems(values) and set(values["chapters"]) == {chapter for chapter, _ in some}
