"""Which release a table shows and is judged by, training times, and the layers of Table 2.1."""

import json

import pytest
from table_world import cell, errors, release, resolve

from stages.core.errors import UserError
from stages.tables import results


def test_the_newest_release_of_each_scale_is_shown_and_the_first_that_can_be_is_judged(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "cpu-late", "real_cpu", "2025-09-01", {"cfn-b": [20.0], "cnn-b": [21.0]}, protocol="shortened")
    release(releases, "cpu-early", "real_cpu", "2025-08-01", {"cfn-b": [22.0], "cfn-a": [23.0]}, protocol="shortened")
    release(releases, "paper-1", "paper", "2025-12-01", {"cfn-b": [8.2], "cnn-a": [15.5]})
    release(releases, "real-old", "real", "2025-01-01", {"cfn-b": [9.0]})
    release(releases, "real-new", "real", "2025-02-01", {"cfn-b": [8.4]})
    release(releases, "mini", "mini", "2025-10-01", {"cfn-b": [1.0]}, protocol="miniature", kind="miniature")
    release(releases, ".real-2.partial", "real", "2025-12-31", {"cfn-b": [0.0]})

    def found(row):
        one = cell(resolve(tmp_path), row, "cifar10")
        shown = {scale: (m.source, m.mean) for scale, m in one.releases.items()}
        return list(shown.items()), one.judged.source, one.verdict, one.reason

    every = [("real", ("real-new", 8.4)), ("paper", ("paper-1", 8.2)), ("real_cpu", ("cpu-late", 20.0))]
    assert found("cfn-b") == (every, "real-new", "within", "")
    assert found("cnn-a") == ([("paper", ("paper-1", 15.5))], "paper-1", "within", "")
    # nothing that can be judged: the newest release that has it; an older one where the newest lacks it
    assert found("cnn-b") == ([("real_cpu", ("cpu-late", 21.0))], "cpu-late", "not run", "shortened schedule")
    assert found("cfn-a") == ([("real_cpu", ("cpu-early", 23.0))], "cpu-early", "not run", "shortened schedule")


def test_a_later_release_that_cannot_be_judged_does_not_hide_one_that_can(tmp_path):
    releases = tmp_path / "releases"
    release(releases, "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    release(releases, "real-2", "real", "2025-02-01", {"cfn-b": [20.0]}, protocol="shortened")
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.judged.source, found.releases["real"].source, found.verdict) == ("real-1", "real-1", "within")


def test_generated_figures_are_shown_after_all_others_and_never_judged(tmp_path):
    releases, drawn = tmp_path / "releases", {"protocol": "generated", "kind": "generated"}
    release(releases, "figures-1", "figures", "2026-01-01", {"cfn-b": [8.27], "cfn-a": [8.0]}, **drawn)
    release(releases, "cpu-1", "real_cpu", "2025-01-01", {"cfn-b": [20.0]}, protocol="shortened")
    cells = resolve(tmp_path)
    found, alone = cell(cells, "cfn-b", "cifar10"), cell(cells, "cfn-a", "cifar10")
    assert (list(found.releases), found.judged.source, found.verdict) == (["real_cpu", "figures"], "cpu-1", "not run")
    assert (alone.judged.source, alone.verdict, alone.reason) == ("figures-1", "not run", results.GENERATED)
    release(releases, "real-1", "real", "2024-01-01", {"cfn-b": [8.4]})
    assert cell(resolve(tmp_path), "cfn-b", "cifar10").judged.source == "real-1"


def test_a_sound_run_at_hand_is_judged_before_a_release_and_a_miniature_is_not(tmp_path):
    release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    errors(tmp_path / "metrics", {"cfn-b": [12.0]}, kind="miniature", protocol="miniature", scale="mini")
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.run.mean, found.judged.source, found.verdict) == (12.0, "real-1", "within")
    errors(tmp_path / "metrics", {"cfn-b": [12.0]})
    found = cell(resolve(tmp_path), "cfn-b", "cifar10")
    assert (found.judged.source, found.verdict) == (results.THIS_RUN, "outside")


def timed(folder, times, iterations=120000, card="H200", resumed=False, **others):
    (folder / "runs").mkdir(exist_ok=True)
    for stage, seconds in times.items():
        record = {"stage": stage, "train_seconds": seconds, "iterations": iterations, "gpu": card}
        record |= {"machine": {"cores": 2}, "resumed": resumed, **others}
        (folder / "runs" / f"{stage}.json").write_text(json.dumps(record))


def test_training_times_come_from_releases_as_a_ratio(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]})
    folder = release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    timed(folder, {"ch2_train@cifar10-cnn-b-0": 900, "ch2_train@cifar10-cnn-b-1": 1100})
    timed(folder, {"ch2_train@cifar10-cfn-b-1": 3}, resumed=True)
    timed(folder, {"ch2_train@cifar10-cfn-b-0": 1250, "ch2_train@cifar10-cfn-b-eplf-0": 99999})
    cells = resolve(tmp_path, table="text_2_4_1")
    found = cell(cells, "ratio", "hours")
    # 1250 / mean(900, 1100) = 1.25; the printed hours give 2.085 / 1.665 - 2.08 / 1.67 = 0.00674 at most
    assert found.releases["real"].mean == pytest.approx(1.25)
    assert found.tolerance == pytest.approx(0.006743, abs=1e-6)
    assert (found.run, found.verdict) == (None, "within")
    assert cell(resolve(tmp_path, 0.5, "text_2_4_1"), "ratio", "hours").verdict == "outside"
    hours = cell(cells, "cnn-b", "hours")
    assert hours.releases["real"].mean == pytest.approx(1000 / 3600)
    assert hours.verdict == "cannot run"
    assert "TITAN X" in hours.reason


def test_times_of_different_machines_are_no_ratio(tmp_path):
    folder = release(tmp_path / "releases", "real-1", "real", "2025-01-01", {"cfn-b": [8.4]})
    timed(folder, {"ch2_train@cifar10-cnn-b-0": 1000})
    timed(folder, {"ch2_train@cifar10-cfn-b-0": 1246}, card="other")
    found = cell(resolve(tmp_path, table="text_2_4_1"), "ratio", "hours")
    assert (found.verdict, found.reason) == ("not run", "timed on different machines or settings")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"scale": "real", "date": "May"}', "date is 'May'"),
        ('{"scale": "real", "date": ', "not valid JSON"),
        ("[]", "must be an object"),
    ],
)
def test_a_broken_release_is_named(tmp_path, content, sentence):
    (tmp_path / "releases" / "r").mkdir(parents=True)
    (tmp_path / "releases" / "r" / "release.json").write_text(content)
    with pytest.raises(UserError, match=r"r/release\.json") as caught:
        resolve(tmp_path)
    assert sentence in str(caught.value)


def test_a_metrics_file_under_another_name_is_refused(tmp_path):
    errors(tmp_path / "metrics", {"cfn-b": [8.4]})
    (tmp_path / "metrics" / "cifar10.json").rename(tmp_path / "metrics" / "cifar100.json")
    with pytest.raises(UserError, match=r"cifar100\.json: experiment is 'cifar10'"):
        resolve(tmp_path)


CNN_A = [
    "5x5x64 conv, ReLU", "3x3 max-pooling, stride 2", "dropout 0.5",
    "5x5x64 conv, ReLU", "3x3 average-pooling, stride 2", "dropout 0.5",
    "5x5x64 conv, ReLU", "1x1x192 conv, ReLU", "8x8 global average pooling", "dropout 0.5", "10-way fully-connected layer",
]  # fmt: skip


def layer_verdicts(tmp_path, layers):
    (tmp_path / "metrics").mkdir(exist_ok=True)
    (tmp_path / "metrics" / "layers.json").write_text(json.dumps({"cnn-a": layers}))
    cells = resolve(tmp_path, table="table_2_1")
    return {one.row.id: one.verdict for one in cells if one.column.id == "cnn-a"}


def test_table_2_1_row_by_row(tmp_path):
    verdicts = layer_verdicts(tmp_path, CNN_A)
    assert verdicts.pop("input") == verdicts.pop("softmax") == ""
    assert set(verdicts.values()) == {"exact"}
    assert len(verdicts) == 8


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (lambda layers: layers.__setitem__(3, "5x5x32 conv, ReLU"), "convolution-2"),
        (lambda layers: layers.pop(2), "pooling-1"),
        (lambda layers: layers.insert(11, "dropout 0.9"), "classifier"),
        (lambda layers: layers.insert(8, "batch norm"), "convolution-1x1"),
    ],
)
def test_a_changed_layer_spoils_its_own_row_only(tmp_path, change, row):
    layers = list(CNN_A)
    change(layers)
    assert [name for name, verdict in layer_verdicts(tmp_path, layers).items() if verdict == "outside"] == [row]


def test_trainings_of_a_stage_that_trains_several() -> None:
    """Their machine and memory are the stage's; one taken from an ended run has no duration, and is left out."""
    networks = {"a": {"train_seconds": 3, "threads": 1}, "b": {"train_seconds": 5, "threads": 1}, "c": {"resumed": True}}
    stage = {"cmd": "train", "peak_memory_mb": 7}
    expected = [stage | {"train_seconds": seconds, "threads": 1} for seconds in (3, 5)]
    several = results.trainings(stage | {"trainings": networks})
    assert [{key: value for key, value in one.items() if key != "trainings"} for one in several] == expected
    assert results.trainings(stage) == []
    assert results.trainings(stage | {"train_seconds": 2}) == [stage | {"train_seconds": 2}]
