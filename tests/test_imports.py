"""Which large packages a stage imports: each costs every one of its instances seconds, so it may import what it uses and no more."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grimp
import numpy as np
import pytest
from conftest import REPOSITORY

from stages.ch4_deepindex.variants import PLACES
from workflow.code import is_stage

# Seconds of CPU each: torch 1, its compiler (torch._dynamo) 2, torchvision with it 3, sklearn 1.2, skimage and matplotlib .3.
LARGE = (
    "torch", "torch._dynamo", "torchvision", "timm", "sklearn", "skimage", "scipy", "pandas", "matplotlib", "faiss", "numba", "requests",
)  # fmt: skip

# What may be imported together with a stage; what only some of its runs need, its functions import. The compiler comes with any optimiser
# and with torchvision: no module imports it by itself.
MAY = {
    "ch2_fusion.architectures": "torch",
    "ch2_fusion.evaluate": "",
    "ch2_fusion.figures": "matplotlib pandas",
    "ch2_fusion.predict": "torch",
    "ch2_fusion.prepare": "",
    "ch2_fusion.train": "torch",
    "ch2_imagenet.architectures": "torch",
    "ch2_imagenet.evaluate": "",
    "ch2_imagenet.examples": "matplotlib",
    "ch2_imagenet.figures": "matplotlib pandas",
    "ch2_imagenet.panels": "matplotlib",
    "ch2_imagenet.predict": "torch",
    "ch2_imagenet.prepare": "",
    "ch2_imagenet.train": "torch",
    "ch2_imagenet.transfer_evaluate": "",
    "ch2_imagenet.transfer_features": "torch",
    "ch2_imagenet.transfer_predict": "sklearn scipy pandas",  # the latter two by sklearn
    "ch2_segmentation.evaluate": "",
    "ch2_segmentation.panels": "matplotlib",
    "ch2_segmentation.predict": "torch",
    "ch2_segmentation.train": "torch",
    "ch3_edges.annotations": "matplotlib",
    "ch3_edges.detect": "skimage scipy",
    "ch3_edges.evaluate": "",
    "ch3_edges.figures": "matplotlib pandas",
    "ch3_edges.forest": "skimage scipy",
    "ch3_edges.panels": "matplotlib",
    "ch3_edges.predict": "torch scipy",
    "ch3_edges.prepare": "scipy",
    "ch3_edges.relax": "skimage scipy",
    "ch3_edges.train": "torch",
    "ch4_deepindex.codebooks": "faiss",
    "ch4_deepindex.complexity": "faiss",
    "ch4_deepindex.evaluate": "",
    "ch4_deepindex.features": "torch",
    "ch4_deepindex.figures": "matplotlib pandas",
    "ch4_deepindex.panels": "matplotlib",
    "ch4_deepindex.rank": "faiss",
    "download": "",
    "tables.gallery": "",
    "tables.render": "scipy",
}
# Imports modules one after the other; of each large package, says which modules of ours were importing when it was first looked for.
WATCH = """
import importlib, json, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in large and name not in chains:
            frame, chains[name] = sys._getframe(), []
            while frame := frame.f_back:
                if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"].startswith("stages"):
                    chains[name].insert(0, frame.f_globals["__name__"])

large, chains, modules = sys.argv[1].split(), {}, sys.argv[2:]
sys.meta_path.insert(0, Watch())
for module in modules:
    importlib.import_module(f"stages.{module}")
print(json.dumps({name: chain for name, chain in chains.items() if name in sys.modules}))
"""


def imported(*modules: str) -> dict[str, list[str]]:
    """The large packages that these stages import in one process, each with the chain of our modules that led there first."""
    command = [sys.executable, "-c", WATCH, " ".join(LARGE), *modules]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_stage_is_in_the_table() -> None:
    modules = grimp.build_graph("stages", cache_dir=None).modules
    assert {module.removeprefix("stages.") for module in modules if is_stage(module)} == MAY.keys()


def test_no_stage_imports_what_it_may_not() -> None:
    """In one process those that may import the same: what none of them may, none has imported."""
    alike: dict[str, list[str]] = {}
    for module, packages in MAY.items():
        alike.setdefault(packages, []).append(module)
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(alike, pool.map(lambda modules: imported(*modules), alike.values()), strict=True))
    wrong = [
        f"{chain[0].removeprefix('stages.')} imports {package}: {' -> '.join([*chain, package])}"
        for packages, chains in found.items()
        for package, chain in chains.items()
        if package not in packages.split()
    ]
    assert not wrong, "\n".join(["not in the table MAY:", *wrong, "import it in the function that uses it, or move what is shared"])
    unused = {packages: unused for packages, chains in found.items() if (unused := set(packages.split()) - chains.keys())}
    assert not unused, f"in the table MAY, and imported by no stage of these packages: {unused}"


def test_the_chain_is_named() -> None:
    assert imported("ch3_edges.train")["torch"] == ["stages.ch3_edges.train"]
    chain = imported("ch4_deepindex.rank")["faiss"]
    assert chain[0] == "stages.ch4_deepindex.rank" and set(chain) <= {f"stages.ch4_deepindex.{name}" for name in ("rank", "codebooks")}


CODEBOOKS = """
import sys
from stage_runs import run_main
from stages.ch4_deepindex import codebooks

own = {"words": 20, "sweep": [10], "assignments": [1, 3], "best": "dpi-6-18"}
settings = {"per_set": {"holidays": own}, "width": 0.25, "dimensions": [32], "kmeans_iterations": 2}
run_main(codebooks, "holidays --seed 0", {"ch4_deepindex": settings})
print(*(name for name in sys.argv[1].split() if name in sys.modules))
"""


def test_a_stage_without_networks_ends_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = tmp_path / "data/mini/features/ch4_deepindex/holidays"
    features.mkdir(parents=True)
    (features / "set.json").write_text(json.dumps({"images": [f"{number}" for number in range(6)]}))
    for place in PLACES:
        np.save(features / f"{place}.npy", np.random.default_rng(0).random((6, 14, 16), np.float32))
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}:{REPOSITORY / 'tests'}")
    command = [sys.executable, "-c", CODEBOOKS, " ".join(LARGE)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/mini/codebooks/ch4_deepindex/holidays/seed0/words_fc18_20.npy").exists()
    assert done.stdout.split() == ["sklearn", "scipy", "pandas", "faiss"]
