"""`make repro`: `dvc repro` from lock files that are whole, then what came of it.

    python -m workflow.repro                             # everything
    python -m workflow.repro ch3_edges                   # a chapter: its stages, and its tables
    python -m workflow.repro ch3_train@rds-se-0          # a stage, or all of an entry (ch3_train); -s it alone, -f in any case

DVC has a stage of a chapter under a longer name, workflow/pipelines/ch3_edges/dvc.yaml:ch3_train@rds-se-0, and takes the short one in
that folder only. It writes its lock files in place, so a run that is killed can leave one cut off, after which every command fails.
Copies are kept while it runs; where the last run did not come to its end and a lock has lost something, its copy takes its place, and
what had run since comes back from DVC's run cache.
"""

import argparse
import contextlib
import difflib
import shutil
import subprocess
import sys
from pathlib import Path

from stages.core.errors import UserError
from workflow import drift, parameters, scale
from workflow.lock import PIPELINES, Lock, entries, load_yaml, lock_files

COPIES = Path("data/locks.before")  # there while a run goes on


def restore() -> None:
    """Bring back each lock file that a run that was killed has left cut off."""
    for copy in sorted(COPIES.rglob("dvc.lock")):
        file = copy.relative_to(COPIES)
        if file.exists() and is_cut(file.read_text(errors="replace"), copy.read_text()):
            shutil.copy(copy, file)
            print(f"the last run was killed while DVC wrote {file}: restored; what had run since comes from DVC's cache", file=sys.stderr)


def is_cut(text: str, before: str) -> bool:
    """Whether a lock file, which was `before` earlier, ends within an entry.

    Where it ends between two, it is one that DVC can read: what it lacks is made again, or comes from the cache.
    """
    try:
        name, last = list(Lock(texts={"": text}).stages.items())[-1]
        outs = Lock(texts={"": before}).stages.get(name, last)["outs"]
        wanted = {(out["path"], key) for out in outs for key in {"md5", "size", *out}}
        return not text.endswith("\n") or not wanted <= {(out["path"], key) for out in last["outs"] for key in out}
    except (UserError, AttributeError, IndexError, KeyError, TypeError):
        return True


def addresses(names: list[str]) -> list[str]:
    """What DVC calls the stages, entries and chapters of these names. Raises UserError for one that there is not."""
    homes = {entry: file for entry, (file, _) in entries().items()}
    chapters = {file.parent.name: file for file in homes.values() if file.parent.parent == PIPELINES}
    found = []
    for name in names:
        entry = name.partition("@")[0]
        if name in chapters:
            found += [chapters[name].as_posix(), f"tables@{name}"]
        elif entry in homes:
            found.append(name if homes[entry] == Path("dvc.yaml") else f"{homes[entry]}:{name}")
        else:
            near = difflib.get_close_matches(entry, [*homes, *chapters], 5)
            advice = f"did you mean {', '.join(near)}?" if near else "see `dvc stage list --all`"
            raise UserError(f"there is no stage or chapter {name}: {advice}")
    return found


def run(names: list[str], options: list[str]) -> int:
    """Everything, or what the names stand for; the exit status."""
    scale.check()
    parameters.contents()  # says it in a sentence if a chapter's part is missing
    targets = addresses(names)
    restore()
    shutil.rmtree(COPIES, ignore_errors=True)
    for file in lock_files():
        (COPIES / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, COPIES / file)
    first = ["params"] if "--single-item" in options and PIPELINES.is_dir() else []  # without them it would take earlier ones
    status = (_dvc("repro", *first) if first else 0) or _dvc("repro", *options, *targets)
    shutil.rmtree(COPIES, ignore_errors=True)  # a stage that failed or was interrupted is an end too: DVC has written what had run
    if status or names:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a stage, an entry or a chapter; everything if none is given")
    parser.add_argument("-s", "--single-item", action="store_true", help="without the stages before it")
    parser.add_argument("-f", "--force", action="store_true", help="also if nothing has changed")
    args = parser.parse_args()
    try:
        sys.exit(run(args.names, [*(["--single-item"] if args.single_item else []), *(["--force"] if args.force else [])]))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
