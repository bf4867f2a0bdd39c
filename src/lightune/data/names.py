"""Column names that people use for texts, labels and identifiers, in several languages."""

from __future__ import annotations

LABELS = (
    "label", "labels", "gold_label", "class", "classes", "category", "categories", "sentiment", "target",
    "y", "quality", "is_duplicate", "intent", "topic", "tag", "tags", "emotion", "polarity", "stance",
    "relation", "events", "spans", "entities", "ner_tags", "pos_tags",
    "score", "rating", "stars", "grade", "similarity", "annotation",
    "answerkey", "answers", "answer", "gold", "toxic", "spam",
    "label_text", "response", "completion", "output", "reply", "translation",
    "标签", "标注", "类别", "分类", "类型", "情感", "情绪", "评分",
    "分数", "标籤", "類別", "ラベル", "분류",
    "klasse", "kategorie", "catégorie", "categoría", "etiqueta", "étiquette",
)  # fmt: skip
TEXTS = (
    "text", "sentence", "review", "content", "comment", "document", "body", "message", "tweet", "post",
    "utterance", "description", "abstract", "article", "question", "query", "phrase", "snippet", "email",
    "mail", "sms", "title", "headline", "input", "texts", "review_text", "reviewtext", "clean_text",
    "full_text", "tokens", "words", "prompt", "instruction", "source", "src",
    "文本", "评论", "内容", "句子", "文章", "正文", "留言", "标题",
    "微博", "評論", "內容", "テキスト", "文", "본문",
    "texte", "texto", "satz", "kommentar",
)  # fmt: skip
PAIRS = (
    ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"), ("text_a", "text_b"),
    ("#1 string", "#2 string"), ("text1", "text2"), ("sentence_a", "sentence_b"), ("question", "sentence"),
    ("question", "context"), ("article", "question"),
    ("sent1", "sent2"), ("string1", "string2"), ("query", "passage"), ("query", "document"),
    ("句子1", "句子2"), ("文本1", "文本2"), ("前提", "假设"), ("a", "b"),
)  # fmt: skip
IDENTIFIERS = {
    "id", "idx", "index", "guid", "uuid", "uid", "key", "no", "nr", "number", "row", "unnamed: 0", "pairid",
    "promptid", "captionid", "qid1", "qid2", "#1 id", "#2 id", "old_index", "编号", "序号",
}  # fmt: skip

CLASS_NAMES = {
    "label", "labels", "gold_label", "class", "classes", "category", "categories", "sentiment", "intent",
    "score", "rating", "stars", "grade", "similarity", "标签", "类别", "分类", "情感", "评分",
}  # fmt: skip
"""Names of a label even where other columns look like a prompt and its reply."""
LANGUAGES = {
    "en": "English", "fr": "French", "de": "German", "zh": "Chinese", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "ru": "Russian", "ja": "Japanese", "ko": "Korean", "ar": "Arabic",
    "pl": "Polish", "cs": "Czech", "sv": "Swedish", "da": "Danish", "fi": "Finnish", "el": "Greek",
    "tr": "Turkish", "uk": "Ukrainian", "hu": "Hungarian", "ro": "Romanian", "vi": "Vietnamese",
}  # fmt: skip


def language_of(column: str) -> str:
    """The English name of the language that a column's name says, or its end (`text_fr`); "" for none."""
    parts = column.strip().lower().replace("-", "_").split("_")
    names = {**LANGUAGES, **{name.lower(): name for name in LANGUAGES.values()}}
    return names.get(parts[0]) or names.get(parts[-1], "")


def plain(name: str) -> str:
    """A column name without case and surrounding blanks, for comparing."""
    return str(name).strip().strip("\ufeff").lower()


def is_identifier(name: str) -> bool:
    """Whether the name says that the column numbers the rows."""
    name = plain(name)
    return name in IDENTIFIERS or name.endswith(("_id", " id", "-id", "_idx", "_uuid"))


KNOWN = {*LABELS, *TEXTS, *IDENTIFIERS, *(name for pair in PAIRS for name in pair)} - {"a", "b"}
