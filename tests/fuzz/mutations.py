"""Mutations of files: of their bytes, of their words, and of the tree of their JSON."""

import copy
from random import Random
from typing import Any

TOKENS = (
    b"nan", b"inf", b"-1", b"1e999", b"010", b"1:20", b"no", b"~", b"0x" + b"f" * 300, b"9" * 400, b"[" * 3000,
    b"{" * 300, b"<<: 3", b"!!int ''", b"!!binary x", b"&a [*a]", b"*a", b"\x1b[31m", b"\x00", b"\xff\xfe", b"\r", b"\n",  # noqa: E501
    b'"', b"'", b": ", b", ", b"- ", b"#", b"=", b"../x", b"/dev/zero", b"a" * 30_000, b"NaN", b"Infinity", b"null", b"true",  # noqa: E501
    b"{}", b"[]", b"\xe2\x80\xae", b"[red]", b"1.5", b"0", b"18446744073709551616", b"2016-01-01",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**53, 2**63, 2**70, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "\x1b[31m", "a\nb", "\u202e", "a" * 30_000, [], {}, [1], {"a": 1}, [[]], "nan", "1", "/dev/zero",
)  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """Change some bytes of a file: flip, cut, repeat, insert a token, or replace a number by one."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(content) + 1)
        kind = random.randrange(7)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            del content[at : at + random.choice((1, 2, 8, 64, len(content)))]
        elif kind == 2:
            content[at:at] = content[at : at + random.choice((1, 8, 200))] * random.choice((1, 2, 30))
        elif kind == 3:
            content[at:at] = random.choice(TOKENS)
        elif kind == 4:
            end = at
            while end < len(content) and content[end : end + 1].isalnum():
                end += 1
            content[at:end] = random.choice(TOKENS)
        elif kind == 5:
            width = random.choice((1, 2, 4, 8))
            content[at : at + width] = random.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * width
        else:
            content[at:] = b""
    return bytes(content)


def mutated_tree(tree: Any, random: Random) -> Any:
    """Change a tree of JSON at one or two places: another value, a key less, an item twice."""
    changed = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 2))):
        here = changed
        while isinstance(here, (dict, list)) and here:
            key = random.choice(list(here)) if isinstance(here, dict) else random.randrange(len(here))
            inner = here[key]
            if isinstance(inner, (dict, list)) and inner and random.random() < 0.8:
                here = inner
                continue
            kind = random.randrange(8)
            if kind == 0:
                del here[key]
            elif kind == 1 and isinstance(here, list):
                here.append(copy.deepcopy(inner))
            elif kind == 1:
                here[random.choice(("x", "\x1b[0m", key))] = copy.deepcopy(inner)
            else:
                here[key] = random.choice(VALUES)
            break
    return changed
