"""`vmf-cifar10`: von Mises-Fisher fits of ResNet50 features of CIFAR-10.

For each set of features: R, Banerjee's kappa_0, Sra's kappa_1 and kappa_2, the exact kappa beside
Arb, how every library does, fits by class, the likelihood of images held out, and whether the
cosine to the mean direction is distributed as the fitted model says.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vmf import special
from vmf.arrays.types import FloatArray
from vmf.distribution import VonMisesFisher
from vmf.distribution.model import load_model
from vmf.embeddings import open_embeddings
from vmf.estimation import SufficientStatistics, fit, statistics_by_class
from vmf.estimation.approximations import sra
from vmf.experiments import arb, fit_figures, peer_fits
from vmf.experiments.cosine_model import CosineLaw, comparison
from vmf.experiments.feature_sets import FeatureRows, FeatureSet, check_files, feature_sets
from vmf.experiments.libraries import installed
from vmf.experiments.peer_fits import DENSITIES, FITS, Question
from vmf.experiments.tables import markdown
from vmf.jobs.fit import fit_to_file

if TYPE_CHECKING:
    from pandas import DataFrame

    from vmf.estimation import FitResult
    from vmf.experiments.run_folder import RunFolder
    from vmf.experiments.schema import VMFCifar10

Row = dict[str, Any]

_ALL = -1  # the code of "all rows" where there are no classes


@dataclass(frozen=True)
class Fitted:
    """One set of features with its fits."""

    data: FeatureSet
    whole: FitResult
    by_class: dict[int, FitResult]
    seconds_reading: float
    seconds_solving: float


@dataclass(frozen=True)
class Cosines:
    """Cosines of rows to the mean direction of all rows and to those of the classes."""

    whole: FloatArray
    classes: FloatArray  # (rows, classes)
    codes: npt.NDArray[np.int32]


def check(config: VMFCifar10) -> None:
    """Raise ExperimentError for files that are not there."""
    check_files(config)


def run(config: VMFCifar10, folder: RunFolder) -> None:
    """Fill the folder with the tables of `TABLES` and a figure a set of features."""
    import pandas as pd

    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    for data in feature_sets(config, folder.say):
        fitted = fitted_features(data)
        folder.say(f"{data.name}: kappa = {fitted.whole.concentration:.8g}")
        seen, unseen = cosines(fitted, data.train), cosines(fitted, data.held_out)
        tables["fits"].append(fit_row(fitted, unseen))
        tables["arb"] += arb_rows(fitted)
        tables["agreement"] += agreement_rows(data)
        tables["libraries"] += library_rows(fitted, config, folder.say)
        tables["reach"] += reach_rows(data, config)
        tables["classes"] += class_rows(fitted, unseen)
        tables["likelihood"].append(likelihood_row(fitted, seen, unseen))
        tables["cosine"] += cosine_rows(fitted, unseen)
        picture = fit_figures.cosines(data, fitted.whole.concentration, seen.whole, unseen.whole)
        folder.write_figure(f"cosine_{data.dimension}", picture)
        if fitted.by_class:
            picture = fit_figures.classes(data, fitted.by_class)
            folder.write_figure(f"classes_{data.dimension}", picture)
        folder.say(f"{data.name}: done")
    page = []
    for name, rows in tables.items():
        folder.write_csv(name, rows)
        if rows:
            short = _SHORTENED.get(name, pd.DataFrame)
            page += [f"**{TABLES[name]}**", "", markdown(short(rows))]
    folder.write_text("cifar10.md", "\n".join(page))


def _verdicts(rows: list[Row]) -> DataFrame:
    """A row a library, a column a set of features: the verdict, and the time where there is a value."""
    import pandas as pd

    def text(row: Any) -> str:
        took = "" if math.isnan(row["time, ms"]) else f"; {row['time, ms']:.2g} ms"
        return str(row["verdict"]) + took

    table = pd.DataFrame(rows)
    table["text"] = table.apply(text, axis=1)
    table["column"] = table["features"] + ", p = " + table["p"].astype(str)
    keys = ["quantity", "library", "call"]
    wide = table.pivot(index=keys, columns="column", values="text")
    return pd.DataFrame(
        wide.loc[list(dict.fromkeys(map(tuple, table[keys].to_numpy()))), table["column"].unique()]
    ).reset_index()


def _classes_together(rows: list[Row]) -> DataFrame:
    """For each set of features, the row of all and the medians over the classes."""
    import pandas as pd

    table = pd.DataFrame(rows)
    whole = table["fit"] == "all"
    median = table[~whole].drop(columns="fit").groupby(["features", "p"], sort=False).median()
    median = median.reset_index().assign(fit="own class (median over the classes)")
    return pd.concat([table[whole], median], ignore_index=True)[table.columns]


_SHORTENED: dict[str, Callable[[list[Row]], DataFrame]] = {
    "libraries": _verdicts,
    "cosine": _classes_together,
}
TABLES = {
    "fits": "Fits",
    "arb": "Error of kappa beside Arb, at the R above taken as exact; eps = 2^-52",
    "agreement": "The same rows by three paths",
    "libraries": "The libraries, given p and R (SciPy's fit: rows)",
    "reach": "Kappa of the libraries over mean resultant lengths R",
    "classes": "By class",
    "likelihood": "Mean log-likelihood an image, in nats",
    "cosine": "Cosine of images held out to the mean direction, and what the fitted model says of it",
}


def fitted_features(data: FeatureSet) -> Fitted:
    """One pass over the training rows, and the fits of all and of each class."""
    begin = time.perf_counter()
    parts: dict[int, SufficientStatistics] = {}
    for rows, codes in data.train.chunks():
        use = codes if data.classes and codes is not None else np.full(len(rows), _ALL)
        parts = statistics_by_class(rows, use, initial=parts)
    whole = sum(parts.values(), SufficientStatistics.empty(data.dimension))
    read = time.perf_counter()
    result = fit(whole, "mle")
    solved = time.perf_counter()
    by_class = {int(code): fit(part, "mle") for code, part in parts.items() if code != _ALL}
    return Fitted(data, result, by_class, read - begin, solved - read)


def cosines(fitted: Fitted, rows: FeatureRows) -> Cosines:
    """One pass over rows."""
    order = sorted(fitted.by_class)
    directions = np.stack(
        [fitted.whole.mean_direction] + [fitted.by_class[c].mean_direction for c in order]
    )
    found, classes = [], []
    for block, codes in rows.chunks():
        block = block.astype(np.float64)
        found.append(block @ directions.T / np.linalg.norm(block, axis=1, keepdims=True))
        classes.append(np.full(len(block), _ALL) if codes is None else codes)
    table = np.concatenate(found)
    return Cosines(table[:, 0], table[:, 1:], np.concatenate(classes))


def fit_row(fitted: Fitted, unseen: Cosines) -> Row:
    """R and every kappa of the whole set."""
    statistics, p = fitted.whole.statistics, fitted.data.dimension
    r = statistics.mean_resultant_length
    steps = {f"kappa_{k}": float(sra(p, r, steps=k)) for k in (0, 1, 2)}
    unbiased = fit(statistics, "unbiased").concentration
    return {
        "features": fitted.data.name, "p": p, "rows": int(statistics.count), "R": f"{r:.12g}",
        **{name: f"{value:.10g}" for name, value in steps.items()},
        "kappa": f"{fitted.whole.concentration:.10g}",
        "standard error": fitted.whole.concentration_standard_error,
        "kappa, unbiased": f"{unbiased:.10g}",
        "log-likelihood": f"{_log_density(p, fitted.whole.concentration, r):.10g}",
        "reading, s": fitted.seconds_reading, "solving, ms": 1e3 * fitted.seconds_solving,
    }  # fmt: skip


def arb_rows(fitted: Fitted) -> list[Row]:
    """Relative errors of each kappa and of A_p at it, the measured R taken as exact."""
    statistics, p = fitted.whole.statistics, fitted.data.dimension
    r, exact = statistics.mean_resultant_length, fitted.whole.concentration
    # The root lies this far below `exact`: a Newton step, of which nothing is lost at this distance.
    slope = arb.reference("mean_resultant_length_dkappa", p, exact)[0]
    beyond = _residual(p, statistics, exact) / slope
    kappas = {f"kappa_{k}": float(sra(p, r, steps=k)) for k in (0, 1, 2)} | {"kappa": exact}
    target = min(r, statistics.one_minus_mean_resultant_length)
    return [
        {"features": fitted.data.name, "p": p, "estimate": name, "value": f"{kappa:.17g}",
         "kappa, eps": abs(kappa - exact + beyond) / exact / arb.EPS,
         "A_p(kappa), eps": abs(_residual(p, statistics, kappa)) / target / arb.EPS}
        for name, kappa in kappas.items()
    ]  # fmt: skip


def _residual(p: int, statistics: SufficientStatistics, kappa: float) -> float:
    """A_p(kappa) - R by Arb; above R = 1/2 from 1 - R, which is what is exact there."""
    if statistics.mean_resultant_length > 0.5:
        hi, lo = arb.reference("mean_resultant_length_c", p, kappa)
        return float((statistics.one_minus_mean_resultant_length - hi) - lo)
    hi, lo = arb.reference("mean_resultant_length", p, kappa)
    return float((hi - statistics.mean_resultant_length) + lo)


def agreement_rows(data: FeatureSet) -> list[Row]:
    """R and kappa of all rows of the training file: NumPy, ``vmf fit``, torch."""
    found = {"NumPy, float64": _by_numpy(data.train.path), "vmf fit": _by_job(data.train.path)}
    if installed("torch"):
        found["torch, float64"] = _by_torch(data.train.path)
    r0, kappa0 = found["NumPy, float64"]
    return [
        {"features": data.name, "path": path, "R": f"{r:.15g}", "kappa": f"{kappa:.15g}",
         "R, relative difference": abs(r - r0) / r0,
         "kappa, relative difference": abs(kappa - kappa0) / kappa0}
        for path, (r, kappa) in found.items()
    ]  # fmt: skip


def _by_numpy(path: Path) -> tuple[float, float]:
    file = open_embeddings(path)
    total, count = np.zeros(file.dimension), 0
    for _, rows in file.chunks():
        rows = rows.astype(np.float64)
        total += (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
        count += len(rows)
    r = float(np.linalg.norm(total)) / count
    return r, float(special.concentration(file.dimension, r))


def _by_job(path: Path) -> tuple[float, float]:
    """What ``vmf fit`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "model.safetensors"
        fit_to_file([path], output, estimator="mle")
        model = load_model(output)
    return float(model.statistics[0].mean_resultant_length), float(model.concentration[0])


def _by_torch(path: Path) -> tuple[float, float]:
    import torch

    file = open_embeddings(path)
    total, count = torch.zeros(file.dimension, dtype=torch.float64), 0
    for _, rows in file.chunks():
        block = torch.from_numpy(np.ascontiguousarray(rows)).double()
        total += torch.nn.functional.normalize(block, dim=1).sum(dim=0)
        count += len(block)
    r = torch.linalg.vector_norm(total) / count
    return float(r), float(special.concentration(file.dimension, r))


def library_rows(fitted: Fitted, config: VMFCifar10, say: Callable[[str], None]) -> list[Row]:
    """Each library's kappa and log-likelihood: the value, the verdict, the time."""
    p, r = fitted.data.dimension, fitted.whole.statistics.mean_resultant_length
    question = Question(
        p, r, fitted.whole.statistics.one_minus_mean_resultant_length, fitted.whole.concentration
    )
    exact_density = _log_density(p, question.kappa, r)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        given, exact, count = _unit_rows(fitted.data, config.peers.rows, Path(folder))
        for name, (call, _) in FITS.items():
            takes_rows = call.endswith("(rows)")
            asked = question if not takes_rows else Question(p, r, 1 - r, exact, given)
            reply = peer_fits.ask("fit", name, asked, limit=config.peers.seconds)
            rows.append(
                _library_row(fitted.data, "kappa", name, call, reply, asked.kappa)
                | {"given": f"{count} rows" if takes_rows else "p, R"}
            )
            say(f"{fitted.data.name}: kappa by {name}: {rows[-1]['verdict']}")
    for name, (call, _) in DENSITIES.items():
        reply = peer_fits.ask("density", name, question, limit=config.peers.seconds)
        rows.append(
            _library_row(fitted.data, "log-likelihood", name, call, reply, exact_density)
            | {"given": "p, R, kappa"}
        )
    return rows


def _library_row(
    data: FeatureSet, what: str, name: str, call: str, reply: peer_fits.Reply, exact: float
) -> Row:
    return {
        "features": data.name, "p": data.dimension, "quantity": what, "library": name,
        "value": None if math.isnan(reply.value) else f"{reply.value:.10g}",
        "exact": f"{exact:.10g}", "relative error": reply.error(exact),
        "verdict": reply.verdict(exact),
        "time, ms": 1e3 * reply.seconds, "call": f"`{call}`",
    }  # fmt: skip


def _unit_rows(data: FeatureSet, most: int, folder: Path) -> tuple[Path, float, int]:
    """The first training rows, of unit length in float64, in a file; and their exact kappa."""
    parts, count = [], 0
    for rows, _ in data.train.chunks():
        parts.append(rows[: most - count].astype(np.float64))
        count += len(parts[-1])
        if count == most:
            break
    unit = np.concatenate(parts)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    path = folder / "rows.npy"
    np.save(path, unit, allow_pickle=False)
    return path, VonMisesFisher.fit(unit, estimator="mle").concentration, count


def reach_rows(data: FeatureSet, config: VMFCifar10) -> list[Row]:
    """At which R each library finds kappa in this dimension."""
    lengths = np.linspace(0.05, 0.95, config.peers.lengths).tolist()
    return [
        {"p": data.dimension, "library": name, "call": f"`{call}`",
         "kappa at R": peer_fits.reach(name, data.dimension, lengths, limit=config.peers.seconds)}
        for name, (call, _) in FITS.items()
    ]  # fmt: skip


def class_rows(fitted: Fitted, unseen: Cosines) -> list[Row]:
    """R and kappa of each class, and its images held out under its own fit and under that of all."""
    p, rows = fitted.data.dimension, []
    for position, (code, result) in enumerate(sorted(fitted.by_class.items())):
        statistics = result.statistics
        mine = unseen.codes == code
        low, high = result.concentration_interval()
        rows.append(
            {"features": fitted.data.name, "class": fitted.data.classes[code],
             "rows": int(statistics.count), "R": statistics.mean_resultant_length,
             "kappa": result.concentration,
             "kappa, unbiased": fit(statistics, "unbiased").concentration,
             "95 % from": low, "95 % to": high,
             "held out": int(mine.sum()),
             "log-likelihood, own fit": _mean_density(
                 p, result.concentration, unseen.classes[mine, position]),
             "log-likelihood, fit of all": _mean_density(
                 p, fitted.whole.concentration, unseen.whole[mine])}
        )  # fmt: skip
    return rows


def likelihood_row(fitted: Fitted, seen: Cosines, unseen: Cosines) -> Row:
    """The training images and those held out under one distribution, and under one a class."""
    p, kappa = fitted.data.dimension, fitted.whole.concentration
    unbiased = fit(fitted.whole.statistics, "unbiased").concentration
    row: Row = {
        "features": fitted.data.name, "p": p, "held out": f"{len(unseen.whole)}, {fitted.data.held_out_is}",
        "training": f"{_mean_density(p, kappa, seen.whole):.8g}",
        "held out, kappa": f"{_mean_density(p, kappa, unseen.whole):.8g}",
        "held out, unbiased kappa": f"{_mean_density(p, unbiased, unseen.whole):.8g}",
        "uniform": f"{float(special.log_normalizer(p, 0.0)):.8g}",
    }  # fmt: skip
    if fitted.by_class:
        order = sorted(fitted.by_class)
        counts = np.array([fitted.by_class[code].statistics.count for code in order])
        unbiased_by_class = np.array(
            [fit(fitted.by_class[code].statistics, "unbiased").concentration for code in order]
        )
        log_c = special.log_normalizer(p, unbiased_by_class)
        joint = np.log(counts / counts.sum()) + log_c + unbiased_by_class * unseen.classes
        largest = joint.max(axis=1, keepdims=True)
        mixture = largest[:, 0] + np.log(np.exp(joint - largest).sum(axis=1))
        row["held out, one a class"] = f"{float(mixture.mean()):.8g}"
        row["class named right, %"] = 100 * float(
            np.mean(np.array(order)[joint.argmax(axis=1)] == unseen.codes)
        )
    return row


def cosine_rows(fitted: Fitted, unseen: Cosines) -> list[Row]:
    """The law of the cosine beside what is seen, for the fit of all and the classes together."""
    data = fitted.data
    law = CosineLaw(data.dimension, fitted.whole.concentration)
    rows = [{"features": data.name, "p": data.dimension, "fit": "all"}]
    rows[0] |= comparison(law, unseen.whole)
    for position, (code, result) in enumerate(sorted(fitted.by_class.items())):
        mine = unseen.classes[unseen.codes == code, position]
        if len(mine) > 1:
            law = CosineLaw(data.dimension, result.concentration)
            row: Row = {"features": data.name, "p": data.dimension, "fit": data.classes[code]}
            rows.append(row | comparison(law, mine))
    return rows


def _log_density(p: int, kappa: float, cosine: float) -> float:
    return float(special.log_normalizer(p, kappa)) + kappa * cosine


def _mean_density(p: int, kappa: float, cosine: FloatArray) -> float:
    """Mean of log C_p(kappa) + kappa cosine; NaN for no rows."""
    return _log_density(p, kappa, float(cosine.mean())) if len(cosine) else math.nan
