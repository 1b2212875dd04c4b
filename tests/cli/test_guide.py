"""The guide is shown from the package: topics, words, what is misspelt; without torch and without signs of colour."""

import importlib.metadata

import pytest

from kaoprof.cli.app import run
from kaoprof.cli.guide_topics import FOLDER, find, names, summary_of, terms


def guide(*words, capsys):
    assert run(["guide", *words]) == 0
    return capsys.readouterr().out


def test_without_a_topic_it_lists_them_all(capsys):
    shown = guide(capsys=capsys)
    for name in names():
        assert f"  {name} " in shown
        assert summary_of(name) in shown
    for term in ("MAC", "floor", "exit code"):
        assert term in terms()
        assert term in shown


@pytest.mark.parametrize("name", names())
def test_every_topic_has_a_title_and_is_shown_as_plain_text_that_fits(name, capsys):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    shown = guide(name, capsys=capsys)
    assert summary_of(name) in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_word_is_shown_alone_in_whatever_case(capsys):
    for word in (("Mac",), ("MACs",), ("MAdd",)):
        shown = guide(*word, capsys=capsys)
        assert "1 MAC = 2 FLOPs" in shown
        assert "floor" not in shown
    assert "130 interrupted" in " ".join(guide("exit", "code", capsys=capsys).split())


@pytest.mark.parametrize(("word", "meant"), [("flor", "floor"), ("measurin", "measuring"), ("sweeps", "sweep")])
def test_a_misspelt_topic_is_one_line_with_its_mend(word, meant, capsys):
    assert run(["guide", word]) == 2
    assert capsys.readouterr().err == f"kaoprof: kaoprof guide: no topic {word!r} (did you mean {meant!r}?)\n"


def test_no_word_hides_behind_a_topic():
    assert not {term.lower() for term in terms()} & {*names()}
    assert find("mac") == find("MAdd")


def test_code_is_not_folded_where_the_terminal_is_wide_enough(capsys):
    (line,) = [line for line in find("own").splitlines() if line.startswith("kaoprof compare")]
    assert f"  {line}\n" in guide("own", capsys=capsys)


def test_every_page_is_in_the_package():
    assert importlib.metadata.version("kaoprof")
    assert FOLDER.parent.name == "kaoprof"
