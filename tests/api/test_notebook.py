"""In a notebook, driven by jupyter's own kernel: a model in hand, measured, shown as HTML, and still as it was."""

import sys

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs jupyter: pip install nbclient ipykernel")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # jupyter's own
]

CELLS = [
    "import sys; sys.path[:0] = {paths!r}",
    "import torch, kaoprof\nfrom torch import nn\nimport process_state as state",
    "net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5)).eval()",
    "x = torch.randn(2, 3, 8, 8)",
    "process, model = state.of_process(), state.of_model(net)",
    "record = kaoprof.profile(net, x, options=kaoprof.Options(samples=6, budget_s=0.2, threads=1))\nrecord",
    "print(record)",
    "with kaoprof.count() as counts:\n    net(x)\ncounts",
    "state.changed(process, state.of_process()) | state.changed(model, state.of_model(net))",
]


def test_a_model_in_hand_in_a_cell(tmp_path):
    from pathlib import Path

    import kaoprof

    tests, package = Path(__file__).parent.parent, Path(kaoprof.__file__).parent.parent
    paths = [str(package), str(tests)]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell.replace("{paths!r}", repr(paths))) for cell in CELLS]
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute()
    shown, printed, counted, changes = (cell.outputs for cell in notebook.cells[-4:])
    assert "<table" in shown[-1]["data"]["text/html"]
    assert "Conv2d" in shown[-1]["data"]["text/html"]
    assert len(shown[-1]["data"]["text/plain"]) < 500
    assert "total Sequential" in "".join(output["text"] for output in printed if output["name"] == "stdout")
    assert all(output.get("name") != "stderr" for output in shown), "nothing is written to stderr"
    assert "<table" in counted[-1]["data"]["text/html"]
    assert changes[-1]["data"]["text/plain"] == "{}"
