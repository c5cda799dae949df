"""What the runs of one observation say of themselves in Prefect: tags, and the address of the list of all of them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.runs import tags_of

COPIED = ["gatecal", "observation:other", "rerun", "from:gains", "resumed-1", "resumed-2"]


def run_with(tags: list[str], count: int) -> FlowRun:
    return FlowRun(flow_id=uuid4(), tags=tags, run_count=count)


def test_the_first_run_of_an_observation_is_tagged_with_it_alone():
    assert tags_of(run_with(["gatecal"], 1), "one", None, again=False) == {"gatecal", "observation:one"}


def test_a_rerun_says_so_and_where_it_starts():
    found = tags_of(run_with([], 1), "one", "gains", again=True)
    assert found == {"observation:one", "rerun", "from:gains"}


@pytest.mark.parametrize("count", [0, 1])
def test_what_a_copied_tag_says_of_the_other_run_is_taken_off(count):
    # "resumed-2" would make the copy one that is not resumed any more.
    assert tags_of(run_with(COPIED, count), "one", None, again=False) == {"gatecal", "observation:one"}


def test_a_resumed_run_keeps_count_of_its_resumes():
    tags = ["observation:one", "resumed-1"]
    assert tags_of(run_with(tags, 2), "one", None, again=False) == {"observation:one", "resumed-1"}
