"""A combination does what both its parts do, or says why it cannot."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.base import Variant
from icl_mlflow.variants.compose import compose, reads_labels
from icl_mlflow.variants.freeze import query_key


def smoke(variant: str) -> TrainSettings:
    return TrainSettings.preset("smoke", variant=variant, device="cpu")


def test_it_holds_what_either_part_holds() -> None:
    both = VARIANTS["no_position+frozen_query_key"]
    for name, start in initial_model(smoke("baseline")).named_parameters():
        held = both.frozen(name, start)
        parts = ("no_position", "frozen_query_key")
        masks = [VARIANTS[part].frozen(name, start) for part in parts]
        given = [mask for mask in masks if mask is not None]
        assert (held is None) == (not given)
        assert held is None or torch.equal(held, torch.stack(given).any(0))


def test_parts_may_hold_different_rows_of_one_parameter() -> None:
    def values(name: str, value: Tensor) -> Tensor | None:
        held = query_key(name, value)
        return None if held is None else ~held

    parts = {
        "query_key": VARIANTS["frozen_query_key"],
        "values": Variant(question="Must values be learned?", frozen=values),
    }
    both = compose(parts)
    name = "transformer.layers.0.self_attn.in_proj_bias"
    held = both.frozen(name, torch.zeros(12))
    assert held is not None
    assert held.all()


def test_it_starts_as_either_part_starts() -> None:
    model = initial_model(smoke("no_position+frozen_query_key"))
    baseline = dict(initial_model(smoke("baseline")).named_parameters())
    for name, start in model.named_parameters():
        assert start.any() or name == "pos_emb" or not baseline[name].any()
    assert not model.get_parameter("pos_emb").any()


def test_it_intervenes_as_both_parts_do() -> None:
    settings = smoke("shuffled_context+noisy_labels_1.0")
    chosen = problem(settings)
    plain = smoke("baseline")
    drawn = training_batch(plain, problem(plain), 0, "cpu").seen
    shown = training_batch(settings, chosen, 0, "cpu").seen
    # Every pair of the drawn context is there, elsewhere, with its label flipped.
    distance_BNN = torch.cdist(shown.context_x_BND, drawn.context_x_BND)
    origin_BN = distance_BNN.argmin(-1)
    place_N = torch.arange(drawn.n_context)
    assert torch.equal(origin_BN.sort(1).values, place_N.expand_as(origin_BN))
    assert not torch.equal(origin_BN, place_N.expand_as(origin_BN))
    assert torch.equal(shown.context_y_BN, 1 - drawn.context_y_BN.gather(1, origin_BN))
    assert chosen.variant.on_train.does == (
        "each label flipped with probability 1.0, "
        "then pairs shuffled within each episode"
    )


def test_it_sizes_and_embeds_as_both_parts_do() -> None:
    chosen = problem(smoke("no_nuisance+context_increase+interleaved"))
    assert chosen.n_context == 2 * 8
    assert chosen.architecture.embedding == "interleaved"
    assert chosen.architecture.positions == 2 * 16 + 1
    assert chosen.task == problem(smoke("no_nuisance")).task


def test_the_frozen_table_of_an_interleaved_model_has_its_own_name() -> None:
    model = initial_model(smoke("interleaved+frozen_position"))
    both = VARIANTS["interleaved+frozen_position"]
    held = [n for n, p in model.named_parameters() if both.frozen(n, p) is not None]
    assert held == ["pos_embed"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_labels+noisy_labels_0.1", "both change the labels"),
        ("shuffled_labels+no_labels", "both change the labels"),
        ("noisy_labels_0.1+noisy_labels_0.2", "both change the labels"),
        ("interleaved+no_labels", "both change embedding"),
        ("context_increase+wide_position_table", "both change table_factor"),
        ("frozen_position+no_position", "both change pos_emb"),
        ("frozen_attention+frozen_query_key", "both change .*in_proj_weight"),
        ("no_position+no_position", "names no_position twice"),
        ("noisy_labels_0.1+noisy_labels_0.10", "names noisy_labels_0.1 twice"),
        ("baseline+no_position", "baseline changes nothing"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        TrainSettings(variant=name)
    assert "\n" not in str(refused.value)
    assert name not in VARIANTS


def test_three_parts_contradict_each_other_as_two_do() -> None:
    with pytest.raises(ValueError, match="frozen_position and no_position contradict"):
        VARIANTS["interleaved+no_position+frozen_position"]


def test_whether_two_variants_combine_does_not_depend_on_their_order() -> None:
    for first, second in combinations(VARIANTS, 2):
        assert (f"{first}+{second}" in VARIANTS) == (f"{second}+{first}" in VARIANTS)


def test_two_changes_of_the_same_task_parameter_contradict_each_other() -> None:
    parts = {"one": VARIANTS["no_nuisance"], "other": VARIANTS["no_nuisance"]}
    with pytest.raises(ValueError, match=r"one and other .* both change tau"):
        compose(parts)


def test_which_embeddings_read_the_labels() -> None:
    assert [e for e in ("summed", "interleaved", "x_only") if reads_labels(e)] == [
        "summed",
        "interleaved",
    ]
