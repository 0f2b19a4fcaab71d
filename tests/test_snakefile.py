"""Snakemake runs what DVC would run, in parallel, and each engine continues where the other stopped.

A small project of shell commands, with the real parameters, under the real Snakefile.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import PATIENCE, wait_for

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
STAGES = """
stages:
  code:
    cmd: mkdir -p reports/code && grep -v "^#" source > reports/code/a.json && grep -c "" reports/code/a.json > reports/code/b.json
    deps: [source]
    outs:
    - reports/code: {cache: false, persist: true}
  prepare:
    cmd: sh step.sh prepared/x reports/code/a.json
    deps: [reports/code/a.json, step.sh]
    params: [ch4_deepindex.codebooks]
    outs: [prepared]
  train:
    matrix: {set: "${ch4_deepindex.sets.indexed}", seed: [0]}
    cmd: sh step.sh models/${item.set}/x prepared/x
    deps: [prepared, reports/code/b.json, step.sh]
    params: [runtime, ch2_fusion.training]
    outs: ["models/${item.set}"]
  evaluate:
    cmd: sh step.sh metrics.json models/*/x
    deps: [models, reports/code/b.json, step.sh]
    params: [ch2_fusion.network]
    outs:
    - metrics.json: {cache: false}
  alone:
    cmd: sh step.sh alone reports/code/b.json
    deps: [reports/code/b.json, step.sh]
    params: [ch2_fusion.network]
    outs: [alone]
"""
# An output depends on its name and its inputs; what has run is noted in the file `ran`. `hold` says how many may end while it exists.
STEP = """
out=$1; shift
echo "$out" >> ran
while [ -e hold ] && [ "$(wc -l < ran)" -gt "$(cat hold)" ]; do sleep .1; done
mkdir -p "$(dirname "$out")"
case $out in "$(cat fails)"/*) echo "error: $out cannot be made: mend it" >&2; exit 1; esac
{ echo "$out"; cat "$@"; } | cksum > "$out"
"""
TRAINED = ["models/holidays/x", "models/paris6k/x", "models/ukb/x"]
ALL = sorted(["alone", "metrics.json", "prepared/x", *TRAINED])
UP_TO_DATE = "Data and pipelines are up to date."
NOTHING = "Nothing to be done"


class Project:
    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {**os.environ, "DVC_SITE_CACHE_DIR": f"{folder}.site", "DVC_NO_ANALYTICS": "1"}

    def start(self, *command: str) -> subprocess.Popen:
        """Start a program of our environment, which the search path does not know."""
        env = {**self.env, "PATH": os.defpath}
        pipe = subprocess.PIPE
        arguments = [f"{BIN}/{command[0]}", *command[1:]]
        return subprocess.Popen(
            arguments, cwd=self.folder, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *command: str, status: int = 0) -> str:
        return finish(self.start(*command), status)

    def start_snakemake(self, *options: str) -> subprocess.Popen:
        return self.start("snakemake", "--snakefile", f"{ROOT}/Snakefile", "--cores", "3", *options)

    def snakemake(self, *options: str, status: int = 0) -> str:
        return finish(self.start_snakemake(*options), status)

    def ran(self) -> list[str]:
        """What has run since the last call."""
        file = self.folder / "ran"
        lines = sorted(file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def change(self, section: str, key: str, value: object) -> None:
        file = self.folder / "params.yaml"
        values = yaml.safe_load(file.read_text())
        values["ch2_fusion"][section][key] = value
        file.write_text(yaml.safe_dump(values, sort_keys=False))

    def results(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in ALL}

    def lock(self) -> dict:
        return yaml.safe_load((self.folder / "dvc.lock").read_text()) or {"stages": {}}  # empty while DVC writes it


def finish(process: subprocess.Popen, status: int = 0) -> str:
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == status, output
    return output


def planned(output: str) -> list[str]:
    """The stages that a dry run names."""
    return sorted(line.split(": ")[1] for line in output.splitlines() if line.startswith("Job ") and line.split()[1] != "stats:")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which nothing has run."""
    project = Project(tmp_path_factory.mktemp("empty") / "project")
    project.folder.mkdir()
    for name, text in {"dvc.yaml": STAGES, "step.sh": STEP, "source": "code\n", "fails": "none\n", ".gitignore": "/ran\n"}.items():
        (project.folder / name).write_text(text)
    shutil.copy(ROOT / "params.yaml", project.folder)
    (project.folder / "workflow").mkdir()
    shutil.copy(ROOT / "workflow/sources.yaml", project.folder / "workflow")
    (project.folder / "stages").symlink_to(ROOT / "stages")  # where the entries' modules are looked for
    project.run("python", "-c", "from dvc.repo import Repo; Repo.init(no_scm=True)")
    return project


@pytest.fixture(scope="module")
def engines(empty: Project) -> tuple[Project, Project]:
    """The same project, run by DVC and run by Snakemake."""
    by_dvc, by_snakemake = copy(empty, "by_dvc"), copy(empty, "by_snakemake")
    running = by_snakemake.start_snakemake()
    by_dvc.run("dvc", "repro")
    finish(running)
    assert by_dvc.ran() == by_snakemake.ran() == ALL
    return by_dvc, by_snakemake


@pytest.fixture
def done(engines: tuple[Project, Project], request: pytest.FixtureRequest) -> Project:
    """A project in which all has run."""
    return copy(engines[0], request.node.name)


def copy(project: Project, name: str) -> Project:
    folder = project.folder.parent / name
    shutil.copytree(project.folder, folder)
    return Project(folder)


def test_both_engines_make_the_same(engines: tuple[Project, Project]) -> None:
    by_dvc, by_snakemake = engines
    assert by_snakemake.results() == by_dvc.results()
    assert by_snakemake.lock() == by_dvc.lock()
    assert (by_snakemake.folder / "data/graph.json").exists()  # made before the stages, which would all make it otherwise


def test_neither_engine_has_anything_to_do_after_the_other_whatever_the_times_of_the_files(engines: tuple[Project, Project]) -> None:
    by_dvc, by_snakemake = engines
    for project in engines:
        for place, file in enumerate(sorted(project.folder.rglob("*"))):
            if file.is_file() and ".dvc/" not in file.as_posix():
                os.utime(file, (1.5e9 + place, 1.5e9 + place))
    running = by_dvc.start_snakemake("-n")
    assert UP_TO_DATE in by_snakemake.run("dvc", "status")
    assert NOTHING in finish(running)
    assert NOTHING in by_snakemake.snakemake()
    assert by_dvc.ran() == by_snakemake.ran() == []


def test_a_changed_parameter_reruns_what_depends_on_it(done: Project) -> None:
    done.change("network", "dropout", 0.1)
    markers = done.folder / ".snakemake/stages"
    markers.mkdir(parents=True)
    for name in ("alone", "evaluate"):  # as a killed run leaves them
        (markers / name).touch()
    assert planned(done.snakemake("-n")) == ["alone", "evaluate"]
    done.snakemake()
    assert done.ran() == ["alone", "metrics.json"]
    assert UP_TO_DATE in done.run("dvc", "status")


def test_what_comes_out_unchanged_reruns_nothing_more(done: Project) -> None:
    done.change("training", "momentum", 0.1)
    with (done.folder / "source").open("a") as file:
        file.write("# a comment\n")
    done.snakemake("--profile", f"{ROOT}/workflow/profiles/local")
    assert done.ran() == TRAINED
    assert UP_TO_DATE in done.run("dvc", "status")


@pytest.mark.slow
def test_a_lost_output_comes_back_from_the_cache_and_the_lock_stays(done: Project) -> None:
    before, lock = done.results(), (done.folder / "dvc.lock").read_bytes()
    shutil.rmtree(done.folder / "models")
    (done.folder / "metrics.json").unlink()
    done.snakemake("--profile", f"{ROOT}/workflow/profiles/local")
    assert done.ran() == ["metrics.json"]  # it is small and in git, not in the cache
    assert done.results() == before
    assert (done.folder / "dvc.lock").read_bytes() == lock


def test_a_failure_shows_its_sentence_and_the_next_run_goes_on_from_there(done: Project) -> None:
    before, lock = done.results(), (done.folder / "dvc.lock").read_bytes()
    (done.folder / "source").write_text("other\n")
    (done.folder / "fails").write_text("models/paris6k\n")
    output = done.snakemake("--keep-going", status=1)
    assert "\nerror: models/paris6k/x cannot be made: mend it\n" in output
    assert done.ran() == sorted(["prepared/x", *TRAINED])
    (done.folder / "fails").write_text("none\n")
    done.snakemake()
    assert done.ran() == ["metrics.json", "models/paris6k/x"]
    assert UP_TO_DATE in done.run("dvc", "status")
    assert done.results() != before and (done.folder / "dvc.lock").read_bytes() != lock


def test_parameters_are_checked_before_anything_runs(done: Project) -> None:
    done.change("training", "batch_size", "many")
    output = done.snakemake(status=1)
    assert output.strip().splitlines()[-1].startswith("error: params.yaml: ch2_fusion.training.batch_size: ")
    assert "Traceback" not in output
    assert done.ran() == []


def test_a_cluster_node_runs_the_stage_it_is_given(done: Project) -> None:
    """As the executors call Snakemake on a node: for one job, while the call that submitted it goes on."""
    done.change("training", "momentum", 0.1)
    marker = done.folder / ".snakemake/stages/train@paris6k-0"
    marker.parent.mkdir(parents=True)
    marker.touch()
    lock = (done.folder / ".snakemake/stages.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    job = ["--target-jobs", "train:stage=train@holidays-0", "--allowed-rules", "train"]
    done.snakemake("--mode", "remote", *job, "--force", "--nolock", "--no-hooks", "--ignore-incomplete")
    assert done.ran() == ["models/holidays/x"]
    assert marker.exists()


@pytest.mark.slow
def test_a_second_snakemake_is_refused_and_the_first_completes(done: Project) -> None:
    done.change("network", "dropout", 0.1)
    (done.folder / "hold").write_text("0")
    first = done.start_snakemake()
    try:
        wait_for(lambda: (done.folder / "ran").exists(), first)
        output = done.snakemake(status=1)
    finally:
        (done.folder / "hold").unlink()
    assert output.strip().splitlines()[-1] == "error: another snakemake is at work in this folder: wait for it to end"
    finish(first)
    assert done.ran() == ["alone", "metrics.json"]


@pytest.mark.slow
def test_what_had_finished_before_a_kill_is_not_run_again(done: Project) -> None:
    done.change("training", "momentum", 0.1)
    (done.folder / "hold").write_text("1")
    before = done.lock()["stages"]
    running = done.start_snakemake("--cores", "1")
    wait_for(lambda: (now := done.lock()["stages"]) != before and now.keys() == before.keys())
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    finished = {name for name, entry in done.lock()["stages"].items() if entry != before[name]}
    assert len(finished) == 1 and done.ran() != TRAINED
    (done.folder / "hold").unlink()
    assert "--unlock" in done.snakemake(status=1)
    done.snakemake("--unlock")
    done.snakemake()
    assert done.ran() == [output for output in TRAINED if f"train@{Path(output).parent.name}-0" not in finished]
    assert UP_TO_DATE in done.run("dvc", "status")
