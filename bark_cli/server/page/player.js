// Sound in pieces -> the loudspeaker, each piece begun on the audio clock at the sample where the last one ends.

const AHEAD_S = 0.12; // before the first piece, so that the next is there in time

export class Player {
  constructor(rate) {
    this.rate = rate;
    this.context = new AudioContext({ sampleRate: rate });
    this.out = this.context.createGain();
    this.out.connect(this.context.destination);
    this.sources = new Set();
    this.begins = null; // where on the clock the sound begins
    this.next = 0; // where the next piece goes
    this.seconds = 0;
    this.gaps = 0;
    this.isStopped = false;
  }

  put(samples) {
    if (this.isStopped) return;
    const now = this.context.currentTime;
    if (this.begins === null) {
      this.begins = this.next = now + AHEAD_S;
    } else if (this.next < now) { // the server was too slow
      this.gaps += 1;
      this.begins += now + AHEAD_S - this.next;
      this.next = now + AHEAD_S;
    }
    const buffer = this.context.createBuffer(1, samples.length, this.rate);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.out);
    source.onended = () => this.sources.delete(source);
    this.sources.add(source);
    source.start(this.next);
    this.next += samples.length / this.rate;
    this.seconds += samples.length / this.rate;
  }

  /** Seconds that were heard. */
  get heard() {
    if (this.begins === null) return 0;
    return Math.max(0, Math.min(this.seconds, this.context.currentTime - this.begins));
  }

  /** Until all of it was heard, or it was stopped. */
  async drained() {
    while (!this.isStopped && this.context.currentTime < this.next) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    const now = this.context.currentTime;
    this.out.gain.setTargetAtTime(0, now, 0.004); // not to click
    await new Promise((resolve) => setTimeout(resolve, 30));
    this.sources.forEach((source) => source.stop());
    await this.close();
  }

  async close() {
    if (this.context.state !== "closed") await this.context.close();
  }
}
