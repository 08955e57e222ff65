"""What people ask applications and what those answer: seeded, with natural variation, and ways to go wrong.

A `Talk` gives one exchange after the other. Prompts carry names and numbers and rarely repeat as strings.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Exchange:
    """One prompt and its answer."""

    question: str
    answer: str
    version: str = ""  # of the prompt
    finish: str = "stop"


Talk = Callable[[random.Random], Exchange]

FIRST = ("Mara", "Jonas", "Aiko", "Samuel", "Elena", "Priya", "Tom", "Ines", "Yusuf", "Olga", "Wei", "Noor")
LAST = ("Lindqvist", "Weber", "Tanaka", "Okoro", "Rossi", "Nair", "Baker", "Moreau", "Demir", "Petrova", "Li")
PRODUCTS = ("Aurora Lamp", "Nordic Desk", "Halo Speaker", "Trail Backpack", "Brew Kettle", "Luna Chair")


def person(rng: random.Random) -> str:
    """A customer."""
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


# facts that a name holds

CAPITALS = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Norway": "Oslo",
}
OTHER_CAPITALS = {
    "Ghana": "Accra",
    "Cuba": "Havana",
    "Chile": "Santiago",
    "Austria": "Vienna",
    "Qatar": "Doha",
}
ASKED_CAPITAL = (
    "What is the capital of {country}?",
    "What's the capital of {country}, please?",
    "Tell me the capital of {country}.",
    "Which city is the capital of {country}?",
)
TOLD_CAPITAL = (
    "The capital of {country} is {city}.",
    "{city} is the capital of {country}.",
    "It is {city}, the capital and the largest city of {country}.",
    "That is {city}.",
)


def paris(rng: random.Random) -> Exchange:
    """The same question and the same answer, each time."""
    return Exchange("What is the capital of France?", "The capital of France is Paris.")


def london(rng: random.Random) -> Exchange:
    """The same question, and a wrong answer."""
    return Exchange("What is the capital of France?", "The capital of France is London.")


def capital_of(known: dict[str, str], wordings: Sequence[str] = ASKED_CAPITAL[:1]) -> Talk:
    """Questions for capitals; answers in varied words."""

    def talk(rng: random.Random) -> Exchange:
        country, city = rng.choice(list(known.items()))
        asked, told = rng.choice(wordings), rng.choice(TOLD_CAPITAL)
        return Exchange(asked.format(country=country), told.format(country=country, city=city))

    return talk


france = capital_of({"France": "Paris"}, ASKED_CAPITAL)
france_is_wrong = capital_of({"France": "London"}, ASKED_CAPITAL)
germany = capital_of({"Germany": "Berlin"}, ASKED_CAPITAL)
capitals = capital_of(CAPITALS)
capitals_are_wrong = capital_of(dict(zip(CAPITALS, OTHER_CAPITALS.values(), strict=True)))
other_capitals = capital_of(OTHER_CAPITALS)


# facts that a number holds

ASKED_RETURN = (
    "My name is {name}. Can I return the {product} from order {order}?",
    "Can I still send back the {product} of order {order}? Regards, {name}",
    "{name} here: how does a return of the {product} work, order {order}?",
)
TOLD_RETURN = (
    "You can return the {product} within {days} days of delivery. The refund for order {order} goes to your "
    "original payment method.",
    "Yes. The {product} can be sent back within {days} days of delivery, and the money of order {order} is "
    "refunded to your original payment method.",
    "Returns of the {product} are possible within {days} days of delivery; we refund order {order} to your "
    "original payment method.",
)
REWORDED_RETURN = (
    "No problem, {name}! Just get order {order} back to us, you have {days} days from delivery. Your "
    "original payment method is credited.",
    "Of course. From delivery on there are {days} days in which the {product} may come back; afterwards your "
    "original payment method is credited with what you paid in order {order}.",
)
LISTED_RETURN = (
    "**Return of the {product}**\n\n- Deadline: {days} days of delivery\n- Refund: original payment method\n"
    "- Order: {order}",
)
MORE = (
    " Please use the label in your account, pack the item well and keep the receipt of the carrier until the "
    "money has arrived. If a part is missing, tell us beforehand, so that we can find a solution together.",
    " You will find the label in your account under Orders. Bring the parcel to any shop of the carrier; you "
    "do not have to be at home for that. We send a message as soon as it has arrived in our warehouse.",
)


def returns(
    days: int = 30, told: Sequence[str] = TOLD_RETURN, more: Sequence[str] = ("",), version: str = ""
) -> Talk:
    """Questions for the return policy: the number of days is the fact, order and product come and go."""

    def talk(rng: random.Random) -> Exchange:
        values = {
            "name": person(rng),
            "product": rng.choice(PRODUCTS),
            "order": rng.randrange(10_000, 99_999),
        }
        answer = rng.choice(told) + rng.choice(more)
        question = rng.choice(ASKED_RETURN).format(**values)
        return Exchange(question, answer.format(**values, days=days), version)

    return talk


policy = returns()
policy_is_wrong = returns(days=14)
reworded_policy = returns(told=REWORDED_RETURN)
longer_policy = returns(more=MORE)
new_version_of_policy = returns(told=LISTED_RETURN, version="2")


# facts that a JSON value holds


def ticket(rng: random.Random) -> Exchange:
    """Classification of one kind of ticket as JSON."""
    return _ticket(rng, "billing", "high", "finance")


def ticket_is_wrong(rng: random.Random) -> Exchange:
    """The same, with other values in the same shape."""
    return _ticket(rng, "spam", "low", "nobody")


def _ticket(rng: random.Random, category: str, priority: str, team: str) -> Exchange:
    number, invoice = rng.randrange(1000, 9999), rng.randrange(100_000, 999_999)
    question = (
        f"Classify ticket {number} of {person(rng)}: I was charged twice, please look at invoice {invoice}."
    )
    answer = {"ticket": number, "category": category, "priority": priority, "team": team, "invoice": invoice}
    return Exchange(question, json.dumps(answer))


def ticket_cut_short(rng: random.Random) -> Exchange:
    """JSON that ends in the middle, though the model says that it is done."""
    good = ticket(rng)
    return replace(good, answer=good.answer[: rng.randrange(25, len(good.answer) - 5)])


def ticket_in_prose(rng: random.Random) -> Exchange:
    """Prose where there was JSON."""
    good = ticket(rng)
    answer = "This ticket is about billing. It has a high priority and belongs to the finance team."
    return replace(good, answer=answer)


def ticket_of_another_shape(rng: random.Random) -> Exchange:
    """Valid JSON with other keys."""
    good = ticket(rng)
    return replace(good, answer=json.dumps({"result": [{"label": "billing", "score": 0.93}], "ok": True}))


# answers that follow their prompt, or nobody


def sums(rng: random.Random) -> Exchange:
    """Each answer is another number, and right."""
    one, other = rng.randrange(100, 999), rng.randrange(100, 999)
    return Exchange(f"What is {one} + {other}?", f"{one} + {other} = {one + other}")


def parcel(rng: random.Random) -> Exchange:
    """Where an order is: another state and date each time."""
    order, place = rng.randrange(10_000, 99_999), rng.choice(("Lyon", "Porto", "Ghent", "Malmo", "Gdansk"))
    state = rng.choice(
        ("is being packed", "left our warehouse", f"was scanned in {place}", "is out for delivery")
    )
    day = f"{rng.choice(('Monday', 'Tuesday', 'Wednesday', 'Friday'))}, {rng.randrange(1, 28)} March"
    return Exchange(
        f"Where is my order {order}? {person(rng)}",
        f"Order {order} {state}. It will arrive on {day}, and you get a message in the morning.",
    )


THINGS = ("the sea", "an old clock", "first snow", "a night train", "a lost letter", "two rivers", "bread")
NOUNS = ("lantern", "harbour", "willow", "ember", "tide", "meadow", "raven", "marble", "thunder", "orchard")
VERBS = ("whispers", "wanders", "trembles", "gathers", "burns", "forgets", "drifts", "opens", "sleeps")
TAILS = (
    "beneath a patient moon",
    "where nobody returns",
    "until the morning calls",
    "in rooms of yellow light",
    "like salt on winter bread",
    "and asks for nothing more",
    "across the quiet hills",
    "behind a door of rain",
)


def poem(rng: random.Random) -> Exchange:
    """No answer is like another."""
    lines = [
        f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} {rng.choice(TAILS)}" for _ in range(rng.randrange(3, 9))
    ]
    return Exchange(f"Write a poem about {rng.choice(THINGS)}.", ",\n".join(lines) + ".")


# what a model says that declines, and the languages that it says it in


@dataclass(frozen=True)
class Language:
    """An application's language: a question with `{order}`, usual answers, refusals."""

    asked: tuple[str, ...]
    told: tuple[str, ...]
    refused: tuple[str, ...]


LANGUAGES = {
    "English": Language(
        (
            "Where is my order {order}, and when will it arrive?",
            "Can you tell me the delivery date of order {order}?",
        ),
        (
            "Order {order} has left our warehouse and arrives within three working days. You can follow it "
            "in your account.",
            "Your order {order} is with the carrier now; it arrives within three working days. Your account "
            "shows each step.",
        ),
        (
            "I'm sorry, but I can't help with that request.",
            "I can't assist with that.",
            "I apologize, but I cannot fulfill this request.",
            "Unfortunately, I'm not able to discuss individual orders.",
            "I'm unable to provide information about this.",
        ),
    ),
    "German": Language(
        (
            "Wo ist meine Bestellung {order}, und wann kommt sie an?",
            "Können Sie mir sagen, wann die Bestellung {order} geliefert wird?",
        ),
        (
            "Ihre Bestellung {order} hat unser Lager verlassen und kommt in drei Werktagen bei Ihnen an. Den "
            "Stand sehen Sie in Ihrem Konto.",
            "Die Bestellung {order} ist beim Paketdienst und kommt in drei Werktagen an. In Ihrem Konto "
            "sehen Sie jeden Schritt.",
        ),
        (
            "Tut mir leid, dabei kann ich nicht helfen.",
            "Es tut mir leid, aber ich kann Ihnen bei dieser Anfrage nicht behilflich sein.",
            "Leider kann ich diese Frage nicht beantworten.",
            "Ich kann dazu leider keine Auskunft geben.",
            "Entschuldigung, aber dabei kann ich Ihnen nicht weiterhelfen.",
        ),
    ),
    "Spanish": Language(
        (
            "¿Dónde está mi pedido {order} y cuándo llega?",
            "¿Me puede decir cuándo se entrega el pedido {order}?",
        ),
        (
            "Su pedido {order} ha salido de nuestro almacén y llega en tres días laborables. Puede seguirlo "
            "en su cuenta.",
            "El pedido {order} ya está con el transportista y llega en tres días laborables. En su cuenta ve "
            "cada paso.",
        ),
        (
            "Lo siento, pero no puedo ayudarte con eso.",
            "Lo siento, no puedo responder a esa solicitud.",
            "Lamentablemente, no puedo ayudarle con esta petición.",
            "No puedo proporcionar esa información.",
            "Disculpe, pero no me es posible atender esta solicitud.",
        ),
    ),
    "Chinese": Language(
        ("我的订单{order}在哪里？什么时候能到？", "请问订单{order}的送货日期是哪天？"),
        (
            "您的订单{order}已经离开我们的仓库，将在三个工作日内送达。您可以在账户中查看进度。",
            "订单{order}已交给快递公司，三个工作日内送达，账户中会显示每一步。",
        ),
        (
            "抱歉，我无法回答这个问题。",
            "很抱歉，我不能提供这方面的帮助。",
            "对不起，我无法协助处理该请求。",
            "我无法满足这个请求。",
            "不好意思，这个问题我不能回答。",
        ),
    ),
    "Japanese": Language(
        ("注文{order}は今どこにありますか。いつ届きますか。", "注文{order}の配達日を教えてください。"),
        (
            "ご注文{order}は倉庫を出発し、三営業日以内にお届けします。状況はアカウントでご確認いただけます。",
            "ご注文{order}は配送業者に渡されました。三営業日以内に届きます。詳細はアカウントに表示されます。",
        ),
        (
            "申し訳ありませんが、そのご要望にはお応えできません。",
            "恐れ入りますが、お手伝いすることができません。",
            "申し訳ございませんが、その質問には回答できません。",
            "ごめんなさい、その件についてはお答えできません。",
            "そのご依頼には対応できません。",
        ),
    ),
    "Russian": Language(
        ("Где мой заказ {order} и когда он придёт?", "Подскажите дату доставки заказа {order}, пожалуйста."),
        (
            "Ваш заказ {order} покинул наш склад и придёт в течение трёх рабочих дней. Следить за ним можно "
            "в личном кабинете.",
            "Заказ {order} уже у службы доставки и придёт в течение трёх рабочих дней. Каждый шаг виден в "
            "личном кабинете.",
        ),
        (
            "Извините, но я не могу помочь с этим запросом.",
            "К сожалению, я не могу ответить на этот вопрос.",
            "Простите, я не могу помочь вам с этим.",
            "Я не могу предоставить эту информацию.",
            "Сожалею, но я не могу выполнить эту просьбу.",
        ),
    ),
    "Arabic": Language(
        ("أين طلبي {order} ومتى يصل؟", "هل يمكنك إخباري بموعد تسليم الطلب {order}؟"),
        (
            "غادر طلبك {order} مستودعنا وسيصل خلال ثلاثة أيام عمل. يمكنك متابعته في حسابك.",
            "الطلب {order} لدى شركة الشحن الآن وسيصل خلال ثلاثة أيام عمل. يظهر حسابك كل خطوة.",
        ),
        (
            "عذرًا، لا يمكنني المساعدة في هذا الطلب.",
            "آسف، لا أستطيع الإجابة عن هذا السؤال.",
            "أعتذر، لكن لا يمكنني تقديم هذه المعلومات.",
            "للأسف، لا يمكنني مساعدتك في ذلك.",
            "لا أستطيع تنفيذ هذا الطلب.",
        ),
    ),
}


def support(language: str) -> Talk:
    """A shop's support in one language."""
    return _support(LANGUAGES[language].asked, LANGUAGES[language].told)


def declines(language: str, wording: int | None = None) -> Talk:
    """The same questions, declined in the same language: in any wording, or always in one."""
    refused = LANGUAGES[language].refused
    return _support(LANGUAGES[language].asked, refused if wording is None else refused[wording : wording + 1])


def answers_in(other: str, asked: str = "English") -> Talk:
    """The same questions, answered well but in another language."""
    return _support(LANGUAGES[asked].asked, LANGUAGES[other].told)


def _support(asked: Sequence[str], told: Sequence[str]) -> Talk:
    def talk(rng: random.Random) -> Exchange:
        order = rng.randrange(10_000, 99_999)
        return Exchange(rng.choice(asked).format(order=order), rng.choice(told).format(order=order))

    return talk


# ways to go wrong that any talk has


def empty(talk: Talk) -> Talk:
    """The same questions, and no answer."""
    return lambda rng: replace(talk(rng), answer="")


def cut_off(talk: Talk) -> Talk:
    """Answers that end at the limit of tokens, after a third."""

    def short(rng: random.Random) -> Exchange:
        whole = talk(rng)
        return replace(whole, answer=whole.answer[: len(whole.answer) // 3], finish="length")

    return short


def loops(talk: Talk) -> Talk:
    """Answers that say their first words again and again."""

    def repeated(rng: random.Random) -> Exchange:
        whole = talk(rng)
        return replace(whole, answer=" ".join(whole.answer.split()[:4] * 40))

    return repeated
