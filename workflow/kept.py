"""What a release keeps of the data behind its metrics, so that they can be computed again on any CPU, without a model.

Of an evaluation whose predictions are small, kept/ has the predictions that its metrics files name and the JSON and CSV that it
reads beside them, each file compressed. kept.json lists all files of the outputs that it reads, with their checksums and sizes:
so each output's checksum in dvc.lock can be followed, though models and pictures are not kept. Of other evaluations it has the
checksums and sizes of the predictions. Of every output of figures it has the checksums of all files, for those that show photos are
not released.
"""

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import files_of, md5, md5_of_folder, write_json
from workflow.lock import Lock

FACTS = "kept.json"
FILES = "kept"
FIGURES = "reports/figures/"
LARGEST = 1_000_000  # bytes, compressed, of the predictions of one model, or of a file beside them


def write(lock: Lock, names: set[str], folder: Path) -> None:
    """Write kept.json and kept/ of the release in `folder`, by the stages `names` of the lock."""
    kept: dict[str, Any] = {}
    left: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for stage in sorted(names & lock.stages.keys()):
        for out in lock.stages[stage].get("outs", []):
            if out["path"].startswith(FIGURES) and (place := Path(out["path"])).exists():
                figures[out["path"]] = {file.relative_to(place).as_posix(): md5(file) for file in files_of(place)}
        predictions = named_by(lock.stages[stage])
        if not predictions:
            continue
        outs = outputs_read(stage, lock)
        whole = not any("/sources/" in out or not Path(out).exists() for out in outs)
        packed = _packed(predictions, outs) if whole else {}
        if not packed:
            left |= {path.as_posix(): _facts(path) for path in predictions}
            continue
        for out in outs:
            files = files_of(Path(out))
            kept[out] = {
                file.relative_to(out).as_posix(): {"md5": md5(file), "size": file.stat().st_size, "kept": file in packed} for file in files
            }
        for file, content in packed.items():
            target = folder / FILES / f"{file}.xz"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if kept or left or figures:
        write_json(folder / FACTS, {"kept": kept, "left": left, "figures": figures})


def facts(folder: Path) -> dict[str, Any]:
    """What the release in `folder` says that it keeps; nothing where it has no kept.json. Raises UserError for a file that is none."""
    found: dict[str, Any] = {"kept": {}, "left": {}}
    file = folder / FACTS
    try:
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
        whole = [about.get("md5") and about["kept"] in (True, False) for files in found["kept"].values() for about in files.values()]
        figures = found.get("figures", {})
        whole += [isinstance(found["left"], dict), *(isinstance(files, dict) for files in figures.values())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = [False]
    if not all(whole):
        raise UserError(f"{file} does not say what the release keeps: restore it from git")
    return {"figures": {}, **found}


def unspoken(facts: dict[str, Any], folder: Path, lock: Lock) -> Iterator[str]:
    """A sentence for predictions that a release's metrics name and kept.json says nothing of, and for what is read beside those kept."""
    for stage, entry in sorted(lock.stages.items()):
        named = predictions_of(folder / Path(out["path"]).relative_to("reports") for out in entry.get("outs", []) if is_of_metrics(out))
        lacking = [path for path in named if path not in facts["left"] and not _is_kept(path, facts)]
        read = outputs_read(stage, lock) if any(path not in facts["left"] for path in named) else []
        if lacking := lacking or [out for out in read if out not in facts["kept"]]:
            yield f"{folder / FACTS} does not speak of {lacking[0]}, from which {stage} made its numbers: restore it from git"


def _is_kept(path: str, facts: dict[str, Any]) -> bool:
    """Whether all files of these predictions are kept."""
    places = {Path(out) / name: about["kept"] for out, files in facts["kept"].items() for name, about in files.items()}
    found = [is_kept for place, is_kept in places.items() if place.is_relative_to(path)]
    return bool(found) and all(found)


def _packed(predictions: list[Path], outs: list[str]) -> dict[Path, bytes]:
    """The predictions and the JSON and CSV of the outputs, compressed; nothing if any of it is large."""
    texts = [file for out in outs for file in files_of(Path(out)) if file.suffix in (".json", ".csv")]
    packed: dict[Path, bytes] = {}
    for path in [*predictions, *texts]:
        found = {file: lzma.compress(file.read_bytes()) for file in files_of(path)}
        if sum(map(len, found.values())) > LARGEST:
            return {}
        packed |= found
    return packed


def named_by(entry: dict[str, Any]) -> list[Path]:
    """The predictions that the metrics files among a stage's outputs name, as far as they are here."""
    named = predictions_of(Path(out["path"]) for out in entry.get("outs", []) if is_of_metrics(out))
    return [path for path in map(Path, named) if path.exists()]


def predictions_of(files: Iterable[Path]) -> list[str]:
    """The predictions that these metrics files name; other files name none."""
    return sorted({record.predictions for file in files if is_metrics(file) for record in metrics.read(file).records if record.predictions})


def is_of_metrics(out: dict[str, Any]) -> bool:
    """Whether an entry's output is among the metrics."""
    return out["path"].startswith("reports/metrics/")


def is_metrics(file: Path) -> bool:
    """Whether a file is a metrics file, and not other JSON beside these, such as descriptions of layers."""
    return file.suffix == ".json" and file.exists() and '"schema"' in file.read_text(encoding="utf-8")


def outputs_read(stage: str, lock: Lock) -> list[str]:
    """The outputs below data/ that a stage's dependencies are, lie in or hold."""
    deps = [dep["path"] for dep in lock.stages[stage].get("deps", []) if dep["path"].startswith("data/")]
    return sorted(out for out in lock.makers if any(out == dep or out.startswith(f"{dep}/") or dep.startswith(f"{out}/") for dep in deps))


def _facts(path: Path) -> dict[str, Any]:
    files = files_of(path)
    return {"md5": md5(path), "size": sum(file.stat().st_size for file in files), "files": len(files)}


def restore(facts: dict[str, Any], folder: Path, lock: Lock, root: Path) -> Iterator[str]:
    """Unpack what a release keeps below `root`, each file under its own path; a sentence for all that is not what the lock says.

    facts : what kept.json holds. folder : the release's.
    """
    for out, files in facts["kept"].items():
        listed = {name: about["md5"] for name, about in files.items()}
        if (md5_of_folder(listed) if list(listed) != ["."] else listed["."]) != lock.hashes.get(out):
            yield f"{folder / FACTS}: the checksums of {out} are not those of what {lock.maker(out)} made, by the release's dvc.lock"
            continue
        for name, about in files.items():
            if not about["kept"]:
                continue
            path = (Path(out) / name).as_posix()
            if ".." in Path(path).parts or path.startswith("/"):
                yield f"{folder / FACTS} names {path}, which would leave its folder"
                continue
            packed = folder / FILES / f"{path}.xz"
            if not packed.is_file():
                yield f"{packed} is missing: {folder / FACTS} says that it is kept"
                continue
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.write_bytes(lzma.decompress(packed.read_bytes()))
            except lzma.LZMAError:
                yield f"{packed} is damaged: restore it from git"
                continue
            if md5(target) != about["md5"]:
                yield f"{packed} holds another file than {folder / FACTS} says"


def packed_files(facts: dict[str, Any], folder: Path) -> set[Path]:
    """The files of kept/ that a release has."""
    found = {Path(out) / name for out, files in facts["kept"].items() for name, about in files.items() if about["kept"]}
    return {folder / FILES / f"{path.as_posix()}.xz" for path in found}


def evaluations(facts: dict[str, Any], lock: Lock) -> list[str]:
    """The stages whose metrics can be computed again from what is kept: all that they read below data/ is of outputs that are."""
    wanted = {name for name, entry in lock.stages.items() if any(map(is_of_metrics, entry.get("outs", [])))}
    read = {name: outputs_read(name, lock) for name in sorted(wanted)}
    return [name for name, outs in read.items() if outs and set(outs) <= facts["kept"].keys()]


def values(file: Path) -> dict[tuple, float]:
    """The numbers of a metrics file by what they are of."""
    try:
        return {record.identity: record.value for record in metrics.read(file).records}
    except UserError:
        return {}
