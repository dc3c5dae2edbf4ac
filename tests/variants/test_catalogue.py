"""Names: cheap to list, forgiving to write, one spelling to store."""

import subprocess
import sys

import pytest

from icl_mlflow.registry import UnknownNameError
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS


def test_listing_imports_no_torch() -> None:
    program = (
        "import sys; from icl_mlflow.variants import VARIANTS; "
        "assert len(list(VARIANTS)) == len(VARIANTS) > 10; "
        "assert 'no_position' in VARIANTS and 'nothing' not in VARIANTS; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_papers_table_and_one_more_are_listed() -> None:
    assert set(VARIANTS) == {
        "baseline",
        "hidden_query",
        *("pre_norm", "linear_attention", "mlp", "lstm"),
        "interleaved",
        "no_labels",
        "shuffled_labels",
        "shuffled_context",
        "frozen_attention",
        "frozen_query_key",
        "frozen_position",
        "no_position",
        "noisy_labels_0.1",
        "noisy_labels_0.2",
        "noisy_labels_0.4",
        "context_increase",
        "wide_position_table",
        "no_nuisance",
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_listed_names_are_canonical(name: str) -> None:
    assert VARIANTS.canonical(name) == name


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("no_position+frozen_query_key", "frozen_query_key+no_position"),
        ("noisy_labels_0.10", "noisy_labels_0.1"),
        ("noisy_labels_.25", "noisy_labels_0.25"),
        ("noisy_labels_1", "noisy_labels_1.0"),
        ("noisy_labels_1e-5", "noisy_labels_1e-05"),
        ("no_position+noisy_labels_0.30", "no_position+noisy_labels_0.3"),
    ],
)
def test_one_variant_has_one_name_and_one_identity(written: str, stored: str) -> None:
    assert written in VARIANTS
    assert VARIANTS.canonical(written) == stored == VARIANTS.canonical(stored)
    first, second = TrainSettings(variant=written), TrainSettings(variant=stored)
    assert first.variant == stored
    assert first.identity == second.identity


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("no_positon", "did you mean no_position"),
        ("no_labels+frozn_position", "did you mean frozen_position"),
        ("noisy_labels", "did you mean noisy_labels_0"),
        ("noisy_labels_a_lot", "did you mean noisy_labels_0"),
        ("noisy_labels_0_1", "choose one of: baseline, "),
        ("noisy_labels_nan", "choose one of: baseline, "),
        ("noisy_labels_0.0", "above 0 and at most 1, not 0.0"),
        ("noisy_labels_2", "above 0 and at most 1, not 2.0"),
        ("no_position+", "choose one of: baseline, "),
        ("", "choose one of: baseline, "),
    ],
)
def test_a_wrong_name_answers_with_the_right_ones(wrong: str, hint: str) -> None:
    assert wrong not in VARIANTS
    for ask in (VARIANTS.__getitem__, VARIANTS.canonical):
        with pytest.raises(UnknownNameError) as refused:
            ask(wrong)
        assert hint in str(refused.value)
        assert "\n" not in str(refused.value)


def test_what_is_not_text_is_not_a_variant() -> None:
    assert 5 not in VARIANTS
    with pytest.raises(ValueError, match="unknown variant '5'"):
        TrainSettings(variant=5)  # type: ignore[arg-type]
