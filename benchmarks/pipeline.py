"""What the engines themselves cost, as the pipeline grows: DVC's own time in a first run, and both engines' when there is nothing to do.

    python -m benchmarks.pipeline                            # this commit, as it is, twice and four times
    python -m benchmarks.pipeline --at 852ee02 --sizes 1 2   # another commit, on the same machine

The pipeline is copied: its dvc.yaml files, parameters and graph, each chapter as often as is asked, every command replaced by one
that writes a line to each output. So what is measured is the engines' work between stages, with a lock file and parameters that have
grown with the pipeline. Seconds, the median of three (of a first run: one), and processor seconds in brackets.
"""

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.project import run

STEP = 'while read -r out; do mkdir -p "$(dirname "$out")"; echo x > "$out"; done < "steps/$1"\n'
ROOT_ONLY = ("code", "params", "conclusions", "figures")


def grown(folder: Path, times: int) -> None:
    """Make a clone of the project one of so many times its chapters, with commands that cost nothing."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    chapters = [name for name in params["chapters"] if name in params]
    for number in range(1, times):
        params |= {f"{name}_{number}": params[name] for name in chapters}
        params[f"chapters_{number}"] = [f"{name}_{number}" for name in chapters]
        for name in chapters:
            shutil.copytree(folder / "stages/tables/published" / name, folder / "stages/tables/published" / f"{name}_{number}")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for file in [folder / "dvc.yaml", *(folder / "workflow/pipelines").glob("*/dvc.yaml")]:
        content = {key: value for key, value in yaml.safe_load(file.read_text()).items() if key in ("vars", "stages")}
        copies = [{name: _cheap(name, entry) for name, entry in content["stages"].items()}]
        for number in range(1, times):
            text = yaml.safe_dump({f"copy{number}_{k}": v for k, v in content["stages"].items() if k not in ROOT_ONLY}, sort_keys=False)
            copy = yaml.safe_load(_renamed(text, chapters, number))
            copies.append({name: _cheap(name, entry) for name, entry in copy.items()})
        if file.parent == folder:
            content["stages"] = {name: entry for copy in copies for name, entry in copy.items()}
            file.write_text(yaml.safe_dump(content, sort_keys=False))
        else:
            for number, copy in enumerate(copies):
                place = file.parent.with_name(f"{file.parent.name}_{number}") if number else file.parent
                place.mkdir(exist_ok=True)
                (place / "dvc.yaml").write_text(yaml.safe_dump({**content, "stages": copy}, sort_keys=False))
    (folder / "step.sh").write_text(STEP)
    # The schema knows no copies, and tables of copies no chapter: neither is measured here.
    with (folder / "workflow/params.py").open("a") as schema:
        schema.write("\n\ndef problems(values):\n    return []\n")
    made = [*folder.rglob("dvc.lock"), *(f"reports/{kind}" for kind in ("metrics", "tables", "figures"))]
    subprocess.run(["rm", "-rf", *made], cwd=folder, check=True)


def _renamed(text: str, chapters: list[str], number: int) -> str:
    for name in chapters:
        text = re.sub(rf"(?<!reports/code/)\b{name}\b", f"{name}_{number}", text)
    text = text.replace("${chapters}", f"${{chapters_{number}}}").replace("data/${scale}/", f"data/${{scale}}/copy{number}/")
    return re.sub(r"reports/(metrics|tables|figures)\b", rf"reports/copy{number}/\1", text)


def _cheap(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the same dependencies, parameters and outputs."""
    if name in ROOT_ONLY[:2]:
        return entry
    items = "-".join(f"${{item.{key}}}" for key in entry.get("matrix", {}))
    return {**entry, "cmd": f"sh step.sh '{name}{'@' if items else ''}{items}'"}


def prepare(folder: Path) -> int:
    """Write down what each stage is to make; the number of stages."""
    script = """
import json
from pathlib import Path
from workflow.graph import resolve
Path("steps").mkdir()
for step in resolve():
    Path("steps", step.name).write_text("".join(f"{out}\\n" for out in step.outs))
"""
    subprocess.run(["python", "-c", script], cwd=folder, check=True)
    return len(list((folder / "steps").iterdir()))


def addresses(folder: Path) -> list[str]:
    """What DVC calls the stages."""
    listed = subprocess.run(["dvc", "stage", "list", "--all", "--name-only"], cwd=folder, check=True, capture_output=True, text=True)
    return listed.stdout.split()


def cost(command: str, folder: Path, times: int = 1) -> tuple[float, float]:
    """Seconds and processor seconds of a command, the medians of so many runs."""
    walls, processors = [], []
    for _ in range(times):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run(command, folder)
        walls.append(time.perf_counter() - started)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(walls), statistics.median(processors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", default="HEAD", help="the commit whose pipeline is measured, with the packages that are installed now")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4], help="how often each chapter is there")
    args = parser.parse_args()
    line = "{:>7} {:>18} {:>18} {:>18} {:>18}".format
    print(line("stages", "first dvc repro", "dvc repro again", "snakemake -n", "a Snakemake job"))
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "project"
            subprocess.run(["git", "clone", "--quiet", ".", str(folder)], check=True)
            subprocess.run(["git", "checkout", "--quiet", args.at], cwd=folder, check=True)
            grown(folder, size)
            stages = prepare(folder)
            found = [cost("dvc repro", folder), cost("dvc repro", folder, 3), cost("snakemake --cores 2 --dry-run", folder, 3)]
            address = next(step for step in addresses(folder) if "ch3_prepare@" in step)
            found.append(cost(f"dvc --wait-for-lock repro --force --single-item {address}", folder, 3))
            print(line(stages, *(f"{wall:.1f} ({processor:.1f})" for wall, processor in found)), flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
