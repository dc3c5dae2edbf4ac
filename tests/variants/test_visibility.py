"""The variant of hidden queries changes what is attended to, and nothing else."""

from dataclasses import replace

from icl_mlflow.training.problem import initial_model, problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.visibility import HIDDEN_QUERY

BASELINE = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2)
HIDDEN = replace(BASELINE, variant="hidden_query")


def test_it_is_listed_and_differs_from_the_baseline_in_one_thing() -> None:
    assert VARIANTS["hidden_query"] is HIDDEN_QUERY
    plain, hidden = problem(BASELINE), problem(HIDDEN)
    assert hidden.architecture == replace(plain.architecture, query_hidden=True)
    assert replace(hidden, architecture=plain.architecture, variant=plain.variant) == (
        plain
    )


def test_the_context_is_computed_alike_for_every_query() -> None:
    episodes = problem(BASELINE).task.sample(6, 4)
    asked = (episodes.context_x_BND, episodes.context_y_BN)
    for settings, is_same in ((HIDDEN, True), (BASELINE, False)):
        model = initial_model(settings)
        one, other = (
            model.trace(*asked, query_x_BD).residual_BSM[-1][:, :-1]
            for query_x_BD in (episodes.query_x_BD, -episodes.query_x_BD)
        )
        assert bool((one == other).all()) == is_same
