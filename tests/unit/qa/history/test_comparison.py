"""Earlier nights: the same calibrators and antennas, whatever they were called, and never this night itself."""

from datetime import date, timedelta
from itertools import product

import numpy as np
import pandas as pd
import pytest

from qa.history.comparison import earlier_delays, earlier_fluxes
from qa.history.writing import write_run
from qa.metrics.delay import delay_history
from qa.solution_gates import delay_gate
from schemas.gates import GateContext
from schemas.inspection import FieldSummary
from schemas.policy import DelayBounds
from tests.unit.qa.history.nights import (
    FIRST,
    HANDS,
    REFERENCE,
    delay_of,
    delays,
    flux,
    outcome_on,
    source,
    summary_on,
    this_night,
    windows,
    write_nights,
)
from tests.unit.qa.solution_tables import restrict_to
from tests.unit.tasks.summaries import GUIDE_ANTENNAS, field, guide_summary, spw


def write(database, night: date = FIRST, summary=None, **changes) -> None:
    assert write_run(database, outcome_on(night, **changes), summary or summary_on(night))


def jansky(database, this=None, **changes) -> list[float]:
    return list(earlier_fluxes(database, this or this_night(), [source(**changes)])["flux_density_jy"])


def test_an_empty_history_has_the_columns_and_no_rows(database):
    assert list(earlier_fluxes(database, this_night(), [source()])) == ["field", "night", "flux_density_jy"]
    found = earlier_delays(database, this_night(), windows())
    assert (list(found), len(found)) == (["antenna", "spw", "polarisation", "night", "delay_ns"], 0)


def test_each_earlier_night_gives_its_flux_density(database):
    nights = write_nights(database, 3)
    found = earlier_fluxes(database, this_night(), [source()])
    assert list(found["night"]) == [str(night) for night in nights]
    assert list(found["flux_density_jy"]) == pytest.approx([0.4] * 3)


def test_a_night_does_not_compare_with_itself_nor_with_later_ones(database):
    nights = write_nights(database, 3)
    assert len(jansky(database, this_night(nights[1]))) == 1


def test_data_do_not_compare_with_themselves(database):
    write_nights(database, 2)
    assert len(jansky(database, this_night(fingerprint=f"data of {FIRST}"))) == 1


@pytest.mark.parametrize("copied", [False, True])
def test_data_processed_again_count_once_with_the_latest_value(database, copied):
    write(database, fluxes={REFERENCE: flux(0.4)})
    again = "a copy" if copied else ""
    write(database, again=1, fingerprint=again, fluxes={REFERENCE: flux(0.5)})
    assert jansky(database) == pytest.approx([0.5])


def test_a_later_run_that_was_stopped_does_not_replace_an_earlier_good_one(database):
    write(database, fluxes={REFERENCE: flux(0.4)})
    write(database, again=1, scaled="stopped", fluxes={REFERENCE: flux(9.0)})
    assert jansky(database) == pytest.approx([0.4])


def test_another_telescope_is_not_compared_with(database):
    write(database, summary=summary_on(FIRST, telescope="VLA"))
    assert jansky(database) == []


def renamed(offset_arcsec: float) -> tuple[FieldSummary, ...]:
    place = guide_summary().field(REFERENCE)
    ra, dec = np.degrees(place.ra_rad), np.degrees(place.dec_rad) + offset_arcsec / 3600.0
    return (field(0, "J1302+5748", ra, dec),)


@pytest.mark.parametrize(("offset", "nights"), [(9.0, 1), (11.0, 0)])
def test_a_calibrator_is_known_by_its_position_and_not_by_its_name(database, offset, nights):
    write(database, summary=summary_on(FIRST, fields=renamed(offset)), fluxes={"J1302+5748": flux()})
    found = earlier_fluxes(database, this_night(), [source()])
    assert list(found["field"]) == [REFERENCE] * nights


def test_flux_densities_are_scaled_to_this_nights_frequency(database):
    write(database, fluxes={REFERENCE: flux(0.4, index=-1.0, reference_hz=5.0e9)})
    assert jansky(database, reference_hz=5.4e9) == pytest.approx([0.4 * 5.0 / 5.4])


def test_a_flux_density_without_an_index_is_taken_as_it_is_in_the_same_band(database):
    write(database, fluxes={REFERENCE: flux(0.4, index=None, reference_hz=5.0e9)})
    assert jansky(database, reference_hz=5.4e9) == pytest.approx([0.4])


@pytest.mark.parametrize("index", [None, -1.0])
def test_another_band_is_not_compared_with(database, index):
    write(database, fluxes={REFERENCE: flux(0.4, index=index, reference_hz=5.0e9)})
    assert jansky(database, reference_hz=6.0e9) == []


def test_delays_come_with_their_place_and_night(database):
    write_nights(database, 2)
    found = earlier_delays(database, this_night(), windows())
    assert len(found) == 2 * 6 * 4 * 2
    mine = found[found["antenna"].eq("Cm") & found["spw"].eq(3) & found["polarisation"].eq("L")]
    assert list(mine["delay_ns"]) == [delay_of("Cm")] * 2


def test_delays_relative_to_another_antenna_are_not_compared_with(database):
    write_nights(database, 1)
    assert earlier_delays(database, this_night(refant="Pi"), windows()).empty


def test_a_spectral_window_is_known_by_its_frequency_and_not_by_its_number(database):
    turned = tuple(spw(3 - number).evolve(id=number) for number in range(4))
    moved = tuple(entry.evolve(median_ns=float(entry.spw)) for entry in delays())
    write(database, summary=summary_on(FIRST, spws=turned), delays=moved)
    found = earlier_delays(database, this_night(), windows())
    assert found.groupby("spw")["delay_ns"].unique().map(list).to_dict() == {0: [3.0], 1: [2.0], 2: [1.0], 3: [0.0]}


def test_a_spectral_window_elsewhere_is_not_compared_with(database):
    elsewhere = tuple(spw(number, first_hz=1.4e9 + number * 128e6) for number in range(4))
    write(database, summary=summary_on(FIRST, spws=elsewhere))
    assert earlier_delays(database, this_night(), windows()).empty


def test_a_failed_delay_is_no_history(database):
    dead = tuple(entry.evolve(median_ns=None, scatter_ns=None) for entry in delays() if entry.antenna == "Cm")
    write(database, delays=dead)
    assert earlier_delays(database, this_night(), windows()).empty


# --- forty nights -----------------------------------------------------------------------------------------------------

NIGHTS = 40
JUMP = 25
"""The night, from 0, on which Cm's cable was changed: by 8 ns. Kn drifts by 0.1 ns a night throughout."""


def moved_on(number: int) -> dict[str, float]:
    return {"Cm": 8.0 if number >= JUMP else 0.0, "Kn": 0.1 * number}


def tonight(number: int) -> pd.DataFrame:
    """The K table of a night, with 0.2 ns of noise."""
    random = np.random.default_rng(number)
    columns = ("antenna", "spw", "polarisation", "scan")
    places = list(product(GUIDE_ANTENNAS, range(4), HANDS, (1, 2, 3)))
    rows = pd.DataFrame(places, columns=list(columns))
    rows["time_s"], rows["field"], rows["flagged"] = 4.9e9 + 600.0 * rows["scan"], REFERENCE, False
    noise = random.normal(0.0, 0.2, len(rows)) * rows["antenna"].ne("Mk2")
    rows["delay_ns"] = rows["antenna"].map(lambda name: delay_of(name) + moved_on(number).get(name, 0.0)) + noise
    return rows


def no_statistics() -> pd.DataFrame:
    return pd.DataFrame(columns=["spw", "antenna", "polarisation", "expected", "attempted", "succeeded"])


CONTEXT = GateContext(gate="delay", step="delay", antennas=tuple(GUIDE_ANTENNAS), refant=("Mk2", "Pi"))


def before(database, night: date) -> pd.DataFrame:
    return earlier_delays(database, this_night(night, f"data of {night}"), windows())


def test_over_forty_nights_the_gate_names_the_antenna_that_jumped_and_the_night_and_no_other(database, monkeypatch):
    restrict_to("delay_history", monkeypatch)
    bounds = DelayBounds()
    found = {}
    for number in range(NIGHTS):
        night = FIRST + timedelta(days=number)
        rows, earlier = tonight(number), before(database, night)
        measured = delay_history(rows, no_statistics(), earlier, CONTEXT)
        assert (measured.not_applicable == "too little history") is (number < 5)
        beyond = measured.frame["observed"].gt(bounds.history_warn_ns)
        if beyond.any():
            found[number] = set(measured.frame[beyond]["antenna"])
        if number == JUMP:
            report = delay_gate(rows, no_statistics(), earlier, bounds, CONTEXT, night=str(night))
        write(database, night, delays=delays(moved_on(number)))
    assert found == {number: {"Cm"} for number in range(JUMP, JUMP + 6)} or found == {
        number: {"Cm"} for number in range(JUMP, JUMP + 5)
    }
    (check,) = report.checks
    assert report.verdict == check.verdict == "warned"
    assert {failure.place.antenna for failure in check.failures} == {"Cm"}
    assert check.reason == "night 2026-10-26 against the median of 10 nights, 2026-10-16 to 2026-10-25"
