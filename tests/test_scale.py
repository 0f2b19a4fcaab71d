"""Scales: their composition, the same as DVC's own, and one clear sentence for whatever is wrong with parameters."""

import functools
import shutil
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

from workflow import params, scale

SCALES = ["figures", "mini", "paper", "real", "real_cpu"]
CHAPTERS = [name for name, kind in params.chapters().items() if kind.TABLES]


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def composed(path: Path, name: str, *overrides: str) -> dict[str, Any]:
    scale.compose(name, list(overrides), path)
    return yaml.safe_load(path.read_text())


@functools.cache
def _plain(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return composed(Path(folder) / "params.yaml", name)


def plain_scale(name: str) -> dict[str, Any]:
    """A scale without overrides: composed once, for that takes longer than what is asked of it."""
    return deepcopy(_plain(name))


def leaves(values: Any, *keys: str) -> dict[tuple[str, ...], Any]:
    """The values of nested mappings by their keys."""
    if not isinstance(values, dict) or not values:
        return {keys: values}
    return {path: leaf for key, value in values.items() for path, leaf in leaves(value, *keys, key).items()}


def test_these_are_the_scales() -> None:
    assert sorted(file.stem for file in Path("workflow/scales/scale").iterdir()) == SCALES


@pytest.mark.parametrize("name", SCALES)
def test_each_scale_is_valid_and_has_what_its_file_says(tmp_path: Path, name: str) -> None:
    own = leaves(yaml.safe_load(Path(f"workflow/scales/scale/{name}.yaml").read_text()))
    assert own["scale",] == name  # paths are made of it
    values = leaves(composed(tmp_path / "params.yaml", name))
    assert {keys: values.get(keys) for keys in own} == own


def running(values: dict[str, Any]) -> list[str]:
    """The chapters that some list of sets is not empty of."""
    return [chapter for chapter in CHAPTERS if any(values[chapter]["sets"].values())]


@pytest.mark.parametrize("name", ["mini", "real_cpu", "paper"])
def test_chapters_can_be_left_out(tmp_path: Path, name: str) -> None:
    plain = plain_scale(name)
    for chapters in ([CHAPTERS[0]], [CHAPTERS[1], CHAPTERS[-1]]):
        values = composed(tmp_path / "params.yaml", name, f"+leave_out=[{','.join(chapters)}]")
        assert running(values) == [chapter for chapter in running(plain) if chapter not in chapters]
        # No table is asked for of which nothing makes the metrics.
        assert values["chapters"] == [name for name in plain["chapters"] if name in running(values)]
        for chapter in (*chapters, *params.needed_by(chapters)):  # what only they need goes with them
            values[chapter]["sets"] = plain[chapter]["sets"]
        assert values | {"chapters": plain["chapters"]} == plain  # nothing else has changed


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([f"+leave_out=[{','.join(CHAPTERS)}]"], "no chapter is left"),
        (["+only=ch2_fusion", "+leave_out=ch2_fusion"], "no chapter is left"),
        (["scale=real"], "the scale is mini already: leave scale=real out"),
        (["data.sets=[cifar10,cifar10]", "+only=ch2_fusion"], "data.sets has cifar10 twice: take one away"),
        (["chapters=[ch2_fusion,ch2_fusion]"], "chapters has ch2_fusion twice: take one away"),
    ],
)
def test_what_cannot_be_composed_is_one_sentence(tmp_path: Path, overrides: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as error:
        scale.compose("mini", overrides, tmp_path / "params.yaml")
    assert f"error: mini {' '.join(overrides)}: {says}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "../x", "x;touch y", "-f", "a.b", "a@b", "A"])
def test_a_variant_has_a_name_that_paths_stages_and_commands_can_have(name: str) -> None:
    words = f"{name!r}: a name has small letters, digits, _ and -, and begins with a letter or a digit"
    values = plain_scale("mini")
    values["ch2_fusion"]["variants"][name] = {"base": "a"}
    values["ch3_edges"]["variants"]["relaxed"][name] = {"relaxed": "se"}
    assert params.problems(values) == [f"ch2_fusion.variants has {words}", f"ch3_edges.variants.relaxed has {words}"]


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("name", SCALES)
def test_a_chapter_can_be_alone(tmp_path: Path, name: str, chapter: str) -> None:
    """At every scale that has something of it; no other data sets than it uses are downloaded."""
    plain = plain_scale(name)
    if chapter not in running(plain):
        with pytest.raises(SystemExit, match=r"the scale has nothing of this chapter; .*params\.yaml is left as it was$"):
            scale.compose(name, [f"+only={chapter}"], tmp_path / "params.yaml")
        return
    values = composed(tmp_path / "params.yaml", name, f"+only={chapter}")
    assert values["chapters"] == running(values) == [chapter]
    assert values[chapter] == plain[chapter]
    with_needed = [chapter, *params.needed_by([chapter])]
    read = [params.read_as(params.chapters()[name], values[name]) for name in with_needed]
    assert not any(wrong for _, wrong in read)
    assert {use.name for one, _ in read for use in one.used()} == set(values["data"]["sets"])


def test_a_chapter_alone_has_the_sets_that_one_says(tmp_path: Path) -> None:
    sets = "data.sets=[cifar10,bsds500,vgg16]"
    assert composed(tmp_path / "params.yaml", "real_cpu", "+only=ch3_edges", sets)["data"]["sets"] == ["cifar10", "bsds500", "vgg16"]
    with pytest.raises(SystemExit, match=r"ch3_edges.*data\.sets lacks bsds500"):
        scale.compose("real_cpu", ["+only=ch3_edges", "data.sets=[vgg16]"], tmp_path / "params.yaml")


def test_a_chapter_that_no_list_names_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree("workflow/scales", tmp_path / "scales")
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace(f", {CHAPTERS[-1]}", ""))
    monkeypatch.setattr(scale, "CONFIG", folder)
    with pytest.raises(SystemExit, match=rf"config\.yaml does not take chapter/{CHAPTERS[-1]}\.yaml: name {CHAPTERS[-1]} in both"):
        scale.compose("mini", [], tmp_path / "params.yaml")
    assert not (tmp_path / "params.yaml").exists()


def test_what_has_no_tables_is_on_where_a_chapter_needs_it(tmp_path: Path) -> None:
    assert params.needed_by(["ch3_edges"]) == set() and params.needed_by(["ch3_edges", "ch5_rrf"]) == {"matching"}
    values = composed(tmp_path / "params.yaml", "mini", "+only=ch3_edges")
    assert values["matching"]["sets"] == {"described": [], "compared": [], "labelled": []}
    values = composed(tmp_path / "params.yaml", "mini", "+only=ch5_rrf")
    both = ["flickr30k", "mscoco"]
    assert values["chapters"] == ["ch5_rrf"] and values["matching"]["sets"] == {"described": both, "compared": both, "labelled": []}
    assert sorted(values["data"]["sets"]) == [*both, "resnet152", "vgg19", "word2vec"]  # none that only another chapter has


@pytest.mark.parametrize("override", ["+only=matching", "+leave_out=[matching]"])
def test_what_has_no_tables_is_no_chapter_to_choose(tmp_path: Path, override: str) -> None:
    with pytest.raises(SystemExit, match=rf"there is no chapter matching: .* may be {', '.join(CHAPTERS)}$"):
        scale.compose("mini", [override], tmp_path / "params.yaml")
    values = plain_scale("mini")
    values["chapters"].append("matching")
    assert f"chapters has matching, and there is no such chapter: there are {', '.join(CHAPTERS)}" in params.problems(values)
    values = plain_scale("mini") | {"chapters": ["ch2_fusion"]}
    (sentence,) = [one for one in params.problems(values) if one.startswith("matching.sets.described has flickr30k, and chapters")]
    assert sentence.endswith("and chapters lacks whatever needs matching: empty its sets, or add it")


@pytest.mark.parametrize("override", ["+only=nope", "+leave_out=[ch3_edges,nope]"])
def test_a_chapter_that_there_is_not_is_one_sentence(tmp_path: Path, override: str) -> None:
    with pytest.raises(SystemExit) as error:
        scale.compose("mini", [override], tmp_path / "params.yaml")
    key = override[1:].partition("=")[0]
    assert str(error.value) == f"error: there is no chapter nope: +{key} may be {', '.join(CHAPTERS)}"
    assert list(tmp_path.iterdir()) == []


def test_make_looks_at_the_scale_before_it_installs_anything(tmp_path: Path) -> None:
    done = subprocess.run(["make", "scale", "SCALE=nope", f"VENV={tmp_path / 'venv'}"], capture_output=True, text=True)
    assert done.returncode != 0 and list(tmp_path.iterdir()) == []
    assert done.stderr.splitlines()[0] == "error: there is no scale nope: it may be figures mini paper real real_cpu"


def test_the_committed_parameters_are_those_of_their_scale(tmp_path: Path) -> None:
    text = scale.PARAMS.read_text()
    composed(tmp_path / "params.yaml", yaml.safe_load(text)["scale"])
    assert (tmp_path / "params.yaml").read_text() == text


def test_scales_differ_in_parameters_only() -> None:
    for folder in ("stages", "workflow"):
        for file in Path(folder).rglob("*.py"):
            text = file.read_text()
            assert not [name for name in SCALES for quote in "\"'" if f"== {quote}{name}{quote}" in text], file


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_only_the_thesis_settings_are_called_full(tmp_path: Path, chapter: str) -> None:
    """As the scale paper has them; of each that it may not change some other value is tried."""
    values = plain_scale("paper")[chapter]
    (settings, _), thesis = params.read_as(params.chapters()[chapter], values), params.chapters()[chapter].THESIS
    assert thesis and list(params.not_the_thesis(chapter, settings, values)) == []
    for key in thesis:
        changed = deepcopy(values)
        *path, last = key.split(".")
        section = functools.reduce(dict.__getitem__, path, changed)
        section[last] = "another"
        (sentence,) = params.not_the_thesis(chapter, settings, changed)
        assert sentence.startswith(f"protocol is full, but {chapter}.{key} differs from the thesis's (") and "and is another" in sentence


def test_an_override_changes_one_value(tmp_path: Path) -> None:
    plain = plain_scale("mini")
    changed = composed(tmp_path / "params.yaml", "mini", "runtime.threads=2", "ch2_fusion.training.weight_decay=1e-6")
    assert (changed["runtime"].pop("threads"), changed["ch2_fusion"]["training"].pop("weight_decay")) == (2, 1e-6)
    del plain["runtime"]["threads"], plain["ch2_fusion"]["training"]["weight_decay"]
    assert changed == plain


def test_dvc_composes_the_same(tmp_path: Path) -> None:
    shutil.copytree("workflow/scales", tmp_path / "workflow/scales")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(".dvc/config", tmp_path / ".dvc")
    (tmp_path / "params.yaml").write_text("scale: before\n")
    (tmp_path / "dvc.yaml").write_text("stages: {copy: {cmd: cp params.yaml seen.yaml, params: [scale], outs: [seen.yaml]}}\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "t"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    changes = ["scale=real_cpu", "ch2_fusion.seeds=[0,1]", "ch2_fusion.training.weight_decay=1e-6"]
    options = [word for change in changes for word in ("-S", change)]
    subprocess.run([sys.executable, "-m", "dvc", "exp", "run", "-q", *options], cwd=tmp_path, check=True)
    scale.compose("real_cpu", changes[1:], tmp_path / "ours.yaml")
    assert (tmp_path / "seen.yaml").read_text() == (tmp_path / "ours.yaml").read_text()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["runtime.thread=2"], ["runtime.thread"]),
        (["+runtime.thread=2"], ["unknown key runtime.thread"]),
        (["~runtime.threads"], ["the key runtime.threads is missing"]),
        (["runtime.threads=two"], ["runtime.threads", "integer", "'two'"]),
        (["runtime.threads='2'"], ["runtime.threads", "integer", "'2'"]),
        (["runtime.threads=2.0"], ["runtime.threads", "integer", "2.0"]),
        (["runtime.threads=true"], ["runtime.threads", "integer", "True"]),
        (["runtime.threads=0"], ["runtime.threads", "greater than 0"]),
        (["runtime.device=gpu"], ["runtime.device", "'auto', 'cpu' or 'cuda'", "'gpu'"]),
        (["runtime=fast"], ["runtime", "mapping", "'fast'"]),
        (["data.sets=[cifar10]"], ["ch2_fusion.sets.plain has cifar100, and data.sets lacks cifar100"]),
        (["data.sets=[cifar100]"], ["ch2_fusion.sets.plain has cifar10, and data.sets lacks cifar10"]),
        (["data.sets=[mnist]"], ["workflow/sources.yaml has no mnist, which data.sets names"]),
        (["data.sets=[]"], ["data.sets", "at least 1"]),
        (["ch3_edges.sets.test=[bsds500,mnist]"], ["ch3_edges.sets.test has mnist, which workflow/sources.yaml has no entry for"]),
        (["ch3_edges.sets.test=[bsds500,cifar10]"], ["ch3_edges.sets.test has cifar10, which is of the kind arrays, and only edges"]),
        (["chapters=[ch2_fusion]"], ["ch3_edges.sets", "and chapters lacks ch3_edges: empty its sets, or add it"]),
        (["chapters=[ch2_fusion,ch10]"], ["chapters has ch10, and there is no such chapter: there are ch2_fusion, "]),
        (["chapters=[]"], ["chapters", "at least 1"]),
        (["data.origin=official"], ["protocol is miniature or generated if and only if data.origin is generated"]),
        (["scale=Mini-2"], ["scale"]),
        (["runtime.threads"], ["runtime.threads"]),
        (["runtime.threads=[1"], ["runtime.threads"]),
        (["runtime.threads=${no.such}"], ["no.such"]),
        (["=3"], ["=3"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_changes_nothing(tmp_path: Path, overrides: list[str], says: list[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("as it was")
    with pytest.raises(SystemExit) as left:
        scale.compose("mini", overrides, path)
    sentence = str(left.value.code)  # a string as exit code: printed, and status 1
    assert sentence.startswith("error: ")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert [part for part in says if part not in sentence] == [], sentence
    assert path.read_text() == "as it was"
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]


def test_parameters_behind_a_link_are_written_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "params.yaml").symlink_to("deep/mine.yaml")
    assert composed(tmp_path / "params.yaml", "mini")["scale"] == "mini"
    assert (tmp_path / "params.yaml").is_symlink() and [file.name for file in (tmp_path / "deep").iterdir()] == ["mine.yaml"]


def test_parameters_that_cannot_be_written_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        scale.compose("mini", [], tmp_path)
    assert str(left.value.code).startswith(f"error: mini: cannot write {tmp_path}: it is a folder; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["huge", "Mini", "../base", "mini.yaml"])
def test_an_unknown_scale_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit) as left:
        scale.compose(name, [], tmp_path / "params.yaml")
    assert left.value.code == f"error: there is no scale {name}: it may be figures, mini, paper, real, real_cpu"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runtime: [", "is not YAML"),
        ("a:\n\t- b", "is not YAML"),
        ("runtime: 1\nruntime: 2\n", "duplicate key"),
        ("", "the key scale is missing"),
        ("- mini", "should be a mapping"),
        (None, "there is no"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as left:
        scale.check(path)
    sentence = str(left.value.code)
    assert sentence.startswith("error: ")
    assert says in sentence
    assert str(path) in sentence
    assert "\n" not in sentence


def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\x00scale")
    with pytest.raises(SystemExit, match="is not YAML: 'utf-8' codec"):
        scale.check(tmp_path / "params.yaml")


def test_several_faults_are_all_named() -> None:
    values = plain_scale("mini")
    values["runtime"]["threads"] = "1"
    values["ch2_fusion"]["network"]["widht"] = values["ch2_fusion"]["network"].pop("width")
    assert params.problems(values) == [
        "runtime.threads: should be a valid integer, and is '1'",
        "the key ch2_fusion.network.width is missing",
        "unknown key ch2_fusion.network.widht: it is misspelt, or belongs elsewhere",
    ]


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("rate: 1e-4\nflag: on\nmode: 0o17\ntime: 1:30\n")
    assert scale.read(path) == {"rate": 0.0001, "flag": "on", "mode": 15, "time": "1:30"}


@pytest.mark.parametrize(("text", "status", "says"), [(None, 0, ""), ("runtime: [", 1, "error: params.yaml is not YAML: ")])
def test_the_command_checks(tmp_path: Path, text: str | None, status: int, says: str) -> None:
    (tmp_path / "params.yaml").write_text(text or yaml.safe_dump(plain_scale("mini")))
    for folder in ("stages", "workflow"):  # a miniature's writer is looked for there
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    command = [sys.executable, "-m", "workflow.scale", "--check"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == status


def test_the_command_wants_a_scale_or_a_check() -> None:
    for words in ([], ["--check", "mini"]):
        done = subprocess.run([sys.executable, "-m", "workflow.scale", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.endswith("error: give a scale or --check\n")
