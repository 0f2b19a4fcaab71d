"""What a module does, as a hash: its syntax tree without comments, docstrings and layout."""

import ast
import hashlib
from collections.abc import Iterator


def syntax_hash(source: str) -> str:
    """Hex digest (16 digits) of `source`'s syntax tree; equal for sources that differ in comments, docstrings or layout only."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty strings
            node.values = [value for value in node.values if not (isinstance(value, ast.Constant) and value.value == "")]
    return hashlib.sha256("".join(_tokens(tree)).encode()).hexdigest()[:16]


def _tokens(node: object) -> Iterator[str]:
    # Empty fields are left out: newer Pythons add some (type_params), and the hash must not depend on that.
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if value is not None and value != [] and name != "kind":
                yield f" {name}="
                yield from _tokens(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _tokens(item)
        yield "]"
    else:
        yield repr(node)
