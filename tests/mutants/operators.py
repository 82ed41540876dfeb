"""Small changes of Python code: which ones a file allows, and the file with one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip
_CALLS = {"min": "max", "minimum": "maximum", "any": "all", "floor": "ceil", "argmin": "argmax", "cumsum": "asarray"}
_CALLS |= {other: name for name, other in _CALLS.items() if name != "cumsum"}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a file.

    Attributes
    ----------
    line
        Line of the change, from 1.
    node, variant
        Place of the changed node among those of the file's tree, and which of its changes.
    kind
        What is changed.
    """

    line: int
    node: int
    variant: int
    kind: str


def mutations(source: str) -> list[Mutation]:
    """List the changes that a file allows, in the order of its tree.

    Docstrings, annotations, decorators, imports, assertions and what is raised stay as they are.
    """
    tree = ast.parse(source)
    untouched = _untouched(tree)
    listed = []
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in untouched:
            for variant, (kind, _) in enumerate(_variants(node)):
                listed.append(Mutation(getattr(node, "lineno"), number, variant, kind))  # noqa: B009
    return listed


def mutated(source: str, mutation: Mutation) -> ast.Module:
    """Parse a file, and change it; the lines of the code stay where they are."""
    tree = ast.parse(source)
    parents = {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    node = list(ast.walk(tree))[mutation.node]
    _, new = _variants(node)[mutation.variant]
    parent = parents[id(node)]
    for field, value in ast.iter_fields(parent):
        if value is node:
            setattr(parent, field, new)
        elif isinstance(value, list):
            setattr(parent, field, [new if item is node else item for item in value])
    return ast.fix_missing_locations(tree)


def described(source: str, mutation: Mutation) -> tuple[str, str]:
    """Return the changed part of the code before and after."""
    node = list(ast.walk(ast.parse(source)))[mutation.node]
    return ast.unparse(node), ast.unparse(_variants(node)[mutation.variant][1])


def _untouched(tree: ast.Module) -> set[int]:
    """Find the nodes that no mutation changes."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            roots.append(node)
        roots += [inner for name in ("annotation", "returns") if (inner := getattr(node, name, None)) is not None]
        roots += getattr(node, "decorator_list", [])
        if isinstance(node, ast.ClassDef):
            roots += [*node.bases, *node.keywords]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            roots.append(node)
        if isinstance(node, ast.Subscript) and _is_type(node):
            roots.append(node)
    return {id(inner) for root in roots for inner in ast.walk(root)}


def _is_type(node: ast.Subscript) -> bool:
    """Tell whether a subscript is one of a type: ``NDArray[...]``, ``Callable[...]``."""
    return isinstance(node.value, ast.Name) and node.value.id[:1].isupper() and not node.value.id.isupper()


def _variants(node: ast.AST) -> list[tuple[str, ast.AST]]:
    """List what a node can become, each as a node of its own."""
    return [(kind, ast.copy_location(new, node)) for kind, new in _changes(node)]


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901, PLR0912 (a case for each kind of node)
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                ops = [*node.ops]
                ops[place] = _COMPARISONS[type(operator)]()
                yield "comparison", ast.Compare(node.left, ops, node.comparators)
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
            yield "arithmetic", ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield "and, or", ast.BoolOp(ast.And() if isinstance(operator, ast.Or) else ast.Or(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield "not, minus", operand
        case ast.Constant(bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield "constant", ast.Constant(value + 1)
            yield "constant", ast.Constant(value - 1)
        case ast.Call(ast.Name(name), arguments, keywords) if name in _CALLS:
            yield "min, max", ast.Call(ast.Name(_CALLS[name], ast.Load()), arguments, keywords)
        case ast.Call(ast.Attribute(value, name), arguments, keywords) if name in _CALLS:
            yield "min, max", ast.Call(ast.Attribute(value, _CALLS[name], ast.Load()), arguments, keywords)
        case ast.IfExp(test, body, orelse):
            yield "branch", ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse):
            yield "branch", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.AugAssign(target, operator, value):
            if type(operator) in _ARITHMETIC:
                yield "arithmetic", ast.AugAssign(target, _ARITHMETIC[type(operator)](), value)
            yield "dropped", ast.Pass()
        case ast.Assign([ast.Subscript()], _) | ast.Expr(ast.Call()):
            yield "dropped", ast.Pass()
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield "return", ast.Return(ast.Constant(None))
        case ast.Break():
            yield "break, continue", ast.Continue()
        case ast.Continue():
            yield "break, continue", ast.Break()
