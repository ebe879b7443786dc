"""Labels of classes."""

from __future__ import annotations

from collections.abc import Iterable


def label_order(labels: Iterable[str]) -> list[str]:
    """Return labels in numeric order when all are whole numbers, else alphabetical."""
    labels = list(labels)
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)
