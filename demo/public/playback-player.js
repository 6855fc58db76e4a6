// Plays a recording: the source reads the bytes, the clock decides when they are due, and the screen draws. A VNC session has no complete
// pictures to jump to, only changes: a seek plays all changes up to the new time without pauses, and a seek backwards begins at the start.
import { createClock } from './playback-clock.js';
import { createScreen } from './playback-screen.js';
import { openSource } from './playback-source.js';

/** Milliseconds of real time that the source or the screen may be late before the clock stops. */
const LATE = 250;

/**
 * `duration`: milliseconds, known or estimated; `isFinal`: whether the duration is known. `on`: `change()`; `skip({ from, to })` when a seek
 * begins and `skipped({ from, to, updates, bytes })` when it ends; `end({ isDamaged })`; `fail(reason)`; `name(text)`.
 */
export function createPlayer({ target, url, duration, isFinal, on }) {
  const clock = createClock();
  let current; // The session on the screen, with its noVNC.
  let pending; // A new session that has not reached the time of the seek yet.
  let skip; // `{ from, to, updates, bytes }` of a seek in progress.
  let hasEnded = false;
  let wake = () => {};

  const changed = () => {
    wake();
    on.change();
  };

  function start() {
    const session = { source: openSource(url), at: 0 };
    session.screen = createScreen(target, {
      name: on.name,
      end: (reason) => isCurrent(session) && fail(session, reason),
    });
    hasEnded = false;
    drop(pending);
    pending = session;
    void run(session);
  }

  function drop(session) {
    session?.source.close();
    session?.screen.close();
  }

  function reveal(session) {
    if (session === pending) {
      drop(current);
      current = session;
      pending = undefined;
    }
    session.screen.show();
  }

  const isCurrent = (session) => session === (pending ?? current) && !session.hasFailed;

  async function run(session) {
    try {
      for (;;) {
        const slow = setTimeout(() => isCurrent(session) && clock.stall(true), LATE);
        const block = await session.source.next();
        clearTimeout(slow);
        if (!isCurrent(session)) return;
        if (block === undefined) break;
        await due(session, block.ms);
        if (!isCurrent(session)) return;
        session.at = block.ms;
        if (skip !== undefined) {
          skip.updates += 1;
          skip.bytes += block.bytes.length;
        }
        await session.screen.deliver(block.bytes);
        if (!isCurrent(session)) return;
      }
      await finish(session);
    } catch {
      if (isCurrent(session)) fail(session, 'network');
    }
  }

  /**
   * Resolves at the time, or at once if the time has passed. The handshake and the first picture are delivered at once: the pause in which
   * the server waited for a password is not worth watching.
   */
  async function due(session, ms) {
    if (!session.hasPicture) {
      session.hasPicture = session.screen.isConnected;
      return;
    }
    if (clock.now() - ms > LATE * clock.speed) clock.stall(true);
    while (isCurrent(session) && ms > clock.now()) {
      await caughtUp(session, ms);
      if (!isCurrent(session) || ms <= clock.now()) continue;
      await woken(clock.until(ms));
    }
  }

  /** The next block is later than the clock. */
  async function caughtUp(session, next) {
    if (skip !== undefined) {
      await session.screen.drawn();
      // The user may have moved the time line meanwhile.
      if (!isCurrent(session) || next <= clock.now()) return;
    }
    reveal(session);
    const done = skip;
    skip = undefined;
    if (clock.isStalled) clock.stall(false);
    if (done !== undefined) on.skipped(done);
    on.change();
  }

  function woken(ms) {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, Math.min(ms, 2 ** 30));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function finish(session) {
    const { isDamaged } = session.source;
    await session.screen.drawn();
    if (!isCurrent(session)) return;
    reveal(session);
    if (!session.screen.isConnected) {
      fail(session, isDamaged ? 'damaged' : 'empty');
      return;
    }
    // The last picture stays until the end of the recording.
    if (!isFinal || isDamaged) duration = session.at;
    await due(session, duration);
    if (!isCurrent(session)) return;
    await caughtUp(session, Infinity);
    if (!isCurrent(session)) return;
    clock.set(duration);
    clock.pause();
    hasEnded = true;
    on.end({ isDamaged });
    on.change();
  }

  function fail(session, reason) {
    session.source.close();
    session.hasFailed = true;
    session.screen.show();
    skip = undefined;
    clock.pause();
    clock.stall(false);
    // noVNC stopped here. After a failure of the network, the next try begins at the time of the seek.
    if (reason === 'error') clock.set(session.at);
    on.fail(reason, session.hasPicture === true);
    on.change();
  }

  function seek(ms) {
    const to = Math.min(Math.max(0, ms), duration);
    const session = pending ?? current;
    const isBack = session.hasFailed || to < session.at || (hasEnded && to < duration);
    const from = isBack ? 0 : (skip?.from ?? Math.min(clock.now(), to));
    if (!isBack && hasEnded) return;
    skip = { from, to, updates: skip?.updates ?? 0, bytes: skip?.bytes ?? 0 };
    if (isBack) Object.assign(skip, { updates: 0, bytes: 0 });
    clock.set(to);
    clock.stall(true);
    on.skip(skip);
    if (isBack) start();
    else session.screen.freeze();
    changed();
  }

  return {
    start,
    seek,
    play() {
      if (hasEnded) seek(0);
      clock.play();
      changed();
    },
    pause() {
      clock.pause();
      changed();
    },
    set speed(value) {
      clock.speed = value;
      changed();
    },
    get speed() {
      return clock.speed;
    },
    get position() {
      return Math.min(clock.now(), duration);
    },
    get duration() {
      return duration;
    },
    get isPlaying() {
      return clock.isPlaying;
    },
    get isSkipping() {
      return skip !== undefined;
    },
    get hasEnded() {
      return hasEnded;
    },
    get hasFailed() {
      return (pending ?? current)?.hasFailed === true;
    },
  };
}
