"""The tools on the committed results of every chapter: a cell of each table comes from its own trainings, and from no others."""

import importlib.util
import json
from pathlib import Path

import pytest

from workflow import bundle, code, graph, lock
from workflow.audit import rerun
from workflow.audit.diff import diff
from workflow.audit.explain import account, explain
from workflow.audit.target import find, published
from workflow.lock import Lock, is_training, load_yaml

ROOT = Path(__file__).parents[1]
# A cell, and all trainings that led to it, by the pipeline as Chapters 2 to 4 describe their experiments.
CELLS = {
    "table 2.1 classifier cnn-b": set(),
    "table 2.2 cnn-sum-b cifar100": {"ch2_train@cifar100-cnn-sum-b-0"},
    "table 2.2 cfn-a cifar10": {"ch2_train@cifar10-cfn-a-0"},
    "table 2.3 cfn-b cifar10_augmented": {"ch2_train_augmented@cifar10-cfn-b-0"},
    "table 2.4 cfn-11 top5": {"ch2_imagenet_train@imagenet-cfn-11-0"},
    "table 2.4 alexnet top1": set(),  # its weights are published ones
    "table 2.5 scene15 categories": set(),
    "table 2.6 cfn-11 bird": {"ch2_imagenet_train@imagenet-cfn-11-0"},
    "table 2.6 alexnet scene15": set(),
    "table 2.7 fcfn car": {"ch2_segmentation_train@voc2012-fcfn-0"},
    "table 2.8 hed ods": {"ch3_train_general@bsds500-hed-0"},
    "table 2.8 canny ods": set(),
    "table 2.8 se ods": {"ch3_forest@bsds500"},
    "table 3.1 rds-se ods": {"ch3_train@bsds500-rds-se-0", "ch3_forest@bsds500"},  # its relaxed labels are the forest's
    "table 3.1 rds-canny-cea ods": {
        "ch3_finetune@pascal_context-cea-bsds500-rds-canny-0",
        "ch3_pretrain@pascal_context-cea-0",
        "ch3_forest@bsds500",
    },
    "table 3.2 none ods": {"ch3_train_general@bsds500-baseline-1-0"},
    "table 3.3 gpb-owt-ucm ods": set(),
    "table 3.4 rds-se ods": {"ch3_train@bsds500-rds-se-0", "ch3_forest@bsds500"},
    "table 4.1 dpi-6 holidays_ma1": {"ch4_codebooks@holidays-0"},
    "table 4.2 gis holidays": {"ch4_codebooks@holidays-0"},
    "table 4.3 ours holidays": {"ch4_codebooks@holidays-0"},
    "table 4.4 dpi-1d image_id": {"ch4_codebooks@holidays-0"},
    "table 7.1 pascal-sentence total": set(),
    "table 7.4 mmc flowers": {"ch7_train@flowers102_texts-compared-0"},
    "table 8.1 vanilla facades_pixel": {"ch8_train@facades-vanilla-0", "ch8_scorer@facades"},
    "table 8.1 oracle facades_pixel": {"ch8_scorer@facades"},
    "table 8.1 constant facades_pixel": set(),
    "text 8.2.4 swapgan ssim": {"ch8_swap_train@deepfashion_inshop-full-0"},
    "text 8.2.4 swapgan ssim_clothes": {"ch8_swap_train@deepfashion_inshop-full-0", "ch8_swap_scorer@deepfashion_inshop"},
    "text 8.2.4 viton mask": {"ch8_swap_viton@deepfashion_inshop-0", "ch8_swap_scorer@deepfashion_inshop"},
    "text 8.2.4 tps ssim": set(),
    "text 2.4.2 alexnet total": set(),
}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if load_yaml(Path("params.yaml").read_text())["scale"] != "mini":
        pytest.skip("another scale than the committed one is in force")


def trainings(names: list[str], lock: Lock) -> set[str]:
    return {name for name in names if is_training(out["path"] for out in lock.stages[name]["outs"])}


def test_every_cell_comes_from_what_its_records_are_of_and_from_no_other_trainings() -> None:
    lock = Lock()
    for evidence in (evidence for name in published() for evidence in find([name]).evidence if not evidence.origin.release):
        makers = {lock.maker(folder) for record in evidence.records for folder in record.networks}
        own = {name for maker in makers if maker for name in lock.chain(maker)}
        assert trainings(evidence.chain, lock) == trainings(sorted(own), lock), evidence.records


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_comes_from_its_own_trainings(cell: str) -> None:
    target, lock = find([cell]), Lock()
    assert trainings(target.chain, lock) == CELLS[cell]
    for evidence in target.evidence:
        if not evidence.origin.release:
            assert not set(evidence.aside) & set(evidence.chain)
            left_out = {name for other in evidence.aside for name in lock.chain(other)}
            assert set(evidence.chain) | left_out == set(lock.chain(evidence.stages[0]))


@pytest.mark.parametrize("cell", CELLS)
def test_its_account_can_be_told(cell: str) -> None:
    found = account(find([cell]))
    json.dumps(found)
    assert found["cells"][0]["values"], cell
    (here,) = [origin for origin in found["origins"] if origin["origin"] == "this run"]
    assert trainings([stage["stage"] for stage in here["stages"]], Lock()) == CELLS[cell]
    assert found["target"].split(",")[0] in explain([cell])


# What a stage cannot do without, though the number does not come from it: all detectors' maps are of one stage, and so are all rankings.
NEEDED_TOO = {
    "table 2.8 canny ods": {"ch3_forest@bsds500"},
    "table 3.3 gpb-owt-ucm ods": {"ch3_forest@bsds500"},
    "table 8.1 constant facades_pixel": {"ch8_scorer@facades"},
    "text 8.2.4 swapgan ssim": {"ch8_swap_scorer@deepfashion_inshop"},
    "text 8.2.4 tps ssim": {"ch8_swap_scorer@deepfashion_inshop"},
    "table 3.2 none ods": set(),
}


@pytest.mark.parametrize("cell", CELLS)
def test_running_it_again_runs_its_own_chain(cell: str) -> None:
    text, _ = rerun.rerun([cell], dry=True)
    lock, names = Lock(), text.splitlines()
    assert trainings(names, lock) == CELLS[cell] | NEEDED_TOO.get(cell, set())
    for place, name in enumerate(names):  # none before one that it reads and that runs too
        assert not set(lock.before(name)) & set(names[place:])


@pytest.mark.parametrize("release", sorted(file.parent.name for file in (ROOT / "reports/releases").glob("*/release.json")))
def test_every_release_can_be_compared_with_the_results_at_hand(release: str) -> None:
    text = diff(release, ".")
    assert f"A: release {release}" in text and "B: the working tree, scale mini" in text
    assert " cells on both sides, of which " in text


def test_a_training_of_every_entry_can_leave_in_a_bundle() -> None:
    """What would be packed: the stage, code fingerprints of its own, and packages that the environment has."""
    steps = graph.resolve()
    entries = {step.name.partition("@")[0] for step in steps if is_training(step.outs)}
    files = {name: file for name, (file, _) in lock.entries().items()}
    assert {file.parent.name for file in Path("stages").glob("ch*/train.py")} <= {files[name].parent.name for name in entries}
    for step in bundle.choose(sorted(entries), steps):
        fingerprints = [dep for dep in step.deps if dep.startswith("reports/code/")]
        sources = {code.source(module).as_posix() for file in fingerprints for module in json.loads(Path(file).read_text())}
        assert all(importlib.util.find_spec(package) for package in bundle.third_party(sources)), step.name
