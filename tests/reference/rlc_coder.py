"""A run-length coder and decoder of Eyeriss's kind that really make and read the pairs."""

LONGEST_RUN = 31


def encode(values: list[int]) -> list[tuple[int, int]]:
    """Return the pairs (run of zeros, level) of one stream."""
    pairs, run = [], 0
    for value in values:
        if value == 0 and run < LONGEST_RUN:
            run += 1
        else:
            pairs.append((run, value))
            run = 0
    if run:
        pairs.append((run - 1, 0))
    return pairs


def decode(pairs: list[tuple[int, int]]) -> list[int]:
    """Return the values of a stream."""
    values = []
    for run, level in pairs:
        values += [0] * run + [level]
    return values
