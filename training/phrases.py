"""Sentences made from templates: everyday talk, numbers, names, dialogue, single words, and tags put into sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

Rng = np.random.Generator


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split("|")]


SLOTS: dict[str, list[str]] = {
    "first": _words(
        "Anna|Ben|Carl|Dora|Emil|Finn|Mary|John|James|Sarah|Peter|Paul|Susan|Alice|Robert|Linda|Michael|David|Emma|"
        "Olivia|Liam|Noah|Sophia|Lucas|Henry|Grace|Jack|Lily|Oscar|Ruth|Thomas|Helen|George|Clara|Martin|Julia|"
        "Daniel|Laura|Simon|Nina|Victor|Rosa|Adam|Eve|Kevin|Tara|Leo|Maya|Hugo|Irene|Max|Zoe|Omar|Priya|Kenji|Ana"
    ),
    "last": _words(
        "Smith|Jones|Brown|Taylor|Wilson|Davis|Clark|Hall|Young|King|Wright|Green|Baker|Hill|Carter|Turner|Parker|"
        "Collins|Bell|Murphy|Cook|Rogers|Morgan|Reed|Cooper|Ward|Foster|Price|Bennett|Wood|Barnes|Ross|Henderson|"
        "Coleman|Jenkins|Perry|Powell|Long|Hughes|Flores|Butler|Simmons|Russell|Griffin|Hayes|Myers|Ford|Hamilton"
    ),
    "title": _words("Dr.|Mr.|Mrs.|Ms.|Professor|Captain|Judge|Senator"),
    "place": _words(
        "London|Paris|New York|Berlin|Rome|Tokyo|Madrid|Boston|Chicago|Dublin|Lisbon|Vienna|Oslo|Cairo|Delhi|Sydney|"
        "Toronto|Athens|Prague|Seattle|Texas|California|Florida|Canada|France|Germany|Italy|Spain|Japan|China|India|"
        "Brazil|Mexico|Norway|Scotland|Ireland|Egypt|Kenya|Australia|the city|the village|the coast|the mountains"
    ),
    "where": _words(
        "at home|in the kitchen|in the garden|at school|at work|in the park|at the station|on the bus|by the river|"
        "in the library|at the market|near the bridge|in front of the house|behind the door|on the table|upstairs|"
        "in the car|at the airport|on the beach|under the tree|in the hospital|next to the window|across the street"
    ),
    "noun": _words(
        "book|letter|car|house|door|window|table|phone|key|bag|coat|dog|cat|bird|horse|tree|flower|river|road|bridge|"
        "picture|song|story|game|ball|cup|plate|knife|bottle|box|chair|bed|lamp|clock|watch|ring|shoe|hat|shirt|dress|"
        "train|plane|ship|boat|bicycle|bus|ticket|map|camera|computer|radio|newspaper|pencil|paper|cake|apple|orange|"
        "egg|cheese|fish|soup|salad|sandwich|coffee machine|garden|kitchen|school|church|museum|hotel|shop|office|"
        "factory|farm|field|mountain|island|lake|beach|storm|cloud|star|moon|fire|stone|wall|roof|floor|mirror|"
        "blanket|candle|basket|hammer|rope|engine|machine|planet|forest|castle|village|program|message|project|voice"
    ),
    "nouns": _words(
        "books|letters|cars|houses|doors|windows|tables|phones|keys|bags|dogs|cats|birds|horses|trees|flowers|roads|"
        "pictures|songs|stories|games|cups|plates|bottles|boxes|chairs|clocks|shoes|tickets|maps|pencils|apples|"
        "oranges|eggs|sandwiches|tomatoes|potatoes|children|people|students|teachers|soldiers|doctors|farmers|"
        "neighbors|friends|stars|stones|islands|machines|computers|questions|answers|mistakes|changes|ideas|plans"
    ),
    "adj": _words(
        "new|old|big|small|long|short|red|blue|green|white|black|yellow|brown|heavy|light|warm|cold|hot|cool|wet|dry|"
        "clean|dirty|empty|full|quiet|loud|fast|slow|strong|weak|rich|poor|young|beautiful|ugly|strange|simple|hard|"
        "soft|sharp|sweet|bitter|fresh|broken|expensive|cheap|wonderful|terrible|funny|serious|famous|ordinary|"
        "dangerous|safe|important|useful|lovely|tiny|huge|golden|wooden|silent|gentle|clever|brave|lazy|narrow|wide"
    ),
    "feel": _words(
        "happy|sad|tired|hungry|thirsty|angry|afraid|ready|sick|fine|busy|lonely|nervous|proud|sorry|sure|surprised|"
        "bored|excited|worried|cold|warm|late|early|free|lost|glad|grateful|jealous|calm|curious|awake|alone"
    ),
    "adverb": _words(
        "quickly|slowly|quietly|carefully|suddenly|finally|often|always|never|sometimes|usually|really|gently|badly|"
        "easily|nearly|clearly|loudly|softly|happily|sadly|kindly|bravely|rarely|certainly|probably|perhaps"
    ),
    "do": _words(
        "go home|read a book|write a letter|drink some water|cook dinner|play the piano|learn English|buy a house|"
        "open the window|close the door|take the train|call my mother|wait for the bus|sing a song|go for a walk|"
        "clean the room|wash the dishes|watch a film|visit my parents|make some tea|feed the dog|fix the car|"
        "find the keys|tell the truth|change my mind|help them|sit down|stay here|leave early|catch the last train|"
        "ask a question|speak slowly|listen to the radio|go shopping|ride a bicycle|climb the mountain|plant a tree|"
        "swim in the lake|travel around the world|bake some bread|paint the fence|start again|think about it|sleep"
    ),
    "did": _words(
        "went home|read the letter|wrote a book|drank some coffee|cooked dinner|played the piano|bought a house|"
        "opened the window|closed the door|took the train|called his mother|waited for an hour|sang a song|"
        "cleaned the room|washed the dishes|watched a film|visited her parents|made some tea|fed the cat|"
        "fixed the car|found the keys|told the truth|changed her mind|helped us|sat down|stayed there|left early|"
        "missed the bus|asked a question|spoke slowly|laughed out loud|began to cry|fell asleep|ran away|came back|"
        "lost the game|won the race|broke the glass|forgot my name|learned to swim|built a wall|caught a cold"
    ),
    "food": _words(
        "bread|butter|milk|cheese|eggs|rice|pasta|soup|salad|chicken|fish|beef|apples|bananas|grapes|carrots|onions|"
        "potatoes|tomatoes|chocolate|ice cream|honey|sugar|salt|pepper|coffee|tea|water|orange juice|wine|beer|cake"
    ),
    "job": _words(
        "teacher|doctor|nurse|farmer|lawyer|writer|painter|singer|driver|pilot|soldier|cook|waiter|engineer|student|"
        "scientist|judge|sailor|carpenter|gardener|baker|dentist|police officer|musician|actor|journalist|librarian"
    ),
    "family": _words(
        "mother|father|brother|sister|son|daughter|uncle|aunt|cousin|grandmother|grandfather|husband|wife|friend|"
        "neighbor|teacher|boss|dog|cat"
    ),
    "day": _words("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
    "month": _words("January|February|March|April|May|June|July|August|September|October|November|December"),
    "time": _words(
        "today|tomorrow|yesterday|tonight|this morning|this evening|next week|last year|right now|every day|soon|"
        "in the afternoon|at noon|at midnight|on {day}|in {month}|in {year}|at {clock}|after lunch|before dinner"
    ),
    "weather": _words(
        "sunny|cloudy|windy|rainy|cold|warm|foggy|stormy|snowy|hot and dry|wet and cold|freezing"
    ),
    "who": _words(
        "I|you|we|they|he|she|my {family}|her {family}|his {family}|our {family}|{first}|{title} {last}|{first} {last}|"
        "the {job}|the old {job}|everyone|nobody|the children|the {adj} {noun}|those {nouns}"
    ),
    "third": _words(
        "he|she|my {family}|her {family}|his {family}|{first}|{title} {last}|the {job}|the young {job}|everyone|nobody"
    ),
    "said": _words("said|asked|answered|whispered|shouted|replied|cried|explained|laughed"),
    "greeting": _words("Hello|Hi|Hey|Good morning|Good evening|Good afternoon|Welcome|Hello there|Hi there"),
    "abc": _words("A|B|C|D|E|F|G|H|K|M|N|P|R|S|T|X"),
    "color": _words("red|blue|green|white|black|yellow|brown|purple|orange|pink|gray|silver|gold"),
    "thing": _words(
        "the {noun}|a {adj} {noun}|the {adj} {noun}|my {noun}|your {noun}|this {noun}|that {adj} {noun}"
    ),
    "text_name": _words("Bark|{first}|{first}|{first} {last}|{title} {last}"),
}

TEMPLATES: tuple[str, ...] = tuple(
    """
{greeting}, my name is {text_name}.|{greeting}, I am {text_name}.|{greeting}! My name is {text_name}. I can speak.
{greeting}, this is {first}. How are you {time}?|{greeting}, {first}.|{greeting}, {first}! How are you?
My name is {text_name}, and I am a {job}.|I am a {job} from {place}.|Nice to meet you, {first}.|I can {do}.
This is {text_name} speaking. How can I help you?|{greeting}, {title} {last}. Please come in.|I am {feel}.
Thank you, {first}.|Thank you very much for the {noun}.|Thanks for the {adj} {noun}!|Goodbye, {first}. See you {time}.
See you {time}.|See you on {day}!|Good night, {first}.|Excuse me, where is the {noun}?|I am sorry, I {did}.
How are you {time}?|What is your name?|Where do you live?|Where are you from?|Who is that {job}?|What time is it?
Do you want to {do}?|Would you like to {do} {time}?|Would you like some {food}?|Can you {do}?|Could you {do}, please?
Why did {third} say that the {noun} was {adj}?|When did {who} last {do}?|Where did {who} put the {noun}?
Did {third} really like the {noun}?|Is {third} a {job}?|Are those {nouns} {adj}?|How much is the {adj} {noun}?
How many {nouns} do you have?|What do you think about {thing}?|Have you ever been to {place}?|Is the {noun} {where}?
Which {noun} do you like better, the {color} one or the {color} one?|What happened to {thing}?|Whose {noun} is this?
Don't you think the {noun} is too {adj}?|Isn't it {weather} {time}?|Shall we {do} {time}?|May I {do}?|Won't you {do}?
What a {adj} {noun}!|How {adj} it is!|Look at {thing}!|Be careful with {thing}!|Stop! The {noun} is {adj}!|I can't {do}!
I love {thing}!|Happy birthday, {first}!|Congratulations, {title} {last}!|Don't {do}!|Come here, {first}!|Watch out!
That is the most {adj} {noun} in {place}!|Never {do} {time}!|Help! My {noun} is {adj}!|Let's {do}!|Please {do}.
{who} {did} {time}.|{who} {did} {where}.|{who} {did} because the {noun} was {adj}.|{who} {did}, but {who} {did}.
{who} {adverb} {did}.|{who} {did} and then {did}.|{time}, {who} {did}.|When {who} {did}, {who} {did}.|{who} {did}.
If it is {weather} {time}, we will {do}.|I want to {do}.|I have to {do} {time}.|You should {do}.|We are going to {do}.
I think {third} {did}.|I don't think so, {first}.|I don't know why {who} {did}.|{third} wants to {do}.|They will {do}.
The {adj} {noun} is {where}.|There is {thing} {where}.|There are {count} {nouns} {where}.|The {noun} was {adj} and {adj}.
{thing} is {adj}.|{thing} is not as {adj} as {thing}.|I would like {food} and {food}, please.|I like {food}.
We need {food}, {food} and {food}.|We bought {food}, {food}, {food}, and {food} {time}.|{third} never eats {food}.
The {color} {noun} belongs to {third}.|{third} lives in {place}.|{third} has been a {job} for {count} years.
My {family} is a {job} in {place}.|It is {weather} {time}.|The weather in {place} is {weather}.|It was {weather} {time}.
I was born in {place} on {month} {dayno}, {year}.|It happened on {month} {dayno}, {year}.|The year is {year}.
{who} {did} on {day}, {month} {ordinal}.|The meeting is at {clock}.|The train leaves at {clock} from platform {small}.
It is {clock}.|Please call me at {clock}.|The shop opens at {clock} and closes at {clock}.|We met in {year}.
The {noun} costs {price}.|{who} paid {price} for the {noun}.|It was only {price}!|The price rose from {price} to {price}.
That will be {price}, please.|There were {number} people {where}.|The population of {place} is {big}.
About {percent} of the {nouns} are {adj}.|Prices fell by {percent} {time}.|{number} plus {small} is a number.
My phone number is {digits}.|Turn to page {number}.|Room {number} is {where}.|Flight {abc}{number} to {place} is late.
It is {small} degrees {time}.|{third} is {age} years old.|The {noun} is {small} meters long.|Chapter {small}.
The score was {small} to {small}.|{place} is {number} miles from {place}.|Take the {ordinal} street on the left.
"{sentence}" {said} {third}.|{third} {said}, "{sentence}"|"Hello," {said} {first}. "How are you?"|"No," {said} {third}.
"I don't know," {said} {third}.|"Yes," {third} {said}, "{clause}."|"Where is the {noun}?" {said} {third}.
"Come with me," {said} the {job}, "and bring the {noun}."|{first} and {first} {did} together.|{first}'s {noun} is {adj}.
{title} {last} {did} {time}.|{title} and Mrs. {last} live {where}.|{first} {abc}. {last} is the new {job}.
The {noun}, the {noun} and the {noun} are all {adj}.|First {do}, then {do}.|One, two, three, {do}!
I feel {feel}, and I would like to {do}.|Are you {feel}?|{first}, are you {feel}?|Why are you so {feel}?|Don't be {feel}.
I was {feel} when {who} {did}.|You look {feel} {time}, {first}.|{third} seemed {feel}.|I have never been so {feel}!
You can {do} or {do}.|It takes {small} minutes to {do}.|I used to {do} {time}.|Let me {do}.|Try to {do}.|Who {did}?
The {job} said that {who} {did}.|I hope you {do} {time}.|Once upon a time, there was a {adj} {noun} in {place}.
The {noun} that {who} saw {where} was {adj}.|Somebody {did} {where} {time}.|Nobody knows who {did}.|It's {adj}, isn't it?
We're {feel}, aren't we?|They've {color} {nouns}.|I've got {count} {nouns} and a {noun}.|She'll {do}.|He'd rather {do}.
The news from {place}: {clause}.|Breaking news: the {noun} in {place} is {adj}.|The government of {place} will {do}.
According to {title} {last}, the {noun} in {place} is {adj}.|Police in {place} found the {noun} {where} on {day}.
The company sold {big} {nouns} in {year}.|A {job} from {place} {did} after {small} years.|Experts say the {noun} is {adj}.
""".strip()
    .replace("\n", "|")
    .split("|")
)

SHORT = _words(
    "Yes.|No.|Hello.|Hi!|Hey!|Goodbye.|Bye.|Please.|Thanks.|Thank you.|Thank you very much.|You're welcome.|Sorry.|Sure.|"
    "I'm sorry.|Excuse me.|Okay.|All right.|Of course.|Not yet.|Not now.|Maybe.|Perhaps.|Never.|Always.|Why?|Why not?|"
    "How?|When?|Where?|Who?|What?|Really?|Are you sure?|I see.|I know.|I think so.|I hope so.|I don't know.|Well done!|"
    "Good morning.|Good night.|Good evening.|Good afternoon.|Good luck!|Congratulations!|Happy birthday!|Welcome!|Wait!|"
    "Come in.|Sit down.|Stand up.|Stop!|Go!|Help!|Look!|Listen!|Be quiet.|Be careful!|Hurry up!|Come on!|Let's go.|Wow!|"
    "How are you?|I'm fine.|I'm fine, thank you.|What's up?|What time is it?|See you later.|See you soon.|Take care.|"
    "No problem.|Never mind.|That's right.|That's wrong.|That's it.|It's late.|It's raining.|One moment, please.|Oh no!|"
    "My pleasure.|Nice to meet you.|What a day!|What a pity!|Oh dear.|Exactly.|Absolutely.|Testing, one, two, three.|"
    "Once more.|Again.|Good.|Great!|Fine.|Nice.|Wonderful!|Amazing!|Perfect.|Ready?|Ready.|Start.|Left.|Right.|Open.|"
    "Hello, world.|Hello world!|I can speak.|I love you.|I miss you.|Follow me.|Leave me alone.|After you.|Me too.|"
    "The quick brown fox jumps over the lazy dog."
)
COUNTS = _words(
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|fifty|a hundred"
)
TAG_NAMES = ("[laughs]", "[laughter]", "[sighs]", "[gasps]", "[clears throat]", "[music]")
CARRIERS = (
    "{word}.", "The word is {word}.", "I said {word}.", "{word} and {other}.", "What does {word} mean?",
    "{word}, {other}, {third}.", "Can you spell {word}?", "He talked about {word} and {other}.", "Say {word} again.",
    "They call it {word}.", "Not {word}, but {other}.", "{word} is a word, and so is {other}.",
)  # fmt: skip


def _number(slot: str, rng: Rng) -> str | None:
    """A slot that is written with digits, or None for another slot."""
    draw = rng.integers
    made = {
        "count": lambda: str(rng.choice(COUNTS)) if rng.random() < 0.6 else str(draw(2, 100)),
        "small": lambda: str(draw(2, 60)),
        "number": lambda: str(draw(100, 1000)) if rng.random() < 0.7 else str(draw(2, 100)),
        "big": lambda: (
            f"{draw(1, 1000):d},{draw(0, 1000):03d}" if rng.random() < 0.6 else f"{draw(2, 90)} million"
        ),
        "year": lambda: str(draw(1700, 2031)),
        "dayno": lambda: str(draw(1, 32)),
        "age": lambda: str(draw(3, 100)),
        "percent": lambda: f"{draw(1, 100)}%" if rng.random() < 0.5 else f"{draw(1, 100)} percent",
        "digits": lambda: (
            f"555-{draw(1000, 10000)}" if rng.random() < 0.5 else " ".join(map(str, draw(0, 10, 7)))
        ),
        "ordinal": lambda: _ordinal(int(draw(1, 32))),
        "clock": lambda: _clock(rng),
        "price": lambda: f"${draw(1, 500)}" if rng.random() < 0.5 else f"${draw(1, 100)}.{draw(1, 100):02d}",
    }
    return made[slot]() if slot in made else None


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _clock(rng: Rng) -> str:
    hour, minute = int(rng.integers(1, 13)), int(rng.choice([0, 5, 10, 15, 20, 25, 30, 40, 45, 50, 55]))
    how = rng.random()
    if how < 0.3:
        return f"{hour} o'clock"
    half = str(rng.choice(["am", "pm", "a.m.", "p.m."]))
    if how < 0.6:
        return f"{hour} {half}".rstrip(".")
    return f"{hour}:{minute:02d}" if how < 0.8 else f"{hour}:{minute:02d} {half}".rstrip(".")


def filled(template: str, rng: Rng) -> str:
    """A template with every {slot} filled, with the slots of slots; a capital first letter."""
    while found := re.search(r"\{(\w+)\}", template):
        slot = found.group(1)
        value = _number(slot, rng)
        if value is None and slot in ("sentence", "clause"):
            value = filled("{who} {did} {time}." if rng.random() < 0.5 else "{thing} is {adj}.", rng)
            value = value if slot == "sentence" else (value[0].lower() + value[1:]).rstrip(".")
            value = value.replace(".", ",", 1) if value.endswith(".") and rng.random() < 0.2 else value
        if value is None:
            choices = SLOTS[slot]
            value = choices[int(rng.integers(len(choices)))]
        template = template[: found.start()] + value + template[found.end() :]
    template = re.sub(r"\b([Aa]) (?=[aeiouAEIO])(?!us|uni|one)", r"\1n ", template)
    template = re.sub(r"\bi (?=\w)", "I ", template)
    return re.sub(r'(^"?|[.!?] "?)([a-z])', lambda m: m.group(1) + m.group(2).upper(), template)


def everyday(rng: Rng, count: int) -> Iterator[str]:
    """The short phrases, then `count` filled templates, some with a hesitation in them."""
    yield from SHORT
    for word in ("Hello", "Yes", "No", "Well", "Okay", "Oh", "So", "Now", "Look"):
        yield from (f"{word}, {first}." for first in SLOTS["first"][:12])
    numbers = [str(n) for n in [*range(101), *rng.integers(101, 10_000, 300).tolist()]]
    yield from (f"{number}." for number in numbers)
    for i in range(count):
        text = filled(TEMPLATES[int(rng.integers(len(TEMPLATES)))], rng)
        yield _hesitating(text, rng) if i % 30 == 0 else text


def _hesitating(text: str, rng: Rng) -> str:
    words = text.split()
    if len(words) < 4 or '"' in text:
        return text
    at = int(rng.integers(1, len(words) - 1))
    mark = str(rng.choice(["...", "…", " —", "—"]))
    words[at - 1] = words[at - 1].rstrip(",.!?;:") + mark
    joined = " ".join(words)
    return joined.replace("— ", "—") if mark == "—" else joined


def spoken_word(rng: Rng, words: list[str], count: int = 9_000) -> Iterator[str]:
    """Single words in short frames, for the spelling of words that sentences lack."""
    for i in range(count):
        word, other, third = (words[j] for j in rng.integers(0, len(words), 3))
        text = CARRIERS[i % len(CARRIERS)].format(word=word, other=other, third=third)
        yield text[0].upper() + text[1:]


def with_tags(rng: Rng, texts: list[str], count: int) -> Iterator[str]:
    """Utterances with a sound in front, at the end, or between sentences or words; some are the sound alone."""
    yield from TAG_NAMES
    for _ in range(count):
        tag = TAG_NAMES[int(rng.choice(len(TAG_NAMES), p=[0.25, 0.12, 0.2, 0.16, 0.15, 0.12]))]
        text, other = (texts[i] for i in rng.integers(0, len(texts), 2))
        how = rng.random()
        if how < 0.3:
            yield f"{tag} {text}"
        elif how < 0.6:
            yield f"{text} {tag}"
        elif how < 0.8 and len(text) + len(other) < 160:
            yield f"{text} {tag} {other}"
        elif how < 0.9:
            opening = str(
                rng.choice(["Well.", "Oh.", "Hello.", "Yes.", "No.", "Well,", "Oh,", "So", "I mean,", "Hmm."])
            )
            yield f"{opening} {tag} {text}"
        else:
            words = text.split()
            at = len(words) // 2
            yield " ".join([*words[:at], tag, *words[at:]])
