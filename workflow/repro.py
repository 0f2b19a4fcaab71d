"""`make repro`: `dvc repro` from a lock file that is whole, then what came of it.

    python -m workflow.repro

DVC writes dvc.lock in place, .6 s after each stage, so one that is killed can leave it cut off, after which every command fails. A
copy is kept while it runs; where the last run did not come to its end and the lock has lost something, the copy takes its place,
and what had run since comes back from DVC's run cache.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from stages.core.errors import UserError
from workflow import drift, scale
from workflow.lock import FILE, Lock, load_yaml

COPY = Path("data/dvc.lock.before")  # there while a run goes on


def restore() -> None:
    """Bring back dvc.lock if a run that was killed has left it cut off."""
    if COPY.exists() and FILE.exists() and is_cut(FILE.read_text(errors="replace"), COPY.read_text()):
        shutil.copy(COPY, FILE)
        print(f"the last run was killed while DVC wrote {FILE}: restored; what had run since comes from DVC's cache", file=sys.stderr)


def is_cut(text: str, before: str) -> bool:
    """Whether a lock file, which was `before` earlier, has lost its end: DVC adds entries and changes them, and drops none."""
    try:
        now, then = Lock(text=text).stages, Lock(text=before).stages
        last = list(now.values())[-1]
        return not text.endswith("\n") or not then.keys() <= now.keys() or not {"cmd", "outs"} <= last.keys()
    except (UserError, AttributeError, IndexError):
        return True


def run() -> int:
    """Everything; the exit status."""
    scale.check()
    restore()
    if FILE.exists():
        COPY.parent.mkdir(exist_ok=True)
        shutil.copy(FILE, COPY)
    status = subprocess.run(["dvc", "repro"]).returncode
    if status:
        COPY.unlink(missing_ok=True)  # a stage that failed is an end too: DVC has written what had run
        return status
    if subprocess.run(["dvc", "status", "--quiet"]).returncode:
        print("error: DVC could not keep every result, see above: is the disk full?", file=sys.stderr)
        return 1
    COPY.unlink(missing_ok=True)
    params = load_yaml(scale.PARAMS.read_text())
    print("\n".join([*drift.report(drift.in_force()), f"Tables: reports/tables (scale: {params['scale']} protocol: {params['protocol']})"]))
    return 0


def main() -> None:
    try:
        sys.exit(run())
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)  # DVC has said so itself


if __name__ == "__main__":
    main()
