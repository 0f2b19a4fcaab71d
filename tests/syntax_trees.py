"""Sources with each kind of syntax that our code has or that Pythons parse differently, and their trees as text.

    python3.12 tests/syntax_trees.py        # writes what that Python makes of them, a line for each, to syntax_trees/3.12.1.txt

Needs the standard library only. Each source is valid in every Python that pyproject.toml names.
"""

import ast
import platform
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "syntax_trees"
SOURCES = r'''
"""Docstring"""; import os.path as p, sys; from . import a; from ..b.c import (d as e, f,); from g import *

def f(a, /, b: "int" = 1, *c, d=..., **e) -> None: "Docstring"

def f(*, key=None, **others): """Docstring"""; global x; nonlocal y; x = (yield), (yield from key); return

@decorate.by(1)
@then
async def f():
    "Docstring"
    async with a as b, c: return [await d async for d in e if d if f]
    async for g in h: yield f"{await g}"

class A: "Docstring"

@dataclass(frozen=True)
class B(A, *C, metaclass=M, **others): x: int; y: list[int] = field(default=[]); (z): "str"; self.v: int; __slots__ = ()

x = f"{a}", f"{a!r:>9}", f"{a=}", f"{ a = }", f"{a=!s:>{b}}", f"{a=:.2f}", f"{{}}", f"{{{a}}}", f"{a,}", f"{a!s}"

x = f"{a:}", f"{a:{b}}", f"{a:>{b}}", f"{a:{b}.{c}f}", f"{a!r:>{b}.2f}", f"{a:{b!r}}", f"{a:%H:%M}", f"{a:{''}}"

x = f"", f"a", f"" "", f"a" "b", "a" f"b{c}" 'd' f'{e}' "f", f"{'a' 'b'}", rf"\d{a}" r"\d", f"\x41{a}\N{BULLET}", f"a\
b{c}"

x = f"{a if b else c}{(lambda d: d)}{ {1: 2}[1] }{a[1:2]}{a['k']}{a != b}{(c := d)}{a:=5}{f'{b:>{c}}'}", f"""{
a}"""

x = "a" "b", u"a", u"a" "b", b"a" b"b", rb"\d", r"\d", "\t\n\\\x00\x7f\xad \u2028\ud800\U0001F600", "é ×²–", '"', "'", ...

x = 1_000, 0x1F, 0o17, 0b1, 1e-05, 1e16, 1e400, 5e-324, .1, 1., 2j, 1 + 2j, -1, --1, 123456789012345678901234567890, None, True

x = a if (w := b) else c; y: int = 1; a = b = c; a, *b = c, = d; a += 1; a @= b; a //= 2; a **= -3; a <<= 1; a ^= b; a |= c

x = not a and b or c, a < b <= c != d is not e not in f, a > b >= c == d is e in f
x = a + b - c * d / e // f % g ** h @ i, a << b >> c, a & b | c ^ ~d, +a

x = [*a, b], {*a, b}, {**a, "k": b}, (), [], {}, (a,), [b for b in c for d in b if d], {b for b in c}, {b: c for b, c in d}, (b for b in c)

x = f(a, *b, c=1, **d)(e)[f].g[1:2, ::3, ...], a[*b], a[b, *c], a[:], lambda *q, r=1, **s: q, lambda: (yield), print(*a, end="")

with open(x) as g, g as (h, i): pass

with (open(x) as g, h as i,): pass

try: assert x, "why"
except A: raise
except (B, C) as error: raise error from None
else: pass
finally: del a, b[0], c.d

try: pass
except* (ValueError, OSError) as group: raise

match a:
    case 1 | -1 | 1 + 2j | "a" "b" | None | True: pass
    case [b, *_] | (b, *c) if c: pass
    case {"k": [1, *_], **rest} | Point(x=0, y=[_]) as d: pass
    case e.f: pass
    case _: pass

while a:
    if b: break
    elif c: continue
    else: pass
else:
    for x, in y, *z: pass
    else: type = match = case = _ = print(type, match[1], case)

é = µ = ﬁeld = 1; x = """
a\
b"""; "a string that is no docstring"; b"nor is this"
'''.strip("\n").split("\n\n")


def dump(source: str) -> str:
    """The tree of a source with all the fields that this Python gives it, as ASCII."""
    shown = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    text = ast.dump(ast.parse(source), **shown)
    return text.encode("ascii", "backslashreplace").decode()


def load(text: str) -> ast.AST:
    """The tree that `dump` of any Python wrote, its nodes with the fields that they had there and no other."""
    return eval(text, {"__builtins__": {}}, _Names())


class _Names(dict):
    def __init__(self) -> None:
        super().__init__(Ellipsis=..., inf=float("inf"))

    def __missing__(self, name: str) -> Callable[..., ast.AST]:
        def node(**fields: object) -> ast.AST:
            kind = type(name, (getattr(ast, name),), {"_fields": tuple(fields)})
            built = kind.__new__(kind)  # `kind()` would give it the fields of this Python
            built.__dict__.update(fields)
            return built

        return node


if __name__ == "__main__":
    (FOLDER / f"{platform.python_version()}.txt").write_text("".join(f"{dump(source)}\n" for source in SOURCES))
