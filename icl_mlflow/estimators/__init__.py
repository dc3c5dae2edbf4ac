"""Classical in-context estimators: a name, and where the one with that name lives.

What a trained model has to beat, on the same episodes. Each is called with a task and
episodes and answers log-odds of y_q = 1; those whose answer is only a score are brought
to nats by `icl_mlflow.estimators.tuning.Calibrated`.
"""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.estimators.base import Estimator

_HERE = "icl_mlflow.estimators"

ESTIMATORS: "Registry[Estimator]" = Registry(
    "estimator",
    {
        "bayes": f"{_HERE}.reference:BAYES",
        "oracle": f"{_HERE}.reference:ORACLE",
        "plug_in": f"{_HERE}.reference:PLUG_IN",
        "lda": f"{_HERE}.discriminant:LDA",
        "lda_identity": f"{_HERE}.discriminant:LDA_IDENTITY",
        "lda_known_distance": f"{_HERE}.discriminant:LDA_KNOWN_DISTANCE",
        "lda_sparse": f"{_HERE}.sparse:LDA_SPARSE",
        "qda": f"{_HERE}.discriminant:QDA",
        "logistic": f"{_HERE}.regression:LOGISTIC",
        "ridge": f"{_HERE}.regression:RIDGE",
        "sign_product": f"{_HERE}.product:SIGN_PRODUCT",
        "signed_ridge": f"{_HERE}.product:SIGNED_RIDGE",
        "knn": f"{_HERE}.vote:KNN",
        "kernel_dot": f"{_HERE}.vote:KERNEL_DOT",
        "kernel_rbf": f"{_HERE}.vote:KERNEL_RBF",
        "kernel_log_norm": f"{_HERE}.vote:KERNEL_LOG_NORM",
    },
    group="icl_mlflow.estimators",
)
