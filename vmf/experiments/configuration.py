"""From a name or a YAML file, its quick form and overrides to a checked configuration.

A file holds the values of the full experiment and, under `quick`, those that a run of minutes
replaces. Later wins: the file, its `quick` part, the overrides in their order.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmf.errors import Argument, ExperimentError, Part

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_SUFFIXES = (".yaml", ".yml")
_DEEPEST = 20
_LONGEST = 1000


def shipped_folder() -> Path:
    """The configurations of this version: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "configs", package.parents[1] / "configs"):
        if folder.is_dir():
            return folder
    raise ExperimentError("this installation holds no configurations; install the package again")


def shipped_names() -> list[str]:
    """Names of the experiments that ``vmf reproduce`` knows, in the order of ``all``."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def load(
    name_or_file: str | os.PathLike[str], *, quick: bool = False, overrides: Sequence[str] = ()
) -> BaseModel:
    """Read, override and check a configuration.

    Parameters
    ----------
    name_or_file
        A name of `shipped_names`, or the path of a YAML file (by its ending).
    quick
        Apply the values under `quick`.
    overrides
        ``key=value`` with dots for nested keys and YAML for the value.

    Raises
    ------
    ExperimentError
        One line naming the file or the override, the key, and what to do.
    """
    path = _path_of(name_or_file)
    values = _read(path)
    faster = values.pop("quick", {})
    if not isinstance(faster, dict):
        raise ExperimentError(f"{path.name}: quick: should be a mapping of keys to values")
    if quick:
        values = _merged(values, faster)
    origin: dict[tuple[str, ...], Part] = {}
    for text in overrides:
        keys, value = _parse_override(text)
        _set(values, keys, value, text)
        origin[keys] = Argument("overrides", text)
    return _validated(values, path.name, origin)


def as_yaml(config: BaseModel) -> str:
    """The resolved configuration; `load` of this text gives the same configuration."""
    import yaml

    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _path_of(name_or_file: str | os.PathLike[str]) -> Path:
    path = Path(name_or_file)
    if path.suffix in _SUFFIXES:
        return path
    names = shipped_names()
    if str(name_or_file) not in names:
        raise ExperimentError(
            f"there is no experiment {str(name_or_file)!r}{_suggestion(str(name_or_file), names)};"
            f" name one of {', '.join(names)}, all, or a .yaml file"
        )
    return shipped_folder() / f"{name_or_file}.yaml"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ExperimentError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{path}: is not a UTF-8 text file") from error
    values = _parsed(text, path.name)
    if not isinstance(values, dict):
        raise ExperimentError(f"{path.name}: should hold a mapping of keys to values")
    return values


def _parsed(text: str, source: Part) -> Any:
    """The values of a YAML text, of plain types only; ExperimentError.

    Aliases are refused: no configuration needs one, and a few lines of them stand for more values
    than any memory holds.
    """
    import yaml

    begin = (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken,
             yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)  # fmt: skip
    end = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
    depth = 0
    try:
        for token in yaml.scan(text):
            depth += isinstance(token, begin) - isinstance(token, end)
            problem = None
            if isinstance(token, yaml.AliasToken):
                problem = f"*{token.value} is an alias; write the value itself"
            elif depth > _DEEPEST:
                problem = "is nested too deeply for a configuration"
            if problem:
                raise ExperimentError(source, f": line {token.start_mark.line + 1}: {problem}")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        if "\n" not in text:  # an override has no lines to count
            where = " the value is not YAML:"
        problem = getattr(error, "problem", None) or "is not YAML"
        raise ExperimentError(source, f":{where} {problem}") from error
    except (ValueError, OverflowError, TypeError, KeyError, IndexError, AttributeError) as error:
        # What the parser makes of 2001-99-99, of a number of 5000 digits and of "0b".
        if isinstance(error, ExperimentError):
            raise
        raise ExperimentError(source, f": holds a value that cannot be read ({error})") from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merged(below, value)
        result[key] = value
    return result


def _parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    if len(text) > _LONGEST:
        raise ExperimentError(
            Argument("overrides", f"{text[:40]}..."), ": is longer than any value can be"
        )
    key, equals, value = text.partition("=")
    keys = tuple(key.strip().split("."))
    if not equals or not all(keys):
        raise ExperimentError(
            Argument("overrides", text), ": write KEY=VALUE, with dots for nested keys"
        )
    return keys, _parsed(value, Argument("overrides", text))


def _set(values: dict[str, Any], keys: tuple[str, ...], value: Any, text: str) -> None:
    place: Any = values
    for depth, key in enumerate(keys):
        if isinstance(place, list):
            key = _index(place, key, text)
        elif not isinstance(place, dict):
            above = ".".join(keys[:depth])
            raise ExperimentError(
                Argument("overrides", text), f": {above} holds a value, not further keys"
            )
        if depth == len(keys) - 1:
            place[key] = value
        elif isinstance(place, dict):
            place = place.setdefault(key, {})
        else:
            place = place[key]


def _index(items: list[Any], key: str, text: str) -> Any:
    if not key.isdigit() or int(key) >= len(items):
        raise ExperimentError(
            Argument("overrides", text),
            f": {key!r} should be a position from 0 to {len(items) - 1} in the list",
        )
    return int(key)


def _validated(
    values: dict[str, Any], file: str, origin: Mapping[tuple[str, ...], Part]
) -> BaseModel:
    from pydantic import ValidationError

    from vmf.experiments.registry import EXPERIMENTS

    kind = values.get("experiment")
    if not isinstance(kind, str) or kind not in EXPERIMENTS:
        raise ExperimentError(
            f"{file}: experiment: should be one of {', '.join(EXPERIMENTS)}, not {_shown(kind)}"
        )
    model = EXPERIMENTS[kind].schema()
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ExperimentError(*_first_problem(error, model, file, origin)) from error


def _first_problem(
    error: ValidationError,
    model: type[BaseModel],
    file: str,
    origin: Mapping[tuple[str, ...], Part],
) -> tuple[Part, str]:
    found = error.errors()
    # An override was typed last, so speak of it first; a misspelt key explains one that is missing.
    first = min(found, key=lambda one: (not _source(one, origin), one["type"] != "extra_forbidden"))
    keys = tuple(map(str, first["loc"]))
    place, key = _source(first, origin) or file, ".".join(keys)
    if first["type"] == "extra_forbidden":
        known = _keys_beside(model, keys)
        problem = (
            f"is not known{_suggestion(keys[-1], known)}; the keys here are {', '.join(known)}"
        )
    elif first["type"] == "missing":
        problem = "is missing; give it a value"
    else:
        problem = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not isinstance(first["input"], dict):
            problem += f", not {_shown(first['input'])}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return place, f": {key + ': ' if key else ''}{problem}{more}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _source(problem: Mapping[str, Any], origin: Mapping[tuple[str, ...], Part]) -> Part | None:
    keys = tuple(map(str, problem["loc"]))
    for given, text in origin.items():
        if keys[: len(given)] == given or given[: len(keys)] == keys:
            return text
    return None


def _keys_beside(model: Any, keys: tuple[str, ...]) -> list[str]:
    """Keys that the section holding the last of `keys` knows."""
    from pydantic import BaseModel

    for key in keys[:-1]:
        if key.isdigit():
            continue
        field = model.model_fields.get(key)
        inner = _models_in(field.annotation) if field else []
        if not inner:
            return []
        model = inner[0]
    assert issubclass(model, BaseModel)
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[Any]:
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _suggestion(wrong: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(wrong, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
