"""What a person would complain about on a page: asked of it in three languages and both themes."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.browser import tour

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
OUTSIDE = """() => {
  const boxes = [...document.querySelectorAll('.panel, .call, .top, .strip, .head')];
  const skip = '.vh, [popover], .scroll, .agents, .cut, .sprite';
  const name = (e) => `${e.tagName}.${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 40)}`;
  const out = boxes.flatMap((box) => {
    const edge = box.getBoundingClientRect();
    return [...box.querySelectorAll('*')].filter((e) => {
      const r = e.getBoundingClientRect();
      const seen = r.width && getComputedStyle(e).visibility !== 'hidden' && !e.closest(skip);
      return seen && (r.right > edge.right + 1 || r.left < edge.left - 1);
    }).map((e) => `${box.className}: ${name(e)}`);
  });
  const panes = [document.documentElement, ...document.querySelectorAll('.scroll, .agents')];
  return out.concat(panes.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => `scrolls sideways: ${name(e)}`));
}"""


async def look(page: Page, name: str, *, languages: tuple[str, ...] = tour.ALL) -> None:
    """Goes through languages and themes; asserts what a person would complain about.

    What axe says of the dark theme does not hang on the language: it is asked in one.
    """
    shown = await page.evaluate("document.documentElement.lang")
    for lang in languages or (shown,):
        if languages and await page.locator("#me").count():
            await tour.speak(page, lang)
        for theme in ("light", "dark") if lang == (languages or (shown,))[-1] else ("light",):
            await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            await page.evaluate("document.fonts.ready")
            found = await Axe().run(page, options=RULES)
            bad = [
                f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0].get('failureSummary', '')[:200]}"
                for v in found.response["violations"] if v["impact"] in {"serious", "critical"}
            ]  # fmt: skip
            assert bad == [], f"{name} {lang} {theme}: {bad}"
        outside = await page.evaluate(OUTSIDE)
        assert outside == [], f"{name} {lang}: {outside}"
