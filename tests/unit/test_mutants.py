"""The mutants of `make mutants` are small changes of code, one at a time."""

import ast

from tests.mutants.__main__ import sample
from tests.mutants.operators import described, mutated, mutations

CODE = '''"""A module: 1 + 1."""

LIMIT: Final[int] = 3


def spread(words: int, lanes: int = 2) -> int:
    """Spread words < 2 over lanes."""
    if words > LIMIT and not lanes:
        raise ValueError(f"{words + 1} words")
    assert lanes + 1
    total = min(words // lanes, 4)
    for lane in range(lanes):
        total += lane
        break
    return total
'''


def test_mutants_of_a_function() -> None:
    changes = [described(CODE, mutation) for mutation in mutations(CODE)]
    lines = {mutation.line for mutation in mutations(CODE)}
    assert ("words > LIMIT", "words >= LIMIT") in changes
    assert ("words > LIMIT and (not lanes)", "words > LIMIT or not lanes") in changes
    assert ("not lanes", "lanes") in changes
    assert ("words // lanes", "words * lanes") in changes
    assert ("min(words // lanes, 4)", "max(words // lanes, 4)") in changes
    assert ("total += lane", "total -= lane") in changes
    assert ("break", "continue") in changes
    assert ("return total", "return None") in changes
    assert [change for change in changes if change[0] == "2"] == [("2", "3"), ("2", "1")]  # not that of the docstring
    assert lines == {3, 6, 8, 11, 12, 13, 14, 15} - {12}


def test_a_mutant_is_one_change_of_the_file() -> None:
    whole = ast.unparse(ast.parse(CODE))
    texts = [ast.unparse(mutated(CODE, mutation)) for mutation in mutations(CODE)]
    assert len(set(texts)) == len(texts) > 15
    for mutation, text in zip(mutations(CODE), texts, strict=True):
        assert text != whole
        if mutation.kind not in ("branch", "dropped"):
            assert sum(a != b for a, b in zip(whole.splitlines(), text.splitlines(), strict=True)) == 1
        compile(text, "mutant", "exec")


def test_the_sample_is_the_same_every_time_and_has_each_line_once() -> None:
    drawn = sample(14)
    places = [(path, mutation.line) for path, mutation in drawn]
    assert len(set(places)) == len(places) > 2000
    assert len(set(places)) == len(places) > 2000
    assert sample(14)[:50] == drawn[:50]
