// A wall clock that can be set while the process runs. Only Date changes: performance.now(), process.hrtime and timers use the monotonic
// clock, as after a real step by an administrator or NTP. Import this file before code that keeps a reference to Date.
const Real = globalThis.Date;
let offset = 0;

class ShiftedDate extends Real {
  constructor(...args) {
    if (args.length === 0) super(Real.now() + offset);
    else super(...args);
  }

  static now() {
    return Real.now() + offset;
  }
}

globalThis.Date = ShiftedDate;

export const clock = {
  /** Sets the clock to the real time plus `milliseconds`, which may be negative. */
  step(milliseconds) {
    offset = milliseconds;
    return offset;
  },
};
