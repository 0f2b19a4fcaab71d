"""Wall-clock time and peak memory of the mini pipeline from nothing, and of the no-op, on both engines."""

import resource
import time
from pathlib import Path

from benchmarks.project import clone, run


def seconds(command: str, folder: Path) -> float:
    started = time.perf_counter()
    run(command, folder)
    return time.perf_counter() - started


def main() -> None:
    for engine, command, limit in (("dvc", "dvc repro", 180), ("snakemake", "snakemake --cores 2", 120)):
        with clone() as folder:
            run("rm -rf .dvc/cache dvc.lock", folder)
            whole, again = seconds(command, folder), seconds(command, folder)
            start_up = seconds(f"{engine} --version", folder)
        print(f"{engine}: whole {whole:.0f} s (at most {limit}); no-op {again:.1f} s, start-up {start_up:.1f} s (at most 4 s beyond it)")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"largest process: {peak:.2f} GB; two at a time take at most twice that (limit 2 GB)")


if __name__ == "__main__":
    main()
