// The page: what is typed and pressed -> sound, a picture of it, and a list of what was said.

import { memory } from "./memory.js";
import { Player } from "./player.js";
import { castOf, showCast, speakersOf } from "./script.js";
import { getJson, setKey, soundFile, speak, Trouble, wavFile } from "./server.js";
import { Wave } from "./wave.js";

const $ = (id) => document.getElementById(id);
const TAGS = ["[laughs]", "[laughter]", "[sighs]", "[gasps]", "[clears throat]", "[music]", "♪ ♪", "…", "[pause 1s]"];
const SAMPLE = "Hello! This is what I sound like.";
const MOST_KEPT = 50; // sounds in the history
const wave = new Wave($("wave"));
let voices = [];
let work = null; // what is being said: {abort, player}
let names = "";

// what there is to choose from

async function begin() {
  TAGS.forEach((tag) => $("tags").append(button(tag, () => insert(tag), `Put in ${tag}`)));
  try {
    const [models, listed, presets, described] = await Promise.all([
      getJson("v1/models"), getJson("v1/audio/voices"), getJson("v1/audio/presets"), getJson("openapi.json"),
    ]);
    $("text").maxLength = described.components.schemas.Speech.properties.input.maxLength;
    $("model").textContent = `${models.data[0].id} speaks here`;
    voices = listed.voices.map((voice) => voice.id);
    $("voice").replaceChildren(...[...voices, "none"].map((id) => new Option(
      id === "none" ? "none: another one each time" : id, id,
    )));
    for (const preset of presets.presets) {
      $("preset").add(new Option(`${preset.id}: ${preset.description}`, preset.id));
    }
  } catch (error) {
    tellOf(error);
  }
  showScript();
  showNumbers();
}

function button(words, press, label) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", press);
  return made;
}

function insert(tag) {
  const text = $("text");
  const [start, end] = [text.selectionStart, text.selectionEnd];
  if (tag === "♪ ♪") {
    text.setRangeText(`♪ ${text.value.slice(start, end) || "la la la"} ♪`, start, end, "end");
  } else {
    const before = start && !/\s/.test(text.value[start - 1]) ? " " : "";
    const after = end < text.value.length && /\s/.test(text.value[end]) ? "" : " ";
    text.setRangeText(before + tag + after, start, end, "end");
  }
  text.focus();
  showNumbers();
  showScript();
}

function showNumbers() {
  $("count").textContent = `${$("text").value.length} of ${$("text").maxLength} characters`;
  $("liveliness-now").textContent = `× ${Number($("liveliness").value).toFixed(2)}`;
  $("speed-now").textContent = `× ${Number($("speed").value).toFixed(2)}`;
}

function showScript() {
  $("cast").hidden = !$("script").checked;
  const found = speakersOf($("text").value);
  $("nobody").hidden = found.length > 0;
  if (found.join("\n") !== names || !$("speakers").children.length) showCast($("speakers"), found, voices);
  names = found.join("\n");
}

// saying it

function orderOf() {
  const order = { model: "tts-1", input: $("text").value, voice: $("voice").value || undefined };
  if ($("preset").value) order.preset = $("preset").value;
  if ($("seed").value.trim()) {
    order.seed = Number($("seed").value.trim());
    if (!Number.isInteger(order.seed)) throw new Trouble("The seed must be a whole number.");
  }
  if ($("liveliness").value !== "1") order.liveliness = Number($("liveliness").value);
  if ($("speed").value !== "1") order.speed = Number($("speed").value);
  if ($("language").value.trim()) order.language = $("language").value.trim();
  if ($("script").checked) {
    order.input_format = "script";
    order.cast = castOf($("speakers"));
  }
  return order;
}

async function say(order, { keep = true } = {}) {
  const mine = { abort: new AbortController(), player: null };
  if (!await isNext(mine)) return;
  const pieces = [];
  const asked = performance.now();
  let head = null;
  let first = null;
  tell("Waiting for the first sound");
  const queue = setInterval(() => { if (!first) tellOfQueue(mine); }, 1000);
  try {
    const sounds = speak(order, mine.abort.signal, (found) => {
      head = found;
      mine.player = new Player(found.rate);
      follow(mine);
    });
    for await (const samples of sounds) {
      first ??= (performance.now() - asked) / 1000;
      pieces.push(samples);
      mine.player.put(samples);
      wave.put(samples);
      if (work === mine) {
        tell("Speaking");
        $("made").textContent = `${mine.player.seconds.toFixed(1)} s made`;
      }
    }
    const made = mine.player?.seconds ?? 0;
    const took = (performance.now() - asked) / 1000;
    if (keep && made) remember({ ...order, seed: head.seed, voice: order.voice ?? head.voice }, pieces, head.rate);
    if (work === mine) {
      $("made").textContent = "";
      tell(`${made.toFixed(1)} s of sound; it began after ${first.toFixed(1)} s and took ${took.toFixed(1)} s`);
    }
    wave.describe(`${made.toFixed(1)} seconds`);
    await mine.player.drained();
  } catch (error) {
    if (work === mine) tellOf(error); // else it was stopped
    await mine.player?.stop();
  } finally {
    clearInterval(queue);
    await mine.player?.close();
    if (work === mine) {
      work = null;
      setBusy(false);
      wave.play(1);
    }
  }
}

async function replay(pieces, rate) {
  const mine = { abort: new AbortController(), player: new Player(rate) };
  if (!await isNext(mine)) return;
  tell("Playing it again");
  for (const samples of pieces) {
    mine.player.put(samples);
    wave.put(samples);
  }
  follow(mine);
  await mine.player.drained();
  await mine.player.close();
  if (work === mine) {
    work = null;
    setBusy(false);
    wave.play(1);
    tell("");
  }
}

/** End what is at work, and whether this is what comes next: else another was asked for meanwhile. */
async function isNext(mine) {
  const before = work;
  work = mine;
  setBusy(true);
  await end(before);
  if (work === mine) wave.clear();
  return work === mine;
}

async function stop() {
  const mine = work;
  if (!mine) return;
  work = null;
  tell("Stopped");
  setBusy(false);
  await end(mine);
}

async function end(one) {
  one?.abort.abort();
  await one?.player?.stop();
}

/** Colour the waveform as it is heard. */
function follow(mine) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const look = () => {
    if (work !== mine) return;
    if (mine.player.seconds) wave.play(mine.player.heard / mine.player.seconds);
    if (still) setTimeout(look, 1000);
    else requestAnimationFrame(look);
  };
  look();
}

async function tellOfQueue(mine) {
  try {
    const { orders, slots, status } = await getJson("ready");
    if (work !== mine || mine.player) return;
    if (status === "resting") tell("The model is being loaded again");
    else if (orders > slots) tell(`Waiting: ${orders - 1} others are being served`);
  } catch { /* the request itself will tell */ }
}

// what was said

function remember(order, pieces, rate) {
  const item = document.createElement("li");
  const said = document.createElement("p");
  said.className = "said";
  said.textContent = order.input;
  const how = document.createElement("p");
  how.className = "how quiet";
  const seconds = pieces.reduce((sum, piece) => sum + piece.length, 0) / rate;
  how.textContent = [
    order.cast ? Object.values(order.cast).join(", ") : order.voice, order.preset, `seed\u00a0${order.seed}`, `${seconds.toFixed(1)}\u00a0s`,
  ].filter(Boolean).join(" · ");
  const actions = document.createElement("div");
  actions.className = "do";
  const short = order.input.slice(0, 40);
  actions.append(
    button("Again", () => replay(pieces, rate), `Again: ${short}`),
    button("Same voice", () => useVoice(order), `Same voice and manner as: ${short}`),
    button("WAV", () => download(wavFile(pieces, rate), "wav"), `Download as WAV: ${short}`),
    button("MP3", () => downloadMp3(order), `Download as MP3: ${short}`),
  );
  item.append(said, how, actions);
  $("history").prepend(item);
  while ($("history").children.length > MOST_KEPT) $("history").lastChild.remove();
  $("nothing").hidden = true;
}

function useVoice(order) {
  $("voice").value = order.voice ?? "";
  $("preset").value = order.preset ?? "";
  $("seed").value = order.seed;
  $("liveliness").value = order.liveliness ?? 1;
  $("speed").value = order.speed ?? 1;
  $("more").open = true;
  showNumbers();
  tell(`The next one is said like that: ${order.voice}, seed ${order.seed}`);
  $("text").focus();
}

function download(blob, suffix) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `bark.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function downloadMp3(order) {
  tell("Making the MP3 from the same seed");
  try {
    download(await soundFile(order, "mp3"), "mp3");
    tell("");
  } catch (error) {
    tellOf(error);
  }
}

// words

/** What a screen reader says as it changes: not more often than somebody wants to hear it. */
function tell(words) {
  if ($("status").textContent !== words) $("status").textContent = words;
}

function tellOf(error) {
  tell("");
  $("error").textContent = error instanceof Trouble ? error.message : `Something went wrong in this page: ${error.message}`;
  $("error").hidden = false;
  if (error.needsKey) {
    $("key-field").hidden = false;
    $("key").focus();
  }
}

function setBusy(busy) {
  if (!busy && document.activeElement === $("stop")) $("speak").focus(); // a button that is off holds no focus
  $("stop").disabled = !busy;
  $("made").textContent = "";
  if (busy) $("error").hidden = true;
}

function sayTyped() {
  try {
    if (!$("text").value.trim()) throw new Trouble("There is nothing to say yet: type some text.");
    say(orderOf());
  } catch (error) {
    tellOf(error);
  }
}

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-pressed", String(theme === "dark"));
  wave.draw();
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); sayTyped(); });
$("stop").addEventListener("click", stop);
$("hear-voice").addEventListener("click", () => say(
  { model: "tts-1", input: SAMPLE, voice: $("voice").value, seed: 1 }, { keep: false },
));
$("hear-preset").addEventListener("click", () => say(
  { model: "tts-1", input: SAMPLE, voice: $("voice").value, seed: 1, preset: $("preset").value || undefined },
  { keep: false },
));
$("text").addEventListener("input", () => { showNumbers(); showScript(); });
$("script").addEventListener("change", showScript);
$("liveliness").addEventListener("input", showNumbers);
$("speed").addEventListener("input", showNumbers);
$("key").addEventListener("change", () => { setKey($("key").value); $("error").hidden = true; });
$("theme").addEventListener("click", () => {
  const dark = $("theme").getAttribute("aria-pressed") !== "true";
  memory("localStorage").setItem("bark-theme", dark ? "dark" : "light");
  showTheme(dark ? "dark" : "light");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && work) stop();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) sayTyped();
});
const prefers = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
showTheme(memory("localStorage").getItem("bark-theme") ?? prefers);
begin();
