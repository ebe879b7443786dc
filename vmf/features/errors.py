"""The exception of everything that goes wrong between images and features."""

from __future__ import annotations

from vmf.embeddings.errors import EmbeddingError


class FeatureError(EmbeddingError):
    """Images, weights or a network cannot be used; ``str(error)`` is one line that says what to do."""
