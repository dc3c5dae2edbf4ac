"""A plan tells the memory that long contexts take, before it is taken."""

from icl_mlflow.suite.engines.estimate import training_bytes
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset(
    "smoke", epochs=0, val_episodes=10, test_episodes=20, n_context=50, device="cpu"
)


def test_the_episodes_of_evaluation_are_counted() -> None:
    """Those of the test twice: that is what their drawing takes."""
    count = 0
    for stream, times in (("validation", 1), ("test", 2)):
        drawn = evaluation_episodes(SETTINGS, problem(SETTINGS), stream).episodes
        points = (drawn.context_x_BND, drawn.context_y_BN)
        queries = (drawn.query_x_BD, drawn.query_y_B)
        count += times * sum(each.nbytes for each in (*points, *queries))
    assert training_bytes([SETTINGS]) == count
