"""How each library is asked for kappa and for a log-likelihood, and how it answers.

Every question is put in a process of its own, so that a library that hangs or takes all memory is
an answer too. Given are the dimension and the mean resultant length: all of the data that kappa
depends on.
"""

from __future__ import annotations

import math
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

_REPEATS = 5
_IMPORT_LIMIT = 120.0  # seconds
_LEAVE = 1.0  # seconds between the request to end and the end by force
_SILENT = object()
_RIGHT = 1e-9
_INEXACT = 1e-3


@dataclass(frozen=True)
class Question:
    """The dimension p, the mean resultant length R and the exact kappa."""

    dimension: int
    mean_resultant_length: float
    one_minus: float
    kappa: float
    rows: Path | None = None  # unit rows in a .npy, for fits that insist on rows


@dataclass(frozen=True)
class Reply:
    """A number, or the reason why there is none, and how long it took."""

    value: float = math.nan
    problem: str = ""
    seconds: float = math.nan

    def error(self, exact: float) -> float:
        """Relative error."""
        return abs(self.value - exact) / abs(exact)

    def kind(self, exact: float) -> str:
        """What a reader should know of the value, in a word or two."""
        if self.problem:
            return self.problem
        if not math.isfinite(self.value):
            return f"{self.value}, no exception"
        if self.error(exact) <= _RIGHT:
            return "right"
        return "inexact" if self.error(exact) <= _INEXACT else "wrong, no exception"

    def verdict(self, exact: float) -> str:
        """The same with the number."""
        kind = self.kind(exact)
        if kind == "inexact":
            return f"inexact by {self.error(exact):.1g}"
        return f"{kind} ({self.value:.6g})" if kind.startswith("wrong") else kind


def newton_steps(
    ratio: Callable[[float, float], Any], p: int, r: float, *, steps: int = 2
) -> float:
    """Banerjee's value and Newton steps (Sra 2012), the ratio A_p by whoever is asked."""
    kappa: Any = r * (p - r * r) / (1 - r * r)
    for _ in range(steps):
        a = ratio(p, kappa)
        kappa = kappa - (a - r) / (1 - a * a - (p - 1) * a / kappa)
    return float(kappa)


def _log_density(log_bessel: Any, question: Question) -> float:
    """Mean log-density of rows whose mean cosine is R: log C_p(kappa) + kappa R."""
    p, kappa = question.dimension, question.kappa
    v = p / 2 - 1
    log_c = v * math.log(kappa) - p / 2 * math.log(2 * math.pi) - log_bessel(v, kappa)
    return float(log_c + kappa * question.mean_resultant_length)


def _vmf_kappa(question: Question) -> float:
    from vmf import special

    p, r = question.dimension, question.mean_resultant_length
    if r > 0.5:
        return float(special.concentration_c(p, question.one_minus))
    return float(special.concentration(p, r))


def _vmf_density(question: Question) -> float:
    from vmf import special

    kappa = question.kappa
    log_c = float(special.log_normalizer(question.dimension, kappa))
    return log_c + kappa * question.mean_resultant_length


def _scipy_fit(question: Question) -> float:
    from scipy.stats import vonmises_fisher

    return float(vonmises_fisher.fit(_unit_rows(question))[1])


def _scipy_newton(question: Question) -> float:
    from scipy.special import ive

    return newton_steps(
        lambda p, k: ive(p / 2, k) / ive(p / 2 - 1, k),
        question.dimension, question.mean_resultant_length,
    )  # fmt: skip


def _scipy_density(question: Question) -> float:
    from scipy.stats import vonmises_fisher

    mu, x = _pair(question)
    return float(vonmises_fisher(mu, question.kappa).logpdf(x))


def _mpmath_newton(question: Question) -> float:
    import mpmath

    return newton_steps(
        lambda p, k: mpmath.besseli(p / 2, k) / mpmath.besseli(p / 2 - 1, k),
        question.dimension, question.mean_resultant_length,
    )  # fmt: skip


def _mpmath_density(question: Question) -> float:
    import mpmath

    return _log_density(lambda v, k: float(mpmath.log(mpmath.besseli(v, k))), question)


def _mpmath_fp_newton(question: Question) -> float:
    from mpmath import fp

    return newton_steps(
        lambda p, k: fp.besseli(p / 2, k) / fp.besseli(p / 2 - 1, k),
        question.dimension, question.mean_resultant_length,
    )  # fmt: skip


def _mpmath_fp_density(question: Question) -> float:
    from mpmath import fp

    return _log_density(lambda v, k: fp.log(fp.besseli(v, k)), question)


def _tfp() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    from tensorflow_probability.substrates import jax as tfp

    return tfp


def _tfp_newton(question: Question) -> float:
    ratio = _tfp().math.bessel_iv_ratio
    return newton_steps(
        lambda p, k: float(ratio(p / 2, np.float64(k))),
        question.dimension, question.mean_resultant_length,
    )  # fmt: skip


def _tfp_density(question: Question) -> float:
    mu, x = _pair(question)
    return float(_tfp().distributions.VonMisesFisher(mu, question.kappa).log_prob(x))


def _pair(question: Question) -> tuple[Any, Any]:
    """A mean direction and a unit vector whose cosine to it is R."""
    r = question.mean_resultant_length
    mu, x = np.zeros((2, question.dimension))
    mu[0] = 1.0
    x[:2] = r, math.sqrt(question.one_minus * (1 + r))
    return mu, x


def _unit_rows(question: Question) -> Any:
    """The rows given, or two whose mean resultant length is R."""
    if question.rows is not None:
        return np.load(question.rows, allow_pickle=False)
    mu, x = _pair(question)
    return np.stack([x, 2 * question.mean_resultant_length * mu - x])


FITS: dict[str, tuple[str, Callable[[Question], float]]] = {
    "this toolkit": ("special.concentration(p, R)", _vmf_kappa),
    "SciPy, its fit": ("scipy.stats.vonmises_fisher.fit(rows)", _scipy_fit),
    "SciPy, Newton": ("ratio of scipy.special.ive, two Newton steps", _scipy_newton),
    "mpmath, Newton": ("ratio of mpmath.besseli, two Newton steps", _mpmath_newton),
    "mpmath.fp, Newton": ("ratio of mpmath.fp.besseli, two Newton steps", _mpmath_fp_newton),
    "TFP, Newton": ("tfp.math.bessel_iv_ratio, two Newton steps", _tfp_newton),
}
DENSITIES: dict[str, tuple[str, Callable[[Question], float]]] = {
    "this toolkit": ("special.log_normalizer(p, kappa) + kappa R", _vmf_density),
    "SciPy": ("scipy.stats.vonmises_fisher(mu, kappa).logpdf(x)", _scipy_density),
    "mpmath": ("mpmath.log(mpmath.besseli(v, kappa))", _mpmath_density),
    "mpmath.fp": ("mpmath.fp.log(mpmath.fp.besseli(v, kappa))", _mpmath_fp_density),
    "TFP": ("tfp.distributions.VonMisesFisher(mu, kappa).log_prob(x)", _tfp_density),
}


def ask(table: str, name: str, question: Question, *, limit: float) -> Reply:
    """Put a question to a library and wait for the answer.

    Parameters
    ----------
    table
        "fit" for kappa, "density" for the mean log-density.
    name
        A key of `FITS` or `DENSITIES`.
    limit
        Seconds, the import of the library left out.

    Returns
    -------
    Reply
        With the median time of five calls after one that is not measured; of that one alone, if
        it took longer than a second.
    """
    return ask_in_turn(table, name, [question], limit=limit, repeats=_REPEATS)[0]


def ask_in_turn(
    table: str, name: str, questions: Sequence[Question], *, limit: float, repeats: int = 0
) -> list[Reply]:
    """Put questions to one process of a library; those after one without an answer get none."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(sender, table, name, questions, repeats), daemon=True
    )
    process.start()
    sender.close()
    replies: list[Reply] = []
    try:
        begun = _message(receiver, _IMPORT_LIMIT)
        while len(replies) < len(questions):
            reply = _message(receiver, limit) if begun else None
            if isinstance(reply, Reply):
                replies.append(reply)
                continue
            problem = f"no answer in {limit:g} s" if reply is _SILENT else "ends its process"
            replies.append(Reply(problem=problem))
            replies += [Reply(problem="not asked")] * (len(questions) - len(replies))
    finally:
        process.terminate()
        process.join(_LEAVE)
        if process.is_alive():
            process.kill()
            process.join()
    return replies


def _message(receiver: Connection, limit: float) -> Any:
    """What was sent; `_SILENT` after the limit, None when the process is gone."""
    if not receiver.poll(limit):
        return _SILENT
    try:
        return receiver.recv()
    except EOFError:
        return None


def _answer(
    sender: Connection, table: str, name: str, questions: Sequence[Question], repeats: int
) -> None:
    """In the process of its own."""
    call = (FITS if table == "fit" else DENSITIES)[name][1]
    warnings.simplefilter("ignore")
    missing = None
    with np.errstate(all="ignore"):
        try:
            call(Question(3, 0.5, 0.5, 1.8))  # imports the library
        except ImportError as error:
            missing = Reply(problem=f"not installed ({error.name})")
        except Exception:  # the questions that count come next
            pass
        sender.send(True)
        for question in questions:
            sender.send(missing or _reply(call, question, repeats))


def _reply(call: Callable[[Question], float], question: Question, repeats: int) -> Reply:
    try:
        begin = time.perf_counter()
        value = call(question)
        times = [time.perf_counter() - begin]
        if times[0] < 1.0 and repeats:
            times = []
            for _ in range(repeats):
                begin = time.perf_counter()
                call(question)
                times.append(time.perf_counter() - begin)
        return Reply(value, "", statistics.median(times))
    except Exception as error:  # whatever a peer raises is its answer
        return Reply(problem=f"raises {type(error).__name__}")


def reach(name: str, dimension: int, lengths: Sequence[float], *, limit: float) -> str:
    """How a library's kappa fares over mean resultant lengths in ascending order, run by run.

    Returns
    -------
    str
        For instance ``"right: 0.05..0.45; nan, no exception: 0.5..0.95"``.
    """
    from vmf import special

    exact = [float(special.concentration(dimension, r)) for r in lengths]
    questions = [
        Question(dimension, r, 1 - r, kappa) for r, kappa in zip(lengths, exact, strict=True)
    ]
    replies = ask_in_turn("fit", name, questions, limit=limit)
    verdicts = [reply.kind(kappa) for reply, kappa in zip(replies, exact, strict=True)]
    runs = []
    for verdict, members in groupby(zip(verdicts, lengths, strict=True), key=lambda one: one[0]):
        inside = [r for _, r in members]
        runs.append(f"{verdict}: {inside[0]:.3g}..{inside[-1]:.3g}")
    return "; ".join(runs)
