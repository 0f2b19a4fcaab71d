"""What a release keeps of predictions: its numbers can be computed again without a model, and what was changed is found."""

import json
import lzma
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALLEST, run_in

from stages.core.files import md5
from workflow.audit import record, releases, verify
from workflow.lock import Lock

NAME = "mini-holes"
FOLDER = Path("reports/releases", NAME)
SCORES = "kept/data/mini/predictions/ch2_fusion/cifar10/cfn-a-seed0.npz.xz"
METRICS = "metrics/ch2_fusion/cifar10.json"


def succeed(folder: Path, *command: str) -> str:
    done = run_in(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def released(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose lists have a seed that was never trained, with a release of what there is, and no data any more."""
    root = tmp_path_factory.mktemp("kept") / "clone"
    shutil.copytree(finished, root, symlinks=True)
    succeed(root, "python", "-m", "workflow.scale", "mini", *SMALLEST.split(), "ch2_fusion.seeds=[0,1]")
    stages = ("ch2_predict@cifar10", "ch2_evaluate@cifar10", "ch2_figures@cifar10", "tables@ch2_fusion")
    said = succeed(root, "python", "-m", "workflow.repro", "--single-item", *stages)
    assert "ch2_predict@cifar10 goes without data/mini/models/ch2_fusion/cifar10/cfn-a-seed1: not there" in said
    succeed(root, "python", "-m", "workflow.release", NAME)
    return root


@pytest.fixture
def project(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns("data", ".dvc")
    shutil.copytree(released, root, ignore=lambda path, names: ignored(path, names) if Path(path) == released else [])
    monkeypatch.chdir(root)
    return root


def recomputed() -> verify.Report:
    report, known = verify.Report(), record.Record(md5, {})
    releases.recompute(FOLDER, report, known)
    known.write()
    return report


def test_a_release_holds_what_there_is_and_says_what_there_is_not(released: Path) -> None:
    about = json.loads((released / FOLDER / "release.json").read_text())
    assert (about["trainings"], about["not_trained"]) == (1, ["ch2_train@cifar10-cfn-a-1"])
    assert "ch2_train@cifar10-cfn-a-1" not in Lock(released / FOLDER).stages
    records = json.loads((released / FOLDER / METRICS).read_text())["records"]
    assert {record["seed"] for record in records} == {0}
    done = run_in(released, sys.executable, "-m", "workflow.audit", "verify")
    lines = done.stdout.splitlines()
    assert "note   1 trainings have never run, such as ch2_train@cifar10-cfn-a-1: no number is of them" in lines
    assert not [line for line in lines if line.startswith("BREAK") and "mini-holes" in line], done.stdout
    # the error, and the mean weight of each of three branches
    assert f"holds  release {NAME}: 4 numbers recomputed from the predictions that it keeps" in lines


def test_models_and_pictures_are_not_kept(released: Path) -> None:
    packed = {file.relative_to(released / FOLDER / "kept").as_posix() for file in (released / FOLDER / "kept").rglob("*.xz")}
    names = {Path(name).name.removesuffix(".xz") for name in packed}
    assert names == {"cfn-a-seed0.npz", "cfn-a-seed0.json", "provenance.json", "about.json", "curve.csv"}
    kept = json.loads((released / FOLDER / "kept.json").read_text())["kept"]
    model = kept["data/mini/models/ch2_fusion/cifar10/cfn-a-seed0"]["model.pt"]
    file = released / "data/mini/models/ch2_fusion/cifar10/cfn-a-seed0/model.pt"
    assert model == {"md5": md5(file), "size": file.stat().st_size, "kept": False}
    assert not kept["data/mini/predictions/ch2_fusion/cifar10"]["cfn-a-activations.npz"]["kept"]  # it holds photographs


def test_numbers_are_computed_again_where_there_is_no_data(project: Path) -> None:
    assert not (project / "data").exists()
    report = recomputed()
    assert (report.breaks, report.notes) == ([], [])
    assert report.holds == [f"release {NAME}: 4 numbers recomputed from the predictions that it keeps"]
    assert recomputed().holds == [f"release {NAME}: 4 numbers as recorded by an earlier audit"]


def repack(name: str, change: Callable[[bytes], bytes]) -> None:
    file = FOLDER / name
    file.write_bytes(lzma.compress(change(lzma.decompress(file.read_bytes()))))


def other_scores() -> str:
    repack(SCORES, lambda content: content[:-1] + b"?")
    return f"{FOLDER}/{SCORES} holds another file than {FOLDER}/kept.json says"


def other_scores_and_their_checksum() -> str:
    import numpy as np

    file = FOLDER / SCORES
    place = Path("forged.npz")
    place.write_bytes(lzma.decompress(file.read_bytes()))
    stored = dict(np.load(place))
    np.savez(place, scores=-stored["scores"], labels=stored["labels"])
    file.write_bytes(lzma.compress(place.read_bytes()))
    facts = json.loads((FOLDER / "kept.json").read_text())
    facts["kept"]["data/mini/predictions/ch2_fusion/cifar10"]["cfn-a-seed0.npz"]["md5"] = md5(place)
    (FOLDER / "kept.json").write_text(json.dumps(facts))
    return "kept.json: the checksums of data/mini/predictions/ch2_fusion/cifar10 are not those of what ch2_predict@cifar10 made"


def damaged() -> str:
    (FOLDER / SCORES).write_bytes(b"not compressed")
    return f"{FOLDER}/{SCORES} is damaged: restore it from git"


def removed() -> str:
    (FOLDER / SCORES).unlink()
    return f"{FOLDER}/{SCORES} is missing: {FOLDER}/kept.json says that it is kept"


def another_number() -> str:
    file = FOLDER / METRICS
    record = next(record for record in json.loads(file.read_text())["records"] if record["metric"] == "error")
    value = record["value"]
    file.write_text(file.read_text().replace(f'"value": {value}}}', f'"value": {value - 1}}}'))
    found = f"reports/metrics/ch2_fusion/cifar10.json: cfn-a, error was {value - 1}, is {value}"
    return f"ch2_evaluate@cifar10 recomputed by its own code: {found}"


def no_word_of_the_predictions() -> str:
    facts = json.loads((FOLDER / "kept.json").read_text())
    del facts["kept"]["data/mini/predictions/ch2_fusion/cifar10"]
    (FOLDER / "kept.json").write_text(json.dumps(facts))
    return f"{FOLDER}/kept.json does not speak of data/mini/predictions/ch2_fusion/cifar10/cfn-a-seed0.npz, from which ch2_evaluate@cifar10"


def no_word_of_what_is_read_beside_them() -> str:
    facts = json.loads((FOLDER / "kept.json").read_text())
    del facts["kept"]["data/mini/models/ch2_fusion/cifar10/cfn-a-seed0"]
    (FOLDER / "kept.json").write_text(json.dumps(facts))
    return f"{FOLDER}/kept.json does not speak of data/mini/models/ch2_fusion/cifar10/cfn-a-seed0, from which ch2_evaluate@cifar10 made"


def no_word_of_anything() -> str:
    (FOLDER / "kept.json").unlink()
    return f"{FOLDER}/kept.json does not speak of "


CHANGES = [
    *(no_word_of_the_predictions, no_word_of_what_is_read_beside_them, no_word_of_anything),
    *(other_scores, other_scores_and_their_checksum, damaged, removed, another_number),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_found(project: Path, change: Callable[[], str]) -> None:
    assert recomputed().breaks == []
    sentence = change()
    report = recomputed()
    assert len(report.breaks) == 1 and sentence in report.breaks[0], report.breaks
    assert report.holds == []


def audited() -> verify.Report:
    report, files = verify.Report(), verify.Files()
    releases.check(FOLDER, files, report, record.Record(files.md5, {}))
    return report


def rewrite(name: str, change: Callable[[dict], object]) -> None:
    content = json.loads((FOLDER / name).read_text())
    change(content)
    (FOLDER / name).write_text(json.dumps(content))


def exchange(name: str, old: str, new: str) -> None:
    text = (FOLDER / name).read_text()
    assert old in text
    (FOLDER / name).write_text(text.replace(old, new, 1))


def another_verdict() -> str:
    exchange("verdicts.csv", "not run", "exact")
    return f"{FOLDER}/verdicts.csv: ch2_fusion 2.2 "


def a_verdict_less() -> str:
    lines = (FOLDER / "verdicts.csv").read_text().splitlines(keepends=True)
    (FOLDER / "verdicts.csv").write_text("".join(lines[:-1]))
    return f"{FOLDER}/verdicts.csv: {lines[-1].partition(',')[0]} "


def no_verdicts() -> str:
    (FOLDER / "verdicts.csv").unlink()
    return f"{FOLDER}/verdicts.csv is missing: restore it from git"


def another_claim() -> str:
    rewrite("claims.json", lambda content: content["claims"][0].update(verdict="contradicted"))
    return f"{FOLDER}/claims.json: ch2_fusion "


def other_counts() -> str:
    rewrite("release.json", lambda content: content["verdicts"]["all"]["cells"]["stated"].update(exact=99))
    return f"{FOLDER}/release.json has other numbers of verdicts than its metrics give"


def more_trainings() -> str:
    rewrite("release.json", lambda content: content.update(trainings=9))
    return f"{FOLDER}/release.json: trainings is 9, by its run records, parameters and lock 1"


def no_number_of_trainings() -> str:
    rewrite("release.json", lambda content: content.pop("trainings"))
    return f"{FOLDER}/release.json: trainings is missing"


def all_trained() -> str:
    rewrite("release.json", lambda content: content.update(not_trained=[]))
    return f"{FOLDER}/release.json: not_trained has 0 trainings, and ch2_evaluate@cifar10 went without 1"


def other_devices() -> str:
    rewrite("release.json", lambda content: content["devices"][0].update(gpu="NVIDIA H200"))
    return f"{FOLDER}/release.json: devices is "


def another_day() -> str:
    rewrite("release.json", lambda content: content.update(date="2001-01-01"))
    return f"{FOLDER}/release.json: date is 2001-01-01, and a stage of the release ran on "


def another_value_in_a_table_and_its_checksums() -> str:
    """As one would who forges the lock and the run record with it."""
    file = FOLDER / "tables/ch2_fusion/table_2_2.csv"
    rows = file.read_text().splitlines()
    place = next(number for number, row in enumerate(rows) if row.startswith("2.2,cfn-a,CFN-A,,cifar10,"))
    value = rows[place].split(",")[7]
    before = Lock(FOLDER).hashes["reports/tables/ch2_fusion"]
    exchange("tables/ch2_fusion/table_2_2.csv", f"%,14.73,{value},", "%,14.73,14.7,")
    for name in ("dvc.lock", "runs/tables@ch2_fusion.json"):
        exchange(name, before, md5(FOLDER / "tables/ch2_fusion"))
    return f"{FOLDER}/tables/ch2_fusion/table_2_2.csv: 2.2 cfn-a cifar10 has run '14.7', by its metrics it is '{value}'"


def another_figure() -> str:
    exchange("figures/ch2_fusion/figure_2_7a.csv", ".", ",")
    return f"{FOLDER}/figures/ch2_fusion/figure_2_7a.csv is not what ch2_figures@cifar10 made, by the release's dvc.lock"


def no_lock() -> str:
    (FOLDER / "dvc.lock").unlink()
    return f"{FOLDER}/dvc.lock is missing: every release has one; restore it from git"


def records_that_are_none() -> str:
    (FOLDER / "release.json").write_text("[]")
    return f"{FOLDER}/release.json holds no JSON object: restore it from git"


def nothing_kept() -> str:
    (FOLDER / "kept.json").write_text("{}")
    return f"{FOLDER}/kept.json does not say what the release keeps: restore it from git"


FORGED = [
    *(another_verdict, a_verdict_less, no_verdicts, another_claim, other_counts, more_trainings, no_number_of_trainings, all_trained),
    *(other_devices, another_day, another_value_in_a_table_and_its_checksums, another_figure, no_lock, records_that_are_none, nothing_kept),
]


@pytest.mark.parametrize("change", FORGED)
def test_what_a_release_says_has_to_follow_from_what_it_holds(project: Path, change: Callable[[], str]) -> None:
    assert audited().breaks == []
    sentence = change()
    assert any(found.startswith(sentence) for found in audited().breaks), (sentence, audited().breaks)


def test_a_ledger_that_judges_otherwise_now_is_a_note(project: Path) -> None:
    """And what neither that of today nor that of the release's commit makes of its metrics is a break."""
    for file in Path("stages/tables/published").glob("ch2_fusion/table_2_2.yaml"):
        file.write_text(file.read_text().replace("15.57", "15.58"))
    report = audited()
    assert report.breaks == []
    assert [note for note in report.notes if "judged as the ledger of its commit does; that in force otherwise: " in note]
    sentence = another_verdict()
    assert any(found.startswith(sentence) for found in audited().breaks)


def test_a_number_that_no_code_computes_is_found_whatever_has_changed_since(released: Path, tmp_path: Path, monkeypatch) -> None:
    """By the release's own code, which git has; where it does not have it, that is no excuse."""
    root = tmp_path / "clone"
    shutil.copytree(released, root, symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(releases, "replay", lambda *_: (_ for _ in ()).throw(KeyError("a parameter that is called otherwise now")))
    report = recomputed()
    assert report.breaks == [] and report.holds
    assert (
        recomputed().notes
        == report.notes
        == [
            f"release {NAME}, ch2_evaluate@cifar10: as released by its own code; that in force computes "
            "KeyError: 'a parameter that is called otherwise now'"
        ]
    )
    another_number()
    (found,) = recomputed().breaks
    assert "ch2_evaluate@cifar10 recomputed by its own code: reports/metrics/ch2_fusion/cifar10.json: cfn-a, error was " in found
    about = json.loads((FOLDER / "release.json").read_text())
    (FOLDER / "release.json").write_text(json.dumps(about | {"commit": "0" * 40}))
    report = recomputed()
    assert "its commit 00000000 is not here, whose code could tell: `git fetch --unshallow`" in report.breaks[0]
    assert report.holds == []


def test_a_file_that_nothing_speaks_of_is_found(project: Path) -> None:
    (FOLDER / "kept/more.xz").write_bytes(b"")
    assert f"{FOLDER}/kept/more.xz: no stage of the release's dvc.lock made it" in list(releases.differences(FOLDER, verify.Files()))


def test_large_predictions_leave_their_checksums(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow import kept

    monkeypatch.chdir(released)
    monkeypatch.setattr(kept, "LARGEST", 100)
    lock = Lock(FOLDER)
    kept.write(lock, set(lock.stages), tmp_path)
    facts = json.loads((tmp_path / "kept.json").read_text())
    place = "data/mini/predictions/ch2_fusion/cifar10/cfn-a-seed0.npz"
    assert facts.pop("figures")["reports/figures/ch2_fusion"]["figure_2_7.svg"] == md5(Path("reports/figures/ch2_fusion/figure_2_7.svg"))
    assert facts == {"kept": {}, "left": {place: {"files": 1, "md5": md5(Path(place)), "size": Path(place).stat().st_size}}}
    assert not (tmp_path / "kept").exists()
