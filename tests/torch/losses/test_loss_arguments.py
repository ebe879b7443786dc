"""Bad input: one line that names the argument and the row."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vmf.torch import VMFHead
from vmf.torch.losses import ELKLoss, MCInfoNCELoss, NivMFLoss, VMFClassificationLoss

ALL: list[Any] = [
    VMFClassificationLoss(3, 4),
    NivMFLoss(3, 4, n_samples=2),
    ELKLoss(),
    MCInfoNCELoss(n_samples=2),
]
CLASSES = ALL[:2]
IDS = ["classification", "nivmf", "elk", "mcinfonce"]


def arguments() -> dict[str, Any]:
    return {
        "mean_direction": torch.eye(4)[:3].clone(),
        "concentration": torch.tensor([1.0, 2.0, 3.0]),
        "labels": torch.tensor([0, 1, 0]),
    }


def changed(name: str, row: int, value: Any) -> dict[str, Any]:
    result = arguments()
    result[name][row] = value
    return result


BAD = [
    (changed("mean_direction", 1, float("nan")), "mean_direction row 1 is not finite"),
    (changed("mean_direction", 2, 1.0), "mean_direction row 2 has norm 2, not 1; normalise it"),
    (changed("concentration", 1, float("nan")), "concentration row 1 is nan; it must be finite"),
    (changed("concentration", 0, float("inf")), "concentration row 0 is inf; it must be finite"),
    (changed("concentration", 2, -1.0), "concentration row 2 is -1.0; it must be finite and >= 0"),
    (
        arguments() | {"concentration": torch.ones(3, 1)},
        r"concentration has shape \(3, 1\); expected \(3,\)",
    ),
    (
        arguments() | {"mean_direction": torch.ones(4)},
        r"mean_direction has shape \(4,\); expected \(n, p\)",
    ),
    (arguments() | {"labels": torch.zeros(2, dtype=torch.long)}, r"labels has shape \(2,\); expec"),
]


@pytest.mark.parametrize("loss", ALL, ids=IDS)
@pytest.mark.parametrize(("given", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_values(loss: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        loss(**given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("loss", ALL, ids=IDS)
def test_types(loss: Any) -> None:
    for name, value in (
        ("mean_direction", torch.eye(4, dtype=torch.long)[:3]),
        ("mean_direction", [[1.0, 0.0]]),
        ("concentration", torch.ones(3, dtype=torch.long)),
        ("labels", torch.zeros(3)),
    ):
        with pytest.raises(TypeError, match=f"{name} must be a tensor of"):
            loss(**(arguments() | {name: value}))


@pytest.mark.parametrize("loss", ALL, ids=IDS)
def test_embeddings(loss: Any) -> None:
    vectors = torch.ones(3, 4)
    vectors[1, 2] = float("inf")
    with pytest.raises(ValueError, match="embeddings row 1 is not finite"):
        loss.from_embeddings(vectors, torch.tensor([0, 1, 0]))


@pytest.mark.parametrize("loss", CLASSES, ids=IDS[:2])
@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range(loss: Any, label: int) -> None:
    with pytest.raises(ValueError, match=f"labels row 1 is {label}; expected 0 to 2"):
        loss(**changed("labels", 1, label))
    with pytest.raises(ValueError, match=r"mean_direction has shape \(3, 5\); expected \(n, 4\)"):
        loss(**(arguments() | {"mean_direction": torch.eye(5)[:3]}))


def test_values_are_not_looked_at_where_that_is_off() -> None:
    loss = ELKLoss(validate_args=False)
    assert torch.isnan(loss(**changed("concentration", 0, float("nan"))))


def test_elk_needs_concentrations() -> None:
    with pytest.raises(ValueError, match="ELKLoss needs a concentration for every embedding"):
        ELKLoss()(**(arguments() | {"concentration": None}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VMFClassificationLoss(1, 4), "num_classes is 1"),
        (lambda: NivMFLoss(3, 1), "dimension is 1"),
        (lambda: VMFClassificationLoss(3, 4, initial_concentration=0.0), "initial_concentration"),
        (lambda: NivMFLoss(3, 4, initial_concentration=-1.0), "initial_concentration is -1.0"),
        (lambda: NivMFLoss(3, 4, n_samples=0), "n_samples is 0"),
        (lambda: MCInfoNCELoss(n_samples=0), "n_samples is 0"),
        (lambda: MCInfoNCELoss(inverse_temperature=0.0), "inverse_temperature is 0.0"),
        (lambda: ELKLoss(reduction="median"), "reduction is 'median'"),  # type: ignore[arg-type]
        (lambda: VMFHead(3, 1), "dimension is 1"),
        (lambda: VMFHead(3, 4, initial_concentration=0.0), "initial_concentration is 0.0"),
        (lambda: VMFHead(3, 4, initial_cosine=1.0), "the mean cosine is 1.0"),
        (lambda: VMFHead(3, 4, parameterisation="relu"), "parameterisation is 'relu'"),  # type: ignore[arg-type]
    ],
)
def test_construction(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_class_without_rows_cannot_be_initialised() -> None:
    with pytest.raises(ValueError, match="class 2 has no direction"):
        VMFClassificationLoss(3, 4).initialise(torch.eye(4)[:2], torch.tensor([0, 1]))
