"""Other ways to compute, at the paper's number of parameters.

What each ends above the baseline, on the same episodes, is its architecture gap in
nats. None of these is in the paper.
"""

from icl_mlflow.variants.base import Variant

PRE_NORM = Variant(
    question="Does it matter where the blocks normalise?",
    norm="pre",
)

LINEAR_ATTENTION = Variant(
    question="Must attention choose by a softmax, or is a weighted mean enough?",
    attention="linear",
)

MLP = Variant(
    question="Does the test need attention, or will one vector of all points do?",
    family="mlp",
)

LSTM = Variant(
    question="Can a state that is carried from point to point hold the evidence?",
    family="lstm",
)
