"""`make repro`: `dvc repro` from lock files that are whole, then what came of it.

    python -m workflow.repro                             # everything
    python -m workflow.repro ch3_edges                   # a chapter: its stages, and its tables
    python -m workflow.repro ch3_train@bsds500-rds-se-0  # a stage, or all of an entry (ch3_train); -s it alone, -f in any case

DVC has a stage of a chapter under a longer name, workflow/pipelines/ch3_edges/dvc.yaml:ch3_train@bsds500-rds-se-0, and takes the
short one in that folder only. It writes its lock files in place, so a run that is killed can leave one cut off, after which every
command fails. Copies are kept while it runs; where the last run did not come to its end and a lock has lost something, its copy takes
its place, and what had run since comes back from DVC's run cache.
"""

import argparse
import contextlib
import difflib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.core.errors import UserError
from workflow import drift, parameters, scale
from workflow.lock import PIPELINES, Lock, entries, load_yaml, lock_files, name_of
from workflow.params import needed_by

COPIES = Path("data/locks.before")  # there while a run goes on
RUNNING = Path("data/repro.running")  # locked for as long as one does
# Ends DVC and its stages, which are one process group, once whoever started them has ended without a word, say by `kill -9`.
WATCH = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
if not sys.stdin.buffer.read(1):
    for sign, seconds in ((signal.SIGINT, 60), (signal.SIGKILL, 1)):
        try:
            os.killpg(int(sys.argv[1]), sign)
            for _ in range(10 * seconds):
                time.sleep(0.1)
                os.killpg(int(sys.argv[1]), 0)
        except ProcessLookupError:
            break
"""


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
    in_force = load_yaml(scale.PARAMS.read_text(encoding="utf-8")).get("chapters") or [] if names else []
    shared = needed_by(in_force)
    found = []
    for name in map(name_of, names):
        entry = name.partition("@")[0]
        if name in chapters and name not in in_force and name not in shared:
            raise UserError(f"{name} is none of the `chapters` in {scale.PARAMS}: {', '.join(in_force)}")
        if name in chapters:
            found += [chapters[name].as_posix(), *([] if name in shared else [f"tables@{name}"])]
        elif entry in homes:
            found.append(name if homes[entry] == Path("dvc.yaml") else f"{homes[entry]}:{name}")
        else:
            near = difflib.get_close_matches(entry, [*homes, *chapters], 5)
            advice = f"did you mean {', '.join(near)}?" if near else "see `dvc stage list --all`"
            raise UserError(f"there is no stage or chapter {name}: {advice}")
    return found


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """For as long as a run goes on here: another one is a UserError, and leaves this one's copies alone."""
    RUNNING.parent.mkdir(parents=True, exist_ok=True)
    with RUNNING.open("a") as file:  # which no process that we start inherits
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another `python -m workflow.repro` is at work in this folder: wait until it has ended, or end it") from None
        yield


def run(names: list[str], options: list[str]) -> int:
    """Everything, or what the names stand for; the exit status. Raises UserError where another run is at work."""
    with alone():
        return _run(names, options)


def _run(names: list[str], options: list[str]) -> int:
    scale.check()
    parameters.contents()  # says it in a sentence if a chapter's part is missing
    targets = addresses(names) or ["--all-pipelines"]  # else only what leads to a table
    restore()
    Lock()  # says in a sentence what to do about one that is damaged
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
    """A command of DVC's; its status. Whatever ends us ends it and its stage first, as an interruption would: in its own way."""
    signs = [sign for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(sign) != signal.SIG_IGN]
    asked: list[int] = []
    started: list[int] = []

    def interrupt(sign: int, _: object = None) -> None:
        asked.append(sign)
        for group in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGINT)

    before = {sign: signal.signal(sign, interrupt) for sign in {signal.SIGINT, *signs}}
    try:
        # A group of its own, so that its stages can be told from whoever started us; such a one cannot ask the terminal.
        process = subprocess.Popen(["dvc", *arguments], stdin=subprocess.DEVNULL, process_group=0)
        started.append(process.pid)
        watch = subprocess.Popen([sys.executable, "-c", WATCH, str(process.pid)], stdin=subprocess.PIPE, start_new_session=True)
        if asked:
            interrupt(asked[0])
        status = process.wait()
        watch.communicate(b".")
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
    return status or (128 + asked[0] if asked else 0)


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
