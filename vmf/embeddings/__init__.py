"""Files of embeddings as streams of bounded chunks.

>>> file = open_embeddings("features.npy")                       # doctest: +SKIP
>>> file.shape, file.dtype                                       # doctest: +SKIP
>>> for start, rows in file.chunks():                            # doctest: +SKIP
...     statistics = statistics.update(rows)
"""

from vmf.embeddings.embedding_file import DEFAULT_CHUNK_BYTES, EmbeddingFile
from vmf.embeddings.registry import Format, Writing, open_embeddings, register
from vmf.errors import EmbeddingError

__all__ = [
    "DEFAULT_CHUNK_BYTES",
    "EmbeddingError",
    "EmbeddingFile",
    "Format",
    "Writing",
    "open_embeddings",
    "register",
]
