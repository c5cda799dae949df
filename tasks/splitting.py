"""Split: each calibrated target into a MeasurementSet of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError
from schemas.results import ApplyRecord, SplitRecord
from tasks.casa import run
from tasks.step import step
from tasks.workspace import remove, replace_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.calibration import Calibration


@step("split", SplitRecord)
def split_targets(calibration: Calibration, applied: ApplyRecord) -> SplitRecord:
    """Split each target's corrected data into ``products/<target>.ms``, flags kept (guide, step 13)."""
    asked = calibration.parameters.split
    if not asked.enabled or applied.skipped:
        return SplitRecord(skipped=applied.skipped or "switched off (split.enabled)")
    workspace = calibration.workspace
    _refuse_shared_names(calibration.roles.targets)
    targets = {}
    for target in calibration.roles.targets:
        name = file_name(target)
        partial = workspace.products / f".{name}.ms.partial"
        remove(partial)
        remove(partial.with_name(partial.name + ".flagversions"))
        run(
            "split",
            timeout_s=asked.timeout_s,
            vis=calibration.vis,
            outputvis=partial,
            field=target,
            datacolumn="corrected",
            keepflags=asked.keepflags,
        )
        final = workspace.products / f"{name}.ms"
        replace_whole(partial, final)
        targets[target] = workspace.relative(final)
    return SplitRecord(targets=targets)


def _refuse_shared_names(targets: Sequence[str]) -> None:
    owners: dict[str, str] = {}
    for target in targets:
        other = owners.setdefault(file_name(target), target)
        if other != target:
            msg = (
                f"the targets {other!r} and {target!r} would share the file {file_name(target)}.ms; calibrate them as "
                "two observations, each with one of them in its roles."
            )
            raise ConfigurationError(msg)


def file_name(field: str) -> str:
    """Return a field's name as a file's: what is not a letter, digit or one of ``+-_.`` becomes ``_``."""
    name = "".join(character if character.isalnum() or character in "+-_." else "_" for character in field)
    return name.lstrip(".") or "_"
