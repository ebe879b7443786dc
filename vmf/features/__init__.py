"""From images to embeddings: a network's features in a ``.npy`` that `vmf fit` reads.

>>> extract("cifar-10-batches-bin", "features.npy", weights="resnet50.safetensors")  # doctest: +SKIP
"""

from vmf.features.errors import FeatureError
from vmf.features.extraction import Extraction, extract

__all__ = ["Extraction", "FeatureError", "extract"]
