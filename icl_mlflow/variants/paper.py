"""The ablations of arXiv 2603.10573, part II, as one table.

Two rows are read as the published code runs them, not as it describes them:
``frozen_attention`` holds the values and the output projection too, and the row that
the paper calls context increase enlarged the position table alone, which is
``wide_position_table`` here; ``context_increase`` does what its name says.
"""

from icl_mlflow.variants import freeze
from icl_mlflow.variants.base import Variant
from icl_mlflow.variants.context import flip_labels, shuffle_context, shuffle_labels

BASELINE = Variant(question="What does the full model reach?")

INTERLEAVED = Variant(
    question="Does the test need x and its label in one token, or can it pair them up?",
    embedding="interleaved",
)

NO_LABELS = Variant(
    question="Is there anything to learn from the points without their labels?",
    embedding="x_only",
)

SHUFFLED_LABELS = Variant(
    question="Does the test need each point's own label, or only how many there are?",
    on_train=shuffle_labels,
    on_eval=shuffle_labels,
)

SHUFFLED_CONTEXT = Variant(
    question="Does the order of the context points matter?",
    on_train=shuffle_context,
    on_eval=shuffle_context,
)

FROZEN_ATTENTION = Variant(
    question="Can the MLPs and embeddings learn the test around random attention?",
    frozen=freeze.attention,
)

FROZEN_QUERY_KEY = Variant(
    question="Must attention learn what to match, or only what to gather?",
    frozen=freeze.query_key,
)

FROZEN_POSITION = Variant(
    question="Must positions be learned, or will random ones do?",
    frozen=freeze.position,
)

NO_POSITION = Variant(
    question="Does a model that reads the context as a set find the test?",
    on_init=freeze.zero_position,
    frozen=freeze.position,
)

CONTEXT_INCREASE = Variant(
    question="What do twice as many context points bring?",
    context_factor=2,
    table_factor=2,
)

WIDE_POSITION_TABLE = Variant(
    question="Does a position table twice as long as the context change anything?",
    table_factor=2,
)

NO_NUISANCE = Variant(
    question="How much easier is the task without a shift to estimate?",
    task_parameters={"tau": 0.0},
)


def noisy_labels(p: float) -> Variant:
    """Train on labels flipped with probability ``p``; evaluate on clean ones.

    Raises:
        ValueError: ``p`` that is not above 0 and at most 1.
    """
    return Variant(
        question=f"Is evidence still pooled when a share of {p} of the labels lies?",
        on_train=flip_labels(p),
    )
