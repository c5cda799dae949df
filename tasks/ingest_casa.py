"""Make the working MeasurementSet, inside a CASA child: import, reduce, tidy, add columns, save flags, move into place.

Everything happens in a folder beside the destination and is moved there whole, so that a MeasurementSet that stands at
its place is complete, whatever ended an earlier run.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

from schemas.errors import DataUnusable
from schemas.ingestion import DataSource
from schemas.observation import Selection
from schemas.parameters import IngestParams
from tasks.ingest_ids_casa import SCAN_GAP_S, merge_observations, number_scans, sort_in_time
from tasks.ingest_tar import unpack
from tasks.inspection_casa import opened

FLAG_VERSION = "ingested"
"""Name of the flag version saved at the end of ingest."""


def import_source(source: dict[str, Any], vis: str) -> None:
    """Make a MeasurementSet at `vis` of a tar, UVFITS or FITS-IDI source, or a writable copy of a MeasurementSet.

    Parameters
    ----------
    source
        A `DataSource`, dumped.
    vis
        Path that does not exist yet.
    """
    from casatasks import importfitsidi, importuvfits

    origin = DataSource.model_validate(source)
    if origin.kind == "measurement set":
        _copy_writable(origin.path, Path(vis))
    elif origin.kind == "tar":
        unpack(origin.path, Path(vis))
    elif origin.kind == "uvfits":
        importuvfits(fitsfile=str(origin.path), vis=vis)
        name_antennas(vis)
    else:
        files = [str(path) for path in origin.files]
        importfitsidi(fitsidifile=files, vis=vis, constobsid=True)
        sort_in_time(vis)
        number_scans(vis)


def name_antennas(vis: str) -> None:
    """Give antennas their names back where UVFITS import has numbered them.

    importuvfits calls antennas 1, 2, ... and puts the file's names into STATION. Where those are antenna names
    (``Mk2``), people and profiles ask for them; where they are pads (``VLA:N7``), the numbers are the antennas' own.
    """
    with opened(f"{vis}/ANTENNA", writable=True) as table:
        names, stations = list(table.getcol("NAME")), [str(station).strip() for station in table.getcol("STATION")]
        numbered = all(str(name).isdigit() for name in names)
        if numbered and len(set(stations)) == len(stations) and all(s and ":" not in s for s in stations):
            table.putcol("NAME", stations)


def _origin_note(origin: DataSource) -> str:
    if origin.kind == "fits-idi":
        return (
            f"Imported from {len(origin.files)} FITS-IDI file(s) at {origin.path}: rows in order of time under one "
            f"observation ID; a change of field, or a gap of over {SCAN_GAP_S:g} s, starts a new scan."
        )
    how = {"measurement set": "Taken from the MeasurementSet", "tar": "Unpacked from the tar"}
    return f"{how.get(origin.kind, 'Imported from the UVFITS file')} {origin.path}."


def build_working_ms(
    source: dict[str, Any], destination: str, params: dict[str, Any], selection: dict[str, Any], staged: str = ""
) -> list[str]:
    """Make the working MeasurementSet of `source` at `destination`, replacing what stands there.

    Parameters
    ----------
    source
        A `DataSource`, dumped.
    destination
        Path of the working MeasurementSet.
    params
        `IngestParams`, dumped.
    selection
        `Selection`, dumped.
    staged
        MeasurementSet that `import_source` has made already, on the same file system; it is used up.

    Returns
    -------
    Notes: what was kept, reset, merged, averaged, in sentences.

    Raises
    ------
    DataUnusable
        There is no DATA column.
    """
    origin = DataSource.model_validate(source)
    asked, part = IngestParams.model_validate(params), Selection.model_validate(selection)
    final = Path(destination)
    building = final.with_name(f".{final.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    vis = building / final.name
    notes = _obtain(origin, vis, asked, part, staged)
    notes += _note_time_frame(str(vis))
    notes += merge_observations(str(vis))
    if asked.recompute_uvw:
        notes += _recompute_uvw(str(vis))
    notes += prepare_columns(str(vis), keep=asked.columns == "keep")
    notes += _prepare_flags(str(vis), keep=asked.flags == "keep")
    _into_place(vis, final)
    building.rmdir()
    return notes


def _obtain(origin: DataSource, vis: Path, asked: IngestParams, part: Selection, staged: str) -> list[str]:
    reduced = asked.average_time_s is not None or asked.average_channels > 1 or part != Selection()
    if not reduced:
        if staged:
            Path(staged).rename(vis)
        else:
            import_source(origin.model_dump(mode="json"), str(vis))
        return [_origin_note(origin)]
    whole = Path(staged) if staged else origin.path
    if not staged and origin.kind != "measurement set":
        whole = vis.with_name("whole.ms")
        import_source(origin.model_dump(mode="json"), str(whole))
    notes = _reduce(whole, vis, asked, part)
    if whole != origin.path:
        shutil.rmtree(whole)
    return [_origin_note(origin), *notes]


def _copy_writable(source: Path, destination: Path) -> None:
    shutil.copytree(source, destination, copy_function=shutil.copyfile)
    for folder, _, files in os.walk(destination):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR | (stat.S_IXUSR if path.is_dir() else 0))


def _require_data(vis: str) -> list[str]:
    with opened(vis) as tool:
        columns = [str(name) for name in tool.colnames()]
    if "DATA" not in columns:
        msg = f"{vis} has no DATA column (it has {', '.join(columns)}); gatecal calibrates raw visibilities."
        raise DataUnusable(msg)
    return columns


def _reduce(whole: Path, vis: Path, asked: IngestParams, part: Selection) -> list[str]:
    from casatasks import mstransform

    carried = {"MODEL_DATA", "CORRECTED_DATA"} & set(_require_data(str(whole)))
    mstransform(
        vis=str(whole),
        outputvis=str(vis),
        spw=part.spw,
        scan=part.scan,
        antenna=part.antenna,
        datacolumn="all" if asked.columns == "keep" and carried else "data",
        keepflags=True,
        timeaverage=asked.average_time_s is not None,
        timebin=f"{asked.average_time_s or 0.0:g}s",
        chanaverage=asked.average_channels > 1,
        chanbin=asked.average_channels,
    )
    notes = [f"Selected {kind} {value!r}." for kind, value in part.model_dump().items() if value]
    if part.spw:
        notes.append("The selected spectral windows are numbered from 0.")
    if asked.average_time_s is not None:
        notes.append(f"Averaged in time to {asked.average_time_s:g} s.")
    if asked.average_channels > 1:
        notes.append(
            f"Averaged {asked.average_channels} channels into one; channels left over at a spw's upper end are dropped."
        )
    return notes


def _recompute_uvw(vis: str) -> list[str]:
    from casatasks import fixvis

    fixvis(vis=vis, outputvis=vis, reuse=False)
    return ["Recomputed the uvw coordinates from the antenna positions (fixvis)."]


def prepare_columns(vis: str, *, keep: bool) -> list[str]:
    """Give `vis` MODEL_DATA and CORRECTED_DATA columns, so that none is ever added in the middle of a run.

    New or reset ones hold 1 (parallel hands) and DATA. A model that CASA predicts on the fly is removed with them.
    """
    from casatasks import clearcal, delmod

    carried = [name for name in ("MODEL_DATA", "CORRECTED_DATA") if name in _require_data(vis)]
    if keep and len(carried) == 2:
        return ["Kept the MODEL_DATA and CORRECTED_DATA columns that came with the input."]
    if not keep:
        delmod(vis=vis, otf=True, scr=False)
    clearcal(vis=vis, addmodel=True)
    if carried and not keep:
        clearcal(vis=vis, addmodel=True)  # the first one leaves a column alone where only the other was missing
        return [f"Reset {' and '.join(carried)} that came with the input (MODEL_DATA 1, CORRECTED_DATA = DATA)."]
    return [
        *(f"Kept the {name} column that came with the input." for name in carried),
        "Added new columns: MODEL_DATA is 1, CORRECTED_DATA is DATA, where the input had none.",
    ]


def _prepare_flags(vis: str, *, keep: bool) -> list[str]:
    from casatasks import flagdata, flagmanager

    if not keep:
        flagdata(vis=vis, mode="unflag", flagbackup=False)
    flagmanager(vis=vis, mode="save", versionname=FLAG_VERSION, comment="as the data came, before any flagging")
    return ["Kept the flags that came with the input." if keep else "Cleared all flags that came with the input."]


def _into_place(vis: Path, final: Path) -> None:
    # The MeasurementSet moves last: where it stands, its flag versions stand too.
    versions, final_versions = (path.with_name(f"{path.name}.flagversions") for path in (vis, final))
    for old in (final, final_versions):
        if old.exists():
            shutil.rmtree(old)
    versions.rename(final_versions)
    vis.rename(final)


def _note_time_frame(vis: str) -> list[str]:
    with opened(vis) as tool:
        frame = str(tool.getcolkeyword("TIME", "MEASINFO")["Ref"])
    if frame == "UTC":
        return []
    return [f"The data count time in {frame}, not UTC; all times here, and time selections, are in {frame} as well."]
