/** A turn of the event loop above this has stood still, in milliseconds. */
const STOOD_STILL = 10;

/** In a busy process no turn is a short one. */
const MOST_TURNS = 3;

/**
 * Calls back when a turn of the event loop has read what waits in the kernel: behind a stall, what came in time may lie there
 * unread. Where that turn stands still itself, there is another one. `stood` is for how long they did at the most, in
 * milliseconds. The function returned stops it.
 */
export function whenCaughtUp(callback: (stood: number) => void): () => void {
  let immediate: NodeJS.Immediate;
  let turns = 0;
  let longest = 0;
  const turn = () => {
    const began = performance.now();
    immediate = setImmediate(() => {
      const stood = performance.now() - began;
      longest = Math.max(longest, stood);
      if (stood > STOOD_STILL && ++turns < MOST_TURNS) turn();
      else callback(longest);
    });
  };
  turn();
  return () => clearImmediate(immediate);
}
