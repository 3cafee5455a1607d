"""The report: whole, self-contained, readable by machines that read aloud, and complete in every language."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
import weasyprint

from exostride.analysis.findings import findings
from exostride.analysis.summary import analyse, analyse_session
from exostride.bench.made_session import MadeSession, write
from exostride.errors import InputError
from exostride.report import make
from exostride.report.catalogue import messages
from exostride.report.html import session_page
from exostride.report.language import FOLDER, LANGUAGES, Language
from exostride.report.pdf import _shape_whole_texts, to_pdf

VOID = {"meta", "br", "link", "img", "hr"}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "bag"
    write(MadeSession(duration_s=40.0, weakness=1.0), path)
    return path


@pytest.fixture(scope="module")
def analysis(bag):
    return analyse(bag)


class Checker(HTMLParser):
    """Collects what breaks a page: open tags, references, headings out of order, nameless pictures."""

    def __init__(self):
        super().__init__()
        self.stack, self.problems, self.level = [], [], 0

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in VOID:
            self.stack.append(tag)
        for name in ("src", "href"):
            if name in attributes:
                self.problems.append(f"{tag} refers to {attributes[name]}")
        if tag == "svg" and not (attributes.get("role") == "img" and attributes.get("aria-label")):
            self.problems.append("svg without a name")
        if tag == "th" and not attributes.get("scope"):
            self.problems.append("th without scope")
        if re.fullmatch("h[1-6]", tag):
            if int(tag[1]) > self.level + 1:
                self.problems.append(f"{tag} after h{self.level}")
            self.level = int(tag[1])

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if self.stack.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_is_sound_in_every_language(analysis, code):
    page = session_page(analysis, Language(code))
    checker = Checker()
    checker.feed(page)
    assert not checker.problems and not checker.stack
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    outside = [u for u in re.findall(r"https?://[^\s\"'<)]+", page) if u != "http://www.w3.org/2000/svg"]
    assert not outside and "@import" not in page and "<script" not in page


def test_findings_name_the_weak_leg_in_numbers(analysis):
    texts = {f.code: f for f in findings(analysis)}
    knee = texts["norm:Reduced knee flexion in swing"]
    assert knee.side == "left" and knee.numbers["value"][0] < knee.numbers["mean"][0]
    page = session_page(analysis, Language())
    assert "Reduced knee flexion in swing, left" in page


def test_a_sound_walk_has_few_findings(tmp_path):
    write(MadeSession(duration_s=60.0, weakness=0.0, speed_m_s=1.0), tmp_path / "bag")
    codes = {f.code for f in findings(analyse(tmp_path / "bag"))}
    assert not {c for c in codes if c.startswith(("asymmetry", "drag", "effort", "norm:Reduced"))}


def test_a_session_without_walking_still_gets_a_report(analysis):
    still = analyse_session(dataclasses.replace(analysis.session, events=()))
    page = session_page(still, Language())
    assert "No complete stride was found" in page and "Not computed" in page


def test_files_are_written_whole_or_not_at_all(bag, tmp_path):
    assert make(bag, tmp_path / "r.html").stat().st_size > 20_000
    with pytest.raises(InputError, match=r"\.html or \.pdf"):
        make(bag, tmp_path / "r.docx")
    with pytest.raises(InputError, match="can't be written"):
        make(bag, tmp_path / "nowhere" / "r.html")
    with pytest.raises(InputError, match="no such bag"):
        make(tmp_path / "none")
    with pytest.raises(InputError, match="language 'xx'"):
        make(bag, tmp_path / "s.html", "xx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.html"]


def test_pdf(bag, tmp_path):
    assert make(bag, tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_catalogues_are_complete(code):
    assert (FOLDER / f"{code}.po").is_file()
    table = Language(code)._table
    lacking = [text for text in messages() if not table.get(text)]
    assert not lacking, f"{len(lacking)} messages without translation, such as {lacking[:3]}"
    assert not set(table) - set(messages()), "run: python -m exostride.report.catalogue"
    for text, translated in table.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", translated)), text


def test_numbers_follow_the_language():
    assert Language("de").number(1234.5, 1) == "1.234,5"
    assert Language("en").number(1234.5, 1) == "1,234.5"
    assert Language("hi").number(123456.0, 0) == "1,23,456"
    assert Language().number(float("nan")) == "–" and Language().number(-0.0001, 1) == "0.0"
    assert Language("zh").tag == "zh-Hans"


def test_a_chart_text_of_the_pdf_is_shaped_as_a_whole():
    """Letters of Indian scripts join and change places: drawn one by one they are no words."""
    _shape_whole_texts()
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30"><text x="9" y="20">{}</text></svg>'
    for text in ("कूल्हा क्षति", "முழங்கால்", "Knie"):
        data = weasyprint.HTML(string=drawing.format(text)).write_pdf(uncompressed_pdf=True)
        assert data.count(b"BT") == 1 and len(re.findall(rb"\bTJ\b", data)) == 1, text


def test_a_letter_without_font_is_an_error_not_a_box():
    with pytest.raises(InputError, match=r"no font on this computer can draw.*apt-get install"):
        to_pdf("<p>\U000f1234</p>")


@pytest.mark.parametrize("code", LANGUAGES)
def test_pdf_in_every_language(analysis, code):
    assert to_pdf(session_page(analysis, Language(code))).startswith(b"%PDF")
