"""Exports a small vision-language model to ONNX Runtime, and compares it with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from PIL import Image
from torch.export import Dim
from transformers.cache_utils import DynamicCache

from vitrina.search.encoders.base import Preprocessing
from vitrina.search.encoders.graphs import Graph
from vitrina.search.reranking.backends.dialects import PLACEHOLDER_IMAGE, PLAIN, AnswerTokens, Prompt, dialect_of
from vitrina.search.reranking.backends.model_folders import folder_fingerprint
from vitrina.search.reranking.backends.onnx.chat import ExportedChat
from vitrina.search.reranking.backends.onnx.exports import (
    DECODER_FILE,
    EXPORT_FILE,
    FEATURES_FILE,
    WEIGHTS_FILE,
    ChatFormat,
    DecoderShape,
    RerankerExport,
    write_export,
)
from vitrina.search.reranking.backends.transformers.chat import ChatTemplate
from vitrina.search.reranking.backends.transformers.image_features import ImageFeatures, max_useful_side_px
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.prompted_model import PromptedModel
from vitrina.search.reranking.base import RerankCandidate
from vitrina.search.reranking.prompts import explanation_prompt, localization_prompt
from vitrina.search.types.errors import RerankerError
from vitrina.tuning.export.graphs import ANY_NUMBER, Signature, Weights, read_safetensors, to_onnx, write_graph

ANY = Dim.DYNAMIC
_REMEDY = "Go on with PyTorch, which runs it as before."

PROBE_TEXTS = (
    "navy blue", "a striped shirt for men", "", "T-Shirt: 100% cotton, men's!", "naïve ÀÉ ß 👕 قميص", "yes no <answer>",
    "<s></s><image><loc_3>", 'quoted "red"\n\nThe shopper wants: "x".', "long " * 100,
)  # fmt: skip
"""Texts on which the exported chat format must give transformers' token ids."""

MAX_PIXEL_DIFFERENCE = 0.005
"""On the average; of 2. torchvision rounds a few pixels in a thousand to the next of 256 levels, 0.008 apart."""


class ImageFeaturesGraph(torch.nn.Module):
    """Pixels of shape (n, 3, height, width) to features of shape (n, image tokens, width)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output


class DecoderGraph(torch.nn.Module):
    """Embedded tokens behind a prefix to the logits at ``last`` and the keys and values of all tokens, as
    ``ExportedVlm`` uses them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        embedded: torch.Tensor,  # (n, tokens, width)
        positions: torch.Tensor,  # (1, tokens)
        mask: torch.Tensor,  # (1, 1, tokens, before + tokens), added
        past: torch.Tensor,  # (n, layers, 2, heads, before, head width)
        last: torch.Tensor,  # (texts,)
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cache = DynamicCache()
        for layer in range(past.shape[1]):
            cache.update(past[:, layer, 0], past[:, layer, 1], layer)
        output = self.model.model.language_model(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        present = torch.stack([torch.stack([layer.keys, layer.values], dim=1) for layer in cache.layers], dim=1)
        logits = self.model.lm_head(output.last_hidden_state[:, last])
        return logits, present[..., past.shape[4] :, :]


def export_reranker(folder: Path) -> RerankerExport:
    """Write the graphs of a model's features and decoder into its folder; its answers and its fingerprint stay.

    Blocks for a minute. Raises RerankerError where the folder holds no model, or one whose prompts or images the
    runtime would not prepare as transformers does, and MissingDependencyError without the extras ``models`` and
    ``export``.
    """
    with load_reranker(str(folder), device="cpu") as reranker, _as_reranker_error(), torch.inference_mode():
        prompted = reranker.prompted_model
        config = prompted.model.config
        if not reranker.shares_images or dialect_of(folder.name, folder, config.model_type) is not PLAIN:
            raise RerankerError(f"The model in {folder} cannot be exported by parts.", remedy=_REMEDY)
        preprocessing = describe_images(prompted)
        chat = describe_chat(folder, prompted, reranker_stop_tokens(prompted.model))
        image_side_px = max_useful_side_px(prompted.chat.processor)
    model, text = prompted.model, config.get_text_config()
    shape = DecoderShape(
        text.num_hidden_layers,
        text.num_key_value_heads,
        _head_width(text),
        model.get_input_embeddings().weight.shape[1],
    )
    weights = read_safetensors(folder / WEIGHTS_FILE)
    tied: Mapping[str, str] = dict(model.all_tied_weights_keys)
    (folder / EXPORT_FILE).unlink(missing_ok=True)  # until both graphs are written there is no export
    export = RerankerExport(
        folder_fingerprint(folder),
        config.model_type,
        write_features(model, preprocessing, folder, weights),
        write_decoder(model, shape, folder, weights, tied),
        embedding_name(model, weights),
        shape,
        preprocessing,
        image_side_px,
        chat,
    )
    write_export(folder, export)
    return export


def write_features(model: Any, preprocessing: Preprocessing, folder: Path, weights: Weights) -> Graph:
    """Write tower and projector."""
    signature = Signature((torch.zeros(2, 3, *preprocessing.size),), ({0: ANY_NUMBER},), ("pixels",), ("features",))
    return write_graph(to_onnx(ImageFeaturesGraph(model), signature), folder, FEATURES_FILE, weights, WEIGHTS_FILE)


def write_decoder(model: Any, shape: DecoderShape, folder: Path, weights: Weights, tied: Mapping[str, str]) -> Graph:
    """Write the decoder, for any number of images, tokens, tokens before them, and texts."""
    n_images, n_tokens, n_before, n_texts = 2, 5, 7, 3  # none 0 or 1, which the exporter would take for fixed
    examples = (
        torch.zeros(n_images, n_tokens, shape.width),
        torch.arange(n_tokens)[None] + n_before,
        torch.zeros(1, 1, n_tokens, n_before + n_tokens),
        torch.zeros(n_images, shape.n_layers, 2, shape.n_heads, n_before, shape.head_width),
        torch.arange(n_texts),
    )
    sizes = ({0: ANY, 1: ANY}, {1: ANY}, {2: ANY, 3: ANY}, {0: ANY, 4: ANY}, {0: ANY})
    names = ("embedded", "positions", "mask", "past", "last")
    signature = Signature(examples, sizes, names, ("logits", "present"))
    graph = to_onnx(DecoderGraph(model), signature, tied=tied)
    return write_graph(graph, folder, DECODER_FILE, weights, WEIGHTS_FILE)


def embedding_name(model: Any, weights: Weights) -> str:
    """The name of the tokens' embeddings among the folder's weights. Raises RerankerError."""
    embedding = model.get_input_embeddings().weight.detach().numpy()
    for name, weight in weights.items():
        if weight.shape == embedding.shape and np.array_equal(weight, embedding):
            return name
    raise RerankerError("The embeddings of the model's tokens are not among its weights.", remedy=_REMEDY)


def describe_images(prompted: PromptedModel) -> Preprocessing:
    """How images are prepared. Raises RerankerError where the runtime would prepare them otherwise."""
    processor = prompted.chat.processor.image_processor
    size = dict(processor.size)
    if not size.get("height") or not size.get("width"):
        raise RerankerError("The model's images are of no fixed size.", remedy=_REMEDY)
    preprocessing = Preprocessing(
        (int(size["height"]), int(size["width"])),
        tuple(processor.image_mean),
        tuple(processor.image_std),
        resize_mode="squash",
        interpolation="bilinear" if processor.resample == Image.Resampling.BILINEAR else "bicubic",
    )
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 18, 3), dtype=np.uint8)
    for small, scale in zip(noise, (3, 10, 25), strict=True):
        image = Image.fromarray(small).resize((18 * scale, 24 * scale), Image.Resampling.BICUBIC)
        expected = processor(images=[image], return_tensors="pt")["pixel_values"][0].numpy()
        pixels = preprocessing(image)
        if pixels.shape != expected.shape or np.abs(pixels - expected).mean() > MAX_PIXEL_DIFFERENCE:
            raise RerankerError("The model's images are prepared in a way that is not exported.", remedy=_REMEDY)
    return preprocessing


def describe_chat(folder: Path, prompted: PromptedModel, stop: Sequence[int]) -> ChatFormat:
    """How prompts become token ids. Raises RerankerError where the runtime would give other ids than transformers."""
    template, tokenizer = prompted.chat, prompted.chat.tokenizer
    image = prompted.compute_features([RerankCandidate("probe", PLACEHOLDER_IMAGE)])["probe"]
    placeholder = _placeholder(image)
    answers: AnswerTokens = prompted.dialect.answers(tokenizer)
    chat = ChatFormat(
        template.template,
        {**{name: str(token) for name, token in tokenizer.special_tokens_map.items()}, **template.switches},
        template.takes_system_messages,
        placeholder,
        len(image.expansion),
        tuple(sorted(template.control_tokens)),
        answers.yes,
        answers.no,
        tuple(stop),
    )
    check_chat(template, ExportedChat(folder, chat))
    return chat


def check_chat(template: ChatTemplate, exported: ExportedChat) -> None:
    """Raise RerankerError unless both clean and tokenize the probes alike."""
    for text in PROBE_TEXTS:
        clean = template.clean(text, 16)
        prompts = [PLAIN.ask(PLACEHOLDER_IMAGE, clean, ""), PLAIN.ask(PLACEHOLDER_IMAGE, clean, clean)]
        prompts += [PLAIN.ask(None, clean, clean)]
        prompts += [
            Prompt((PLACEHOLDER_IMAGE, task)) for task in (explanation_prompt([clean]), localization_prompt(clean))
        ]
        same = exported.clean(text, 16) == clean
        if not same or any(list(exported.tokens(prompt)) != template.tokens(prompt) for prompt in prompts):
            raise RerankerError(f"The model's chat template is not exported: it differs for {text!r}.", remedy=_REMEDY)


def reranker_stop_tokens(model: Any) -> list[int]:
    """The tokens that end a text."""
    stop = model.generation_config.eos_token_id
    return list(stop) if isinstance(stop, list) else [stop]


@contextmanager
def _as_reranker_error() -> Iterator[None]:
    """Raise RerankerError for a model of another kind, which lacks what is read off it, or whose template does not
    render here."""
    try:
        yield
    except (TemplateError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise RerankerError(f"The model cannot be exported: {error}", remedy=_REMEDY) from error


def _placeholder(image: ImageFeatures) -> int:
    if image.kinds or image.grids or len(image.placeholder) != 1 or set(image.expansion) != set(image.placeholder):
        raise RerankerError("The model's images take a place in its prompts that is not exported.", remedy=_REMEDY)
    return image.placeholder[0]


def _head_width(text: Any) -> int:
    return int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
