"""Errors as they travel between processes."""

import pickle

from vitrina.search.types.errors import FetchError


def test_an_error_stays_whole_when_it_is_pickled() -> None:
    error = pickle.loads(pickle.dumps(FetchError("No.", remedy="Correct the URL.", details={"status": 404})))
    assert type(error) is FetchError
    assert (error.message, error.remedy, error.details) == ("No.", "Correct the URL.", {"status": 404})
    assert str(error) == "No. Correct the URL."
