"""Pictures of fits: the cosine to the mean direction, and kappa by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vmf.arrays.types import FloatArray
from vmf.estimation import fit
from vmf.experiments import plotting
from vmf.experiments.cosine_model import CosineLaw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vmf.estimation import FitResult
    from vmf.experiments.feature_sets import FeatureSet


def cosines(data: FeatureSet, kappa: float, seen: FloatArray, unseen: FloatArray) -> Figure:
    """Histogram of the cosines of images held out beside the density that the fit predicts."""
    law = CosineLaw(data.dimension, kappa)
    figure, (axis,) = plotting.panels(1, width=6.4, height=4.2)
    low = min(float(unseen.min()), law.mean - 5 * law.deviation)
    high = max(float(unseen.max()), law.mean + 5 * law.deviation)
    bins = np.linspace(low, high, 61 if len(unseen) > 500 else 21)
    axis.hist(
        unseen, bins, density=True, color=plotting.OBSERVED, alpha=0.55,
        label=f"{len(unseen)} images held out: {unseen.mean():.3f} ± {unseen.std():.3f}",
    )  # fmt: skip
    axis.hist(
        seen, bins, density=True, histtype="step", color="black", linewidth=0.9,
        label=f"{len(seen)} images fitted: {seen.mean():.3f} ± {seen.std():.3f}",
    )  # fmt: skip
    t = np.linspace(low, high, 2000)
    axis.plot(
        t, np.exp(law.log_density(t)), color=plotting.MODEL, linewidth=2,
        label=f"the fitted model: {law.mean:.3f} ± {law.deviation:.3f}",
    )  # fmt: skip
    axis.set_xlabel("cosine to the mean direction")
    axis.set_ylabel("density")
    axis.set_title(
        f"ResNet50 features of CIFAR-10, p = {data.dimension}, kappa = {kappa:.6g}", fontsize=10
    )
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=8)
    return figure


def classes(data: FeatureSet, by_class: Mapping[int, FitResult]) -> Figure:
    """Kappa of each class by two estimators, and its 95 % interval."""
    figure, (axis,) = plotting.panels(1, width=5.8, height=3.8)
    order = sorted(by_class, key=lambda code: by_class[code].concentration)
    for height, code in enumerate(order):
        one = by_class[code]
        corrected = fit(one.statistics, "unbiased").concentration
        axis.plot(
            one.concentration_interval(), [height, height], color=plotting.OBSERVED, linewidth=6,
            alpha=0.4, label="95 % interval" if height == 0 else None,
        )  # fmt: skip
        axis.plot(
            corrected, height, "D", color=plotting.OBSERVED, markersize=4,
            label="corrected for bias" if height == 0 else None,
        )  # fmt: skip
        axis.plot(
            one.concentration, height, "o", color=plotting.MODEL, markersize=5,
            label="maximum likelihood" if height == 0 else None,
        )  # fmt: skip
    axis.set_yticks(range(len(order)), [data.classes[code] for code in order])
    axis.set_xlabel("concentration kappa")
    axis.set_title(f"Concentration of each class, p = {data.dimension}", fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
