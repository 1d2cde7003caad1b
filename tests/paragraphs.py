"""A paragraph in each of Bark's languages, written for these tests, sentence by sentence: full of traps."""

PARAGRAPHS: dict[str, list[str]] = {
    "en": [
        "Dr. Ames met Mrs. J. R. Holt at 3:45 p.m. on Fifth St. and said nothing.",
        "The bill came to $1,000.50, i.e. far too much.",
        "“Is that all?” she asked.",
        "He left at 6 a.m.",
        "Nobody saw him go.",
        "Version 2.5 of the plan (see p. 14, Fig. 3) was better!",
        "Well... perhaps not.",
    ],
    "de": [
        "Am 3. Mai traf Dr. Weber den Bürgermeister, d. h. seinen Bruder.",
        "Der 2. Versuch kostete 1.250,75 Euro, der 3. Versuch nichts.",
        "Prof. Klein wohnt in der Hauptstr. 12 bei Fr. Lang.",
        "„Kommst du?“, fragte sie.",
        "Er nickte z. B. nie.",
        "Das Buch hat 300 Seiten usw. und kein Ende!",
    ],
    "es": [
        "El Sr. Ruiz y la Dra. Vega llegaron a las 3 p. m. con D. Luis.",
        "¿Quién pagó los 1.500,25 euros?",
        "Nadie lo sabe, p. ej. mi tía tampoco.",
        "«¡Qué sorpresa!», dijo Ud. al entrar.",
        "Vive en la Av. Central, núm. 8.",
    ],
    "fr": [
        "M. Dupont et Mme Leroy sont arrivés à 8 h. 30 avec le Dr. Petit.",
        "MM. Blanc et Noir les suivaient.",
        "« Où allez-vous ? » demanda le gardien.",
        "Le prix était de 1 000,50 euros, c.-à-d. trop cher !",
        "Voir p. 12 et art. 5 du contrat.",
        "Il sourit.",
    ],
    "hi": [
        "डॉ. शर्मा सुबह 8.30 बजे आए।",
        "श्री. वर्मा और पं. मिश्र बाहर बैठे थे।",
        "क्या आप चाय लेंगे?",
        "“नहीं, धन्यवाद!” उन्होंने कहा।",
        "दाम 1,000.50 रुपये था।",
    ],
    "it": [
        "Il Sig. Rossi e la Dott.ssa Bianchi videro il Prof. Neri alle 15.30.",
        "L'avv. Verdi arrivò tardi, cioè alle 18.",
        "«Chi ha pagato i 1.000,50 euro?» chiese lei.",
        "Nessuno rispose, ecc. ecc. come sempre.",
        "Vedi pag. 12!",
    ],
    "ja": [
        "田中さんは午後3時に来ました。",
        "「そうだね。行こう。」と彼女は言った。",
        "値段は1,000.50円でした！",
        "本当ですか？",
        "Dr. スミスも待っていた。",
    ],
    "ko": [
        "김 박사는 오후 3시에 왔습니다.",
        '"정말 그래요?"라고 그녀가 물었다.',
        "가격은 1,000.50원이었다!",
        "아무도 모른다...",
        "우리는 집에 갔다.",
    ],
    "pl": [
        "Dr Nowak i prof. Kowalska przyszli o godz. 15.30 na ul. Długą.",
        "Był to 3. rozdział, tj. najdłuższy.",
        "„Kto zapłacił 1000,50 zł?” zapytała p. Zofia.",
        "W 1990 r. Jan miał 12 lat itd. i nic nie wiedział.",
        "Zobacz str. 14 i im. Adama!",
    ],
    "pt": [
        "O Sr. Silva e a Dra. Costa chegaram às 15h30 com o Prof. Lima.",
        "Quem pagou os 1.000,50 reais?",
        "“Ninguém!”, respondeu ela.",
        "Mora na Av. Brasil, n.º 8, p. ex. perto do mar.",
        "O Exmo. Juiz sorriu.",
    ],
    "ru": [
        "Д-р Иванов и г. Петров пришли в 15:30 на ул. Ленина.",
        "А. С. Пушкин родился в 1799 г. в Москве.",
        "«Кто заплатил 1 000,50 руб.?» спросила она.",
        "Никто, т. е. совсем никто!",
        "См. стр. 14 и т. д. до конца.",
    ],
    "tr": [
        "Dr. Yılmaz ve Prof. Kaya saat 15.30'da geldi.",
        "3. Bölüm en uzun olanıydı.",
        "“Kim ödedi?” diye sordu Av. Demir.",
        "Fiyat 1.000,50 liraydı, vb. şeyler de vardı.",
        "II. Mehmet gülümsedi!",
    ],
    "zh": [
        "李博士下午3点到了。",
        "“你吃饭了吗？”她问。",
        "价格是1,000.50元！",
        "他说：“我不知道。我走了。”",
        "没有人回答……但是他笑了。",
        "版本2.5更好。",
    ],
}


def joint(language: str) -> str:
    """Between the sentences of a language."""
    return "" if language in ("ja", "zh") else " "
