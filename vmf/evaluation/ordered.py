"""Rows in the order of a certainty, sorted once, and what it is worth however often each row counts.

The bootstrap draws the rows again and again; how often each was drawn says all, and the order of the
rows stays. So a replicate costs a few sums over the rows and no sorting.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Ordered:
    """The rows by falling certainty.

    Parameters
    ----------
    certainty : (rows,) array_like
        Higher = more certain; infinities are allowed.
    name : str
        For messages.

    Raises
    ------
    ValueError
        For NaN, which has no place in the order; names the row.
    """

    def __init__(self, certainty: npt.ArrayLike, name: str = "scores") -> None:
        values = np.asarray(certainty, np.float64)
        undefined = np.isnan(values)
        if undefined.any():
            raise ValueError(f"{name}: the score of row {int(np.argmax(undefined))} is nan")
        self._order = np.argsort(-values, kind="stable")
        inside = values[self._order]
        # Where a group of equal certainties begins.
        first = np.flatnonzero(np.concatenate([[True], inside[1:] != inside[:-1]]))
        self._first = None if len(first) == len(values) else first

    def arranged(self, values: npt.NDArray[np.generic]) -> Vector:
        """A value a row as float64, in this order."""
        return values[self._order].astype(np.float64)

    def _sums(self, values: Vector) -> Vector:
        """The sum over each group of equal certainties."""
        if self._first is None:
            return values
        found: Vector = np.add.reduceat(values, self._first)
        return found

    def aurc(self, wrong: Vector, times: Vector, harmonic: Vector) -> float:
        """The area under the risk-coverage curve; see `vmf.evaluation.selective`.

        Parameters
        ----------
        wrong, times : (rows,) float64, arranged
            1 for a wrong answer, else 0; how often each row counts.
        harmonic : (1 + sum of times,) float64
            The harmonic numbers from H_0 on.

        Notes
        -----
        Of the n rows of a group of equal certainties, m of them wrong, each has the mean error m/n.
        After N rows with E errors the j-th of them brings the risk (E + j m/n)/(N + j), and the sum
        over j is m + (E - N m/n)(H_{N+n} - H_N).
        """
        count, errors = self._sums(times), self._sums(times * wrong)
        after = np.cumsum(count)
        before = after - count
        share = np.divide(errors, count, out=np.zeros_like(errors), where=count > 0)
        passed = np.cumsum(errors) - errors
        spread = harmonic[after.astype(np.intp)] - harmonic[before.astype(np.intp)]
        return float((errors + (passed - before * share) * spread).sum() / after[-1])

    def auroc(self, positive: Vector, times: Vector) -> float | None:
        """Probability that a positive row has the higher certainty, ties counted half; None without both."""
        right, wrong = self._sums(times * positive), self._sums(times * (1.0 - positive))
        below = np.cumsum(wrong)
        pairs = float(right.sum()) * float(below[-1])
        if not pairs:
            return None
        return float((right * (below[-1] - below + 0.5 * wrong)).sum() / pairs)

    def detection(self, inside: Vector, times: Vector) -> dict[str, float | None]:
        """The measures of `vmf.evaluation.detection.detect`; `inside` is 1 for rows inside, else 0."""
        within, beyond = self._sums(times * inside), self._sums(times * (1.0 - inside))
        accepted, let_through = np.cumsum(within), np.cumsum(beyond)
        all_inside, all_outside = accepted[-1], let_through[-1]
        at = int(np.argmax(accepted / all_inside >= 0.95))
        # From the other end, the rows outside are what is searched for.
        rejected = all_outside - let_through + beyond
        lost = all_inside - accepted + within
        return {
            "auroc": self.auroc(inside, times),
            "aupr_in": _average_precision(within, accepted, let_through),
            "aupr_out": _average_precision(beyond, rejected, lost),
            "fpr95": float(let_through[at] / all_outside),
        }


def harmonic_numbers(count: int) -> Vector:
    """H_0 = 0, H_1 = 1, H_2 = 3/2, ..., H_count."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, count + 1))])


def _average_precision(found: Vector, all_found: Vector, mistaken: Vector) -> float:
    """Precision at each group, weighted by what is found in it."""
    taken = all_found + mistaken
    precision = np.divide(all_found, taken, out=np.zeros_like(taken), where=taken > 0)
    return float((found * precision).sum() / found.sum())
