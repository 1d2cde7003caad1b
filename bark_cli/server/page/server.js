// What the server is asked: settings -> sound in pieces (Float32Array at 24 kHz), and errors in words.

import { memory } from "./memory.js";

let key = memory("sessionStorage").getItem("bark-key") ?? "";

export class Trouble extends Error {
  constructor(message, needsKey = false) {
    super(message);
    this.needsKey = needsKey;
  }
}

export function setKey(value) {
  key = value.trim();
  memory("sessionStorage").setItem("bark-key", key);
}

// paths are relative to the page's own: a proxy may serve it under a prefix
async function ask(path, options = {}) {
  const headers = { ...(options.headers ?? {}) };
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The server does not answer. Is bark serve still running?");
  }
  if (!response.ok) throw await troubleOf(response);
  return response;
}

async function troubleOf(response) {
  let words = `The server answers ${response.status}.`;
  try {
    words = (await response.json()).error.message;
  } catch { /* it is no JSON of ours */ }
  words = words.charAt(0).toUpperCase() + words.slice(1);
  const wait = response.headers.get("retry-after");
  if (response.status === 429 && wait) words = `The server is busy. Try again in ${wait} s.`;
  if (response.status === 503) words += " Try again in a moment.";
  return new Trouble(/[.!?]$/.test(words) ? words : `${words}.`, response.status === 401);
}

export async function getJson(path) {
  return (await ask(path)).json();
}

function post(order, format, signal) {
  const body = JSON.stringify({ ...order, response_format: format });
  return ask("v1/audio/speech", {
    method: "POST", headers: { "Content-Type": "application/json" }, body, signal,
  });
}

/** The sound as it comes; onHead learns its seed and voice first. */
export async function* speak(order, signal, onHead) {
  const response = await post(order, "pcm", signal);
  onHead({
    seed: Number(response.headers.get("x-bark-seed")),
    voice: response.headers.get("x-bark-voice"),
    rate: Number(response.headers.get("x-sample-rate")),
  });
  const reader = response.body.getReader();
  let odd = new Uint8Array(0); // half a sample that waits for its other half
  for (;;) {
    let step;
    try {
      step = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Trouble("The sound broke off: the server could not finish it.");
    }
    if (step.done) return;
    const bytes = new Uint8Array(odd.length + step.value.length);
    bytes.set(odd);
    bytes.set(step.value, odd.length);
    const whole = bytes.length - (bytes.length % 2);
    odd = bytes.slice(whole);
    if (whole) yield samplesOf(bytes.subarray(0, whole));
  }
}

function samplesOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength / 2);
  for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(2 * i, true) / 32768;
  return samples;
}

/** The same sound as a file of another format: it is made again from its seed. */
export async function soundFile(order, format) {
  return (await post(order, format)).blob();
}

/** What is to be heard, as a WAV of 16 bits. */
export function wavFile(pieces, rate) {
  const count = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  word(0, "RIFF"); view.setUint32(4, 36 + 2 * count, true); word(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  word(36, "data"); view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(at, Math.round(sample * 32768), true);
      at += 2;
    }
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}
