"""Tiny models of every family, with random weights: their real configurations, models, tokenizers and processors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WIDTH = 32
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
}
VISION = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}

CHATML = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{%- if part.type == 'image' %}IMAGE{% elif part.type == 'text' %}{{ part.text }}{% endif -%}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""

LLAVA_15 = """{%- for message in messages -%}
{%- if message.role != 'system' %}{{ message.role | upper }}: {% endif -%}
{%- for part in message.content -%}{%- if part.type == 'image' %}<image>
{% else %}{{ part.text }} {% endif -%}{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt %}ASSISTANT:{% endif -%}"""

SMOL = """<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:
{%- for part in message.content %}{% if part.type == 'text' %} {{ part.text }}{% else %}<image>{% endif %}{% endfor -%}
<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""

LLAMA_32 = """{{- bos_token -}}
{%- if messages[0].role == 'system' -%}
{{- raise_exception('Prompting with images is incompatible with system messages.') -}}
{%- endif -%}
{%- for message in messages -%}
<|start_header_id|>{{ message.role }}<|end_header_id|>

{% for part in message.content %}{% if part.type == 'image' %}<|image|>{% else %}{{ part.text }}{% endif %}{% endfor -%}
<|eot_id|>
{%- endfor -%}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif -%}"""

PIXTRAL = """{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'user' -%}
[INST]{% for part in message.content -%}
{%- if part.type == 'image' %}[IMG]{% else %}{{ part.text }}{% endif -%}
{%- endfor %}[/INST]
{%- endif -%}
{%- endfor -%}"""

GEMMA = """{{- bos_token -}}
{%- set head = messages[0].content[0].text + '\n\n' if messages[0].role == 'system' else '' -%}
{%- for message in messages if message.role != 'system' -%}
<start_of_turn>{{ message.role }}
{{ head if loop.first }}{% for part in message.content -%}
{%- if part.type == 'image' %}<start_of_image>{% else %}{{ part.text | trim }}{% endif -%}
{%- endfor %}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt %}<start_of_turn>model
{% endif -%}"""

CORPUS = [
    "Is this product what the shopper wants in this respect? Answer with one word, yes or no. Yes No YES NO yes no",
    "The catalog says: The shopper wants: navy blue shirts for men. You check the products of a shop.",
] * 8


@cache
def _vocabulary() -> str:
    """A byte-level BPE of a few hundred tokens, yes and no among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=480, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.to_str()


def tokenizer_with(*control_tokens: str, named: Mapping[str, str] | None = None) -> Any:
    """A tokenizer with these control tokens: beginning, end and padding first, then the family's own."""
    named = dict(named or {})
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_vocabulary()),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=named,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [*control_tokens, *named.values()]})
    return tokenizer


def _ends(tokenizer: Any) -> dict[str, int]:
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _chatml(placeholder: str) -> str:
    return CHATML.replace("IMAGE", placeholder)


def _qwen(kind: str) -> tuple[Any, Any]:
    names = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = tokenizer_with(*names)
    _, _, start, end, image, video = (tokenizer.convert_tokens_to_ids(name) for name in names)
    ids = {"image_token_id": image, "video_token_id": video, "vision_start_token_id": start, "vision_end_token_id": end}
    text = {**TEXT, "vocab_size": len(tokenizer), "rope_parameters": MROPE, **_ends(tokenizer)}
    template = _chatml("<|vision_start|><|image_pad|><|vision_end|>")
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    if kind == "qwen2_vl":
        text.pop("head_dim")
        vision: dict[str, Any] = {"depth": 2, "embed_dim": WIDTH, "num_heads": 2, "hidden_size": WIDTH}
        config: Any = hf.Qwen2VLConfig(text_config=text, vision_config={**vision, "patch_size": 14}, **ids)
        model: Any = hf.Qwen2VLForConditionalGeneration(config)
        images = hf.Qwen2VLImageProcessor(patch_size=14, size=size)
        videos: Any = hf.Qwen2VLVideoProcessor(patch_size=14)
        return model, hf.Qwen2VLProcessor(images, tokenizer, videos, chat_template=template)
    if kind == "qwen2_5_vl":
        text.pop("head_dim")
        vision = {"depth": 2, "hidden_size": WIDTH, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": WIDTH}
        vision |= {"patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]}
        config = hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
        model = hf.Qwen2_5_VLForConditionalGeneration(config)
        images = hf.Qwen2VLImageProcessor(patch_size=14, size=size)
        videos = hf.Qwen2VLVideoProcessor(patch_size=14)
        return model, hf.Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=template)
    vision = {"depth": 2, "hidden_size": WIDTH, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": WIDTH}
    vision |= {"patch_size": 16, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    config = hf.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
    model = hf.Qwen3VLForConditionalGeneration(config)
    images = hf.Qwen2VLImageProcessor(patch_size=16, size=size)
    return model, hf.Qwen3VLProcessor(images, tokenizer, hf.Qwen3VLVideoProcessor(), chat_template=template)


def qwen2_vl() -> tuple[Any, Any]:
    return _qwen("qwen2_vl")


def qwen2_5_vl() -> tuple[Any, Any]:
    return _qwen("qwen2_5_vl")


def qwen3_vl() -> tuple[Any, Any]:
    return _qwen("qwen3_vl")


def _idefics_parts() -> tuple[Any, dict[str, Any]]:
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = tokenizer_with(
        "<|im_start|>", "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *rows
    )
    text = {"model_type": "llama", **TEXT, "vocab_size": len(tokenizer), **_ends(tokenizer)}
    vision = {**VISION, "image_size": 32, "patch_size": 8}
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = {"text_config": text, "vision_config": vision, "scale_factor": 2, "image_token_id": image}
    return tokenizer, {**config, "pad_token_id": tokenizer.pad_token_id}


def smolvlm() -> tuple[Any, Any]:
    tokenizer, config = _idefics_parts()
    images = hf.SmolVLMImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    videos = hf.SmolVLMVideoProcessor()
    processor = hf.SmolVLMProcessor(images, tokenizer, videos, image_seq_len=4, chat_template=SMOL)
    return hf.SmolVLMForConditionalGeneration(hf.SmolVLMConfig(**config)), processor


def idefics3() -> tuple[Any, Any]:
    tokenizer, config = _idefics_parts()
    images = hf.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = hf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=SMOL)
    return hf.Idefics3ForConditionalGeneration(hf.Idefics3Config(**config)), processor


def llava() -> tuple[Any, Any]:
    tokenizer = tokenizer_with(named={"image_token": "<image>"})
    config = hf.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION, "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(tokenizer), **_ends(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    images = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = hf.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_15,
    )
    return hf.LlavaForConditionalGeneration(config), processor


def mllama() -> tuple[Any, Any]:
    tokenizer = tokenizer_with("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>")
    n_words = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|image|>"]})  # behind what the model can say
    text = {**TEXT, "vocab_size": n_words, "cross_attention_layers": [1], **_ends(tokenizer)}
    text.pop("head_dim")
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        "intermediate_layers_indices": [0],
        "vision_output_dim": 2 * WIDTH,
    }
    config = hf.MllamaConfig(vision_config=vision, text_config=text, image_token_index=n_words)
    images = hf.MllamaImageProcessor(size={"height": 32, "width": 32}, max_image_tiles=4)
    return hf.MllamaForConditionalGeneration(config), hf.MllamaProcessor(images, tokenizer, chat_template=LLAMA_32)


def pixtral() -> tuple[Any, Any]:
    tokenizer = tokenizer_with("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    vision = {"model_type": "pixtral", **VISION, "image_size": 64, "patch_size": 16}
    config = hf.LlavaConfig(
        vision_config=vision,
        text_config={"model_type": "mistral", **TEXT, "vocab_size": len(tokenizer), **_ends(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=1,
    )
    images = hf.PixtralImageProcessor(size={"longest_edge": 64}, patch_size={"height": 16, "width": 16})
    return hf.LlavaForConditionalGeneration(config), hf.PixtralProcessor(
        images, tokenizer, patch_size=16, chat_template=PIXTRAL
    )


def gemma3() -> tuple[Any, Any]:
    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = tokenizer_with("<start_of_turn>", "<end_of_turn>", named=named)
    text = {**TEXT, "vocab_size": len(tokenizer), "sliding_window": 64, "query_pre_attn_scalar": 16}
    config = hf.Gemma3Config(
        text_config={**text, "layer_types": ["sliding_attention", "full_attention"], **_ends(tokenizer)},
        vision_config={**VISION, "image_size": 32, "patch_size": 8, "vision_use_head": False},
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    images = hf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    processor = hf.Gemma3Processor(images, tokenizer, chat_template=GEMMA, image_seq_length=4)
    return hf.Gemma3ForConditionalGeneration(config), processor


def molmo2() -> tuple[Any, Any]:
    names = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<low_res_im_start>", "<frame_start>", "<frame_end>")
    tokenizer = tokenizer_with("<|im_start|>", "<|im_end|>", "<|image|>", "<|video|>", "<im_low>", *names)
    start, end, patch, column, low, frame, frame_end = (tokenizer.convert_tokens_to_ids(name) for name in names)
    config = hf.Molmo2Config(
        text_config={**TEXT, "vocab_size": len(tokenizer), "additional_vocab_size": 0, **_ends(tokenizer)},
        vision_config={**VISION, "num_key_value_heads": 2, "head_dim": 16, "image_size": [56, 56], "patch_size": 14},
        adapter_config={
            "vision_feature_layer": [-1, -2],
            "hidden_size": WIDTH,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 64,
            "text_hidden_size": WIDTH,
        },
        image_start_token_id=start,
        low_res_image_start_token_id=low,
        image_end_token_id=end,
        image_patch_id=patch,
        image_col_id=column,
        frame_start_token_id=frame,
        frame_end_token_id=frame_end,
    )
    images = hf.Molmo2ImageProcessor(size={"height": 56, "width": 56}, max_crops=2, overlap_margins=[1, 1])
    processor = hf.Molmo2Processor(images, hf.Molmo2VideoProcessor(), tokenizer, chat_template=_chatml("<|image|>"))
    return hf.Molmo2ForConditionalGeneration(config), processor


def fast_vlm() -> tuple[Any, Any]:
    """As the embedded model is put together: a convolutional tower whose last map, of one size, is the picture."""
    tokenizer = tokenizer_with(named={"image_token": "<image>"})
    config = hf.FastVlmConfig(
        vision_config=hf.TimmWrapperConfig(
            architecture="test_efficientnet", do_pooling=False, hidden_size=256, num_labels=0
        ),
        text_config=hf.LlamaConfig(**TEXT, vocab_size=len(tokenizer), **_ends(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=6,
    )
    images = hf.SiglipImageProcessor(size={"height": 96, "width": 64})
    processor = hf.LlavaProcessor(
        images,
        tokenizer,
        patch_size=32,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=LLAVA_15,
    )
    return hf.FastVlmForConditionalGeneration(config), processor


Builder = Callable[[], tuple[Any, Any]]
FAMILIES: Mapping[str, Builder] = {
    "qwen2-vl": qwen2_vl,
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "qwen3-vl-reranker": qwen3_vl,
    "smolvlm": smolvlm,
    "idefics3": idefics3,
    "llava": llava,
    "llama-3.2-vision": mllama,
    "pixtral": pixtral,
    "gemma-3": gemma3,
    "molmo2": molmo2,
    "fast-vlm": fast_vlm,
}


def save(family: str, folder: Path) -> Path:
    """Build a model of the family and save it as its authors would; the folder is named after the family."""
    torch.manual_seed(0)
    model, processor = FAMILIES[family]()
    for parameter in model.parameters():  # the families' own spread of 0.02 leaves every answer at one half
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    target = folder / family
    model.save_pretrained(target)
    processor.save_pretrained(target)
    return target
