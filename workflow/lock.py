"""dvc.lock as a graph: which stage made a path, what it was made from, and what led to that."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import UserError

FILE = Path("dvc.lock")
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


class Lock:
    """The stages of a dvc.lock file, found by what they made; a file that does not exist has none.

    `stages` maps a stage's name to its entry: cmd, deps and outs (path, md5, size, nfiles), params by file.
    """

    def __init__(self, file: Path = FILE, text: str | None = None):
        self.stages: dict[str, Any] = {}
        if text is None and file.exists():
            text = file.read_text()
        try:
            if text is not None:
                self.stages = load_yaml(text)["stages"]
            outs = [(name, out) for name, entry in self.stages.items() for out in entry.get("outs", [])]
            self.makers = {out["path"]: name for name, out in outs}
            self.hashes = {out["path"]: out["md5"] for _, out in outs if "md5" in out}
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            cure = (
                f"`git checkout {file} && dvc repro` brings it back, and from DVC's cache what had run since"
                if file == FILE
                else "restore it"
            )
            raise UserError(f"{file} is not a lock file of DVC: {cure}") from None

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
