"""List the licences of everything that zapsim's extras install: ``python .ci/licences.py > docs/licences.md``."""

from __future__ import annotations

from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("", "frontend", "explore", "report", "demo", "onnx")
"""What users install; tools of tests and of rtl/ are not shipped with anything."""

HEAD = """\
# Licences

zapsim is under the Apache License 2.0. It contains no code of the packages below, which `pip` installs. The table is
made of their metadata by `make licences`. Direct requirements are marked with the extra that asks for them.

| package | licence, as its metadata has it | asked for by |
|---|---|---|"""


def direct(extra: str) -> set[str]:
    """Return the packages that zapsim itself asks for, without extras or for one extra."""
    wanted = set()
    for requirement in map(Requirement, requires("zapsim") or ()):
        of_extra = "extra ==" in str(requirement.marker)
        if of_extra == bool(extra) and (requirement.marker is None or requirement.marker.evaluate({"extra": extra})):
            wanted.add(canonicalize_name(requirement.name))
    return wanted - {"zapsim"}


def closure(packages: set[str]) -> set[str]:
    """Add what these packages need in turn."""
    known, left = set(), list(packages)
    while left:
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        try:
            needed = requires(name) or ()
        except PackageNotFoundError:
            continue  # needed on other systems only
        left += [
            canonicalize_name(requirement.name)
            for requirement in map(Requirement, needed)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return known


def licence(about: PackageMetadata) -> str:
    """Return a package's licence: its expression, its classifiers, or the first line of its text."""
    expression = about.get("License-Expression")
    classifiers = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier") or () if "License ::" in text]
    text = (about.get("License") or "").strip().split("\n")[0]
    return str(expression or ", ".join(classifiers) or text or "not stated").replace("|", r"\|")


def main() -> None:
    """Print the page."""
    asked = {extra: direct(extra) for extra in EXTRAS}
    print(HEAD)
    for name in sorted(closure(set().union(*asked.values()))):
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue
        by = ["zapsim" if not extra else f"`{extra}`" for extra, names in asked.items() if name in names]
        print(f"| {name} | {licence(about)} | {', '.join(by)} |")


if __name__ == "__main__":
    main()
