"""What an audit has recomputed here and found equal, so that the next one need not while nothing of it has changed: data/audit.json.

By the name of what was recomputed, a key and what was found. The key is a hash of all that the outcome depends on, as it is when
the audit runs and not as dvc.lock has it: who changes an output, a prediction, a parameter or code has it computed again. The file
is this folder's own, in neither git nor DVC: a fresh clone has none, and `verify --all` goes without, as a release does.
"""

import contextlib
import hashlib
import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stages.core import stage
from stages.core.errors import UserError
from stages.core.files import write_json

FILE = Path("data/audit.json")
# The audit's own code, which computes and compares.
OWN = (Path(__file__).parent, Path(__file__).parent.parent / "kept.py")


class Record:
    """What earlier audits have found equal, to be asked by name and key, and what this one finds."""

    def __init__(self, md5: Callable[[Path], str], code: dict[str, str], everything: bool = False):
        """`md5` : a file's or folder's checksum. `code` : stage modules' fingerprints, as in `workflow.code`. `everything` : forget it."""
        self.md5 = md5
        self.code = code
        self.earlier = {} if everything else _read()
        self.now: dict[str, dict[str, Any]] = {}
        self.common = [stage.packages(), [md5(place) for place in OWN]]

    def key(self, jobs: Iterable[stage.Job], places: Iterable[Path]) -> str:
        """Hash of what is run, by which code and packages, and of the files that are read and compared with, which need not exist."""
        ours = [[job.command, job.params, [self.code.get(name) for name in _fingerprints(job)]] for job in jobs]
        found = {place.as_posix(): self.md5(place) if place.exists() else None for place in places}
        return hashlib.sha256(json.dumps([self.common, ours, found], sort_keys=True).encode()).hexdigest()[:32]

    def ask(self, name: str, key: str) -> dict[str, Any] | None:
        """What an earlier audit found of this very computation."""
        entry = self.earlier.get(name)
        return entry["found"] if isinstance(entry, dict) and entry.get("key") == key and isinstance(entry.get("found"), dict) else None

    def add(self, name: str, key: str, **found: Any) -> None:
        """Note that this was computed now, and came out equal."""
        self.now[name] = {"key": key, "found": found}

    def write(self) -> None:
        """Keep what is known; an audit in a place that cannot be written does without."""
        with contextlib.suppress(UserError):
            write_json(FILE, self.earlier | self.now)


def _fingerprints(job: stage.Job) -> list[str]:
    """Its module's own, which the lock file of an older release need not name, and those of what it takes by name."""
    own = f"{shlex.split(job.command)[2].removeprefix('stages.')}.json"
    return sorted({own, *(dep.removeprefix(stage.CODE) for dep in job.deps if dep.startswith(stage.CODE))})


def _read() -> dict[str, Any]:
    """The file's content; nothing where there is none, or it is damaged: then all is computed again."""
    try:
        content = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
