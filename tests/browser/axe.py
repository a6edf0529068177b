"""What axe-core finds on a page: the rules of WCAG that a program can check."""

from pathlib import Path

from playwright.sync_api import Page

from tests.journey.server import ROOT

_AXE: Path = ROOT / "entrypoints" / "http" / "web" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, any }) =>
        `${id}: ${help}: ${html.slice(0, 200)}: ${any.map(({ message }) => message).join('; ').slice(0, 200)}`))
}"""


def violations(page: Page) -> list[str]:
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE.read_text())  # from outside, so the page's policy does not forbid it
    found: list[str] = page.evaluate(_RUN)
    return found
