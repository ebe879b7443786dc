"""The folder that one run fills: it appears complete, under its name, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmf.errors import Argument, ExperimentError
from vmf.output import atomic_folder, claimed_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

CONFIG = "config.yaml"
ENVIRONMENT = "environment.yaml"


class RunFolder:
    """Where an experiment puts its tables, figures and words.

    Parameters
    ----------
    path : Path
        The folder while it is being filled; it is renamed at the end.
    say : callable
        Told of the progress, a line at a time.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.say = say

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        (self.path / name).write_text(text, encoding="utf-8")

    def write_csv(
        self, name: str, rows: Sequence[Mapping[str, Any]] | DataFrame, *, digits: int = 17
    ) -> None:
        """Write ``name.csv``, by default numbers to all their digits."""
        import pandas as pd

        pd.DataFrame(rows).to_csv(
            self.path / f"{name}.csv",
            index=False,
            lineterminator="\n",
            float_format=None if digits == 17 else f"%.{digits}g",
        )

    def write_figure(self, name: str, figure: Figure) -> None:
        """Write ``name.png``, in 128 colours: a third of the size for the same picture."""
        import numpy as np
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        canvas: Any = FigureCanvasAgg(figure)  # its methods have no annotations
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        picture.quantize(128, dither=Image.Dither.NONE).save(
            self.path / f"{name}.png", optimize=True
        )


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse, before hours are spent, a folder that is there and must not be replaced."""
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink() or not (target / CONFIG).is_file():
        if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
            return
        raise ExperimentError(
            f"{target}: exists and is not a folder of results; name another with ",
            Argument("output"),
        )
    if not overwrite:
        raise ExperimentError(
            f"{target}: holds the results of an earlier run; replace them with ",
            Argument("overwrite", True),
            " or name another folder with ",
            Argument("output"),
        )


@contextmanager
def run_folder(target: Path, *, overwrite: bool, say: Callable[[str], None]) -> Iterator[RunFolder]:
    """Give a folder to fill beside `target` and rename it to `target` when the block ends well.

    When the block raises, an interrupt included, nothing of it is left. What a killed process leaves
    is removed by the next run for the same target.
    """
    check_target(target, overwrite=overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with claimed_output(target), atomic_folder(target) as path:
        yield RunFolder(path, say)


def write_provenance(folder: RunFolder, config_yaml: str, environment: dict[str, Any]) -> None:
    """Write what was asked for and where it ran, before the work begins."""
    import yaml

    folder.write_text(CONFIG, config_yaml)
    folder.write_text(ENVIRONMENT, yaml.safe_dump(environment, sort_keys=False, allow_unicode=True))
