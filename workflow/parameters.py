"""The stage `params`: the parameters in force as one small JSON file a chapter, of which that chapter's stages depend on single keys.

    python -m workflow.parameters

reports/params/<chapter>.json has the chapter's part of params.yaml and what all chapters share; reports/params/downloads.json the
data sets' part, and of each entry of workflow/sources.yaml what the origin in force asks. DVC reads the parameters' file of a stage some
six times for each stage it runs: params.yaml, which grows with every chapter, would cost the square of their number, and YAML takes
sixty times as long as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from stages.core.command import exit_on_error
from stages.core.files import replacing
from workflow import sources
from workflow.lock import PARAMS_FOLDER, PIPELINES, entries, load_yaml

COMMAND = "python -m workflow.parameters"
PARAMS = Path("params.yaml")
SOURCES = sources.SOURCES
DOWNLOADS = "downloads"


def contents() -> dict[str, dict[str, Any]]:
    """The files that belong into reports/params, by path, each with what it holds. Leaves with a sentence where one cannot be read."""
    if not PIPELINES.is_dir():
        return {}  # a pipeline of one file, whose stages take theirs from params.yaml
    params = _read(PARAMS)
    pipelines = {file.parent.name for file, _ in entries().values() if file.parent.parent == PIPELINES}  # those that have stages
    for name in params.get("chapters") or []:
        if name not in pipelines:
            sys.exit(f"error: {PARAMS} has the chapter {name}, and there is no {PIPELINES}/{name}/dvc.yaml: restore it")
        if name not in params:
            sys.exit(f"error: {PARAMS} has the chapter {name} among its `chapters`, and no key {name} with its parameters")
    chapters = sorted(pipelines & params.keys())
    shared = {key: value for key, value in params.items() if key not in (*chapters, "data", "chapters")}
    files = {chapter: {**shared, chapter: params[chapter]} for chapter in chapters}
    data = params.get("data", {})
    own = {name: sources.part(entry, data.get("origin", "")) for name, entry in sources.load().items()}
    files[DOWNLOADS] = {**shared, "data": data, "sources": own}
    return {f"{PARAMS_FOLDER}{name}.json": content for name, content in files.items()}


def texts() -> dict[str, str]:
    """The same as text."""
    return {path: json.dumps(content, indent=1) + "\n" for path, content in contents().items()}


def check() -> None:
    """Leave with a sentence if a file of reports/params is damaged; of one that is only outdated DVC makes a new one."""
    for file in sorted(Path(PARAMS_FOLDER).glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            sys.exit(f"error: {file} is not JSON: `dvc repro params` writes it anew")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = load_yaml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit(f"error: there is no {file}: write it with `python -m workflow.scale mini`")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        sys.exit(f"error: {file} is not YAML: {' '.join(str(error).split())}")
    if not isinstance(content, dict):
        sys.exit(f"error: {file} holds no keys with values: restore it")
    return content


def write() -> None:
    """Make the files of reports/params those of `texts`, touching only what differs."""
    wanted = texts()
    if not wanted:
        return
    folder = Path(PARAMS_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        if not Path(path).exists() or Path(path).read_text(encoding="utf-8") != text:
            with replacing(Path(path)) as aside:
                aside.write_text(text, encoding="utf-8")
    for file in folder.iterdir():
        if file.as_posix() not in wanted:
            file.unlink()


if __name__ == "__main__":
    with exit_on_error():
        write()
