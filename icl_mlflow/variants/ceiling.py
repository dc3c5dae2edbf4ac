r"""What could the best of all predictors do with what a variant shows at evaluation?

Without labels, naming the classes the other way round changes nothing of what is seen:
the answer is a coin flip, exactly. With the labels shuffled it is not: their counts
tell which class is the larger, and so which cluster of points carries which label,
where clusters can be told apart. That posterior has no closed form; a bound comes from
a predictor that is also told the two classes, but not which of them is y = 1. With
r_i = exp(LLR(x_i)) at the context points, n_1 of them labelled 1 and n_0 labelled 0,
the log-odds of the two namings are

    w = log e_{n_1}(r) - log e_{n_0}(r),    e_j the elementary symmetric polynomials,

and those of the query, whose log-likelihood ratio is L under the first naming,

    logit = log (e^{w + L} + 1) - log (e^w + e^L).

Everything else shows a context as it was drawn, or in another order: the ceiling is the
exact Bayes predictor. Label noise in training alone does not lower it.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task
from icl_mlflow.variants.base import Variant
from icl_mlflow.variants.compose import reads_labels


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The best predictor's answers, or those of one that knows more.

    Attributes:
        logit_B: log-odds of y_q = 1, float64, nats.
        is_exact: whether they can be reached; if not, no predictor can do better.
    """

    logit_B: Tensor
    is_exact: bool


def ceiling(variant: Variant, task: Task, episodes: Episodes) -> Ceiling:
    """The ceiling of a variant on these episodes, as they were drawn.

    Args:
        variant: decides what of the episodes is seen.
        task: with the parameters that the episodes were drawn with. Its classes are
            exchangeable: swapping their parameters leaves its distribution as it is.
        episodes: before any intervention, with their latents.
    """
    if not reads_labels(variant.embedding):
        logit_B = torch.zeros(len(episodes), dtype=torch.float64)
        return Ceiling(logit_B=logit_B, is_exact=True)
    if "labels" in variant.on_eval.changes:
        return Ceiling(logit_B=_told_the_classes(task, episodes), is_exact=False)
    return Ceiling(logit_B=task.bayes_logit(episodes), is_exact=True)


def _told_the_classes(task: Task, episodes: Episodes) -> Tensor:
    """Log-odds given latents and label counts, but not which class is which: (B,)."""
    n_context = episodes.n_context
    llr_BN = torch.stack(
        [
            task.oracle_llr(replace(episodes, query_x_BD=x_BD))
            for x_BD in episodes.context_x_BND.unbind(1)
        ],
        dim=1,
    )
    log_e = _log_symmetric_polynomials(llr_BN)
    n_one_B1 = episodes.context_y_BN.sum(1, keepdim=True)
    w_B = (log_e.gather(1, n_one_B1) - log_e.gather(1, n_context - n_one_B1))[:, 0]
    llr_B = task.oracle_llr(episodes)
    zero_B = torch.zeros_like(llr_B)
    return torch.logaddexp(w_B + llr_B, zero_B) - torch.logaddexp(w_B, llr_B)


def _log_symmetric_polynomials(log_r_BN: Tensor) -> Tensor:
    """Logs of e_0(r) to e_N(r), by adding one r at a time: (B, N + 1)."""
    n_episodes, n_context = log_r_BN.shape
    log_e = log_r_BN.new_full((n_episodes, n_context + 1), -torch.inf)
    log_e[:, 0] = 0.0
    for log_r_B in log_r_BN.unbind(1):
        with_it = log_e[:, :-1] + log_r_B.unsqueeze(-1)
        log_e[:, 1:] = torch.logaddexp(log_e[:, 1:], with_it)
    return log_e
