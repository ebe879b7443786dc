"""``vmf extract``, and ``vmf fit`` of what it has written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="features need torch and torchvision")

import torch
from safetensors.torch import save_file
from torchvision import models
from typer.testing import CliRunner

from tests.features.extracting import Output
from vmf.cli import app

TINY = ("--backbone", "tiny_networks:tiny")


def test_from_images_to_a_fit(
    cifar10_images: Path, output: Output, plain_options: list[str]
) -> None:
    said = output.vmf(cifar10_images, *TINY, *plain_options).stdout
    assert said.startswith(f"{cifar10_images} -> {output.features}\n")
    assert "rows             48\n" in said
    assert "dimension        384 = 24 x 4 x 4\n" in said
    assert "input            32 x 32, RGB, 0..1, minus (0.5, 0.5, 0.5), divided by (0.25" in said
    model = output.folder / "m.safetensors"
    command = ["fit", str(output.features), "--labels", str(output.folder / "f.labels.npy")]
    result = CliRunner().invoke(app, [*command, "--estimator", "map", "-o", str(model), "--json"])
    assert result.exit_code == 0, result.output
    classes = {one["class"]: one["rows"] for one in json.loads(result.stdout)["classes"]}
    labels = np.load(output.folder / "f.labels.npy").tolist()
    assert classes == {label: labels.count(label) for label in sorted(set(labels))}


def test_json_and_quiet(random_images: Path, output: Output, plain_options: list[str]) -> None:
    told = json.loads(output.vmf(random_images, *TINY, *plain_options, "--json").stdout)
    assert told["features"] == str(output.features)
    assert told["labels"] == str(output.folder / "f.labels.npy")
    assert (told["rows"], told["computed"], told["dimension"]) == (20, 20, 384)
    assert told["images_per_second"] > 0
    sidecar = json.loads(Path(told["sidecar"]).read_text())
    assert sidecar.items() <= told.items()
    quiet = output.vmf(random_images, *TINY, *plain_options, "--quiet", "--overwrite")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    again = output.vmf(random_images, *TINY, *plain_options, "--resume")
    assert "none left to compute" in again.stdout


def test_every_option_arrives(random_images: Path, output: Output) -> None:
    state = models.get_model("shufflenet_v2_x0_5", weights=None).state_dict()
    save_file(state, output.folder.parent / "w.safetensors")
    (output.folder.parent / "w.txt").write_text("\n".join("ab" * 10))
    told = json.loads(
        output.vmf(
            random_images, "--backbone", "shufflenet_v2_x0_5",
            "--weights", output.folder.parent / "w.safetensors", "--input", "BGR, 0..255",
            "--mean", "100,110,120", "--std", "1,2,3", "--batch-norm-epsilon", "1e-4",
            "--size", "64", "--pool", "--limit", "6", "--dtype", "float16", "--batch-size", "4",
            "--device", "cpu", "--precision", "bfloat16", "--no-check", "--json",
            "--labels", output.folder.parent / "w.txt", "--on-bad-images", "skip",
        ).stdout
    )  # fmt: skip
    assert told["preprocessing"] == {
        "input": "BGR, 0..255", "mean": [100, 110, 120], "std": [1, 2, 3],
    }  # fmt: skip
    assert (told["rows"], told["dimension"], told["dtype"]) == (6, 1024, "float16")
    assert told["batches"] == {"size": 4}
    assert told["backbone"] == {
        "name": "shufflenet_v2_x0_5", "stride_on": None, "batch_norm_epsilon": 1e-4, "pooled": True,
    }  # fmt: skip
    assert told["computation"]["precision"] == "bfloat16"
    assert told["checked"] == []
    assert np.load(output.folder / "f.labels.npy").tolist() == list("ababab")


def test_a_description_by_name(random_images: Path, output: Output) -> None:
    path = output.folder.parent / "facts.json"
    path.write_text('{"input": "RGB, 0..1", "mean": [0, 0, 0], "std": [1, 1, 1]}')
    told = json.loads(
        output.vmf(random_images, *TINY, "--description", path, "--std", "2,2,2", "--json").stdout
    )
    assert told["preprocessing"] == {"input": "RGB, 0..1", "mean": [0, 0, 0], "std": [2, 2, 2]}


def test_bad_input_is_one_line(
    random_images: Path, output: Output, plain_options: list[str], tmp_path: Path
) -> None:
    tiny = (*TINY, *plain_options)
    (tmp_path / "few.txt").write_text("cat\ndog\n")
    (tmp_path / "empty.bin").write_bytes(b"")
    output.refused("w.safetensors: does not exist", random_images, "--weights", "w.safetensors")
    output.refused("resnet5'; did you mean resnet50", random_images, "--backbone", "resnet5")
    output.refused("'input' is missing", random_images, *TINY)
    output.refused("give three numbers", random_images, *TINY, *plain_options, "--mean", "1,2")
    output.refused("few.txt: has 2 labels, but there are 20 images", random_images, *tiny,
                   "--labels", tmp_path / "few.txt")  # fmt: skip
    output.refused("empty.bin: is empty", tmp_path / "empty.bin", *tiny)
    output.refused("nowhere: does not exist; images are a folder", tmp_path / "nowhere", *tiny)
    output.refused("there is no 'tinny' in it; did you mean tiny", random_images,
                   "--backbone", "tiny_networks:tinny", *plain_options)  # fmt: skip
    missing = Output(tmp_path / "o")
    missing.features = tmp_path / "none" / "f.npy"
    missing.refused("does not exist; create it first", random_images, *tiny)
    missing.features = tmp_path / "f.csv"
    missing.refused("has '.csv'; the output is one of .npy", random_images, *tiny)
    output.vmf(random_images, *tiny)
    output.refused("f.npy: exists; write to another file or replace it with --overwrite",
                   random_images, *tiny)  # fmt: skip


def test_numbers_that_are_none(random_images: Path, output: Output) -> None:
    result = output.vmf(random_images, *TINY, "--mean", "a,b,c", exit_code=2)
    assert "'a,b,c' is not three numbers" in result.stderr


def test_torch_is_imported_by_the_extraction_alone() -> None:
    code = (
        "import sys, vmf, vmf.cli.extract, vmf.features\n"
        "loaded = {'torch', 'torchvision', 'PIL'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_terminal_gets_a_progress_bar(
    cifar10_images: Path, output: Output, plain_options: list[str]
) -> None:
    code = (
        "import vmf.cli.progress as p, sys\np._DELAY_SECONDS = 0\n"
        "from vmf.cli import app\napp(sys.argv[1:], prog_name='vmf')\n"
    )
    command = [
        sys.executable, "-c", code, "extract", str(cifar10_images), "-o", str(output.features),
        "--backbone", "tiny_networks:slow", "--batch-size", "4", *plain_options,
    ]  # fmt: skip
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "TINY_PAUSE": "0.05"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=side, env=environment)
    os.close(side)
    drawn = os.read(main, 1 << 16).decode()
    os.close(main)
    assert done.returncode == 0
    assert "extracting" in drawn
    assert "images/s" in drawn
    assert b"extracting" not in done.stdout
    assert torch.get_num_threads() > 0
