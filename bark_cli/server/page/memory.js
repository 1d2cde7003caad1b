// What the browser remembers for the page: where it blocks cookies, to look at its storage throws.

const NONE = { getItem: () => null, setItem: () => {} };

// "localStorage" or "sessionStorage"
export function memory(kind) {
  try {
    return window[kind] ?? NONE;
  } catch {
    return NONE;
  }
}
