// The clock of the playback, in milliseconds since the start of the recording.

export function createClock() {
  let base = 0;
  let since = 0;
  let speed = 1;
  let isPlaying = false;
  let isStalled = false; // While the picture is late.

  const ticks = () => isPlaying && !isStalled;
  const now = () => (ticks() ? base + (performance.now() - since) * speed : base);

  function change(apply) {
    base = now();
    since = performance.now();
    apply();
  }

  return {
    now,
    get isPlaying() {
      return isPlaying;
    },
    get isStalled() {
      return isStalled;
    },
    get speed() {
      return speed;
    },
    set speed(value) {
      change(() => (speed = value));
    },
    play: () => change(() => (isPlaying = true)),
    pause: () => change(() => (isPlaying = false)),
    stall: (value) => change(() => (isStalled = value)),
    set: (ms) => change(() => (base = ms)),
    /** Real milliseconds until the time; undefined while the clock is stopped. */
    until: (ms) => (ticks() ? (ms - now()) / speed : undefined),
  };
}
