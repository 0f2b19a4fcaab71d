"""The GPU on which several stages run at a time: NVIDIA's MPS daemon, of this run's own, and whom it is shared with.

In every bundle, beside run.py (see workflow/bundle.py): it needs Python 3.10 and nothing else.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

DAEMON = "nvidia-cuda-mps-control"
PATIENCE = 30  # seconds that a command of NVIDIA's may take


@contextlib.contextmanager
def shared(jobs: int, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The variables with which `jobs` stages at a time share the GPU through a daemon, which ends with them.

    None where one stage runs at a time, where there is no GPU or no daemon, and where whoever called has one already.
    """
    if jobs == 1 or "CUDA_MPS_PIPE_DIRECTORY" in os.environ or not shutil.which(DAEMON) or not _asked("-L"):
        yield {}
        return
    # In the system's own folder, which is short: a socket's path has 107 characters at most.
    # A daemon that still writes as it ends is no reason to pack no results.
    with tempfile.TemporaryDirectory(prefix="mps-", ignore_cleanup_errors=True) as folder:
        pipe, log = Path(folder, "pipe"), Path(folder, "log")
        pipe.mkdir()
        log.mkdir()
        variables = {"CUDA_MPS_PIPE_DIRECTORY": str(pipe), "CUDA_MPS_LOG_DIRECTORY": str(log)}
        words = _daemon(["-d"], "", variables, log)
        if words is not None:
            say(f"the MPS daemon did not start ({words}): the stages take turns on the GPU, which is slower")
            yield {}
            return
        say(f"the stages share the GPU through an MPS daemon of this run's own ({pipe})")
        try:
            yield variables
        finally:
            words = _daemon([], "quit\n", variables, log)
            say("the MPS daemon has ended" if words is None else f"the MPS daemon did not end ({words}): end {DAEMON} yourself")


def _daemon(arguments: list[str], typed: str, variables: dict[str, str], log: Path) -> str | None:
    """Call the daemon's command; None if it succeeds, else why it does not."""
    # Its words go to a file: a pipe would stay open for as long as the daemon runs. A session of its own: Ctrl-C is for the stages.
    with (log / "said").open("w+") as said:
        try:
            status = subprocess.run(
                [DAEMON, *arguments],
                input=typed,
                stdout=said,
                stderr=said,
                text=True,
                env={**os.environ, **variables},
                timeout=PATIENCE,
                start_new_session=True,
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            return type(error).__name__
        said.seek(0)
        return (" ".join(said.read().split()) or f"exit status {status}") if status else None


def others() -> str:
    """Who else computes on the GPU, as "4711, python, 900 MiB"; nothing where nobody does, or it cannot be known."""
    return "; ".join(_asked("--query-compute-apps=pid,name,used_memory", "--format=csv,noheader"))


def _asked(*arguments: str) -> list[str]:
    """The lines that nvidia-smi says; none where there is no GPU."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
