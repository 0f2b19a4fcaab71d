"""Which stages fit into a GPU's lease: how long each takes, by run records, and what can be done in the time."""

import heapq
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from workflow.graph import Step

RECORDS = ("data/runs/*/*.json", "reports/releases/*/runs/*.json")
UNMEASURED = "not measured"


@dataclass(frozen=True)
class Duration:
    """How long a stage takes, in seconds, and where that was measured."""

    seconds: float
    measured: str


def records(device: str, root: Path = Path()) -> list[dict[str, Any]]:
    """The run records at hand of stages that ran on `device`, cpu or cuda. Raises UserError for a file that is none."""
    found = []
    for file in (file for pattern in RECORDS for file in sorted(root.glob(pattern))):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            words(record["cmd"])
            fits = record.get("device") == device and _seconds(record) > 0
        except (ValueError, KeyError, TypeError, AttributeError):
            advice = "restore it from git" if "releases" in file.parts else "delete it"
            raise UserError(f"{file} is not a run record: {advice}") from None
        if fits:
            found.append(record)
    return found


def words(command: str) -> list[str]:
    """The module and the arguments of a stage's command, without its seed: what is of the same kind has words in common."""
    parts = shlex.split(command)[2:]  # without `python -m`
    if "--seed" in parts:
        place = parts.index("--seed")
        parts = parts[:place] + parts[place + 2 :]
    return parts


def _seconds(record: Mapping[str, Any]) -> float:
    # Of a training that was resumed the duration is that of its last part.
    return max(float(record["duration_s"]), float(record.get("train_seconds", 0)))


def iterations(params: Any) -> int | None:
    """How many iterations the parameters ask for: the largest number, where a variant has its own; None where there is none."""
    if not isinstance(params, dict):
        return None
    own = [params["iterations"]] if isinstance(params.get("iterations"), int) else []
    below = [number for value in params.values() if (number := iterations(value)) is not None]
    return max([*own, *below], default=None)


def duration(step: Step, known: list[dict[str, Any]], estimate: float | None) -> Duration | None:
    """How long a stage takes by the record that is most alike: of the same network and data, else of the same module.

    Scaled by iterations; without these, of a record of the same scale. Of several that are alike the slowest of the newest day: they may
    be of other networks. `estimate` where there is none, in seconds.
    """
    mine, length = words(step.command), iterations(step.params)
    alike: dict[tuple[bool, int], list[tuple[str, float, str]]] = {}
    for record in known:
        other = words(record["cmd"])
        if other[0] != mine[0]:
            continue
        if length and record.get("iterations"):
            factor = length / record["iterations"]
        elif record.get("scale") == step.params.get("scale"):
            factor = 1.0
        else:
            continue
        common = sum(a == b for a, b in zip(mine[1:], other[1:], strict=False))
        where = f"{'' if other == mine else 'like '}{record['stage']}, {record.get('gpu') or record['machine']['processor']}"
        alike.setdefault((other == mine, common), []).append((str(record["started"])[:10], factor * _seconds(record), where))
    if not alike:
        return None if estimate is None else Duration(estimate, UNMEASURED)
    _, seconds, where = max(alike[max(alike)])
    return Duration(seconds, where)


def makespan(stages: Iterable[str], seconds: Mapping[str, float], needs: Mapping[str, Iterable[str]], jobs: int) -> float:
    """When the last of the stages ends, if `jobs` run at a time, each as soon as it can, in this order; as run.py has it."""
    waiting = list(stages)
    mine, done, now = set(waiting), set[str](), 0.0
    running: list[tuple[float, str]] = []
    while waiting or running:
        for name in list(waiting):
            if len(running) < jobs and mine.intersection(needs[name]) <= done:
                heapq.heappush(running, (now + seconds[name], name))
                waiting.remove(name)
        now, ended = heapq.heappop(running)
        done.add(ended)
    return now


def fitting(
    wanted: Mapping[str, bool], seconds: Mapping[str, float], needs: Mapping[str, list[str]], jobs: int, limit: float
) -> tuple[list[str], list[str]]:
    """Of the stages `wanted`, in order of worth, those that can be done within `limit` seconds, and those that are left.

    A stage is taken whole, with those of the wanted that it needs. wanted : whether a stage comes back, by name; one that does not is
    taken with what needs it only. seconds : of each stage whose duration is known.
    """
    chosen: list[str] = []
    for name in (name for name, comes_back in wanted.items() if comes_back):
        group = [one for one in dict.fromkeys(_with_needs(name, needs, set(wanted))) if one not in chosen]
        if group and seconds.keys() >= set(group) and makespan(chosen + group, seconds, needs, jobs) <= limit:
            chosen += group
    return chosen, [name for name in wanted if name not in chosen]


def _with_needs(name: str, needs: Mapping[str, list[str]], among: set[str]) -> Iterator[str]:
    """The stages among these that `name` needs, in an order in which they can run, and itself."""
    for other in needs[name]:
        if other in among:
            yield from _with_needs(other, needs, among)
    yield name
