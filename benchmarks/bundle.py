"""What packing and unpacking a bundle costs beside `cp` and a checksum of the same data.

A stage of its own, in a clone, copies 1 GB. Pack and unpack are timed as commands, interpreter start and DVC's own work included:
unpacking ends with `dvc commit`, which reads the outputs again and copies them into the cache, so that is timed by itself too.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.project import clone, run

FILES, BYTES = 8, 128_000_000
STAGE = """
import argparse
import shutil

from stages.core import stage


def main(args, job):
    shutil.copytree(job.dep("data/big"), job.out("data/mini/copy"))


if __name__ == "__main__":
    stage.execute(argparse.ArgumentParser(), main)
"""
PIPELINE = """
stages:
  code:
    cmd: python -m workflow.code
    deps: [stages, workflow/code.py]
    outs:
    - reports/code: {cache: false, persist: true}
  copy:
    cmd: python -m stages.copy
    deps: [reports/code/copy.json, data/big]
    params: [scale]
    outs: [data/mini/copy]
"""


def seconds(work: Callable[[], object]) -> float:
    os.sync()  # what was written before is not this measurement's
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def copy_and_hash(source: Path, target: Path) -> None:
    """What no way of moving data with its checksums can avoid."""
    run(f"cp -r {source} {target}", source.parent)
    for file in source.iterdir():
        with file.open("rb") as stream:
            hashlib.file_digest(stream, "md5")


def main() -> None:
    with clone() as folder:
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "stages/copy.py").write_text(STAGE)
        big = folder / "data/big"
        big.mkdir(parents=True)
        for number in range(FILES):
            with (big / str(number)).open("wb") as file:
                for _ in range(BYTES // 1_000_000):
                    file.write(os.urandom(1_000_000))
        run("python -m workflow.code", folder)
        plain = seconds(lambda: copy_and_hash(big, folder / "plain"))
        shutil.rmtree(folder / "plain")
        run("dvc status", folder)  # DVC knows its inputs, as in any project that has run
        pack = seconds(lambda: run("python -m workflow.bundle pack copy -o job.tar", folder))
        run(f"tar xf job.tar && rm job.tar && cd job && {sys.executable} run.py", folder)
        unpack = seconds(lambda: run("python -m workflow.bundle unpack job/results.tar", folder))
        run("rm -r .dvc/cache && rm -r job && touch data/mini/copy/*", folder)
        commit = seconds(lambda: run("dvc commit -f copy", folder))
        print(f"{FILES * BYTES / 1e6 / plain:.0f} MB/s with cp and a checksum; beside it, pack {plain / pack:.2f},", end=" ")
        print(f"unpack {plain / unpack:.2f} (without its dvc commit {plain / (unpack - commit):.2f})")


if __name__ == "__main__":
    main()
