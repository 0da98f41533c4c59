"""Each form of a report, read back by a reader of that form: a text shows as just that text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support import hostile

from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line
from archselect.reports.escaping import bibtex, code, html, latex, markdown

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
"""Reads Markdown as GitHub does, but for the links that it makes of plain text."""
GITHUB_LINKS = re.compile(r"@\w|#\d|https?://|www\.|:(?!\d+:)[\w+-]+:")
"""What GitHub turns into mentions, links and pictures in what is read."""


class Read(HTMLParser):
    """The tags of a text in HTML, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_comment(self, data):
        self.tags.append("comment")

    def handle_data(self, data):
        self.text += data


def read_markdown(source: str) -> Read:
    return Read(READER.render(source))


def without_breaks(text: str) -> str:
    """A text without the spaces of no width that break up links."""
    return text.replace("\u200b", "")


@pytest.fixture(params=["paragraph", "heading", "item", "cell", "alternative"])
def place(request):
    """A place in Markdown: its source around a text, and the tags that it has."""
    table = "| a | b |\n|---|---|\n| {} | c |\n"
    return {
        "paragraph": ("{}\n", ["p"]),
        "heading": ("## {}\n", ["h2"]),
        "item": ("* {}\n* next\n", ["ul", "li", "li"]),
        "cell": (
            table,
            ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"],
        ),
        "alternative": ("![{}](figures/a.svg)\n", ["p", "img"]),
    }[request.param]


def test_markdown_is_just_the_text_wherever_it_stands(place):
    source, tags = place
    for text in (text for text in hostile.TEXTS.values() if one_line(text)):
        found = read_markdown(source.format(markdown(text)))
        assert found.tags == tags, text
        if "img" not in tags:
            assert one_line(text) in without_breaks(found.text), text
            assert not GITHUB_LINKS.search(found.text), text


@given(
    st.text(
        alphabet=st.sampled_from("ab1 \\`*_[]()<>|~$#&;:!-+=.@/\n\t\u202e"), max_size=12
    )
)
def test_any_text_is_just_itself_in_markdown(text):
    found = read_markdown(f"{markdown(text)}\n")
    assert found.tags in (["p"], []) and without_breaks(found.text).strip() == one_line(
        text
    )


@given(st.text(alphabet=st.sampled_from("a `|\\\n"), min_size=1, max_size=8))
def test_any_text_is_just_itself_as_code(text):
    found = read_markdown(f"x {code(text)}: y\n")
    assert found.tags == ["p", "code"]
    assert found.text.split() == f"x {one_line(text)}: y".split()


def test_html_and_xml_are_just_the_text():
    for text in hostile.TEXTS.values():
        found = Read(f'<p title="{html(text)}">{html(text)}</p>')
        assert (found.tags, found.text) == (["p"], escape_invisible(text))
        element = ElementTree.fromstring(f'<a b="{html(text)}">{html(text)}</a>')
        assert (element.text or "") == escape_invisible(text)


def test_latex_is_ascii_in_one_line_and_balanced():
    for text in hostile.TEXTS.values():
        made = latex(text)
        assert made.isascii() and made.isprintable()
        assert not re.match(r"[\[*]", made)
        plain = made.replace(r"\{", "").replace(r"\}", "")
        assert plain.count("{") == plain.count("}")
        assert not re.search(r"\\(?:input|write|frac)", made)
        assert bibtex(text).count("{") == bibtex(text).count("}")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("é ñ Ł ß", r"\'{e} \~{n} \L{} \ss{}"),
        ("x\u0302", r"\^{x}"),
        ("α Ω ≤ …", r"$\alpha$ $\Omega$ $\leq$ \dots{}"),
        ("中", r"\texttt{U+4E2D}"),
        ("a--b", r"a-{}-b"),
        ("[i] *", "{}[i] *"),
        ("\u202e", r"\textbackslash{}u202e"),
    ],
)
def test_letters_that_pdflatex_lacks_are_written_as_it_has_them(text, made):
    assert latex(text) == made


def test_a_field_of_bibtex_counts_every_brace():
    assert bibtex("}, title = {x") == r"\textbraceright{}, title = \textbraceleft{}x"
