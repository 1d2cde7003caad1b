// Sound in pieces -> a waveform that grows: loudest and softest of each column, what was heard in colour.

const COLUMN = 240; // samples, 10 ms

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  clear() {
    this.peaks = [];
    this.rest = 0;
    this.loudest = 0;
    this.heard = 0;
    this.count = 0;
    this.canvas.setAttribute("aria-label", "The sound's waveform: no sound yet");
    this.draw();
  }

  put(samples) {
    for (const sample of samples) {
      this.loudest = Math.max(this.loudest, Math.abs(sample));
      this.rest += 1;
      if (this.rest === COLUMN) {
        this.peaks.push(this.loudest);
        this.loudest = this.rest = 0;
      }
    }
    this.count += samples.length;
    this.draw();
  }

  /** Colour what was heard, as a part of all (0..1). */
  play(part) {
    this.heard = part;
    this.draw();
  }

  describe(words) {
    this.canvas.setAttribute("aria-label", `The sound's waveform: ${words}`);
  }

  draw() {
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const paint = this.canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    paint.scale(scale, scale);
    const bars = Math.max(1, Math.min(Math.floor(width / 4), this.peaks.length));
    const step = width / Math.max(bars, Math.floor(width / 4));
    for (let bar = 0; bar < bars && this.peaks.length; bar += 1) {
      const from = Math.floor((bar * this.peaks.length) / bars);
      const to = Math.max(from + 1, Math.floor(((bar + 1) * this.peaks.length) / bars));
      const peak = Math.max(...this.peaks.slice(from, to));
      const tall = Math.max(2, peak * (height - 12));
      paint.fillStyle = style.getPropertyValue(bar / bars < this.heard ? "--accent" : "--wave");
      paint.beginPath();
      paint.roundRect(bar * step + 1, (height - tall) / 2, Math.max(1, step - 2), tall, 1.5);
      paint.fill();
    }
  }
}
