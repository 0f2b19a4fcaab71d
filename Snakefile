# The pipeline on Snakemake, several stages at once:
#
#     snakemake --cores 2                                    # on this machine
#     snakemake --profile workflow/profiles/slurm            # on a cluster
#     snakemake --cores 2 -n                                 # what would run?
#
# Stages, commands and edges are DVC's, as it resolves them, and DVC decides what is out of date: by content, never by time.
# A stage runs through `dvc repro`, which notes it in its lock file, so that either engine continues where the other stopped.
# A rule stands for an entry of a dvc.yaml, a job for one of its instances. Snakemake sees a marker file for each stage that
# has come through in this very call; what the stages print is in data/logs/, and on the terminal if they fail.

import fcntl
import os
import re
import shutil
import sys
from pathlib import Path

import dvc.repo

from stages.core.command import exit_on_error
from workflow import graph, scale, stale

MARKERS = Path(".snakemake/stages")

scale.check()
# Stages are `python -m stages...`: Snakemake's own python has to be the first one found, also on a cluster's node.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

repo = dvc.repo.Repo()
with exit_on_error():
    steps = {step.name: step for step in graph.resolve(repo)}
upstream = stale.upstream(list(steps.values()))
wanted = set()
# A node of a cluster reads this file again, to run the one stage that it is given.
if workflow.is_main_process:
    MARKERS.parent.mkdir(exist_ok=True)
    lock = MARKERS.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("error: another snakemake is at work in this folder: wait for it to end")
    except OSError:
        pass  # a file system without locks: Snakemake's own lock, taken later, has to do
    for leftover in (MARKERS, MARKERS.with_name("metadata")):  # an earlier call's, which count for nothing now
        shutil.rmtree(leftover, ignore_errors=True)
    with exit_on_error():
        wanted = stale.outdated(list(steps.values()), repo)


def markers(names):
    return [f"{MARKERS}/{name}" for name in names if name in wanted]


def runtime(wildcards):
    params = steps[wildcards.stage].params
    return {"threads": 1, "device": "cpu"} | params.get("inference", {}) | params.get("runtime", {})


rule all:
    input:
        "dvc.yaml",  # a rule without any input would always run
        markers(steps)


for entry in dict.fromkeys(name.partition("@")[0] for name in steps):
    rule:
        name: entry
        message: "{wildcards.stage}"
        input: lambda wildcards: markers(upstream[wildcards.stage])
        output: touch(f"{MARKERS}/{{stage}}")
        wildcard_constraints: stage=f"{re.escape(entry)}(@.+)?"
        log: "data/logs/{stage}.log"
        params: address=lambda wildcards: steps[wildcards.stage].address
        conda: "environment.yml"  # the one that Snakemake itself runs in
        threads: lambda wildcards: runtime(wildcards)["threads"]
        resources:
            mem_mb=4000,
            gpu=lambda wildcards: int(runtime(wildcards)["device"] != "cpu")
        shell:
            "dvc --wait-for-lock repro --single-item {params.address:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


onstart:
    # Once, before the stages: each of them would do it otherwise, and some at the same time.
    graph.refresh()
