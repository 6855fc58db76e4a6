// The clock of the playback: milliseconds since the start of the recording.

export function createClock() {
  let base = 0;
  let since = 0;
  let speed = 1;
  let isPlaying = false;
  let isHeld = false; // While the picture is late.

  const ticks = () => isPlaying && !isHeld;
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
    get isHeld() {
      return isHeld;
    },
    get speed() {
      return speed;
    },
    set speed(value) {
      change(() => (speed = value));
    },
    play: () => change(() => (isPlaying = true)),
    pause: () => change(() => (isPlaying = false)),
    hold: (value) => change(() => (isHeld = value)),
    set: (ms) => change(() => (base = ms)),
    /** Real milliseconds until the time; undefined while the clock stands. */
    until: (ms) => (ticks() ? (ms - now()) / speed : undefined),
  };
}
