"""Flag command files: what is taken, and what each bad line is told."""

import pytest

from schemas.errors import ConfigurationError
from tasks.flag_file import check_command, check_flag_file
from tests.unit.tasks.summaries import guide_summary

GOOD = [
    "mode='manual' field='1331+305' antenna='Cm' timerange='2015/05/05/22:02:00~2015/05/05/22:05:00'",
    "antenna=Mk2 reason='noise'",
    'mode="manual" antenna="Kn&De" spw="0:0~6;60~63,1~3:3"',
    "timerange='22:02:00~22:05:00.5' scan='3,5~7'",
    "antenna='!Cm' correlation='RR,LL'",
    "field='13*' spw='*'",
    "antenna='0,2~4' timerange='>2015/05/06/08:00:00'",
    "mode='quack' quackinterval=10 quackmode='beg'",
    "mode='clip' clipminmax=[0,5] field='1302+5748'",
    "autocorr=True",
    "mode='shadow'",
]

BAD = {
    "mode='manuel' antenna='Cm'": "there is no mode 'manuel'",
    "mode='manual' antena='Cm'": "takes no 'antena'",
    "mode='quack' clipminmax=[0,5]": "takes no 'clipminmax'",
    "antenna='Cm": "a quote is not closed",
    "antenna = 'Cm'": "space beside the '='",
    "antenna='Cm' nonsense": "there is no '='",
    "antenna='Cm' antenna='De'": "'antenna' stands twice",
    "antenna='Cn'": "there is no antenna 'Cn'. Did you mean",
    "antenna='9'": "there is no antenna 9",
    "field='1331+306'": "there is no field '1331+306'. Did you mean 1331+305",
    "spw='7'": "there is no spectral window 7",
    "spw='0:60~70'": "channel 70 does not exist; channels run from 0 to 63",
    "spw='0:6~2'": "runs backwards",
    "spw='a:b'": "no spectral window",
    "timerange='2015-05-05 22:02~22:05'": "no time range",
    "timerange='2015/13/05/22:02:00~2015/13/05/22:05:00'": "no date and time",
    "timerange='2015/05/05/25:02:00~2015/05/05/25:05:00'": "no date and time",
    "timerange='2015/05/05/22:05:00~2015/05/05/22:02:00'": "ends before it begins",
    "scan='99'": "there is no scan 99",
    "scan='a'": "no scan",
    "correlation='XX' antenna='Cm'": "there is no correlation 'XX'",
    "mode='manual' reason='typo'": "selects everything",
}


@pytest.mark.parametrize("command", GOOD)
def test_a_good_command_is_taken(command):
    assert check_command(command, guide_summary()) == ""


@pytest.mark.parametrize(("command", "problem"), BAD.items())
def test_a_bad_command_is_told_what_is_wrong(command, problem):
    assert problem in check_command(command, guide_summary())


def test_comments_and_blank_lines_are_passed_over(tmp_path):
    path = tmp_path / "bad_times.flags"
    path.write_text("# warm receiver\n\n  antenna='Cm' scan='3'  \n#antenna='nobody'\n")
    assert check_flag_file(path, guide_summary()) == ("antenna='Cm' scan='3'",)


def test_every_bad_line_is_named_with_its_number(tmp_path):
    path = tmp_path / "bad_times.flags"
    path.write_text("# comment\nantenna='Cm'\nantenna='Xx'\n\nspw='9'\n")
    with pytest.raises(ConfigurationError) as caught:
        check_flag_file(path, guide_summary())
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert f"{path}, line 3: antenna='Xx': there is no antenna 'Xx'." in message
    assert f"{path}, line 5: spw='9'" in message
    assert "line 2" not in message


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00antenna"])
def test_a_flag_file_that_cannot_be_read_is_refused(tmp_path, content):
    path = tmp_path / "bad_times.flags"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        check_flag_file(path, guide_summary())
