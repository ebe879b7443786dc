"""One writer a format: the rows of a table come chunk by chunk, and only one chunk is in memory.

Each module has a context manager of ``(temporary, path, layout)``: the temporary file that becomes
``path``, the name for messages, and the :class:`vmf.embeddings.table_output.TableLayout`. It gives
a :class:`vmf.embeddings.table_output.TableWriter`. The registry names them.
"""
