"""Tables as text: the first column to the left, numbers to the right."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    r"""Lay out rows of cells as lines of one length.

    >>> print(*aligned([["", "mean"], ["mass", "1.5"]]), sep="\n")
          mean
    mass   1.5
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
