"""What these tests stand on: nothing that goes wrong in a browser goes unseen."""

import pytest

from tests.browser.conftest import Visit

STYLE = "const style = document.createElement('style'); style.textContent = 'a {}'; document.head.append(style)"
SCRIPT = "const script = document.createElement('script'); script.textContent = 'document.title = 1'; document.head.append(script)"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('broken')", "console: broken"),
        ("setTimeout(() => { throw new Error('thrown') })", "error: thrown"),
        ("Promise.reject(new Error('rejected'))", "error: rejected"),
        ("fetch('http://192.0.2.1/')", "console: csp connect-src"),
        ("location.href = 'http://192.0.2.1/'", "another machine: http://192.0.2.1/"),
        ("fetch('/v1/videos/vid_none')", "answer: GET /v1/videos/vid_none 404"),
        ("setTimeout(() => alert('Hi'))", "dialog: alert Hi"),
        ("setTimeout(() => eval('1'))", "console: csp script-src"),
        (STYLE, "console: csp style-src-elem"),
        (SCRIPT, "console: csp script-src-elem"),
        ("document.body.setAttribute('style', 'color: red')", "console: csp style-src-attr"),
    ],
)
def test_what_goes_wrong_is_seen(visit: Visit, script: str, said: str) -> None:
    visitor = visit()
    visitor.open("/")
    visitor.page.evaluate(f"() => {{ {script} }}")
    visitor.until(said, lambda: any(line.startswith(said) for line in visitor.wrong))
    visitor.wrong.clear()
