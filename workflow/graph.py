"""The pipeline as DVC resolves it: every stage instance with its command, dependencies, outputs and parameters.

    python -m workflow.graph        # write data/graph.json, which the stages read

Nothing else in the project lists a stage: the Snakefile, the stages' own checks and the drawing all read this.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.core.command import exit_on_error
from stages.core.files import sha256, write_json
from stages.core.stage import GRAPH
from workflow import scale
from workflow.lock import put

SOURCES = Path("workflow/sources.yaml")
LOCK = Path("dvc.lock")
MADE_FROM = (Path("dvc.yaml"), scale.PARAMS, SOURCES)
# Below these, only what the graph declares may lie: results of another scale or seed would pass for this one's.
OWNED = ("reports/metrics", "reports/tables", "reports/figures")


@dataclass(frozen=True)
class Step:
    """A resolved stage instance; `params` is nested, and parameters of a file other than params.yaml stand under its stem."""

    name: str
    command: str
    deps: list[str]
    outs: list[str]
    params: dict[str, Any]


def resolve() -> list[Step]:
    """All stage instances, in an order in which they can run."""
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo()
        index = repo.index
        index.check_graph()
    except DvcException as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    # Read once: every stage instance has some of these.
    values = {file: scale.read(Path(file)) for file in {dep.def_path for stage in index.stages for dep in stage.deps if _has_params(dep)}}
    order = {stage: place for place, stage in enumerate(networkx.dfs_postorder_nodes(index.graph))}
    return [_step(stage, values) for stage in sorted((s for s in index.stages if s.cmd), key=order.__getitem__)]


def _has_params(dep: Any) -> bool:
    return getattr(dep, "params", None) is not None


def _step(stage: Any, values: dict[str, Any]) -> Step:
    params: dict[str, Any] = {}
    deps = []
    for dep in stage.deps:
        if not _has_params(dep):
            deps.append(dep.def_path)
            continue
        prefix = [] if Path(dep.def_path) == scale.PARAMS else [Path(dep.def_path).stem]
        for key in dep.params:
            put(params, [*prefix, *key.split(".")], _get(values[dep.def_path], key, dep.def_path))
    return Step(stage.addressing, stage.cmd, deps, [out.def_path for out in stage.outs], params)


def _get(values: Any, key: str, file: str) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            sys.exit(f"error: dvc.yaml names the parameter {key}, which {file} does not have")
        values = values[part]
    return values


def refresh() -> None:
    """Check params.yaml, write data/graph.json, and remove results that belong to another scale or list of models."""
    scale.check()
    made_from = {file.as_posix(): sha256(file) for file in MADE_FROM}
    steps = resolve()
    stages = {step.command: {key: value for key, value in asdict(step).items() if key != "command"} for step in steps}
    write_json(GRAPH, {"made_from": made_from, "stages": stages})
    removed: Counter[Path] = Counter()
    for file in strangers(steps):
        file.unlink(missing_ok=True)  # another process may do the same
        removed[file.parent] += 1
    for folder, count in removed.items():
        print(f"removed {count} files of {folder}, which no stage of the lists now in {scale.PARAMS} makes", file=sys.stderr)


def strangers(steps: list[Step]) -> Iterator[Path]:
    """Results that dvc.lock knows, for they were made here, and that no stage of the graph makes."""
    if not LOCK.exists():
        return
    mine = scale.read(scale.PARAMS)["scale"]
    owned = [Path(folder) for folder in (*OWNED, f"data/{mine}/models", f"data/{mine}/predictions")]
    made = {Path(out["path"]) for stage in scale.read(LOCK)["stages"].values() for out in stage.get("outs", [])}
    for out in sorted(made - {Path(out) for step in steps for out in step.outs}):
        if any(folder in out.parents for folder in owned):
            yield from (file for file in (out.rglob("*") if out.is_dir() else [out]) if file.is_file())


if __name__ == "__main__":
    with exit_on_error():
        refresh()
