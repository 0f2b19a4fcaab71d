"""Code fingerprints: a hash of what a module does, whatever its comments, docstrings, layout, and the Python that computes it."""

import ast
import json
import platform
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest
import syntax_trees
from conftest import REPOSITORY

from stages.core.fingerprint import syntax_hash
from workflow import environment

SOURCE = '''\
"""What it is."""

import os


class Network:
    """A network."""

    width: int = 3

    def forward(self, images: list, *, scale=0.5, **others):
        """Images to scores."""
        # Eq. 2.3
        total = [image * scale for image in images if image]
        return f"{total!r:>9} of {os.name}", -1


async def later():
    """Only a docstring."""
'''
SAME = {
    "comments": lambda text: text.replace("# Eq. 2.3", "# Eq. 2.4, and more\n\n"),
    "no comment": lambda text: text.replace("        # Eq. 2.3\n", ""),
    "docstrings": lambda text: text.replace("What it is.", "Something else.").replace("A network.", "").replace("Images", "Pictures"),
    "no docstrings": lambda text: text.replace('"""What it is."""', "").replace('"""Images to scores."""', ""),
    "quotes": lambda text: text.replace('f"{total!r:>9} of {os.name}"', "f'{total!r:>9} of {os.name}'"),
    "line breaks": lambda text: text.replace("(self, images: list, *", "(\n  self,\n  images: list,\n *"),
    "parentheses": lambda text: text.replace('return f"', 'return (f"').replace(", -1", ", -1)"),
    "spelling of a number": lambda text: text.replace("0.5", "5e-1"),
    "end": lambda text: text + "\n\n# The end",
}  # fmt: skip
OTHER = {
    "constant": lambda text: text.replace("0.5", "0.25"),
    "type of a constant": lambda text: text.replace("= 3", "= 3.0"),
    "sign": lambda text: text.replace("-1", "1"),
    "operator": lambda text: text.replace("image * scale", "image + scale"),
    "name": lambda text: text.replace("others", "rest"),
    "order of arguments": lambda text: text.replace("self, images: list", "images: list, self"),
    "keyword-only": lambda text: text.replace("*, scale", "scale"),
    "string": lambda text: text.replace(" of {", " in {"),
    "conversion": lambda text: text.replace("!r", "!s"),
    "import": lambda text: text.replace("import os", "import os as system"),
    "condition": lambda text: text.replace("if image]", "if image if scale]"),
    "decorator": lambda text: text.replace("    def forward", "    @staticmethod\n    def forward"),
    "default": lambda text: text.replace("scale=0.5", "scale=None"),
    "no default": lambda text: text.replace("scale=0.5", "scale"),
    "nesting": lambda text: text.replace('async def later():\n    """Only', '    async def later():\n        """Only'),
    "async": lambda text: text.replace("async def", "def"),
    "bytes": lambda text: text.replace('f"{total!r:>9} of {os.name}"', 'b"x"'),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_changes_nothing_keeps_the_hash(change) -> None:
    changed = change(SOURCE)
    assert changed != SOURCE
    assert syntax_hash(changed) == syntax_hash(SOURCE)


def test_what_changes_something_changes_the_hash() -> None:
    hashes = {"as it is": syntax_hash(SOURCE)} | {name: syntax_hash(change(SOURCE)) for name, change in OTHER.items()}
    assert len(set(hashes.values())) == len(hashes), hashes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = None", "x = ()"),
        ("x = []", "x = {}"),
        ("x = 'a' 'b'", "x = 'a', 'b'"),
        ("x = [[1], 2]", "x = [[1, 2]]"),
        ("x = 1", "x = True"),
        ("x = b'a'", "x = 'a'"),
        ("x = {**a}", "x = {a: a}"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("for x in y:\n  pass\nelse:\n  pass", "for x in y:\n  pass"),
        ("x: int", "x: int = None"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
    ],
)
def test_sources_that_look_alike(one: str, other: str) -> None:
    assert syntax_hash(one) != syntax_hash(other)


def test_a_prefix_that_means_nothing_keeps_the_hash() -> None:
    assert syntax_hash("x = u'a', r'b', rb'c'") == syntax_hash("x = 'a', 'b', b'c'")


def test_a_string_that_is_no_docstring_counts() -> None:
    assert syntax_hash("x = 1\n'said later'") != syntax_hash("x = 1\n'said'")


# Over versions of Python: trees that each wrote down, and where others are at hand, their hashes


TREES = {file.stem: file.read_text().splitlines() for file in syntax_trees.FOLDER.iterdir()}


@pytest.mark.parametrize("version", TREES)
def test_the_trees_of_every_python_have_the_hashes_of_this_one(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = dict(zip(syntax_trees.SOURCES, TREES[version], strict=True))
    ours = {source: syntax_hash(source) for source in trees}
    with monkeypatch.context() as patched:
        patched.setattr(ast, "parse", lambda source: syntax_trees.load(trees[source]))
        theirs = {source: syntax_hash(source) for source in trees}
    assert theirs == ours
    assert len(set(ours.values())) == len(ours)


def test_the_trees_are_of_every_python_and_differ() -> None:
    texts = {environment.minor(version): "\n".join(trees) for version, trees in TREES.items()}
    assert texts.keys() == set(environment.PYTHONS)
    # 3.12 gave functions and classes a field, and f-strings empty parts, which 3.13 has no more.
    assert [texts[version].count("type_params=[]") for version in environment.PYTHONS] == [0, 5, 5]
    empty = {version: text.count("Constant(value='')") for version, text in texts.items()}
    assert empty["3.11"] < empty["3.12"] > empty["3.13"]


def test_the_trees_are_those_that_this_python_makes() -> None:
    version = platform.python_version()
    if version not in TREES:
        pytest.skip(f"no trees of Python {version}, only of {', '.join(TREES)}")
    assert [syntax_trees.dump(source) for source in syntax_trees.SOURCES] == TREES[version]


def test_our_code_has_every_syntax_of_ours_in_the_trees() -> None:
    def kinds(sources: Iterable[str]) -> set[str]:
        return {type(node).__name__ for source in sources for node in ast.walk(ast.parse(source))}

    assert kinds(our_sources().values()) - kinds(syntax_trees.SOURCES) == set()


def test_our_code_has_no_character_that_some_python_does_not_know() -> None:
    # The hash is of the repr of strings, which escapes what that Python's Unicode has not assigned: all have that of 3.2.
    unknown = {name: [c for c in text if unicodedata.ucd_3_2_0.category(c) == "Cn"] for name, text in our_sources().items()}
    assert {name: characters for name, characters in unknown.items() if characters} == {}


def our_sources() -> dict[str, str]:
    files = [file for folder in ("stages", "workflow") for file in sorted((REPOSITORY / folder).rglob("*.py"))]
    return {file.relative_to(REPOSITORY).as_posix(): file.read_text(encoding="utf-8") for file in files}


SCRIPT = """
import json, sys
from stages.core.fingerprint import syntax_hash
sources = json.load(sys.stdin)
print("%d.%d" % sys.version_info[:2], json.dumps({name: syntax_hash(text) for name, text in sources.items()}))
"""


@pytest.mark.parametrize("version", [version for version in environment.PYTHONS if not platform.python_version().startswith(f"{version}.")])
def test_another_python_computes_the_same_hashes(version: str) -> None:
    sources = our_sources() | {"example": SOURCE} | {text: text for text in syntax_trees.SOURCES}
    # In PATH, or where pyenv and the like keep Pythons beside ours. What is found may be pyenv's stand-in, which does not run.
    beside = sorted(Path(sys.base_prefix).parent.glob(f"*{version}*/bin/python{version}"))
    for python in filter(None, [shutil.which(f"python{version}"), *beside]):
        command = [python, "-W", "error", "-c", SCRIPT]
        done = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(sources), capture_output=True, text=True)
        said, _, hashes = done.stdout.partition(" ")
        if said == version:
            assert json.loads(hashes) == {name: syntax_hash(text) for name, text in sources.items()}
            return
    pytest.skip(f"no Python {version} in PATH or beside this one")
