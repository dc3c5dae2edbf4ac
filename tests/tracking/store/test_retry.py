"""What may pass is tried again; what a store refuses is said at once."""

import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.store import retry
from icl_mlflow.tracking.store.retry import is_passing, repeated


class Store:
    """Fails as it is told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.n_calls, self._failures = 0, list(failures)

    def __call__(self) -> str:
        self.n_calls += 1
        if self._failures:
            raise self._failures.pop(0)
        return "answer"


LOCKED = MlflowException("(sqlite3.OperationalError) database is locked")
REFUSED = MlflowException("Run 'abc' not found")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.001)


def test_a_busy_store_is_asked_until_it_answers() -> None:
    store = Store(LOCKED, LOCKED, LOCKED)
    assert repeated(store) == "answer"
    assert store.n_calls == 4


@pytest.mark.parametrize("failure", [REFUSED, ValueError("database is locked")])
def test_a_refusal_and_a_fault_of_ours_are_raised_at_once(failure: Exception) -> None:
    store = Store(failure)
    with pytest.raises(type(failure)):
        repeated(store)
    assert store.n_calls == 1


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PATIENCE", 0.05)
    store = Store(*[LOCKED] * 1000)
    with pytest.raises(MlflowException, match="locked"):
        repeated(store)
    assert 1 < store.n_calls < 100


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("Deadlock found when trying to get lock", True),
        ("could not serialize access due to concurrent update", True),
        ("Connection refused", True),
        ("Read timed out", True),
        ("certificate verify failed", False),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", False),
        ("INVALID_PARAMETER_VALUE: Changing param values is not allowed", False),
        ("API request to endpoint /x failed with error code 403 != 200", False),
    ],
)
def test_what_others_or_the_way_have_caused_may_pass(
    text: str, *, passes: bool
) -> None:
    assert is_passing(MlflowException(text)) is passes
