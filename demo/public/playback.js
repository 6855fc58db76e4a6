// The page that plays one recording: connects the buttons, the time line and the keys with the player.
import { byId, setIcon } from './dom.js';
import { createPlayer } from './playback-player.js';
import { dateOf, sizeOf, spokenTime, stateOf, timeOf, userOf } from './playback-text.js';

const speeds = [1, 2, 4, 8];
/** Milliseconds of a seek by an arrow key. */
const step = 5000;

const failures = {
  login: ['The desktop refused the login', 'In this session, the VNC password was wrong.'],
  error: [
    'This recording cannot be shown',
    'It is not a VNC session, or was recorded with another viewer than noVNC.',
  ],
  broken: [
    'The picture ends here',
    'noVNC cannot read the rest: the file is damaged, or was recorded with another viewer than noVNC.',
  ],
  empty: ['Nothing to show', 'The session ended before the desktop sent a picture.'],
  damaged: ['This recording is damaged', 'The file is damaged before the first picture.'],
  network: [
    'The recording could not be loaded',
    'The server does not answer, or you are no longer logged in.',
  ],
  unreadable: ['This recording cannot be read', ''],
};

const toggle = byId('toggle');
const line = byId('line');
const form = byId('speed');
let player;
let isDragging = false;

function say(text) {
  const status = byId('status');
  if (status.textContent !== text) status.textContent = text;
}

function showCard(reason, detail) {
  const [title, text] = failures[reason];
  byId('card-title').textContent = title;
  byId('card-text').textContent = detail ?? text;
  byId('card-again').hidden = reason !== 'network';
  byId('card').hidden = false;
}

function showInfo(info) {
  byId('user').textContent = info.state === 'unreadable' ? 'Recording' : userOf(info);
  byId('start').textContent = dateOf(info.start);
  const facts = [info.address, info.backend, sizeOf(info.size), stateOf(info)];
  byId('facts').textContent = facts.filter((fact) => fact !== '').join(' · ');
  document.title = `${userOf(info)}, ${dateOf(info.start)} · express-wstunnel demo`;
}

function showTime(position) {
  const { duration } = player;
  byId('position').textContent = timeOf(position);
  byId('duration').textContent = timeOf(duration);
  line.max = String(Math.max(1, duration));
  if (!isDragging) line.value = String(position);
  line.style.setProperty('--played', `${(100 * Number(line.value)) / Number(line.max)}%`);
  const words = `${spokenTime(Number(line.value))} of ${spokenTime(duration)}`;
  if (line.getAttribute('aria-valuetext') !== words) line.setAttribute('aria-valuetext', words);
}

function showState() {
  const { isPlaying, hasEnded, isSkipping } = player;
  const label = isPlaying ? 'Pause' : hasEnded ? 'Play again' : 'Play';
  toggle.setAttribute('aria-label', label);
  toggle.title = `${label} (space)`;
  setIcon(toggle, isPlaying ? 'pause' : hasEnded ? 'again' : 'play');
  document.body.dataset.playback = isSkipping
    ? 'skipping'
    : isPlaying
      ? 'playing'
      : hasEnded
        ? 'ended'
        : 'paused';
  showTime(isDragging ? Number(line.value) : player.position);
}

const on = {
  change: showState,
  skip: ({ from, to }) => {
    byId('card').hidden = true;
    say(`Skipping from ${timeOf(from)} to ${timeOf(to)} …`);
  },
  skipped: ({ from, to, bytes }) =>
    say(
      bytes === 0
        ? `At ${timeOf(to)}.`
        : from === 0
          ? `At ${timeOf(to)}. Played from the start without waiting: ${sizeOf(bytes)}.`
          : `At ${timeOf(to)}. Skipped from ${timeOf(from)}, ${sizeOf(bytes)} played without waiting.`,
    ),
  name: (name) => (byId('screen').dataset.name = name),
};

/** The sentence at the end of the recording. */
function endOf({ state, reason }, isDamaged) {
  if (isDamaged) return 'The end. The rest of the file is damaged.';
  if (state === 'recording')
    return 'The end so far: this desktop is still being recorded. Reload the page for more.';
  if (state === 'unfinished')
    return 'The end so far: this recording is not finished. The desktop is still open, or a crash has cut the file.';
  return reason === undefined
    ? 'The end.'
    : `The end. The recording stopped before the desktop was closed: ${reason}.`;
}

function setUp(info) {
  player = createPlayer({
    target: byId('screen'),
    url: `${location.pathname.replace(/\/$/, '')}/stream`,
    duration: info.duration,
    isFinal: info.state === 'finished',
    on: {
      ...on,
      end: ({ isDamaged }) => say(endOf(info, isDamaged)),
      fail: (reason, hadPicture) => {
        say('');
        showCard(reason === 'error' && hadPicture ? 'broken' : reason);
      },
    },
  });
  for (const control of document.querySelectorAll('.controls :disabled')) control.disabled = false;
  toggle.addEventListener('click', playOrPause);
  line.addEventListener('input', () => {
    isDragging = true;
    showTime(Number(line.value));
  });
  line.addEventListener('change', () => {
    isDragging = false;
    player.seek(Number(line.value));
  });
  form.addEventListener('change', () => (player.speed = Number(form.elements.speed.value)));
  byId('card-again').addEventListener('click', () => player.seek(player.position));
  document.addEventListener('keydown', whenKey);
  setInterval(() => showTime(isDragging ? Number(line.value) : player.position), 100);
  player.start();
  player.play();
  showState();
}

function playOrPause() {
  if (player.isPlaying) {
    player.pause();
    return;
  }
  say('');
  player.play();
}

function changeSpeed(by) {
  const next = speeds[speeds.indexOf(player.speed) + by];
  if (next === undefined) return;
  player.speed = next;
  form.elements.speed.value = String(next);
  say(`Speed ${next}×.`);
}

const keys = {
  ' ': playOrPause,
  k: playOrPause,
  ArrowLeft: () => player.seek(player.position - step),
  ArrowRight: () => player.seek(player.position + step),
  ArrowUp: () => changeSpeed(1),
  ArrowDown: () => changeSpeed(-1),
  Home: () => player.seek(0),
  End: () => player.seek(player.duration),
};

/** A focused button, link or radio button keeps its own keys; on the time line, the arrow keys seek as everywhere on the page. */
function whenKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { target, key } = event;
  if (target.matches?.('[type=radio]') || (key === ' ' && target.matches?.('button, a'))) return;
  const action = keys[key];
  if (action === undefined) return;
  event.preventDefault();
  action();
}

byId('fullscreen').hidden = !document.fullscreenEnabled;
byId('fullscreen').addEventListener('click', () => {
  const change =
    document.fullscreenElement === null ? byId('stage').requestFullscreen() : document.exitFullscreen();
  change.catch(() => {});
});

/** For the tests. */
window.playback = { player: () => player };

try {
  const answer = await fetch(`${location.pathname.replace(/\/$/, '')}/info`, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const info = await answer.json();
  showInfo(info);
  if (info.state === 'unreadable')
    showCard('unreadable', `The file is damaged, or was created just now: ${info.reason}.`);
  else setUp(info);
} catch {
  showCard('network');
  byId('card-again').addEventListener('click', () => location.reload());
}
