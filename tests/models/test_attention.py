"""Queries and keys are those of the layer's own weights, for BERT and RoBERTa."""

import pytest
import torch
from tiny import VOCABULARY, tiny_config
from transformers import AutoModel, BertModel, RobertaConfig, RobertaModel

from tinybert.models.attention import NAME, capture


def roberta() -> RobertaModel:
    return RobertaModel(
        RobertaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        )
    )


def make_inputs() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, len(VOCABULARY), (3, 6))
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 2 + [0] * 4])
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("make", [lambda: BertModel(tiny_config()), roberta])
def test_scores_are_those_of_the_layers_own_weights(make):
    model = make().eval()
    states = capture(model, make_inputs())
    assert len(states.hidden_states) == 3 and len(states.attention) == 2
    for m, layer in enumerate(model.encoder.layer):
        h = states.hidden_states[m]
        projections = layer.attention.self

        def heads(x):
            return x.view(3, 6, 2, 4).transpose(1, 2)  # (batch, heads, length, head width)

        q, k = heads(projections.query(h)), heads(projections.key(h))
        expected = q @ k.transpose(-1, -2) / 4**0.5
        torch.testing.assert_close(states.attention[m].scores(), expected)


@pytest.mark.parametrize("make", [lambda: BertModel(tiny_config()), roberta])
def test_capturing_does_not_change_the_outputs(make):
    model, inputs = make().eval(), make_inputs()
    mask = inputs["attention_mask"].bool()
    expected = model(**inputs).last_hidden_state[mask]
    torch.testing.assert_close(capture(model, inputs).hidden_states[-1][mask], expected)


def test_nothing_is_recorded_outside_of_capture():
    model, inputs = BertModel(tiny_config()).eval(), make_inputs()
    capture(model, inputs)
    assert model.config._attn_implementation == NAME
    model(**inputs)  # would fail, or grow a list, if something were recorded
    assert len(capture(model, inputs).attention) == 2


def test_only_what_is_needed_of_a_deep_teacher_is_kept():
    model, inputs = BertModel(tiny_config(num_hidden_layers=3)).eval(), make_inputs()
    every, part = capture(model, inputs), capture(model, inputs, kept=[3])
    assert part.attention[:2] == [None, None]
    torch.testing.assert_close(part.attention[2].scores(), every.attention[2].scores())
    torch.testing.assert_close(part.hidden_states, every.hidden_states)


def test_a_saved_model_does_not_ask_for_our_attention(tmp_path):
    model = BertModel(tiny_config())
    capture(model, make_inputs())
    model.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text()
    assert AutoModel.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


def test_a_model_that_bypasses_the_interface_is_an_error():
    from transformers import XLNetConfig, XLNetModel

    model = XLNetModel(XLNetConfig(vocab_size=40, d_model=8, n_layer=2, n_head=2, d_inner=16))
    with pytest.raises(ValueError, match="cannot be distilled"):
        capture(model, {"input_ids": torch.ones(1, 4, dtype=torch.long)})
