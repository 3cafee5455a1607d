"""The report in a real browser: accessible, nothing clipped or overlapping, on a screen and on a phone."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from exostride.analysis.store import Store
from exostride.analysis.summary import analyse
from exostride.bench.made_session import MadeSession, write
from exostride.report.html import session_page
from exostride.report.language import LANGUAGES, Language
from exostride.report.progress_page import progress_page

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / ".cache" / "browser" / "axe_playwright_python" / "axe.min.js"
BROWSER = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
READY = BROWSER is not None and AXE.is_file()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not READY, reason="NO BROWSER CHECK OF THE REPORTS: run tools/browser.sh once"),
]

# Run inside the page: what is wider than the page, cut off by its drawing, or written over something else.
# Letters fill about the middle half of their line's box, so boxes may overlap by less than that.
LOOK = """
function look() {
  const bad = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide + 1) bad.push('page is wider than the screen');
  for (const svg of document.querySelectorAll('svg')) {
    const name = svg.getAttribute('aria-label').slice(0, 60), box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([text, r], i) => {
      if (r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 2
          || r.bottom > box.bottom + 2)
        bad.push('cut off: ' + text + ' in ' + name);
      for (const [other, s] of texts.slice(i + 1)) {
        const x = Math.min(r.right, s.right) - Math.max(r.left, s.left);
        const y = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
        if (x > 1 && y > 0.4 * Math.min(r.height, s.height))
          bad.push('overlap: ' + text + ' / ' + other + ' in ' + name);
      }
    });
  }
  for (const cell of document.querySelectorAll('td, th, .tiles li, dd, li'))
    if (cell.scrollWidth > cell.clientWidth + 1 && getComputedStyle(cell).display !== 'inline')
      bad.push('too narrow: ' + cell.textContent.trim().slice(0, 60));
  return bad;
}
"""


def in_browser(pages, folder):
    """Return what axe and :data:`LOOK` find on each page; one start of the browser for all."""
    scripts = f"<script>{AXE.read_text()}</script><script>{LOOK}</script></head>"
    frames = "".join(
        f'<template data-name="{name}" data-page="{escape(text)}"></template>'
        for name, text in ((name, page.replace("</head>", scripts)) for name, page in pages.items())
    )
    outer = f"""<!doctype html><title>check</title><pre id="out">no answer</pre>{frames}
<script>(async () => {{
  const found = {{}};
  for (const t of document.querySelectorAll('template')) {{
    const f = document.createElement('iframe');
    f.style = 'width:1200px;height:900px;border:0';
    const loaded = new Promise(done => f.onload = done);
    f.srcdoc = t.dataset.page;
    document.body.append(f);
    await loaded;
    const w = f.contentWindow, axe = await w.axe.run(w.document);
    const bad = axe.violations.map(v => v.id + ': ' + v.nodes[0].html.slice(0, 120));
    bad.push(...w.look().map(x => 'screen: ' + x));
    f.style.width = '390px';
    await new Promise(done => setTimeout(done, 50));
    bad.push(...w.look().map(x => 'phone: ' + x));
    found[t.dataset.name] = bad;
    f.remove();
  }}
  document.getElementById('out').textContent = 'RESULT' + JSON.stringify(found) + 'END';
}})();</script>"""
    file = folder / "check.html"
    file.write_text(outer, encoding="utf-8")
    call = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    call += ["--virtual-time-budget=60000", "--dump-dom", file.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=500, check=False)
    found = re.search(r"RESULT(.*?)END</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    return json.loads(unescape(found[1]))


@pytest.fixture(scope="module")
def analyses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    plans = [
        MadeSession(duration_s=130.0, weakness=1.0, warnings=(60.0,), settings_at=((70.0, 0.3),)),
        *(
            MadeSession(duration_s=20.0 + i, weakness=1.0 - 0.2 * i, speed_m_s=0.35 + 0.1 * i, seed=i)
            for i in range(3)
        ),
    ]
    for i, plan in enumerate(plans):
        write(plan, folder / str(i))
    return [analyse(folder / str(i)) for i in range(len(plans))]


@pytest.mark.parametrize("code", LANGUAGES)
def test_reports_are_whole_and_accessible(analyses, tmp_path, code):
    with Store(tmp_path / "store.sqlite") as store:
        for analysis in analyses:
            store.add(analysis)
        progress = progress_page(store, "made", Language(code))
    pages = {
        "long": session_page(analyses[0], Language(code)),
        "progress": progress,
    }
    assert in_browser(pages, tmp_path) == {name: [] for name in pages}


def test_the_check_sees_what_is_wrong(tmp_path):
    page = (
        '<!doctype html><html><head></head><body><p style="color:#ccc">faint</p>'
        '<svg role="img" aria-label="a" viewBox="0 0 90 30" width="90"><text x="5" y="20">one</text>'
        '<text x="9" y="20">two</text><text x="80" y="20">outside</text></svg>'
        '<div style="width:3000px">wide</div></body></html>'
    )
    words = " ".join(in_browser({"bad": page}, tmp_path)["bad"])
    for expected in ("color-contrast", "overlap: one / two", "cut off: outside", "phone: page is wider"):
        assert expected in words, words
