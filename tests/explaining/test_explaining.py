"""From a request to an explanation: proof, shares that add up, JSON, and one clear line for a wrong request."""

import json
import math
import subprocess
import sys

import pytest

from kaoprof.dims import AttentionOptions
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.explaining import analysis
from kaoprof.explaining.run import ExplainRequest, explain
from kaoprof.records.explain import PROVEN

CODE = "torch.nn:TransformerEncoderLayer"
SIZES = {"b": 2, "n": 17, "c": 8}


@pytest.fixture(scope="module")
def nonlocal_attention():
    return explain(ExplainRequest(target="nonlocal", sizes={"b": 8, "c": 8, "h": 14, "w": 14}))


def test_the_papers_count_is_derived_and_proven(nonlocal_attention):
    assert nonlocal_attention.proof_status == PROVEN
    macs = nonlocal_attention.formula("macs")
    assert macs.text == "b c h w (c + 2 h w)"
    assert macs.latex == r"b c h w \left(c + 2 h w\right)"
    assert macs.order == "O(h^4 c)"
    assert macs.degrees == {"b": 1, "c": 2, "h": 2, "w": 2}
    assert macs.value == 8 * 627_200  # arXiv:2007.08442 prints 0.63m for one of the eight samples


def test_shares_add_up_to_the_whole(nonlocal_attention):
    for parts in (nonlocal_attention.operations, nonlocal_attention.submodules):
        assert math.isclose(sum(part.macs_share for part in parts), 1)
        assert math.isclose(sum(part.flops_share for part in parts), 1)


def test_each_product_is_named_with_its_formula(nonlocal_attention):
    products = [(part.name, part.macs) for part in nonlocal_attention.operations if part.macs != "0"]
    assert products == [("1st bmm", "b c^2 h w"), ("2nd bmm", "b c h^2 w^2"), ("3rd bmm", "b c h^2 w^2")]


@pytest.mark.slow
def test_training_triples_every_submodule():
    options = AttentionOptions(projection="qkv")
    trained = explain(ExplainRequest(target="kao_kv", options=options, mode="train"))
    assert trained.proof_status == PROVEN
    shares = {(part.module, part.backward): part.macs_share for part in trained.submodules}
    assert math.isclose(shares["attention", True], 2 / 3)
    assert math.isclose(shares["attention", False], 1 / 3)


def test_an_explanation_goes_into_json(nonlocal_attention):
    loaded = json.loads(json.dumps(nonlocal_attention.as_json()))
    assert loaded["proof_status"] == PROVEN
    assert loaded["formulas"][0]["quantity"] == "macs"
    assert len(loaded["checked"]) == 5


@pytest.mark.usefixtures("quick_measuring")
def test_code_is_explained_with_the_names_of_its_sizes():
    explained = explain(
        ExplainRequest(
            target=CODE,
            inputs=("b,n,c",),
            sizes=SIZES,
            args=("c", 2),
            kwargs={"dim_feedforward": "4*c", "batch_first": True},
            allow_import=True,
        )
    )
    assert explained.proof_status is None
    assert explained.formula("macs").text == "2 b c n (6 c + n)"
    assert explained.counted["macs"] == explained.formula("macs").value
    assert explained.inputs == ("b,n,c",)
    assert explained.arguments == ("c", "2", "dim_feedforward=4*c", "batch_first=true")


def test_an_operator_tells_its_options(nonlocal_attention):
    assert nonlocal_attention.inputs == ()
    assert nonlocal_attention.arguments == ("heads=1", "projection=value", "scale=sqrt", "implementation=matmul")


@pytest.mark.usefixtures("quick_measuring")
def test_a_peak_that_leaves_something_out_says_what():
    request = ExplainRequest(
        target="torch.nn:Conv2d", inputs=("b,12,h,w",), sizes={"b": 2, "h": 28, "w": 28}, args=(12, 8, 3),
        kwargs={"groups": 4}, allow_import=True,
    )  # fmt: skip
    explained = explain(request)
    assert explained.unmodelled == ("convolution of small groups",)
    assert explained.counted["peak_bytes"] == explained.formula("peak_bytes").value


def test_a_shipped_network_is_explained():
    explained = explain(ExplainRequest(target="kao-qkv-56", sizes={"b": 1, "h": 28, "w": 28}))
    assert explained.method == "derivation"
    assert explained.formula("macs").order == "O(h^2)"  # its channels are a number, so no size
    assert explained.inputs == ("b,64,h,w",)


@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"target": CODE}, "add --allow-import"),
        ({"target": "torch.nn:ReLU", "allow_import": True}, "needs the shape of its input"),
        ({"target": CODE, "allow_import": True}, "--kwarg d_model=VALUE gives one"),
        ({"target": CODE, "allow_import": True, "inputs": ("b,n,c",), "sizes": {"b": 2}}, "no size is given for c, n"),
        ({"target": CODE, "allow_import": True, "inputs": ("b",), "sizes": {"b": 2}, "args": (8, 2)}, "does not run"),
        ({"target": "torch.nn:Convv", "allow_import": True, "inputs": ("b",), "sizes": {"b": 2}}, "cannot find"),
        ({"target": "nonlokal"}, "did you mean 'nonlocal'"),
        ({"target": "nonlocal", "inputs": ("b,c",)}, "takes no input pattern"),
        ({"target": "nonlocal", "sizes": {"t": 3}}, "has no size 't'"),
    ],
)
def test_a_wrong_request_gives_one_clear_line(request_, message):
    with pytest.raises(KaoprofError) as raised:
        explain(ExplainRequest(**request_))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"mode": "eval"}, {"dtype": "int8"}, {"device": "tpu"}, {"ndim": 4}])
def test_unknown_words_are_refused(wrong):
    with pytest.raises(UsageError):
        ExplainRequest(target="nonlocal", **wrong)


def test_torch_stays_away_until_something_is_explained():
    code = "import sys, kaoprof.explaining.run; sys.exit(any(name in sys.modules for name in ('torch', 'sympy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CODE_SPEC = """
schema: 1
name: attend
module: "torch.nn:MultiheadAttention"
kwargs: {embed_dim: 16, num_heads: 2, batch_first: true}
inputs: [{shape: [2, 9, 16]}, {shape: [2, 7, 16]}, {shape: [2, 7, 16]}]
"""


@pytest.mark.usefixtures("quick_measuring")
def test_a_spec_that_names_code_is_explained_in_the_names_that_the_user_gives_its_axes(tmp_path):
    spec = tmp_path / "attend.yaml"
    spec.write_text(CODE_SPEC)
    names = ("b,q,16", "b,k,16", "b,k,16")
    explanation = explain(ExplainRequest(target=str(spec), inputs=names, allow_import=True))
    macs = explanation.formula("macs")
    assert macs.value == 2 * (2 * 9 + 2 * 7) * 16 * 16 + 2 * 2 * 9 * 7 * 16  # four projections, two products
    assert macs.degrees == {"b": 1, "k": 1, "q": 1}


@pytest.mark.usefixtures("quick_measuring")
def test_a_spec_with_whole_numbers_for_input_can_be_trained(tmp_path):
    spec = tmp_path / "embed.yaml"
    spec.write_text("schema: 1\nname: embed\nmodule: 'torch.nn:Embedding'\nargs: [50, 16]\n"
                    "inputs: [{shape: [2, 9], dtype: int64, high: 50}]\n")  # fmt: skip
    explanation = explain(ExplainRequest(target=str(spec), inputs=("b,n",), allow_import=True, mode="train"))
    assert explanation.formula("macs").value == 0
    assert explanation.formula("params").value == 50 * 16


@pytest.mark.parametrize(
    ("inputs", "allowed", "said"),
    [
        ((), False, "not imported"),
        ((), True, "need names"),
        (("b,q,16", "b,k,16"), True, "need names"),
        (("b,q,16", "b,q,16", "b,k,16"), True, "'q' is 9 in the spec, but 7 by --input"),
        (("b,q,8", "b,k,16", "b,k,16"), True, "'8' is 16 in the spec, but 8 by --input"),
    ],
)
def test_a_spec_that_names_code_says_what_is_missing(tmp_path, inputs, allowed, said):
    spec = tmp_path / "attend.yaml"
    spec.write_text(CODE_SPEC)
    with pytest.raises(UsageError, match=said):
        explain(ExplainRequest(target=str(spec), inputs=inputs, allow_import=allowed))


def test_a_call_of_very_many_operations_is_refused_before_anything_takes_long(monkeypatch):
    monkeypatch.setattr(analysis, "MOST_OPERATIONS", 2)
    with pytest.raises(KaoprofError, match="more than 2 operations") as refused:
        explain("kao_qkv")
    assert "kaoprof profile" in refused.value.hint
