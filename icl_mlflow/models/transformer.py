"""The one transformer: parameters by their published names, and two ways through them.

A post-LN encoder with GELU, learned positions and a linear read-out at the query token.
What differs between variants is data: the embedding, where blocks normalise, how they
attend, what is frozen, what episodes are shown. Source: arXiv 2603.10573, whose
checkpoints load by name.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from icl_mlflow.models import forward
from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.attribution import Attribution, attribute
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.families import unfolded
from icl_mlflow.models.families.base import InContextModel
from icl_mlflow.models.forward import layer_parameters, layer_prefix
from icl_mlflow.models.initial import Layout, block, linear
from icl_mlflow.models.patching.activation import PairedRun
from icl_mlflow.models.sites import sites
from icl_mlflow.models.torch_twin import TorchTwin
from icl_mlflow.models.trace import Edit, Trace, cached, trace, unedited


class Transformer(InContextModel):
    """Answers a query from labelled context points, without any weight update.

    Args:
        architecture: the shape of the model.
        rng: the source of its initial weights, on the CPU; seed 0 if not given.
        copied_layers: start every block with the same weights, as
            ``torch.nn.TransformerEncoder`` does and the published model did.
    """

    @staticmethod
    def layout(architecture: Architecture) -> Layout:
        """Every parameter: its published name, its shape and how it starts.

        The embedding comes last and its position table at the very end, so that models
        that differ only there start with the same blocks and head from the same random
        numbers.
        """
        found: Layout = {}
        for index in range(architecture.n_layers):
            found |= block(layer_prefix(index), architecture.d_model)
        found |= linear("head", architecture.d_model, 1)
        return found | EMBEDDINGS[architecture.embedding].layout(architecture)

    def features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        """The features that the tokens of these episodes are linear in: (B, S, F)."""
        embedding = EMBEDDINGS[self.architecture.embedding]
        return embedding.features(context_x_BND, context_y_BN, query_x_BD)

    def logits(
        self,
        parameters: Parameters,
        features_BSF: Tensor,
        *,
        n_queries: int = 1,
        lengths_B: Tensor | None = None,
        may_fuse: bool = True,
    ) -> Tensor:
        """Log-odds of y_q = 1, in nats, by the fast path where there is one."""
        a = self.architecture
        if a.is_published:
            return forward.logits(
                parameters,
                a,
                features_BSF,
                n_queries=n_queries,
                lengths_B=lengths_B,
                may_fuse=may_fuse,
            )
        return unfolded.logits(
            parameters, a, features_BSF, n_queries=n_queries, lengths_B=lengths_B
        )

    def trace(
        self,
        context_x_BND: Tensor,
        context_y_BN: Tensor,
        query_x_BD: Tensor,
        edit: Edit = unedited,
    ) -> Trace:
        """The same logits by the full path, with every internal quantity beside them.

        Args:
            context_x_BND: as for `forward`.
            context_y_BN: as for `forward`.
            query_x_BD: as for `forward`.
            edit: may replace each quantity before it is used; see `Site`.

        Raises:
            ValueError: as for `forward`.
        """
        features_BSF = self._traced_features(context_x_BND, context_y_BN, query_x_BD)
        parameters = dict(self.named_parameters())
        return trace(parameters, self.architecture, features_BSF, edit)

    def run_with_cache(
        self,
        context_x_BND: Tensor,
        context_y_BN: Tensor,
        query_x_BD: Tensor,
        *,
        names: Collection[str] | Callable[[str], bool] | None = None,
        edit: Edit = unedited,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits (B,), in nats, and internal quantities by their hooks' names.

        The names are those of TransformerLens for a post-LN block, such as
        ``blocks.0.attn.hook_pattern``, and so are the shapes: ``hook_q``, ``hook_k``,
        ``hook_v`` and ``hook_z`` are (B, S, H, K). `Site` says what each is.

        Args:
            context_x_BND: as for `forward`.
            context_y_BN: as for `forward`.
            query_x_BD: as for `forward`.
            names: which are kept: names, or a function that says so of a name; all of
                them if not given.
            edit: may replace each quantity before it is used.

        Raises:
            ValueError: as for `forward`, or a name that no hook has.
        """
        features_BSF = self._traced_features(context_x_BND, context_y_BN, query_x_BD)
        return cached(
            dict(self.named_parameters()),
            self.architecture,
            features_BSF,
            wanted=self._wanted(names),
            edit=edit,
        )

    def attribution(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Attribution:
        """The logits as exact sums of what each part wrote: see `Attribution`.

        Args:
            context_x_BND: as for `forward`.
            context_y_BN: as for `forward`.
            query_x_BD: as for `forward`.

        Raises:
            ValueError: as for `forward`.
        """
        features_BSF = self._traced_features(context_x_BND, context_y_BN, query_x_BD)
        parameters = dict(self.named_parameters())
        return attribute(parameters, self.architecture, features_BSF)

    def paired_run(
        self,
        target: tuple[Tensor, Tensor, Tensor],
        source: tuple[Tensor, Tensor, Tensor],
    ) -> PairedRun:
        """The computation of two batches side by side, for patching: see `PairedRun`.

        Args:
            target: context points, labels and queries of the episodes to be patched.
            source: of as many others, from which the patches come.

        Raises:
            ValueError: as for `forward`, or batches of different shapes.
        """
        return PairedRun(
            dict(self.named_parameters()),
            self.architecture,
            self._traced_features(*target),
            self._traced_features(*source),
        )

    def as_torch(self) -> TorchTwin:
        """The same model of torch's modules: with its weights, for hooks.

        Changes of the one's weights are not seen by the other.

        Raises:
            ValueError: blocks that torch's encoder does not have.
        """
        self._check_traced()
        twin = TorchTwin(self.architecture)
        twin.load_state_dict(self.state_dict())
        weight = next(self.parameters())
        return twin.to(weight.device, weight.dtype).train(self.training)

    def _wanted(
        self, names: Collection[str] | Callable[[str], bool] | None
    ) -> Callable[[str], bool]:
        if names is None:
            return lambda _: True
        if callable(names):
            return names
        n_layers = self.architecture.n_layers
        known = [name for site in sites(n_layers) for name in site.hook_names(n_layers)]
        if unknown := [name for name in names if name not in known]:
            raise ValueError(
                f"no hook is called {unknown[0]!r}; there are: {', '.join(known)}"
            )
        return frozenset(names).__contains__

    def _traced_features(
        self, context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
    ) -> Tensor:
        self._check_traced()
        return self._checked_features(context_x_BND, context_y_BN, query_x_BD)

    def _check_traced(self) -> None:
        """Refuse to go the full path through blocks that it does not know.

        Raises:
            ValueError: names how these blocks differ.
        """
        a = self.architecture
        if not a.is_published:
            raise ValueError(
                "the full path goes through post-LN blocks with softmax attention, but "
                f"this model has norm={a.norm} and attention={a.attention}"
            )

    @torch.no_grad()
    def copy_layers(self) -> None:
        """Start every block with the weights of the first."""
        parameters = dict(self.named_parameters())
        for index in range(1, self.architecture.n_layers):
            for within, value in layer_parameters(parameters, 0).items():
                parameters[layer_prefix(index) + within].copy_(value)
