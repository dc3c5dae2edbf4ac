"""Every experiment has its row, of the right trainings and at the right epoch."""

import json
import math
from dataclasses import replace

import pytest

from icl_mlflow.reproduction.judgement import Kind
from icl_mlflow.reproduction.paper import SHIFT
from icl_mlflow.reproduction.table import (
    HONEST,
    LAST,
    LEAK,
    Row,
    readable,
    rows,
    table,
)
from tests.reproduction.planted import CURVE, SHIFTED, found, member


def row_of(judged: list[Row], name: str, selection: str = LAST) -> Row:
    (row,) = [r for r in judged if (r.published.name, r.selection) == (name, selection)]
    return row


def test_a_row_is_of_the_last_epoch_as_the_papers_is() -> None:
    seeds = [
        member("baseline", seed, [0.5, 0.6, 0.9, 0.783 + seed / 1e3]) for seed in (0, 1)
    ]
    row = row_of(rows(found(baseline=seeds)), "task_A_regular")
    assert row.accuracies == {0: 0.783, 1: pytest.approx(0.784)}
    assert row.judgement.kind is Kind.REPRODUCED
    assert row.bayes == 0.79
    assert row.difference == pytest.approx(0.0002)


def test_the_shifted_row_has_an_honest_and_a_leaky_epoch() -> None:
    judged = rows(found(baseline=[member("baseline", 0, CURVE, **SHIFTED)]))
    assert row_of(judged, "task_A_OOD").accuracies == {0: 0.62}
    assert row_of(judged, "task_A_OOD", HONEST).accuracies == {0: 0.64}
    assert row_of(judged, "task_A_OOD", LEAK).accuracies == {0: 0.66}
    assert row_of(judged, "task_A_OOD").bayes == 0.77
    kinds = {row_of(judged, "task_A_OOD", s).judgement.kind for s in (HONEST, LEAK)}
    assert kinds == {Kind.BESIDE}


def test_trainings_that_were_not_evaluated_there_have_their_best_epoch_alone() -> None:
    seeds = [member("baseline", 0, CURVE, **SHIFTED), member("baseline", 1, CURVE)]
    judged = rows(found(baseline=seeds))
    assert row_of(judged, "task_A_regular").missing_seeds == []
    last = row_of(judged, "task_A_OOD")
    assert last.missing_seeds == [1]
    assert last.judgement.why.endswith("; seed 1 missing")
    assert row_of(judged, "task_A_OOD", HONEST).accuracies == {0: 0.64, 1: 0.61}
    # Where a training went on without that evaluation, no epoch can be chosen by it.
    partly = SHIFTED | {f"{SHIFT}/loss": [0.69, 0.61, math.nan, math.nan]}
    judged = rows(found(baseline=[member("baseline", 0, CURVE, **partly)]))
    assert row_of(judged, "task_A_OOD", LEAK).accuracies == {}


def test_the_context_increase_of_the_paper_is_the_wide_position_table() -> None:
    ours = [member("wide_position_table", seed, CURVE) for seed in (0, 1)]
    judged = rows(found(wide_position_table=ours))
    row = row_of(judged, "task_A_ablation_context_increase")
    assert row.accuracies == {0: 0.781, 1: 0.781}


def test_a_training_that_was_ended_after_its_last_epoch_counts_and_is_named() -> None:
    one, other = (member("baseline", seed, CURVE) for seed in (0, 1))
    judged = rows(found(baseline=[one, replace(other, is_finished=False)]))
    row = row_of(judged, "task_A_regular")
    assert list(row.accuracies) == [0, 1]
    assert row.untested_seeds == [1]
    assert table([row])["untested_seeds"][0] == "1"


def test_the_tables_have_every_seed_and_survive_json() -> None:
    seeds = [member("baseline", seed, CURVE, **SHIFTED) for seed in (0, 1)]
    judged = rows(found(baseline=seeds))
    whole = table(judged)
    assert len(whole) == len(readable(judged)) == 17
    first = whole.to_dict("records")[0]
    assert first["each_accuracy"] == "0.7810 0.7810"
    assert first["paper_high"] == pytest.approx(0.7866)
    assert json.loads(whole.to_json(orient="records"))[-1]["verdict"] == "missing"
    assert readable(judged)["each seed"][0] == "0.7810 0.7810"
