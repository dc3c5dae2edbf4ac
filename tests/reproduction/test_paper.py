"""The paper's numbers stand under names that this package understands."""

from icl_mlflow.reproduction.paper import ACCURACIES, SHIFT, SHIFTED, trainings
from icl_mlflow.tasks import TASKS


def test_the_paper_has_fifteen_experiments_of_fourteen_trainings() -> None:
    assert len({published.name for published in ACCURACIES}) == 15
    assert len(trainings()) == len(set(trainings())) == 14
    assert ("A", "wide_position_table") in trainings()
    assert ("A", "context_increase") not in trainings()
    assert SHIFTED in trainings()
    assert TASKS["A"].shifts[SHIFT] == {"tau": 9.0}


def test_intervals_are_around_their_means() -> None:
    first = ACCURACIES[0]
    assert (round(first.low, 4), round(first.high, 4)) == (0.78, 0.7866)
