"""Settings name a task, a variant and a model, and decide what every step teaches."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import parameters
from icl_mlflow.training.problem import (
    data_digest,
    initial_model,
    problem,
    resolved,
    training_batch,
)
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import check_applicable

EVERY_MEMBER = [(task, variant) for task in TASKS for variant in VARIANTS]


def batch_of(settings: TrainSettings, step: int = 0):  # type: ignore[no-untyped-def]
    return training_batch(settings, problem(settings), step, "cpu")


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_taught_as_they_were_drawn(task: str) -> None:
    batch = batch_of(TrainSettings(task=task))
    assert torch.equal(batch.target_BQ[:, 0], batch.seen.query_y_B.float())


@pytest.mark.parametrize(("task", "variant"), EVERY_MEMBER)
def test_bayes_is_taught_for_the_context_as_it_was_drawn(
    task: str, variant: str
) -> None:
    """Whatever a variant shows: the same episodes, the posterior as the target."""
    try:
        check_applicable(variant, task)
    except ValueError:
        pytest.skip("the task cannot have this variant")
    settings = TrainSettings(task=task, variant=variant, target="bayes")
    chosen = problem(settings)
    drawn = chosen.task.sample(
        settings.batch_size, chosen.n_context, seed=0, stream="train", step=3
    )
    batch = batch_of(settings, 3)
    assert torch.equal(batch.seen.query_x_BD, drawn.query_x_BD)
    expected_B = chosen.task.bayes_logit(drawn).sigmoid()
    found_B = batch.target_BQ[:, 0]
    torch.testing.assert_close(found_B, expected_B.float(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("task", TASKS)
def test_both_targets_have_the_same_gradient_on_average_and_one_less_noise(
    task: str,
) -> None:
    """Over many batches the means agree within three standard errors."""
    gradients: dict[str, list[torch.Tensor]] = {"labels": [], "bayes": []}
    for target, found in gradients.items():
        settings = TrainSettings(
            task=task, target=target, dim=4, n_context=8, d_model=16, batch_size=256
        )
        model = initial_model(settings)
        for step in range(60):
            batch = batch_of(settings, step)
            seen = batch.seen
            logit_B = model(seen.context_x_BND, seen.context_y_BN, seen.query_x_BD)
            loss = binary_cross_entropy_with_logits(logit_B, batch.target_BQ[:, 0])
            (gradient,) = torch.autograd.grad(loss, [model.get_parameter("head.bias")])
            found.append(gradient)
    labels, bayes = (torch.cat(found).double() for found in gradients.values())
    difference = labels - bayes
    assert abs(difference.mean()) <= 3 * difference.std() / len(difference) ** 0.5
    assert bayes.std() < 0.8 * labels.std()


def test_a_curriculum_eases_the_first_steps_alone() -> None:
    """Task A begins without a shift, far apart; from its share on it is the task."""
    settings = TrainSettings(curriculum="all", curriculum_share=0.25, target="bayes")
    plain = TrainSettings(target="bayes")
    first = batch_of(settings).seen
    assert not first.latents["shift"].any()
    assert float(batch_of(settings).target_BQ.sub(0.5).abs().mean()) > 0.49
    last = settings.total_steps // 4 + 1
    eased, as_given = batch_of(settings, last), batch_of(plain, last)
    assert torch.equal(eased.seen.context_x_BND, as_given.seen.context_x_BND)
    assert torch.equal(eased.target_BQ, as_given.target_BQ)
    before = batch_of(settings, last - 200)
    plain_before = batch_of(plain, last - 200)
    assert not torch.equal(before.target_BQ, plain_before.target_BQ)


SEVERAL = TrainSettings(
    dim=4, n_context=8, batch_size=16, train_episodes=160, epochs=1, queries=5
)


@pytest.mark.parametrize("task", TASKS)
def test_each_of_several_queries_has_its_own_exact_answer(task: str) -> None:
    """Points of one episode: the first are its context, and all others are asked."""
    settings = replace(SEVERAL, task=task, target="bayes")
    chosen = problem(settings)
    drawn = chosen.task.sample(16, 12, seed=0, stream="train", step=3)
    batch = batch_of(settings, 3)
    assert torch.equal(batch.seen.context_x_BND, drawn.context_x_BND[:, :8])
    points_BQD = torch.cat(
        [drawn.context_x_BND[:, 8:], drawn.query_x_BD.unsqueeze(1)], dim=1
    )
    assert torch.equal(batch.query_x_BQD, points_BQD)
    for index in range(5):
        asked = replace(
            drawn.first(8),
            query_x_BD=points_BQD[:, index],
            query_y_B=batch.label_BQ[:, index],
        )
        expected_B = chosen.task.bayes_logit(asked).sigmoid().float()
        torch.testing.assert_close(
            batch.target_BQ[:, index], expected_B, rtol=0, atol=1e-7
        )
    labels = batch_of(replace(settings, target="labels"), 3)
    assert torch.equal(labels.target_BQ, labels.label_BQ.float())


def test_what_a_variant_does_to_the_context_it_does_not_do_to_queries() -> None:
    plain = batch_of(SEVERAL, 1)
    shuffled = batch_of(replace(SEVERAL, variant="shuffled_labels"), 1)
    assert not torch.equal(plain.seen.context_y_BN, shuffled.seen.context_y_BN)
    assert torch.equal(plain.query_x_BQD, shuffled.query_x_BQD)
    assert torch.equal(plain.label_BQ, shuffled.label_BQ)


def test_the_last_steps_ask_one_query_as_evaluation_does() -> None:
    asked = [SEVERAL.queries_at(step) for step in range(SEVERAL.total_steps)]
    assert asked == [5] * 8 + [1] * 2
    assert batch_of(SEVERAL, 8).label_BQ.shape == (16, 1)
    assert SEVERAL.answers(range(6, 10)) == 16 * (5 + 5 + 1 + 1)
    plain = replace(SEVERAL, queries=1)
    assert torch.equal(
        batch_of(SEVERAL, 9).seen.context_x_BND, batch_of(plain, 9).seen.context_x_BND
    )


def test_what_is_resolved_names_the_tasks_own_values() -> None:
    found = resolved(TrainSettings(task="B", sigma_max=2.0))
    assert (found["sigma_min"], found["sigma_max"]) == (0.5, 2.0)
    assert "tau" not in found
    assert resolved(TrainSettings(also_evaluate="all"))["also_evaluate"] == (
        "no_nuisance+out_of_distribution"
    )
    assert resolved(TrainSettings(curriculum="all"))["curriculum"] == (
        "nuisance+separation"
    )


def test_layers_start_alike_or_not_as_asked() -> None:
    names = [f"transformer.layers.{layer}.linear1.weight" for layer in (0, 1)]
    for layer_init in ("copied", "independent"):
        model = initial_model(TrainSettings(layer_init=layer_init))
        first, second = (model.get_parameter(name) for name in names)
        assert bool((first == second).all()) == (layer_init == "copied")


def test_a_variant_changes_the_task_the_model_and_the_length_that_it_names() -> None:
    plain = problem(TrainSettings())
    longer = problem(TrainSettings(variant="context_increase"))
    assert (plain.n_context, longer.n_context) == (32, 64)
    assert longer.architecture.positions == 65
    centred = problem(TrainSettings(variant="no_nuisance"))
    assert parameters(centred.task) == {**parameters(plain.task), "tau": 0.0}
    assert problem(TrainSettings(variant="no_labels")).architecture.embedding == (
        "x_only"
    )


def test_what_is_also_evaluated_differs_in_the_task_alone() -> None:
    chosen = problem(TrainSettings(also_evaluate="all"))
    assert set(chosen.elsewhere) == set(chosen.task.shifts)
    for name, elsewhere in chosen.elsewhere.items():
        changes = chosen.task.shifts[name]
        assert parameters(elsewhere.task) == {**parameters(chosen.task), **changes}
        assert elsewhere.architecture == chosen.architecture


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "no_nuisance", "tau": 1.0}, "sets tau to 0.0; leave tau out"),
        ({"positions": 32}, "n_context=32 makes 33 tokens"),
        ({"task": "B", "sigma_min": 3.0, "sigma_max": 2.0}, "sigma_m"),
    ],
)
def test_settings_that_contradict_each_other_have_no_problem(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        problem(TrainSettings(**changes))


def test_the_digest_of_the_data_changes_with_what_draws_them_alone() -> None:
    settings = TrainSettings()
    same = [{"lr": 1.0}, {"d_model": 64}, {"data_seed": 0}, {"variant": "no_position"}]
    other = [{"seed": 1}, {"tau": 9.0}, {"n_context": 16}, {"curriculum": "all"}]
    other += [{"variant": "shuffled_labels"}, {"queries": 2}, {"batch_size": 32}]
    digests = [data_digest(replace(settings, **change)) for change in same]
    assert digests == [data_digest(settings)] * len(same)
    others = {data_digest(replace(settings, **change)) for change in other}
    assert len(others - set(digests)) == len(other)
