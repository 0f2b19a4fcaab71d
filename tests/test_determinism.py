"""The same bytes on every processor: layers, libraries and first training steps against committed hashes, and what would change them."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE
from determinism import COMMITTED, first_difference

ROOT = Path(__file__).parent.parent

# By primitive, what oneDNN may run; each was read (v3.12) and run with caches of 256 KB to 4 MB: what is summed in which order does not
# depend on the caches. Not among them: the forward `x64:gemm:jit`, and `brg*`, whose blocks follow the second-level cache. Reorders only
# move values.
SAFE = {"jit:avx2", "jit_1x1:avx2", "jit_dw:avx2"}
SAFE_BACKWARD_WEIGHTS = SAFE | {"x64:gemm:jit"}

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or "avx2" not in Path("/proc/cpuinfo").read_text(), reason="only for x86-64 with AVX2, on Linux"
)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """What determinism.py prints in a process of its own, with oneDNN's words of what it runs."""
    command = [sys.executable, "tests/determinism.py"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"ONEDNN_VERBOSE": "1"}, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def hashes(printed: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (line.rpartition(" | ") for line in printed if " | " in line)]


def strange(printed: list[str]) -> list[str]:
    """Which layers or networks ran what is not known to be safe, and what."""
    found: list[str] = []
    running: set[str] = set()
    for line in printed:
        if not line.startswith("onednn_verbose,"):
            found += [f"{line.partition(' | ')[0]}: {names}" for names in sorted(running)]
            running.clear()
        elif ",exec,cpu," in line:
            primitive, implementation, direction = line.split(",exec,cpu,")[1].split(",")[:3]
            safe = SAFE_BACKWARD_WEIGHTS if direction == "backward_weights" else SAFE
            if primitive != "reorder" and not (primitive == "convolution" and implementation in safe):
                running.add(f"{primitive} {implementation} {direction}")
    return found


def test_this_processor_computes_the_committed_bytes(printed):
    committed = COMMITTED.read_text()
    assert first_difference(hashes(printed), committed) is None
    assert [name for name, _ in hashes(printed)] == [line.rpartition(" | ")[0] for line in committed.splitlines()]


def test_onednn_runs_nothing_that_follows_the_caches(printed):
    assert sum(",exec,cpu,convolution," in line for line in printed) > 500
    assert "onednn_verbose,v1,info,cpu,isa:Intel AVX2" in printed
    assert strange(printed) == []


def test_what_follows_the_caches_is_found():
    lines = [
        "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32,,,2x2,0.1",
        "onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx2,forward_training,src:f32,,,mb1,0.1",
        "onednn_verbose,v1,primitive,exec,cpu,convolution,x64:gemm:jit,backward_weights,src:f32,,,mb1,0.1",
        "good | 01234567",
        "onednn_verbose,v1,primitive,exec,cpu,convolution,x64:gemm:jit,forward_training,src:f32,,,mb1,0.1",
        "onednn_verbose,v1,primitive,exec,cpu,deconvolution,brg_deconv:avx2+brgconv_strided:avx2,forward_training,src:f32,,,mb1,0.1",
        "bad, step 0: up backwards | 01234567",
    ]
    place = "bad, step 0: up backwards"
    expected = ["convolution x64:gemm:jit forward_training", "deconvolution brg_deconv:avx2+brgconv_strided:avx2 forward_training"]
    assert strange(lines) == [f"{place}: {names}" for names in expected]


def test_the_first_line_that_differs_is_named():
    committed = "a | 1\nb, step 0: up forwards | 2\nc | 3\n"
    assert first_difference([("a", "1"), ("b, step 0: up forwards", "2")], committed) is None
    found = first_difference([("a", "1"), ("b, step 0: up forwards", "5"), ("c", "6")], committed)
    assert found == "2 of 3 lines differ from the committed ones, first `b, step 0: up forwards`: 5, not 2"


def test_numba_may_not_reorder_sums():
    sources = {file.relative_to(ROOT): file.read_text() for file in (ROOT / "stages").rglob("*.py")}
    assert any("@njit" in text for text in sources.values())
    assert [str(file) for file, text in sources.items() if any(word in text for word in ("fastmath", "prange", "parallel=True"))] == []
