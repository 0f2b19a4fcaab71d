"""workflow/sources.yaml: what it says of the data sets, against what others say; and what is wrong with an entry, in a sentence."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from stages.core.errors import UserError
from stages.datasets import fetch as fetching
from stages.datasets.fetch import Source
from workflow import sources


def entries() -> dict[str, Source]:
    return {name: Source.of(entry) for name, entry in raw().items()}


def raw() -> dict[str, dict[str, Any]]:
    return sources.load(REPOSITORY / "workflow/sources.yaml")


def test_every_source_says_all_that_is_needed() -> None:
    archives: dict[str, set[tuple[str, str]]] = {}
    for name, source in entries().items():
        assert source.page.startswith("https://") or (REPOSITORY / source.page).is_file(), name
        assert source.licence
        assert source.access
        for archive in source.archives:
            archives.setdefault(archive.name, set()).add((archive.url, archive.checksum))
            at_no_address = "/" not in archive.url  # a name alone
            assert at_no_address or archive.url.startswith(
                "https://" if source.access.startswith(fetching.FREE) else ("https://", "ftp://")
            ), name
            assert archive.size is None or archive.size > 0
            assert (archive.files or source.optional) if not archive.place else not archive.files
            sums = [archive.md5, *archive.files.values()]
            assert all(len(text.removesuffix(".dir")) == 32 and int(text.removesuffix(".dir"), 16) for text in sums if text is not None)
            assert archive.sha256 is None or (len(archive.sha256) in (8, 64) and int(archive.sha256, 16))
    assert all(len(same) == 1 for same in archives.values())  # data/archives is one folder, and two sets may share an archive


def torchvision_text(file: str) -> str:
    found = importlib.util.find_spec("torchvision")  # its text, for importing it takes seconds
    assert found is not None
    return Path(str(found.origin)).with_name(file.split("/")[0]).joinpath(file.split("/")[1]).read_text()


def test_torchvision_knows_the_same_voc() -> None:
    tree = ast.parse(torchvision_text("datasets/voc.py"))
    (years,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DATASET_YEAR_DICT")
    assert isinstance(years, ast.Dict)
    (year,) = (value for key, value in zip(years.keys, years.values, strict=True) if ast.unparse(key) == "'2010'")  # type: ignore[arg-type]
    assert isinstance(year, ast.Dict)
    facts = {ast.unparse(key): ast.unparse(value) for key, value in zip(year.keys, year.values, strict=True)}  # type: ignore[arg-type]
    voc = entries()["pascal_context"].archives[0]
    assert (repr(voc.url), repr(voc.md5)) == (facts["'url'"], facts["'md5'"])


@pytest.mark.parametrize(
    ("name", "file"),
    [("vgg16", "vgg"), ("vgg19", "vgg"), ("alexnet", "alexnet"), ("squeezenet1_1", "squeezenet")],
)
def test_torchvision_knows_the_same_weights(name: str, file: str) -> None:
    (archive,) = entries()[name].archives
    assert f'url="{archive.url}"' in torchvision_text(f"models/{file}.py")
    assert archive.name.endswith(f"-{archive.sha256}.pth")


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_torchvision_knows_the_same_archives_and_files(name: str, kind: str) -> None:
    tree = ast.parse(torchvision_text("datasets/cifar.py"))
    facts = {}
    for parent in ("CIFAR10", kind):  # CIFAR100 is a CIFAR10 with other values
        (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == parent)
        facts |= {node.targets[0].id: ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    (archive,) = entries()[name].archives
    assert (archive.url, archive.md5) == (facts["url"], facts["tgz_md5"])
    listed = [*facts["train_list"], *facts["test_list"], [facts["meta"]["filename"], facts["meta"]["md5"]]]
    assert archive.files == {f"{facts['base_folder']}/{file}": checksum for file, checksum in listed}


# What is wrong with an entry


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """A project with two data sets and a writer, which is the working directory; and its entries."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "stages/datasets/ours.py": "from stages.datasets.holidays import read\n",
        "stages/datasets/empty.py": "",
        "stages/miniatures/ours.py": "def write(folder: Path, *, places: int, widths: list[int], seed: int = 0) -> None: ...\n",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    archive = {"url": "https://a.org/b.zip", "md5": None, "size": None, "files": {"jpg": None}}
    entry = {
        "title": "Ours",
        "page": "https://a.org",
        "licence": "CC0",
        "access": "free download",
        "archives": [archive],
        "kind": "retrieval",
    }
    return {"ours": entry | {"miniature": {"writer": "ours.write", "places": 3, "widths": [1, 2]}}}


def test_entries_that_hold_together(tree: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.problems(tree) == []
    Path("stages/miniatures/theirs.py").write_text("from stages.miniatures.ours import write\n")
    tree["ours"]["miniature"]["writer"] = "theirs.write"
    assert sources.problems(tree) == []
    tree["ours"].pop("miniature")
    assert sources.problems(tree) == []
    monkeypatch.chdir(REPOSITORY)
    assert sources.problems(raw()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"titel": "x"}, " has the unknown key titel"),
        ({"title": ...}, " lacks the key title"),
        ({"kind": ...}, " lacks the key kind"),
        ({"kind": "images"}, ".kind is 'images': it is one of arrays, archived, classified, retrieval, edges,"),
        ({"kind": "edges"}, " is of the kind edges, and stages/datasets/ours.py does not define list_split"),
        ({"kind": "encoder"}, " is of the kind encoder, and there is no stages/encoders/ours.py"),
        ({"stands_in_for": "theirs"}, ".stands_in_for is theirs, which is no other entry"),
        ({"stands_in_for": "ours"}, ".stands_in_for is ours, which is no other entry"),
        ({"stands_in_for": ["theirs"]}, ".stands_in_for is ['theirs'], which is no other entry"),
        ({"title": None}, ".title is None: it should be a text"),
        ({"optional": ["labels.txt"]}, ".optional is ['labels.txt']: it should be a mapping of names to texts"),
        ({"archives": [], "miniature": ...}, ".archives is no list of archives, of which only what has a miniature may have none"),
        ({"archives": {}}, ".archives is no list of archives"),
        ({"archives": [{"url": "x", "md5": 12, "size": None}]}, ".archives[0].md5 is 12: it should be a text (quote digits), or null"),
        ({"archives": [{"url": "x", "md5": None, "size": -1}]}, ".archives[0].size is -1: it should be a number of bytes, or null"),
        (
            {"archives": [{"url": "x", "md5": None, "size": None, "files": ["jpg"]}]},
            ".archives[0].files is ['jpg']: it should be a mapping of names to md5 sums (quote digits), or null",
        ),
        ({"archives": [{"url": "x", "md5": None}]}, ".archives[0] lacks the key size"),
        ({"miniature": {"places": 3}}, ".miniature has to have a writer, as in {writer: ukb.write, objects: 16}, and its arguments"),
        (
            {"miniature": {"writer": "their.write"}},
            ".miniature.writer is their.write: there is no function write in stages/miniatures/their.py",
        ),
        ({"miniature": {"writer": "ours.draw"}}, ".miniature.writer is ours.draw: there is no function draw in stages/miniatures/ours.py"),
        (
            {"miniature": {"writer": "ours.write", "places": 3, "widths": [], "width": 4}},
            ".miniature has width, which ours.write does not take: places, widths, seed",
        ),
        ({"miniature": {"writer": "ours.write", "places": 3}}, ".miniature lacks widths, which ours.write takes"),
        ({"miniature": {"writer": "ours.write", "places": "3", "widths": []}}, ".miniature.places is '3': it should be a whole number"),
        (
            {"miniature": {"writer": "ours.write", "places": -3, "widths": []}},
            ".miniature.places is -3: it should be a whole number",
        ),
        ({"miniature": {"writer": "ours.write", "places": True, "widths": []}}, ".miniature.places is True: it should be a whole number"),
        (
            {"miniature": {"writer": "ours.write", "places": 3, "widths": [4, -1]}},
            ".miniature.widths is [4, -1]: it should be a list of whole",
        ),
        ({"miniature": {"writer": "ours.write", "places": 3, "widths": 4}}, ".miniature.widths is 4: it should be a list of whole numbers"),
    ],
)
def test_what_is_wrong_with_an_entry(tree: dict[str, dict[str, Any]], change: dict[str, Any], says: str) -> None:
    tree["ours"] = {key: value for key, value in (tree["ours"] | change).items() if value is not ...}
    (problem,) = sources.problems(tree)
    assert problem.startswith(f"workflow/sources.yaml: ours{says}")


@pytest.mark.parametrize("name", ["our-s", "../ours", "Ours", "a b", "1st", 7])
def test_an_entry_has_the_name_of_a_module(tree: dict[str, dict[str, Any]], name: Any) -> None:
    tree[name] = tree.pop("ours")
    assert sources.problems(tree) == [
        f"workflow/sources.yaml: {name} is no name of a module: it should have small letters, digits and _, and begin with a letter"
    ]


def test_what_data_sets_names_has_to_be_had(tree: dict[str, dict[str, Any]]) -> None:
    assert sources.unusable(tree, ["ours"], "generated") == []
    assert sources.unusable(tree, ["mine"], "official") == [
        "workflow/sources.yaml has no mine, which data.sets names: add it, or take it from there"
    ]
    drawn_only = {"ours": tree["ours"] | {"archives": []}}
    assert sources.problems(drawn_only) == sources.unusable(drawn_only, ["ours"], "generated") == []
    assert sources.unusable(drawn_only, ["ours"], "official") == [
        "workflow/sources.yaml: ours has no archives, so data.origin cannot be official: give it some, or take ours from data.sets"
    ]
    tree["ours"].pop("miniature")
    assert sources.unusable(tree, ["ours"], "official") == []
    assert sources.unusable(tree, ["ours"], "generated") == [
        "workflow/sources.yaml: ours has no miniature, so data.origin cannot be generated: give it a writer, or take ours from data.sets"
    ]


def test_of_an_entry_each_origin_takes_its_part(tree: dict[str, dict[str, Any]]) -> None:
    tree["ours"]["stands_in_for"] = "theirs"
    assert sources.part(tree["ours"], "generated") == {"miniature": {"writer": "ours.write", "places": 3, "widths": [1, 2]}}
    official = sources.part(tree["ours"], "official")
    assert set(official) == {"title", "page", "licence", "access", "archives", "stands_in_for"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML: "),
        ("- a\n", "holds no entries with keys: restore it"),
        ("a: 1\n", "holds no entries with keys"),
        (None, "restore it"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "sources.yaml").write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        sources.load(tmp_path / "sources.yaml")
    assert "\n" not in str(caught.value)
