// A script's text -> the names that speak in it, and a picker of voices for each.

const NAME = /^([\p{L}\p{N}](?:[\p{L}\p{N}\p{M}.'’-]| (?=[\p{L}\p{N}])){0,39})[ \t]*[:：]/u;
const NO_NAMES = new Set(["MAN", "WOMAN"]);

export function speakersOf(text) {
  const names = new Map();
  for (const line of text.split("\n")) {
    const name = NAME.exec(line)?.[1].trim();
    const words = name?.split(" ") ?? [];
    const isName = name && !NO_NAMES.has(name) && words.length <= 3
      && words.every((word) => word[0] !== word[0].toLowerCase() || /\p{N}/u.test(word[0]));
    if (isName && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

/** Keep a picker for each speaker, and what was picked. */
export function showCast(place, names, voices) {
  const picked = castOf(place);
  place.replaceChildren(...names.map((name, number) => {
    const field = document.createElement("div");
    field.className = "field";
    const label = document.createElement("label");
    label.textContent = name;
    label.htmlFor = `cast-${number}`;
    const select = document.createElement("select");
    select.id = label.htmlFor;
    select.dataset.name = name;
    for (const voice of voices) select.add(new Option(voice, voice));
    select.value = picked[name] ?? voices[number % voices.length] ?? "";
    field.append(label, select);
    return field;
  }));
}

export function castOf(place) {
  return Object.fromEntries([...place.querySelectorAll("select")].map((one) => [one.dataset.name, one.value]));
}
