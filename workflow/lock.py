"""DVC's lock files as one graph: which stage made a path, what it was made from, and what led to that.

The pipeline has a short dvc.yaml at the root and one for each chapter below workflow/pipelines/, each with its dvc.lock beside it.
Stages go by their names, which no two of them share; DVC's own address of a stage is that of its file and the name.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import UserError

FILE = Path("dvc.lock")
PIPELINES = Path("workflow/pipelines")
# The parameters by chapter, that stages depend on (workflow/parameters.py).
PARAMS_FOLDER = "reports/params/"
# The stages that all others follow from: they run of the whole project, and leave no run record.
BEFORE_STAGES = frozenset({"code", "params"})
# Where what was trained lies, below data/<scale>/.
TRAINED = ("/models/", "/forests/", "/codebooks/")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Values as DVC reads and writes them, by YAML 1.2: 1e-06 is a number, `on` and 1:30 are words."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, what) for tag, what in found if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")]
    for letter, found in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789"))


def load_yaml(text: str) -> Any:
    """What YAML of DVC's holds: lock files, parameters. Many times as fast as DVC's own loader."""
    return yaml.load(text, _Loader)


def pipeline_files(root: Path = Path()) -> list[Path]:
    """Every dvc.yaml, the root's first."""
    return [root / "dvc.yaml", *sorted((root / PIPELINES).glob("*/dvc.yaml"))]


def entries() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Every entry of the pipeline by name: the dvc.yaml that defines it, and its definition. Raises UserError for a file that is none."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for file in pipeline_files():
        if not file.exists():
            continue
        try:
            own = {name: (file, dict(what)) for name, what in load_yaml(file.read_text(encoding="utf-8"))["stages"].items()}
        except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
            own = {}
        if not own:
            raise UserError(f"{file} is not a pipeline of DVC, or has no stages: `git checkout {file}` brings it back")
        if twice := own.keys() & found.keys():
            raise UserError(f"{found[min(twice)][0]} and {file} both have the stage {min(twice)}: give one of them another name")
        found |= own
    return found


def descriptions() -> dict[str, str]:
    """The `desc` of every entry of the pipeline."""
    return {name: what.get("desc", "") for name, (_, what) in entries().items()}


def lock_files(root: Path = Path()) -> list[Path]:
    """Every lock file that there is, the root's first."""
    return [file for file in (root / FILE, *sorted((root / PIPELINES).glob(f"*/{FILE}"))) if file.exists()]


def name_of(addressing: str) -> str:
    """A stage's name, of DVC's address of it: ch3_prepare@bsds500 of workflow/pipelines/ch3_edges/dvc.yaml:ch3_prepare@bsds500."""
    return addressing.rpartition(":")[2]


class Lock:
    """The stages of the lock files below a folder, found by what they made; a project in which nothing has run has none.

    `stages` maps a stage's name to its entry: cmd, deps and outs (path, md5, size, nfiles), params by the file that the user edits,
    whether DVC has them from that or from reports/params. `files` maps it to its lock file.

    root : a working tree, a clone, or a release. texts : the lock files' texts by path, instead.
    """

    def __init__(self, root: Path = Path(), texts: Mapping[str, str] | None = None):
        self.stages: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        if texts is None:
            texts = {file.relative_to(root).as_posix(): file.read_text(errors="replace") for file in lock_files(root)}
        for file, text in texts.items():
            try:
                found = load_yaml(text).get("stages", {})
                found = {name: _whole(entry) for name, entry in found.items()}
            except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
                here = root / file
                cure = f"`git checkout {here} && dvc repro` brings it back, and from DVC's cache what had run since"
                raise UserError(f"{here} is not a lock file of DVC: {cure if root == Path() else 'restore it'}") from None
            if twice := found.keys() & self.stages.keys():
                name = min(twice)
                raise UserError(
                    f"{self.files[name]} and {file} both have the stage {name}: bring both back from one commit, as by `git checkout`"
                )
            self.stages |= found
            self.files |= dict.fromkeys(found, file)
        outs = [(name, out) for name, entry in self.stages.items() for out in entry.get("outs", [])]
        self.makers = {out["path"]: name for name, out in outs}
        self.hashes = {out["path"]: out["md5"] for _, out in outs if "md5" in out}

    def maker(self, path: str) -> str | None:
        """The stage that made `path` or a folder it lies in."""
        return next((self.makers[place] for place in _with_parents(path) if place in self.makers), None)

    def before(self, stage: str) -> list[str]:
        """The stages whose outputs `stage` read, by name."""
        return sorted({name for dep in self.stages[stage].get("deps", []) for name in self.made_in(dep["path"])})

    def chain(self, stage: str, trainings: bool = True) -> list[str]:
        """`stage` and all stages before it, nearest first; without `trainings` not those, nor what only they read."""
        found, pending = [], [stage]
        while pending:
            name = pending.pop(0)
            if name not in found and (trainings or not is_training(out["path"] for out in self.stages[name].get("outs", []))):
                found.append(name)
                pending += self.before(name)
        return found

    def in_order(self) -> list[str]:
        """All stages, none before one that it reads."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in order:
                for other in self.before(name):
                    visit(other)
                order[name] = None

        for name in self.stages:
            visit(name)
        return list(order)

    def params(self, stage: str, trainings: bool = True) -> dict[str, Any]:
        """The entries of params.yaml that `stage` and all stages before it depend on, as the lock has them: dotted key -> value.

        trainings : whether those of trainings are among them.
        """
        found: dict[str, Any] = {}
        for name in self.chain(stage, trainings):
            found = {**self.stages[name].get("params", {}).get("params.yaml", {}), **found}
        return found

    def made_in(self, path: str) -> list[str]:
        """The stage that made `path` or a folder around it; or all those that made something in it."""
        maker = self.maker(path)
        return [maker] if maker else sorted({name for out, name in self.makers.items() if out.startswith(path + "/")})


def committed(commit: str = "HEAD") -> "Lock | None":
    """The lock of a commit; None where it has none, or there is no git."""
    listed = git("ls-tree", "-r", "--name-only", commit, "--", FILE.as_posix(), PIPELINES.as_posix()) or ""
    texts = {path: git("show", f"{commit}:{path}") or "" for path in listed.splitlines() if Path(path).name == FILE.name}
    return Lock(texts=texts) if texts else None


def git(*arguments: str) -> str | None:
    """What git says; None where it refuses, or there is none."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _whole(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a lock file with its parameters as people edit them. Raises ValueError or what Python does where it is cut off."""
    lists = [entry.get(kind, []) for kind in ("deps", "outs")]
    paths = [item["path"] for found in lists for item in found]
    sums = [out["md5"] for out in lists[1]]
    texts = all(isinstance(text, str) for text in (*paths, *sums))
    if not entry["cmd"] or not texts or not all(isinstance(found, list) for found in lists):
        raise ValueError
    return {**entry, **({"params": _as_edited(entry["params"])} if "params" in entry else {})}


def _as_edited(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an entry of a lock file by the file that holds them for people: params.yaml or workflow/sources.yaml."""
    found: dict[str, Any] = {}
    for file, values in params.items():
        for key, value in values.items():
            source = file.startswith(PARAMS_FOLDER) and key.startswith("sources.")
            place = "workflow/sources.yaml" if source else "params.yaml" if file.startswith(PARAMS_FOLDER) else file
            found.setdefault(place, {})[key.removeprefix("sources.") if source else key] = value
    return found


def nested_params(entry: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an entry of dvc.lock as a stage has them: nested, those of other files than params.yaml under the file's stem."""
    found: dict[str, Any] = {}
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            put(found, [*([] if file == "params.yaml" else [Path(file).stem]), *key.split(".")], value)
    return found


def untrained(declared: Mapping[str, Iterable[str]], lock: Lock) -> set[str]:
    """The trainings that have never run, of these stages: name -> outputs, as dvc.yaml declares them.

    dvc.lock may have an entry of that name all the same, of another scale, with other outputs.
    """
    return {
        name
        for name, outs in declared.items()
        if is_training(outs)
        and not any(Path(out).exists() for out in outs)
        and {out["path"] for out in lock.stages.get(name, {}).get("outs", [])} != set(outs)
    }


def is_training(outs: Iterable[str]) -> bool:
    """Whether a stage with these outputs trains: networks, forests, codebooks."""
    outs = list(outs)
    return bool(outs) and all(any(folder in out for folder in TRAINED) for out in outs)


def put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    """Set the value at a path of keys, making the mappings on the way."""
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _with_parents(path: str) -> list[str]:
    return [path, *(parent.as_posix() for parent in Path(path).parents)]
