"""The stage `code`: fingerprints of our modules, the only code dependencies that other stages have.

reports/code/<module>.json is of a stage: it lists every module of ours that the stage imports, directly or not, with a hash of what it
does. What a stage takes by a data set's or network's name, and so does not import, has a file of its own, by the entries of
workflow/sources.yaml: datasets.<name>.json, encoders.<name>.json, generated.<name>.json, official.<name>.json (workflow/sources.py). A
new entry is a new file, and changes no other. A comment changes none of them; a constant changes those of the stages that import it.
"""

import json
import sys
from pathlib import Path

import grimp

from stages.core.command import exit_on_error
from stages.core.fingerprint import syntax_hash
from workflow import sources

OUT = Path("reports/code")
COMMAND = "python -m workflow.code"


def source(module: str) -> Path:
    """The file of a module of ours."""
    path = Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_stage(module: str) -> bool:
    """Whether the module can be run as a stage."""
    return "\n    stage.execute(" in source(module).read_text(encoding="utf-8")


def hash_of(module: str) -> str:
    """The hash of what a module of ours does; leaves with a sentence where it cannot be parsed."""
    try:
        return syntax_hash(source(module).read_text(encoding="utf-8"))
    except SyntaxError as error:
        sys.exit(f"error: {source(module)}, line {error.lineno}: {error.msg}")


def fingerprint(module: str, imports: grimp.ImportGraph, hashes: dict[str, str]) -> dict[str, str]:
    """Module -> hash for the module itself, the packages it lies in (importing it runs those too), and all that these import."""
    listed: set[str] = set()
    found = {module}
    while found:
        name = found.pop()
        listed.add(name)
        package = {name.rpartition(".")[0]} - {""}
        found |= (imports.find_modules_directly_imported_by(name) | package) - listed
    return {name: hashes[name] for name in sorted(listed)}


def contents() -> dict[str, str]:
    """The files that belong into OUT, each with its text."""
    try:
        imports = grimp.build_graph("stages", cache_dir=None)
    except grimp.exceptions.SourceSyntaxError as error:
        sys.exit(f"error: {error}")
    hashes = {name: hash_of(name) for name in imports.modules}
    wanted = {name.removeprefix("stages."): name for name in imports.modules if is_stage(name)}
    for name, entry in sources.load().items() if sources.SOURCES.exists() else ():
        wanted |= {stem: module for stem, module in sources.modules(name, entry).items() if module in imports.modules}
    return {f"{stem}.json": json.dumps(fingerprint(name, imports, hashes), indent=1) + "\n" for stem, name in wanted.items()}


def changes(wanted: dict[str, str] | None = None) -> list[str]:
    """The files that a run of the stage would change; it would make them `wanted`, if that is known."""
    wanted = contents() if wanted is None else wanted
    present = {file.name: file.read_text() for file in OUT.iterdir()} if OUT.exists() else {}
    return sorted(f"{OUT}/{name}" for name in wanted.keys() | present if wanted.get(name) != present.get(name))


def main() -> None:
    wanted = contents()
    try:
        write(wanted)
    except OSError as error:
        sys.exit(f"error: cannot write the code fingerprints to {OUT}: {error.strerror}; mend that and run again")


def write(wanted: dict[str, str]) -> None:
    """Make the files of OUT those of `wanted`, touching only what differs."""
    OUT.mkdir(parents=True, exist_ok=True)
    for file, text in wanted.items():
        if not (OUT / file).exists() or (OUT / file).read_text() != text:
            (OUT / file).write_text(text)
    for stale in OUT.iterdir():
        if stale.name not in wanted:
            stale.unlink()


if __name__ == "__main__":
    with exit_on_error():
        main()
