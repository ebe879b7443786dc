"""Uncertainty scores: which embeddings to trust.

Each function returns one number a row and takes `higher="certain"` (the default) or
`higher="ood"`, which fixes what a higher value means. `SCORES` lists them by name, with formula,
sign and needs; `vmf.evaluation` measures how good they are on data.

>>> from vmf.uncertainty import SCORES, Reference
>>> reference = Reference(model, training=X)                        # doctest: +SKIP
>>> SCORES["log_density"](reference, new, higher="ood")             # doctest: +SKIP
"""

from vmf.uncertainty.convention import Higher
from vmf.uncertainty.density import (
    class_log_density,
    log_density,
    nearest_mean_cosine,
    predictive_log_density,
)
from vmf.uncertainty.expected_likelihood import elk_matrix, elk_pairs, elk_to_classes, log_elk
from vmf.uncertainty.kernel_density import VMFKernelDensity
from vmf.uncertainty.mutual_information import mutual_information
from vmf.uncertainty.norm import fit_norm_scale, norm_concentration
from vmf.uncertainty.posterior import entropy, log_odds, max_probability
from vmf.uncertainty.reference import Reference
from vmf.uncertainty.registry import SCORES, Score, find_score
from vmf.uncertainty.uniform import kl_to_uniform

__all__ = [
    "SCORES",
    "Higher",
    "Reference",
    "Score",
    "VMFKernelDensity",
    "class_log_density",
    "elk_matrix",
    "elk_pairs",
    "elk_to_classes",
    "entropy",
    "find_score",
    "fit_norm_scale",
    "kl_to_uniform",
    "log_density",
    "log_elk",
    "log_odds",
    "max_probability",
    "mutual_information",
    "nearest_mean_cosine",
    "norm_concentration",
    "predictive_log_density",
]
