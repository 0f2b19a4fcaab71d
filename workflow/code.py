"""The stage `code`: one fingerprint per stage module, the only code dependency that other stages have.

reports/code/<module>.json lists every module of ours that the stage imports, directly or not, with a hash of what it does.
A comment changes none of them; a constant changes those of the stages that import it.
"""

import json
import sys
from pathlib import Path

import grimp

from stages.core.fingerprint import syntax_hash

OUT = Path("reports/code")


def source(module: str) -> Path:
    """The file of a module of ours."""
    path = Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_stage(module: str) -> bool:
    """Whether the module can be run as a stage."""
    return "\n    stage.execute(" in source(module).read_text()


def fingerprint(module: str, imports: grimp.ImportGraph, hashes: dict[str, str]) -> dict[str, str]:
    """Module -> hash for the module itself, all it imports, and the packages these lie in (importing runs those too)."""
    modules = {module, *imports.find_upstream_modules(module)}
    parents = {".".join(parts[:length]) for parts in (name.split(".") for name in modules) for length in range(1, len(parts))}
    return {name: hashes[name] for name in sorted(modules | parents)}


def main() -> None:
    imports = grimp.build_graph("stages", cache_dir=None)
    try:
        hashes = {name: syntax_hash(source(name).read_text()) for name in imports.modules}
    except SyntaxError as error:
        sys.exit(f"error: {error.filename or 'a module of stages/'}: {error}")
    wanted = {f"{name.removeprefix('stages.')}.json": fingerprint(name, imports, hashes) for name in imports.modules if is_stage(name)}
    OUT.mkdir(parents=True, exist_ok=True)
    for file, content in wanted.items():
        text = json.dumps(content, indent=1) + "\n"
        if not (OUT / file).exists() or (OUT / file).read_text() != text:
            (OUT / file).write_text(text)
    for stale in OUT.iterdir():
        if stale.name not in wanted:
            stale.unlink()


if __name__ == "__main__":
    main()
