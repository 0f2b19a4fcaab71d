"""The audit holds on a finished run, and finds each thing that was changed afterwards, by name."""

import contextlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import record_of, run_in

from stages.core.files import md5
from workflow.audit import verify as audit
from workflow.audit.compare import differences, first_difference
from workflow.lock import lock_files

METRICS = "reports/metrics/ch2_fusion/cifar10.json"
TABLE = "reports/tables/ch2_fusion/table_2_2.csv"
MODEL = "data/mini/models/ch2_fusion/cifar10/cfn-a-seed0"


@pytest.fixture(scope="module")
def audited(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run, once audited: whatever a test spoils, an audit had found right."""
    root = Path(shutil.copytree(finished, tmp_path_factory.mktemp("audited") / "clone", symlinks=True))
    assert verify(root)[1] == []
    return root


@pytest.fixture
def project(audited: Path, tmp_path: Path) -> Path:
    """A copy of the audited run that a test may spoil."""
    return Path(shutil.copytree(audited, tmp_path / "clone", symlinks=True))


def command(project: Path, *options: str) -> tuple[int, str]:
    """The exit status of the command, and what it prints."""
    done = run_in(project, sys.executable, "-m", "workflow.audit", "verify", *options)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


def verify(project: Path) -> tuple[list[str], list[str]]:
    """What holds, and what does not; packages apart, which are the environment's and not the project's."""
    with contextlib.chdir(project):
        report = audit.verify()
    return report.holds, [line for line in report.breaks if "requirements.lock" not in line and "is installed" not in line]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.chmod(0o644)
    file.write_text(text.replace(old, new, 1))


def lock_entry(project: Path, change: Callable[[dict], None]) -> None:
    """Change entries of the lock files, by the names of their stages."""
    locks = {file: yaml.safe_load(file.read_text()) for file in lock_files(project)}
    stages = {name: entry for lock in locks.values() for name, entry in lock["stages"].items()}
    change(stages)
    for file, lock in locks.items():
        lock["stages"] = {name: stages[name] for name in lock["stages"] if name in stages}
        file.write_text(yaml.safe_dump(lock, sort_keys=False))


def flip_digit_of_error(project: Path) -> str:
    file = project / METRICS
    record = next(r for r in json.loads(file.read_text())["records"] if r["metric"] == "error")
    replace(file, f'"value": {record["value"]}', f'"value": {record["value"] - 1}')
    return f"{METRICS}, recomputed by ch2_evaluate@cifar10: cfn-a error, seed 0: value was {record['value'] - 1}, is {record['value']}"


def edit_a_cell(project: Path) -> str:
    replace(project / TABLE, ",cfn-a,CFN-A,,cifar10,%,14.73,", ",cfn-a,CFN-A,,cifar10,%,14.15,")
    return "table_2_2.csv: cfn-a, cifar10: thesis was '14.15', is '14.73'"


def edit_a_cell_of_the_markdown(project: Path) -> str:
    replace(project / "reports/tables/ch2_fusion/table_2_2.md", "14.73", "99.99")
    return "table_2_2.md: line "


def edit_a_cell_and_its_checksum(project: Path) -> str:
    replace(project / TABLE, ",14.73,", ",14.15,")
    folder = "reports/tables/ch2_fusion"

    def change(stages: dict) -> None:
        out = next(out for out in stages["tables@ch2_fusion"]["outs"] if out["path"] == folder)
        out["md5"] = md5(project / folder)

    lock_entry(project, change)
    return "table_2_2.csv: cfn-a, cifar10: thesis was '14.15', is '14.73'"


def swap_lock_entries(project: Path) -> str:
    def change(stages: dict) -> None:
        one, other = stages["ch2_prepare@cifar10"]["outs"][0], stages["download@cifar10"]["outs"][0]
        one["md5"], other["md5"] = other["md5"], one["md5"]

    lock_entry(project, change)
    return "data/mini/prepared/cifar10 is not what ch2_prepare@cifar10 made"


def change_a_command_in_the_lock(project: Path) -> str:
    lock_entry(
        project, lambda stages: stages["ch2_train@cifar10-cfn-a-0"].update(cmd="python -m stages.ch2_fusion.train cifar10 cfn-a --seed 1")
    )
    lock = "workflow/pipelines/ch2_fusion/dvc.lock"
    return f"ch2_train@cifar10-cfn-a-0: {lock} has the command `python -m stages.ch2_fusion.train cifar10 cfn-a --seed 1`"


def change_a_parameter_in_the_lock(project: Path) -> str:
    def change(stages: dict) -> None:
        stages["ch2_train@cifar10-cfn-a-0"]["params"]["reports/params/ch2_fusion.json"]["ch2_fusion.training"]["learning_rate"] = 0.5

    lock_entry(project, change)
    return "ch2_train@cifar10-cfn-a-0: made with ch2_fusion.training.learning_rate = 0.5, in force is 0.1"


def forget_a_stage(project: Path) -> str:
    lock_entry(project, lambda stages: stages.pop("ch2_figures@cifar10"))
    return "ch2_figures@cifar10 has not run: dvc.lock has no entry for it"


def replace_an_output(project: Path) -> str:
    file = project / MODEL / "curve.csv"
    file.chmod(0o644)
    content = file.read_text()
    file.unlink()  # it may be the cache's own file
    file.write_text(content + "\n")
    return f"{MODEL} is not what ch2_train@cifar10-cfn-a-0 made: curve.csv differs"


def replace_an_output_in_the_cache(project: Path) -> str:
    value = md5(project / MODEL / "model.pt")
    place = project / ".dvc/cache/files/md5" / value[:2] / value[2:]
    place.chmod(0o644)
    place.write_bytes(place.read_bytes() + b"x")
    return f"{MODEL}: its copy in the cache, .dvc/cache/files/md5/{value[:2]}/{value[2:]}, has been changed or is damaged"


def change_the_code(project: Path) -> str:
    replace(project / "stages/ch2_fusion/train.py", "stepped(training.learning_rate,", "stepped(2 * training.learning_rate,")
    return "reports/code/ch2_fusion.train.json is not the fingerprint of the code as it is"


def change_a_parameter(project: Path) -> str:
    replace(project / "params.yaml", "momentum: 0.9", "momentum: 0.8")
    return "ch2_train@cifar10-cfn-a-0: made with ch2_fusion.training.momentum = 0.9, in force is 0.8"


def add_a_metrics_file(project: Path) -> str:
    shutil.copy(project / METRICS, project / "reports/metrics/ch2_fusion/mine.json")
    return "reports/metrics/ch2_fusion/mine.json: no stage of dvc.lock made it"


def take_the_record_of_another_run(project: Path) -> str:
    file = record_of(project, "ch2_train@cifar10-cfn-a-0")
    record = json.loads(file.read_text())
    record["made"][MODEL] = "0" * 32 + ".dir"
    file.write_text(json.dumps(record))
    return f"{file.relative_to(project)} is the record of another run"


def run_with_another_package(project: Path) -> str:
    file = record_of(project, "ch2_train@cifar10-cfn-a-0")
    replace(file, '"torch": "2.', '"torch": "1.')
    return "ch2_train@cifar10-cfn-a-0 was made with torch 1."


def run_with_a_python_that_is_none_of_ours(project: Path) -> str:
    of_python(project, "3.10.4", "ch2_train@cifar10-cfn-a-0")
    return "ch2_train@cifar10-cfn-a-0 was made with python 3.10.4, in force is 3.1"


def of_python(project: Path, version: str, *stages: str) -> None:
    for stage in stages:
        replace(record_of(project, stage), f'"python": "{platform.python_version()}"', f'"python": "{version}"')


def forge_predictions(project: Path) -> str:
    """Perfect scores, committed into DVC by hand: everything is consistent, but for where the predictions come from."""
    import numpy as np

    file = project / "data/mini/predictions/ch2_fusion/cifar10/cfn-a-seed0.npz"
    stored = dict(np.load(file))
    file.unlink()
    np.savez(file, scores=np.eye(10, dtype=np.float32)[stored["labels"]], labels=stored["labels"])
    for command in (["dvc", "commit", "-q", "-f", "workflow/pipelines/ch2_fusion/dvc.yaml:ch2_predict@cifar10"], ["dvc", "repro", "-q"]):
        assert run_in(project, *command).returncode == 0
    assert '"metric": "error", "model": "cfn-a", "n": 400' in (project / METRICS).read_text()
    return (
        "ch2_predict@cifar10: of what dvc.lock has of it there is no run record, though there are of other runs: was it committed by hand?"
    )


def edit_a_figure(project: Path) -> str:
    replace(project / "reports/figures/ch2_fusion/figure_2_7b.csv", ".", ",")
    figures = "reports/figures/ch2_fusion"
    return f"{figures} is not what ch2_figures@cifar10 made: {figures}/figure_2_7b.csv differs from the commit"


def edit_a_release(project: Path) -> str:
    replace(project / "reports/releases/real_cpu-2026-11-23/metrics/ch2_fusion/cifar10.json", '"value": 3', '"value": 2')
    return "reports/releases/real_cpu-2026-11-23/metrics/ch2_fusion/cifar10.json is not what ch2_evaluate@cifar10 made"


def lose_outputs(project: Path) -> str:
    shutil.rmtree(project / "data/mini")
    shutil.rmtree(project / ".dvc/cache")
    return "outputs are neither here nor in DVC's cache, such as data/mini/"


SPOILERS = [
    flip_digit_of_error,
    edit_a_cell,
    edit_a_cell_of_the_markdown,
    edit_a_cell_and_its_checksum,
    swap_lock_entries,
    change_a_command_in_the_lock,
    change_a_parameter_in_the_lock,
    forget_a_stage,
    replace_an_output,
    replace_an_output_in_the_cache,
    change_the_code,
    change_a_parameter,
    add_a_metrics_file,
    take_the_record_of_another_run,
    run_with_another_package,
    run_with_a_python_that_is_none_of_ours,
    forge_predictions,
    edit_a_figure,
    edit_a_release,
    lose_outputs,
]


@pytest.mark.slow
def test_a_finished_run_holds_and_a_second_audit_recomputes_nothing_unless_it_is_asked(finished: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(finished, tmp_path / "clone", symlinks=True))
    (root / "data/audit.json").unlink(missing_ok=True)
    first, second, third = (
        re.search(r"^holds  recomputed from stored predictions and metrics files: (.*)$", command(root, *options)[1], re.M)
        for options in ((), (), ("--all",))
    )
    assert first and second and third
    made = re.fullmatch(r"(\d+) outputs with (\d+) numbers and cells, all equal", first[1])
    assert made and int(made[1]) > 2 and int(made[2]) > 50
    assert second[1] == f"0 outputs with 0 numbers and cells, all equal; {made[1]} with {made[2]} as recorded by an earlier audit"
    assert third[1] == first[1]


@pytest.mark.slow
def test_the_command_ends_with_status_1_where_something_does_not_hold(project: Path) -> None:
    expected = flip_digit_of_error(project)
    status, said = command(project)
    assert status == 1 and f"BREAK  {expected}\n" in said


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_was_changed_is_found_and_named(project: Path, spoil: Callable[[Path], str]) -> None:
    expected = spoil(project)
    breaks = verify(project)[1]
    assert [sentence for sentence in breaks if expected in sentence], breaks


@pytest.mark.slow
def test_what_another_of_our_pythons_made_is_a_note(project: Path) -> None:
    of_python(project, "3.12.77", "download@cifar10", "ch2_train@cifar10-cfn-a-0")
    of_python(project, "3.13.77", "ch2_figures@cifar10")
    with contextlib.chdir(project):
        said = f"{audit.verify().text()}\n"
    assert "BREAK" not in said
    now = f"in force is {platform.python_version()}, with the same packages"
    assert f"note   made by Python 3.12.77, {now}: 2 stages, such as ch2_train@cifar10-cfn-a-0\n" in said
    assert f"note   made by Python 3.13.77, {now}: 1 stages, such as ch2_figures@cifar10\n" in said


@pytest.mark.slow
def test_a_project_without_a_run_says_so(project: Path) -> None:
    for file in lock_files(project):
        file.unlink()
    done = run_in(project, sys.executable, "-m", "workflow.audit", "verify")
    assert (done.returncode, done.stderr) == (1, "error: nothing has run here, there is no dvc.lock: run `dvc repro` first\n")


@pytest.mark.slow
def test_a_training_run_again_gives_equal_bytes_and_a_changed_result_is_told(project: Path) -> None:
    done = run_in(project, sys.executable, "-m", "workflow.audit", "rerun", "ch2_train@cifar10-cfn-a-0")
    assert done.returncode == 0, done.stderr
    assert "ch2_train@cifar10-cfn-a-0: equal bytes (1 outputs)" in done.stdout and done.stdout.endswith("the same came out\n")

    lock_entry(project, lambda stages: stages["ch2_train@cifar10-cfn-a-0"]["outs"][0].update(md5="0" * 32 + ".dir"))
    done = run_in(project, sys.executable, "-m", "workflow.audit", "rerun", "ch2_train@cifar10-cfn-a-0")
    assert done.returncode == 1
    assert "has the checksum" in done.stdout and done.stdout.endswith("something else came out\n")


def test_the_first_difference_is_told_in_the_terms_of_the_format(tmp_path: Path) -> None:
    import numpy as np

    one, other = tmp_path / "one", tmp_path / "other"
    for folder, value in ((one, 1.0), (other, 2.0)):
        folder.mkdir()
        np.savez(folder / "scores.npz", scores=np.array([[0, value], [5, 5]]), labels=np.arange(2))
        (folder / "a.json").write_text(json.dumps({"schema": 1, "parts": [{"x": value}]}))
        (folder / "t.csv").write_text(f"table,row,column,run\n2.2,cfn-b,cifar10,{value}\n")
        (folder / "log.txt").write_text(f"same\n{value}\n")
        (folder / "b.bin").write_bytes(bytes([0, 1, int(value)]) + b"\xff")
        (folder / "equal").write_text("equal")
    (one / "gone").write_text("")
    assert differences(one, one) == []
    assert differences(one, other) == [
        "a.json: parts.0.x was 1.0, is 2.0",
        "b.bin: byte 2 differs (4 bytes, now 4)",
        "gone: missing now",
        "log.txt: line 2 was '1.0', is '2.0'",
        "scores.npz: scores[0, 1] was 1.0, is 2.0 (1 of 4 values differ)",
        "t.csv: cfn-b, cifar10: run was '1.0', is '2.0'",
    ]
    np.savez(other / "scores.npz", scores=np.zeros(3), labels=np.arange(2))
    assert first_difference(one / "scores.npz", other / "scores.npz") == "scores was float64[2, 2], is float64[3]"
