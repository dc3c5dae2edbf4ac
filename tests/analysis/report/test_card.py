"""A result in a notebook is a table in which no name becomes markup."""

from icl_mlflow.analysis.report.card import card
from tests.analysis.report.test_page import HOSTILE, Page


def test_every_row_is_there_in_order_and_the_title_leads_to_the_run() -> None:
    rows = {"accuracy": "0.78", "run": "4f2a"}
    page = Page(card("A-baseline-seed0", rows, "http://x/#/1"))
    assert page.all("a") == [{"href": "http://x/#/1"}]
    assert page.text == "A-baseline-seed0accuracy0.78run4f2a"
    assert len(page.all("tr")) == len(page.all("th")) == len(page.all("td")) == 2


def test_names_of_others_stay_text() -> None:
    page = Page(card(HOSTILE, {HOSTILE: HOSTILE}, f'"{HOSTILE}'))
    assert page.all("script") == []
    assert page.all("a") == [{"href": f'"{HOSTILE}'}]
    assert page.text == HOSTILE * 3
