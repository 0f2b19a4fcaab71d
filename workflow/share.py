"""Results and their run records through a remote of DVC's, so that another clone has both: what was computed, and where and how long.

    python -m workflow.share push        # `make push`; -r NAME for another remote than the default one
    python -m workflow.share pull

`dvc push` and `dvc pull` do the results alone: run records are outputs of no stage, for they differ from machine to machine.
On the remote they lie in records/, each under its stage and key, and none is ever changed.
"""

import argparse
import os
import subprocess
import sys

from stages.core.errors import UserError
from stages.core.stage import RUNS
from workflow import runs
from workflow.lock import Lock

FOLDER = "records"


def push(name: str | None) -> int:
    """Bring all run records at hand to the remote; how many it did not have."""
    fs, top = _remote(name)
    there = {fs.relpath(path, top) for path in fs.find(top)} if fs.exists(top) else set()
    new = [file for file in sorted(RUNS.glob("*/*.json")) if file.relative_to(RUNS).as_posix() not in there]
    for file in new:
        target = fs.join(top, *file.relative_to(RUNS).parts)
        fs.makedirs(fs.parent(target), exist_ok=True)
        aside = f"{target}.{os.getpid()}.partial"
        fs.put_file(str(file), aside)
        fs.move(aside, target)
    return len(new)


def pull(name: str | None) -> int:
    """Fetch the run records of all that dvc.lock has, where they are not here; how many the remote had."""
    fs, top = _remote(name)
    wanted = [runs.record_path(stage, entry) for stage, entry in Lock().stages.items()]
    found = [file for file in wanted if not file.exists() and fs.exists(fs.join(top, *file.relative_to(RUNS).parts))]
    for file in found:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".partial")
        fs.get_file(fs.join(top, *file.relative_to(RUNS).parts), str(aside))
        aside.replace(file)
    return len(found)


def is_left() -> bool:
    """Whether dvc.lock has outputs that were left where a bundle made them."""
    return any(not (runs.read(stage, entry) or {}).get("returned", True) for stage, entry in Lock().stages.items())


def _remote(name: str | None) -> tuple:
    """The file system of a remote of DVC's, and its folder of run records."""
    from dvc.repo import Repo

    remote = Repo().cloud.get_remote(name, "push")
    return remote.fs, remote.fs.join(remote.path, FOLDER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["push", "pull"])
    parser.add_argument("-r", "--remote", metavar="NAME", help="as `dvc remote list` has it")
    args = parser.parse_args()
    from dvc.exceptions import DvcException

    try:
        count = (push if args.what == "push" else pull)(args.remote)
        left = is_left() if args.what == "pull" else False
    except (DvcException, UserError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    print(f"{count} run records {args.what}ed")
    remote = ["--remote", args.remote] if args.remote else []
    # What a bundle left where it was made is on no remote either.
    sys.exit(subprocess.run(["dvc", args.what, *remote, *(["--allow-missing"] if left else [])]).returncode)


if __name__ == "__main__":
    main()
