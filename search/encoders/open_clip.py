"""The open_clip adapter: encoders that open_clip loads, from a folder or by name, run by PyTorch."""

from __future__ import annotations

import contextlib
import copy
import difflib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.base import (
    CARD_FILE,
    HUB_PREFIX,
    KNOWN_NAMES,
    EncoderOptions,
    Preprocessing,
    encoder_folder,
    fingerprint_of,
    identity_name,
)
from vitrina.search.encoders.compute import ThreadDataParallel, computes_in_bfloat16, device_of, require_models
from vitrina.search.encoders.late_interaction import EncodedText, PieceHead
from vitrina.search.types.calibration import Calibration, read_calibration
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import LOCAL_PREFIX, EncoderIdentity, Pixels, Vectors

if TYPE_CHECKING:
    import torch


class ShortTextTower:
    """An open_clip text tower that accepts fewer tokens than its context length. Safe in several threads."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower
        self._is_masked = not hasattr(tower, "attn_mask")
        self._is_whole_model = hasattr(tower, "encode_text")
        prefix = "text_" if self._is_whole_model else ""
        self.end_id: int | None = getattr(tower, f"{prefix}eos_id") if pool_type_of(tower) == "eos" else None
        """The token at which a text ends; None where that is the one of the highest id, or the last before padding."""

    @classmethod
    def of(cls, model: Any) -> ShortTextTower | None:
        """The text tower of an open_clip model, or None if fewer tokens would change the vector.

        They do not if its mask is causal and the vector is read at the end token, without a class token after the text,
        or if it is a transformer of transformers, which masks the padding.
        """
        from open_clip import CLIP
        from open_clip.hf_model import HFTextEncoder, MaxPooler
        from open_clip.transformer import TextTransformer

        tower = model if type(model) is CLIP else getattr(model, "text", None)
        if isinstance(tower, HFTextEncoder):
            return None if isinstance(tower.pooler, MaxPooler) else cls(tower)
        if not isinstance(tower, TextTransformer | CLIP):
            return None
        has_class_token = getattr(tower, "cls_emb", None) is not None
        exact = tower.attn_mask is not None and not has_class_token and pool_type_of(tower) in ("argmax", "eos")
        return cls(tower) if exact else None

    @property
    def pad_id(self) -> int | None:
        """The token that is masked, or None where the tower is causal."""
        return int(self._tower.config.pad_token_id) if self._is_masked else None

    def lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """The number of tokens that count; (n, context length) to int64, shape (n,)."""
        if self._is_masked:
            return tokens.ne(int(self._tower.config.pad_token_id)).sum(dim=1)
        if self.end_id is not None:
            return (tokens == self.end_id).int().argmax(dim=1) + 1
        return tokens.argmax(dim=1) + 1  # the end token has the highest id

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed (n, context length) token ids, cut to the longest text among them; shape (n, dimension)."""
        return self.embed(tokens[:, : int(self.lengths(tokens).max())])

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """The same of token ids that are cut already."""
        tower = self._shortened(tokens.shape[1])
        return cast("torch.Tensor", (tower.encode_text if self._is_whole_model else tower)(tokens))

    def _shortened(self, length: int) -> Any:
        """The tower with a smaller mask: a shallow copy, which shares the weights and leaves the tower as it is. A
        whole model adds all of its positions, so that its copy has fewer of them, too."""
        if self._is_masked:
            return self._tower
        shortened = copy.copy(self._tower)
        shortened._buffers = {**self._tower._buffers, "attn_mask": self._tower.attn_mask[:length, :length]}
        if self._is_whole_model:
            positions = self._tower.positional_embedding[:length]
            shortened._parameters = {**self._tower._parameters, "positional_embedding": positions}
        return shortened


def pool_type_of(tower: Any) -> str:
    """How a text's vector is read from its tokens', by a tower or by a model that contains its own."""
    return str(getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", ""))


_BATCH_SIZE = 256

Input = TypeVar("Input")
Part = TypeVar("Part")

Tokenizer = Callable[[list[str]], "torch.Tensor"]


class OpenClipEncoder:
    """An open_clip model as an ``Encoder``, on CUDA under bfloat16 autocast, and on a CPU in what its weights are.

    Every method may be called from any thread. On a CPU a batch is divided among the cores; a forward pass in
    inference mode changes nothing in the model. One lock guards the tokenizer, a GPU, and calls too small to divide.
    ``model``, ``tokenizer``, ``preprocessing`` and ``device`` are public for tuning.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Tokenizer,
        preprocessing: Preprocessing,
        identity: EncoderIdentity,
        *,
        device: torch.device,
        calibration: Calibration | None = None,
        head: PieceHead | None = None,
    ) -> None:
        self.model: Any = model
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing
        self._identity = identity
        self.device = device
        self._calibration = calibration
        self._head = head
        self._lock = threading.Lock()
        self._short_text = ShortTextTower.of(model)
        self._parallel = ThreadDataParallel(_n_cores(device))

    @property
    def identity(self) -> EncoderIdentity:
        """Identifies the encoder."""
        return self._identity

    @property
    def calibration(self) -> Calibration | None:
        """The calibration in ``vitrina.json`` beside the model, or None."""
        return self._calibration

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize one upright RGB image as the model's configuration says; uint8, shape (3, height, width)."""
        return self.preprocessing.levels(image)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared images; shape (len(batch), dimension), unit rows. Blocks; 256 images at a time."""
        import torch

        kind = next(self.model.visual.parameters()).dtype

        def encode(pixels: Sequence[Pixels]) -> Vectors:
            images = torch.from_numpy(self.preprocessing.normalised(np.stack(pixels))).to(self.device, kind)
            return unit(self.model.encode_image(images))

        return self._joined(self._parts(encode, batch))

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Prepare and embed images; shape (len(images), dimension), unit rows. Blocks."""
        return self.encode_pixels([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the context length; shape (len(texts), dimension), unit rows. Blocks."""
        embed = self._short_text or self.model.encode_text
        parts, order = self._read(texts, lambda tokens: unit(embed(tokens)))
        return self._joined(parts)[np.argsort(order)]

    def encode_pieces(self, texts: Sequence[str]) -> list[EncodedText]:
        """Embed texts, and their word pieces if the encoder has a head for them. Blocks."""
        head, short = self._head, self._short_text
        if head is None or short is None or short.pad_id is None:
            return [EncodedText(vector) for vector in self.encode_texts(texts)]

        def read(tokens: torch.Tensor) -> list[EncodedText]:
            lengths = short.lengths(tokens)
            vectors, states = vectors_and_states(self.model, tokens[:, : int(lengths.max())])
            return head.encoded(unit(vectors), states.float().cpu().numpy(), lengths.tolist())

        parts, order = self._read(texts, read)
        found = list(chain.from_iterable(parts))
        return [found[at] for at in np.argsort(order)]

    def _read(self, texts: Sequence[str], read: Callable[[torch.Tensor], Part]) -> tuple[list[Part], NDArray[np.int64]]:
        """What ``read`` makes of the token ids of each part, and the order in which the texts stand in the parts."""
        import torch

        if not texts:
            return [], np.empty(0, np.int64)
        with self._lock:
            tokens = self.tokenizer(list(texts))
        # texts of similar length share a part, the longest first, so that the last part to finish is short
        lengths = self._short_text.lengths(tokens) if self._short_text else torch.zeros(len(tokens))
        order = lengths.argsort(descending=True, stable=True)
        parts = self._parts(lambda part: read(torch.stack(list(part)).to(self.device)), list(tokens[order]))
        return parts, order.numpy()

    def _parts(self, encode: Callable[[Sequence[Input]], Part], inputs: Sequence[Input]) -> list[Part]:
        """Run ``encode`` part by part."""
        import torch

        def run(part: Sequence[Input]) -> Part:
            with torch.inference_mode(), precision(self.device):
                return encode(part)

        if self._parallel.pays(len(inputs)):
            return list(self._parallel.map(run, divided(inputs, self._parallel.part_size(len(inputs), _BATCH_SIZE))))
        with self._lock:
            return [run(part) for part in divided(inputs, _BATCH_SIZE)]

    def _joined(self, parts: Sequence[Vectors]) -> Vectors:
        return np.concatenate([np.empty((0, self._identity.dimension), dtype=np.float32), *parts])


def unit(vectors: torch.Tensor) -> Vectors:
    """Rows of length 1; normalised in float32, since bfloat16 has three digits."""
    import torch

    return cast("Vectors", torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy())


def vectors_and_states(model: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The vectors of token ids, (n, length), by the text tower of a model whose text tower is a transformer of
    transformers, not normalised, and the transformer's last states, (n, length, hidden size)."""
    tower = copy.copy(model.text)
    tower.output_tokens = True
    vectors, states = tower(tokens)
    return vectors, states


def divided(inputs: Sequence[Input], size: int) -> list[Sequence[Input]]:
    """The inputs in parts of ``size``, the last one shorter."""
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _n_cores(device: torch.device) -> int:
    import torch

    return torch.get_num_threads() if device.type == "cpu" else 1


def load(name: str, options: EncoderOptions) -> OpenClipEncoder:
    """An encoder that open_clip loads: the plug-in ``open_clip``, and the default for names of no other plug-in.

    Blocks; downloads encoders that are in no folder. Raises EncoderError, and MissingDependencyError without the extra
    ``models``.
    """
    require_models("torch", "open_clip")
    import torch  # takes about four seconds, with open_clip, so only loading an encoder imports it

    if options.n_threads is not None:
        torch.set_num_threads(options.n_threads)
    folder, placed = encoder_folder(name), device_of(options.device, EncoderError)
    model, tokenizer, dimension = load_model(f"{LOCAL_PREFIX}{folder}" if folder else name, placed)
    preprocess_config = cast("Mapping[str, object]", model.visual.preprocess_cfg)
    fingerprint = fingerprint_of(folder) if folder else _hash_model(model, preprocess_config)
    if placed.type == "cpu" and not options.exact and computes_in_bfloat16():
        model.visual.to(torch.bfloat16)
    return OpenClipEncoder(
        model,
        tokenizer,
        Preprocessing.from_config(preprocess_config),
        EncoderIdentity(options.known_as or identity_name(name), fingerprint, dimension),
        device=placed,
        calibration=read_calibration(folder / CARD_FILE) if folder else None,
        head=PieceHead.read(folder) if folder else None,
    )


def create_untrained(folder: Path) -> torch.nn.Module:
    """The model that ``folder/open_clip_config.json`` describes, with random weights, for training."""
    import open_clip

    name = f"{LOCAL_PREFIX}{folder}"
    return cast("torch.nn.Module", open_clip.create_model(name, load_weights=False, **text_tower_here(name)))


def text_tower_here(name: str) -> dict[str, Any]:
    """What open_clip must be told of a folder that holds the architecture of its own text tower: a transformer of
    transformers, whose ``hf_model_name`` is ``.``, described by the folder's ``config.json``. Empty for other models.

    open_clip would look for ``.`` in the working directory, and for weights beside those of the whole model.
    """
    if not name.startswith(LOCAL_PREFIX):
        return {}
    folder = Path(name.removeprefix(LOCAL_PREFIX))
    try:
        text = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # open_clip says what is wrong
    if not isinstance(text, dict) or text.get("hf_model_name") != ".":
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of an open_clip folder: from n texts to token ids, int64, shape (n, context length)."""
    import open_clip

    return cast(Tokenizer, open_clip.get_tokenizer(f"{LOCAL_PREFIX}{folder}"))


def precision(device: torch.device, *, trains: bool = False) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on CUDA and, to train, on a CPU that computes in it: there a step takes less than half as long.
    Else plain float32; without gradients autocast converts the weights at each call, and gains nothing on a CPU."""
    import torch

    if device.type == "cuda" or (trains and computes_in_bfloat16()):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def load_model(name: str, device: torch.device) -> tuple[Any, Tokenizer, int]:
    """Model, tokenizer and embedding dimension, by a name that open_clip knows. Raises EncoderError."""
    import open_clip
    import torch

    model_name, weights = _split(name)
    try:
        own = text_tower_here(model_name)
        model = open_clip.create_model(model_name, weights, device=device, require_pretrained=True, **own)
        tokenizer = cast(Tokenizer, open_clip.get_tokenizer(model_name))
        dimension = int(open_clip.get_model_config(model_name)["embed_dim"])
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"Encoder '{name}' could not be loaded: {error}",
            remedy=f"Check the folder, or the network where it is downloaded. {KNOWN_NAMES}",
        ) from error
    model = model.eval().requires_grad_(False)
    if device.type == "cpu":
        model = model.to(memory_format=torch.channels_last)  # measured: 1.25 to 1.45 times the images a second
    return model, tokenizer, dimension


def _split(name: str) -> tuple[str, str | None]:
    """open_clip's model name and its weights; a name with a prefix carries its own weights."""
    import open_clip

    if name.startswith((LOCAL_PREFIX, HUB_PREFIX)):
        return name, None
    model, _, weights = name.rpartition("/")
    if not model:
        model, weights = weights, ""
    known = open_clip.list_models()
    if model not in known:
        close = ", ".join(difflib.get_close_matches(model, known)) or "none"
        raise EncoderError(f"open_clip knows no model '{model}' (close names: {close}).", remedy=KNOWN_NAMES)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights not in tags:
        raise EncoderError(
            f"Model '{model}' has no weights '{weights}'; it has: {', '.join(tags) or 'none'}.", remedy=KNOWN_NAMES
        )
    return model, weights


def _hash_model(model: torch.nn.Module, preprocess_config: Mapping[str, object]) -> str:
    """SHA-256 over the loaded weights and the preprocessing, for models whose files are in a download cache."""
    import torch

    digest = hashlib.sha256(json.dumps(preprocess_config, sort_keys=True).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
