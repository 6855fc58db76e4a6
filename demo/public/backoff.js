// Seconds before each new attempt; the last value repeats.
const delays = [1, 2, 4, 8, 15];

/** Milliseconds. After a connection of at least this length, the delays start again with the first value. */
const steady = 10_000;

/** `tick(secondsLeft)` is called once a second, `start(milliseconds)` at the beginning, `fire()` at the end. */
export function createBackoff({ start, tick, fire }) {
  let tries = 0;
  let timer;
  let steadyTimer;

  return {
    get waiting() {
      return timer !== undefined;
    },
    schedule() {
      this.cancel();
      const wait = delays[Math.min(tries, delays.length - 1)] * 1000;
      tries += 1;
      const due = performance.now() + wait;
      let shown;
      const beat = () => {
        const left = due - performance.now();
        if (left <= 0) {
          this.cancel();
          fire();
          return;
        }
        const seconds = Math.ceil(left / 1000);
        if (seconds !== shown) tick((shown = seconds));
      };
      timer = setInterval(beat, 100);
      start(wait);
      beat();
    },
    cancel() {
      clearInterval(timer);
      timer = undefined;
    },
    /** The connection is open: after a while, the delays start again with the first value. */
    connected() {
      clearTimeout(steadyTimer);
      steadyTimer = setTimeout(() => {
        tries = 0;
      }, steady);
    },
    ended() {
      clearTimeout(steadyTimer);
    },
    /** The user reconnects: the delays start again with the first value. */
    reset() {
      this.cancel();
      tries = 0;
    },
  };
}
