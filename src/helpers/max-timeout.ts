/** Milliseconds. A longer delay would make `setTimeout` fire at once; longer times take several timers. */
export const MAX_TIMEOUT = 2 ** 31 - 1;
