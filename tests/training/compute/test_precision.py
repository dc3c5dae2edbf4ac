"""`precision=auto` is bf16 where the processor multiplies it, and fp32 elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from icl_mlflow.training.compute import precision
from icl_mlflow.training.compute.precision import (
    bf16_slowdown,
    has_bf16_products,
    precision_reason,
    suited_precision,
    warn_if_slow,
)
from icl_mlflow.training.settings import TrainSettings

#: What oneDNN is limited to so that a processor with bf16 passes for one without.
WITHOUT = {"AVX2": "AVX2 alone", "AVX512_CORE": "AVX-512 of before bf16"}

SMALL = {"train_episodes": 640, "val_episodes": 64, "test_episodes": 64}

PROBE = """
import json, torch
torch.set_num_threads(1)
from icl_mlflow.training.compute.precision import bf16_slowdown, has_bf16_products
from icl_mlflow.training.settings import TrainSettings
settings = TrainSettings.preset("efficient", device="cpu")
print(json.dumps([has_bf16_products(), settings.precision, bf16_slowdown()]))
"""


def test_auto_is_the_same_run_as_the_precision_that_it_takes() -> None:
    chosen = TrainSettings(precision="auto", device="cpu")
    assert chosen.precision in {"fp32", "bf16"}
    spelled_out = TrainSettings(precision=chosen.precision, device="cpu")
    assert chosen == spelled_out
    assert chosen.identity == spelled_out.identity


def test_the_papers_run_is_the_same_on_every_machine() -> None:
    assert TrainSettings.preset("paper").precision == "fp32"


def limited(isa: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in a folder, whose products use no more than these."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.skipif(
    not has_bf16_products(), reason="this processor has no bf16 to hide"
)
@pytest.mark.parametrize("isa", WITHOUT)
def test_without_instructions_auto_is_fp32_and_that_is_faster(
    isa: str, tmp_path: Path
) -> None:
    has_products, taken, slowdown = json.loads(
        limited(isa, tmp_path, "-c", PROBE).stdout
    )
    assert (has_products, taken) == (False, "fp32")
    assert slowdown > 2
    assert TrainSettings.preset("efficient", device="cpu").precision == "bf16"


@pytest.mark.skipif(not has_bf16_products(), reason="this processor has no bf16")
def test_where_there_are_instructions_products_in_bf16_are_no_slower() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert bf16_slowdown() < 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(
    not has_bf16_products(), reason="this processor has no bf16 to hide"
)
def test_the_preset_says_what_it_takes_and_a_choice_by_hand_is_warned_of(
    tmp_path: Path,
) -> None:
    small = [f"--{name}={value}" for name, value in SMALL.items()]
    train = ["-m", "icl_mlflow.cli.main", "train", "--preset", "smoke", *small]

    told = limited("AVX2", tmp_path, *train, "--precision", "auto", "--dry_run")
    assert '"precision": "fp32"' in told.stdout
    assert re.search(
        r"^precision +fp32: this processor has no instructions for",
        told.stdout,
        re.MULTILINE,
    )
    by_hand = limited("AVX2", tmp_path, *train, "--precision", "bf16")
    (warning,) = (
        line for line in by_hand.stderr.splitlines() if "bf16 is slow" in line
    )
    ratio = re.search(r"takes (\d+) times as long as in fp32", warning)
    assert ratio is not None
    assert int(ratio[1]) > 2


def test_a_processor_without_bf16_is_told_apart_from_one_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "has_bf16_products", lambda: False)
    settings = TrainSettings.preset("efficient", device="cpu")
    assert settings.precision == "fp32"
    assert "no instructions" in precision_reason(settings)
    warn_if_slow(settings)
    assert not caplog.messages
    warn_if_slow(TrainSettings(precision="bf16", device="cpu"))
    assert len(caplog.messages) == 1

    monkeypatch.setattr(precision, "has_bf16_products", lambda: True)
    assert suited_precision("cpu").name == "bf16"
    reason = precision_reason(TrainSettings(device="cpu"))
    assert reason.startswith("as asked for; auto would take bf16")


def test_avx512_alone_is_not_taken_for_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(
        torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False
    )
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not has_bf16_products()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert has_bf16_products() == torch.backends.mkldnn.is_available()
