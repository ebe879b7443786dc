"""A user's own object, named ``package.module:factory``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from vmf.errors import FeatureError, parts_of

_NAME = r"[A-Za-z_]\w*"
_SPECIFICATION = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")


def is_factory(text: str) -> bool:
    """Whether a text has the form ``package.module:factory``."""
    return _SPECIFICATION.fullmatch(text) is not None


def call_factory(specification: str) -> Any:
    """Import ``package.module``, call ``factory`` without arguments and return what it makes.

    The working directory is searched too, as ``python -m`` does.

    Raises
    ------
    FeatureError
        When the module or the name does not exist, is not callable, or the call fails.
    """
    factory = _find(specification)
    try:
        return factory()
    except Exception as error:
        raise FeatureError(
            None, f"{specification}() failed: {type(error).__name__}: ", *parts_of(error)
        ) from error


def _find(specification: str) -> Callable[[], Any]:
    module_name, _, attribute = specification.partition(":")
    folder = os.getcwd()
    searched = folder in sys.path or "" in sys.path
    if not searched:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise FeatureError(None, f"{module_name} needs {error.name}, not installed") from error
        raise FeatureError(
            None,
            f"there is no module {error.name!r} in {folder} or among the installed packages;"
            f" {specification!r} is read as package.module:factory",
        ) from error
    except Exception as error:
        raise FeatureError(
            None, f"importing {module_name} failed: {type(error).__name__}: ", *parts_of(error)
        ) from error
    finally:
        if not searched:
            sys.path.remove(folder)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise FeatureError(
                None, f"{specification}: there is no {name!r} in it{near_matches(name, dir(found))}"
            )
        found = getattr(found, name)
    if not callable(found):
        raise FeatureError(None, f"{specification} is not callable; name a function or a class")
    factory: Callable[[], Any] = found
    return factory


def near_matches(name: str, known: list[str]) -> str:
    """A clause with the names that a mistyped one may have meant, or an empty text."""
    close = get_close_matches(name, known, n=4, cutoff=0.5)
    return f"; did you mean {', '.join(close)}?" if close else ""
