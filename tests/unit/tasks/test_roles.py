"""Roles named by a person or decided from the data, and the reference antenna."""

import pytest

from schemas.errors import ConfigurationError, DataUnusable
from schemas.observation import RequestedRoles
from tasks.bright_calibrators import bright_calibrators
from tasks.roles import choose_refant, resolve_roles
from tests.unit.tasks.summaries import (
    GUIDE_FIELDS,
    GUIDE_VISITS,
    field,
    guide_summary,
    scans_of,
    standard_place,
)

NAMED = RequestedRoles(flux="1331+305", bandpass=("1407+284", "0319+415"), phase_reference={"1252+5634": "1302+5748"})


def refusal(requested, summary):
    with pytest.raises(ConfigurationError) as caught:
        resolve_roles(requested, summary)
    assert caught.value.exit_code == 2
    return str(caught.value)


def with_fields(visits, **places):
    fields = tuple(field(index, name, *place) for index, (name, place) in enumerate(places.items()))
    return guide_summary(fields=fields, scans=scans_of(visits))


def test_auto_gives_the_guides_fields_the_guides_roles():
    roles = resolve_roles("auto", guide_summary())
    assert roles.flux == "1331+305"
    assert set(roles.bandpass) == {"1407+284", "0319+415"}
    assert roles.phase_reference == {"1252+5634": "1302+5748"}


def test_auto_says_why_for_every_role():
    decisions = resolve_roles("auto", guide_summary()).decisions
    reasons = {(decision.role, decision.field): decision.reason for decision in decisions}
    assert "3C286" in reasons["flux", "1331+305"]
    assert "OQ208" in reasons["bandpass", "1407+284"]
    assert "scans lie between" in reasons["phase reference", "1302+5748"]
    assert ("target", "1252+5634") in reasons


def test_auto_takes_the_flux_calibrator_for_the_bandpass_where_no_other_is_known():
    kept = ("1302+5748", "1252+5634", "1331+305")
    summary = with_fields(
        [visit for visit in GUIDE_VISITS if visit[0] in kept], **{name: GUIDE_FIELDS[name] for name in kept}
    )
    assert resolve_roles("auto", summary).bandpass == ("1331+305",)


def test_auto_gives_two_targets_their_own_phase_references():
    visits = [
        ("flux", 600.0),
        *[("ref1", 60.0), ("t1", 300.0)] * 4,
        ("ref1", 60.0),
        *[("ref2", 60.0), ("t2", 300.0)] * 4,
        ("ref2", 60.0),
    ]
    summary = with_fields(
        visits, flux=standard_place("3C48"), ref1=(100.0, 20.0), t1=(102.0, 21.0), ref2=(200.0, -5.0), t2=(201.0, -4.0)
    )
    assert resolve_roles("auto", summary).phase_reference == {"t1": "ref1", "t2": "ref2"}


def test_auto_gives_two_targets_of_one_cycle_the_same_phase_reference():
    visits = [("flux", 600.0), *[("ref", 60.0), ("t1", 300.0), ("t2", 310.0)] * 4, ("ref", 60.0)]
    summary = with_fields(visits, flux=standard_place("3C147"), ref=(100.0, 20.0), t1=(102.0, 21.0), t2=(98.0, 19.0))
    assert resolve_roles("auto", summary).phase_reference == {"t1": "ref", "t2": "ref"}


def test_scan_intents_win_over_guesses():
    # By scan length alone the roles of the two would be the other way round.
    visits = [("cal", 600.0), *[("gain", 300.0), ("source", 60.0)] * 4, ("gain", 300.0)]
    fields = (
        field(0, "cal", *standard_place("3C286"), intents=("CALIBRATE_FLUX#UNSPECIFIED", "CALIBRATE_BANDPASS")),
        field(1, "gain", 100.0, 20.0, intents=("CALIBRATE_PHASE",)),
        field(2, "source", 102.0, 21.0, intents=("OBSERVE_TARGET",)),
    )
    roles = resolve_roles("auto", guide_summary(fields=fields, scans=scans_of(visits)))
    assert (roles.flux, roles.bandpass, roles.phase_reference) == ("cal", ("cal",), {"source": "gain"})


def test_auto_without_a_flux_standard_says_what_to_write():
    kept = ("1302+5748", "1252+5634")
    summary = with_fields(GUIDE_VISITS[:20], **{name: GUIDE_FIELDS[name] for name in kept})
    message = refusal("auto", summary)
    assert "flux standard" in message
    assert "phase_reference: {<target>: <its phase reference>}" in message
    assert "1302+5748, 1252+5634" in message


def test_auto_refuses_to_guess_the_role_of_a_field_far_from_all_others():
    visits = [*GUIDE_VISITS, ("mystery", 300.0), ("1302+5748", 180.0)]
    summary = with_fields(visits, **GUIDE_FIELDS, mystery=(10.0, -60.0))
    assert "the role of mystery cannot be told" in refusal("auto", summary)


def test_auto_without_interleaved_scans_does_not_invent_a_phase_reference():
    visits = [("flux", 600.0), ("one", 300.0)]
    summary = with_fields(visits, flux=standard_place("3C286"), one=(100.0, 20.0))
    assert "no target with a phase reference" in refusal("auto", summary)


def test_named_roles_are_taken_as_they_are():
    roles = resolve_roles(NAMED, guide_summary())
    assert roles.bandpass == ("1407+284", "0319+415")
    assert {decision.reason for decision in roles.decisions if decision.role == "flux"} == {
        "named by the observation file"
    }


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"flux": "1331+306"}, "roles.flux"),
        ({"bandpass": ("1407+248",)}, "roles.bandpass"),
        ({"phase_reference": {"1252+5643": "1302+5748"}}, "roles.target"),
        ({"phase_reference": {"1252+5634": "1302+574"}}, "roles.phase_reference"),
    ],
)
def test_a_field_that_does_not_exist_is_named_with_near_ones(change, role):
    message = refusal(NAMED.evolve(**change), guide_summary())
    assert message.startswith(f"{role}: there are no data of a field")
    assert "Did you mean" in message


def test_a_name_in_other_case_or_part_of_a_name_is_suggested():
    message = refusal(NAMED.evolve(flux="1331"), guide_summary())
    assert "Did you mean 1331+305?" in message


def test_a_field_without_rows_does_not_exist():
    fields = tuple(entry.evolve(rows=0) if entry.name == "1331+305" else entry for entry in guide_summary().fields)
    assert "there are no data of a field '1331+305'" in refusal(NAMED, guide_summary(fields=fields))


def test_a_target_without_phase_reference_is_refused():
    message = refusal(NAMED.evolve(target=("1252+5634", "0319+415")), guide_summary())
    assert "target '0319+415' has no phase reference" in message
    assert "roles.phase_reference" in message


def test_a_target_that_is_also_a_calibrator_is_refused():
    message = refusal(NAMED.evolve(phase_reference={"1407+284": "1302+5748"}), guide_summary())
    assert "both as target and as calibrator" in message


@pytest.mark.parametrize("requested", ["auto", NAMED])
def test_two_fields_of_one_name_are_refused(requested):
    summary = guide_summary()
    twice = (*summary.fields, summary.fields[0].evolve(id=9))
    assert "two fields are named '1302+5748' (field IDs 0 and 9)" in refusal(requested, summary.evolve(fields=twice))


def test_two_fields_of_one_name_are_fine_where_only_one_has_data():
    summary = guide_summary()
    twice = (*summary.fields, summary.fields[0].evolve(id=9, rows=0))
    assert resolve_roles("auto", summary.evolve(fields=twice)).flux == "1331+305"


def test_the_bright_calibrators_stand_where_the_guide_has_them():
    places = {entry.name: entry for entry in bright_calibrators()}
    assert places["OQ208"].ra_rad == pytest.approx(3.69573, abs=1e-4)
    assert places["3C84"].dec_rad == pytest.approx(0.72452, abs=1e-4)
    assert places["3C279"].dec_rad < 0


def test_a_named_reference_antenna_that_does_not_exist_is_refused_with_the_list():
    with pytest.raises(ConfigurationError, match=r"'Mk3' is not in the data.*Mk2, Kn, De, Pi, Da, Cm") as caught:
        choose_refant(("Mk3",), guide_summary())
    assert caught.value.exit_code == 2


def test_a_named_reference_antenna_without_data_is_refused():
    summary = guide_summary()
    antennas = (summary.antennas[0].evolve(has_data=False), *summary.antennas[1:])
    with pytest.raises(ConfigurationError, match="'Mk2' has no data"):
        choose_refant(("Mk2", "Da"), summary.evolve(antennas=antennas))


def test_the_profiles_reference_antennas_need_not_all_be_there():
    summary = guide_summary()
    antennas = tuple(entry for entry in summary.antennas if entry.name != "Mk2")
    assert choose_refant(("Mk2", "Pi", "Da", "Kn"), summary.evolve(antennas=antennas)) == ("Pi", "Da", "Kn")


def test_without_a_request_the_most_central_antenna_comes_first_with_three_fallbacks():
    chosen = choose_refant((), guide_summary())
    assert len(chosen) == 4
    assert chosen[0] in {"Mk2", "Da", "Kn"}
    assert "Cm" not in chosen


def test_a_flagged_antenna_is_not_chosen_however_central():
    fractions = dict.fromkeys(("Mk2", "Kn", "De", "Pi", "Da", "Cm"), 0.1) | {choose_refant((), guide_summary())[0]: 1.0}
    chosen = choose_refant((), guide_summary(antenna_flagged_fraction=fractions))
    assert choose_refant((), guide_summary())[0] not in chosen


def test_data_without_a_single_unflagged_antenna_are_unusable():
    fractions = dict.fromkeys(("Mk2", "Kn", "De", "Pi", "Da", "Cm"), 1.0)
    with pytest.raises(DataUnusable, match="every antenna is flagged"):
        choose_refant((), guide_summary(antenna_flagged_fraction=fractions))
