"""What the pages say of second looks: on Statistics for those who see events, of reviewers for administrators."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.domain.records import Decision, Source
from core.domain.roles import Principal, Role
from core.services.validation import Submitter
from dashboard import services as dashboard_services
from tests.pages.test_event_overview import metrics
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import Desk
from tests.support.second_looks import a_look, a_pass

ANYBODY = Submitter(Source.API)
A, R = Decision.APPROVED, Decision.REJECTED
#: The shares of second looks.
SWITCHED_ON = {"second_look_decisions": 0.25, "second_look_passes": 0.02}


def tables(app: AppTest) -> list[pd.DataFrame]:
    return [table.value for table in app.dataframe]


def table(app: AppTest, first_column: str) -> pd.DataFrame:
    (found,) = [each for each in tables(app) if each.columns[0] == first_column]
    return found.set_index(first_column)


def subheaders(app: AppTest) -> list[str]:
    return [each.value for each in app.subheader]


@pytest.fixture
def looked_at(desk: Desk) -> Desk:
    """Of 40 passes at a share of 0.05, 2 are wrong; of 50 approvals at 0.5, 10; of 20 rejections, 3."""

    def answer(wrong: bool, right: Decision) -> dict[str, Any]:
        second = (A if right is R else R) if wrong else right
        return {"second": second, "second_reason": "BLURRED" if second is R else None}

    looks = [a_pass(n, share=0.05, similarity=81 + n % 10, **answer(n < 2, A)) for n in range(40)]
    looks += [a_look(100 + n, **answer(n < 10, A)) for n in range(50)]
    looks += [a_look(200 + n, first=R, first_reason="BLURRED", **answer(n < 3, R)) for n in range(20)]
    for look in looks:
        desk.second_looks.add(look)
    return desk


def test_where_they_are_off_one_line_says_how_to_switch_them_on(run_page: RunPage) -> None:
    app = run_page("statistics", event_id="event-1")
    (line,) = [each.value for each in app.caption if "SECOND_LOOK_DECISIONS" in each.value]
    assert "switched off" in line
    assert subheaders(app) == []


class TestSwitchedOn:
    @pytest.fixture
    def more_settings(self) -> dict[str, Any]:
        return SWITCHED_ON

    def test_without_any_the_page_says_where_they_will_come_from(self, run_page: RunPage) -> None:
        app = run_page("statistics", event_id="event-1")
        (said,) = [each.value for each in app.info if "second look" in each.value]
        assert "25.0% of the decisions and 2.0% of the photos that passed" in said
        assert "False accepts" not in metrics(app)


def test_the_error_rates_are_those_of_all_cases_not_of_the_looks(run_page: RunPage, looked_at: Desk) -> None:
    app = run_page("statistics", event_id="event-1")
    # 2 x 20 + 10 x 2 of 40 x 20 + 50 x 2 cases; 3 of 20.
    found = metrics(app)
    assert (found["False accepts"], found["False rejects"]) == ("6.7%", "15.0%")
    assert "Estimated from 90 second looks, of which 12 differ." in text_of(app)
    assert "Under 30 second looks" in text_of(app)
    by_first = table(app, "First answer")
    assert by_first["Second looks"].tolist() == [40, 50, 20]
    assert by_first["Estimated"].tolist() == [0.05, 0.2, 0.15]
    assert (by_first["From"] < by_first["Estimated"]).all()


def test_what_was_not_sampled_is_said(run_page: RunPage, looked_at: Desk) -> None:
    assert "Photos that failed by themselves are not looked at again" in text_of(run_page("statistics"))


def test_another_threshold_says_how_many_it_would_let_through_wrongly(
    run_page: RunPage, looked_at: Desk, astronaut_jpeg: bytes
) -> None:
    looked_at.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    # The wrong ones have a similarity of 81 and 82: 24 looks reach 85.
    said = text_of(run_page("statistics", event_id="event-1", threshold="85"))
    assert "about 0.0 of 100 people who would pass by themselves at 85" in said
    assert "(24 second looks)" in said


def test_an_administrator_sees_how_far_reviewers_agree(run_page: RunPage, looked_at: Desk) -> None:
    app = run_page("statistics", event_id="event-1")
    by_reviewer = table(app, "Reviewer")
    assert list(by_reviewer.index) == ["All", "Ada", "Bob"]
    # 40 both approve, 10 and 3 differ, 17 both reject: 57 of 70. By chance (50 x 43 + 20 x 27) / 4900 = 0.548980.
    assert by_reviewer["Kappa"]["All"] == pytest.approx((57 / 70 - 0.548980) / (1 - 0.548980), abs=1e-5)
    assert by_reviewer["Cases"].tolist() == [70, 70, 70]
    # One or both rejected 30, and there is one reason only: 17 by both, and whoever names it rejects.
    by_reason = table(app, "Reason").loc["Blurred"]
    assert (by_reason["Cases"], by_reason["Same answer"]) == (30, 17 / 30)
    assert by_reason["Kappa"] == by_reviewer["Kappa"]["All"]


def test_where_there_is_no_kappa_the_page_says_why(run_page: RunPage, desk: Desk) -> None:
    for number in range(40):
        desk.second_looks.add(a_look(number, second_reviewer="Ada" if number < 35 else "Cleo"))
    why = table(run_page("statistics", event_id="event-1"), "Reviewer")["Why no kappa"]
    assert why["Ada"] == "one side gave the same answer every time"
    assert why["Cleo"] == "too few cases"


def test_nobody_else_sees_the_reviewers(run_page: RunPage, looked_at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    others = Principal(id="x", name="Cleo", roles=frozenset(set(Role) - {Role.ADMIN}))
    monkeypatch.setattr(dashboard_services, "local", lambda *_: others)
    app = run_page("statistics", event_id="event-1")
    assert "False accepts" in metrics(app)
    assert "Agreement of reviewers" not in subheaders(app)
    assert not [each for each in tables(app) if "Reviewer" in each.columns]
    assert "Compare the reviewers" not in [each.label for each in run_page("operations").button]


def test_an_administrator_compares_the_reviewers_of_all_events_when_asked(run_page: RunPage, looked_at: Desk) -> None:
    app = run_page("operations")
    assert "Agreement of reviewers" not in subheaders(app)
    assert table(press(app, "Compare the reviewers"), "Reviewer")["Cases"]["Ada"] == 70


def test_looks_at_passes_alone_are_no_agreement(run_page: RunPage, desk: Desk) -> None:
    desk.second_looks.add(a_pass())
    assert "Nobody has taken a second look at a decision" in text_of(run_page("statistics", event_id="event-1"))


def test_a_store_out_of_reach_is_a_banner_and_the_charts_stay(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch, astronaut_jpeg: bytes
) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    monkeypatch.setattr(type(desk.second_looks), "of_event", down("second looks"))
    app = run_page("statistics", event_id="event-1")
    assert "Could not read the second looks." in failure(app)
    assert len(app.error) == 1
    assert metrics(app)["Validated"] == "1"
