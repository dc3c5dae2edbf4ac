"""Why a method does not find the truth about a circuit."""

from collections.abc import Mapping

_NOT_LABELS = (
    "it asks which weights carry labels straight to the read-out. Heads that carry "
    "points, or are read by an MLP, have a cosine of 0, as those without use have."
)
_NEAR_BAYES = (
    "the rule is so near to exact Bayes on its own episodes that Bayes is named: what "
    "answers alike cannot be told apart by answers."
)

#: Method and circuit to the reason; without a circuit, for all others.
REASONS: Mapping[tuple[str, str], str] = {
    ("OV alignment", ""): _NOT_LABELS,
    ("OV alignment", "decoy_heads"): (
        "the largest cosine is that of a decoy, which by its weights copies labels, "
        "but attends to a token that has none."
    ),
    ("component ablation, zero", "decoy_heads"): (
        "two decoys always write the same constant. Without it the answer is off by as "
        "much in all episodes, so the model is harmed though it computes nothing less; "
        "means and resampling leave the constant in."
    ),
    ("identification", "class_means"): _NEAR_BAYES,
    ("identification", "two_layers"): _NEAR_BAYES,
}
