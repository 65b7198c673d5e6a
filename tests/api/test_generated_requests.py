"""Requests made from the served OpenAPI document, right ones and wrong ones: the server keeps what it says."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from core.domain.records import Source
from core.services.validation import Submitter
from tests.support.desk import REFERENCE_KEY, Desk

#: What is there, for some of the requests to find.
KNOWN = {"userId": "user-1", "registrationId": "reg-1", "eventId": "event-1"}
#: For each of the document's operations, and as many with something wrong on purpose.
CASES = 100


def ask_as_documented(operation: Any, mode: GenerationMode) -> Counter[int]:
    """Ask, check each answer against the document, and return how often each status came."""
    answered: Counter[int] = Counter()

    @hypothesis.settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), known=strategies.booleans())
    def ask(case: Case, known: bool) -> None:
        if known and mode is GenerationMode.POSITIVE:
            for name in KNOWN.keys() & (case.path_parameters or {}).keys():
                case.path_parameters[name] = KNOWN[name]
            if case.media_type == "application/json":
                case.body = {"faceImageKey": REFERENCE_KEY}
        answer = case.call()
        answered[answer.status_code] += 1
        # A schema cannot say which bytes are a photo: of the forms that fit it, most hold none.
        not_told = [positive_data_acceptance] if case.media_type == "multipart/form-data" else []
        case.validate_response(answer, excluded_checks=not_told)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        # It takes ids alone, and any text may be one: no request for it is wrong.
        assert mode is GenerationMode.NEGATIVE
        assert not answered
    return answered


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_what_is_generated_is_answered_as_documented(
    served: str, desk: Desk, astronaut_jpeg: bytes, mode: GenerationMode
) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", Submitter(Source.API))
    desk.references.run("event-1", threading.Event())
    schema = schemathesis.openapi.from_url(f"{served}/api/openapi.json")
    by_operation = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        by_operation[operation.label] = ask_as_documented(operation, mode)
    asked = sum(answered.total() for answered in by_operation.values())
    assert not [status for answered in by_operation.values() for status in answered if status >= 500]
    assert asked >= 500, by_operation  # the two modes together: more than a thousand
    if mode is GenerationMode.POSITIVE:
        assert [label for label, answered in by_operation.items() if not answered[200]] == []
