/** Milliseconds. A longer event-loop turn counts as a stall. */
const STALL = 10;

/** Limit of turns to wait for: in a busy process every turn is long. */
const MAX_TURNS = 3;

/**
 * Calls back after an event-loop turn that has read the bytes queued in the kernel: after a stall of this process, bytes that
 * arrived in time are still unread. If that turn stalls as well, another turn follows. `longest` is the duration of the longest
 * of these turns, in milliseconds. The returned function cancels the call.
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
