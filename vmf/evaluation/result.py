"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vmf.evaluation.calibration import Reliability
from vmf.evaluation.metric import Metric
from vmf.evaluation.selective import RiskCoverage

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreResult:
    """What one score is worth.

    Attributes
    ----------
    name : str
    formula : str
        Empty for a score that was read from a file.
    metrics : mapping of str to Metric
        "r_auroc": probability that a row whose nearest neighbour is of its class has the higher
        certainty than one whose is not. "aurc": area under the risk-coverage curve of the
        classifier. With rows outside, "auroc", "aupr_in", "aupr_out", "fpr95" of
        `vmf.evaluation.detection.detect`.
    certainty : (rows,) float64
        Of the rows inside, higher = more certain.
    certainty_outside : (rows outside,) float64 or None
    """

    name: str
    formula: str
    metrics: Mapping[str, Metric]
    certainty: Vector
    certainty_outside: Vector | None
    risk_coverage: RiskCoverage


@dataclass(frozen=True)
class ClassResult:
    """How one class fares."""

    label: str
    rows: int
    recall_at_1: float | None
    accuracy: float | None
    most_confused_with: str | None


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows.

    Attributes
    ----------
    facts : mapping
        Rows, dimension, classes, what was held out, how the classifier was fitted, seed.
    retrieval, classification : mapping of str to Metric
    scores : tuple of ScoreResult
        Best first: by AUROC where there are rows outside, else by AURC.
    classes : tuple of ClassResult
    reliability : Reliability
    class_names : (classes,) str
        The labels inside, in order.
    codes, predicted_codes : (rows,) intp
        Of the rows inside: their label and what they were taken for, as positions among these.
    confidence : (rows,) float64
        Probability of the predicted class.
    nearest : (rows,) intp
        The most similar other row inside; with approximate neighbours, of those that were compared.
    numbers, numbers_outside : (rows,) intp
        The row of each in its file.
    labels_outside : (rows outside,) str or None
        Where they were held out by label.
    best_risk_coverage : RiskCoverage
        Of a score that knows which rows are wrong.
    notes : tuple of str
    """

    facts: Mapping[str, Any]
    retrieval: Mapping[str, Metric]
    classification: Mapping[str, Metric]
    scores: tuple[ScoreResult, ...]
    classes: tuple[ClassResult, ...]
    reliability: Reliability
    class_names: npt.NDArray[np.str_]
    codes: npt.NDArray[np.intp]
    predicted_codes: npt.NDArray[np.intp]
    confidence: Vector
    nearest: npt.NDArray[np.intp]
    nearest_cosine: Vector
    numbers: npt.NDArray[np.intp]
    numbers_outside: npt.NDArray[np.intp]
    labels_outside: npt.NDArray[np.str_] | None
    best_risk_coverage: RiskCoverage
    notes: tuple[str, ...] = field(default=())

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """The label of each row inside, (rows,) str."""
        return self.class_names[self.codes]

    @property
    def predicted(self) -> npt.NDArray[np.str_]:
        """What each row inside was taken for, (rows,) str."""
        return self.class_names[self.predicted_codes]

    @property
    def has_outside(self) -> bool:
        """Whether there are rows outside the known classes."""
        return len(self.numbers_outside) > 0

    def as_dict(self) -> dict[str, Any]:
        """The measurements, without the rows, for JSON."""
        return {
            **self.facts,
            "retrieval": {name: asdict(metric) for name, metric in self.retrieval.items()},
            "classification": {
                name: asdict(metric) for name, metric in self.classification.items()
            },
            "scores": [
                {
                    "score": score.name,
                    "formula": score.formula,
                    **{name: asdict(metric) for name, metric in score.metrics.items()},
                }
                for score in self.scores
            ],
            "classes": [asdict(one) for one in self.classes],
            "notes": list(self.notes),
        }
