"""The parameters in force: composed from a scale, checked before anything runs.

    python -m workflow.scale real_cpu                      # write params.yaml for that scale
    python -m workflow.scale mini runtime.threads=2        # with a change
    python -m workflow.scale real_cpu +only=ch4_deepindex   # one chapter
    python -m workflow.scale --check                       # is params.yaml valid?

`dvc exp run -S scale=real` composes the same way. A plain `dvc repro` takes params.yaml as it is.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from stages.core.command import exit_on_error
from stages.core.files import replacing
from workflow import sources
from workflow.parameters import PARAMS
from workflow.params import problems, used_sets

CONFIG = Path("workflow/scales")


def read(path: Path) -> Any:
    """What the YAML file at `path` holds, as DVC reads it: by YAML 1.2, where 1e-4 is a number and `on` is a word."""
    from dvc.utils.serialize import ParseError, load_yaml

    try:
        return load_yaml(path)
    except FileNotFoundError:
        sys.exit(f"error: there is no {path}")
    except ParseError as error:
        sys.exit(f"error: {path} is not YAML: {' '.join(str(error.__cause__ or error).split())}")


def check(path: Path = PARAMS) -> None:
    """Leave with one sentence and status 1 unless the parameters at `path` are valid."""
    if not path.exists():
        sys.exit(f"error: there is no {path}: write it with `python -m workflow.scale mini`")
    values = read(path)
    if found := problems(values):
        sys.exit(f"error: {path}: " + "; ".join(found))
    if found := of_sources(values):
        sys.exit("error: " + "; ".join(found))


def of_sources(values: dict[str, Any]) -> list[str]:
    """One sentence for each thing that is wrong with workflow/sources.yaml, or with what valid parameters want of it."""
    entries = sources.load()
    return sources.problems(entries) or sources.unusable(entries, values["data"]["sets"], values["data"]["origin"])


def compose(scale: str, overrides: list[str], path: Path = PARAMS) -> None:
    """Write the parameters of `scale`, changed by `overrides` (Hydra's key=value), to `path`; leave it alone if they are invalid."""
    from dvc.utils.hydra import compose_and_dump  # half a second

    known = sorted(file.stem for file in (CONFIG / "scale").glob("*.yaml"))
    if scale not in known:
        sys.exit(f"error: there is no scale {scale}: it may be {', '.join(known)}")
    wanted = " ".join([scale, *overrides])
    given = dict(override.lstrip("+").partition("=")[::2] for override in overrides)
    _refuse_unknown(given)
    folder = str(CONFIG.absolute())
    try:
        with replacing(path) as aside:
            compose_and_dump(aside, folder, None, "config", "", [f"scale={scale}", *overrides])
            found = problems(read(aside)) or of_sources(read(aside))
            if not found and "only" in given and "data.sets" not in given:
                if not (used := used_sets(read(aside))):
                    sys.exit(f"error: {wanted}: the scale has nothing of this chapter; {path} is left as it was")
                compose_and_dump(aside, folder, None, "config", "", [f"scale={scale}", *overrides, f"data.sets=[{','.join(used)}]"])
            if found:
                sys.exit(f"error: {wanted}: {'; '.join(found)}; {path} is left as it was")
    except Exception as error:  # Hydra's own, of several kinds
        sys.exit(f"error: {wanted}: {' '.join(str(error).split())}; {path} is left as it was")


def _refuse_unknown(given: dict[str, str]) -> None:
    """Leave with one sentence where a chapter is named that there is not: Hydra says it in eight lines."""
    for key in ("only", "leave_out"):
        known = sorted(file.stem for file in (CONFIG / key).glob("*.yaml"))
        for name in given.get(key, "").strip("[]").split(",") if key in given else []:
            if name.strip() not in known:
                sys.exit(f"error: there is no chapter {name.strip() or 'without a name'}: +{key} may be {', '.join(known)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check params.yaml")
    parser.add_argument("scale", nargs="?", help="a file of workflow/scales/scale/")
    parser.add_argument("overrides", nargs="*", help="key=value, e.g. runtime.threads=2")
    args = parser.parse_args()
    if args.check == bool(args.scale):
        parser.error("give a scale or --check")
    if args.check:
        check()
        return
    from workflow import graph

    with exit_on_error():
        compose(args.scale, args.overrides)
        graph.refresh()


if __name__ == "__main__":
    main()
