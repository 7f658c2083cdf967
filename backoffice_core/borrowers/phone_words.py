"""Words beside a number, in the languages of bank files: whose it seems to be (FL-05). Data and one lookup; pure.

An entry that ends in `*` is a beginning, any other the whole word. A new word or language is a line here.
"""

# ruff: noqa: SIM905 (long lists of words read better as words)
from functools import lru_cache

# Who answers decides what may be said, so a word that names another person wins over one that names a place.
OWNER_WORDS: dict[str, str] = {
    "relative": (
        "мам* мати матері матір* мать матери тато тата тату батьк* отец отца отцу папа папы папе пап дружин* жена "
        "жены жене жінка чоловік* муж мужа мужу супруг* подружж* брат брата брату сестр* син сина сину сын сына сыну "
        "дочк* доньк* дочь дочери доч бабус* бабуш* баба баби бабы дід діда дідус* дед деда дедуш* тещ* тесть тестя "
        "свекр* зять зятя невіст* невест* племін* племян* тітк* тетя тети тётя тёти дядьк* дядя дяді дяди внук* внуч* "
        "онук* кум кума куми родич* родств* родин* родител* сім'я сімї семья семьи сват сваха опікун* опекун* mama "
        "mam mum mom mother mothers father fathers dad papa tato wife husband spouse brother sister son daughter "
        "parent parents aunt uncle grandma grandpa grandmother grandfather relative family cousin matka ojciec żona "
        "zona mąż maz brat siostra syn córka corka rodzic* tata muzh zhena mutter vater bruder schwester frau mann "
        "әке* анасы шеше* әйел* күйеу* бауыр* ұлы қызы "
    ),
    "third_party": (
        "сусід* сосед* знайом* знаком* друг друга другу друзі друзья друзів подруг* приятел* товариш* товарищ* колега "
        "колеги колег коллег* начальник* начальниц* керівник* руководител* шеф шефа директор* бригадир* поручит* "
        "поручн* поруч гарант* квартирант* хозя* господар* орендар* арендатор* вахт* консьєрж* консьерж* чуж* "
        "представник* представител* адвокат* юрист* friend friends neighbour neighbor neighbours colleague coworker "
        "boss manager guarantor landlord tenant wrong lawyer sąsiad* sasiad* kolega koleżanka znajom* przyjaci* "
        "poręczyciel* nachbar* freund* көрші* дос досы "
    ),
    "work": (
        "роб робоч* робот* раб рабоч* работ* служб* службов* служеб* офіс* офис* бухгалт* відділ* отдел* приймальн* "
        "приймал* приемн* приёмн* секретар* фірм* фирм* завод* цех магазин* контор* підприємств* предприят* "
        "організац* организац* кадри кадры "
        "роботод* работод* праця р р/т "
        "work works office job business company employer firm w rab rabota robota praca służb* sluzb* biuro firma "
        "arbeit büro buero жұмыс* "
    ),
    "self": (
        "моб мобіл* мобил* м сот сотов* стільник* дом домаш* дім д хата квартира кв особист* особ личн* лич власн* "
        "свій свой сам сама себе клієнт* клиент* позичальник* заемщик* заёмщик* боржник* должник* основн* осн "
        "власник* владел* абонент* вайбер* viber telegram телеграм* whatsapp вотсап* ватсап* київстар* киевстар* "
        "kyivstar ks лайф* life lifecell лайфсел* vodafone водафон* мтс mts білайн билайн beeline мегафон megafon "
        "теле2 tele2 йота yota kcell activ altel актив mob mobile m cell cellular c home h own self personal private "
        "borrower client customer main primary dom domowy kom komórk* komork* prywatny handy mobil privat zuhause үй "
        "үйі ұялы "
    ),
}  # fmt: skip
# These say nothing of the owner.
NEUTRAL = frozenset(
    "немає нема нет відсутній отсутствует n/a none null "
    "т тел тел/факс факс/тел телеф телефон телефону телефона телефони телефоны тлф номер номера номери ном № номертел "
    "контактний контактный контактна контакт конт контакти контакты доп дополнительный дополнительно дод "
    "додатковий додатково другий другой второй перший первый третій третий новий новый нов старий старый стар ст "
    "стаціонарний стационарный стац гор городской міський місц місто місько міжміський межгород факт фактичний "
    "фактический прописк прописка прописки прож проживання проживания адреса адрес після после до з с від от по у "
    "в на увечері ввечері вечором вечером вечір вечер зранку вранці утром день вдень днем ранку год години годин "
    "час часа часов ч h am pm дзвонити звонить телефонувати набирати лише только тільки tel telephone phone "
    "phones telefon number num no nr n call after before from till until evening the fax/tel tel/fax new old alt "
    "alternative second other secondary contact e international int'l украина україна ua ru kz pl ".split()
)
FAX = ("факс", "fax", "faks", "телефакс", "ф")
# "контактна особа" is another person, "контактний телефон" is not
PERSON = ("особа", "особи", "лицо", "лица", "person", "osoba")
PARTING = frozenset(("або", "чи", "или", "либо", "и", "і", "та", "or", "and", "oder", "und", "lub", "және", "немесе"))
EXTENSION = ("вн", "внутр*", "доб", "добав*", "дод", "додат*", "доп", "дополн*", "ext", "extn", "extension", "x", "х",
             "тон", "тональ*", "wew", "wewn*", "ішкі", "int", "internal", "dw")  # fmt: skip
NOTHING = frozenset(
    "немає нема нет неть відсутній відсутня відсутнє відсутні відсутньо отсутствует отсутствуют відс отс н/д нд "
    "н/а n/a na none null nil nan no not не невідомо невідомий неизвестно неизвестен вказано указан указано "
    "указывал вказаний надав надано дав зазначено маю имею має имеет без прочерк пусто порожньо empty unknown "
    "missing absent blank brak жоқ x х тел телефон телефона телефону номер номера б/т бт phone number provided "
    "given available ".split()
)


def _index() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    whole: dict[str, str] = {}
    begins: list[tuple[str, str]] = []
    for kind, words in OWNER_WORDS.items():
        for word in words.split():
            if word.endswith("*"):
                begins.append((word[:-1], kind))
            else:
                whole.setdefault(word, kind)
    return whole, tuple(begins)


_WHOLE, _BEGINS = _index()


@lru_cache(maxsize=8192)
def owner_of_word(word: str) -> str:
    """A kind of owner; "" = says nothing; "unknown" = a word that is not in the lists (often a name)."""
    if word in _WHOLE:
        return _WHOLE[word]
    if word in NEUTRAL or word in FAX or word in PERSON:
        return ""
    return next((kind for stem, kind in _BEGINS if word.startswith(stem)), "unknown")


def owner_of(words: tuple[str, ...]) -> str:
    """Whose the number seems to be; without a telling word it is the borrower's own."""
    if any(w.startswith(("контактн", "contact")) for w in words) and any(w in PERSON for w in words):
        return "third_party"
    kinds = {owner_of_word(word) for word in words}
    return next((kind for kind in (*OWNER_WORDS, "unknown") if kind in kinds), "self")


def is_fax(words: tuple[str, ...]) -> bool:
    """Only a fax; "тел/факс" is a telephone too."""
    said = set(words)
    return bool(said & set(FAX)) and not said & {"тел", "телефон", "tel", "phone", "telephone"}


def is_extension(word: str) -> bool:
    return any(word.startswith(stem[:-1]) if stem.endswith("*") else word == stem for stem in EXTENSION)
