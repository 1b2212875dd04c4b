"""Models by the names that their packages list: made without trained weights, on inputs that their configs tell."""

import socket
from types import SimpleNamespace

import pytest
from torch import nn

from kaoprof.errors import UsageError
from kaoprof.networks import code_workload
from kaoprof.networks.code_documents import code_document
from kaoprof.tape.own_inputs import with_own_inputs
from kaoprof.workload.building import resolve
from kaoprof.workload.offline import offline
from kaoprof.workload.transformers_models import inputs_of, model_of_class


def shapes_of(factory, *, batch=1, kwargs=None):
    workload = code_workload(code_document(factory, None, [], kwargs or {}), allow_import=True)
    return [spec.shape for spec in with_own_inputs(workload, batch).inputs]


def test_a_name_is_an_attribute_of_its_package_else_one_that_it_lists():
    assert resolve("modelzoo:Tiny").__name__ == "Tiny"
    assert resolve("modelzoo:tiny_net")().head.out_features == 9
    assert resolve("modelzoo:tiny_net.some_weights")(classes=4).head.out_features == 4


def test_weights_are_never_downloaded():
    before = socket.getaddrinfo
    with pytest.raises(UsageError, match="nothing is downloaded"):
        resolve("modelzoo:tiny_net")(pretrained=True)
    with pytest.raises(UsageError, match="nothing is downloaded"):
        resolve("modelzoo:downloads")()
    assert socket.getaddrinfo is before


def test_offline_leaves_local_sockets_alone():
    one, other = socket.socketpair()
    with offline(), one, other:
        one.send(b"here")
        assert other.recv(4) == b"here"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("modelzoo:tiny_nett", "modelzoo lists no model 'tiny_nett' (did you mean 'tiny_net'?)"),
        ("modelzoo:net", "'modelzoo:net' is a model, and a factory is wanted"),
        ("modelzoo:socket", "is a module, which makes no model"),
        ("torch.nn:Conv2dd", "did you mean 'Conv2d'?"),
        ("no_such_package:net", "is it installed, and spelt right?"),
    ],
)
def test_what_makes_no_model_is_one_sentence(factory, message):
    with pytest.raises(UsageError) as raised:
        resolve(factory)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_inputs_follow_from_the_models_own_config():
    assert shapes_of("modelzoo:tiny_net") == [(1, 3, 6, 10)]
    assert shapes_of("modelzoo:tiny_net", batch=4) == [(4, 3, 6, 10)]
    with pytest.raises(UsageError, match=r"torch.nn:Identity: needs the shape of its input \(for example --input 1,3"):
        shapes_of("torch.nn:Identity")


class Encoder(nn.Module):
    """As transformers' models present themselves."""

    config_class = SimpleNamespace
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, decoder_input_ids=None, pixel_values=None):
        raise NotImplementedError


def config(**said):
    made = SimpleNamespace(vocab_size=50, is_encoder_decoder=False, **said)
    made.get_text_config = lambda: made
    return made


def test_words_come_with_their_masks_and_dtypes():
    inputs = inputs_of(Encoder(config(type_vocab_size=2, max_position_embeddings=16)), 3)
    assert inputs == {
        "input_ids": {"shape": [3, 16], "dtype": "int64", "high": 50},
        "attention_mask": {"shape": [3, 16], "dtype": "int64", "values": "ones"},
        "token_type_ids": {"shape": [3, 16], "dtype": "int64", "values": "zeros"},
    }


def test_a_decoder_is_fed_too_and_two_towers_see_an_image():
    decoded = config(max_position_embeddings=512)
    decoded.is_encoder_decoder = True
    assert inputs_of(Encoder(decoded), 2)["decoder_input_ids"]["shape"] == [2, 128]
    towers = config(vision_config=SimpleNamespace(image_size=30, num_channels=3))
    assert inputs_of(Encoder(towers), 2)["pixel_values"] == {"shape": [2, 3, 30, 30]}


def test_what_a_config_does_not_tell_is_asked_for():
    model = Encoder(config())
    model.main_input_name = "pixel_values"
    with pytest.raises(UsageError, match=r"no image size \(for example --input pixel_values=1,3,224,224\)"):
        inputs_of(model, 1)
    model.main_input_name = "input_values"
    with pytest.raises(UsageError, match="does not tell the shape of input_values"):
        inputs_of(model, 1)


def test_a_class_with_a_config_is_made_by_its_default_one():
    assert model_of_class(Encoder, width=5).config.width == 5
