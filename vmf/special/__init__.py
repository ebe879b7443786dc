"""Special functions of the von Mises-Fisher distribution, accurate for every order and argument.

Every function takes two arrays that broadcast and returns an array (or a scalar) of the broadcast
shape: float64, or float32 where both arguments are float32 or types that NumPy converts to it
(float16, int8, int16, bool). For NumPy input the functions accept the keyword arguments of a ufunc
(`out`, `where`, `dtype`, `casting`). NaN in gives NaN out; an argument outside the domain (negative;
dimension below 2) gives NaN through NumPy's `invalid` error state, so that `np.errstate` decides
whether that is silent, a warning or an exception. Other types raise TypeError, shapes that do not
broadcast ValueError.

Errors are in units of eps = 2^-52 and are measured by `python -m vmf.experiments.accuracy`.
"""

from vmf.special._dispatch import register_backend
from vmf.special._functions import FUNCTIONS, get_num_threads, set_num_threads

# Type checkers read __init__.pyi.
globals().update(FUNCTIONS)

__all__ = [*sorted(FUNCTIONS), "get_num_threads", "register_backend", "set_num_threads"]
