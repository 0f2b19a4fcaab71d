"""Code fingerprints: a hash of what a module does, whatever its comments, docstrings, layout, and the Python that computes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from stages.core.fingerprint import syntax_hash

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


# Syntax that Pythons have parsed differently, or whose tree has gained fields.
PORTABLE = r"""
def f(a, /, b: "int" = 1, *c, d=..., **e) -> None:
    '''Doc'''
    x = f"{a!r:>{b}.2f} {{}} {'nested'} {a=}" "tail" f'{b:%H:%M}' + rb"".decode() + "é\u2028\ud800 " + u"old"
    y = {**e, "k": [*c, (yield)]}; z = a if (w := b) else 1e400 - 2j
    with open(x) as g, g as h: pass
    try: assert x
    except* (ValueError, OSError) as error: raise error from None
    match a:
        case {"x": [1, *_], **rest} | Point(x=0) if rest: return lambda *q, r=1: q[1:2, ::3, ...]
class C(B, metaclass=M): x: int; __slots__ = ()
type_ = print(1_000, 0x1F, 1e-05, 123456789012345678901234567890)
"""
SCRIPT = """
import json, sys
from stages.core.fingerprint import syntax_hash
sources = json.load(sys.stdin)
print(json.dumps({name: syntax_hash(text) for name, text in sources.items()}))
"""


def hashes_by_another_python(version: str, sources: dict[str, str]) -> dict[str, str]:
    # Where pyenv or a similar tool keeps Pythons beside ours.
    found = sorted(Path(sys.base_prefix).parent.glob(f"*{version}*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} beside this one")
    command = [found[0], "-c", SCRIPT]
    done = subprocess.run(command, cwd=REPOSITORY, input=json.dumps(sources), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_another_python_computes_the_same_hashes(version: str) -> None:
    files = [file for folder in ("stages", "workflow") for file in (REPOSITORY / folder).rglob("*.py")]
    sources = {str(file): file.read_text() for file in files} | {"portable": PORTABLE, "example": SOURCE}
    assert hashes_by_another_python(version, sources) == {name: syntax_hash(text) for name, text in sources.items()}


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_another_python_computes_the_same_hash_of_a_nested_format(version: str) -> None:
    sources = {"nested": "f'{value:>{width}}'"}
    assert hashes_by_another_python(version, sources) == {"nested": syntax_hash(sources["nested"])}
