"""A vision-language model of a published family (LLaVA) that is small enough for a test.

Its weights are random, its words are those of the tests; processor, tokenizer and files are real.
"""

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIDE, PATCH = 16, 8  # px
SPREAD = 0.2  # of random weights: with the usual 0.02 so small a network hears nothing
WORDS = (
    "<pad> <unk> <s> </s> <image> user reply : ? . , the image is from camera of a robot that "
    "was told this done now answer yes or no front wrist light lamp put out"
)
CHAT = (
    "{% for message in messages %}user : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} reply :{% endif %}"
)
OPTIONS = {
    "learning_rate": 1e-2,
    "batch_size": 16,
    "dropout": 0.0,
    "targets": ("q_proj", "v_proj", "gate_proj", "up_proj", "down_proj", "linear_1", "linear_2"),
}


def tokenizer():
    """One token a word."""
    words = {word: number for number, word in enumerate(dict.fromkeys(WORDS.split()))}
    found = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    found.normalizer = normalizers.Lowercase()
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=found, extra_special_tokens={"image_token": "<image>"}, **special
    )


def write_vlm(folder, chat=CHAT):
    """Saves model and processor as transformers does."""
    words = tokenizer()
    size = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size)
    LlavaProcessor(
        images,
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat,
    ).save_pretrained(folder)
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2}
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        image_size=SIDE,
        patch_size=PATCH,
        initializer_range=SPREAD,
        **shape,
    )
    text = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_key_value_heads=2,
        vocab_size=len(words),
        max_position_embeddings=128,
        pad_token_id=0,
        initializer_range=SPREAD,
        **shape,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder
