"""Schemathesis, briefly; `make schemathesis` does ten times as much."""

import pytest

from tests.fuzz.result import Result
from tests.fuzz.run import run
from tests.openapi import whole_document


# Schemathesis reads the multipart bodies that it has sent with werkzeug, and leaves the files to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_thousands_of_requests_are_answered_as_the_document_says() -> None:
    result = Result()
    run(result, examples=5, seed=1)
    assert not result.faults, result.words()
    assert result.cases >= 2000
    assert result.operations >= set(labels())
    # Neither a rate nor the login stood between the requests and what they ask for. Who signs in wrongly gets 401.
    assert {200, 400, 404, 405, 409, 415} <= result.statuses.keys() <= {200, 304, 400, 401, 403, 404, 405, 409, 415}


def test_a_stranger_is_refused_whatever_is_sent() -> None:
    result = Result()
    run(result, examples=2, seed=1, random_only=True, as_stranger=True)
    assert not result.faults, result.words()
    # Whoever asks who has signed in is told by 204 that nobody has.
    open_to_all = {label for label, operation in labels().items() if operation.get("security") == []}
    assert result.let_in <= {*open_to_all, "GET /console/session"}
    assert result.statuses[401] > 50


def labels() -> dict[str, dict[str, list[str]]]:
    """All operations as Schemathesis calls them."""
    paths = whole_document()["paths"]
    return {f"{method.upper()} {path}": said for path, methods in paths.items() for method, said in methods.items()}
