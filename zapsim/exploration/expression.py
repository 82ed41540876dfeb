"""Expressions over a design, such as ``array.rows * array.cols <= 1024``: parsed and checked, never executed as Python.

An expression consists of numbers, with a unit if they have one (``64 KiB``, ``200 MHz``, ``2.5 mm2``), text in quotes,
names (``cycles``, ``array.rows``), arithmetic, comparisons, ``and``, ``or``, ``not``, and the functions of
:data:`FUNCTIONS`.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from zapsim.errors import ConfigError, UnitError, shown
from zapsim.metrics import Value
from zapsim.units import parse_quantity

Names: TypeAlias = Mapping[str, Value]
"""Values by name; None: the design has nothing of that name."""

FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "log2": math.log2,
    "ceil": math.ceil,
    "floor": math.floor,
}
"""Functions by name; `min` and `max` take two values or more, the others one."""

_LONGEST = 500
_DEEPEST = 40
_QUANTITY = re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s*(?!(?:and|or|not|e\d+)\b)[A-Za-zµ][A-Za-z0-9µ²]*(?:/s\b)?")
_QUOTED = re.compile(r"('[^']*'|\"[^\"]*\")")

_Step: TypeAlias = Callable[[Names], Value]


class UnknownError(Exception):
    """A name has no value in this design, so that the expression has none either."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    Attributes
    ----------
    text
        The text as it was written.
    names
        The names in it, each once, in their order.
    is_condition
        Whether its value is true or false.
    bare
        The names that are compared with a number without a unit.
    """

    text: str
    names: tuple[str, ...]
    is_condition: bool
    bare: tuple[str, ...]
    _run: _Step

    def value(self, names: Names) -> Value:
        """Return the value, or None if a name in it has none or the result is undefined (1/0, overflow).

        Raises
        ------
        ConfigError
            If text is used as a number.
        """
        try:
            value = self._run(names)
        except (UnknownError, ZeroDivisionError, OverflowError, ValueError):
            return None
        except TypeError:
            raise ConfigError(f"'{self.text}': text cannot be used as a number") from None
        return None if isinstance(value, float) and math.isnan(value) else value

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        """Pickle the text alone, from which another process makes the same expression."""
        return parse, (self.text,)


def parse(text: object) -> Expression:
    """Parse an expression.

    Raises
    ------
    ConfigError
        If it is invalid; the message does not say where it stands.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"expected an expression such as 'array.rows * array.cols <= 1024', got {shown(text)}")
    if len(text) > _LONGEST:
        raise ConfigError(f"an expression can have {_LONGEST} characters at most, got {len(text)}")
    plain = " ".join(text.split())
    try:
        with warnings.catch_warnings():  # such as of "1is 1"
            warnings.simplefilter("ignore")
            tree = ast.parse(_without_units(plain), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(f"invalid expression: {shown(plain)}") from None
    builder = _Builder(plain)
    run = builder.build(tree, 0)
    return Expression(plain, tuple(dict.fromkeys(builder.names)), _is_condition(tree), tuple(builder.bare), run)


def _without_units(text: str) -> str:
    """Replace each quantity, such as ``64 KiB``, by a marked number in its base unit; quoted text stays."""
    parts = _QUOTED.split(text)
    try:
        parts[::2] = [_QUANTITY.sub(_marked, part) for part in parts[::2]]
    except UnitError as error:
        raise ConfigError(f"{shown(text)}: {error}") from None
    return "".join(parts)


def _marked(quantity: re.Match[str]) -> str:
    return f"_quantity({parse_quantity(quantity[0])!r})"


def _is_condition(node: ast.expr) -> bool:
    return isinstance(node, (ast.Compare, ast.BoolOp)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _power(base: float, exponent: float) -> float:
    """Return a power in floating point: with whole numbers it could take forever."""
    power: float = math.pow(base, exponent)
    return power


_BINARY: Final[dict[type[ast.operator], Callable[..., Value]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[..., bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[..., Value]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


class _Builder:
    """Turns a syntax tree into functions, node by node; nodes that are not listed here are refused."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self.bare: list[str] = []

    def build(self, node: ast.expr, depth: int) -> _Step:
        """Return the function that evaluates `node`."""
        if depth > _DEEPEST:
            raise ConfigError(f"{shown(self.text)} is nested too deeply")
        step = self._leaf(node) or self._calculation(node, depth + 1)
        if step is None:
            raise ConfigError(f"{shown(self.text)}: {_what(node)} is not allowed in an expression")
        return step

    def _leaf(self, node: ast.expr) -> _Step | None:
        """Return the function for a number, text, a quantity or a name."""
        match node:
            case ast.Constant(value=int() | float() | str() as constant):
                return lambda _names: constant
            case ast.Call(func=ast.Name(id="_quantity"), args=[ast.Constant(value=float() as amount)], keywords=[]):
                return lambda _names: amount
            case ast.Name() | ast.Attribute():
                return self._name(node)
        return None

    def _calculation(self, node: ast.expr, depth: int) -> _Step | None:
        """Return the function for an operator or a call."""
        step: _Step | None = None
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                step = _calculated(_BINARY[type(op)], [self.build(side, depth) for side in (left, right)])
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                step = _calculated(_UNARY[type(op)], [self.build(operand, depth)])
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
                self._note_bare([left, *others])
                step = _compared(
                    [_COMPARE[type(op)] for op in ops], [self.build(side, depth) for side in (left, *others)]
                )
            case ast.BoolOp(op=op, values=values):
                step = _joined(isinstance(op, ast.And), [self.build(value, depth) for value in values])
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS and arguments:
                several = name in {"min", "max"}
                if several != (len(arguments) > 1):
                    wanted = "two values or more" if several else "one value"
                    raise ConfigError(f"{shown(self.text)}: {name} takes {wanted}")
                step = _calculated(FUNCTIONS[name], [self.build(argument, depth) for argument in arguments])
        return step

    def _name(self, node: ast.expr) -> _Step:
        """Return the function that looks up a name with or without dots."""
        name = _dotted(node)
        if name is None:
            raise ConfigError(f"{shown(self.text)}: {_what(node)} is not allowed in an expression")
        self.names.append(name)
        return lambda names: _defined(names.get(name))

    def _note_bare(self, sides: Sequence[ast.expr]) -> None:
        """Note the names that stand beside a plain number in a comparison."""
        for left, right in pairwise(sides):
            for node, number in ((left, right), (right, left)):
                name = _dotted(node)
                if name is not None and isinstance(number, ast.Constant) and not isinstance(number.value, str):
                    self.bare.append(name)


def _dotted(node: ast.expr) -> str | None:
    """Return the name of a node, with its dots, or None if the node is no name."""
    keys: list[str] = []
    while isinstance(node, ast.Attribute):
        keys.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(keys)]) if isinstance(node, ast.Name) else None


def _calculated(function: Callable[..., Value], steps: Sequence[_Step]) -> _Step:
    return lambda names: function(*[_number(step(names)) for step in steps])


def _compared(operators: Sequence[Callable[..., bool]], sides: Sequence[_Step]) -> _Step:
    def run(names: Names) -> bool:
        values = [side(names) for side in sides]
        return all(holds(*pair) for holds, pair in zip(operators, pairwise(values), strict=True))

    return run


def _joined(every: bool, steps: Sequence[_Step]) -> _Step:
    return lambda names: (all if every else any)(_defined(step(names)) for step in steps)


def _defined(value: Value) -> Value:
    if value is None:
        raise UnknownError
    return value


def _number(value: Value) -> Value:
    """Refuse text where a number is expected: Python would repeat it or join it."""
    if isinstance(value, str):
        raise TypeError
    return value


def _what(node: ast.AST) -> str:
    """Describe a node in words."""
    known = ", ".join(FUNCTIONS)
    words = {ast.Call: f"a call of a function other than {known}", ast.Subscript: "[...]", ast.Lambda: "lambda"}
    return words.get(type(node), f"this ({type(node).__name__})")
