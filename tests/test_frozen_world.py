"""Each way to lay a chapter's stages out: what led to a number, what runs again for it, whose parameters it has, why it differs."""

from pathlib import Path

import frozen_world
import pytest
from audit_project import account, git, write
from frozen_world import CELLS, STAGES, STEPS

from workflow import track
from workflow.audit import rerun
from workflow.audit.diff import diff
from workflow.audit.target import find
from workflow.lock import Lock, is_training


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """The world's lock; the world is the current folder."""
    monkeypatch.chdir(tmp_path)
    return frozen_world.build()


def chain(cell: str) -> set[str]:
    trained, others = CELLS[cell]
    return {f"{cell.split()[1]}_evaluate@set1", "download@set1", *trained, *others}


@pytest.mark.parametrize("cell", CELLS)
def test_a_number_comes_from_its_own_trainings_and_predictions(lock: Lock, cell: str) -> None:
    target = find([f"table 9.1 {cell}"])
    assert set(target.chain) == chain(cell)
    for number, name in enumerate(target.chain):
        assert not set(lock.before(name)) & set(target.chain[:number]), "a stage stands before one that reads it"
    (evidence,) = target.evidence
    # Whatever else the evaluation read, at whatever remove; of that the stages that the chain itself reads are told.
    others = set(lock.chain(evidence.stages[0])) - chain(cell)
    assert set(evidence.aside) == {name for name in others if any(name in lock.before(own) for own in chain(cell))}
    assert [stage["stage"] for stage in account("table 9.1", *cell.split())["origins"][0]["stages"]] == list(target.chain)


def test_what_it_does_not_come_from_stands_aside(lock: Lock) -> None:
    """Of the folders that the evaluation reads: the trained networks, and their predictions."""
    (evidence,) = find(["table 9.1 published split"]).evidence
    assert evidence.aside == ("split_predict@set1-a-0", "split_predict@set1-b-0", "split_train@set1-a-0", "split_train@set1-b-0")


def test_predictions_come_from_their_own_training(lock: Lock) -> None:
    for cell, (trained, _) in CELLS.items():
        predictions = frozen_world.record(*cell.split(), 1.0).predictions
        found = find([predictions]).chain
        assert {name for name in found if is_training([STAGES[name][1]])} == trained, predictions


# What one stage alone makes is made again, though the number does not come from it: the stage of the rankings cannot do without.
NEEDED_TOO = {"scan codes": {"codes_codebooks@set1-0"}}


@pytest.mark.parametrize("cell", CELLS)
def test_what_runs_again_is_its_own_chain_in_an_order_in_which_it_can(lock: Lock, cell: str) -> None:
    names = rerun.rerun([f"table 9.1 {cell}"], dry=True)[0].splitlines()
    assert set(names) == chain(cell) | NEEDED_TOO.get(cell, set())
    for number, name in enumerate(names):
        assert not set(lock.before(name)) & set(names[number:])


def test_a_run_has_the_parameters_of_its_own_trainings(lock: Lock) -> None:
    runs = {result.name: result for result in track.collect()}
    for cell, (trained, _) in CELLS.items():
        model, experiment = cell.split()
        seed = "" if model in ("scan", "published") else " seed 0"
        result = runs[f"{experiment} {model}{seed}, mini"]
        steps = {key for key in result.params if key.endswith(".steps")}
        assert steps == {f"{name.replace('@', '.')}.steps" for name in trained}
        last = lock.maker(frozen_world.record(model, experiment, 1.0).trained or frozen_world.record(model, experiment, 1.0).predictions)
        assert result.tags["stage"] == last


@pytest.mark.parametrize("training", sorted({name for trained, _ in CELLS.values() for name in trained}))
def test_another_length_of_one_training_changes_what_follows_from_it_and_is_the_reason(lock: Lock, training: str) -> None:
    write(".gitignore", "data/\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    frozen_world.build({training: STEPS + 1})
    text = diff("HEAD", ".")
    changed = {cell for cell, (trained, _) in CELLS.items() if training in trained}
    assert {cell for cell in CELLS if f"Table 9.1 {cell}: " in text} == changed
    lines = [line.strip() for line in text.partition("what differs in what led to them:")[2].splitlines()]
    assert [line for line in lines if line and not line.startswith("machine ")] == [
        f"parameter   {training.replace('@', '.')}.steps: {STEPS} -> {STEPS + 1}"
    ]


def test_the_world_is_as_it_is_described(lock: Lock) -> None:
    """Whatever is read is made, and what leads to no number is of another network or another set."""
    assert list(lock.stages) == sorted(STAGES)
    assert all(lock.made_in(dep) for reads, _ in STAGES.values() for dep in reads)
    used = {name for cell in CELLS for name in chain(cell)}
    assert {name.partition("@")[0] for name in set(STAGES) - used} == {"tables", "split_train", "split_predict"}
