"""The page, in a real browser."""

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.inference.conftest import Live

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser_page() -> Generator[Page]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium on this machine (Debian package: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page()
        browser.close()


@pytest.fixture
def page(browser_page: Page, service: Live) -> Page:
    browser_page.goto(service.url)
    browser_page.wait_for_selector("#fields input")
    return browser_page


def test_a_person_picks_an_example_and_reads_the_answer(page: Page, service: Live) -> None:
    examples = service.client.get("/examples").json()
    page.get_by_label("Start from a real example").select_option(index=3)
    assert page.get_by_label("Amount").input_value() == str(examples[3]["amount"])
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector(".probability")
    answer = service.client.post("/predict", json=examples[3]).json()["predictions"][0]
    shown = page.locator(".probability").inner_text()
    assert shown == f"{100 * answer['probability']:.1f} %"
    assert float(page.get_by_label("Probability").get_attribute("value") or 0) == pytest.approx(
        answer["probability"]
    )
    assert f"version {service.version()}" in page.locator("#by").inner_text()
    assert page.locator("tbody tr").count() == len(answer["reasons"])


def test_errors_and_warnings_are_words_and_never_markup(page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    markup = "<img src=x onerror=alert(1)>"
    page.get_by_label("Size class").fill(markup)
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector(".warning")
    assert markup in page.locator(".warning").inner_text()
    page.get_by_label("Shop").fill(markup)
    page.get_by_role("button", name="Predict").click()
    page.wait_for_selector("[role=alert]")
    assert "is not known to the model" in page.locator("[role=alert]").inner_text()
    assert page.get_by_label("Shop").get_attribute("aria-invalid") == "true"
    assert page.locator("#answer img").count() == 0
    page.get_by_label("Shop").fill("a1")
    page.get_by_label("Amount").fill("many")
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("valid integer").wait_for()
    assert dialogs == []


def test_it_fits_a_phone_and_loads_nothing_from_elsewhere(page: Page, service: Live) -> None:
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(service.url)
    page.wait_for_selector("#fields input")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator("input, select").all():
        assert control.evaluate("each => each.labels.length") == 1
    assert len(asked) >= 5
    assert all(url.startswith(service.url) for url in asked)
    assert faults == []
