"""Folds that follow each other on one operand-stationary array: the next words enter behind the running fold.

Every PE has two registers for what is stationary. A word enters at the top of a column and moves down one PE per cycle,
behind the front at which PEs take over what waits in their second register; nothing is overwritten before it is taken.
"""

Tag = tuple[int, int]  # fold, row: the word that a PE must hold


def run(rows: int, cols: int, vectors: list[int]) -> int:
    """Return the cycles of folds with so many `vectors`, and check that every PE multiplies with the right word."""
    waiting: list[list[Tag | None]] = [[(0, row)] * cols for row in range(rows)]
    in_use: list[list[Tag | None]] = [[None] * cols for _ in range(rows)]
    starts = [rows]  # the first words enter alone
    for count in vectors[:-1]:
        starts.append(starts[-1] + max(count, rows))
    end = starts[-1] + max(vectors[-1], rows) + rows + cols - 2  # a fold has at least as many slots as rows
    for cycle in range(end):
        for fold, start in enumerate(starts):
            for col in range(cols):
                for row in range(rows):
                    if cycle == start + row + col:  # the fold's first vector arrives
                        in_use[row][col] = waiting[row][col]
                    if 0 <= cycle - start - row - col < vectors[fold]:
                        assert in_use[row][col] == (fold, row)
        for fold, start in enumerate(starts[:-1]):
            for col in range(cols):
                step = cycle - start - col
                if 0 <= step < rows:
                    for row in range(step, 0, -1):
                        waiting[row][col] = waiting[row - 1][col]
                    waiting[0][col] = (fold + 1, rows - 1 - step)
    return end
