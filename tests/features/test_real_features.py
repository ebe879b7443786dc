"""The real network and real images.

In the folder of `tests.real_data`: resnet50_v1.safetensors, the keras.io ResNet50 under torchvision's
key names (examples/README.md says how it is made), and cifar-10-batches-bin, the binary version of
CIFAR-10; without them these tests are skipped.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

from tests.features.extracting import CIFAR10_IMAGES, Output
from tests.real_data import ABSENT, REAL_DATA
from vmf import SufficientStatistics
from vmf.features import FeatureError, extract

WEIGHTS = REAL_DATA / "resnet50_v1.safetensors"
CIFAR10 = REAL_DATA / "cifar-10-batches-bin"
EXAMPLES = CIFAR10_IMAGES.parent

pytestmark = [
    pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS.name} {ABSENT}"),
    pytest.mark.skipif(not CIFAR10_IMAGES.is_file(), reason="no example images here"),
]


@pytest.mark.parametrize("dimension", [2048, 32768])
def test_the_example_features_again(output: Output, dimension: int) -> None:
    """To the rounding of float16, in which the examples are stored."""
    size = {2048: 32, 32768: 128}[dimension]
    done = extract(CIFAR10_IMAGES, output.features, weights=WEIGHTS, size=size)
    assert done.facts["checked"] == ["fingerprint"]
    found = np.load(output.features)
    expected = np.load(EXAMPLES / f"cifar10_resnet50_{dimension}.npy")[:48].astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=6e-4, atol=2e-4)
    labels = (EXAMPLES / "cifar10_resnet50_2048_labels.csv").read_text().split()[1:49]
    assert np.load(output.folder / "f.labels.npy").tolist() == labels
    resultants = [
        SufficientStatistics.from_rows(rows).mean_resultant_length for rows in (found, expected)
    ]
    assert resultants[0] == pytest.approx(resultants[1], rel=1e-5)


@pytest.mark.skipif(not CIFAR10.is_dir(), reason=f"{CIFAR10.name} {ABSENT}")
def test_the_images_of_cifar10_give_the_example_features(output: Output) -> None:
    count = 256
    extract(CIFAR10, output.features, weights=WEIGHTS, size=32, split="test", limit=count)
    expected = np.load(EXAMPLES / "cifar10_resnet50_2048.npy")[:count].astype(np.float32)
    np.testing.assert_allclose(np.load(output.features), expected, rtol=6e-4, atol=2e-4)
    labels = (EXAMPLES / "cifar10_resnet50_2048_labels.csv").read_text().split()[1 : count + 1]
    assert np.load(output.folder / "f.labels.npy").tolist() == labels


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"stride_on": "3x3"}, "stride_on is 3x3, published: 1x1"),
        ({"batch_norm_epsilon": 1e-3}, "batch_norm_epsilon is 0.001, published: 1e-05"),
        ({"input": "BGR, 0..255"}, "input is BGR, 0..255, published: RGB"),
        ({"mean": [128.0] * 3}, "mean is"),
        ({"input": "RGB, 0..1", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
         "input is RGB, 0..1"),
    ],
)  # fmt: skip
def test_mistakes_are_caught(output: Output, facts: dict[str, object], message: str) -> None:
    with pytest.raises(FeatureError, match="off the fingerprint of these weights") as caught:
        extract(CIFAR10_IMAGES, output.features, weights=WEIGHTS, facts=facts)
    assert message in str(caught.value)
    assert output.names() == []
