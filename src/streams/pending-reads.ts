/** A longer event-loop turn was a stall, in milliseconds. */
const STALL = 10;

/** In a busy process every turn is long: turns to wait for at most. */
const MAX_TURNS = 3;

/**
 * Calls back after an event-loop turn that has read what is queued in the kernel: after a stall of this process, bytes that came
 * in time are still unread. If that turn stalls as well, another one follows. `longest` is the longest of these turns, in
 * milliseconds. The function returned cancels the call.
 */
export function afterPendingReads(callback: (longest: number) => void): () => void {
  let immediate: NodeJS.Immediate;
  let turns = 0;
  let longest = 0;
  const turn = () => {
    const began = performance.now();
    immediate = setImmediate(() => {
      const took = performance.now() - began;
      longest = Math.max(longest, took);
      if (took > STALL && ++turns < MAX_TURNS) turn();
      else callback(longest);
    });
  };
  turn();
  return () => clearImmediate(immediate);
}
