"""The parameters in force: composed from a scale, checked before anything runs.

    python -m workflow.scale real_cpu                      # write params.yaml for that scale
    python -m workflow.scale mini runtime.threads=2        # with a change
    python -m workflow.scale real_cpu +only=ch4_deepindex   # one chapter, and the data sets that it uses
    python -m workflow.scale mini +leave_out=[ch3_edges]    # all others
    python -m workflow.scale --check                       # is params.yaml valid?

`dvc exp run -S scale=real` composes the same way, without the last two. A plain `dvc repro` takes params.yaml as it is.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from stages.core.command import exit_on_error
from stages.core.files import replacing
from workflow.parameters import PARAMS, SOURCES
from workflow.params import chapters, needed_by, problems, used_sets

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
    if wrong := problems(read(path)):
        file = "" if wrong[0].startswith(f"{SOURCES}: ") else f"{path}: "  # those of the data sets name their own
        sys.exit(f"error: {file}{'; '.join(wrong)}")


def compose(scale: str, overrides: list[str], path: Path = PARAMS) -> None:
    """Write the parameters of `scale`, changed by `overrides` (Hydra's key=value), to `path`; leave it alone if they are invalid.

    +only=<chapter> and +leave_out=[<chapter>, ...] empty the `sets` of the chapters that are not to run, and take them from `chapters`:
    a table follows from metrics, which nothing would make. Of the sets that chapters share, those stay that a chapter left has.
    """
    known = sorted(file.stem for file in (CONFIG / "scale").glob("*.yaml"))
    if scale not in known:
        sys.exit(f"error: there is no scale {scale}: it may be {', '.join(known)}")
    _check_lists()
    wanted = " ".join([scale, *overrides])
    if twice := next((override for override in overrides if override.startswith("scale=")), None):
        sys.exit(f"error: {wanted}: the scale is {scale} already: leave {twice} out")
    plain = [override for override in overrides if not override.startswith(("+only=", "+leave_out="))]
    only, left_out = _named("only", overrides), _named("leave_out", overrides)
    try:
        with replacing(path) as aside:
            values = _composed(aside, scale, plain)
            if only or left_out:
                rest = [name for name in only or values["chapters"] if name not in left_out]
                shared = needed_by(rest)
                off = [name for name in chapters() if name not in (*rest, *shared)]
                if not rest:
                    sys.exit(f"error: {wanted}: no chapter is left; {path} is left as it was")
                switches = [f"chapters=[{','.join(rest)}]"]
                switches += [f"{name}.sets.{role}=[]" for name in off for role in values[name]["sets"]]
                kept = {dataset for name in rest for names in values[name]["sets"].values() for dataset in names}
                for name in shared:
                    sets = values[name]["sets"].items()
                    switches += [f"{name}.sets.{role}=[{','.join(one for one in names if one in kept)}]" for role, names in sets]
                values = _composed(aside, scale, [*plain, *switches])
            if only and not any(override.startswith("data.sets=") for override in plain) and not problems(values):
                if not (used := used_sets(values)):
                    sys.exit(f"error: {wanted}: the scale has nothing of this chapter; {path} is left as it was")
                values = _composed(aside, scale, [*plain, *switches, f"data.sets=[{','.join(used)}]"])
            if wrong := problems(values):
                sys.exit(f"error: {wanted}: {'; '.join(wrong)}; {path} is left as it was")
    except Exception as error:  # Hydra's own, of several kinds
        sys.exit(f"error: {wanted}: {' '.join(str(error).split())}; {path} is left as it was")


def _check_lists() -> None:
    """Leave with one sentence where workflow/scales/config.yaml takes no parameters of a chapter that there is."""
    file = CONFIG / "config.yaml"
    taken = next(one["chapter"] for one in read(file)["defaults"] if isinstance(one, dict) and "chapter" in one)
    if absent := [name for name in chapters() if name not in taken]:
        sys.exit(f"error: {file} does not take chapter/{absent[0]}.yaml: name {absent[0]} in both of its lists of chapters")


def _composed(path: Path, scale: str, overrides: list[str]) -> Any:
    from dvc.utils.hydra import compose_and_dump  # half a second

    compose_and_dump(path, str(CONFIG.absolute()), None, "config", "", [f"scale={scale}", *overrides])
    return read(path)


def _named(key: str, overrides: list[str]) -> list[str]:
    """The chapters that +`key`=... names, none without it; leaves with one sentence where there is no such chapter."""
    values = [value for name, _, value in (override.partition("=") for override in overrides) if name == f"+{key}"]
    # As Hydra's lists are: one in brackets, or a single name; each once.
    lists = [value[1:-1] if value.startswith("[") and value.endswith("]") else value for value in values]
    names = list(dict.fromkeys(name.strip() for value in lists for name in value.split(",")))
    for name in names:
        tabled = [chapter for chapter, kind in chapters().items() if kind.TABLES]
        if name not in tabled:
            sys.exit(f"error: there is no chapter {name or 'without a name'}: +{key} may be {', '.join(tabled)}")
    return names


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
