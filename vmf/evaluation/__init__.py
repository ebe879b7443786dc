"""Evaluation of embeddings and of uncertainty scores; `vmf evaluate` on the command line.

`evaluate` measures everything at once; the measures are functions of arrays in modules of their
own: `retrieval`, `detection`, `selective`, `calibration`.
"""

from vmf.evaluation.calibration import expected_calibration_error, reliability
from vmf.evaluation.detection import auroc, detect
from vmf.evaluation.evaluate import DEFAULT_SCORES, evaluate
from vmf.evaluation.metric import Metric, bootstrap
from vmf.evaluation.result import Evaluation, ScoreResult
from vmf.evaluation.retrieval import Retrieval, retrieve
from vmf.evaluation.selective import aurc, best_aurc, risk_coverage

__all__ = [
    "DEFAULT_SCORES",
    "Evaluation",
    "Metric",
    "Retrieval",
    "ScoreResult",
    "aurc",
    "auroc",
    "best_aurc",
    "bootstrap",
    "detect",
    "evaluate",
    "expected_calibration_error",
    "reliability",
    "retrieve",
    "risk_coverage",
]
