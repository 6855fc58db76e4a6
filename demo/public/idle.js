// The warning before the server closes a desktop without input. The page has a clock of its own, which starts again with each key or
// pointer event that the page sends, as the server's clock does with each one that it receives.
import { byId } from './dom.js';

const card = byId('idle');
const bar = byId('idle-bar');
const left = byId('idle-left');

/** Milliseconds of warning; at most half of the limit. */
const notice = 60_000;

function timeOf(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** `nudge()` sends an input that changes nothing. */
export function setUpIdle(nudge) {
  let limit = 0; // Milliseconds; 0: no limit.
  let last = 0; // The time of the last input.
  let timer;

  const warning = () => Math.min(notice, limit / 2);

  /** Any key or movement on the page shows that the user is present. */
  function stay() {
    if (!card.hidden) nudge();
  }

  function show(rest) {
    if (card.hidden) {
      card.hidden = false;
      byId('idle-title').textContent = 'Are you still there?';
      for (const old of bar.getAnimations()) old.cancel();
      bar.animate([{ transform: 'scaleX(1)' }, { transform: 'scaleX(0)' }], {
        duration: rest,
        fill: 'forwards',
      });
    }
    const text = timeOf(rest);
    if (left.textContent !== text) left.textContent = text;
  }

  function hide() {
    if (card.hidden) return;
    const hadFocus = card.contains(document.activeElement);
    card.hidden = true;
    // Screen readers announce the text when it appears.
    byId('idle-title').textContent = '';
    if (hadFocus) byId('screen').focus({ preventScroll: true });
  }

  function beat() {
    // Not Date, which a change of the computer's time moves.
    const rest = last + limit - performance.now();
    if (rest <= warning()) show(rest);
    else hide();
  }

  byId('idle-stay').addEventListener('click', stay);
  for (const type of ['keydown', 'pointermove', 'pointerdown', 'wheel'])
    window.addEventListener(type, stay, { capture: true, passive: true });
  // The timers of a tab in the background are slow, and those of a frozen tab stand still.
  for (const type of ['visibilitychange', 'resume'])
    document.addEventListener(type, () => {
      if (limit > 0) beat();
    });

  return {
    /**
     * The connection is open since a time, and the server closes it after so many seconds without input; 0: never, or no connection.
     */
    watch(seconds, since) {
      if (limit === seconds * 1000) return;
      limit = seconds * 1000;
      last = since;
      clearInterval(timer);
      hide();
      if (limit > 0) timer = setInterval(beat, 200);
    },
    /** A key or pointer event was sent. */
    input() {
      last = performance.now();
      hide();
    },
  };
}
