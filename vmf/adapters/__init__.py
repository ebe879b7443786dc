"""Detectors for the libraries that benchmark out-of-distribution detection.

`vmf.adapters.pytorch_ood.VMFDetector` is a detector of pytorch-ood, `vmf.adapters.openood.VMFPostprocessor` a
postprocessor of OpenOOD. Both fit a `vmf.models.VMFClassifier` to the features of a network and score by
any of `vmf.uncertainty.SCORES`. Each module imports its library; this one imports neither.
"""

from __future__ import annotations
