"""The console in a real browser, against the real service."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from model_store import ModelStore, open_store
from tests.chromium import PROGRAM, Page, chromium
from tests.doc_blocks import ROOT
from tests.eventually import eventually
from tests.system.running import Service, publish, service

AXE = ROOT / "tests" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
IMAGE = ROOT / "examples" / "espresso.jpg"
TOKEN = "a-token-of-the-console-test"
NARROW = 360
# Whoever publishes chooses this name; it must stay text.
PUBLISHER = "<img src=x onerror=alert(1)>"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium isn't installed"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    folder = tmp_path_factory.mktemp("console")
    store = open_store(f"file://{folder / 'shelf'}")
    os.environ["HOTSHELF_USER"] = PUBLISHER
    try:
        for version in (1, 2):
            publish(store, folder / "version", favours=version)
        store.label("resnet50", "production", 1)
    finally:
        del os.environ["HOTSHELF_USER"]
    return store


@pytest.fixture(scope="module")
def running(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with service(store.url, folder, HOTSHELF_ADMIN_TOKENS=f"ada:{TOKEN}") as running:
        eventually(
            lambda: list(running.states().values()) == ["AVAILABLE"] * 2,
            within_s=20,
            what="both versions are served",
        )
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page, running: Service) -> Page:
    """The console, just opened, without a token."""
    browser.look()
    browser.open(f"{running.url}/healthz")
    browser.evaluate("sessionStorage.clear()")
    browser.complaints.clear()
    browser.requested.clear()
    browser.open(running.url)
    browser.wait_until("document.querySelectorAll('.version').length === 2")
    return browser


def operate(page: Page, token: str = TOKEN) -> None:
    page.click("#operator")
    page.evaluate("document.querySelector('#token').focus()")
    page.type(token)
    page.press("Enter")
    page.wait_until("document.querySelector('[data-act=\"promote 2\"]') !== null")


def labelled(store: ModelStore) -> int:
    return store.catalog("resnet50").labels["production"]


def test_an_image_is_answered_with_five_bars_and_the_version(page: Page) -> None:
    page.choose_file("#file", IMAGE)
    page.wait_until("document.querySelectorAll('.bars li').length === 5")
    assert page.text(".bars .best .name") == "class 2"
    assert "Version 2 answered" in page.text("#answer")
    page.evaluate("ask.value = '&label=production'; ask.dispatchEvent(new Event('change'))")
    page.wait_until("document.querySelector('#answer').innerText.includes('Version 1 answered')")
    assert page.text(".bars .best .name") == "class 1"


def test_an_image_may_be_dropped_or_pasted(page: Page) -> None:
    for event, holder in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate("document.querySelector('#answer').replaceChildren()")
        page.evaluate(
            f"""(async () => {{
                const drawn = new OffscreenCanvas(64, 64);
                drawn.getContext('2d').fillRect(8, 8, 30, 30);
                const files = new DataTransfer();
                const png = await drawn.convertToBlob();
                files.items.add(new File([png], 'x.png', {{type: 'image/png'}}));
                const event = new Event('{event}', {{bubbles: true, cancelable: true}});
                event['{holder}'] = files;
                document.body.dispatchEvent(event);
            }})()"""
        )
        page.wait_until("document.querySelectorAll('.bars li').length === 5")


def test_what_is_no_image_is_answered_in_words(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("no image")
    page.choose_file("#file", file)
    page.wait_until("document.querySelector('#answer .notice') !== null")
    assert "image" in page.text("#answer .notice")
    # The browser itself can't show it either, and says so nowhere; the answer was 400.
    assert all("400" in each for each in page.complaints)
    page.complaints.clear()


def test_a_label_is_promoted_and_rolled_back_by_keyboard_alone(
    page: Page, store: ModelStore
) -> None:
    operate(page)
    page.evaluate("document.querySelector('[data-act=\"promote 2\"]').focus()")
    page.press("Enter")
    page.wait_until("document.querySelector('#confirm').open")
    assert page.text("#confirm-title") == "Promote version 2"
    page.press("Enter")
    page.wait_until("document.querySelector('#said').textContent.includes('version 2')")
    assert labelled(store) == 2
    page.wait_until("document.querySelector('#labels').innerText.includes('version 2')")

    page.evaluate("document.querySelector('[data-act=\"back production\"]').focus()")
    page.press("Enter")
    page.wait_until("document.querySelector('#confirm').open")
    page.press("Escape")
    page.wait_until("!document.querySelector('#confirm').open")
    assert labelled(store) == 2
    page.click('[data-act="back production"]')
    page.click("#confirm-yes")
    page.wait_until("document.querySelector('#said').textContent.includes('version 1')")
    assert labelled(store) == 1
    page.wait_until("document.querySelector('#history').innerText.includes('2 → 1')")
    assert "ada" in page.text("#history")
    assert store.catalog("resnet50").history[-1].by.split("@")[0] == "ada"
    assert page.complaints == []


def test_a_wrong_token_changes_nothing_and_says_so(page: Page, store: ModelStore) -> None:
    operate(page, token="made-up")
    page.click('[data-act="promote 2"]')
    page.click("#confirm-yes")
    page.wait_until("!document.querySelector('#confirm-error').hidden")
    assert "token" in page.text("#confirm-error")
    assert labelled(store) == 1
    page.click("#confirm-no")
    page.complaints.clear()


def test_the_token_stays_in_the_tab_and_can_be_forgotten(page: Page) -> None:
    operate(page)
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    assert TOKEN not in page.evaluate("document.documentElement.outerHTML")
    page.click("#forget")
    page.wait_until("document.querySelector('[data-act]') === null")
    assert page.evaluate("sessionStorage.length") == 0


def test_what_others_wrote_stays_text(page: Page) -> None:
    assert PUBLISHER in page.text("#versions")
    assert page.evaluate("document.querySelectorAll('#versions img').length") == 0
    assert page.complaints == []


def test_nothing_is_asked_of_another_host(page: Page, running: Service) -> None:
    page.wait_until("document.querySelectorAll('.line').length === 6")
    hosts = {urlsplit(each).netloc for each in page.requested if not each.startswith("blob:")}
    assert hosts == {urlsplit(running.url).netloc}
    assert page.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, NARROW])
def test_everybody_can_use_it(page: Page, width: int, dark: bool) -> None:
    """No finding of axe-core (WCAG 2.2 A and AA, best practice), also with the dialog open."""
    page.look(width=width, dark=dark)
    page.choose_file("#file", IMAGE)
    page.wait_until("document.querySelectorAll('.bars li').length === 5")
    operate(page)
    page.evaluate(AXE.read_text())
    assert findings(page) == []
    page.click('[data-act="promote 2"]')
    assert findings(page) == []
    page.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_checker_finds_what_is_wrong(page: Page) -> None:
    page.evaluate(AXE.read_text())
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(each.startswith("image-alt") for each in findings(page))


def findings(page: Page) -> list[str]:
    found = json.loads(
        page.evaluate("axe.run(document).then((result) => JSON.stringify(result.violations))")
    )
    return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]


def test_every_control_can_be_reached_by_tab(page: Page) -> None:
    operate(page)
    page.evaluate("document.activeElement.blur()")
    wanted = {"ask", "file", "operator", "forget", "promote 2", "back production"}
    reached = set()
    for _ in range(25):
        page.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.dataset.act || document.activeElement.id")
        )
    assert wanted <= reached


def test_without_the_engine_it_says_so_and_recovers(page: Page, running: Service) -> None:
    engine = running.engine_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        page.wait_until("document.querySelector('#status').dataset.kind === 'bad'", within_s=30)
        assert page.text("#trouble") != ""
    finally:
        os.kill(engine, signal.SIGKILL)
    page.wait_until("document.querySelector('#status').dataset.kind === 'good'", within_s=30)
    page.complaints.clear()


def answers(running: Service) -> bool:
    try:
        return requests.get(f"{running.url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_an_empty_shelf_is_an_empty_page_that_says_what_it_waits_for(
    browser: Page, tmp_path: Path
) -> None:
    browser.look()
    with service(f"file://{tmp_path / 'shelf'}", tmp_path / "service", wait=False) as empty:
        eventually(lambda: answers(empty), within_s=20, what="the service answers")
        browser.open(empty.url)
        browser.wait_until("document.querySelector('.empty') !== null")
        assert "holds no version" in browser.text("#trouble")
        browser.evaluate(AXE.read_text())
        assert findings(browser) == []
