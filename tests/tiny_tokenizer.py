"""Small tokenizers with the special tokens of each architecture.

A WordPiece one over a fixed vocabulary; byte-level BPE for GPT-2 and Qwen2, whose loader expects it.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

MAX_TOKENS = 128
WORDS = """
    a about acting actor actors again all also always amazing an and any are as at awful bad be beautiful
    because best better boring bought box brilliant bus but buy by cat charming cheap cinema city clever
    come day did do dog dull ending enjoy ever every excellent fails film films fine first for friend from
    fun funny game get go good great had has hate he her his home horrible how i if in is it its just know
    last like little long love made make man many me mediocre monday more most movie movies much my never
    new nice no not now of old on one only or order out over people pizza plot poor price pretty product
    really refund said sat say school see sentence she shop show slow smart so some sound spam story sun
    sunday terrible than that the their them then there they this time to tomorrow too town train two
    ugly up very was waste watch way we weather well were what when which who why wife win with woman
    wonderful word work works world worst would year yes yesterday you your
""".split()
CHINESE = "的一是不了我你他们这那好坏书看很喜欢电影质量差送货快慢推荐便宜贵酒店房间服务"
PUNCTUATION = list(string.punctuation) + list("，。！？；：")


@dataclass(frozen=True)
class Specials:
    """The special tokens of one architecture, in the order of their ids from 0, and where they go."""

    tokens: tuple[str, ...]
    roles: dict[str, str]
    single: str
    pair: str
    types: bool = False


BERT = Specials(
    ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    },
    "[CLS] $A [SEP]",
    "[CLS] $A [SEP] $B:1 [SEP]:1",
    types=True,
)
NO_TYPES = Specials(BERT.tokens, BERT.roles, BERT.single, "[CLS] $A [SEP] $B [SEP]")
ROBERTA = Specials(
    ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
    "<s> $A </s>",
    "<s> $A </s> </s> $B </s>",
)
T5 = Specials(
    ("<pad>", "</s>", "<unk>"),
    {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    "$A </s>",
    "$A </s> $B </s>",
)
LLAMA = Specials(
    ("<unk>", "<s>", "</s>", "<pad>"),
    {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    "<s> $A",
    "<s> $A $B",
)
GPT2 = Specials(
    ("<|endoftext|>", "<|pad|>"),
    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|pad|>"},
    "$A",
    "$A $B",
)
SPECIALS = {
    "bert": BERT,
    "roberta": ROBERTA,
    "distilbert": NO_TYPES,
    "electra": BERT,
    "deberta": BERT,
    "albert": BERT,
    "modernbert": NO_TYPES,
    "gpt2": GPT2,
    "llama": LLAMA,
    "qwen2": GPT2,
    "t5": T5,
    "bart": ROBERTA,
    "marian": T5,
}


BYTE_LEVEL = ("gpt2", "qwen2")


def tiny_tokenizer(kind: str) -> Any:
    """A fast tokenizer whose special tokens and template are those of `kind`."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    specials = SPECIALS[kind]
    tokenizer = _byte_level(specials) if kind in BYTE_LEVEL else _word_piece(specials)
    if kind not in BYTE_LEVEL:
        ids = [(token, tokenizer.token_to_id(token)) for token in specials.tokens]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=specials.single, pair=specials.pair, special_tokens=ids
        )
    inputs = ["input_ids", *(["token_type_ids"] if specials.types else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        model_input_names=inputs,
        padding_side="right",
        **specials.roles,
    )


def _word_piece(specials: Specials) -> Any:
    """Ids in order: specials, words, single characters, their word-inner forms, punctuation, Chinese."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    letters = list(string.ascii_lowercase + string.digits)
    inner = [f"##{letter}" for letter in (*letters, "s", "ed", "ing", "ly")]
    tokens = dict.fromkeys([*specials.tokens, *WORDS, *letters, *inner, *PUNCTUATION, *CHINESE])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=specials.roles["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _byte_level(specials: Specials) -> Any:
    """Trained on the words, each with a space before it; any text can be written in its 256 bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(specials.tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f" {word}" for word in WORDS], trainer)
    return tokenizer
