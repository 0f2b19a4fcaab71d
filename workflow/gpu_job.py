"""A job made to measure for a GPU that is lent: stages in order of worth, as many as its minutes allow, in pieces that its door lets pass.

    python -m workflow.gpu_job --minutes 15 --door 60M -o ../gpu         # make gpu-job MINUTES=15 DOOR=60M TO=../gpu
    python -m workflow.gpu_job --minutes 15 --door 60M -o ../gpu bsds500 # of the jobs in workflow/gpu_jobs/ this one only
    python -m workflow.gpu_job --minutes 3 --door 1M -o ../rehearsal --scale mini --device cpu cifar10-b

The folder gets project/, a clone whose params.yaml is that of the job, with DVC's cache of this one, and pieces/: the job, with what
takes it in where it runs (workflow/arrive.py). Data sets are made in the clone, by the command that is printed where one is missing.
What comes back is taken there too, `cd ../gpu/project && python -m workflow.bundle unpack results.tar checkpoints.tar`; called again,
the command packs what is left, and trainings go on from their checkpoints.

How long stages take is known from run records, see workflow/gpu_plan.py. What is worth running: workflow/gpu_entries.py.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.stage import RUNS
from workflow import arrive, bundle, gpu_entries, gpu_plan, parameters, scale
from workflow.bundle_archive import BundleError, byte_count
from workflow.bundle_run import RESERVE
from workflow.gpu_entries import Entry
from workflow.gpu_plan import Duration
from workflow.graph import Step, refresh, resolve
from workflow.lock import BEFORE_STAGES, name_of
from workflow.stale import upstream

ON_CPU = ["runtime.precision=fp32", "inference.device=cpu"]  # bfloat16 is slow there, and not the same bytes everywhere
BESIDE = 20_000  # bytes that arrive.py and pieces.json take at the door, which travel with each piece


# The clone


def clone(tree: Path) -> None:
    """A clone of the project, as it is here, with this one's cache of DVC and run records. One that is there is taken as it is."""
    from workflow.audit.rerun import clone_here
    from workflow.release import changed_code, git

    if (tree / ".git").exists():
        here, there = git("rev-parse", "HEAD"), git("-C", str(tree), "rev-parse", "HEAD")
        changed = [file for file in changed_code() if not _same(Path(file), tree / file)]
        if here != there or changed:
            lacks = f"is not of the commit {here[:8]}" if here != there else f"has not {changed[0]} as it is here"
            print(f"note: {tree} {lacks}, and stays as it is: another folder gets a clone of that", file=sys.stderr)
        return
    if tree.exists():
        raise UserError(f"{tree} is there, and is no clone of this project: give another folder with -o")
    aside = tree.with_name(f".{tree.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)  # of a call that was killed
    aside.parent.mkdir(parents=True, exist_ok=True)
    clone_here(aside)
    cache = subprocess.run(["dvc", "cache", "dir"], capture_output=True, check=True).stdout.decode().strip()
    subprocess.run(["dvc", "cache", "dir", "--local", cache], cwd=aside, capture_output=True, check=True)
    if RUNS.exists():
        shutil.copytree(RUNS, aside / RUNS)
    aside.replace(tree)


def _same(file: Path, other: Path) -> bool:
    """Whether both are files of the same content, or neither is one."""
    return file.is_file() == other.is_file() and (not file.is_file() or file.read_bytes() == other.read_bytes())


# What to run


def unfinished(steps: list[Step]) -> list[Step]:
    """Those of the stages that DVC would run, as it judges them one by one, if outputs are not missed that lie elsewhere."""
    from dvc.repo import Repo, lock_repo

    parameters.write()  # with which DVC compares
    repo = Repo()
    with lock_repo(repo):
        known = {name_of(stage.addressing): stage for stage in repo.index.stages}
        return [step for step in steps if known[step.name].changed(allow_missing=True)]


def ready(entries: list[tuple[str, Entry]], left: list[Step], steps: list[Step]) -> list[tuple[Entry, Step]]:
    """What is left of each entry whose inputs are made, in order; of the others a note says which command makes them.

    Raises UserError where nothing is left, or nothing can run.
    """
    from dvc.repo import Repo

    found: dict[str, tuple[Entry, Step]] = {}
    wrong, before = [], upstream(steps)
    for chapter, entry in entries:
        if not any(entry.wants(step.name) for step in steps):
            raise UserError(f"{gpu_entries.FOLDER}/{chapter}.yaml: {entry.name}: there is no stage {', '.join(entry.stages)} at this scale")
        if not any(entry.wants(step.name) and entry.comes_back(step.name) for step in steps):
            nothing = f"none of its stages is {', '.join(entry.returned)}, which are to come back"
            raise UserError(f"{gpu_entries.FOLDER}/{chapter}.yaml: {entry.name}: {nothing}")
        own = [step for step in left if entry.wants(step.name)]
        try:
            if own:
                bundle.refuse_outdated(bundle.choose([step.name for step in own], steps), steps, Repo())
        except UserError:
            names = [step.name for step in own]
            read = dict.fromkeys(name for step in own for name in before[step.name] if name not in {*names, *BEFORE_STAGES})
            command = f"cd {shlex.quote(str(Path.cwd()))} && python -m workflow.repro {shlex.join(read)}"
            wrong.append(f"{entry.name} needs what is not made, or of other code: {command}")
            continue
        for step in own:
            found.setdefault(step.name, (entry, step))
    for sentence in wrong if found else wrong[1:]:
        print(f"note: {sentence}", file=sys.stderr)
    if not found:
        raise UserError(wrong[0] if wrong else f"nothing is left to do of {', '.join(entry.name for _, entry in entries)}")
    return list(found.values())


def table(chosen: list[str], left: list[str], durations: dict[str, Duration | None]) -> str:
    """The plan, a stage a line: its minutes, and where they were measured."""
    width = max(len(name) for name in chosen + left)

    def line(name: str) -> str:
        known = durations[name]
        minutes = f"{known.seconds / 60:7.1f}  {known.measured}" if known else "      ?  no run record, and no `minutes` in its entry"
        begun = "; goes on from a checkpoint" if any((bundle.KEPT / name).glob("*.pt")) else ""
        return f"  {name:{width}}  {minutes}{begun}"

    later = ["left for the next lease:", *map(line, left)] if left else ["nothing is left for another lease"]
    return "\n".join([f"{'stage':{width + 2}}  minutes  measured", *map(line, chosen), *later])


# The pieces


def pack(names: list[str], back: list[str], door: int, folder: Path) -> list[Path]:
    """Write the job in pieces to the folder, with what takes them in; the pieces. Raises UserError for a door that is too small."""
    if door < 2 * BESIDE:
        raise UserError(f"--door must be at least {2 * BESIDE} bytes, for arrive.py travels with each piece")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pieces = bundle.pack(names, folder / "job.tar", door - BESIDE, back)
    content = {"pieces": {piece.name: arrive.sha256(piece) for piece in pieces}}
    (folder / "pieces.json").write_text(json.dumps(content, indent=1) + "\n")
    shutil.copy(arrive.__file__, folder / "arrive.py")
    if sum((folder / name).stat().st_size for name in ("arrive.py", "pieces.json")) > BESIDE:
        shutil.rmtree(folder)
        raise UserError(f"--door {door} makes {len(pieces)} pieces, more than can be listed beside each: give a larger one")
    return pieces


# Command line


def plan_and_pack(args: argparse.Namespace) -> None:
    """In the clone: compose its parameters, choose and print, pack."""
    asked = gpu_entries.read(args.jobs_wanted)
    entries, composed = gpu_entries.together(asked)
    if others := [entry.name for _, entry in asked[1:] if entry not in [one for _, one in entries]]:
        print(f"note: {', '.join(others)}: of other parameters than {asked[0][1].name}, and so of another job", file=sys.stderr)
    composed[0] = args.scale or composed[0]
    scale.compose(composed[0], [*composed[1:], f"runtime.device={args.device}", *(ON_CPU if args.device == "cpu" else [])])
    refresh()
    steps = resolve()
    left = unfinished([step for step in steps if any(entry.wants(step.name) for _, entry in entries)])
    tasks = ready(entries, left, steps)
    wanted = {step.name: entry for entry, step in tasks}
    known = gpu_plan.records(args.device)
    durations = {step.name: gpu_plan.duration(step, known, entry.estimate(step.name)) for entry, step in tasks}
    seconds = {name: one.seconds for name, one in durations.items() if one}
    needs = upstream(steps)
    back = {name: entry.comes_back(name) for name, entry in wanted.items()}
    chosen, later = gpu_plan.fitting(back, seconds, needs, args.jobs, 60 * args.minutes - RESERVE)
    if not chosen:
        shortest = min(seconds, key=seconds.__getitem__, default=None)
        what = (
            f"the shortest, {shortest}, takes {seconds[shortest] / 60:.1f}" if shortest else "of none a run record says how long it takes"
        )
        raise UserError(
            f"nothing fits into {args.minutes:g} minutes ({RESERVE} s of them for packing): {what}; "
            "plan with more minutes, a training that is ended goes on in the next lease"
        )
    print(table(chosen, later, durations))
    took = gpu_plan.makespan(chosen, seconds, needs, args.jobs)
    print(f"{len(chosen)} stages, {args.jobs} at a time: {took / 60:.1f} of {args.minutes:g} minutes")
    pieces = pack(chosen, [name for name in chosen if back[name]], args.door, args.out / "pieces")
    size = sum(piece.stat().st_size for piece in pieces)
    print(f"{len(pieces)} pieces, {size / 1e6:.1f} MB: {args.out / 'pieces'}")
    limits = f"--minutes {args.minutes:g} --jobs {args.jobs} --part-size {args.door}"
    print(f"there, with arrive.py, pieces.json and a piece in each call: python3 arrive.py --into FOLDER -- {limits}")
    print(f"here again: cd {shlex.quote(str(Path.cwd()))} && python -m workflow.bundle unpack results.tar checkpoints.tar")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs_wanted", nargs="*", metavar="NAME", help="jobs of workflow/gpu_jobs/; all if none is given")
    parser.add_argument("--minutes", type=float, required=True, metavar="M", help="how long stages may run")
    parser.add_argument("--door", type=byte_count, required=True, metavar="SIZE", help="what can be brought there at a time, as in 60M")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="where to put the clone, and the pieces")
    parser.add_argument("--jobs", type=int, default=8, metavar="N", help="how many stages run at a time (default 8)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a rehearsal (default cuda)")
    parser.add_argument("--scale", metavar="SCALE", help="another than the jobs have, for a rehearsal")
    parser.add_argument("--here", action="store_true", help="in this very tree, whose params.yaml is written: what is called in the clone")
    args = parser.parse_args()
    if args.jobs < 1 or not args.minutes > 0:
        parser.error("--jobs and --minutes must be above 0")
    args.out = args.out.resolve()
    with exit_on_error():
        try:
            if args.here:
                plan_and_pack(args)
                return
            gpu_entries.read(args.jobs_wanted)  # before anything is cloned
            if args.out.is_relative_to(Path.cwd()):
                raise UserError(f"-o {args.out} lies in this project, which would become a part of its own clone: give a folder outside")
            clone(args.out / "project")
        except BundleError as error:
            raise UserError(str(error)) from None
        except subprocess.CalledProcessError as error:
            said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode()
            raise UserError(f"{' '.join(error.cmd)} failed: {' '.join(said.split())}") from None
        # The clone's own code and pipeline, by which it is packed and unpacked.
        command = [sys.executable, "-m", "workflow.gpu_job", "--here", "--minutes", str(args.minutes), "--door", str(args.door)]
        command += ["-o", str(args.out), "--jobs", str(args.jobs), "--device", args.device]
        command += ["--scale", args.scale] if args.scale else []
        command += ["--", *args.jobs_wanted]
        sys.exit(subprocess.run(command, cwd=args.out / "project").returncode)


if __name__ == "__main__":
    main()
