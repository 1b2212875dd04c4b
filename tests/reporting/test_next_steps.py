"""What is offered next can be typed as it stands, on the device that was asked about."""

import shlex

from explained import explanation
from msgspec.structs import replace
from samples import measured_record

from kaoprof.cli.command_table import built
from kaoprof.reporting.kinds import next_step_of


def understood(step):
    """The options of a command that is offered, as typer reads them; what stands behind the gap only explains."""
    name, *words = shlex.split(step.partition("    ")[0])[1:]
    return built(name).make_context(name, words).params


def test_a_sweep_is_offered_for_the_device_that_was_compared():
    record = measured_record()
    rows = tuple(replace(row, case=replace(row.case, device="cuda:1")) for row in record.rows)
    options = understood(next_step_of(replace(record, rows=rows)))
    assert (options["h"], options["c"], options["batch"], options["device"]) == ("14:112:x2", "8", "8", "cuda:1")


def test_fitting_is_offered_for_the_device_that_was_explained():
    options = understood(next_step_of(replace(explanation(), name="kao_qkv", device="cuda")))
    assert (options["memory"], options["operators"], options["device"]) == ("24GiB", "kao_qkv", "cuda")
