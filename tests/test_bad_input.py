"""What goes wrong in life, through the real commands: each ends in one clear sentence and a status, and the next run succeeds."""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import PATIENCE, REPOSITORY, Toy, wait_for
from PIL import Image
from scipy.io import savemat

# Stages are `python -m ...`: the python that runs the tests has to be the first one found.
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def no_traceback(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done.stderr


# Data


def batch(images: int, labels: list[int] | None = None) -> bytes:
    pixels = np.random.default_rng(images).integers(0, 256, (images, 3072), dtype=np.uint8)
    return pickle.dumps({b"data": pixels, b"labels": labels or [place % 10 for place in range(images)]}, protocol=4)


@pytest.fixture
def prepare(tmp_path: Path) -> Path:
    """A project in which `stages.ch2_fusion.prepare cifar10` can run, on a CIFAR-10 of 60 images."""
    shutil.copytree(REPOSITORY / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    assert run(tmp_path, "workflow.code").returncode == 0
    declared = {
        "name": "ch2_prepare@cifar10",
        "deps": ["reports/code/ch2_fusion.prepare.json", "reports/code/datasets.cifar10.json", "data/mini/sources/cifar10"],
        "outs": ["data/mini/prepared/cifar10"],
        "params": {"scale": "mini", "ch2_fusion": {"contrast_scale": 55}},
    }
    source = tmp_path / "data/mini/sources/cifar10"
    (source / "cifar-10-batches-py").mkdir(parents=True)
    graph = {"made_from": {}, "stages": {"python -m stages.ch2_fusion.prepare cifar10": declared}}
    (tmp_path / "data/graph.json").write_text(json.dumps(graph))
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (source / "cifar-10-batches-py" / name).write_bytes(batch(10))
    names = {b"label_names": [f"class {number}".encode() for number in range(10)]}
    (source / "cifar-10-batches-py/batches.meta").write_bytes(pickle.dumps(names, protocol=4))
    (source / "provenance.json").write_text("{}")
    return tmp_path


class Attack:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch attacked",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (batch(10)[:-3000], "truncated"),
        (b"", "truncated"),
        (batch(10, [0, 1, 2, 3, 10, 5, 6, 7, 8, 9]), "label 10"),
        (batch(10, [0, 1, 2, 3, 4]), "10 images"),
        (pickle.dumps({b"data": Attack()}), "system"),
        (None, "missing"),
    ],
    ids=["cut off", "empty", "label out of range", "too few labels", "code in a pickle", "no file"],
)
def test_a_damaged_batch_is_named(prepare: Path, content: bytes | None, says: str) -> None:
    damaged = prepare / "data/mini/sources/cifar10/cifar-10-batches-py/data_batch_3"
    good = damaged.read_bytes()
    if content is None:
        damaged.unlink()
    else:
        damaged.write_bytes(content)
    done = run(prepare, "stages.ch2_fusion.prepare", "cifar10")
    assert done.returncode == 1
    assert no_traceback(done).count("\n") == 1
    assert done.stderr.startswith("error: data/mini/sources/cifar10/cifar-10-batches-py/data_batch_3")
    assert says in done.stderr
    assert [path for path in (prepare / "data/mini").rglob("*") if "prepared/" in str(path)] == []
    assert not (prepare / "attacked").exists()
    damaged.write_bytes(good)
    done = run(prepare, "stages.ch2_fusion.prepare", "cifar10")
    assert (done.returncode, done.stderr) == (0, "")
    assert np.load(prepare / "data/mini/prepared/cifar10/train_images.npy").shape == (50, 3, 32, 32)


# Parameters


@pytest.mark.slow
def test_an_argument_of_the_wrong_type_is_one_sentence_from_any_command(tmp_path: Path) -> None:
    for folder in ("stages", "workflow"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / file, tmp_path)
    (tmp_path / "reports/releases").mkdir(parents=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    values = yaml.safe_load((tmp_path / "params.yaml").read_text())

    values["ch2_fusion"]["training"]["batch_size"] = 10
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    entries = yaml.safe_load((tmp_path / "workflow/sources.yaml").read_text())

    def write(train: Any) -> None:
        entries["cifar10"]["miniature"] |= {"train": train, "test": 100}
        (tmp_path / "workflow/sources.yaml").write_text(yaml.safe_dump(entries))

    sentence = "error: workflow/sources.yaml: cifar10.miniature.train is '100': it should be a whole number, 0 or more\n"
    write("100")
    for words in (["stages.download", "cifar10"], ["workflow.graph"], ["workflow.scale", "--check"]):
        done = run(tmp_path, *words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
    done = run(tmp_path, "dvc", "repro", "download@cifar10")
    assert done.returncode != 0
    assert no_traceback(done).startswith(sentence)
    assert not (tmp_path / "data").exists()
    write(100)
    done = run(tmp_path, "dvc", "repro", "download@cifar10")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/mini/sources/cifar10/cifar-10-batches-py/data_batch_5").exists()


# Places that cannot be written


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["mount", *options, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this test mounts file systems, which is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def full_disk(place: Path) -> contextlib.AbstractContextManager[None]:
    """`place` on a file system of 1 MB."""
    return mounted(place, "-t", "tmpfs", "-o", "size=1m", "tmpfs")


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    with mounted(place, "--bind", str(place)):
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield


NOTHING_LEFT = "nothing was left half-written, so free the place and run again"
FULL = f"error: cannot write the outputs: No space left on device; {NOTHING_LEFT}\n"
WRITERS = {
    "bytes": "(out / 'x').write_bytes(bytes(3 << 20))",
    "csv": "write_csv(out / 'x', [{'value': number} for number in range(500_000)])",
    "npz": "np.savez(out / 'x.npz', x=np.zeros(3 << 17))",
    "npy": "np.save(out / 'x.npy', np.zeros(3 << 17))",
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(toy: Toy, write: str) -> None:
    imports = "import numpy as np\nfrom stages.core.files import write_csv"
    toy.write(f"out = job.out('out/d')\nout.mkdir()\n{write}", imports=imports, outs=["out/d"])
    with full_disk(toy.root / "out"):
        assert toy.fail() == FULL
        assert list((toy.root / "out").iterdir()) == []
    toy.succeed()


def test_an_output_folder_that_is_read_only_is_one_sentence(toy: Toy) -> None:
    toy.write("job.out('out/a.txt').write_text('')")
    with read_only(toy.root / "out"):
        assert toy.fail() == f"error: cannot write out/.a.txt.partial: Read-only file system; {NOTHING_LEFT}\n"
    toy.succeed()


@pytest.mark.parametrize("option", ["--json", "--counts"])
def test_scores_on_a_full_or_read_only_disk_are_one_sentence(tmp_path: Path, option: str) -> None:
    edges = np.zeros((40, 50), np.uint8)
    edges[20] = 255
    for name in ("a", "b"):
        (tmp_path / "pb").mkdir(exist_ok=True)
        Image.fromarray(edges).save(tmp_path / f"pb/{name}.png")
        (tmp_path / "gt").mkdir(exist_ok=True)
        savemat(tmp_path / f"gt/{name}.mat", {"groundTruth": np.array([[{"Boundaries": edges, "Segmentation": edges}]], object)})
    out = tmp_path / "out"

    def score() -> subprocess.CompletedProcess[str]:
        places = {"--json": tmp_path / "scores.json"} | {option: out / "there"}
        words = [str(word) for pair in places.items() for word in pair]
        return run(REPOSITORY, "stages.metrics.boundary", str(tmp_path / "pb"), str(tmp_path / "gt"), "--thresholds", "20", *words)

    with full_disk(out):
        (out / "large").write_bytes(bytes((1 << 20) - 4096))  # what is left is a page, which the name of a file does not need
        (out / "rest").write_bytes(bytes(4096))
        done = score()
        assert (done.returncode, done.stdout) == (1, "")
        assert no_traceback(done) == f"error: cannot write {out}/there: No space left on device; mend that, or give another place\n"
        assert sorted(file.name for file in out.iterdir()) == ["large", "rest"]
    with read_only(out):
        done = score()
        assert (done.returncode, done.stdout) == (1, "")
        assert no_traceback(done) == f"error: cannot write {out}/there: Read-only file system; mend that, or give another place\n"
    assert score().returncode == 0


# Under DVC


@pytest.fixture
def project(toy: Toy) -> Toy:
    """The toy as a DVC project; its stage writes 3 MB."""
    body = "out = job.out('out/d')\nout.mkdir()\n(out / 'x').write_bytes(os.urandom(3 << 20))"
    toy.write(body, imports="import os", deps=["in"], outs=["out/d"])
    toy.file("in", "1")
    toy.file(".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
    toy.file("dvc.yaml", "stages: {toy: {cmd: python -m stages.toy, deps: [in, reports/code/toy.json], outs: [out/d]}}\n")
    return toy


def repro(project: Toy) -> subprocess.CompletedProcess[str]:
    return run(project.root, "dvc", "repro")


def assert_all_is_well(project: Toy) -> None:
    done = repro(project)
    assert done.returncode == 0, done.stderr
    assert run(project.root, "dvc", "status", "-q").returncode == 0
    assert project.leftovers() == []


@pytest.mark.slow
def test_a_read_only_cache(project: Toy) -> None:
    with read_only(project.root / ".dvc/cache"):
        done = repro(project)
    assert done.returncode != 0
    assert no_traceback(done).startswith("ERROR: failed to reproduce 'toy': [Errno 30] Read-only file system: '")
    assert done.stderr.count("\n") == 1
    assert_all_is_well(project)


@pytest.mark.slow
def test_a_full_cache(project: Toy) -> None:
    with full_disk(project.root / ".dvc/cache"):
        done = repro(project)
        # For an output that is a folder, DVC 3.67 says so but exits with 0; its status knows better.
        assert run(project.root, "dvc", "status", "-q").returncode == 1
    assert no_traceback(done).startswith("ERROR: failed to transfer ")
    assert "No space left on device" in done.stderr
    assert_all_is_well(project)


@pytest.mark.slow
def test_outputs_that_dvc_links_into_its_cache(project: Toy) -> None:
    project.file(".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n[cache]\n    type = symlink\n")
    assert_all_is_well(project)
    (first,) = (project.root / "out/d").iterdir()
    assert first.is_symlink()
    kept = first.resolve(), first.read_bytes()
    done = run(project.root, "stages.toy")  # by hand, when nothing has removed the links
    assert done.returncode == 0, done.stderr
    assert kept[0].read_bytes() == kept[1] != first.read_bytes()
    project.file("in", "2")
    assert_all_is_well(project)
    assert kept[0].read_bytes() == kept[1]
    project.file("in", "1")
    assert "is cached - skipping run, checking out outputs" in repro(project).stdout
    assert first.read_bytes() == kept[1]


@pytest.mark.slow
def test_two_runs_at_once(project: Toy) -> None:
    marker = project.root / "out/.d.partial/d"
    hold = project.root.parent / "hold"
    hold.touch()
    text = (project.root / "stages/toy.py").read_text()
    held = f"    out.mkdir()\n    import os, time\n    while os.path.exists({str(hold)!r}):\n        time.sleep(.05)\n"
    (project.root / "stages/toy.py").write_text(text.replace("    out.mkdir()\n", held))
    project.fingerprint()
    with subprocess.Popen([sys.executable, "-m", "dvc", "repro", "-q"], cwd=project.root, env=ENVIRONMENT) as first:
        try:
            wait_for(marker.exists, first)
            second = repro(project)
        finally:
            hold.unlink()
        assert second.returncode != 0
        assert "is busy, it is being blocked by:\n  (PID " in no_traceback(second)
        assert first.wait() == 0
    assert_all_is_well(project)
    assert "didn't change, skipping" in repro(project).stdout


@pytest.mark.slow
def test_a_killed_run(project: Toy) -> None:
    marker = project.root / "out/.d.partial/d"
    good = (project.root / "stages/toy.py").read_text()
    (project.root / "stages/toy.py").write_text(good.replace("    out.mkdir()\n", "    out.mkdir()\n    import time; time.sleep(6000)\n"))
    project.fingerprint()
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    with subprocess.Popen(command, cwd=project.root, env=ENVIRONMENT, start_new_session=True) as process:
        wait_for(marker.exists, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (project.root / "out/d").exists()
    assert not (project.root / "dvc.lock").exists()
    (project.root / "stages/toy.py").write_text(good)
    project.fingerprint()
    assert_all_is_well(project)
