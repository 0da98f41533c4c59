"""The slider of an evolving cell in a real browser, where there is one."""

from __future__ import annotations

import re


def shown(text: str) -> list[tuple[str, str]]:
    """Of each evolving cell the epoch shown, and what is said of it."""
    cells = text.split('<div class="evolution">')[1:]
    epochs = [
        re.findall(
            r'<figure class="frame[^"]*" data-epoch="(\d+)" data-seed="\d+">', cell
        )
        for cell in cells
    ]
    assert all(len(own) == 1 for own in epochs)
    said = [
        re.findall(r"<output>(\d+)</output>|aria-valuetext=\"after epoch (\d+)\"", cell)
        for cell in cells
    ]
    assert all(
        len({output or value for output, value in own}) == 1 and len(own) == 2
        for own in said
    )
    return [(own[0], words[0][0]) for own, words in zip(epochs, said, strict=True)]


def test_a_slider_shows_one_frame_at_a_time(study, dom):
    page = study / "report.html"
    assert shown(dom(page, "")) == [("40", "40")] * 3
    move = "s.value = 0; s.dispatchEvent(new Event('input'));"
    move = f"for (const s of document.querySelectorAll('.slide input')) {{ {move} }}"
    assert shown(dom(page, move)) == [("0", "0")] * 3


def test_a_choice_of_seeds_and_a_play_button(study, dom):
    """A new seed shows its last frame; the first seed's player starts at its first frame."""
    script = """
        const [cell] = document.querySelectorAll('.evolution');
        const shown = () => cell.querySelector('.frame:not([hidden])').dataset;
        const [select] = cell.querySelectorAll('select');
        const said = [];
        select.value = select.options[1].value;
        select.dispatchEvent(new Event('change'));
        said.push(`${shown().seed === select.value} ${shown().epoch}`);
        select.value = select.options[0].value;
        select.dispatchEvent(new Event('change'));
        const play = cell.querySelector('.play');
        play.click();
        said.push(`${shown().epoch} ${play.textContent}`);
        play.click();
        said.push(play.textContent);
        document.title = said.join(', ');
    """
    text = dom(study / "report.html", script)
    assert "<title>true 40, 0 Pause, Play</title>" in text


def test_print_shows_the_stills_and_no_slider(study, dom):
    script = """
        const rules = [...document.styleSheets[0].cssRules].find(
          (rule) => rule.conditionText === 'print' || rule.media?.mediaText === 'print');
        const style = document.createElement('style');
        style.textContent = [...rules.cssRules].map((rule) => rule.cssText).join(' ');
        document.head.append(style);
        const seen = (found) => [...found].filter((e) => getComputedStyle(e).display !== 'none').length;
        const all = (query) => document.querySelectorAll(query);
        document.title = `${seen(all('.frame'))} ${all('.frame.still').length} ${seen(all('.slide'))}`;
    """
    found = re.search(
        r"<title>(\d+) (\d+) (\d+)</title>", dom(study / "report.html", script)
    )
    assert found and found[1] == found[2] and int(found[1]) >= 6 and found[3] == "0"
