"""How long `verify` and `explain` take on a project of a thousand cells, beyond the start of the interpreter.

    python -m benchmarks.audit        # after `make repro`

The project is this one's finished run at scale mini, made larger: every training stands there with 23 seeds (copies of the
one that was run), and Tables 2.2 and 2.3 stand there many times under other names. Nothing is trained.
"""

import re
import shutil
import statistics
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import yaml

from benchmarks.project import ROOT, clone, run

SEEDS, TABLES, ROUNDS = 23, 20, 3
LIMITS = {"verify --all": 3.0, "verify": 3.0, 'explain "table 2.2" cfn-b cifar10': 1.0}

INFLATE = """
import os
from pathlib import Path
from stages.core.files import md5, write_json
from stages.core.stage import packages
from workflow.audit.verify import graph, replay
from workflow.lock import Lock
from workflow.runs import record_path
import yaml
content = yaml.safe_load(Path("dvc.lock").read_text())
for name, job in graph().items():
    entry = content["stages"][name]
    if all(out.startswith(("reports/metrics/", "reports/tables/")) for out in job.outs) and name != "ch2_architectures":
        for out in job.outs:
            os.system(f"rm -rf {out}")
        replay(job, Path())
    for item in [*entry["deps"], *entry["outs"]]:
        if name != "code":
            item["md5"] = md5(Path(item["path"]))
    record = {"stage": name, "packages": packages(), "made": {out["path"]: out["md5"] for out in entry["outs"]}}
    write_json(record_path(name, entry), record)
Path("dvc.lock").write_text(yaml.safe_dump(content, sort_keys=False))
"""


def inflate(folder: Path) -> int:
    """Make the clone in `folder` a large finished project; its number of cells."""
    shutil.copytree(ROOT / "data", folder / "data", dirs_exist_ok=True, ignore=shutil.ignore_patterns("checkpoints", "graph.json"))
    seeds = list(range(SEEDS))
    run(f"python -m workflow.scale mini 'ch2_fusion.seeds={seeds}'", folder)
    for place in [*(folder / "data/mini/models").rglob("*-seed0"), *(folder / "data/mini/predictions").rglob("*-seed0.npz")]:
        for seed in seeds[1:]:
            target = place.with_name(place.name.replace("-seed0", f"-seed{seed}"))
            (shutil.copytree if place.is_dir() else shutil.copy)(place, target)
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    for name, entry in list(lock["stages"].items()):
        if "seeds" in str(entry.get("params")):
            entry["params"]["params.yaml"]["ch2_fusion.seeds"] = seeds
        if name.startswith("ch2_train"):
            for seed in seeds[1:]:
                other = deepcopy(entry)
                other["cmd"] = entry["cmd"].replace("--seed 0", f"--seed {seed}")
                other["outs"][0]["path"] = entry["outs"][0]["path"].replace("-seed0", f"-seed{seed}")
                lock["stages"][re.sub("-0$", f"-{seed}", name)] = other
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    published = folder / "stages/tables/published/ch2_fusion"
    for table in ("2_2", "2_3"):
        text = (published / f"table_{table}.yaml").read_text()
        for number in range(TABLES):
            name = f"{table[0]}.{number + 10}{table[2]}"
            (published / f"table_{name.replace('.', '_')}.yaml").write_text(re.sub(r'^table: ".*"', f'table: "{name}"', text, flags=re.M))
    run(f"python -m workflow.graph && python -c '{INFLATE}'", folder)
    return sum(len(file.read_text().splitlines()) - 1 for file in (folder / "reports/tables/ch2_fusion").glob("table_*.csv"))


def seconds(command: list[str], folder: Path) -> float:
    """Median wall time of a command that must succeed."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
        times.append(time.perf_counter() - started)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return statistics.median(times)


def main() -> None:
    with clone() as folder:
        cells = inflate(folder)
        start = seconds(["-c", "pass"], folder)
        print(f"{cells} cells, {len(yaml.safe_load((folder / 'dvc.lock').read_text())['stages'])} stages; interpreter {start:.2f} s")
        for command, limit in LIMITS.items():
            words = [word for quoted, plain in re.findall(r'"(.*?)"|(\S+)', command) for word in (quoted or plain,)]
            taken = seconds(["-m", "workflow.audit", *words], folder) - start
            print(f"{command}: {taken:.2f} s beyond it (at most {limit:.0f})")


if __name__ == "__main__":
    main()
