"""Commands and files in README and in docs/: what a page tells its reader to type."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
}
"""Text by path."""

_FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SHELL = {"sh", "console", "bash", ""}
_PROGRAMS = {
    "zapsim",
    "python",
    "pytest",
    "pip",
    "make",
    ".ci/run",
    "lint-imports",
    "dask",
    "srun",
    "sleep",
    "mkdir",
    "cd",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: its language and its text, without the page's indentation."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a page, as a reader would type it.

    Attributes
    ----------
    page, line
        Where it stands, and its text on one line, without its comment.
    words
        The line cut into words as a shell does.
    target
        The file that its output goes to; "" if none.
    whole
        Whether it stands in a block; else it stands in a sentence, which may leave things out.
    """

    page: str
    line: str
    words: tuple[str, ...]
    target: str = ""
    whole: bool = True


def blocks(page: str) -> list[Block]:
    """List the fenced blocks of a page."""
    return [
        Block(language, "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)))
        for indent, language, text in _FENCE.findall(PAGES[page])
    ]


def block_commands(page: str) -> list[Command]:
    """List the commands in the blocks of a page, in order; others than :data:`_PROGRAMS` are none."""
    lines = [
        line
        for block in blocks(page)
        if block.language in _SHELL
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    commands = []
    for line in lines:
        if line.split()[:1] and line.split()[0] in _PROGRAMS:
            words = shlex.split(line, comments=True)
            target = words[words.index(">") + 1] if ">" in words else ""
            kept = words[: words.index(">")] if target else words
            commands.append(Command(page, " ".join(words), tuple(kept), target))
    return commands


def sentence_commands(page: str) -> list[Command]:
    """List the commands between backquotes in the sentences of a page; ellipses are left out."""
    text = _FENCE.sub("", PAGES[page])
    commands = []
    for span in re.findall(r"`((?:zapsim|python|pytest) [^`]+)`", text):
        line = " ".join(span.split())
        words = shlex.split(line.replace("\\|", "|").partition("|")[0].partition(">")[0])
        commands.append(Command(page, line, tuple(word for word in words if word not in ("…", "...")), whole=False))
    return commands
