"""What a player shows, as an eye would see it."""

from attrs import frozen
from playwright.sync_api import Locator, Page, expect

_VIDEO = "document.querySelector('.player video')"
_PICTURE = """() => {
    const canvas = new OffscreenCanvas(64, 36), context = canvas.getContext('2d')
    context.drawImage(document.querySelector('.player video'), 0, 0, 64, 36)
    const { data } = context.getImageData(0, 0, 64, 36)
    return Array.from({ length: 64 * 36 }, (_, at) => Math.round((data[4 * at] + data[4 * at + 1] + data[4 * at + 2]) / 3))
}"""
CONTRAST = 40
"""How far apart the brightest and the darkest place of a picture are at least, of 255."""


@frozen
class Screen:
    page: Page

    @property
    def player(self) -> Locator:
        return self.page.locator(".player")

    def plays(self, seconds: float = 0.7) -> float:
        """Once it has played on for so long; the time where it is."""
        self.page.wait_for_function(f"() => {_VIDEO}?.readyState >= 2")
        start = self.time
        self.page.wait_for_function(f"(to) => {_VIDEO}.currentTime >= to && !{_VIDEO}.paused", arg=start + seconds)
        return self.time

    @property
    def time(self) -> float:
        time: float = self.page.evaluate(f"() => {_VIDEO}.currentTime")
        return time

    @property
    def height(self) -> int:
        """Of the rendition that is shown, in pixels."""
        height: int = self.page.evaluate(f"() => {_VIDEO}.videoHeight")
        return height

    def picture(self) -> list[int]:
        """Brightness of 64 by 36 places."""
        picture: list[int] = self.page.evaluate(_PICTURE)
        return picture

    def assert_seen(self) -> None:
        """Neither black nor of one colour, and it moves."""
        first = self.picture()
        assert max(first) - min(first) > CONTRAST
        self.plays(0.3)
        assert self.picture() != first

    def choose(self, group: str, choice: str) -> None:
        """In the menu of settings."""
        self.player.hover()
        self.player.get_by_role("button", name="Settings").click()
        self.player.get_by_role("menuitem", name=group).click()
        self.player.get_by_role("menuitemradio", name=choice, exact=True).click()

    def becomes(self, height: int) -> None:
        """Once the rendition of that height is shown."""
        self.page.wait_for_function(f"(height) => {_VIDEO}.videoHeight === height", arg=height)

    def press(self, key: str) -> None:
        expect(self.player).to_be_visible()
        self.page.keyboard.press(key)
