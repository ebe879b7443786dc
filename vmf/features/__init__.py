"""From images to embeddings: a network's features in a ``.npy`` that `vmf fit` reads.

>>> extract("cifar-10-batches-bin", "features.npy", weights="resnet50.safetensors")  # doctest: +SKIP

Needs torch, torchvision and Pillow, the extra ``features``; they are imported at the first call.
"""

from vmf.errors import FeatureError
from vmf.features.backbones import Backbone, load_backbone
from vmf.features.extraction import Extraction, extract

__all__ = ["Backbone", "Extraction", "FeatureError", "extract", "load_backbone"]
