"""Histories name every run, and the paper's table is made of their ends."""

from icl_mlflow.analysis.ablation.history import history, paper_table
from tests.analysis.ablation.planted import member


def test_the_paper_table_is_the_papers() -> None:
    members = [member("baseline", seed, 0.1) for seed in range(3)]
    (row,) = paper_table(history(members)).to_dict("records")
    # val accuracies .70, .71, .72: sd .01, so 1.96 * .01 / sqrt(3) = .0113.
    assert row["val_accuracy"] == "0.7100 ± 0.0113"
    assert row["train_accuracy"] == "0.7600 ± 0.0000"


def test_the_history_names_every_run() -> None:
    frame = history([member("baseline", 0, 0.1), member("worse", 1, 0.2)])
    named = frame[["variant", "seed"]].drop_duplicates()
    assert named.values.tolist() == [["baseline", 0], ["worse", 1]]
