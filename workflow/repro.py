"""`make repro`: `dvc repro` from a lock file that is whole, then what came of it.

    python -m workflow.repro

DVC writes dvc.lock in place, .6 s after each stage, so one that is killed can leave it cut off, after which every command fails. A
copy is kept while it runs; where the last run did not come to its end and the lock has lost something, the copy takes its place,
and what had run since comes back from DVC's run cache.
"""

import contextlib
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
    """Whether a lock file, which was `before` earlier, ends within an entry.

    Where it ends between two, it is one that DVC can read: what it lacks is made again, or comes from the cache.
    """
    try:
        name, last = list(Lock(text=text).stages.items())[-1]
        outs = Lock(text=before).stages.get(name, last)["outs"]
        wanted = {(out["path"], key) for out in outs for key in {"md5", "size", *out}}
        return not text.endswith("\n") or not wanted <= {(out["path"], key) for out in last["outs"] for key in out}
    except (UserError, AttributeError, IndexError, KeyError, TypeError):
        return True


def run() -> int:
    """Everything; the exit status."""
    scale.check()
    restore()
    if FILE.exists():
        COPY.parent.mkdir(exist_ok=True)
        shutil.copy(FILE, COPY)
    status = _dvc("repro")
    COPY.unlink(missing_ok=True)  # a stage that failed or was interrupted is an end too: DVC has written what had run
    if status:
        return status
    if _dvc("status", "--quiet"):
        print("error: after the run DVC does not find everything in place, see `dvc status`: is the disk full?", file=sys.stderr)
        return 1
    params = load_yaml(scale.PARAMS.read_text())
    print("\n".join([*drift.report(drift.in_force()), f"Tables: reports/tables (scale: {params['scale']} protocol: {params['protocol']})"]))
    return 0


def _dvc(*arguments: str) -> int:
    """A command of DVC's; its status. An interruption reaches it as it does us, and it ends in its own way."""
    process = subprocess.Popen(["dvc", *arguments])
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def main() -> None:
    try:
        sys.exit(run())
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
