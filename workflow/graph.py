"""The pipeline as DVC resolves it: every stage instance with its command, dependencies, outputs and parameters.

    python -m workflow.graph        # write data/graph.json, which the stages read

Nothing else in the project lists a stage: the Snakefile, the stages' own checks and the drawing all read this.
"""

import contextlib
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.core.command import exit_on_error
from stages.core.files import sha256, write_json
from stages.core.stage import GRAPH
from workflow import parameters, scale
from workflow.lock import PARAMS_FOLDER, Lock, name_of, pipeline_files, put

# Below these, only what the graph declares may lie: results of another scale or seed would pass for this one's.
OWNED = ("reports/metrics", "reports/tables", "reports/figures")


@dataclass(frozen=True)
class Step:
    """A resolved stage instance; `params` is nested, as in reports/params; `file` is the dvc.yaml that declares it."""

    name: str
    command: str
    deps: list[str]
    outs: list[str]
    params: dict[str, Any]
    file: str = "dvc.yaml"

    @property
    def address(self) -> str:
        """What DVC knows it by, at the root."""
        return self.name if self.file == "dvc.yaml" else f"{self.file}:{self.name}"


def made_from() -> list[Path]:
    """The files that the graph follows from."""
    return [*pipeline_files(), parameters.PARAMS, parameters.SOURCES]


def resolve(repo: Any = None) -> list[Step]:
    """All stage instances, in an order in which they can run.

    repo : DVC's, which has read the pipeline once if it is used again.
    """
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    values: dict[str, Any] = dict(parameters.contents())
    Lock()  # of a pipeline or lock file that is damaged it says what to do, where DVC says that it is
    parameters.check()
    try:
        repo = repo or Repo()
        index = repo.index
        index.check_graph()
    except DvcException as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    # What reports/params is to hold, whether the stage that writes it has run or not; other files are read once.
    for file in {dep.def_path for stage in index.stages for dep in stage.deps if _has_params(dep)} - values.keys():
        if file.startswith(PARAMS_FOLDER):
            sys.exit(f"error: a stage has parameters of {file}, and {scale.PARAMS} has no such chapter with a folder in workflow/pipelines")
        values[file] = scale.read(Path(file))
    order = {stage: place for place, stage in enumerate(networkx.dfs_postorder_nodes(index.graph))}
    steps = [_step(stage, values) for stage in sorted((s for s in index.stages if s.cmd), key=order.__getitem__)]
    first: dict[str, Step] = {}
    for step in steps:
        other = first.setdefault(step.name, step)
        if other is not step:
            sys.exit(f"error: {other.file} and {step.file} both have the stage {step.name}: give one of them another name")
    return steps


def _has_params(dep: Any) -> bool:
    return getattr(dep, "params", None) is not None


def _step(stage: Any, values: dict[str, Any]) -> Step:
    params: dict[str, Any] = {}
    deps = []
    file = Path(stage.path).relative_to(stage.repo.root_dir).as_posix()
    for dep in stage.deps:
        if not _has_params(dep):
            deps.append(dep.def_path)
            continue
        whole = Path(dep.def_path) == scale.PARAMS or dep.def_path.startswith(PARAMS_FOLDER)
        prefix = [] if whole else [Path(dep.def_path).stem]
        for key in dep.params:
            put(
                params,
                [*prefix, *key.split(".")],
                _get(values[dep.def_path], key, f"{file} names the parameter {key}, which {_edited(dep.def_path, key)}"),
            )
    return Step(name_of(stage.addressing), stage.cmd, deps, [out.def_path for out in stage.outs], params, file)


def _edited(file: str, key: str) -> Path | str:
    """The file that people edit, of one that the stage `params` makes of it."""
    if not file.startswith(PARAMS_FOLDER):
        return file
    return parameters.SOURCES if key.startswith("sources.") else scale.PARAMS


def _get(values: Any, key: str, what: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            sys.exit(f"error: {what} does not have")
        values = values[part]
    return values


def refresh() -> None:
    """Check params.yaml, write data/graph.json, and remove results that belong to another scale or list of models."""
    scale.check()
    origins = {file.as_posix(): sha256(file) for file in made_from()}
    steps = resolve()
    stages = {step.command: {key: value for key, value in asdict(step).items() if key != "command"} for step in steps}
    params = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in parameters.texts().items()}
    write_json(GRAPH, {"made_from": origins, "params": params, "stages": stages})
    read = {dep for step in steps for dep in step.deps}  # DVC asks for these, empty or not
    removed: Counter[Path] = Counter()
    for file in strangers(steps):
        file.unlink(missing_ok=True)  # another process may do the same
        removed[file.parent] += 1
    for folder, count in removed.items():
        for emptied in (folder, folder.parent):  # a block's network and the block, which would else pass for a training
            with contextlib.suppress(OSError):
                if emptied.as_posix() not in read:
                    emptied.rmdir()
        print(f"removed {count} files of {folder}, which no stage of the lists now in {scale.PARAMS} makes", file=sys.stderr)


def strangers(steps: list[Step]) -> Iterator[Path]:
    """Results that a lock file knows, for they were made here, and that no stage of the graph makes."""
    mine = scale.read(scale.PARAMS)["scale"]
    owned = [Path(folder) for folder in (*OWNED, f"data/{mine}/models", f"data/{mine}/predictions")]
    made = {Path(out["path"]) for stage in Lock().stages.values() for out in stage.get("outs", [])}
    current = {Path(out) for step in steps for out in step.outs}
    for out in sorted(made - current):
        if any(folder in out.parents for folder in owned):
            files = out.rglob("*") if out.is_dir() else [out]
            # What was one output may be a folder of several now: theirs stay.
            yield from (file for file in files if file.is_file() and not current.intersection(file.parents))


if __name__ == "__main__":
    with exit_on_error():
        refresh()
