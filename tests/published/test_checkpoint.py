"""Published checkpoints load to the same answers, and what is not one is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from icl_mlflow.evaluation import predict
from icl_mlflow.published.checkpoint import read_published
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from tests.notebook import NOTEBOOK, needs_notebook

DIM, N_CONTEXT, WIDTH, HEADS, BLOCKS = 3, 6, 16, 2, 2
KWARGS = {"d_in": DIM, "n_ctx": N_CONTEXT, "d_model": WIDTH, "n_heads": HEADS}


class Reference(nn.Module):
    """The published computation in torch's own modules: x and y in one token."""

    def __init__(self, *, positions: int) -> None:
        super().__init__()
        self.x_proj = nn.Linear(DIM, WIDTH)
        self.y_proj = nn.Linear(1, WIDTH)
        self.query_proj = nn.Linear(DIM, WIDTH)
        self.pos_emb = nn.Parameter(torch.randn(1, positions, WIDTH))
        block = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(block, BLOCKS)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, x_BND: Tensor, y_BN: Tensor, query_BD: Tensor) -> Tensor:
        context = self.x_proj(x_BND) + self.y_proj(y_BN.unsqueeze(-1).float())
        tokens = torch.cat([context, self.query_proj(query_BD).unsqueeze(1)], dim=1)
        tokens = tokens + self.pos_emb[:, : tokens.shape[1]]
        return self.head(self.transformer(tokens)[:, -1])[:, 0]


def weights(*, positions: int = N_CONTEXT + 1) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Reference(positions=positions).state_dict()


def checkpoint(**changes: Any) -> dict[str, Any]:
    return {
        "model_class": "ICLTransformer",
        "model_kwargs": KWARGS,
        "seed": 2,
        "best_state_dict": weights(),
        **changes,
    }


def saved(folder: Path, content: object) -> Path:
    torch.save(content, folder / "model.pt")
    return folder / "model.pt"


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match="cannot be read as a published") as refused:
        read_published(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_answers_are_those_of_torchs_own_modules(tmp_path: Path) -> None:
    published = read_published(saved(tmp_path, checkpoint()))
    assert (published.variant, published.seed) == ("baseline", 2)
    assert published.n_context == N_CONTEXT
    assert not published.model.training

    task = with_parameters(TASKS["A"], {"dim": DIM})
    episodes = task.sample(100, N_CONTEXT, seed=1)
    reference = Reference(positions=N_CONTEXT + 1)
    reference.load_state_dict(weights())
    expected_B = predict(reference.eval(), episodes)
    assert torch.allclose(predict(published.model, episodes), expected_B, atol=2e-6)


@pytest.mark.parametrize(
    ("model_class", "variant"),
    [
        ("ICLTransformerShuffledLabels", "shuffled_labels"),
        ("ICLTransformerShuffledContext", "shuffled_context"),
        ("ICLTransformerFrozenAttention", "frozen_attention"),
        ("ICLTransformerFrozenQK", "frozen_query_key"),
        ("ICLTransformerFrozenPos", "frozen_position"),
        ("ICLTransformerNoPos", "no_position"),
        ("ICLTransformerNoisyLabels", "noisy_labels_0.2"),
    ],
)
def test_the_class_tells_the_variant(
    tmp_path: Path, model_class: str, variant: str
) -> None:
    path = saved(tmp_path, checkpoint(model_class=model_class))
    assert read_published(path).variant == variant


def test_the_noise_is_in_the_arguments(tmp_path: Path) -> None:
    content = checkpoint(
        model_class="ICLTransformerNoisyLabels",
        model_kwargs={**KWARGS, "noise_p": 0.4},
    )
    assert read_published(saved(tmp_path, content)).variant == "noisy_labels_0.4"


def test_a_table_twice_as_long_as_the_context_is_the_wide_one(tmp_path: Path) -> None:
    content = checkpoint(
        model_kwargs={**KWARGS, "n_ctx": 2 * N_CONTEXT},
        best_state_dict=weights(positions=2 * N_CONTEXT + 1),
    )
    path = saved(tmp_path, content)
    wide = read_published(path, n_context=N_CONTEXT)
    assert (wide.variant, wide.n_context) == ("wide_position_table", N_CONTEXT)
    longer = read_published(path, n_context=2 * N_CONTEXT)
    assert (longer.variant, longer.n_context) == ("baseline", 2 * N_CONTEXT)


@needs_notebook
def test_every_class_of_the_notebook_answers_as_it_does_there(tmp_path: Path) -> None:
    # In a process of its own: the notebook sets styles and seeds for all who share one.
    program = f"""
import importlib.util, torch
spec = importlib.util.spec_from_file_location("baseline", {str(NOTEBOOK)!r})
baseline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(baseline)
notebook = baseline.load()
torch.manual_seed(0)
batch = torch.randn(50, 5, 3), torch.randint(2, (50, 5)), torch.randn(50, 3)
answers = {{}}
for name, kind in notebook.items():
    if not name.startswith("ICLTransformer"):
        continue
    kwargs = {{"d_in": 3, "n_ctx": 5, "d_model": 16, "n_layers": 3, "n_heads": 2}}
    model = kind(**kwargs).eval()
    shown = batch
    if "Shuffled" in name:  # it shuffles within the model; here the data are shuffled
        shown = tuple(part[:, [0] * 5] if part.dim() > 1 and part.shape[1] == 5
                      else part for part in batch)
    with torch.no_grad():
        answers[name] = (*shown, model(*shown)[:, 0])
    torch.save({{"model_class": name, "model_kwargs": kwargs, "seed": 7,
                "best_state_dict": model.state_dict()}}, name + ".pt")
torch.save(answers, "answers.bin")
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    answers = torch.load(tmp_path / "answers.bin", weights_only=True)
    assert len(answers) == 10
    for name, (*shown, expected_B) in answers.items():
        published = read_published(tmp_path / f"{name}.pt")
        assert published.n_context == 5
        with torch.no_grad():
            assert torch.allclose(published.model(*shown), expected_B, atol=2e-6), name


class Malicious:
    """When unpickled, makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("where", ["seed", "best_state_dict", "beside"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, where: str) -> None:
    trap = Malicious(tmp_path / "sprung")
    message = refusal(saved(tmp_path, checkpoint(**{where: trap})))
    assert "nothing in it was run" in message
    assert not trap.folder.exists()
    make, arguments = trap.__reduce__()
    make(*arguments)
    assert trap.folder.exists(), "the trap does not work, so the test shows nothing"


@pytest.mark.parametrize("keep", [0, 10, 1_000, 20_000])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path, checkpoint())
    path.write_bytes(path.read_bytes()[:keep])
    assert "damaged" in refusal(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.pt")


def without(name: str) -> dict[str, Tensor]:
    return {n: value for n, value in weights().items() if n != name}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "missing, or not of the right type: model_class, model_kwargs, seed"),
        (checkpoint(seed="2"), "not of the right type: seed"),
        (checkpoint(model_class="ICLTransfomer"), "did you mean ICLTransformer"),
        (checkpoint(model_kwargs={"d_in": 3}), "must hold d_in, n_ctx"),
        (
            checkpoint(model_kwargs={**KWARGS, "dropout": 0.1}),
            "but hold 'd_in', 'd_model'",
        ),
        (checkpoint(model_kwargs={**KWARGS, "n_ctx": "6"}), "n_ctx must be a whole"),
        (checkpoint(model_kwargs={**KWARGS, "n_heads": 3}), "does not divide"),
        (checkpoint(model_kwargs={**KWARGS, "n_layers": 10**9}), "with weights of 2"),
        (checkpoint(model_kwargs={**KWARGS, "d_in": 4}), "x_proj.weight is not"),
        (checkpoint(model_kwargs={**KWARGS, "n_ctx": 7}), "pos_emb is not a tensor"),
        (checkpoint(best_state_dict=without("head.bias")), "unknown: 'head.bias'"),
        (
            checkpoint(best_state_dict={**weights(), "head.bias": 0.5}),
            "head.bias is not a tensor",
        ),
        (
            checkpoint(
                best_state_dict={**weights(), "head.bias": torch.tensor([torch.nan])}
            ),
            "head.bias is not finite",
        ),
        (
            checkpoint(
                model_class="ICLTransformerInterleavedEmbeddings",
                model_kwargs={**KWARGS, "max_len": 12},
            ),
            "max_len=12 is too short for n_ctx=6, which makes 13 tokens",
        ),
        (
            checkpoint(
                model_class="ICLTransformerNoisyLabels",
                model_kwargs={**KWARGS, "noise_p": 0.0},
            ),
            "above 0 and at most 1",
        ),
    ],
)
def test_what_is_at_odds_with_itself_is_refused(
    tmp_path: Path, content: object, reason: str
) -> None:
    assert reason in refusal(saved(tmp_path, content))
