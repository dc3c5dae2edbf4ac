"""Ask the tracking store for a sign of life before anything slow is imported.

A wrong password is said within a second, where torch and MLflow take several.
"""

from icl_mlflow.cli.errors import usage_errors


def ask_store(*, to_write: bool = True) -> None:
    """Refuse, as bad input, a store that runs could not be written to, or read from.

    A database that is there already is asked later: that takes MLflow.
    """
    from icl_mlflow.tracking.store.preflight import check_outside
    from icl_mlflow.tracking.store.uri import StoreError, tracking_uri

    with usage_errors(StoreError):
        check_outside(tracking_uri(), to_write=to_write)


def ask_store_with_runs(*, to_write: bool) -> None:
    """Refuse, as bad input, a store that there are no runs in yet."""
    from icl_mlflow.tracking.store.preflight import check_exists
    from icl_mlflow.tracking.store.uri import StoreError, tracking_uri

    with usage_errors(StoreError):
        check_exists(tracking_uri())
    ask_store(to_write=to_write)
