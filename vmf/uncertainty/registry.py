"""The scores by name: what the command line offers and the documentation's table lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from vmf.arrays.rows import as_rows
from vmf.arrays.types import Vector
from vmf.uncertainty import density, posterior
from vmf.uncertainty.convention import Higher
from vmf.uncertainty.expected_likelihood import elk_to_classes
from vmf.uncertainty.mutual_information import mutual_information
from vmf.uncertainty.norm import are_normalised, carries_length, norm_concentration
from vmf.uncertainty.reference import Reference
from vmf.uncertainty.uniform import kl_to_uniform

Need = Literal["model", "posterior", "lengths", "training rows"]
_Compute = Callable[[Reference, npt.ArrayLike, Higher], Vector]


@dataclass(frozen=True)
class Score:
    """A score: call it with a reference and rows.

    Attributes
    ----------
    name : str
    formula : str
        In plain text: x is the direction of the embedding, |z| its length, p its dimension.
    higher : {"certain", "ood"}
        What a higher value of the formula means.
    needs : tuple of str
        Beside the embeddings: "model", "posterior" (a model with
        posterior_concentrations_), "lengths" (embeddings that are not normalised), "training rows".
    about : str
        What it measures, in a sentence.
    """

    name: str
    formula: str
    higher: Higher
    needs: tuple[Need, ...]
    about: str
    _compute: _Compute

    def __call__(
        self, reference: Reference, X: npt.ArrayLike, *, higher: Higher = "certain"
    ) -> Vector:
        """Return the score of each row, (rows,) float64.

        Raises
        ------
        vmf.estimation.BadRowError
            For a row with NaN or infinity, or of zeros.
        TypeError, ValueError
            When something the score needs is missing or does not fit.
        """
        missing = self.missing(reference, X)
        if missing:
            raise ValueError(f"the score {self.name} needs {_HOW_TO_GET[missing[0]]}")
        return self._compute(reference, X, higher)

    def missing(self, reference: Reference, X: npt.ArrayLike) -> tuple[Need, ...]:
        """What of `needs` is not there."""
        there = {
            "model": reference.model is not None,
            "posterior": getattr(reference.model, "posterior_concentrations_", None) is not None,
            "training rows": reference.training is not None,
            "lengths": "lengths" not in self.needs or _have_lengths(reference, X),
        }
        return tuple(need for need in self.needs if not there[need])


def _have_lengths(reference: Reference, X: npt.ArrayLike) -> bool:
    """Whether the rows are not normalised, and the training rows, if there, differ in length."""
    if reference.training is not None and not carries_length(as_rows(reference.training)):
        return False
    return not are_normalised(as_rows(X))


_HOW_TO_GET: dict[Need, str] = {
    "model": "a fitted model: Reference(model=VMFClassifier().fit(X, y))",
    "posterior": "a model with posterior_concentrations_, such as a VMFClassifier or a VMFMixture",
    "training rows": "the rows that the model was fitted to: Reference(model, training=X)",
    "lengths": "embeddings as the network gave them; these are normalised",
}


def _of_model(function: Callable[..., Vector]) -> _Compute:
    return lambda reference, X, higher: function(reference.required_model(), X, higher=higher)


def _mutual_information(reference: Reference, X: npt.ArrayLike, higher: Higher) -> Vector:
    return mutual_information(
        reference.required_model(), X, draws=reference.draws, rng=reference.seed, higher=higher
    )


def _norm(reference: Reference, X: npt.ArrayLike, higher: Higher) -> Vector:
    return norm_concentration(X, scale=reference.norm_scale, higher=higher)


def _kl_to_uniform(reference: Reference, X: npt.ArrayLike, higher: Higher) -> Vector:
    kappa = norm_concentration(X, scale=reference.norm_scale)
    return kl_to_uniform(kappa, np.shape(X)[1], higher=higher)


def _elk(reference: Reference, X: npt.ArrayLike, higher: Higher) -> Vector:
    kappa = norm_concentration(X, scale=reference.norm_scale)
    return elk_to_classes(reference.required_model(), X, kappa, higher=higher)


def _kernel_density(reference: Reference, X: npt.ArrayLike, higher: Higher) -> Vector:
    return reference.kernel_density.score_samples(X, higher=higher)


_ALL = (
    Score(
        "log_density",
        "log sum_k pi_k vMF(x; mu_k, kappa_k)",
        "certain",
        ("model",),
        "How likely the embedding is under the whole model.",
        _of_model(density.log_density),
    ),
    Score(
        "class_log_density",
        "max_k log vMF(x; mu_k, kappa_k)",
        "certain",
        ("model",),
        "The same under the best class alone, rare or frequent.",
        _of_model(density.class_log_density),
    ),
    Score(
        "predictive_log_density",
        "log sum_k pi_k ELK(vMF(x, kappa_k), vMF(mu_k, beta_k))",
        "certain",
        ("model", "posterior"),
        "log_density with the uncertainty of each mean direction taken in.",
        _of_model(density.predictive_log_density),
    ),
    Score(
        "nearest_mean_cosine",
        "max_k mu_k . x",
        "certain",
        ("model",),
        "How near the next mean direction is, whatever its concentration.",
        _of_model(density.nearest_mean_cosine),
    ),
    Score(
        "max_probability",
        "max_k p(k | x)",
        "certain",
        ("model",),
        "How probable the most probable class is; 1 to the last digit for most rows.",
        _of_model(posterior.max_probability),
    ),
    Score(
        "log_odds",
        "log p - log(1 - p), p = max_k p(k | x)",
        "certain",
        ("model",),
        "max_probability without its ties.",
        _of_model(posterior.log_odds),
    ),
    Score(
        "entropy",
        "-sum_k p(k | x) log p(k | x)",
        "ood",
        ("model",),
        "How undecided the class is.",
        _of_model(posterior.entropy),
    ),
    Score(
        "mutual_information",
        "H(E_mu p(k | x, mu)) - E_mu H(p(k | x, mu)), mu_k ~ vMF(mu_k, beta_k)",
        "ood",
        ("model", "posterior"),
        "How much the class depends on what the training rows left open about the means.",
        _mutual_information,
    ),
    Score(
        "norm",
        "kappa_x = s |z|, s fitted to the training rows",
        "certain",
        ("model", "lengths", "training rows"),
        "The length of the feature as its concentration.",
        _norm,
    ),
    Score(
        "kl_to_uniform",
        "KL(vMF(x, kappa_x) || uniform), kappa_x = s |z|",
        "certain",
        ("model", "lengths", "training rows"),
        "norm in nats: how far the embedding is from saying nothing.",
        _kl_to_uniform,
    ),
    Score(
        "elk",
        "log sum_k pi_k ELK(vMF(x, kappa_x), vMF(mu_k, kappa_k)), kappa_x = s |z|",
        "certain",
        ("model", "lengths", "training rows"),
        "log_density averaged over where the uncertain embedding may lie.",
        _elk,
    ),
    Score(
        "kernel_density",
        "log (1/n) sum_i C_p(kappa) exp(kappa x_i . x), kappa by leave-one-out likelihood",
        "certain",
        ("training rows",),
        "How likely the embedding is among the training rows, without classes.",
        _kernel_density,
    ),
)

SCORES: Mapping[str, Score] = MappingProxyType({score.name: score for score in _ALL})
"""All scores by name."""


def find_score(name: str) -> Score:
    """The score of that name.

    Raises
    ------
    ValueError
        Lists the names there are.
    """
    try:
        return SCORES[name]
    except KeyError:
        raise ValueError(f"there is no score {name!r}; choose among {', '.join(SCORES)}") from None


def table() -> str:
    """The scores as a Markdown table, for the documentation."""
    lines = ["| score | formula | higher = | needs |", "|---|---|---|---|"]
    for score in SCORES.values():
        meaning = "more certain" if score.higher == "certain" else "more uncertain"
        formula = score.formula.replace("|", "\\|")
        lines.append(f"| `{score.name}` | `{formula}` | {meaning} | {', '.join(score.needs)} |")
    return "\n".join(lines) + "\n"
