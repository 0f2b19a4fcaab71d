"""Which large packages a stage imports: each costs every one of its instances seconds, so it may import what it uses and no more."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import grimp
import numpy as np
import pytest
from conftest import REPOSITORY

from stages.core import stage
from workflow import params
from workflow.code import is_stage

# Seconds of CPU each: torch 1, its compiler (torch._dynamo) 2, torchvision with it 3, sklearn 1.2, skimage and matplotlib .3.
LARGE = (
    "torch", "torch._dynamo", "torchvision", "timm", "sklearn", "skimage", "scipy", "pandas", "matplotlib", "faiss", "numba", "requests",
)  # fmt: skip

LISTS = Path(__file__).parent / "large_imports"


def listed() -> dict[str, str]:
    """Stage -> which of LARGE may be imported together with it; what only some of its runs need, its functions import.

    By the files of LISTS, one a chapter. The compiler comes with any optimiser and with torchvision: no module imports it by itself. scipy
    and pandas come with sklearn.
    """
    may = {}
    for file in sorted(LISTS.glob("*.txt")):
        for line in file.read_text().splitlines():
            module, _, packages = line.partition(":")
            may[module if file.stem == "shared" else f"{file.stem}.{module}"] = packages.strip()
    return may


MAY = listed()
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


def test_every_stage_is_listed() -> None:
    modules = grimp.build_graph("stages", cache_dir=None).modules
    assert {module.removeprefix("stages.") for module in modules if is_stage(module)} == MAY.keys()


def imports_of_chapters(graph: grimp.ImportGraph, chapters: Mapping[str, Collection[str]]) -> list[str]:
    """The imports of a chapter's module by what is neither that chapter's nor one's that needs it.

    chapters : what each needs of others, by name.
    """
    chapter_of = {module: name for module in graph.modules if (name := (*module.split("."), "")[1]) in chapters}
    return [
        f"{module} imports {other}"
        for module in sorted(graph.modules)
        for other in sorted(graph.find_modules_directly_imported_by(module))
        if chapter_of.get(other) not in (None, (own := chapter_of.get(module)), *chapters.get(own or "", ()))
    ]


def test_imports_of_chapters_are_told() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (
        ("stages.a.train", "stages.a.model"),
        ("stages.a.train", "stages.core.loop"),
        ("stages.a.train", "stages.b.model"),
        ("stages.tables.render", "stages.b"),
        ("stages.a.train", "stages.shared.pairs"),
        ("stages.b.train", "stages.shared.pairs"),
        ("stages.shared.pairs", "stages.a.model"),
        ("stages.core.loop", "stages.shared.pairs"),
    ):
        graph.add_import(importer=importer, imported=imported)
    assert imports_of_chapters(graph, {"a": ["shared"], "b": [], "shared": []}) == [
        "stages.a.train imports stages.b.model",
        "stages.b.train imports stages.shared.pairs",
        "stages.core.loop imports stages.shared.pairs",
        "stages.shared.pairs imports stages.a.model",
        "stages.tables.render imports stages.b",
    ]


def test_chapters_import_no_other_chapter_and_what_they_share_imports_none() -> None:
    needs = {name: kind.NEEDS for name, kind in params.chapters().items()}
    wrong = imports_of_chapters(grimp.build_graph("stages", cache_dir=None), needs)
    advice = "what two chapters need has its place in stages/core, datasets, encoders or metrics, or in a pipeline that both name in NEEDS"
    assert not wrong, "\n".join([*wrong, advice])


def test_what_results_may_depend_on_is_in_every_run_record() -> None:
    graph = grimp.build_graph("stages", include_external_packages=True, cache_dir=None)
    names = {module for module in graph.modules if not module.startswith("stages")} - sys.stdlib_module_names
    installed = metadata.packages_distributions()
    unrecorded = {name for name in names if not {one.lower() for one in installed[name]} & set(stage.PACKAGES)}
    assert unrecorded == {"annotated_types", "pooch", "requests", "tqdm", "urllib3", "yaml"}  # which compute nothing


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
    assert not wrong, "\n".join(
        ["not listed in tests/large_imports:", *wrong, "import it in the function that uses it, or move what is shared"]
    )
    unused = {packages: unused for packages, chains in found.items() if (unused := set(packages.split()) - chains.keys())}
    assert not unused, f"listed in tests/large_imports, and imported by no stage: {unused}"


def test_the_chain_is_named() -> None:
    assert imported("ch3_edges.train")["torch"] == ["stages.ch3_edges.train"]
    chain = imported("ch4_deepindex.rank")["faiss"]
    assert chain[0] == "stages.ch4_deepindex.rank" and set(chain) <= {f"stages.ch4_deepindex.{name}" for name in ("rank", "codebooks")}


CODEBOOKS = """
import sys
from stage_runs import run_main
from stages.ch4_deepindex import codebooks

own = {"words": 20, "sweep": [10], "assignments": [1, 3], "best": ["fc6", "fc18"]}
settings = {"per_set": {"holidays": own}, "codebooks": {"width": 0.25, "dimensions": [32], "kmeans_iterations": 2}}
run_main(codebooks, "holidays --seed 0", {"ch4_deepindex": settings})
print(*(name for name in sys.argv[1].split() if name in sys.modules))
"""


def test_a_stage_without_networks_ends_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = tmp_path / "data/mini/features/ch4_deepindex/holidays"
    features.mkdir(parents=True)
    (features / "set.json").write_text(json.dumps({"images": [f"{number}" for number in range(6)]}))
    layers = {layer: f"alexnet.{layer}" for layer in ("fc6", "fc18")}
    (features / "about.json").write_text(json.dumps({"layers": layers}))
    for layer in layers:
        np.save(features / f"{layer}.npy", np.random.default_rng(0).random((6, 14, 16), np.float32))
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}:{REPOSITORY / 'tests'}")
    command = [sys.executable, "-c", CODEBOOKS, " ".join(LARGE)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/mini/codebooks/ch4_deepindex/holidays/seed0/words_fc18_20.npy").exists()
    assert done.stdout.split() == ["sklearn", "scipy", "pandas", "faiss"]
