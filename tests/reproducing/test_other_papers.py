"""What the papers of rivals print, beside ours: exact, to the digits, with each paper's convention."""

import pytest

from kaoprof.cli.app import run
from kaoprof.records.reproduce import DIFFERS, ROUNDED
from kaoprof.reporting.tables.reproduce import sound, warnings_of
from kaoprof.reproducing.other_papers import PAPERS
from kaoprof.reproducing.run import reproduce_rival

EXACTLY = {  # of the public modules, counted
    "ccnet": (108_152_013_952, 16_538_161_664),  # FLOPs, two for each multiply-add
    "emanet": (43_056_332_800, 9_996_800, 20_974_387_200, 4_867_328, 63_408_242_688, 15_535_104),
    "swin": (4_490_566_656, 28_288_354),
    "pvt": (1_932_911_616, 13_229_288, 3_815_701_504, 24_485_864, 6_659_175_424, 44_208_104, 9_813_765_632,
            61_369_320),
    "nat": (2_694_812_672, 19_984_174, 4_295_226_368, 27_901_582, 7_772_302_848, 50_719_681, 13_677_094_912,
            89_738_164),
    "coordatt": (306_666_368, 3_950_648),
}  # fmt: skip
EXPLAINED = {("EMANet(256)", "MACs"), ("mobilenetv2-ca", "MACs")}


@pytest.mark.parametrize("paper", PAPERS)
def test_ours_is_exact_and_gives_the_printed_digits_or_says_why_not(paper):
    record = reproduce_rival(paper)
    assert tuple(figure.formula for figure in record.networks) == EXACTLY[paper]
    for figure in record.networks:
        expected = DIFFERS if (figure.name, figure.quantity) in EXPLAINED else ROUNDED
        assert figure.match == (None if figure.reported is None else expected), figure
        assert bool(figure.why) == (figure.match == DIFFERS)
    assert record.convention
    assert sound(record)
    assert warnings_of(record) == []


def test_they_are_shown_with_their_convention_and_go_into_files(capsys, tmp_path):
    assert run(["reproduce", "--paper", "ccnet", "-o", str(tmp_path / "ccnet.tex"), "--strict"]) == 0
    shown = capsys.readouterr().out
    assert "108.2 G" in shown
    assert "16.54 G" in shown
    assert "108,152,013,952" in shown
    assert "2 for each multiply-add" in shown
    assert "108,152,013,952" in (tmp_path / "ccnet.tex").read_text().replace("{,}", ",")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--paper", "swn"], "did you mean 'swin'?"),
        (["--paper", "nat", "--budget", "1s"], "of which nothing is measured"),
        (["--paper", "nat", "--from", "run.json"], "excludes --from"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, arguments, said):
    assert run(["reproduce", *arguments]) == 2
    assert said in capsys.readouterr().err
