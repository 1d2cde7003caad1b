"""How each of Bark's languages writes numbers, and what it calls what stands beside them."""

from __future__ import annotations

POINT = frozenset(["en", "hi", "ja", "ko", "zh"])  # 1,234.5; in the others it is 1.234,5
SPACED = frozenset(["fr", "pl", "ru"])  # 1 234,5
PERCENT = {
    "en": "{} percent",
    "de": "{} Prozent",
    "es": "{} por ciento",
    "fr": "{} pour cent",
    "hi": "{} प्रतिशत",
    "it": "{} per cento",
    "ja": "{}パーセント",
    "ko": "{} 퍼센트",
    "pl": "{} procent",
    "pt": "{} por cento",
    "ru": "{} процентов",
    "tr": "yüzde {}",
    "zh": "百分之{}",
}
TO = {"en": "to", "de": "bis", "es": "a", "fr": "à", "it": "a", "pt": "a", "pl": "do", "hi": "से"}  # 10–20
CLOCK = {"de": "{} Uhr {}", "fr": "{} heures {}", "es": "{} y {}", "it": "{} e {}", "pt": "{} e {}"}  # 10:30
FULL_HOUR = {"de": "Uhr", "fr": "heures"}
# what a number's own words say: Uhr in 10:30 Uhr; a Turkish percent sign stands before its number
SAID_ALREADY = {
    "de": (r"\b((?:[01]?\d|2[0-4]):[0-5]\d)\sUhr\b", r"\1"),
    "tr": (r"(?<![\w%])%\s?(\d+(?:[.,]\d+)*)(?!\s?%|[.,:/]?\d)", r"\1%"),
}
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
# where num2words2 knows euros, dollars and pounds (it takes a Turkish euro for a lira)
HAVE_CURRENCIES = frozenset(["en", "de", "es", "fr", "it", "pt", "pl", "ru"])
SCALES = (
    r"(?:thousand|million|billion|trillion|Million|Milliarde|mille|mil|millón|milione|milhão|tys|mln|тыс|млн)"
)
CHAPTERS = {
    "en": "chapter|part|book|volume|act|scene|canto|section|appendix|letter",
    "de": "Kapitel|Teil|Buch|Band|Akt|Szene|Aufzug|Gesang|Abschnitt|Anhang|Brief",
    "es": "capítulo|parte|libro|tomo|acto|escena|canto|sección|carta",
    "fr": "chapitre|partie|livre|tome|acte|scène|chant|section|lettre",
    "it": "capitolo|parte|libro|tomo|atto|scena|canto|sezione|lettera",
    "pl": "rozdział|część|księga|tom|akt|scena|list",
    "pt": "capítulo|parte|livro|tomo|ato|acto|cena|canto|seção|carta",
    "ru": "глава|часть|книга|том|акт|сцена|действие|письмо",
    "tr": "bölüm|kısım|kitap|cilt|perde|sahne",
}
# ordinals that their writing tells: the number, and what stands after it
ORDINALS = {
    "en": r"(\d{1,9})(?:st|nd|rd|th)\b",
    "fr": r"(\d{1,9})(?:ères?|ers?|res?|ièmes?|èmes?|es?)\b",
    "es": r"(\d{1,9})\.?[ºª°]",
    "it": r"(\d{1,9})[ºª°]",
    "pt": r"(\d{1,9})\.?[ºª°]",
}
# German ones, a number and a stop, before what only follows an ordinal; after these words they end in n
GERMAN_ORDINAL = (
    r"(?P<before>\b(?:[Aa]m|[Vv]om|[Zz]um|[Bb]eim|[Ii]m|[Dd]em|[Dd]en|[Dd]es|[Zz]ur|[Dd]er) )?"
    r"(?P<number>\d{1,2})\. (?=(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|"
    r"November|Dezember|Jahrhundert|Kapitel|Mal|Stock|Klasse|Teil|Band)\w{0,3}\b)"
)
