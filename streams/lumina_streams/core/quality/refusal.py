"""Refusals: an answer that begins by declining, in a score of languages."""

import re

REFUSAL_CHARS = 200  # a refusal says so at once

_REFUSALS = (
    *("i can't help with", "i cannot help with", "i can't assist", "i cannot assist", "i can't provide"),
    *("i cannot provide", "i'm sorry, but i can", "i am sorry, but i can", "i'm sorry, i can't"),
    *("i'm unable to", "i am unable to", "i'm not able to", "i am not able to", "i can't comply"),
    *(
        "i cannot comply",
        "i must decline",
        "i won't be able to",
        "as an ai language model",
        "i can't fulfill",
    ),
    *("i cannot fulfill", "i can't do that", "i cannot do that", "i can't answer", "i cannot answer"),
    *("i can't share", "i cannot share", "i can't discuss", "i cannot discuss", "i can't help you with"),
    *("sorry, i can't", "sorry, but i can't", "i'm not comfortable", "i'm afraid i can't", "as an ai, i"),
    # German
    *("dabei kann ich nicht helfen", "dabei kann ich leider nicht", "ich kann ihnen dabei nicht"),
    *("ich kann dir dabei nicht", "tut mir leid, aber ich kann", "es tut mir leid, ich kann"),
    *("ich kann diese anfrage nicht", "das kann ich nicht beantworten", "ich bin nicht in der lage"),
    *(
        "ich kann ihnen nicht weiterhelfen",
        "nicht weiterhelfen",
        "leider kann ich ihnen dabei nicht",
    ),
    # French
    *("je ne peux pas vous aider", "je ne peux pas répondre", "je suis désolé, mais je ne peux"),
    *("je ne suis pas en mesure", "je regrette, mais je ne peux", "désolé, je ne peux pas"),
    *("je suis désolée, mais je ne peux", "je ne peux pas fournir", "je ne peux pas traiter"),
    # Spanish
    *("no puedo ayudar", "lo siento, pero no puedo", "lo siento, no puedo", "no me es posible"),
    *("no estoy en condiciones de", "no puedo responder", "no puedo proporcionar"),
    # Portuguese
    *("não posso ajudar", "desculpe, mas não posso", "sinto muito, mas não posso", "não consigo ajudar"),
    *("lamento, mas não posso", "desculpe, não posso"),
    # Italian
    *("non posso aiutar", "mi dispiace, ma non posso", "non sono in grado di"),
    # Dutch, Swedish, Danish, Norwegian, Polish, Czech, Turkish, Indonesian, Vietnamese
    *("het spijt me, maar ik kan", "ik kan je daar niet mee helpen", "ik kan u daar niet mee helpen"),
    *("jag kan tyvärr inte", "jag kan inte hjälpa", "jeg kan desværre ikke", "jeg kan ikke hjælpe"),
    *("jeg kan dessverre ikke", "jeg kan ikke hjelpe", "przykro mi, ale nie mogę", "nie mogę pomóc"),
    *("omlouvám se, ale nemohu", "bohužel nemohu", "üzgünüm, ancak", "yardımcı olamam"),
    *("maaf, saya tidak dapat", "maaf, saya tidak bisa", "tôi không thể giúp", "xin lỗi, tôi không thể"),
    # Chinese
    *(
        "我无法提供",
        "我不能提供",
        "我无法回答",
        "我不能回答",
        "我无法协助",
        "我无法帮助",
        "我不能帮助",
        "我无法满足",
    ),
    *(
        "抱歉，我无法",
        "抱歉，我不能",
        "很抱歉，我",
        "对不起，我不能",
        "对不起，我无法",
        "抱歉,我无法",
        "抱歉，無法",
    ),
    *("我無法提供", "我無法回答", "我無法協助", "對不起，我無法", "無法協助", "抱歉，我無法"),
    # Japanese
    *(
        "申し訳ありませんが、",
        "申し訳ございませんが、",
        "お手伝いできません",
        "お答えできません",
        "お応えできません",
    ),
    *(
        "対応できません",
        "ご対応いたしかねます",
        "お答えすることはできません",
        "お手伝いすることはできません",
    ),
    # Korean
    *(
        "죄송하지만",
        "도와드릴 수 없습니다",
        "죄송합니다만",
        "답변해 드릴 수 없습니다",
        "답변드릴 수 없습니다",
    ),
    # Russian, Ukrainian
    *("извините, но я не могу", "я не могу помочь", "к сожалению, я не могу", "я не могу ответить"),
    *("простите, но я не могу", "я не могу предоставить", "вибачте, але я не можу", "я не можу допомогти"),
    # Arabic, Hebrew, Hindi, Thai, Greek
    *("لا أستطيع مساعدتك", "لا يمكنني مساعدتك", "عذرًا، لا يمكنني", "عذراً، لا يمكنني", "آسف، لا أستطيع"),
    *(
        "لا أستطيع المساعدة",
        "لا يمكنني المساعدة",
        "أعتذر، لا يمكنني",
        "أعتذر، لا أستطيع",
        "لا أستطيع تقديم",
    ),
    *("عذرًا، لا أستطيع", "عذراً، لا أستطيع", "لا يمكنني تقديم", "أنا آسف، لكن لا"),
    *("אני לא יכול לעזור", "איני יכול לסייע", "מצטער, אבל אני לא", "אני לא יכולה לעזור"),
    *("मैं इसमें मदद नहीं कर", "माफ़ करें, मैं", "क्षमा करें, मैं", "मैं आपकी मदद नहीं"),
    *("ขออภัย ฉันไม่สามารถ", "ฉันไม่สามารถช่วย", "ขออภัยครับ ผมไม่สามารถ", "ขออภัย ไม่สามารถ"),
    *("λυπάμαι, αλλά δεν μπορώ", "δεν μπορώ να βοηθήσω"),
)
_ASCII = tuple(marker for marker in _REFUSALS if marker.isascii())

# Who speaks cannot, and what: a word that is always there, then the whole pattern.
_PATTERNS = (
    (
        "",
        r"\b(i|we)( a|'|’)?(m|re)? ?(can't|cannot|can not|won't|unable to|not able to|not allowed to)"
        r"( be able to)? (help|assist|answer|provide|comply|fulfil|discuss|share|do th|engage|respond)",
    ),
    (
        "kann",
        r"\b(kann ich|ich kann|können wir|wir können)\b.{0,50}\b(nicht|keine)\b.{0,40}"
        r"(helfen|beantworten|auskunft|erfüllen|unterstützen|bearbeiten|bereitstellen|entsprechen)",
    ),
    (
        "peux",
        r"\bje ne peux (pas|malheureusement pas) (vous |t')?(aider|répondre|fournir|traiter|satisfaire)",
    ),
    ("puedo", r"\bno (te |le |les )?puedo (ayudar|responder|proporcionar|asistir|hacer|dar|cumplir|atender)"),
    ("posso", r"\bn(ão|on) (ti |la |vi |lhe )?posso (ajudar|responder|fornecer|aiutar|rispondere|fornire)"),
    ("consigo", r"\bnão consigo (ajudar|responder|fornecer)"),
    ("мог", r"\b(я )?не (могу|можем) (помочь|ответить|предоставить|выполнить|обсуждать|помогать)"),
    ("できません", r"(お手伝い|お答え|お応え|対応|回答|お力|提供|ご案内).{0,12}できません"),
    ("致しかね", r"(お手伝い|お答え|お応え|対応|回答|ご案内)"),
    ("いたしかね", r"(お手伝い|お答え|お応え|対応|回答|ご案内)"),
    ("无法", r"我.{0,6}无法.{0,8}(提供|回答|协助|帮助|帮|满足|处理|完成)"),
    ("不能", r"我.{0,6}不能.{0,8}(提供|回答|协助|帮助|帮|满足|处理|完成)"),
    ("無法", r"我.{0,6}無法.{0,8}(提供|回答|協助|幫|滿足|處理)"),
    ("수 없", r"(도와|답변|답해|제공|도움).{0,10}수 없"),
    ("أستطيع", r"لا أستطيع (مساعد|المساعد|تقديم|الإجابة|تنفيذ|الرد|تلبية)"),
    ("يمكنني", r"لا يمكنني (مساعد|المساعد|تقديم|الإجابة|تنفيذ|الرد|تلبية)"),
)
_LATER = tuple((word, re.compile(pattern).search) for word, pattern in _PATTERNS)
_ENGLISH = _LATER[0][1]
_CANNOT = ("can't", "cannot", "can not", "won't", "able to", "allowed to")


def is_refusal(text: str) -> bool:
    """Whether a text begins by declining."""
    head = text[:REFUSAL_CHARS].lower()
    markers = _ASCII
    if not head.isascii():
        markers = _REFUSALS
        head = head.replace("\u2019", "'")
    for marker in markers:
        if marker in head:
            return True
    for word in _CANNOT:
        if word in head:
            return _ENGLISH(head) is not None
    return any(word in head and search(head) is not None for word, search in _LATER[1:])
