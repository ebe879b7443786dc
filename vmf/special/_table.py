"""The table of special functions: name, arguments, what it is, its derivatives. One row a function.

A backend offers each name as a callable of two arrays. From this table come the public functions of `vmf.special`, the
derivatives of torch's operators and the signatures for type checkers (scripts/generate_special_stubs.py).
"""

from __future__ import annotations

from typing import NamedTuple

from vmf.special._derivatives import (
    Derivatives,
    concentration_c_rbar,
    concentration_p,
    concentration_rbar,
    difference,
    entropy_kappa,
    entropy_p,
    function,
    k_ratio_x,
    log_i_scaled_x,
    log_i_vx,
    log_i_xx,
    log_k_scaled_x,
    log_k_vx,
    log_k_xx,
    log_normalizer_p,
    minus,
    ratio_c_x,
    ratio_v,
    ratio_x,
    resultant_kappa,
    resultant_p,
)


class Entry(NamedTuple):
    """One function of `vmf.special`."""

    name: str
    first: str
    second: str
    summary: str
    details: str
    derivatives: Derivatives


_ORDER = "v"
_ARGUMENT = "x"
_ERROR = "Error at most 4 eps max(1, |value|)"
_RELATIVE = "Relative error at most 4 eps"

TABLE = (
    Entry(
        "log_iv",
        _ORDER,
        _ARGUMENT,
        "Logarithm of the modified Bessel function of the first kind, log I_v(x).",
        f"{_ERROR}; log I_0(x) keeps its relative accuracy as x -> 0. -inf at x = 0 for v > 0.\n"
        "Source: DLMF 10.41.3 with its sum expanded under the logarithm, 10.29.1, 10.25.2.",
        derivatives=(function("log_iv_dv"), function("log_iv_dx")),
    ),
    Entry(
        "log_kv",
        _ORDER,
        _ARGUMENT,
        "Logarithm of the modified Bessel function of the second kind, log K_v(x).",
        f"{_ERROR}; +inf at x = 0.\nSource: DLMF 10.41.4, 10.32.9; Temme (1975) for x < 1.",
        derivatives=(function("log_kv_dv"), function("log_kv_dx")),
    ),
    Entry(
        "log_ive",
        _ORDER,
        _ARGUMENT,
        "Logarithm of the exponentially scaled I, log I_v(x) - x.",
        f"{_ERROR}; never formed as a difference.\nSource: as log_iv.",
        derivatives=(function("log_iv_dv"), log_i_scaled_x),
    ),
    Entry(
        "log_kve",
        _ORDER,
        _ARGUMENT,
        "Logarithm of the exponentially scaled K, log K_v(x) + x.",
        f"{_ERROR}.\nSource: as log_kv.",
        derivatives=(function("log_kv_dv"), log_k_scaled_x),
    ),
    Entry(
        "iv_ratio",
        _ORDER,
        _ARGUMENT,
        "Ratio of consecutive orders, I_v(x)/I_(v-1)(x); the order v - 1 may be negative.",
        f"{_RELATIVE}.\nSource: DLMF 10.29.1-2 on the expansions of log_iv.",
        derivatives=(ratio_v, ratio_x),
    ),
    Entry(
        "iv_ratio_c",
        _ORDER,
        _ARGUMENT,
        "Complement of the ratio, 1 - I_v(x)/I_(v-1)(x).",
        f"{_RELATIVE}, also where the ratio is within an ulp of 1.\nSource: as iv_ratio.",
        derivatives=(minus(ratio_v), ratio_c_x),
    ),
    Entry(
        "kv_ratio",
        _ORDER,
        _ARGUMENT,
        "Ratio of consecutive orders, K_v(x)/K_(v-1)(x); K is even in its order.",
        "Relative error at most 5 eps.\nSource: DLMF 10.29.1-2 on the expansions of log_kv.",
        derivatives=(difference("kv_ratio", 1, 0), k_ratio_x),
    ),
    Entry(
        "log_iv_dx",
        _ORDER,
        _ARGUMENT,
        "Derivative of log I_v(x) with respect to x.",
        "Error at most 16 eps max(1, |value|).\nSource: DLMF 10.29.2.",
        derivatives=(log_i_vx, log_i_xx),
    ),
    Entry(
        "log_iv_dv",
        _ORDER,
        _ARGUMENT,
        "Derivative of log I_v(x) with respect to the order v.",
        "Error at most 16 eps max(1, |value|).\nSource: DLMF 10.41.3, differentiated term by term.",
        derivatives=(difference("log_iv_dv", 1, 0), log_i_vx),
    ),
    Entry(
        "log_kv_dx",
        _ORDER,
        _ARGUMENT,
        "Derivative of log K_v(x) with respect to x.",
        "Error at most 16 eps max(1, |value|).\nSource: DLMF 10.29.2.",
        derivatives=(log_k_vx, log_k_xx),
    ),
    Entry(
        "log_kv_dv",
        _ORDER,
        _ARGUMENT,
        "Derivative of log K_v(x) with respect to the order v.",
        "Error at most 16 eps max(1, |value|).\nSource: DLMF 10.41.4 and 10.32.9, differentiated.",
        derivatives=(difference("log_kv_dv", 1, 0), log_k_vx),
    ),
    Entry(
        "log_normalizer",
        "dim",
        "kappa",
        "Logarithm of the vMF normaliser, log C_p(kappa).",
        "C_p(kappa) = kappa^(p/2-1)/((2 pi)^(p/2) I_(p/2-1)(kappa)); at kappa = 0 it is minus the\n"
        f"log of the sphere's area. {_ERROR}.\n"
        "Source: Mardia & Jupp, Directional Statistics, 9.3.4.",
        derivatives=(log_normalizer_p, minus(function("mean_resultant_length"))),
    ),
    Entry(
        "log_normalizer_e",
        "dim",
        "kappa",
        "log C_p(kappa) + kappa: the log-density at the mean direction.",
        f"{_ERROR}; never formed as a sum of large numbers.\nSource: as log_normalizer.",
        derivatives=(log_normalizer_p, function("mean_resultant_length_c")),
    ),
    Entry(
        "mean_resultant_length",
        "dim",
        "kappa",
        "Mean resultant length of the vMF distribution, A_p(kappa) = I_(p/2)/I_(p/2-1).",
        f"{_RELATIVE}.\nSource: Mardia & Jupp, 9.3.8.",
        derivatives=(resultant_p, resultant_kappa),
    ),
    Entry(
        "mean_resultant_length_c",
        "dim",
        "kappa",
        "Complement of the mean resultant length, 1 - A_p(kappa).",
        f"{_RELATIVE}.\nSource: as mean_resultant_length.",
        derivatives=(minus(resultant_p), minus(resultant_kappa)),
    ),
    Entry(
        "mean_resultant_length_dkappa",
        "dim",
        "kappa",
        "Derivative A_p'(kappa) = 1 - A^2 - (p - 1) A/kappa, the variance of the cosine.",
        "Relative error at most 16 eps, also for large kappa where that formula cancels.\n"
        "Source: the expansion of A_p, differentiated.",
        derivatives=(
            difference("mean_resultant_length_dkappa", 1, 0),
            difference("mean_resultant_length_dkappa", 0, 1),
        ),
    ),
    Entry(
        "entropy",
        "dim",
        "kappa",
        "Differential entropy of the vMF distribution in nats, -log C_p - kappa A_p(kappa).",
        "Error at most 16 eps max(1, |value|).\nSource: Mardia & Jupp, 9.3; w cancels analytically.",
        derivatives=(entropy_p, entropy_kappa),
    ),
    Entry(
        "concentration",
        "dim",
        "rbar",
        "Concentration kappa with A_p(kappa) = rbar: the maximum-likelihood estimate.",
        "|A_p(kappa) - rbar| <= 4 eps rbar, after at most four evaluations of A_p. 0 at rbar = 0, inf at\n"
        "rbar = 1, NaN outside [0, 1].\n"
        "Source: Newton's method on A/(1 - A^2) from Amos (1974).",
        derivatives=(concentration_p, concentration_rbar),
    ),
    Entry(
        "concentration_c",
        "dim",
        "one_minus_rbar",
        "Concentration kappa with 1 - A_p(kappa) = one_minus_rbar, for rbar near 1.",
        "|1 - A_p(kappa) - one_minus_rbar| <= 4 eps one_minus_rbar.\nSource: as concentration.",
        derivatives=(concentration_p, concentration_c_rbar),
    ),
)

NAMES = tuple(entry.name for entry in TABLE)
